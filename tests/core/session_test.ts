import assert from "node:assert/strict";
import { MemoryStore } from "../../src/backends/memory.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { silent } from "../../src/core/observer.ts";
import { Sessions } from "../../src/core/session.ts";

const DAY = 86_400_000;

function rig() {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  const open = () => new Sessions({ store, clock, observer: silent }, { ttl: DAY, maxAge: 30 * DAY });
  return { clock, store, open, sessions: open() };
}

Deno.test("a session slides with its use, survives a restart, and is over when nobody used it", async () => {
  const { clock, open, sessions } = rig();
  const { token } = await sessions.begin("alice");
  for (let i = 0; i < 5; i++) {
    clock.pass(DAY / 2);
    assert.equal((await sessions.find(token))?.personId, "alice");
  }
  assert.equal((await open().find(token))?.personId, "alice");
  clock.pass(DAY + 1);
  assert.equal(await sessions.find(token), undefined);
  assert.equal(await open().find(token), undefined);
});

Deno.test("a session that another process ended stops within ten seconds, and is not brought back by its use", async () => {
  const { clock, open, sessions } = rig();
  const { token } = await sessions.begin("alice");
  assert.ok(sessions.recall(token));
  await open().endOf("alice", {});
  clock.pass(10_000);
  assert.equal(sessions.recall(token), undefined);
  assert.equal(await sessions.find(token), undefined);
  assert.deepEqual(await sessions.of("alice"), []);
  assert.equal(await open().find(token), undefined);
});

Deno.test("the token is kept nowhere, only its hash", async () => {
  const { store, sessions } = rig();
  const { token } = await sessions.begin("alice", { agent: "test", address: "10.0.0.1" });
  assert.ok(!JSON.stringify(await store.list("")).includes(token));
});
