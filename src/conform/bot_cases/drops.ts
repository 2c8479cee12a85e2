/** Cases for a bot: it reconnects and resumes after a drop at every step. */
import { expect, pause, preview } from "../case.ts";
import {
  beginAnswer,
  type BotCase,
  expectAnswer,
  expectClean,
  resumeTurn,
  words,
} from "./steps.ts";

export const DROPS: readonly BotCase[] = [
  {
    name: "drop-idle",
    why: "a bot comes back by itself after the gateway restarted (4000)",
    ...{ anchor: "dialling-again", level: "must", version: "both" },
    async run(stage) {
      await (await stage.connection()).drop(4000);
      await expectAnswer(await stage.connection({ fresh: true }));
    },
  },
  {
    name: "drop-other-code",
    why: "codes that it does not know mean: come back",
    ...{ anchor: "close-codes", level: "must", version: "both" },
    async run(stage) {
      for (const code of [1011, 4242]) {
        await (await stage.connection()).drop(code);
        await stage.connection({ fresh: true });
      }
    },
  },
  {
    name: "drop-before-registered",
    why: "a gateway may die at the worst moment",
    ...{ anchor: "dialling-again", level: "must", version: "both" },
    async run(stage) {
      await (await stage.connection()).drop();
      await (await stage.nextConnection()).drop(1011);
      const second = await stage.nextConnection();
      await second.next("register");
      await second.drop(1011);
      await expectAnswer(await stage.connection({ fresh: true }));
    },
  },
  {
    name: "turned-away",
    why: "an HTTP error at the upgrade is a failure like any other: the bot tries again",
    ...{ anchor: "dialling-again", level: "must", version: "both" },
    async run(stage) {
      stage.rejectNext = 4;
      const before = stage.dials.length;
      await (await stage.connection()).drop();
      await stage.dialled(before + 4);
      await stage.connection({ fresh: true });
      const waits = stage.dials.slice(before + 1).map((at, index) =>
        at - stage.dials[before + index]!
      );
      return `waited ${waits.map((ms) => Math.round(ms)).join(", ")} ms`;
    },
  },
  {
    name: "back-off",
    why: "the waits grow: a thousand bots that all dial every second keep a gateway from coming up",
    ...{ anchor: "dialling-again", level: "should", version: "both" },
    async run(stage) {
      stage.rejectNext = 4;
      const before = stage.dials.length;
      await (await stage.connection()).drop();
      await stage.dialled(before + 5);
      const dials = stage.dials.slice(before, before + 5);
      await stage.connection({ fresh: true });
      const waits = dials.slice(1).map((at, index) => Math.round(at - dials[index]!));
      // Each is twice the last, shortened by up to a half: three doublings leave a factor of four
      // at the least, two a factor of two. The first two are looked at, because a busy machine may
      // make one of them long.
      expect(waits[3]! > Math.min(waits[0]!, waits[1]!) * 1.5, `it waited ${waits.join(", ")} ms`);
      return `waited ${waits.join(", ")} ms`;
    },
  },
  {
    name: "drop-after-question",
    why: "an answer that is made while the line is down is sent when it is back",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const first = await stage.connection();
      const turn = first.ask("/conform words 5 20");
      await first.roundTrip();
      await first.drop();
      const { connection, asked } = await resumeTurn(stage, turn);
      expect(asked.some(({ replyTo }) => replyTo === turn.id), `resume was ${preview(asked)}`);
      if (!turn.ended) await connection.end(turn);
      expect(turn.text === words(5), `the text was ${preview(turn.text)}`);
    },
  },
  {
    name: "resume-lists-receipts",
    why: "resume says for each turn up to where the bot has receipts",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const first = await stage.connection({ fresh: true });
      first.acks = "none";
      const turn = await beginAnswer(first, "/conform words 30 20", 5);
      first.ack(turn, 3);
      await first.roundTrip();
      await first.drop();
      const { connection, asked } = await resumeTurn(stage, turn);
      await connection.end(turn);
      const mine = asked.find(({ replyTo }) => replyTo === turn.id);
      expect(mine?.seq === 3, `3 frames were acknowledged, resume was ${preview(mine)}`);
    },
  },
  {
    name: "resume-goes-on",
    why: "after a drop in the middle the text is whole: nothing lost, nothing twice",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const first = await stage.connection();
      const turn = await beginAnswer(first, "/conform words 20 20", 4);
      await first.drop();
      const { connection } = await resumeTurn(stage, turn);
      await connection.end(turn);
      expect(turn.text === words(20), `the text was ${preview(turn.text)}`);
      expectClean(turn);
    },
  },
  {
    name: "resume-from-the-start",
    why: "what was sent but never arrived is sent again, from 1 if need be",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const first = await stage.connection();
      first.acks = "none";
      const turn = await beginAnswer(first, "/conform words 10 20", 3);
      await first.drop();
      turn.text = "";
      const { connection } = await resumeTurn(stage, turn, 0);
      await connection.end(turn);
      expect(turn.text === words(10), `the text was ${preview(turn.text)}`);
      expectClean(turn);
    },
  },
  {
    name: "resume-does-not-repeat",
    why: "what arrived is not sent again, though its receipt was lost",
    ...{ anchor: "resuming", level: "should", version: 2, needs: ["directives"] },
    async run(stage) {
      const first = await stage.connection();
      first.acks = "none";
      const turn = await beginAnswer(first, "/conform words 20 20", 4);
      await first.drop();
      const { last } = turn;
      const { connection } = await resumeTurn(stage, turn);
      await connection.end(turn);
      const again = connection.frames.filter(({ frame }) =>
        frame.replyTo === turn.id && frame.seq <= last
      );
      expect(again.length === 0, `${again.length} frames came again`);
    },
  },
  {
    name: "resume-twice",
    why: "a second drop is no different from the first",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const first = await stage.connection();
      const turn = await beginAnswer(first, "/conform words 30 20", 3);
      await first.drop();
      const second = (await resumeTurn(stage, turn)).connection;
      const before = turn.replies.length;
      await second.until(() => turn.replies.length > before || turn.ended, "more of the answer");
      await second.drop();
      if (turn.ended) return "the answer had ended before the second drop";
      const { connection } = await resumeTurn(stage, turn);
      await connection.end(turn);
      expect(turn.text === words(30), `the text was ${preview(turn.text)}`);
    },
  },
  {
    name: "resume-the-last-word",
    why: "a last frame that was lost comes again: else the turn never ends",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const first = await stage.connection();
      first.acks = "none";
      const turn = await first.end(first.ask("/conform words 4 20"));
      await first.drop();
      const done = turn.replies.at(-1)!.frame;
      turn.ended = undefined;
      turn.text = turn.replies.slice(0, -1).map(({ frame }) => [frame.content].flat().join(""))
        .join("");
      const { connection } = await resumeTurn(stage, turn, done.seq - 1);
      await connection.end(turn);
      expect(turn.text === words(4), `the text was ${preview(turn.text)}`);
    },
  },
  {
    name: "resume-over",
    why: "a turn that the gateway no longer lists is another's: not a word more about it",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const first = await stage.connection();
      const turn = await beginAnswer(first, "/conform words 100 20", 2);
      await first.drop();
      const connection = await stage.connection({ resume: () => [], fresh: true });
      await pause(400);
      const late = connection.frames.filter(({ frame }) => frame?.replyTo === turn.id).length;
      expect(late === 0, `${late} frames came about it`);
    },
  },
];
