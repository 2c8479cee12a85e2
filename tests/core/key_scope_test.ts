import assert from "node:assert/strict";
import {
  addTrace,
  type KeyScope,
  mayRead,
  shareOf,
  type Trace,
  UNKNOWN_TRACE,
} from "../../src/core/key_scope.ts";

const bound: KeyScope = { key: "k", bots: ["a", "pool"], own: false };
const asking: KeyScope = { key: "k", own: true };
const both: KeyScope = { key: "k", bots: ["a"], own: true };

Deno.test("who may read a turn", () => {
  const table: [reach: KeyScope | undefined, trace: Trace, may: boolean][] = [
    [undefined, UNKNOWN_TRACE, true],
    [bound, { bots: [{ id: "a" }] }, true],
    [bound, { bots: [{ id: "b" }] }, false],
    [bound, { bots: [{ id: "b", pool: "pool" }] }, true],
    // Both have said something of it.
    [bound, { bots: [{ id: "b" }, { id: "a" }] }, false],
    // Nobody answered: for whoever asked.
    [bound, { bots: [] }, false],
    [bound, { bots: [], key: "k" }, true],
    [bound, UNKNOWN_TRACE, false],
    [asking, { bots: [{ id: "b" }], key: "k" }, true],
    [asking, { bots: [{ id: "b" }], key: "other" }, false],
    [asking, { bots: [{ id: "b" }] }, false],
    [asking, UNKNOWN_TRACE, false],
    [both, { bots: [{ id: "a" }], key: "k" }, true],
    [both, { bots: [{ id: "a" }] }, false],
    [both, { bots: [{ id: "b" }], key: "k" }, false],
    [{ key: "k", bots: [], own: false }, { bots: [{ id: "a" }] }, false],
  ];
  for (const [reach, trace, may] of table) {
    assert.equal(mayRead(reach, trace), may, JSON.stringify([reach, trace]));
  }
});

Deno.test("a conversation is read whole, in part or not at all", () => {
  const a = { bots: [{ id: "a" }] }, b = { bots: [{ id: "b" }] };
  assert.equal(shareOf(bound, [a]), "whole");
  assert.equal(shareOf(bound, [a, b]), "part");
  assert.equal(shareOf(bound, [b]), "nothing");
  assert.equal(shareOf(bound, []), "nothing");
  assert.equal(shareOf(undefined, []), "whole");
});

Deno.test("a conversation keeps each trace once, and of too many that there are more", () => {
  const traces: Trace[] = [];
  assert.equal(addTrace(traces, { bots: [{ id: "a" }] }), true);
  assert.equal(addTrace(traces, { bots: [{ id: "a" }] }), false);
  assert.equal(addTrace(traces, { bots: [{ id: "a", pool: "p" }] }), true);
  assert.equal(addTrace(traces, { bots: [{ id: "a" }], key: "k" }), true);
  for (let n = 0; n < 1000; n++) addTrace(traces, { bots: [{ id: `bot ${n}` }] });
  assert.equal(traces.length, 201);
  assert.deepEqual(traces.at(-1), UNKNOWN_TRACE);
});
