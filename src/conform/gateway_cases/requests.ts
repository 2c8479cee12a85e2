/** Cases for a gateway: cancelling, failures, pushes and load. */
import { expect, pause, preview, Skipped } from "../case.ts";
import { type GatewayCase, isDone, sendReply, V2 } from "./steps.ts";

export const REQUESTS: readonly GatewayCase[] = [
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
      expect(cancel.id === id, `it named ${preview(cancel.id)}`);
      bot.send({ type: "cancelled", id });
      const { status, body } = await answer;
      expect(status < 300, `the person was answered ${status} ${preview(body)}`);
      const outcome = await question.outcome();
      expect(outcome !== "done", "the person got the answer as complete");
      return `${preview(body)}, then ${outcome}`;
    },
  },
  {
    name: "cancel-version-1",
    why: "a version-1 bot gets no frame that it does not know, and its further replies are ignored",
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
        `the person got ${outcome} and read ${preview(question.text)}`,
      );
      expect(bot.all("cancel").length === 0, "a cancel frame came");
    },
  },
  {
    name: "fail",
    why: "a failure reaches the person as such",
    ...{ anchor: "failure", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot(V2);
      const { question, id } = await stage.asked(bot);
      bot.send({
        type: "fail",
        replyTo: id,
        code: "model_down",
        message: "The model is down.",
        retryable: false,
      });
      const outcome = await question.outcome();
      expect(outcome !== "done", "the person got the answer as complete");
      return `the person got ${outcome}`;
    },
  },
  {
    name: "push",
    why: "a bot may speak first to a person who may use it, and gets a receipt; a repeat too",
    ...{ anchor: "speaking-first", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot(V2);
      const { question, chat, id } = await stage.asked(bot);
      sendReply(bot, id, ["ok"]);
      await question.outcome();
      for (let n = 0; n < 2; n++) {
        bot.send({
          type: "push",
          to: `user:${chat.userId}`,
          content: "Tea is ready.",
          id: "push-1",
        });
        const receipt = await bot.next("pushed");
        expect(
          receipt.id === "push-1" && receipt.success === true,
          `the receipt was ${preview(receipt)}`,
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
      bot.send({ type: "push", to: "user:surely-nobody-9f2c", content: "Hello?", id: "push-2" });
      const receipt = await bot.next("pushed");
      expect(
        receipt.id === "push-2" && receipt.success === false,
        `the receipt was ${preview(receipt)}`,
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
      bot.send({ type: "status", draining: true });
      bot.send({ type: "ping" });
      await bot.next("pong");
      const before = bot.all("chat").length;
      stage.ask(bot, "one more");
      await pause(400);
      expect(bot.all("chat").length === before, "it was asked all the same");
      sendReply(bot, id, ["done"]);
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
      sendReply(bot, first.id, ["1"]);
      await isDone(first.question, "1");
      const chat = await bot.next("chat");
      sendReply(bot, chat.id, ["2"]);
      await isDone(second, "2");
    },
  },
];
