/** Cases for a bot: pushes, and frames that it cannot understand. */
import { expect, pause, preview } from "../case.ts";
import { type BotCase, expectAnswer, expectClean } from "./steps.ts";

export const INPUT: readonly BotCase[] = [
  {
    name: "push",
    why: "a bot that speaks first says to whom, and understands the receipt",
    ...{ anchor: "speaking-first", level: "should", version: 2, needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      const turn = connection.ask("/conform push");
      const { to, content, id } = await connection.next("push");
      expect(
        to === "user:conform" || to === "conversation:c-conform",
        `it was addressed to ${preview(to)}`,
      );
      expect(content === "pushed", `it said ${preview(content)}`);
      connection.send({ type: "pushed", id, success: false, error: "no such person" });
      await connection.end(turn);
      expect(turn.text === "false", `it took the receipt for ${preview(turn.text)}`);
    },
  },
  {
    name: "bad-frames",
    why: "no frame of a gateway ends the bot",
    ...{ anchor: "errors-and-bad-frames", level: "must", version: "both" },
    async run(stage) {
      const connection = await stage.connection();
      const deep = "[".repeat(100_000) + "]".repeat(100_000);
      for (
        const text of [
          ...[
            "",
            "{",
            "null",
            "[]",
            "42",
            '"chat"',
            "{}",
            '{"type":"dance"}',
            '{"type":null}',
            '{"type":"chat"}',
          ],
          ...[
            '{"type":"__proto__"}',
            '{"__proto__":{"type":"chat"},"type":"constructor"}',
            '{"type":"ack","seq":"x"}',
          ],
          ...[
            '{"type":"error"}',
            '{"type":"cancel"}',
            '{"type":"cancel","id":{}}',
            '{"type":"chat","id":5,"content":[]}',
          ],
          ...[
            '{"type":"error","code":"gap","replyTo":"none","expected":-1}',
            '{"type":"error","message":5,"code":[]}',
            deep,
          ],
        ]
      ) {
        connection.send(text);
      }
      connection.socket.send(new Uint8Array([0, 255, 1, 254]));
      await connection.roundTrip();
      await expectAnswer(connection);
    },
  },
  {
    name: "unknown-fields",
    why: "a newer gateway may send more: a bot ignores the fields that it does not know",
    ...{ anchor: "shape-of-the-wire", level: "must", version: "both" },
    async run(stage) {
      const connection = await stage.connection();
      await connection.end(
        connection.ask("Say hello.", { mood: "sunny", nested: { deep: [1, 2, 3] }, image: null }),
      );
    },
  },
  {
    name: "late-receipts",
    why:
      "a gateway may be slow: the bot keeps everything, and forgets nothing until it has receipts",
    ...{ anchor: "numbers-and-receipts", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      connection.acks = "none";
      const turn = connection.ask("/conform big 3000000");
      let given = 0;
      while (!turn.ended) {
        await pause(100);
        await connection.until(() => turn.last > given || turn.ended, "more of the answer");
        connection.ack(turn, given = turn.last);
      }
      connection.ack(turn);
      expect(turn.text.length === 3_000_000, `${turn.text.length} of 3000000 characters came`);
      expectClean(turn);
    },
  },
];
