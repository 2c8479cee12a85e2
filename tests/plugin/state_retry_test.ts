/** Patience with OpenClaw's state. */
import assert from "node:assert/strict";
import { retryWhileHeld } from "../../plugin/src/state_retry.ts";

const held = () => Promise.reject(new Error("another OpenClaw process owns state-lifecycle"));

Deno.test("what OpenClaw throws back while its state is held is tried again, a little later each time", async () => {
  const waits: number[] = [];
  let tries = 0;
  const wait = (ms: number) => Promise.resolve(void waits.push(ms));
  assert.equal(
    await retryWhileHeld(() => ++tries < 3 ? held() : Promise.resolve("answer"), () => true, wait),
    "answer",
  );
  assert.deepEqual(waits, [500, 1000]);
  await assert.rejects(retryWhileHeld(held, () => true, wait), /state-lifecycle/);
  assert.deepEqual(waits, [500, 1000, 500, 1000, 2000, 4000]);
});

Deno.test("another error comes through at once, and nothing is tried again that has begun or was stopped", async () => {
  let tries = 0;
  const wait = () => Promise.reject(new Error("it waited"));
  await assert.rejects(
    retryWhileHeld(() => Promise.reject(new Error(`try ${++tries}`)), () => true, wait),
    /try 1/,
  );
  await assert.rejects(retryWhileHeld(held, () => false, wait), /state-lifecycle/);
});
