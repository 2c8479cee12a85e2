/** Cases for a bot: several questions at once, and cancelled ones. */
import { expect, pause, preview, Skipped } from "../case.ts";
import { beginAnswer, type BotCase, expectClean, words } from "./steps.ts";

export const CONCURRENCY: readonly BotCase[] = [
  {
    name: "two-at-once",
    why: "two people are answered at the same time, and neither gets a word of the other's",
    ...{ anchor: "questions", level: "must", version: "both", needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      if (connection.registration.maxConcurrent < 2) {
        throw new Skipped("the bot takes one turn at once (maxConcurrent)");
      }
      const slow = await beginAnswer(connection, "/conform words 15 30", 1);
      const quick = await connection.end(connection.ask("/conform echo quick"));
      expect(quick.text === "quick", `the second answer was ${preview(quick.text)}`);
      expect(!slow.ended, "the second question waited for the end of the first");
      await connection.end(slow);
      expect(slow.text === words(15), `the first answer was ${preview(slow.text)}`);
    },
  },
  {
    name: "twenty-at-once",
    why: "twenty questions come to twenty ends, each with its own text",
    ...{ anchor: "questions", level: "must", version: "both", needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      if (connection.registration.maxConcurrent < 20) {
        throw new Skipped("the bot takes fewer turns at once (maxConcurrent)");
      }
      const turns = Array.from(
        { length: 20 },
        (_, n) => connection.ask(`/conform echo number ${n}`),
      );
      for (const [n, turn] of turns.entries()) {
        await connection.end(turn);
        expect(turn.text === `number ${n}`, `number ${n} was answered ${preview(turn.text)}`);
        expectClean(turn);
      }
    },
  },
  {
    name: "asked-twice",
    why: "the same turn that comes twice is answered once: else people read everything twice",
    ...{ anchor: "questions", level: "should", version: 2, needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      const turn = await beginAnswer(connection, "/conform words 6 20", 1);
      connection.send({
        type: "chat",
        id: turn.id,
        content: "/conform words 6 20",
        from: "Conny Form",
        timestamp: Date.now(),
      });
      await connection.end(turn);
      await pause(300);
      expectClean(turn);
      expect(turn.text === words(6), `the text was ${preview(turn.text)}`);
    },
  },
  {
    name: "cancel",
    why: "stop means stop: a receipt within 5 s, and not a word more",
    ...{ anchor: "cancelling", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      const turn = await beginAnswer(connection, "/conform words 200 20", 2);
      connection.send({ type: "cancel", id: turn.id });
      await connection.until(() => turn.ended, "the receipt", 5000);
      expect(turn.ended === "cancelled", `it sent ${turn.ended} instead of cancelled`);
      await pause(300);
      expectClean(turn);
    },
  },
  {
    name: "cancel-one-of-two",
    why: "only the turn that is named stops",
    ...{ anchor: "cancelling", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      if (connection.registration.maxConcurrent < 2) {
        throw new Skipped("the bot takes one turn at once (maxConcurrent)");
      }
      const stopped = await beginAnswer(connection, "/conform words 200 20", 1);
      const other = await beginAnswer(connection, "/conform words 15 20", 1);
      connection.send({ type: "cancel", id: stopped.id });
      await connection.until(() => stopped.ended, "the receipt", 5000);
      await connection.end(other);
      expect(other.text === words(15), `the other answer was ${preview(other.text)}`);
    },
  },
  {
    name: "cancel-unknown",
    why: "a bot that does not work on a turn can confirm that it does not",
    ...{ anchor: "cancelling", level: "should", version: 2 },
    async run(stage) {
      const connection = await stage.connection();
      const from = connection.frames.length;
      connection.send({ type: "cancel", id: "never-was" });
      const { id } = await connection.next("cancelled", from, Math.min(5000, stage.patience));
      expect(id === "never-was", `the receipt named ${preview(id)}`);
    },
  },
];
