/** The page's reader of server-sent events. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { SseReader } from "../../src/web/sse.ts";

function read(...pieces: string[]) {
  const reader = new SseReader();
  return pieces.flatMap((piece) => reader.push(piece));
}

Deno.test("events are read with their data and the last id", () => {
  assert.deepEqual(read('id: t:1\ndata: {"a":1}\n\ndata: b\n\n'), [{ data: '{"a":1}', id: "t:1" }, {
    data: "b",
    id: "t:1",
  }]);
});

Deno.test("several data lines are one text, one space after the colon is not part of it", () => {
  assert.deepEqual(read("data:a\ndata:  b\ndata\n\n"), [{ data: "a\n b\n", id: "" }]);
});

Deno.test("comments, unknown fields and empty events are passed over", () => {
  assert.deepEqual(read(": \n\n: hello\nretry: 5\nevent: x\n\nfoo\n\n"), []);
});

Deno.test("an event without its blank line is not one yet", () => {
  const reader = new SseReader();
  assert.deepEqual(reader.push("data: a\n"), []);
  assert.deepEqual(reader.push("\n"), [{ data: "a", id: "" }]);
});

Deno.test("a stream cut at any places gives the same events", () => {
  const line = fc.oneof(
    fc.constantFrom(
      "data: x",
      "data:y",
      "id: t:5",
      "id",
      ": c",
      "",
      "",
      "data",
      "event: z",
      "\ufeffdata: q",
      "data: 你好😀",
    ),
    fc.string({ maxLength: 12 }).map((text) => text.replace(/[\r\n]/g, "")),
  );
  const end = fc.constantFrom("\n", "\r\n", "\r");
  fc.assert(
    fc.property(
      fc.array(fc.tuple(line, end), { maxLength: 30 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      (lines, cuts) => {
        const text = lines.map((each) => each.join("")).join("");
        const places = [...cuts.map((cut) => cut % (text.length + 1)), text.length].sort((a, b) =>
          a - b
        );
        const pieces = places.map((to, index) => text.slice(places[index - 1] ?? 0, to));
        assert.deepEqual(read(...pieces), read(text));
      },
    ),
    { numRuns: 1000, seed: 20261123 },
  );
});
