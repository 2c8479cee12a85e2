/** Cases for a gateway: frames that it cannot understand. */
import { expect, preview, Skipped } from "../case.ts";
import { type GatewayCase, isAlive, isDone, sendReply, V2 } from "./steps.ts";

export const INPUT: readonly GatewayCase[] = [
  {
    name: "bad-frames",
    why: "each invalid frame is answered with an error, and the bot's turns go on",
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
        bot.send(text);
        await bot.next("error");
      }
      sendReply(bot, id, ["still here"]);
      await isDone(question, "still here");
    },
  },
  {
    name: "bad-frames-deep",
    why: "JSON that is nested a hundred thousand deep, and binary messages, end nothing",
    ...{ anchor: "errors-and-bad-frames", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      bot.send(`{"type":"reply","replyTo":${"[".repeat(100_000)}${"]".repeat(100_000)}}`);
      bot.socket.send(new Uint8Array([0, 255, 254, 1]));
      const { question, id } = await stage.asked(bot);
      bot.reply(id, "still here", { done: true });
      await isDone(question, "still here");
    },
  },
  {
    name: "too-large",
    why: "a frame beyond maxFrame is rejected with an error, and the gateway lives",
    ...{ anchor: "errors-and-bad-frames", level: "must", version: 2 },
    async run(stage) {
      const { maxFrame } = stage.welcome;
      if (maxFrame > 60 << 20) {
        throw new Skipped("maxFrame is more than the kit can send in one message");
      }
      const bot = await stage.bot(V2);
      bot.send(`{"type":"reply","replyTo":"x","content":"${"x".repeat(maxFrame)}","done":false}`);
      await bot.until(() => bot.all("error").length > 0 || bot.closed, "an error or a close");
      const [error] = bot.all("error");
      expect(error?.code === "too_large" || bot.closed, `the error was ${preview(error)}`);
      await isAlive(stage);
    },
  },
  {
    name: "flood",
    why: "a flood from one bot harms neither its own order nor the turns of others",
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
];
