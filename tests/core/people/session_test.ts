import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import { silentObserver } from "../../../src/core/observer.ts";
import { Sessions } from "../../../src/core/people/session.ts";

const DAY = 86_400_000;

function rig() {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  const open = () =>
    new Sessions({ store, clock, observer: silentObserver }, { ttl: DAY, maxAge: 30 * DAY });
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
  assert.ok(sessions.peek(token));
  await open().endOf("alice", {});
  clock.pass(10_000);
  assert.equal(sessions.peek(token), undefined);
  assert.equal(await sessions.find(token), undefined);
  assert.deepEqual(await sessions.of("alice"), []);
  assert.equal(await open().find(token), undefined);
});

Deno.test("the token is kept nowhere, only its hash", async () => {
  const { store, sessions } = rig();
  const { token } = await sessions.begin("alice", { agent: "test", address: "10.0.0.1" });
  assert.ok(!JSON.stringify(await store.list("")).includes(token));
});

Deno.test("a session ends at its greatest age, however much it is used, in memory and in the store", async () => {
  const { clock, store, open, sessions } = rig();
  const { token, session } = await sessions.begin("alice");
  for (let i = 0; i < 59; i++) {
    clock.pass(DAY / 2);
    assert.ok(await sessions.find(token), `after ${i + 1} half days`);
  }
  assert.equal(sessions.peek(token)!.expiresAt, session.createdAt + 30 * DAY);
  clock.pass(DAY / 2);
  assert.equal(sessions.peek(token), undefined);
  assert.equal(await sessions.find(token), undefined);
  assert.equal(await open().find(token), undefined);
  assert.equal(await sessions.isValid(token), false);
  assert.deepEqual(await sessions.of("alice"), []);
  assert.deepEqual(await store.list("session:"), []);
});

Deno.test("a greatest age that is made shorter counts for sessions that are there", async () => {
  const { clock, open, sessions } = rig();
  const { token } = await sessions.begin("alice");
  clock.pass(DAY / 2);
  await sessions.find(token);
  sessions.life = { ttl: DAY, maxAge: DAY / 4 };
  assert.equal(await sessions.find(token), undefined);
  assert.equal(await sessions.isValid(token), false);
  const other = open();
  other.life = { ttl: DAY, maxAge: DAY / 4 };
  assert.equal(await other.find(token), undefined);
  assert.deepEqual(await other.of("alice"), []);
});

Deno.test("a session is bound to the password in the configuration, over a restart, and to no other person's", async () => {
  const { clock, store } = rig();
  const passwords: Record<string, string> = { alice: "one" };
  const open = () =>
    new Sessions({ store, clock, observer: silentObserver, credential: (id) => passwords[id] }, {
      ttl: DAY,
      maxAge: DAY,
    });
  const before = open();
  const alice = await before.begin("alice"), bob = await before.begin("bob");
  assert.ok(await open().find(alice.token));
  passwords.alice = "two";
  const after = open();
  assert.equal(await after.find(alice.token), undefined);
  assert.ok(await after.find(bob.token));
  assert.deepEqual(await store.list("session:alice:"), []);
  assert.ok(!JSON.stringify(await store.list("")).includes("one"), "the password stands nowhere");
});

Deno.test("a session of an earlier version holds on, and is bound to the password of its first use", async () => {
  const { clock, store } = rig();
  const plain = new Sessions({ store, clock, observer: silentObserver }, {
    ttl: DAY,
    maxAge: 2 * DAY,
  });
  const { token } = await plain.begin("alice");
  let password = "one";
  const open = () =>
    new Sessions({ store, clock, observer: silentObserver, credential: () => password }, {
      ttl: DAY,
      maxAge: 2 * DAY,
    });
  const bound = open();
  assert.ok(await bound.find(token));
  clock.pass(DAY / 10);
  assert.ok(await bound.find(token), "its use is written down, and the proof with it");
  password = "two";
  assert.equal(await open().find(token), undefined);
});

Deno.test("who is put out has no session left, also none that only this process remembers", async () => {
  const { open, sessions } = rig();
  const { token } = await sessions.begin("alice");
  const bob = await sessions.begin("bob");
  await open().endOf("alice", {});
  assert.ok(sessions.peek(token), "it is believed for some seconds");
  assert.equal(await sessions.endOf("alice", {}), 0);
  assert.equal(sessions.peek(token), undefined);
  assert.ok(sessions.peek(bob.token));
});
