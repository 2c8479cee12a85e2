/**
 * `nexus emulate`: a chat platform on this machine, to try an app's configuration without an
 * account, and to see what people would see.
 */
import { type Clock, systemClock } from "../core/clock.ts";
import { DingTalkEmulator } from "../emulate/dingtalk/emulator.ts";
import { DingTalkStream } from "../emulate/dingtalk/stream.ts";
import { FeishuEmulator } from "../emulate/feishu/emulator.ts";
import { FeishuLongConnection } from "../emulate/feishu/long_connection.ts";
import { type RequestHandler, serveOn } from "../emulate/serve.ts";
import { WecomEmulator } from "../emulate/wecom/emulator.ts";
import { WecomLongConnection } from "../emulate/wecom/long_connection.ts";
import { readOptions } from "./command.ts";

const USAGE = `Usage: nexus emulate feishu|dingtalk|wecom [options]

Emulates a chat platform on 127.0.0.1, with its limits. Open the address in a browser to write to
the bot and to see its answers.

  --port N        the port; 0 takes a free one (default 18080)
  --callback URL  where the bot's webhook is, such as http://127.0.0.1:17392/channels/feishu/main;
                  without it messages go over the long connection
  --ai-bot        wecom: messages go to the AI bot in webhook mode, not to the app
  --speed N       how many times faster than real its time goes (default 1)`;

/** Made up; the configuration that is printed has the same. */
const KEY = "nexusEmulatedEncodingAesKey0123456789ABCDEF";

export async function emulate(args: readonly string[]): Promise<number> {
  const read = readOptions(
    args,
    {
      port: { type: "string", default: "18080" },
      callback: { type: "string" },
      "ai-bot": { type: "boolean" },
      speed: { type: "string", default: "1" },
    },
    USAGE,
    1,
  );
  if (typeof read === "number") return read;
  const { port, callback, speed, "ai-bot": aiBot } = read.values;
  const [platform] = read.positionals;
  const numbers = [Number(port), Number(speed)];
  if (
    !["feishu", "dingtalk", "wecom"].includes(platform ?? "") || numbers.some((n) => !(n >= 0)) ||
    numbers[1] === 0
  ) {
    console.error(USAGE);
    return 2;
  }
  const clock = acceleratedClock(numbers[1]!);
  const deliver = callback === undefined ? undefined : (request: Request) => fetch(request);
  // Served first: the port may be any free one, and the platform must know its own address.
  const parts: RequestHandler[] = [];
  const served = serveOn(numbers[0]!, async (request) => {
    for (const part of parts) {
      const response = await part(request);
      if (response) return response;
    }
    return undefined;
  });
  const { parts: played, settings, stop } = {
    feishu: () => feishu(clock, deliver, callback, served.url),
    dingtalk: () => dingtalk(clock, deliver, callback, served.url),
    wecom: () => wecom(clock, deliver, callback, served.url, aiBot === true),
  }[platform as "feishu" | "dingtalk" | "wecom"]();
  parts.push(...played);
  console.log(`${platform} is played at ${served.url}\n\nInto config.json:\n`);
  console.log(JSON.stringify({ channels: { [platform!]: { main: settings } } }, undefined, 2));
  await new Promise<void>((resolve) => Deno.addSignalListener("SIGINT", () => resolve()));
  stop();
  await served.close();
  return 0;
}

interface EmulatedPlatform {
  readonly parts: RequestHandler[];
  /** What the app's configuration must say to meet this platform. */
  readonly settings: unknown;
  stop(): void;
}

type Deliver = ((request: Request) => Promise<Response>) | undefined;

function feishu(
  clock: Clock,
  deliver: Deliver,
  callbackUrl: string | undefined,
  baseUrl: string,
): EmulatedPlatform {
  const keys = {
    appId: "cli_0123456789abcdef",
    appSecret: "emulated",
    encryptKey: "emulated",
    verificationToken: "emulated",
  };
  const emulator = new FeishuEmulator({ ...keys, clock, deliver, callbackUrl });
  const socket = deliver ? undefined : new FeishuLongConnection(emulator, keys);
  return {
    parts: [(request) => socket?.fetch(request), (request) => emulator.fetch(request)],
    settings: { ...keys, mode: deliver ? "webhook" : "socket", baseUrl },
    stop: () => (socket?.close(), emulator.stop()),
  };
}

function dingtalk(
  clock: Clock,
  deliver: Deliver,
  callbackUrl: string | undefined,
  baseUrl: string,
): EmulatedPlatform {
  const keys = { clientId: "dingemulated", clientSecret: "emulated" };
  const emulator = new DingTalkEmulator({ ...keys, clock, deliver, callbackUrl, origin: baseUrl });
  const stream = deliver ? undefined : new DingTalkStream(emulator, { ...keys, clock });
  return {
    parts: [(request) => stream?.fetch(request), (request) => emulator.fetch(request)],
    settings: {
      ...keys,
      cardTemplateId: "emulated",
      mode: deliver ? "webhook" : "stream",
      baseUrl,
      oapiBaseUrl: baseUrl,
    },
    stop: () => (stream?.close(), emulator.stop()),
  };
}

function wecom(
  clock: Clock,
  deliver: Deliver,
  callbackUrl: string | undefined,
  baseUrl: string,
  aiBot: boolean,
): EmulatedPlatform {
  const app = { corpId: "wwemulated", agentId: 1_000_002, secret: "emulated" };
  const seal = { token: "emulated", encodingAesKey: KEY };
  const emulator = new WecomEmulator({
    ...app,
    ...seal,
    botId: "emulated",
    clock,
    deliver,
    callbackUrl,
    origin: baseUrl,
    aiBot,
  });
  const socket = deliver ? undefined : new WecomLongConnection(emulator);
  const settings = !deliver
    ? {
      kind: "aibot",
      mode: "socket",
      botId: "emulated",
      secret: "emulated",
      wsUrl: baseUrl.replace("http", "ws"),
    }
    : aiBot
    ? { kind: "aibot", mode: "webhook", ...seal, baseUrl }
    : { kind: "app", ...app, ...seal, baseUrl };
  return {
    parts: [(request) => socket?.fetch(request), (request) => emulator.fetch(request)],
    settings,
    stop: () => (socket?.close(), emulator.stop()),
  };
}

/** Time that goes faster, so that repeats after hours and streams of minutes can be watched. */
function acceleratedClock(times: number): Clock {
  if (times === 1) return systemClock;
  const begun = systemClock.now();
  return {
    now: () => begun + (systemClock.now() - begun) * times,
    after: (ms, call) => systemClock.after(ms / times, call),
    every: (ms, call) => systemClock.every(ms / times, call),
  };
}
