import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { ApiKeys } from "../../../src/core/people/api_key.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import { silentObserver } from "../../../src/core/observer.ts";

const DAY = 86_400_000;

function rig() {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  return { clock, store, keys: new ApiKeys({ store, clock, observer: silentObserver }) };
}

Deno.test("a key opens, is told once, and is kept only as a hash", async () => {
  const { store, keys, clock } = rig();
  const { token, key } = await keys.make("alice", { name: "laptop", scopes: ["chat"] });
  assert.match(token, /^nxk_[0-9a-f]{48}$/);
  assert.equal((await keys.find(token))!.id, key.id);
  assert.equal(keys.peek(token)!.personId, "alice");
  assert.ok(!JSON.stringify([await store.list("key"), await keys.of("alice")]).includes(token));
  assert.equal((await keys.of("alice"))[0]!.lastUsedAt, clock.now());
  assert.deepEqual(Object.keys((await keys.of("alice"))[0]!).includes("hash"), false);
  for (
    const wrong of [
      "",
      "nxk_",
      token.slice(0, -1),
      token + "0",
      token.toUpperCase(),
      "nxk_" + "0".repeat(48),
    ]
  ) {
    assert.equal(await keys.find(wrong), undefined);
  }
});

Deno.test("a key that is over or revoked opens no longer, also when it was used a moment ago", async () => {
  const { keys, clock } = rig();
  const short = await keys.make("alice", { name: "short", ttl: 60_000 });
  const long = await keys.make("alice", { name: "long" });
  assert.ok(await keys.find(short.token));
  assert.ok(await keys.find(long.token));
  clock.pass(61_000);
  assert.equal(keys.peek(short.token), undefined);
  assert.equal(await keys.find(short.token), undefined);
  assert.ok(await keys.find(long.token));
  assert.equal(await keys.revoke("alice", long.key.id), 1);
  assert.equal(await keys.find(long.token), undefined);
});

Deno.test("nobody sees or revokes another person's key", async () => {
  const { keys } = rig();
  const { token, key } = await keys.make("alice", { name: "hers" });
  assert.deepEqual(await keys.of("ali"), []);
  assert.equal(await keys.revoke("bob", key.id), 0);
  assert.equal(await keys.revoke("bob"), 0);
  assert.equal(await keys.revoke("alice", ""), 0);
  assert.ok(await keys.find(token));
});

Deno.test("a key revoked by another node stops within ten seconds", async () => {
  const { keys, store, clock } = rig();
  const other = new ApiKeys({ store, clock, observer: silentObserver });
  const { token, key } = await keys.make("alice", { name: "laptop" });
  assert.ok(await keys.find(token));
  await other.revoke("alice", key.id);
  clock.pass(10_001);
  assert.equal(await keys.find(token), undefined);
});

Deno.test("a person has at most fifty keys", async () => {
  const { keys } = rig();
  for (let i = 0; i < 50; i++) await keys.make("alice", { name: `${i}` });
  await assert.rejects(keys.make("alice", { name: "one more" }), /conflict/);
});

Deno.test("a bound on the age of keys ends those without an end and those with a later one, and is seen in the list", async () => {
  const { clock, store, keys } = rig();
  const endless = await keys.make("alice", { name: "endless" });
  const long = await keys.make("alice", { name: "long", ttl: 100 * DAY });
  const short = await keys.make("alice", { name: "short", ttl: 2 * DAY });
  const made = clock.now();
  assert.equal(endless.key.expiresAt, undefined);
  keys.maxAge = 10 * DAY;
  const ends = async () =>
    Object.fromEntries((await keys.of("alice")).map(({ name, expiresAt }) => [name, expiresAt]));
  assert.deepEqual(await ends(), {
    endless: made + 10 * DAY,
    long: made + 10 * DAY,
    short: made + 2 * DAY,
  });
  assert.equal((await keys.make("alice", { name: "new" })).key.expiresAt, clock.now() + 10 * DAY);
  clock.pass(9 * DAY);
  assert.ok(await keys.find(endless.token) && await keys.find(long.token));
  assert.equal(await keys.find(short.token), undefined);
  clock.pass(DAY);
  // The first was looked up a moment ago and is in memory.
  for (const { token } of [endless, long]) {
    assert.equal(keys.peek(token), undefined);
    assert.equal(await keys.find(token), undefined);
  }
  assert.deepEqual(Object.keys(await ends()), []);
  // A key that ended so makes room.
  await keys.make("alice", { name: "next" });
  assert.equal((await store.list("key:alice:")).length, 1);
  assert.equal((await store.list("keyhash:")).length, 1);
});
