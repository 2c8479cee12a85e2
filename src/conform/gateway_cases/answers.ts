/** Cases for a gateway: questions reach the bot, and answers the person. */
import { expect, pause, preview } from "../case.ts";
import { type GatewayCase, isDone, ODD, PIXEL, sendReply, V2 } from "./steps.ts";

export const ANSWERS: readonly GatewayCase[] = [
  {
    name: "question-version-1",
    why: "a version-1 bot gets what Nexus 1.x sent, and nothing of version 2",
    ...{ anchor: "questions", level: "must", version: 1, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const { question, chat, id } = await stage.asked(bot, "How are you?");
      expect(chat.content === "How are you?", `content was ${preview(chat.content)}`);
      expect(typeof chat.from === "string" && chat.from !== "", `from was ${preview(chat.from)}`);
      expect(chat.timestamp > 1e12, `timestamp was ${preview(chat.timestamp)}`);
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
          `${field} was ${preview(chat[field])}`,
        );
      }
      sendReply(bot, id, ["Well."]);
      await isDone(question, "Well.");
      const again = await stage.asked(bot);
      expect(
        again.chat.conversationId === chat.conversationId,
        "the next question came in another conversation",
      );
      expect(again.chat.userId === chat.userId, "the next question came from another userId");
      sendReply(bot, again.id, ["."]);
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
        `image was ${preview(chat.image)}`,
      );
      if (stage.welcome) {
        expect(
          chat.images?.length === 1 && chat.images[0].startsWith("data:image/png"),
          `images was ${preview(chat.images)}`,
        );
      }
      bot.reply(chat.id, "Seen.", { done: true, seq: 1 });
      await isDone(question, "Seen.");
    },
  },
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
      sendReply(bot, id, ["One", ", two", ", three"]);
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
        await question.until(() => question.text === text, `${preview(text)} at the person`, 2000);
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
      bot.send({ type: "reply", replyTo: id, done: true });
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
          `the error was ${preview(code)} about ${preview(replyTo)}`,
        );
      } else await pause(200);
      bot.reply(id, "mine", { done: true });
      await isDone(question, "mine");
    },
  },
];
