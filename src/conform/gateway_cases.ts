/**
 * These are the cases for a gateway: the kit plays bots, and a person where one is needed.
 */
import { CLOSE, MAX_REGISTER, shouldReconnect } from "../bots/wire/frame.ts";
import { type Case, expect, pause, short, Skipped } from "./case.ts";
import type { BotStage, Plug } from "./play_bot.ts";
import type { Raw } from "./play_gateway.ts";

type GatewayCase = Case<BotStage>;

const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const ODD = "naïve “quotes” \\ / \n\n\ttab, data: x\n\nevent: y, 日本語, עברית, 👩‍👩‍👧‍👦, </script>";
/** Beyond the 100 ms of the rule: what a busy machine may add. */
const SLACK = 400;

const V2 = { protocol: 2 };

/** Sends numbered deltas, the last one done. */
function say(bot: Plug, id: string, parts: readonly string[], from = 1): void {
  parts.forEach((content, index) => {
    bot.reply(id, content, { seq: from + index, done: index === parts.length - 1 });
  });
}

async function isDone(
  question: { outcome(): Promise<string>; text: string },
  text: string,
): Promise<void> {
  const outcome = await question.outcome();
  expect(
    question.text === text,
    `the person read ${short(question.text)} instead of ${short(text)}`,
  );
  expect(outcome === "done", `the person was told ${outcome}`);
}

/** A bot that was refused: `success: false`, and a code that says not to come back. */
async function isRefused(plug: Plug): Promise<string> {
  await plug.until(() => plug.all("registered").length > 0 || plug.closed, "an answer");
  const [registered] = plug.all("registered");
  expect(registered?.success !== true, "it was taken in");
  const code = await plug.gone();
  expect(!shouldReconnect(code), `the close code was ${code}, which says: come back`);
  return `${registered ? short(registered.error) : "no answer"}, closed with ${code}`;
}

/** The gateway is still there for others. */
async function lives(stage: BotStage): Promise<void> {
  const bot = await stage.bot();
  await bot.leave();
}

export const GATEWAY_CASES: readonly GatewayCase[] = [
  /* Registration. */
  {
    name: "registers-version-1",
    why: "a bot that never heard of version 2 is taken in, and told nothing of it",
    ...{ anchor: "registration", level: "must", version: 1 },
    async run(stage) {
      const { registered } = await stage.bot();
      expect(registered.protocol === undefined, `it was told protocol ${registered.protocol}`);
    },
  },
  {
    name: "registers-version-2",
    why: "limits and times are announced: a bot works by them",
    ...{ anchor: "registration", level: "must", version: 2 },
    async run(stage) {
      const { registered } = await stage.bot(V2);
      for (const field of ["maxFrame", "pingInterval", "botTimeout", "grace"]) {
        expect(registered[field] > 0, `${field} was ${short(registered[field])}`);
      }
      expect(Array.isArray(registered.features), `features was ${short(registered.features)}`);
    },
  },
  {
    name: "registers-later-version",
    why: "a bot of the future is spoken to in a version that both know",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      const { registered } = await stage.bot({ protocol: 99 });
      expect((registered.protocol ?? 1) <= 99, `protocol was ${registered.protocol}`);
      expect(!stage.welcome || registered.protocol === 2, `protocol was ${registered.protocol}`);
    },
  },
  {
    name: "wrong-token",
    why: "a wrong token is refused with a code that says not to come back",
    ...{ anchor: "refusal", level: "must", version: "both" },
    async run(stage) {
      const plug = await stage.dial();
      plug.say(stage.registration(plug.botId, { token: "surely-not-this", protocol: 2 }));
      return await isRefused(plug);
    },
  },
  {
    name: "no-token",
    why: "a missing or empty token is a wrong one",
    ...{ anchor: "refusal", level: "must", version: "both" },
    async run(stage) {
      for (const token of [undefined, ""]) {
        const plug = await stage.dial();
        plug.say(stage.registration(plug.botId, { token }));
        await isRefused(plug);
      }
    },
  },
  {
    name: "token-at-the-upgrade",
    why:
      "a bot may prove its token in a header, where a proxy can see it, and leave it out of the frame",
    ...{ anchor: "security", level: "must", version: 2 },
    async run(stage) {
      const botId = stage.name();
      const plug = await stage.dial(botId, { authorization: `Bearer ${stage.token ?? ""}` });
      plug.say(stage.registration(botId, { ...V2, token: undefined }));
      const registered = await plug.next("registered");
      expect(registered.success === true, `it was refused: ${short(registered.error)}`);
      const thief = await stage.dial(undefined, { authorization: "Bearer surely-not-this" });
      thief.say(stage.registration(thief.botId, { ...V2, token: undefined }));
      return await isRefused(thief);
    },
  },
  {
    name: "bad-id",
    why: "an id that people cannot address, or that disguises itself, does not come in",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      for (const botId of ["two words", "", "a@b", "evil\u202eid", "x".repeat(129)]) {
        const plug = await stage.dial();
        plug.say(stage.registration(botId));
        await plug.until(() => plug.frames.length > 0 || plug.closed, "an answer");
        expect(
          !plug.all("registered").some(({ success }) => success),
          `${short(botId)} was taken in`,
        );
      }
      await lives(stage);
    },
  },
  {
    name: "pool-and-id",
    why:
      "a name is a bot's or a pool's: else a pool of a bot's name would be given that bot's messages",
    ...{ anchor: "names", level: "must", version: 2 },
    async run(stage) {
      const pool = stage.name();
      const bot = await stage.bot({ ...V2, pool });
      for (const claim of [{ pool: bot.botId }, { botId: pool }, { botId: pool, pool }]) {
        const plug = await stage.dial(claim.botId);
        plug.say(stage.registration(plug.botId, { ...V2, ...claim }));
        await plug.until(() => plug.all("registered").length > 0 || plug.closed, "an answer");
        expect(plug.all("registered")[0]?.success !== true, `${short(claim)} was taken in`);
        await plug.gone();
      }
      const mate = await stage.bot({ ...V2, pool });
      await mate.leave();
    },
  },
  {
    name: "stranger-speaks",
    why: "who has not registered may not answer for others",
    ...{ anchor: "registration", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const stranger = await stage.dial();
      const { question, id } = await stage.asked(bot);
      stranger.reply(id, "I am not the bot.", { done: true });
      await stranger.until(
        () => stranger.frames.length > 0 || stranger.closed,
        "an error or a close",
      );
      bot.reply(id, "I am.", { done: true });
      await isDone(question, "I am.");
    },
  },
  {
    name: "first-frame-too-large",
    why: "a stranger cannot make the gateway hold more than 64 KiB",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      const plug = await stage.dial();
      plug.say(stage.registration(plug.botId, { description: "x".repeat(MAX_REGISTER) }));
      const code = await plug.gone();
      expect(!plug.all("registered").some(({ success }) => success), "it was taken in");
      await lives(stage);
      return `closed with ${code}`;
    },
  },
  {
    name: "first-frame-nonsense",
    why: "what is no frame harms nobody else",
    ...{ anchor: "errors-and-bad-frames", level: "must", version: "both" },
    async run(stage) {
      for (const text of ["", "{", "[]", "null", '{"type":"dance"}', "[".repeat(30_000)]) {
        const plug = await stage.dial();
        plug.say(text);
        await plug.until(
          () => plug.frames.length > 0 || plug.closed,
          `an answer to ${short(text)}`,
        );
      }
      const binary = await stage.dial();
      binary.socket.send(new Uint8Array([0, 255, 254]));
      await binary.until(
        () => binary.frames.length > 0 || binary.closed,
        "an answer to a binary message",
      );
      await lives(stage);
    },
  },
  {
    name: "replaced",
    why: "a bot that comes back before its old socket is noticed dead takes its place (4001)",
    ...{ anchor: "replacement", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const first = await stage.bot();
      const second = await stage.bot({}, first.botId);
      const code = await first.gone();
      expect(code === CLOSE.replaced, `the first socket was closed with ${code}`);
      const { question, id } = await stage.asked(second);
      second.reply(id, "the second", { done: true });
      await isDone(question, "the second");
    },
  },
  {
    name: "replaced-only-with-token",
    why: "nobody throws a bot out who does not have its token",
    ...{ anchor: "replacement", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const first = await stage.bot();
      const thief = await stage.dial(first.botId);
      thief.say(stage.registration(first.botId, { token: "surely-not-this" }));
      await isRefused(thief);
      const { question, id } = await stage.asked(first);
      first.reply(id, "still me", { done: true });
      await isDone(question, "still me");
    },
  },
  {
    name: "listed",
    why: "people see who is there, and who has left is not shown",
    ...{ anchor: "registration", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const ids = async () => ((await stage.get("/api/bots")).bots ?? []).map(({ id }: Raw) => id);
      expect((await ids()).includes(bot.botId), "the bot is not listed");
      await bot.leave();
      const began = performance.now();
      while ((await ids()).includes(bot.botId)) {
        expect(performance.now() - began < stage.patience, "it is still listed after it left");
        await pause(50);
      }
    },
  },
  /* Heartbeat. */
  {
    name: "pings",
    why: "a ping comes each pingInterval: bots take silence for a drop",
    ...{ anchor: "heartbeat", level: "must", version: 2 },
    async run(stage) {
      const { pingInterval } = stage.welcome;
      stage.affordable(pingInterval * 2, "two pings");
      const bot = await stage.bot(V2);
      for (let n = 0; n < 2; n++) await bot.next("ping", pingInterval * 1.5 + SLACK);
    },
  },
  {
    name: "answers-pings",
    why: "a bot may look whether the line is alive",
    ...{ anchor: "heartbeat", level: "must", version: 2 },
    async run(stage) {
      const bot = await stage.bot(V2);
      bot.say({ type: "ping" });
      await bot.next("pong");
    },
  },
  {
    name: "silent-bot",
    why:
      "a bot that answers no ping is given up after botTimeout, with a code that lets it come back",
    ...{ anchor: "heartbeat", level: "must", version: 2 },
    async run(stage) {
      const { pingInterval, botTimeout } = stage.welcome;
      stage.affordable(botTimeout + 2 * pingInterval, "botTimeout");
      const bot = await stage.bot(V2);
      bot.mute = true;
      const code = await bot.gone(botTimeout + 2 * pingInterval + SLACK);
      expect(code === CLOSE.silent, `it was closed with ${code}`);
    },
  },
  /* Questions. */
  {
    name: "question-version-1",
    why: "a version-1 bot gets what Nexus 1.x sent, and nothing of version 2",
    ...{ anchor: "questions", level: "must", version: 1, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const { question, chat, id } = await stage.asked(bot, "How are you?");
      expect(chat.content === "How are you?", `content was ${short(chat.content)}`);
      expect(typeof chat.from === "string" && chat.from !== "", `from was ${short(chat.from)}`);
      expect(chat.timestamp > 1e12, `timestamp was ${short(chat.timestamp)}`);
      const more = Object.keys(chat).filter((key) =>
        !["type", "id", "content", "from", "image", "timestamp"].includes(key)
      );
      expect(more.length === 0, `it also had ${more.join(", ")}`);
      bot.reply(id, "Well.", { done: true });
      await isDone(question, "Well.");
    },
  },
  {
    name: "question-version-2",
    why: "a version-2 bot learns who asks, where, and in which conversation",
    ...{ anchor: "questions", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot(V2);
      const { question, chat, id } = await stage.asked(bot);
      for (const field of ["conversationId", "userId", "senderName", "channel", "chatType"]) {
        expect(
          typeof chat[field] === "string" && chat[field] !== "",
          `${field} was ${short(chat[field])}`,
        );
      }
      say(bot, id, ["Well."]);
      await isDone(question, "Well.");
      const again = await stage.asked(bot);
      expect(
        again.chat.conversationId === chat.conversationId,
        "the next question came in another conversation",
      );
      expect(again.chat.userId === chat.userId, "the next question came from another userId");
      say(bot, again.id, ["."]);
      await again.question.outcome();
    },
  },
  {
    name: "image-in",
    why: "a picture reaches the bot, from both versions",
    ...{ anchor: "images", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot(stage.welcome ? V2 : {});
      const question = stage.ask(bot, "Look:", { image: `data:image/png;base64,${PIXEL}` });
      const chat = await bot.next("chat");
      expect(
        typeof chat.image === "string" && chat.image.includes(PIXEL),
        `image was ${short(chat.image)}`,
      );
      if (stage.welcome) {
        expect(
          chat.images?.length === 1 && chat.images[0].startsWith("data:image/png"),
          `images was ${short(chat.images)}`,
        );
      }
      bot.reply(chat.id, "Seen.", { done: true, seq: 1 });
      await isDone(question, "Seen.");
    },
  },
  /* Answers. */
  {
    name: "answer-version-1",
    why: "deltas are joined in order; done ends the turn",
    ...{ anchor: "answers", level: "must", version: 1, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const { question, id } = await stage.asked(bot);
      for (const delta of ["One", ", two", ", three"]) bot.reply(id, delta);
      bot.reply(id, "", { done: true });
      await isDone(question, "One, two, three");
    },
  },
  {
    name: "answer-version-2",
    why: "numbered deltas are joined in order; done may come with the last of them",
    ...{ anchor: "answers", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot(V2);
      const { question, id } = await stage.asked(bot);
      say(bot, id, ["One", ", two", ", three"]);
      await isDone(question, "One, two, three");
    },
  },
  {
    name: "answer-lists",
    why: "a list of deltas is the same as that many replies",
    ...{ anchor: "answers", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot(V2);
      const { question, id } = await stage.asked(bot);
      bot.reply(id, ["a", "", "b"], { seq: 1 });
      bot.reply(id, [], { seq: 2 });
      bot.reply(id, ["c", "d"], { seq: 3, done: true });
      await isDone(question, "abcd");
    },
  },
  {
    name: "answer-live",
    why: "people read along: a delta does not wait for the end",
    ...{ anchor: "answers", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const { question, id } = await stage.asked(bot);
      for (const [delta, text] of [["a", "a"], ["b", "ab"], ["c", "abc"]] as const) {
        bot.reply(id, delta);
        await question.until(() => question.text === text, `${short(text)} at the person`, 2000);
      }
      bot.reply(id, "", { done: true });
      await isDone(question, "abc");
    },
  },
  {
    name: "answer-exact",
    why:
      "every character arrives: line breaks that look like the end of an event, other scripts, emoji",
    ...{ anchor: "answers", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const { question, id } = await stage.asked(bot);
      bot.reply(id, ODD, { done: true });
      await isDone(question, ODD);
    },
  },
  {
    name: "answer-long",
    why: "500,000 characters arrive whole, also for a person who reads slowly",
    ...{ anchor: "answers", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const { question, id } = await stage.asked(bot);
      for (let n = 0; n < 500; n++) bot.reply(id, "0123456789".repeat(100));
      bot.reply(id, "", { done: true });
      await isDone(question, "0123456789".repeat(50_000));
    },
  },
  {
    name: "answer-null",
    why: "a missing content is an empty one: Nexus 1.x took whatever came",
    ...{ anchor: "answers", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const { question, id } = await stage.asked(bot);
      bot.reply(id, null);
      bot.reply(id, "x");
      bot.say({ type: "reply", replyTo: id, done: true });
      await isDone(question, "x");
    },
  },
  {
    name: "image-out",
    why: "a bot's picture reaches the person",
    ...{ anchor: "images", level: "should", version: "both", needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const { question, id } = await stage.asked(bot);
      bot.reply(id, "See: ", { image: `data:image/png;base64,${PIXEL}` });
      bot.reply(id, "", { done: true });
      await isDone(question, "See: ");
      const sent = question.events.some((event) =>
        event.type !== "chunk" && JSON.stringify(event).includes(PIXEL)
      );
      expect(sent, "no event had the image");
    },
  },
  {
    name: "kinds",
    why: "thoughts and tool steps are not part of the answer",
    ...{ anchor: "kinds", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot(V2);
      const { question, id } = await stage.asked(bot);
      bot.reply(id, "hm", { seq: 1, kind: "reasoning" });
      bot.reply(id, '{"name":"look"}', { seq: 2, kind: "tool" });
      bot.reply(id, "The answer.", { seq: 3, done: true });
      await isDone(question, "The answer.");
    },
  },
  {
    name: "two-at-once",
    why: "two turns of one bot do not mix",
    ...{ anchor: "questions", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const first = await stage.asked(bot, "first");
      const second = await stage.asked(bot, "second");
      for (let n = 0; n < 5; n++) {
        bot.reply(first.id, "a");
        bot.reply(second.id, "b");
      }
      bot.reply(second.id, "", { done: true });
      bot.reply(first.id, "", { done: true });
      await isDone(first.question, "aaaaa");
      await isDone(second.question, "bbbbb");
    },
  },
  {
    name: "not-your-turn",
    why: "only the bot that was asked may answer",
    ...{ anchor: "unknown-turns", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const [bot, other] = [await stage.bot(), await stage.bot(stage.welcome ? V2 : {})];
      const { question, id } = await stage.asked(bot);
      other.reply(id, "from another", { done: true, seq: 1 });
      if (stage.welcome) {
        const { code, replyTo } = await other.next("error");
        expect(
          code === "unknown_turn" && replyTo === id,
          `the error was ${short(code)} about ${short(replyTo)}`,
        );
      } else await pause(200);
      bot.reply(id, "mine", { done: true });
      await isDone(question, "mine");
    },
  },
  /* Numbers and receipts. */
  {
    name: "receipts",
    why: "a receipt comes within 100 ms: until then the bot keeps everything",
    ...{ anchor: "numbers-and-receipts", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot(V2);
      const { question, id } = await stage.asked(bot);
      const began = performance.now();
      for (let seq = 1; seq <= 3; seq++) bot.reply(id, "x", { seq });
      await bot.until(
        () => bot.all("ack").some(({ replyTo, seq }) => replyTo === id && seq === 3),
        "the receipt for 3",
      );
      const took = Math.round(performance.now() - began);
      expect(took <= 100 + SLACK, `it took ${took} ms`);
      bot.reply(id, "", { seq: 4, done: true });
      await bot.until(
        () => bot.all("ack").some(({ replyTo, seq }) => replyTo === id && seq === 4),
        "the receipt for done",
      );
      await isDone(question, "xxx");
      return `after ${took} ms`;
    },
  },
  {
    name: "repeats",
    why: "a reply that comes twice is shown once, and receipted again",
    ...{ anchor: "repeats", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot(V2);
      const { question, id } = await stage.asked(bot);
      bot.reply(id, "a", { seq: 1 });
      bot.reply(id, "b", { seq: 2 });
      await bot.until(() => bot.all("ack").some(({ seq }) => seq === 2), "the receipt for 2");
      const before = bot.all("ack").length;
      bot.reply(id, "a", { seq: 1 });
      bot.reply(id, "b", { seq: 2 });
      await bot.until(() => bot.all("ack").length > before, "a receipt for the repeat");
      bot.reply(id, "c", { seq: 3, done: true });
      await isDone(question, "abc");
    },
  },
  {
    name: "gap",
    why: "a missing reply is asked for, and nothing behind it is shown before it came",
    ...{ anchor: "gaps", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot(V2);
      const { question, id } = await stage.asked(bot);
      bot.reply(id, "a", { seq: 1 });
      bot.reply(id, "c", { seq: 3 });
      bot.reply(id, "d", { seq: 4, done: true });
      const { code, expected, replyTo } = await bot.next("error");
      expect(
        code === "gap" && expected === 2 && replyTo === id,
        `the error was ${short({ code, expected, replyTo })}`,
      );
      say(bot, id, ["b", "c", "d"], 2);
      await isDone(question, "abcd");
    },
  },
  {
    name: "unknown-turn",
    why: "a version-2 bot is told that a turn is over, so that it stops",
    ...{ anchor: "unknown-turns", level: "must", version: 2 },
    async run(stage) {
      const bot = await stage.bot(V2);
      bot.reply("never-was", "x", { seq: 1 });
      const { code, replyTo } = await bot.next("error");
      expect(
        code === "unknown_turn" && replyTo === "never-was",
        `the error was ${short(code)} about ${short(replyTo)}`,
      );
    },
  },
  {
    name: "unknown-turn-version-1",
    why: "a version-1 bot that answers late is not closed for it",
    ...{ anchor: "unknown-turns", level: "must", version: 1, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      bot.reply("never-was", "x", { done: true });
      const { question, id } = await stage.asked(bot);
      bot.reply(id, "y", { done: true });
      await isDone(question, "y");
      bot.reply(id, "late", { done: true });
      const again = await stage.asked(bot);
      bot.reply(again.id, "z", { done: true });
      await isDone(again.question, "z");
    },
  },
  /* Resuming. */
  {
    name: "resume",
    why: "after a drop in the middle the person's text is whole: nothing lost, nothing twice",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const first = await stage.bot(V2);
      const { question, id } = await stage.asked(first);
      first.reply(id, "a", { seq: 1 });
      first.reply(id, "b", { seq: 2 });
      await question.until(() => question.text === "ab", '"ab" at the person');
      await first.leave();
      const second = await stage.bot({ ...V2, resume: [{ replyTo: id, seq: 0 }] }, first.botId);
      const mine = second.registered.resume?.find(({ replyTo }: Raw) => replyTo === id);
      expect(mine?.seq === 2, `2 had arrived, resume said ${short(second.registered.resume)}`);
      second.reply(id, "b", { seq: 2 });
      say(second, id, ["c", "d"], 3);
      await isDone(question, "abcd");
    },
  },
  {
    name: "resume-replaced",
    why: "a second socket goes on with the turns of the one that it replaces",
    ...{ anchor: "replacement", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const first = await stage.bot(V2);
      const { question, id } = await stage.asked(first);
      first.reply(id, "a", { seq: 1 });
      await question.until(() => question.text === "a", '"a" at the person');
      const second = await stage.bot({ ...V2, resume: [{ replyTo: id, seq: 1 }] }, first.botId);
      expect(
        second.registered.resume?.[0]?.seq === 1,
        `resume said ${short(second.registered.resume)}`,
      );
      say(second, id, ["b"], 2);
      await isDone(question, "ab");
    },
  },
  {
    name: "resume-unknown",
    why: "a turn that is over is not listed: the bot must not go on with it",
    ...{ anchor: "resuming", level: "must", version: 2 },
    async run(stage) {
      const bot = await stage.bot({ ...V2, resume: [{ replyTo: "never-was", seq: 3 }] });
      const listed = bot.registered.resume ?? [];
      expect(Array.isArray(listed) && listed.length === 0, `resume said ${short(listed)}`);
    },
  },
  {
    name: "resume-finished",
    why: "an answer whose last receipt was lost stays finished",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const first = await stage.bot(V2);
      const { question, id } = await stage.asked(first);
      say(first, id, ["whole"]);
      await isDone(question, "whole");
      await first.leave();
      const second = await stage.bot({ ...V2, resume: [{ replyTo: id, seq: 0 }] }, first.botId);
      const listed = (second.registered.resume ?? []).some(({ replyTo }: Raw) => replyTo === id);
      expect(!listed, "the turn is over and was listed");
    },
  },
  {
    name: "resume-not-offered",
    why:
      "a turn that the bot does not list after a drop is over: the person is told, and not that it is complete",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const first = await stage.bot(V2);
      const { question, id } = await stage.asked(first);
      first.reply(id, "a", { seq: 1 });
      await question.until(() => question.text === "a", '"a" at the person');
      await first.leave();
      await stage.bot(V2, first.botId);
      const outcome = await question.outcome();
      expect(outcome !== "done", "the person was told that the answer is complete");
      return `the person was told ${outcome}`;
    },
  },
  {
    name: "drop-before-first-word",
    why: "a question is not lost with the line: it is asked again, resumed, or the person is told",
    ...{ anchor: "resuming", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const fields = stage.welcome ? V2 : {};
      const first = await stage.bot(fields);
      const { question, id } = await stage.asked(first);
      await first.leave();
      const resume = stage.welcome ? { resume: [{ replyTo: id, seq: 0 }] } : {};
      const second = await stage.bot({ ...fields, ...resume }, first.botId);
      const resumed = second.registered.resume?.some(({ replyTo }: Raw) => replyTo === id);
      if (!resumed) {
        await Promise.race([second.next("chat"), question.outcome()]);
        if (question.ended) {
          const outcome = await question.outcome();
          expect(
            outcome !== "done",
            "the person was told that an answer is complete that never began",
          );
          return `the person was told ${outcome}`;
        }
      }
      say(second, resumed ? id : second.all("chat")[0]!.id, ["late but here"]);
      await isDone(question, "late but here");
      return resumed ? "resumed" : "asked again";
    },
  },
  {
    name: "drop-version-1",
    why:
      "a version-1 bot that drops in the middle leaves an answer that is not complete, and the person is told so",
    ...{ anchor: "version-1", level: "must", version: 1, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const { question, id } = await stage.asked(bot);
      bot.reply(id, "half an ans");
      await question.until(() => question.text !== "", "the first words");
      await bot.leave();
      const outcome = await question.outcome();
      expect(outcome !== "done", "the person was told that the answer is complete");
      return `the person was told ${outcome}`;
    },
  },
  {
    name: "grace-passes",
    why:
      "a bot that does not come back leaves an incomplete answer, and the person is told so after the grace",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const { grace } = stage.welcome;
      stage.affordable(grace, "the grace");
      const bot = await stage.bot(V2);
      const { question, id } = await stage.asked(bot);
      bot.reply(id, "half an ans", { seq: 1 });
      await question.until(() => question.text !== "", "the first words");
      await bot.leave();
      const outcome = await question.outcome(grace + 3000);
      expect(outcome !== "done", "the person was told that the answer is complete");
      return `the person was told ${outcome}`;
    },
  },
  /* Cancelling. */
  {
    name: "cancel",
    why: "stop reaches the bot, and its receipt the person",
    ...{ anchor: "cancelling", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot(V2);
      const { question, id } = await stage.asked(bot);
      bot.reply(id, "a", { seq: 1 });
      const { turnId } = await question.until(
        () => question.events.find(({ type }) => type === "start"),
        "start",
      );
      if (turnId === undefined) throw new Skipped("the start event tells no turnId");
      await question.until(() => question.text === "a", '"a" at the person');
      const answer = stage.post(`/api/turns/${turnId}/cancel`);
      const cancel = await bot.next("cancel");
      expect(cancel.id === id, `it named ${short(cancel.id)}`);
      bot.say({ type: "cancelled", id });
      const { status, body } = await answer;
      expect(status < 300, `the person was answered ${status} ${short(body)}`);
      const outcome = await question.outcome();
      expect(outcome !== "done", "the person was told that the answer is complete");
      return `${short(body)}, then ${outcome}`;
    },
  },
  {
    name: "cancel-version-1",
    why:
      "a version-1 bot is told nothing that it does not know, and what it goes on to say is ignored",
    ...{ anchor: "cancelling", level: "must", version: 1, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const { question, id } = await stage.asked(bot);
      bot.reply(id, "a");
      const { turnId } = await question.until(
        () => question.events.find(({ type }) => type === "start"),
        "start",
      );
      if (turnId === undefined) throw new Skipped("the start event tells no turnId");
      await question.until(() => question.text === "a", '"a" at the person');
      await stage.post(`/api/turns/${turnId}/cancel`);
      bot.reply(id, "b", { done: true });
      const outcome = await question.outcome();
      expect(
        outcome !== "done" && question.text === "a",
        `the person was told ${outcome} and read ${short(question.text)}`,
      );
      expect(bot.all("cancel").length === 0, "a cancel frame came");
    },
  },
  /* Failure, speaking first, load. */
  {
    name: "fail",
    why: "a failure reaches the person as such",
    ...{ anchor: "failure", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot(V2);
      const { question, id } = await stage.asked(bot);
      bot.say({
        type: "fail",
        replyTo: id,
        code: "model_down",
        message: "The model is down.",
        retryable: false,
      });
      const outcome = await question.outcome();
      expect(outcome !== "done", "the person was told that the answer is complete");
      return `the person was told ${outcome}`;
    },
  },
  {
    name: "push",
    why: "a bot may speak first to a person who may use it, and gets a receipt; a repeat too",
    ...{ anchor: "speaking-first", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot(V2);
      const { question, chat, id } = await stage.asked(bot);
      say(bot, id, ["ok"]);
      await question.outcome();
      for (let n = 0; n < 2; n++) {
        bot.say({
          type: "push",
          to: `user:${chat.userId}`,
          content: "Tea is ready.",
          id: "push-1",
        });
        const receipt = await bot.next("pushed");
        expect(
          receipt.id === "push-1" && receipt.success === true,
          `the receipt was ${short(receipt)}`,
        );
      }
    },
  },
  {
    name: "push-to-nobody",
    why: "a push that nobody gets is not receipted as if somebody did",
    ...{ anchor: "speaking-first", level: "must", version: 2 },
    async run(stage) {
      const bot = await stage.bot(V2);
      bot.say({ type: "push", to: "user:surely-nobody-9f2c", content: "Hello?", id: "push-2" });
      const receipt = await bot.next("pushed");
      expect(
        receipt.id === "push-2" && receipt.success === false,
        `the receipt was ${short(receipt)}`,
      );
    },
  },
  {
    name: "draining",
    why: "a bot that asks for nothing new gets nothing new, and may finish what it has",
    ...{ anchor: "load", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot(V2);
      const { question, id } = await stage.asked(bot);
      bot.say({ type: "status", draining: true });
      bot.say({ type: "ping" });
      await bot.next("pong");
      const before = bot.all("chat").length;
      stage.ask(bot, "one more");
      await pause(400);
      expect(bot.all("chat").length === before, "it was asked all the same");
      say(bot, id, ["done"]);
      await isDone(question, "done");
    },
  },
  {
    name: "max-concurrent",
    why: "a bot that takes one turn at once is asked the next when the first has ended",
    ...{ anchor: "questions", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot({ ...V2, maxConcurrent: 1 });
      const first = await stage.asked(bot, "first");
      const second = stage.ask(bot, "second");
      await pause(300);
      expect(bot.all("chat").length === 1, "it was asked twice at once");
      say(bot, first.id, ["1"]);
      await isDone(first.question, "1");
      const chat = await bot.next("chat");
      say(bot, chat.id, ["2"]);
      await isDone(second, "2");
    },
  },
  /* Bad input. */
  {
    name: "bad-frames",
    why: "each frame that cannot be read is answered with error, and the bot's turns go on",
    ...{ anchor: "errors-and-bad-frames", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot(V2);
      const { question, id } = await stage.asked(bot);
      const bad = [
        ...[
          "{",
          "[]",
          '{"type":"dance"}',
          '{"type":"reply"}',
          `{"type":"reply","replyTo":${JSON.stringify(id)},"content":5}`,
        ],
        `{"type":"reply","replyTo":${JSON.stringify(id)},"content":"x","seq":-1}`,
        '{"__proto__":{"type":"reply"},"constructor":1}',
      ];
      for (const text of bad) {
        bot.say(text);
        await bot.next("error");
      }
      say(bot, id, ["still here"]);
      await isDone(question, "still here");
    },
  },
  {
    name: "bad-frames-deep",
    why: "JSON that is nested a hundred thousand deep, and binary messages, end nothing",
    ...{ anchor: "errors-and-bad-frames", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      bot.say(`{"type":"reply","replyTo":${"[".repeat(100_000)}${"]".repeat(100_000)}}`);
      bot.socket.send(new Uint8Array([0, 255, 254, 1]));
      const { question, id } = await stage.asked(bot);
      bot.reply(id, "still here", { done: true });
      await isDone(question, "still here");
    },
  },
  {
    name: "too-large",
    why: "a frame beyond maxFrame is refused in words, and the gateway lives",
    ...{ anchor: "errors-and-bad-frames", level: "must", version: 2 },
    async run(stage) {
      const { maxFrame } = stage.welcome;
      if (maxFrame > 60 << 20) {
        throw new Skipped("maxFrame is more than the kit can send in one message");
      }
      const bot = await stage.bot(V2);
      bot.say(`{"type":"reply","replyTo":"x","content":"${"x".repeat(maxFrame)}","done":false}`);
      await bot.until(() => bot.all("error").length > 0 || bot.closed, "an error or a close");
      const [error] = bot.all("error");
      expect(error?.code === "too_large" || bot.closed, `the error was ${short(error)}`);
      await lives(stage);
    },
  },
  {
    name: "flood",
    why: "a bot that floods harms neither its own order nor anybody else's turn",
    ...{ anchor: "answers", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const [loud, quiet] = [await stage.bot(), await stage.bot()];
      const one = await stage.asked(loud);
      const two = await stage.asked(quiet);
      for (let n = 0; n < 5000; n++) loud.reply(one.id, `${n} `);
      quiet.reply(two.id, "quiet", { done: true });
      await isDone(two.question, "quiet");
      loud.reply(one.id, "", { done: true });
      await isDone(one.question, Array.from({ length: 5000 }, (_, n) => `${n} `).join(""));
    },
  },
  /* The last one: its ten seconds have passed by now. */
  {
    name: "never-registers",
    why: "a socket that says nothing is closed after 10 s: else strangers fill the memory",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      const { plug, since } = stage.silent();
      const code = await plug.gone(Math.max(0, since + 12_000 - performance.now()));
      expect(shouldReconnect(code), `the code was ${code}, which says: do not come back`);
      return `closed with ${code}`;
    },
  },
];
