/** Cases for a gateway: dropped bots resume, or their turns end. */
import { expect, preview } from "../case.ts";
import type { RawFrame } from "../raw.ts";
import { type GatewayCase, isDone, sendReply, V2 } from "./steps.ts";

export const DROPS: readonly GatewayCase[] = [
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
      await first.close();
      const second = await stage.bot({ ...V2, resume: [{ replyTo: id, seq: 0 }] }, first.botId);
      const mine = second.registered.resume?.find(({ replyTo }: RawFrame) => replyTo === id);
      expect(mine?.seq === 2, `2 had arrived, resume was ${preview(second.registered.resume)}`);
      second.reply(id, "b", { seq: 2 });
      sendReply(second, id, ["c", "d"], 3);
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
        `resume was ${preview(second.registered.resume)}`,
      );
      sendReply(second, id, ["b"], 2);
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
      expect(Array.isArray(listed) && listed.length === 0, `resume was ${preview(listed)}`);
    },
  },
  {
    name: "resume-finished",
    why: "an answer whose last receipt was lost stays finished",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const first = await stage.bot(V2);
      const { question, id } = await stage.asked(first);
      sendReply(first, id, ["whole"]);
      await isDone(question, "whole");
      await first.close();
      const second = await stage.bot({ ...V2, resume: [{ replyTo: id, seq: 0 }] }, first.botId);
      const listed = (second.registered.resume ?? []).some(({ replyTo }: RawFrame) =>
        replyTo === id
      );
      expect(!listed, "the turn is over and was listed");
    },
  },
  {
    name: "resume-not-offered",
    why:
      "a turn that the bot does not list after a drop is over: the person learns that it is not complete",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const first = await stage.bot(V2);
      const { question, id } = await stage.asked(first);
      first.reply(id, "a", { seq: 1 });
      await question.until(() => question.text === "a", '"a" at the person');
      await first.close();
      await stage.bot(V2, first.botId);
      const outcome = await question.outcome();
      expect(outcome !== "done", "the person got the answer as complete");
      return `the person got ${outcome}`;
    },
  },
  {
    name: "drop-before-first-word",
    why:
      "a question is not lost with the connection: it is asked again, resumed, or the person gets an error",
    ...{ anchor: "resuming", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const fields = stage.welcome ? V2 : {};
      const first = await stage.bot(fields);
      const { question, id } = await stage.asked(first);
      await first.close();
      const resume = stage.welcome ? { resume: [{ replyTo: id, seq: 0 }] } : {};
      const second = await stage.bot({ ...fields, ...resume }, first.botId);
      const resumed = second.registered.resume?.some(({ replyTo }: RawFrame) => replyTo === id);
      if (!resumed) {
        await Promise.race([second.next("chat"), question.outcome()]);
        if (question.ended) {
          const outcome = await question.outcome();
          expect(
            outcome !== "done",
            "the person got an answer as complete that never began",
          );
          return `the person got ${outcome}`;
        }
      }
      sendReply(second, resumed ? id : second.all("chat")[0]!.id, ["late but here"]);
      await isDone(question, "late but here");
      return resumed ? "resumed" : "asked again";
    },
  },
  {
    name: "drop-version-1",
    why:
      "a version-1 bot that drops in the middle leaves an incomplete answer, and the person learns so",
    ...{ anchor: "version-1", level: "must", version: 1, needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const { question, id } = await stage.asked(bot);
      bot.reply(id, "half an ans");
      await question.until(() => question.text !== "", "the first words");
      await bot.close();
      const outcome = await question.outcome();
      expect(outcome !== "done", "the person got the answer as complete");
      return `the person got ${outcome}`;
    },
  },
  {
    name: "grace-passes",
    why:
      "a bot that does not come back leaves an incomplete answer, and the person learns so after the grace",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["person"] },
    async run(stage) {
      const { grace } = stage.welcome;
      stage.requireTime(grace, "the grace");
      const bot = await stage.bot(V2);
      const { question, id } = await stage.asked(bot);
      bot.reply(id, "half an ans", { seq: 1 });
      await question.until(() => question.text !== "", "the first words");
      await bot.close();
      const outcome = await question.outcome(grace + 3000);
      expect(outcome !== "done", "the person got the answer as complete");
      return `the person got ${outcome}`;
    },
  },
];
