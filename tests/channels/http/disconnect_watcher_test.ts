import assert from "node:assert/strict";
import { DisconnectWatcher } from "../../../src/channels/http/disconnect_watcher.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import { Reply } from "../../../src/core/reply.ts";
import { Turn } from "../../../src/core/turn.ts";

/** A client that waits, and what happened to its turn when it hung up. */
function waiting(idempotencyKey?: string) {
  const clock = new ManualClock();
  const cancelled: Turn[] = [];
  const watcher = new DisconnectWatcher(clock, (turn) => cancelled.push(turn));
  const client = new AbortController();
  const request = new Request("http://localhost/", { signal: client.signal });
  const person = { id: "alice", name: "Alice", role: "member" } as const;
  const message = { person, text: "go", images: [], channel: "api", idempotencyKey } as const;
  const turn = new Turn("t", { kind: "named", id: "c" }, message, new Reply(), clock.now());
  return { clock, cancelled, client, turn, watcher, answered: watcher.watch(request, turn) };
}

Deno.test("a client that hangs up stops its turn, soon after or long after it asked", () => {
  for (const asked of [0, 10_000]) {
    const { clock, cancelled, client, turn, answered } = waiting();
    clock.pass(asked);
    client.abort();
    clock.pass(100);
    assert.deepEqual(cancelled, [turn]);
    answered();
    assert.equal(clock.waiting, 0);
  }
});

Deno.test("a client that sent an Idempotency-Key will ask again, so its turn goes on", () => {
  const { clock, cancelled, client, answered } = waiting("k");
  client.abort();
  clock.pass(10_000);
  assert.deepEqual(cancelled, []);
  answered();
});

Deno.test("what has ended, or was answered, is not stopped", () => {
  const ended = waiting();
  ended.turn.reply.end({ status: "done" });
  ended.client.abort();
  ended.clock.pass(100);
  const answered = waiting();
  answered.clock.pass(100);
  answered.answered();
  answered.client.abort();
  assert.deepEqual([ended.cancelled, answered.cancelled], [[], []]);
});
