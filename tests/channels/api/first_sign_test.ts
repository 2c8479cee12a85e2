/**
 * Whoever asks sees within three seconds that the question has arrived, and how it stands; over
 * real sockets.
 */
import assert from "node:assert/strict";
import { Events, startWorld, until } from "../../world.ts";

/** The first event, and the milliseconds until it came. */
async function firstOf(ask: () => Promise<Response>): Promise<[Record<string, unknown>, number]> {
  const began = performance.now();
  const events = new Events(await ask());
  const { data } = (await events.next())!;
  const ms = performance.now() - began;
  await events.hangUp();
  return [data, ms];
}

Deno.test("a question that waits for the only bot has its place in line, or at least its beginning, at once", async () => {
  await using world = await startWorld();
  const bot = await world.bot("helper", { maxConcurrent: 1 });
  const ask = { message: "hi" }, stream = true;
  const chat = { model: "helper", messages: [{ role: "user", content: "hi" }], stream };
  const [first] = await firstOf(() => world.as("alice", "/api/chat/stream", { json: ask }));
  assert.equal(first.type, "start");
  const { id } = await bot.next("chat");
  const paths = {
    "/api/chat/stream": ask,
    "/v1/chat/completions": chat,
    "/v1/responses": { model: "helper", input: "hi", stream },
  };
  const signs: unknown[] = [];
  for (const [path, json] of Object.entries(paths)) {
    const [sign, ms] = await firstOf(() => world.as("bob", path, { json }));
    assert.ok(ms < 3000, `${path}: ${ms} ms`);
    signs.push([sign.type ?? sign.object, sign.place]);
  }
  // So that nothing is waited for at the end.
  bot.answerAll((chat) => bot.reply(chat.id, "", true));
  bot.reply(id, "", true);
  await until(() => world.app.gateway.running().length === 0);
  assert.deepEqual(signs, [["queued", 1], ["chat.completion.chunk", undefined], [
    "response.created",
    undefined,
  ]]);
});
