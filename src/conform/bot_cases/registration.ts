/** Cases for a bot: it registers and answers pings. */
import { expect, pause, preview } from "../case.ts";
import { expectRegistration } from "../bot_connection.ts";
import { beginAnswer, type BotCase } from "./steps.ts";

export const REGISTRATION: readonly BotCase[] = [
  {
    name: "register-first",
    why: "the first frame is register, at most 64 KiB: gateways close sockets that begin otherwise",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      expectRegistration(await stage.connection());
    },
  },
  {
    name: "register-fields",
    why: "botId can be addressed and shown, botName and token are texts",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      const { botId, botName, token } = (await stage.connection()).registration;
      expect(
        // deno-lint-ignore no-control-regex -- control characters are what it refuses
        typeof botId === "string" && /^[^\s@\u0000-\u001f]{1,128}$/.test(botId),
        `botId was ${preview(botId)}`,
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
      "nothing is sent before registered arrives, and register only once: the gateway would close the socket",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      await (await stage.connection()).drop();
      const connection = await stage.nextConnection();
      await connection.next("register");
      await pause(300);
      const types = connection.frames.map(({ frame }) => frame?.type);
      await connection.drop();
      expect(types.length === 1, `it sent ${types.join(", ")}`);
    },
  },
  {
    name: "register-same-id",
    why: "a bot that comes back has the same id: people address it by it",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      const { botId } = stage;
      await stage.connection({ fresh: true });
      expect(
        stage.botId === botId,
        `it was ${preview(botId)} and came back as ${preview(stage.botId)}`,
      );
    },
  },
  {
    name: "pong",
    why: "each ping is answered: otherwise the gateway takes the bot for dead",
    ...{ anchor: "heartbeat", level: "must", version: "both" },
    async run(stage) {
      const connection = await stage.connection();
      for (let n = 0; n < 3; n++) await connection.roundTrip();
    },
  },
  {
    name: "pong-while-answering",
    why: "a bot that works is alive: pings are answered in the middle of an answer",
    ...{ anchor: "heartbeat", level: "must", version: "both", needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      const turn = await beginAnswer(connection, "/conform words 20 30", 1);
      const from = connection.frames.length;
      connection.send({ type: "ping" });
      await connection.next("pong", from, 2000);
      expect(!turn.ended, "the pong came only after the answer");
      await connection.end(turn);
    },
  },
  {
    name: "silence-is-a-drop",
    why: "a dead line is not always seen by the system: a bot that hears nothing dials again",
    ...{ anchor: "heartbeat", level: "should", version: 2 },
    async run(stage) {
      const connection = await stage.connection({ fields: { pingInterval: 200, botTimeout: 600 } });
      expect(
        await connection.closesWithin(4000),
        "it stayed for 4 s in which 20 pings were missing",
      );
    },
  },
  {
    name: "any-frame-is-life",
    why: "a gateway that is busy sending need not ping: a bot does not leave it",
    ...{ anchor: "heartbeat", level: "should", version: 2 },
    async run(stage) {
      const connection = await stage.connection({ fields: { pingInterval: 300, botTimeout: 900 } });
      for (let n = 0; n < 12; n++) {
        connection.send({ type: "ack", replyTo: "none", seq: 1 });
        await pause(100);
      }
      expect(
        !connection.closed,
        `it left (${connection.closed?.code}) though a frame came every 100 ms`,
      );
    },
  },
];
