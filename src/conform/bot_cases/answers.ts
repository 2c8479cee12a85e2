/** Cases for a bot: it answers, whole and in order. */
import { MAX_REGISTER } from "../../bots/wire/frame.ts";
import { expect, pause, preview } from "../case.ts";
import { type BotCase, expectAnswer, expectClean, expectEcho, ODD, words } from "./steps.ts";

export const ANSWERS: readonly BotCase[] = [
  {
    name: "answers",
    why: "every question comes to an end that names its turn: else a person waits for minutes",
    ...{ anchor: "answers", level: "must", version: "both" },
    async run(stage) {
      const turn = await expectAnswer(await stage.connection());
      return `${turn.replies.length} frames, ${turn.ended}`;
    },
  },
  {
    name: "nothing-after-the-end",
    why: "a turn ends once: everything after the end is lost",
    ...{ anchor: "answers", level: "must", version: "both" },
    async run(stage) {
      const connection = await stage.connection();
      const turn = await expectAnswer(connection);
      await pause(300);
      await connection.roundTrip();
      expectClean(turn);
    },
  },
  {
    name: "reply-fields",
    why:
      "content is a text (or in version 2 a list of them), done a boolean: else the gateway drops the frame",
    ...{ anchor: "answers", level: "must", version: "both" },
    async run(stage) {
      const connection = await stage.connection();
      for (const { frame } of (await expectAnswer(connection)).replies) {
        if (frame.type !== "reply") continue;
        const { content, done } = frame;
        const list = Array.isArray(content) && content.every((one) => typeof one === "string");
        expect(
          content == null || typeof content === "string" || (list && connection.version === 2),
          `content: ${preview(content)}`,
        );
        expect(done === undefined || typeof done === "boolean", `done: ${preview(done)}`);
      }
    },
  },
  {
    name: "exact-text",
    why: "every character arrives: quotes, line breaks, other scripts, emoji",
    ...{ anchor: "answers", level: "must", version: "both", needs: ["directives"] },
    async run(stage) {
      await expectEcho(await stage.connection(), ODD);
    },
  },
  {
    name: "long-question",
    why: "people paste whole documents: 200,000 characters are not too many",
    ...{ anchor: "questions", level: "must", version: "both", needs: ["directives"] },
    async run(stage) {
      await expectEcho(await stage.connection(), "0123456789".repeat(20_000));
    },
  },
  {
    name: "streams",
    why: "an answer is sent as it is made: people read along",
    ...{ anchor: "answers", level: "should", version: "both", needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      const turn = await connection.end(connection.ask("/conform words 10 40"));
      expect(turn.text === words(10), `the text was ${preview(turn.text)}`);
      const spread = turn.replies.at(-1)!.at - turn.replies[0]!.at;
      expect(
        turn.replies.length >= 5 && spread > 150,
        `${turn.replies.length} frames in ${Math.round(spread)} ms`,
      );
      return `${turn.replies.length} frames in ${Math.round(spread)} ms`;
    },
  },
  {
    name: "batches",
    why: "deltas that wait together share a frame: receiving one is most of what a delta costs",
    ...{ anchor: "answers", level: "should", version: 2, needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      const turn = await connection.end(connection.ask("/conform words 200 0"));
      expect(turn.text === words(200), "the text was not what it should be");
      expect(
        turn.replies.length <= 100,
        `200 words that were ready at once took ${turn.replies.length} frames`,
      );
      return `200 words in ${turn.replies.length} frames`;
    },
  },
  {
    name: "long-answer",
    why: "500,000 characters arrive whole",
    ...{ anchor: "answers", level: "must", version: "both", needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      const turn = await connection.end(connection.ask("/conform big 500000"));
      expect(turn.text === "x".repeat(500_000), `${turn.text.length} characters came`);
    },
  },
  {
    name: "max-frame",
    why: "no frame is longer than the gateway takes: it would be dropped",
    ...{ anchor: "registration", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection({ fields: { maxFrame: MAX_REGISTER } });
      await connection.end(connection.ask("/conform big 300000"));
      const longest = Math.max(...connection.frames.map(({ size }) => size));
      expect(
        longest <= MAX_REGISTER,
        `a frame of ${longest} characters came where ${MAX_REGISTER} are allowed`,
      );
    },
  },
];
