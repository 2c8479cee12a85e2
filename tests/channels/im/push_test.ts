/**
 * What a bot says by itself, on its way over a real socket into the chats of an emulated platform.
 */
import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { chats, KINDS } from "./chats.ts";

for (const kind of KINDS) {
  Deno.test(`${kind}: what a bot says by itself reaches the chat of a bound person, once, however often it is said`, async () => {
    await using c = await chats(kind);
    await c.say("chat1", "hello");
    await c.bind("chat1", "alice");
    const id = "tea-1";
    assert.equal((await c.push("user:alice", "Tea is **ready**.", { id })).success, true);
    const [, tea] = await c.finals("chat1", 2);
    assert.match(tea!, /Tea is \**ready\**\./);
    assert.equal((await c.push("user:alice", "Tea is **ready**.", { id })).success, true);
    assert.equal((await c.push("user:alice", "And cake.")).success, true);
    assert.match((await c.finals("chat1", 3)).at(-1)!, /And cake\./);
    // The page has it too, and only those.
    const { conversations } = await (await c.w.as("alice", "/api/conversations")).json();
    assert.equal(conversations.length, 1);
    assert.equal((await c.push("user:nobody", "x")).success, false);
  });
}

Deno.test("a push waits in the outbox while the platform is away, and the process that comes next delivers it once", async () => {
  const store = new MemoryStore();
  // The store outlives the gateway that closes it: memory keeps what it has.
  {
    await using c = await chats("feishu", {}, store);
    await c.say("oc_1", "hello");
    await c.bind("oc_1", "alice");
    c.w.app.apps.budget.close(
      { key: "feishu:person:cli_0123456789abcdef:ou_of_oc_1", rates: [] },
      3_600_000,
    );
    assert.equal((await c.push("user:alice", "later", { id: "l" })).success, true);
    assert.equal(c.w.app.apps.list()[0]!.open, 1);
  }
  await using c = await chats("feishu", {}, store);
  assert.deepEqual(await c.finals("oc_1", 1), ["later"]);
  // The bot heard no receipt and says it again to the new process.
  assert.equal((await c.push("user:alice", "later", { id: "l" })).success, true);
  assert.equal((await c.push("user:alice", "last")).success, true);
  assert.deepEqual(await c.finals("oc_1", 2), ["later", "last"]);
});

Deno.test("a push to a conversation goes where that conversation was begun, into a group too", async () => {
  await using c = await chats("feishu", { group: "shared" });
  await c.say("oc_1", "hello");
  await c.say("oc_g", "hello", true);
  assert.equal(
    (await c.push(`conversation:${c.asked.at(-1)!.conversationId}`, "to the group")).success,
    true,
  );
  assert.equal((await c.finals("oc_g", 2))[1], "to the group");
  assert.equal((await c.push("user:lark:main:ou_of_oc_1", "to the stranger")).success, true);
  assert.equal((await c.finals("oc_1", 2))[1], "to the stranger");
});

Deno.test("who may not use the app (any more) is not written to, and a bot hears that nobody got it", async () => {
  const store = new MemoryStore();
  {
    await using c = await chats("feishu", {}, store);
    await c.say("oc_1", "hello");
    assert.equal((await c.push("user:lark:main:ou_of_oc_1", "one")).success, true);
    await c.finals("oc_1", 2);
  }
  await using c = await chats(
    "feishu",
    { access: "allowlist", allow: ["ou_somebody_else"] },
    store,
  );
  assert.equal((await c.push("user:lark:main:ou_of_oc_1", "two")).success, false);
  // Bound: the page has it, the chat does not.
  await c.bind("oc_1", "alice");
  assert.equal((await c.push("user:alice", "three")).success, true);
  assert.equal(c.w.app.apps.list()[0]!.open, 0);
  assert.deepEqual(c.log.in("oc_1"), []);
});

Deno.test("pushes in a crowd stay inside the member's minute and leave room for answers", async () => {
  await using c = await chats("wecom app", { limits: { person: { minute: 10 } } });
  await c.say("chat1", "hello");
  await c.bind("chat1", "alice");
  for (let n = 0; n < 12; n++) await c.push("user:alice", `news ${n}`);
  await c.finals("chat1", 6);
  // Six tenths are for pushes: an answer still goes at once.
  await c.say("chat1", "question");
  assert.equal((await c.finals("chat1", 7)).at(-1), "to question");
  assert.ok(c.w.app.apps.list()[0]!.open >= 6);
});
