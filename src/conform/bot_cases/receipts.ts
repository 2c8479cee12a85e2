/** Cases for a bot: it numbers its frames and works with receipts. */
import { expect, pause, preview } from "../case.ts";
import { beginAnswer, type BotCase, expectClean, words } from "./steps.ts";

export const RECEIPTS: readonly BotCase[] = [
  {
    name: "numbered",
    why: "replies are numbered from 1 without a hole: else nothing can be resumed",
    ...{ anchor: "numbers-and-receipts", level: "must", version: 2 },
    async run(stage) {
      const connection = await stage.connection();
      const turn = connection.ask("Say hello.");
      // Looked at frame by frame: a turn whose numbers are wrong never comes to an end.
      await connection.until(
        () => turn.replies.some(({ frame }) => frame.done === true || frame.type === "fail"),
        "the last frame",
      );
      const numbers = turn.replies.filter(({ frame }) => frame.type === "reply").map(({ frame }) =>
        frame.seq
      );
      expect(
        numbers.every((seq, index) => seq === index + 1),
        `seq was ${numbers.slice(0, 10).join(", ")}`,
      );
    },
  },
  {
    name: "odd-receipts",
    why: "receipts that come twice, late, or for nothing change nothing",
    ...{ anchor: "numbers-and-receipts", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      const turn = await beginAnswer(connection, "/conform words 8 20", 3);
      for (const seq of [2, 1, 1, 0, 2]) connection.ack(turn, seq);
      connection.send({ type: "ack", replyTo: "nobody", seq: 7 });
      await connection.end(turn);
      expect(turn.text === words(8), `the text was ${preview(turn.text)}`);
      expectClean(turn);
    },
  },
  {
    name: "gap",
    why: "a gateway that missed something gets it again, in order and to the end",
    ...{ anchor: "gaps", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      connection.acks = "none";
      const turn = connection.ask("/conform words 6 20");
      // As if everything from 2 on had been lost: nothing of it is receipted, and each frame is
      // answered.
      await connection.until(() => turn.ended, "the end of the answer");
      const missed = turn.last;
      turn.last = 1;
      turn.text = [turn.replies[0]!.frame.content].flat().join("");
      turn.ended = undefined;
      for (let n = 2; n <= missed; n++) {
        connection.send({
          type: "error",
          code: "gap",
          message: "expected 2",
          replyTo: turn.id,
          expected: 2,
        });
      }
      await connection.end(turn);
      expect(turn.text === words(6), `the text was ${preview(turn.text)}`);
      connection.ack(turn);
    },
  },
  {
    name: "unknown-turn",
    why: "a bot that is told so stops sending about a turn",
    ...{ anchor: "unknown-turns", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      const turn = await beginAnswer(connection, "/conform words 100 20", 2);
      connection.send({
        type: "error",
        code: "unknown_turn",
        message: "unknown turn",
        replyTo: turn.id,
      });
      await connection.roundTrip();
      const after = turn.replies.length;
      await pause(300);
      turn.ended = "cancelled";
      expect(
        turn.replies.length === after,
        `${turn.replies.length - after} more frames came in 300 ms`,
      );
    },
  },
];
