/** Cases for a gateway: it registers bots and pings them. */
import { CLOSE, MAX_REGISTER } from "../../bots/wire/frame.ts";
import { expect, pause, preview } from "../case.ts";
import type { RawFrame } from "../raw.ts";
import { type GatewayCase, isAlive, isDone, isRefused, SLACK_MS, V2 } from "./steps.ts";

export const REGISTRATION: readonly GatewayCase[] = [
  {
    name: "registers-version-1",
    why: "a version-1 bot is registered, and nothing of version 2 is sent to it",
    ...{ anchor: "registration", level: "must", version: 1 },
    async run(stage) {
      const { registered } = await stage.bot();
      expect(registered.protocol === undefined, `it got protocol ${registered.protocol}`);
    },
  },
  {
    name: "registers-version-2",
    why: "limits and times are announced, because a bot works by them",
    ...{ anchor: "registration", level: "must", version: 2 },
    async run(stage) {
      const { registered } = await stage.bot(V2);
      for (const field of ["maxFrame", "pingInterval", "botTimeout", "grace"]) {
        expect(registered[field] > 0, `${field} was ${preview(registered[field])}`);
      }
      expect(Array.isArray(registered.features), `features was ${preview(registered.features)}`);
    },
  },
  {
    name: "registers-later-version",
    why: "a bot of a later version is spoken to in a version that both know",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      const { registered } = await stage.bot({ protocol: 99 });
      expect((registered.protocol ?? 1) <= 99, `protocol was ${registered.protocol}`);
      expect(!stage.welcome || registered.protocol === 2, `protocol was ${registered.protocol}`);
    },
  },
  {
    name: "wrong-token",
    why: "a wrong token is refused with a code that says not to come back",
    ...{ anchor: "refusal", level: "must", version: "both" },
    async run(stage) {
      const kitBot = await stage.openSocket();
      kitBot.send(stage.registration(kitBot.botId, { token: "surely-not-this", protocol: 2 }));
      return await isRefused(kitBot);
    },
  },
  {
    name: "no-token",
    why: "a missing or empty token is a wrong one",
    ...{ anchor: "refusal", level: "must", version: "both" },
    async run(stage) {
      for (const token of [undefined, ""]) {
        const kitBot = await stage.openSocket();
        kitBot.send(stage.registration(kitBot.botId, { token }));
        await isRefused(kitBot);
      }
    },
  },
  {
    name: "token-at-the-upgrade",
    why:
      "a bot may prove its token in a header, where a proxy can see it, and leave it out of the frame",
    ...{ anchor: "security", level: "must", version: 2 },
    async run(stage) {
      const botId = stage.newBotId();
      const kitBot = await stage.openSocket(botId, {
        authorization: `Bearer ${stage.token ?? ""}`,
      });
      kitBot.send(stage.registration(botId, { ...V2, token: undefined }));
      const registered = await kitBot.next("registered");
      expect(registered.success === true, `it was refused: ${preview(registered.error)}`);
      const thief = await stage.openSocket(undefined, { authorization: "Bearer surely-not-this" });
      thief.send(stage.registration(thief.botId, { ...V2, token: undefined }));
      return await isRefused(thief);
    },
  },
  {
    name: "bad-id",
    why: "an id that people cannot address, or that disguises itself, does not come in",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      for (const botId of ["two words", "", "a@b", "evil\u202eid", "x".repeat(129)]) {
        const kitBot = await stage.openSocket();
        kitBot.send(stage.registration(botId));
        await kitBot.until(() => kitBot.frames.length > 0 || kitBot.closed, "an answer");
        expect(
          !kitBot.all("registered").some(({ success }) => success),
          `${preview(botId)} was taken in`,
        );
      }
      await isAlive(stage);
    },
  },
  {
    name: "pool-and-id",
    why:
      "a name is a bot's or a pool's: else a pool of a bot's name would be given that bot's messages",
    ...{ anchor: "names", level: "must", version: 2 },
    async run(stage) {
      const pool = stage.newBotId();
      const bot = await stage.bot({ ...V2, pool });
      for (const claim of [{ pool: bot.botId }, { botId: pool }, { botId: pool, pool }]) {
        const kitBot = await stage.openSocket(claim.botId);
        kitBot.send(stage.registration(kitBot.botId, { ...V2, ...claim }));
        await kitBot.until(() => kitBot.all("registered").length > 0 || kitBot.closed, "an answer");
        expect(kitBot.all("registered")[0]?.success !== true, `${preview(claim)} was taken in`);
        await kitBot.closeCode();
      }
      const mate = await stage.bot({ ...V2, pool });
      await mate.close();
    },
  },
  {
    name: "stranger-speaks",
    why: "who has not registered may not answer for others",
    ...{ anchor: "registration", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const stranger = await stage.openSocket();
      const { question, id } = await stage.asked(bot);
      stranger.reply(id, "I am not the bot.", { done: true });
      await stranger.until(
        () => stranger.frames.length > 0 || stranger.closed,
        "an error or a close",
      );
      bot.reply(id, "I am.", { done: true });
      await isDone(question, "I am.");
    },
  },
  {
    name: "first-frame-too-large",
    why: "a stranger cannot make the gateway hold more than 64 KiB",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      const kitBot = await stage.openSocket();
      kitBot.send(stage.registration(kitBot.botId, { description: "x".repeat(MAX_REGISTER) }));
      const code = await kitBot.closeCode();
      expect(!kitBot.all("registered").some(({ success }) => success), "it was taken in");
      await isAlive(stage);
      return `closed with ${code}`;
    },
  },
  {
    name: "first-frame-nonsense",
    why: "what is no frame harms nobody else",
    ...{ anchor: "errors-and-bad-frames", level: "must", version: "both" },
    async run(stage) {
      for (const text of ["", "{", "[]", "null", '{"type":"dance"}', "[".repeat(30_000)]) {
        const kitBot = await stage.openSocket();
        kitBot.send(text);
        await kitBot.until(
          () => kitBot.frames.length > 0 || kitBot.closed,
          `an answer to ${preview(text)}`,
        );
      }
      const binary = await stage.openSocket();
      binary.socket.send(new Uint8Array([0, 255, 254]));
      await binary.until(
        () => binary.frames.length > 0 || binary.closed,
        "an answer to a binary message",
      );
      await isAlive(stage);
    },
  },
  {
    name: "replaced",
    why: "a bot that comes back before its old socket is noticed dead takes its place (4001)",
    ...{ anchor: "replacement", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const first = await stage.bot();
      const second = await stage.bot({}, first.botId);
      const code = await first.closeCode();
      expect(code === CLOSE.replaced, `the first socket was closed with ${code}`);
      const { question, id } = await stage.asked(second);
      second.reply(id, "the second", { done: true });
      await isDone(question, "the second");
    },
  },
  {
    name: "replaced-only-with-token",
    why: "nobody throws a bot out who does not have its token",
    ...{ anchor: "replacement", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const first = await stage.bot();
      const thief = await stage.openSocket(first.botId);
      thief.send(stage.registration(first.botId, { token: "surely-not-this" }));
      await isRefused(thief);
      const { question, id } = await stage.asked(first);
      first.reply(id, "still me", { done: true });
      await isDone(question, "still me");
    },
  },
  {
    name: "listed",
    why: "people see who is there, and who has left is not shown",
    ...{ anchor: "registration", level: "must", version: "both", needs: ["person"] },
    async run(stage) {
      const bot = await stage.bot();
      const ids = async () =>
        ((await stage.get("/api/bots")).bots ?? []).map(({ id }: RawFrame) => id);
      expect((await ids()).includes(bot.botId), "the bot is not listed");
      await bot.close();
      const began = performance.now();
      while ((await ids()).includes(bot.botId)) {
        expect(performance.now() - began < stage.patience, "it is still listed after it left");
        await pause(50);
      }
    },
  },
  {
    name: "pings",
    why: "a ping comes each pingInterval: bots take silence for a drop",
    ...{ anchor: "heartbeat", level: "must", version: 2 },
    async run(stage) {
      const { pingInterval } = stage.welcome;
      stage.requireTime(pingInterval * 2, "two pings");
      const bot = await stage.bot(V2);
      for (let n = 0; n < 2; n++) await bot.next("ping", pingInterval * 1.5 + SLACK_MS);
    },
  },
  {
    name: "answers-pings",
    why: "a bot may look whether the line is alive",
    ...{ anchor: "heartbeat", level: "must", version: 2 },
    async run(stage) {
      const bot = await stage.bot(V2);
      bot.send({ type: "ping" });
      await bot.next("pong");
    },
  },
  {
    name: "silent-bot",
    why:
      "a bot that answers no ping is given up after botTimeout, with a code that lets it come back",
    ...{ anchor: "heartbeat", level: "must", version: 2 },
    async run(stage) {
      const { pingInterval, botTimeout } = stage.welcome;
      stage.requireTime(botTimeout + 2 * pingInterval, "botTimeout");
      const bot = await stage.bot(V2);
      bot.ignoresPings = true;
      const code = await bot.closeCode(botTimeout + 2 * pingInterval + SLACK_MS);
      expect(code === CLOSE.silent, `it was closed with ${code}`);
    },
  },
];
