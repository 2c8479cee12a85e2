/**
 * These are the cases for a bot: the kit plays the gateway. The last ones send the bot away for
 * good, so their order matters.
 */
import { CLOSE, MAX_REGISTER } from "../bots/wire/frame.ts";
import { type Case, expect, pause, short, Skipped } from "./case.ts";
import {
  expectRegistration,
  type GatewayStage,
  type Raw,
  type Seat,
  type Turn,
} from "./play_gateway.ts";

const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const ODD = 'naïve “quotes” \\ / \u0000-free\n\ttab, 日本語, עברית, 👩‍👩‍👧‍👦, </script>, %00, {"a":1}';

type BotCase = Case<GatewayStage>;

function words(count: number): string {
  return Array.from({ length: count }, (_, n) => `w${n + 1} `).join("");
}

/** A slow answer of which `frames` frames have come. */
async function begun(seat: Seat, question: string, frames: number): Promise<Turn> {
  const turn = seat.ask(question);
  await seat.until(() => turn.replies.length >= frames, `frame ${frames} of the answer`);
  return turn;
}

/** Lets `turn` go on at the bot's next socket, from what has arrived or from `seq`. */
async function resumed(
  stage: GatewayStage,
  turn: Turn,
  seq = turn.last,
): Promise<{ seat: Seat; asked: readonly Raw[] }> {
  let asked: readonly Raw[] = [];
  const seat = await stage.seat({
    resume: (list) => {
      asked = list;
      return list.some((one) => one?.replyTo === turn.id) ? [{ replyTo: turn.id, seq }] : [];
    },
    fresh: true,
  });
  turn.last = seq;
  seat.turns.set(turn.id, turn);
  stage.spoil();
  return { seat, asked };
}

function expectClean(turn: Turn): void {
  expect(turn.wrong.length === 0, turn.wrong[0]!);
}

async function echo(seat: Seat, text: string): Promise<void> {
  const turn = await seat.end(seat.ask(`/conform echo ${text}`));
  expect(turn.text === text, `${short(text)} came back as ${short(turn.text)}`);
  expectClean(turn);
}

/** Asks anything at all, and wants an end. */
async function answers(seat: Seat): Promise<Turn> {
  const turn = await seat.end(seat.ask("Say hello."));
  expectClean(turn);
  return turn;
}

export const BOT_CASES: readonly BotCase[] = [
  /* Registration. */
  {
    name: "register-first",
    why: "the first frame is register, at most 64 KiB: gateways close sockets that begin otherwise",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      expectRegistration(await stage.seat());
    },
  },
  {
    name: "register-fields",
    why: "botId can be addressed and shown, botName and token are texts",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      const { botId, botName, token } = (await stage.seat()).registration;
      expect(
        // deno-lint-ignore no-control-regex -- control characters are what it refuses
        typeof botId === "string" && /^[^\s@\u0000-\u001f]{1,128}$/.test(botId),
        `botId was ${short(botId)}`,
      );
      expect(
        botName === undefined || typeof botName === "string",
        `botName was a ${typeof botName}`,
      );
      expect(token === undefined || typeof token === "string", `token was a ${typeof token}`);
    },
  },
  {
    name: "register-waits",
    why:
      "nothing is said before registered has come, and register only once: the gateway would close the socket",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      await (await stage.seat()).drop();
      const seat = await stage.arrival();
      await seat.next("register");
      await pause(300);
      const types = seat.frames.map(({ frame }) => frame?.type);
      await seat.drop();
      expect(types.length === 1, `it sent ${types.join(", ")}`);
    },
  },
  {
    name: "register-same-id",
    why: "a bot that comes back has the same id: people address it by it",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      const { botId } = stage;
      await stage.seat({ fresh: true });
      expect(
        stage.botId === botId,
        `it was ${short(botId)} and came back as ${short(stage.botId)}`,
      );
    },
  },
  /* Heartbeat. */
  {
    name: "pong",
    why: "each ping is answered: else the gateway takes the bot for dead",
    ...{ anchor: "heartbeat", level: "must", version: "both" },
    async run(stage) {
      const seat = await stage.seat();
      for (let n = 0; n < 3; n++) await seat.settle();
    },
  },
  {
    name: "pong-while-answering",
    why: "a bot that works is alive: pings are answered in the middle of an answer",
    ...{ anchor: "heartbeat", level: "must", version: "both", needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      const turn = await begun(seat, "/conform words 20 30", 1);
      const from = seat.frames.length;
      seat.say({ type: "ping" });
      await seat.next("pong", from, 2000);
      expect(!turn.ended, "the pong came only after the answer");
      await seat.end(turn);
    },
  },
  {
    name: "silence-is-a-drop",
    why: "a dead line is not always seen by the system: a bot that hears nothing dials again",
    ...{ anchor: "heartbeat", level: "should", version: 2 },
    async run(stage) {
      const seat = await stage.seat({ fields: { pingInterval: 200, botTimeout: 600 } });
      expect(await seat.left(4000), "it stayed for 4 s in which 20 pings were missing");
    },
  },
  {
    name: "any-frame-is-life",
    why: "a gateway that is busy sending need not ping: a bot does not leave it",
    ...{ anchor: "heartbeat", level: "should", version: 2 },
    async run(stage) {
      const seat = await stage.seat({ fields: { pingInterval: 300, botTimeout: 900 } });
      for (let n = 0; n < 12; n++) {
        seat.say({ type: "ack", replyTo: "none", seq: 1 });
        await pause(100);
      }
      expect(!seat.closed, `it left (${seat.closed?.code}) though a frame came every 100 ms`);
    },
  },
  /* Answers. */
  {
    name: "answers",
    why: "every question comes to an end that names its turn: else a person waits for minutes",
    ...{ anchor: "answers", level: "must", version: "both" },
    async run(stage) {
      const turn = await answers(await stage.seat());
      return `${turn.replies.length} frames, ${turn.ended}`;
    },
  },
  {
    name: "nothing-after-the-end",
    why: "a turn ends once: what comes behind it is lost",
    ...{ anchor: "answers", level: "must", version: "both" },
    async run(stage) {
      const seat = await stage.seat();
      const turn = await answers(seat);
      await pause(300);
      await seat.settle();
      expectClean(turn);
    },
  },
  {
    name: "reply-fields",
    why:
      "content is a text (or in version 2 a list of them), done a boolean: else the gateway drops the frame",
    ...{ anchor: "answers", level: "must", version: "both" },
    async run(stage) {
      const seat = await stage.seat();
      for (const { frame } of (await answers(seat)).replies) {
        if (frame.type !== "reply") continue;
        const { content, done } = frame;
        const list = Array.isArray(content) && content.every((one) => typeof one === "string");
        expect(
          content == null || typeof content === "string" || (list && seat.version === 2),
          `content: ${short(content)}`,
        );
        expect(done === undefined || typeof done === "boolean", `done: ${short(done)}`);
      }
    },
  },
  {
    name: "exact-text",
    why: "every character arrives: quotes, line breaks, other scripts, emoji",
    ...{ anchor: "answers", level: "must", version: "both", needs: ["directives"] },
    async run(stage) {
      await echo(await stage.seat(), ODD);
    },
  },
  {
    name: "long-question",
    why: "people paste whole documents: 200,000 characters are not too many",
    ...{ anchor: "questions", level: "must", version: "both", needs: ["directives"] },
    async run(stage) {
      await echo(await stage.seat(), "0123456789".repeat(20_000));
    },
  },
  {
    name: "streams",
    why: "an answer is sent as it is made: people read along",
    ...{ anchor: "answers", level: "should", version: "both", needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      const turn = await seat.end(seat.ask("/conform words 10 40"));
      expect(turn.text === words(10), `the text was ${short(turn.text)}`);
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
      const seat = await stage.seat();
      const turn = await seat.end(seat.ask("/conform words 200 0"));
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
      const seat = await stage.seat();
      const turn = await seat.end(seat.ask("/conform big 500000"));
      expect(turn.text === "x".repeat(500_000), `${turn.text.length} characters came`);
    },
  },
  {
    name: "max-frame",
    why: "no frame is longer than the gateway takes: it would be dropped",
    ...{ anchor: "registration", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat({ fields: { maxFrame: MAX_REGISTER } });
      await seat.end(seat.ask("/conform big 300000"));
      const longest = Math.max(...seat.frames.map(({ size }) => size));
      expect(
        longest <= MAX_REGISTER,
        `a frame of ${longest} characters came where ${MAX_REGISTER} are allowed`,
      );
    },
  },
  /* Numbers and receipts. */
  {
    name: "numbered",
    why: "replies are numbered from 1 without a hole: else nothing can be resumed",
    ...{ anchor: "numbers-and-receipts", level: "must", version: 2 },
    async run(stage) {
      const seat = await stage.seat();
      const turn = seat.ask("Say hello.");
      // Looked at frame by frame: a turn whose numbers are wrong never comes to an end.
      await seat.until(
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
      const seat = await stage.seat();
      const turn = await begun(seat, "/conform words 8 20", 3);
      for (const seq of [2, 1, 1, 0, 2]) seat.ack(turn, seq);
      seat.say({ type: "ack", replyTo: "nobody", seq: 7 });
      await seat.end(turn);
      expect(turn.text === words(8), `the text was ${short(turn.text)}`);
      expectClean(turn);
    },
  },
  {
    name: "gap",
    why: "a gateway that missed something gets it again, in order and to the end",
    ...{ anchor: "gaps", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      seat.acks = "none";
      const turn = seat.ask("/conform words 6 20");
      // As if everything from 2 on had been lost: nothing of it is receipted, and each frame is
      // answered.
      await seat.until(() => turn.ended, "the end of the answer");
      const missed = turn.last;
      turn.last = 1;
      turn.text = [turn.replies[0]!.frame.content].flat().join("");
      turn.ended = undefined;
      for (let n = 2; n <= missed; n++) {
        seat.say({
          type: "error",
          code: "gap",
          message: "expected 2",
          replyTo: turn.id,
          expected: 2,
        });
      }
      await seat.end(turn);
      expect(turn.text === words(6), `the text was ${short(turn.text)}`);
      seat.ack(turn);
    },
  },
  {
    name: "unknown-turn",
    why: "a bot that is told so stops sending about a turn",
    ...{ anchor: "unknown-turns", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      const turn = await begun(seat, "/conform words 100 20", 2);
      seat.say({ type: "error", code: "unknown_turn", message: "unknown turn", replyTo: turn.id });
      await seat.settle();
      const after = turn.replies.length;
      await pause(300);
      turn.ended = "cancelled";
      expect(
        turn.replies.length === after,
        `${turn.replies.length - after} more frames came in 300 ms`,
      );
    },
  },
  /* Images, kinds, failure. */
  {
    name: "image-alone",
    why: "a picture without a word is a question too",
    ...{ anchor: "images", level: "must", version: "both" },
    async run(stage) {
      const seat = await stage.seat();
      const image = `data:image/png;base64,${PIXEL}`;
      await seat.end(seat.ask("", { image, ...(seat.version === 2 ? { images: [image] } : {}) }));
      await seat.settle();
    },
  },
  {
    name: "image-in",
    why: "a data URL and bare base64 are both images",
    ...{ anchor: "images", level: "should", version: "both", needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      for (const image of [`data:image/png;base64,${PIXEL}`, PIXEL]) {
        const turn = await seat.end(seat.ask("/conform count-images", { image }));
        expect(turn.text.trim() === "1", `it counted ${short(turn.text)} of 1`);
      }
    },
  },
  {
    name: "images-in",
    why: "all images of a question are there, the first one not twice",
    ...{ anchor: "images", level: "should", version: 2, needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      const image = `data:image/png;base64,${PIXEL}`;
      const turn = await seat.end(
        seat.ask("/conform count-images", { image, images: [image, image, image] }),
      );
      expect(turn.text.trim() === "3", `it counted ${short(turn.text)} of 3`);
    },
  },
  {
    name: "image-out",
    why: "an image of the bot travels in image or images, as a data URL or base64",
    ...{ anchor: "images", level: "should", version: "both", needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      const turn = await seat.end(seat.ask("/conform image"));
      const images = turn.replies.flatMap(({ frame }) => [frame.image, ...(frame.images ?? [])])
        .filter(Boolean);
      expect(images.length === 1, `${images.length} images came`);
      expect(
        /^(data:image\/[a-z+.-]+;base64,)?[A-Za-z0-9+/]+=*$/.test(images[0]),
        `it was ${short(images[0])}`,
      );
    },
  },
  {
    name: "kinds",
    why: "thoughts and tool steps are not part of the answer",
    ...{ anchor: "kinds", level: "should", version: 2, needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      const turn = await seat.end(seat.ask("/conform kinds"));
      const kinds = new Set(turn.replies.map(({ frame }) => frame.kind ?? "text"));
      expect(kinds.has("reasoning") && kinds.has("tool"), `it said ${[...kinds].join(", ")}`);
      expect(turn.text === "kinds", `the text was ${short(turn.text)}`);
      for (const { frame } of turn.replies.filter(({ frame }) => frame.kind === "tool")) {
        for (const step of [frame.content].flat()) {
          expect(isObject(step), `a tool step was ${short(step)}`);
        }
      }
    },
  },
  {
    name: "fail",
    why: "a failure is said as such: else it looks like an answer",
    ...{ anchor: "failure", level: "should", version: 2, needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      const turn = await seat.end(seat.ask("/conform fail"));
      expect(turn.ended === "fail", `the turn ended ${turn.ended} with ${short(turn.text)}`);
    },
  },
  /* Several at once. */
  {
    name: "two-at-once",
    why: "two people are answered at the same time, and neither gets a word of the other's",
    ...{ anchor: "questions", level: "must", version: "both", needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      if (seat.registration.maxConcurrent < 2) {
        throw new Skipped("the bot takes one turn at once (maxConcurrent)");
      }
      const slow = await begun(seat, "/conform words 15 30", 1);
      const quick = await seat.end(seat.ask("/conform echo quick"));
      expect(quick.text === "quick", `the second answer was ${short(quick.text)}`);
      expect(!slow.ended, "the second question waited for the end of the first");
      await seat.end(slow);
      expect(slow.text === words(15), `the first answer was ${short(slow.text)}`);
    },
  },
  {
    name: "twenty-at-once",
    why: "twenty questions come to twenty ends, each with its own text",
    ...{ anchor: "questions", level: "must", version: "both", needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      if (seat.registration.maxConcurrent < 20) {
        throw new Skipped("the bot takes fewer turns at once (maxConcurrent)");
      }
      const turns = Array.from({ length: 20 }, (_, n) => seat.ask(`/conform echo number ${n}`));
      for (const [n, turn] of turns.entries()) {
        await seat.end(turn);
        expect(turn.text === `number ${n}`, `number ${n} was answered ${short(turn.text)}`);
        expectClean(turn);
      }
    },
  },
  {
    name: "asked-twice",
    why: "the same turn that comes twice is answered once: else people read everything twice",
    ...{ anchor: "questions", level: "should", version: 2, needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      const turn = await begun(seat, "/conform words 6 20", 1);
      seat.say({
        type: "chat",
        id: turn.id,
        content: "/conform words 6 20",
        from: "Conny Form",
        timestamp: Date.now(),
      });
      await seat.end(turn);
      await pause(300);
      expectClean(turn);
      expect(turn.text === words(6), `the text was ${short(turn.text)}`);
    },
  },
  /* Cancelling. */
  {
    name: "cancel",
    why: "stop means stop: a receipt within 5 s, and not a word more",
    ...{ anchor: "cancelling", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      const turn = await begun(seat, "/conform words 200 20", 2);
      seat.say({ type: "cancel", id: turn.id });
      await seat.until(() => turn.ended, "the receipt", 5000);
      expect(turn.ended === "cancelled", `it said ${turn.ended} instead of cancelled`);
      await pause(300);
      expectClean(turn);
    },
  },
  {
    name: "cancel-one-of-two",
    why: "only the turn that is named stops",
    ...{ anchor: "cancelling", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      if (seat.registration.maxConcurrent < 2) {
        throw new Skipped("the bot takes one turn at once (maxConcurrent)");
      }
      const stopped = await begun(seat, "/conform words 200 20", 1);
      const other = await begun(seat, "/conform words 15 20", 1);
      seat.say({ type: "cancel", id: stopped.id });
      await seat.until(() => stopped.ended, "the receipt", 5000);
      await seat.end(other);
      expect(other.text === words(15), `the other answer was ${short(other.text)}`);
    },
  },
  {
    name: "cancel-unknown",
    why: "a bot that does not work on a turn can confirm that it does not",
    ...{ anchor: "cancelling", level: "should", version: 2 },
    async run(stage) {
      const seat = await stage.seat();
      const from = seat.frames.length;
      seat.say({ type: "cancel", id: "never-was" });
      const { id } = await seat.next("cancelled", from, Math.min(5000, stage.patience));
      expect(id === "never-was", `the receipt named ${short(id)}`);
    },
  },
  /* Speaking first. */
  {
    name: "push",
    why: "a bot that speaks first says to whom, and understands the receipt",
    ...{ anchor: "speaking-first", level: "should", version: 2, needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      const turn = seat.ask("/conform push");
      const { to, content, id } = await seat.next("push");
      expect(
        to === "user:conform" || to === "conversation:c-conform",
        `it was addressed to ${short(to)}`,
      );
      expect(content === "pushed", `it said ${short(content)}`);
      seat.say({ type: "pushed", id, success: false, error: "no such person" });
      await seat.end(turn);
      expect(turn.text === "false", `it took the receipt for ${short(turn.text)}`);
    },
  },
  /* Bad input. */
  {
    name: "bad-frames",
    why: "nothing that a gateway sends ends the bot",
    ...{ anchor: "errors-and-bad-frames", level: "must", version: "both" },
    async run(stage) {
      const seat = await stage.seat();
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
        seat.say(text);
      }
      seat.socket.send(new Uint8Array([0, 255, 1, 254]));
      await seat.settle();
      await answers(seat);
    },
  },
  {
    name: "unknown-fields",
    why: "a newer gateway may say more: what a bot does not know it ignores",
    ...{ anchor: "shape-of-the-wire", level: "must", version: "both" },
    async run(stage) {
      const seat = await stage.seat();
      await seat.end(
        seat.ask("Say hello.", { mood: "sunny", nested: { deep: [1, 2, 3] }, image: null }),
      );
    },
  },
  {
    name: "late-receipts",
    why:
      "a gateway may be slow: the bot keeps everything, and forgets nothing until it has receipts",
    ...{ anchor: "numbers-and-receipts", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat();
      seat.acks = "none";
      const turn = seat.ask("/conform big 3000000");
      let given = 0;
      while (!turn.ended) {
        await pause(100);
        await seat.until(() => turn.last > given || turn.ended, "more of the answer");
        seat.ack(turn, given = turn.last);
      }
      seat.ack(turn);
      expect(turn.text.length === 3_000_000, `${turn.text.length} of 3000000 characters came`);
      expectClean(turn);
    },
  },
  /* Drops at every step. */
  {
    name: "drop-idle",
    why: "a bot comes back by itself after the gateway restarted (4000)",
    ...{ anchor: "dialling-again", level: "must", version: "both" },
    async run(stage) {
      await (await stage.seat()).drop(4000);
      await answers(await stage.seat({ fresh: true }));
    },
  },
  {
    name: "drop-other-code",
    why: "codes that it does not know mean: come back",
    ...{ anchor: "close-codes", level: "must", version: "both" },
    async run(stage) {
      for (const code of [1011, 4242]) {
        await (await stage.seat()).drop(code);
        await stage.seat({ fresh: true });
      }
    },
  },
  {
    name: "drop-before-registered",
    why: "a gateway may die at the worst moment",
    ...{ anchor: "dialling-again", level: "must", version: "both" },
    async run(stage) {
      await (await stage.seat()).drop();
      await (await stage.arrival()).drop(1011);
      const second = await stage.arrival();
      await second.next("register");
      await second.drop(1011);
      await answers(await stage.seat({ fresh: true }));
    },
  },
  {
    name: "turned-away",
    why: "an HTTP error at the upgrade is a failure like any other: the bot tries again",
    ...{ anchor: "dialling-again", level: "must", version: "both" },
    async run(stage) {
      stage.turnAway = 4;
      const before = stage.dials.length;
      await (await stage.seat()).drop();
      await stage.dialled(before + 4);
      await stage.seat({ fresh: true });
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
      stage.turnAway = 4;
      const before = stage.dials.length;
      await (await stage.seat()).drop();
      await stage.dialled(before + 5);
      const dials = stage.dials.slice(before, before + 5);
      await stage.seat({ fresh: true });
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
      const first = await stage.seat();
      const turn = first.ask("/conform words 5 20");
      await first.settle();
      await first.drop();
      const { seat, asked } = await resumed(stage, turn);
      expect(asked.some(({ replyTo }) => replyTo === turn.id), `resume was ${short(asked)}`);
      if (!turn.ended) await seat.end(turn);
      expect(turn.text === words(5), `the text was ${short(turn.text)}`);
    },
  },
  {
    name: "resume-lists-receipts",
    why: "resume says for each turn up to where the bot has receipts",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const first = await stage.seat({ fresh: true });
      first.acks = "none";
      const turn = await begun(first, "/conform words 30 20", 5);
      first.ack(turn, 3);
      await first.settle();
      await first.drop();
      const { seat, asked } = await resumed(stage, turn);
      await seat.end(turn);
      const mine = asked.find(({ replyTo }) => replyTo === turn.id);
      expect(mine?.seq === 3, `receipts were given up to 3, resume said ${short(mine)}`);
    },
  },
  {
    name: "resume-goes-on",
    why: "after a drop in the middle the text is whole: nothing lost, nothing twice",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const first = await stage.seat();
      const turn = await begun(first, "/conform words 20 20", 4);
      await first.drop();
      const { seat } = await resumed(stage, turn);
      await seat.end(turn);
      expect(turn.text === words(20), `the text was ${short(turn.text)}`);
      expectClean(turn);
    },
  },
  {
    name: "resume-from-the-start",
    why: "what was sent but never arrived is sent again, from 1 if need be",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const first = await stage.seat();
      first.acks = "none";
      const turn = await begun(first, "/conform words 10 20", 3);
      await first.drop();
      turn.text = "";
      const { seat } = await resumed(stage, turn, 0);
      await seat.end(turn);
      expect(turn.text === words(10), `the text was ${short(turn.text)}`);
      expectClean(turn);
    },
  },
  {
    name: "resume-does-not-repeat",
    why: "what arrived is not sent again, though its receipt was lost",
    ...{ anchor: "resuming", level: "should", version: 2, needs: ["directives"] },
    async run(stage) {
      const first = await stage.seat();
      first.acks = "none";
      const turn = await begun(first, "/conform words 20 20", 4);
      await first.drop();
      const { last } = turn;
      const { seat } = await resumed(stage, turn);
      await seat.end(turn);
      const again = seat.frames.filter(({ frame }) =>
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
      const first = await stage.seat();
      const turn = await begun(first, "/conform words 30 20", 3);
      await first.drop();
      const second = (await resumed(stage, turn)).seat;
      const before = turn.replies.length;
      await second.until(() => turn.replies.length > before || turn.ended, "more of the answer");
      await second.drop();
      if (turn.ended) return "the answer had ended before the second drop";
      const { seat } = await resumed(stage, turn);
      await seat.end(turn);
      expect(turn.text === words(30), `the text was ${short(turn.text)}`);
    },
  },
  {
    name: "resume-the-last-word",
    why: "a last frame that was lost comes again: else the turn never ends",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const first = await stage.seat();
      first.acks = "none";
      const turn = await first.end(first.ask("/conform words 4 20"));
      await first.drop();
      const done = turn.replies.at(-1)!.frame;
      turn.ended = undefined;
      turn.text = turn.replies.slice(0, -1).map(({ frame }) => [frame.content].flat().join(""))
        .join("");
      const { seat } = await resumed(stage, turn, done.seq - 1);
      await seat.end(turn);
      expect(turn.text === words(4), `the text was ${short(turn.text)}`);
    },
  },
  {
    name: "resume-over",
    why: "a turn that the gateway no longer lists is another's: not a word more about it",
    ...{ anchor: "resuming", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const first = await stage.seat();
      const turn = await begun(first, "/conform words 100 20", 2);
      await first.drop();
      const seat = await stage.seat({ resume: () => [], fresh: true });
      await pause(400);
      const late = seat.frames.filter(({ frame }) => frame?.replyTo === turn.id).length;
      expect(late === 0, `${late} frames came about it`);
    },
  },
  /* Version 1. */
  {
    name: "version-1-gateway",
    why: "a gateway that does not say protocol understands version 1 only: texts, not lists",
    ...{ anchor: "version-1", level: "must", version: "both" },
    async run(stage) {
      const seat = await stage.seat({ version: 1 });
      const turn = stage.directives
        ? await seat.end(seat.ask("/conform words 5 5"))
        : await answers(seat);
      const odd = turn.replies.find(({ frame }) =>
        typeof (frame.content ?? "") !== "string" || frame.type !== "reply"
      );
      expect(!odd, `it sent ${short(odd?.frame)}`);
      if (stage.directives) expect(turn.text === words(5), `the text was ${short(turn.text)}`);
      const strange = seat.frames.find(({ frame }) =>
        !["register", "reply", "pong"].includes(frame?.type)
      );
      expect(!strange, `it sent a ${strange?.frame?.type} frame`);
    },
  },
  {
    name: "version-1-hides-thoughts",
    why: "version 1 would show reasoning and tool steps as the answer",
    ...{ anchor: "kinds", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const seat = await stage.seat({ version: 1 });
      const turn = await seat.end(seat.ask("/conform kinds"));
      const all = turn.replies.map(({ frame }) => frame.content ?? "").join("");
      expect(all === "kinds", `the text was ${short(all)}`);
    },
  },
  {
    name: "version-1-drop",
    why:
      "a version-1 gateway has ended the turns of a socket that dropped: nothing about them over the next",
    ...{ anchor: "version-1", level: "must", version: "both", needs: ["directives"] },
    async run(stage) {
      const first = await stage.seat({ version: 1 });
      const turn = await begun(first, "/conform words 100 20", 2);
      await first.drop();
      const seat = await stage.seat({ version: 1, fresh: true });
      await pause(400);
      const late = seat.frames.filter(({ frame }) => frame?.replyTo === turn.id).length;
      expect(late === 0, `${late} frames came about it`);
    },
  },
  /* Refusal: the bot stays away after these. */
  {
    name: "refused-for-good",
    why: "a wrong token is not tried again by itself: it helps nobody and looks like an attack",
    ...{ anchor: "refusal", level: "must", version: "both" },
    async run(stage) {
      await staysAway(stage, async (seat) => {
        seat.say({ type: "registered", success: false, error: "wrong token" });
        await seat.drop(CLOSE.badToken);
      });
    },
  },
  {
    name: "refused-by-version-1",
    why: "success: false without a code is a refusal too",
    ...{ anchor: "refusal", level: "must", version: "both", needs: ["start"] },
    async run(stage) {
      await stage.restart();
      await staysAway(stage, async (seat) => {
        seat.say({ type: "registered", success: false, error: "Invalid token" });
        await pause(1500);
        await seat.drop(1000);
      });
    },
  },
  {
    name: "closed-for-good",
    why: "codes 4100 to 4199 say: do not come back, also in the middle of work",
    ...{ anchor: "close-codes", level: "must", version: 2, needs: ["start"] },
    async run(stage) {
      await stage.restart();
      const seat = await stage.seat();
      await seat.drop(CLOSE.badId);
      await noDials(stage);
    },
  },
];

async function staysAway(
  stage: GatewayStage,
  refuse: (seat: Seat) => Promise<void>,
): Promise<void> {
  if (!stage.lacks("start")) await stage.restart();
  else await (await stage.seat()).drop();
  const seat = await stage.arrival();
  await seat.next("register");
  await refuse(seat);
  await noDials(stage);
}

async function noDials(stage: GatewayStage): Promise<void> {
  const dials = await stage.dialsWithin(stage.stayAway);
  if (dials > 0) expect(false, `it dialled ${dials} times within ${stage.stayAway} ms`);
  stage.lost();
}

function isObject(text: unknown): boolean {
  if (typeof text !== "string") return false;
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
