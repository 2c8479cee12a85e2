import assert from "node:assert/strict";
import { MemoryStore } from "../src/backends/memory.ts";
import { startWorld } from "./world.ts";

Deno.test("a part that cannot be closed keeps nobody else from the disk, and what failed is thrown", async () => {
  const store = new MemoryStore();
  let isClosed = false;
  store.close = () => {
    isClosed = true;
    return Promise.resolve();
  };
  await using world = await startWorld({}, { store });
  const bot = await world.bot("helper");
  const asked = world.as("alice", "/api/chat", { json: { message: "hello" } });
  const { id } = await bot.next("chat");
  bot.reply(id, "well", true);
  assert.equal((await (await asked).json()).content, "well");
  store.count = () => Promise.reject(new Error("the counts cannot be stored"));
  await assert.rejects(world.app.close(), /the counts cannot be stored/);
  assert.ok(isClosed);
});
