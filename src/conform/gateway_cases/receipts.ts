/** Cases for a gateway: it acknowledges frames and finds gaps. */
import { expect, preview } from "../case.ts";
import { type GatewayCase, isDone, sendReply, SLACK_MS, V2 } from "./steps.ts";

export const RECEIPTS: readonly GatewayCase[] = [
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
      expect(took <= 100 + SLACK_MS, `it took ${took} ms`);
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
    why: "a missing reply is requested, and nothing after it is shown before it arrives",
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
        `the error was ${preview({ code, expected, replyTo })}`,
      );
      sendReply(bot, id, ["b", "c", "d"], 2);
      await isDone(question, "abcd");
    },
  },
  {
    name: "unknown-turn",
    why: "a version-2 bot learns that a turn is over, so that it stops",
    ...{ anchor: "unknown-turns", level: "must", version: 2 },
    async run(stage) {
      const bot = await stage.bot(V2);
      bot.reply("never-was", "x", { seq: 1 });
      const { code, replyTo } = await bot.next("error");
      expect(
        code === "unknown_turn" && replyTo === "never-was",
        `the error was ${preview(code)} about ${preview(replyTo)}`,
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
];
