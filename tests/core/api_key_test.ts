import assert from "node:assert/strict";
import { MemoryStore } from "../../src/backends/memory.ts";
import { ApiKeys } from "../../src/core/api_key.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { silent } from "../../src/core/observer.ts";

function rig() {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  return { clock, store, keys: new ApiKeys({ store, clock, observer: silent }) };
}

Deno.test("a key opens, is told once, and is kept only as a hash", async () => {
  const { store, keys, clock } = rig();
  const { token, key } = await keys.make("alice", { name: "laptop", scopes: ["chat"] });
  assert.match(token, /^nxk_[0-9a-f]{48}$/);
  assert.equal((await keys.find(token))!.id, key.id);
  assert.equal(keys.recall(token)!.personId, "alice");
  assert.ok(!JSON.stringify([await store.list("key"), await keys.of("alice")]).includes(token));
  assert.equal((await keys.of("alice"))[0]!.lastUsedAt, clock.now());
  assert.deepEqual(Object.keys((await keys.of("alice"))[0]!).includes("hash"), false);
  for (const wrong of ["", "nxk_", token.slice(0, -1), token + "0", token.toUpperCase(), "nxk_" + "0".repeat(48)]) {
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
  assert.equal(keys.recall(short.token), undefined);
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
  const other = new ApiKeys({ store, clock, observer: silent });
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
