/** How a bot's own failure reaches the person who asked. */
import assert from "node:assert/strict";
import { failureOf } from "../../../src/bots/server/failure.ts";
import { finalWords } from "../../../src/channels/im/final_words.ts";
import { wordsIn } from "../../../src/channels/im/words.ts";
import { Events, startWorld, textOf } from "../../world.ts";

const ask = { message: "go" };
const openai = { model: "b", messages: [{ role: "user", content: "go" }] };

Deno.test("a fail with a code of the gateway's own is passed on, and every other is the bot's own word", () => {
  const detailed = (code: string | undefined) => {
    const { code: passed, detail } = failureOf({ code, message: "words" });
    return `${passed}: ${detail}`;
  };
  for (
    const code of [
      "bot_declined",
      "queue_full",
      "limited",
      "question_refused",
      "context_too_long",
      "cancelled",
    ]
  ) {
    assert.equal(detailed(code), `${code}: words`);
  }
  assert.equal(detailed("forbidden"), "bot_declined: words", "what the plugin of 2.0 says");
  assert.equal(detailed("incomplete"), "bot_failed: words");
  // Codes of the gateway about itself or about who is signed in are not a bot's to give.
  for (
    const code of [
      "internal",
      "unauthenticated",
      "session_expired",
      "no_bot",
      "shutting_down",
      "quota",
    ]
  ) {
    assert.equal(detailed(code), `bot_failed: ${code}: words`);
  }
  assert.equal(detailed(undefined), "bot_failed: words");
});

Deno.test("a bot's refusal is 403 with a code of its own, and the bot is not blamed for it", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b", { protocol: 2 });
  const fail = { type: "fail", code: "bot_declined", message: "ask its owner to let you in" };
  bot.answerAll(({ id }) => bot.send({ ...fail, replyTo: id }));
  const headers = { "accept-language": "en" };
  // A bot that fails several times in a row rests; a stranger must not be able to send it there.
  for (let i = 0; i < 6; i++) {
    const response = await world.as("alice", "/api/chat", { json: ask, headers });
    const { error, code } = await response.json();
    assert.deepEqual([response.status, code], [403, "bot_declined"]);
    assert.equal(error, "The bot's owner has not let you in: ask its owner to let you in");
  }
  assert.equal(world.happenings.some(({ type }) => type === "bot_rests"), false);
  const v1 = await world.as("alice", "/v1/chat/completions", { json: openai, headers });
  assert.deepEqual([v1.status, (await v1.json()).error.code], [403, "bot_declined"]);
});

Deno.test("an answer that its bot calls incomplete keeps its words and is never told as done", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b", { protocol: 2 });
  bot.answerAll(({ id, content }) => {
    if (content === "go") bot.reply(id, "w1 w2 w3", false, { seq: 1 });
    bot.send({
      type: "fail",
      replyTo: id,
      code: "incomplete",
      message: "the model's line was cut",
    });
  });
  const events = await new Events(await world.as("alice", "/api/chat/stream", { json: ask }))
    .rest();
  assert.equal(textOf(events), "w1 w2 w3");
  const { status, code } = events.at(-1)!.data;
  assert.deepEqual([status, code], ["incomplete", "bot_failed"]);
  const whole = await world.as("alice", "/api/chat", { json: ask });
  assert.deepEqual([whole.status, (await whole.json()).status], [502, "incomplete"]);
  const nothing = await world.as("alice", "/api/chat", { json: { message: "no" } });
  assert.equal(
    (await nothing.json()).status,
    "failed",
    "where nothing was said there is nothing incomplete",
  );
  const v1 = await world.as("alice", "/v1/chat/completions", { json: { ...openai, stream: true } });
  const stream = await v1.text();
  assert.match(stream, /w1 w2 w3/);
  assert.match(stream, /"code":"bot_failed"/);
  assert.doesNotMatch(stream, /"finish_reason":"stop"|\[DONE\]/);
});

Deno.test("an answer that its person stopped on the bot's side ends as cancelled, confirmed", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b", { protocol: 2 });
  bot.answerAll(({ id }) => {
    bot.reply(id, "w1 ", false, { seq: 1 });
    bot.send({ type: "fail", replyTo: id, code: "cancelled", message: "Stopped." });
  });
  const events = await new Events(await world.as("alice", "/api/chat/stream", { json: ask }))
    .rest();
  assert.equal(events.at(-1)!.data.status, "cancelled");
  const { turnId } = events[0]!.data;
  const again = await world.as("alice", `/api/turns/${turnId}/cancel`, { method: "POST" });
  assert.deepEqual(await again.json(), { status: "cancelled", confirmed: true });
  const v1 = await world.as("alice", "/v1/chat/completions", { json: { ...openai, stream: true } });
  assert.doesNotMatch(await v1.text(), /"finish_reason":"stop"|\[DONE\]/);
  const whole = await world.as("alice", "/v1/chat/completions", { json: openai });
  assert.deepEqual([whole.status, (await whole.json()).error.code], [409, "cancelled"]);
});

Deno.test("a chat platform shows what the bot itself says of its failure", () => {
  const words = wordsIn("en");
  const shown = finalWords(
    "w1 w2",
    { status: "failed", code: "bot_failed", detail: "Use /new." },
    false,
    words,
  );
  assert.match(shown, /^w1 w2\n\n⚠️ .*failed.*\n\nUse \/new\.$/);
  const refused = finalWords(
    "",
    { status: "failed", code: "bot_declined", detail: "ask bob" },
    false,
    words,
  );
  assert.match(refused, /^⚠️ .*owner.*\n\nask bob$/);
  const silent = finalWords(
    "",
    { status: "failed", code: "internal", detail: "stack" },
    false,
    words,
  );
  assert.doesNotMatch(silent, /stack/);
});
