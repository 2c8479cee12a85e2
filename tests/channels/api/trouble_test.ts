import assert from "node:assert/strict";
import { SqliteStore } from "../../../src/backends/sqlite.ts";
import { startWorld } from "../../world.ts";

Deno.test("where the store cannot be written the gateway signs in, answers and keeps, and says at /readyz and to admins that something is wrong", async () => {
  const store = new SqliteStore({ path: "/proc/nexus-cannot-be-here.db" });
  await using world = await startWorld({}, { store });
  const bot = await world.bot("echo");
  bot.answerAll(({ id, content }) => bot.reply(id, content, true));
  assert.equal(
    (await (await world.as("alice", "/api/chat", { json: { message: "still here" } })).json())
      .content,
    "still here",
  );
  const { conversations } = await (await world.as("alice", "/api/conversations")).json();
  assert.equal(conversations.length, 1);
  const { results } = await (await world.as("alice", "/api/search?q=still")).json();
  assert.equal(results.length, 1);
  assert.deepEqual(await (await fetch(`${world.url}/readyz`)).json(), { status: "degraded" });
  const ready = await world.as("root", "/readyz");
  assert.equal(ready.status, 200);
  const state = await ready.json();
  assert.equal(state.status, "degraded");
  assert.match(state.troubles[0], /^store: /);
  assert.deepEqual(
    (await (await world.as("root", "/api/admin/state")).json()).troubles,
    state.troubles,
  );
});
