import assert from "node:assert/strict";
import { backoffMs } from "../../src/core/backoff.ts";

Deno.test("the pause doubles with each failure up to its bound, and half of it is random", () => {
  const backoff = { first: 500, max: 60_000 };
  const longest = [0, 1, 2, 6, 7, 1000].map((failures) => backoffMs(backoff, failures, 1));
  assert.deepEqual(longest, [500, 1000, 2000, 32_000, 60_000, 60_000]);
  assert.equal(backoffMs(backoff, 2, 0), 1000);
});
