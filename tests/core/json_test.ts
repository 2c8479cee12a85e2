import assert from "node:assert/strict";
import fc from "fast-check";
import { excessOf, JSON_BOUNDS, MAX_DEPTH, parseJson, TooComplex } from "../../src/core/json.ts";

Deno.test("what JSON.parse reads within the bounds is read the same, and what it refuses is refused", () => {
  fc.assert(fc.property(fc.jsonValue(), fc.boolean(), (value, spaced) => {
    const text = JSON.stringify(value, undefined, spaced ? 2 : undefined);
    assert.deepEqual(parseJson(text), JSON.parse(text));
  }));
  for (const wrong of ["", "{", `["${"a".repeat(300)}]`, `${" ".repeat(300)}x`]) {
    assert.throws(() => parseJson(wrong), SyntaxError);
  }
});

Deno.test("a text that holds too many values, or stands too deep, is refused before it is parsed", () => {
  const deep = (depth: number) => "[".repeat(depth) + " ".repeat(300) + "]".repeat(depth);
  assert.doesNotThrow(() => parseJson(deep(MAX_DEPTH)));
  assert.throws(() => parseJson(deep(MAX_DEPTH + 1)), TooComplex);
  const list = (length: number) => JSON.stringify(Array.from({ length }, () => 1));
  assert.doesNotThrow(() => parseJson(list(JSON_BOUNDS.values - 1)));
  assert.throws(() => parseJson(list(JSON_BOUNDS.values)), TooComplex);
  const lists = JSON.stringify(Array.from({ length: 400 }, () => []));
  assert.equal(excessOf(lists, { values: 1000, containers: 401 }), undefined);
  assert.match(excessOf(lists, { values: 1000, containers: 400 })!, /400 lists and objects/);
});

Deno.test("brackets and commas inside strings are letters like others", () => {
  const text = JSON.stringify({
    a: "[{,".repeat(100_000),
    b: '\\"[[[['.repeat(1000),
    c: "\\".repeat(1001),
  });
  assert.equal(excessOf(text, { values: 4, containers: 1 }), undefined);
  assert.deepEqual(parseJson(text), JSON.parse(text));
});
