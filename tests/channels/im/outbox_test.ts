import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { Outbox } from "../../../src/channels/im/outbox.ts";

const box = (store = new MemoryStore()) => new Outbox(store, "t");

Deno.test("a message that comes three times is accepted once, also after it is done", async () => {
  const outbox = box();
  assert.deepEqual([await outbox.accept("m1", { n: 1 }), await outbox.accept("m1", { n: 2 })], [
    true,
    false,
  ]);
  await outbox.done("m1");
  assert.equal(await outbox.accept("m1", { n: 3 }), false);
  assert.deepEqual(await outbox.pending(), []);
});

Deno.test("of many that come at once one is accepted", async () => {
  const outbox = box();
  const accepted = await Promise.all(Array.from({ length: 20 }, () => outbox.accept("m1", {})));
  assert.equal(accepted.filter(Boolean).length, 1);
});

Deno.test("what was not done is pending after a restart, as it was last written", async () => {
  const store = new MemoryStore();
  await box(store).accept("m1", { step: "accepted" });
  await box(store).write("m1", { step: "final" });
  assert.deepEqual(await box(store).pending(), [{ id: "m1", entry: { step: "final" } }]);
});

Deno.test("a process that dies between writing and marking leaves an entry whose repeat is dropped", async () => {
  const store = new MemoryStore();
  await store.set("outbox:t:m1", { step: "accepted" });
  const outbox = box(store);
  assert.equal((await outbox.pending()).length, 1);
  assert.equal(await outbox.accept("m1", {}), false);
});

Deno.test("two channels' outboxes do not see each other", async () => {
  const store = new MemoryStore();
  await new Outbox(store, "a").accept("m1", {});
  assert.deepEqual(await new Outbox(store, "b").pending(), []);
  assert.equal(await new Outbox(store, "b").accept("m1", {}), true);
});

Deno.test("an entry that was forgotten meanwhile is not brought back by its next step", async () => {
  const store = new MemoryStore();
  const outbox = new Outbox(store, "lark:main");
  await outbox.accept("m1", { text: "hello" });
  await store.delete("outbox:lark:main:m1");
  await outbox.write("m1", { text: "hello", shown: "more" });
  assert.equal(await outbox.read("m1"), undefined);
  assert.equal(await outbox.accept("m1", { text: "hello" }), false, "it stays known");
});
