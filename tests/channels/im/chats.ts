/** A gateway with one app of one platform that is played beside it, and a bot on a real socket. */
import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { systemClock } from "../../../src/core/clock.ts";
import type { ChatLog } from "../../../src/emulate/chat_log.ts";
import { DingTalkEmulator } from "../../../src/emulate/dingtalk/emulator.ts";
import { FeishuEmulator } from "../../../src/emulate/feishu/emulator.ts";
import { serveOn } from "../../../src/emulate/serve.ts";
import { WecomEmulator } from "../../../src/emulate/wecom/emulator.ts";
import { WecomLongConnection } from "../../../src/emulate/wecom/long_connection.ts";
import { type Frame, startWorld, type TestBot, type World } from "../../world.ts";
import { DING, FEISHU, WECOM } from "./crash_keys.ts";

export const KINDS = ["feishu", "dingtalk", "dingtalk card", "wecom app", "wecom bot"] as const;
export type Kind = typeof KINDS[number];

export interface Chats extends AsyncDisposable {
  readonly w: World;
  readonly log: ChatLog;
  readonly bot: TestBot;
  /** What the bot was asked. */
  readonly asked: readonly Frame[];
  /** Says something and waits for the answer. */
  say(chat: string, text: string, group?: boolean): Promise<void>;
  /** Waits for so many messages of the bot in the chat. */
  finals(chat: string, count: number): Promise<string[]>;
  /** Pushes and returns the receipt. */
  push(
    to: string,
    content: string,
    more?: Record<string, unknown>,
  ): Promise<{ success: boolean; error?: string }>;
  /** The platform itself, to say more than {@linkcode Chats.say} does. */
  readonly platform: ReturnType<typeof platformOf>;
  /** The person of the chat belongs to this account from now on. */
  bind(chat: string, account: string): Promise<void>;
}

/** A gateway with one app of one platform, a bot that answers, and the platform itself. */
export async function chats(
  kind: Kind,
  settings: Record<string, unknown> = {},
  store = new MemoryStore(),
  more: Record<string, unknown> = {},
): Promise<Chats> {
  const target: { fetch?: (request: Request) => Promise<Response> } = {};
  const deliver = (request: Request) => target.fetch!(request);
  const platform = platformOf(kind, deliver);
  const w = await startWorld({ demo: false, channels: platform.channels(settings), ...more }, {
    store,
  });
  target.fetch = async (request) => await w.app.fetch(request, { address: "127.0.0.1" });
  const bot = await w.bot("alpha", { protocol: 2 });
  const asked: Frame[] = [];
  bot.answerAll((chat) => {
    asked.push(chat);
    bot.reply(chat.id, `to ${chat.content}`, true, { seq: 1 });
  });
  const finals = async (chat: string, count: number) => {
    const seen = () => platform.log.finals(chat).map((shown) => shown.text);
    for (let n = 0; n < 1000 && seen().length < count; n++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal(seen().length, count, seen().join("|"));
    return seen();
  };
  return {
    w,
    platform,
    bot,
    asked,
    log: platform.log,
    finals,
    async say(chat, text, group) {
      const before = platform.log.finals(chat).length;
      platform.say(chat, text, group === true);
      await finals(chat, before + 1);
    },
    async push(to, content, more) {
      bot.send({ type: "push", to, content, id: crypto.randomUUID(), ...more });
      return await bot.next("pushed");
    },
    async bind(chat, account) {
      const { pairing } = w.app.apps;
      const who = {
        channel: kind.startsWith("wecom") ? "wecom" : kind === "feishu" ? "lark" : "dingtalk",
        app: "main",
      };
      await pairing.confirm(
        (await pairing.code({ ...who, id: platform.personOf(chat) }))!,
        account,
      );
    },
    async [Symbol.asyncDispose]() {
      await w[Symbol.asyncDispose]();
      await platform.stop();
    },
  };
}

function platformOf(kind: Kind, deliver: (request: Request) => Promise<Response>) {
  const clock = systemClock;
  if (kind === "feishu") {
    const feishu = new FeishuEmulator({
      ...FEISHU,
      clock,
      deliver,
      callbackUrl: "http://nexus.test/channels/feishu/main",
    });
    const served = serveOn(0, (request) => feishu.fetch(request));
    return {
      feishu,
      log: feishu.log,
      channels: (more: object) => ({
        feishu: { main: { ...FEISHU, mode: "webhook", baseUrl: served.url, ...more } },
      }),
      say: (chat: string, text: string, group: boolean) =>
        void feishu.say({ chat, text, type: group ? "group" : "p2p", sender: `ou_of_${chat}` }),
      personOf: (chat: string) => `ou_of_${chat}`,
      stop: () => (feishu.stop(), served.close()),
    };
  }
  if (kind.startsWith("dingtalk")) {
    const origin = { value: "" };
    const parts = {
      ...DING,
      clock,
      deliver,
      callbackUrl: "http://nexus.test/channels/dingtalk/main",
      get origin() {
        return origin.value;
      },
    };
    const ding = new DingTalkEmulator(parts);
    const served = serveOn(0, (request) => ding.fetch(request));
    origin.value = served.url;
    const own = kind === "dingtalk card" ? { cardTemplateId: "t", pace: "free" } : {};
    return {
      ding,
      log: ding.log,
      channels: (more: object) => ({
        dingtalk: {
          main: {
            ...DING,
            ...own,
            mode: "webhook",
            baseUrl: served.url,
            oapiBaseUrl: served.url,
            ...more,
          },
        },
      }),
      say: (chat: string, text: string, group: boolean) =>
        void ding.say({
          chat,
          text,
          type: group ? "group" : "direct",
          sender: group ? `staff_${chat}` : chat,
        }),
      personOf: (chat: string) => chat,
      stop: () => (ding.stop(), served.close()),
    };
  }
  const wecom = new WecomEmulator({
    ...WECOM,
    clock,
    deliver,
    callbackUrl: "http://nexus.test/channels/wecom/main",
  });
  const socket = kind === "wecom bot" ? new WecomLongConnection(wecom) : undefined;
  const served = serveOn(0, (request) => socket?.fetch(request), (request) => wecom.fetch(request));
  const own = socket
    ? { kind: "aibot", mode: "socket", wsUrl: served.url.replace("http", "ws") }
    : { kind: "app" };
  return {
    wecom,
    log: wecom.log,
    channels: (more: object) => ({
      wecom: { main: { ...WECOM, ...own, baseUrl: served.url, ...more } },
    }),
    say: (from: string, text: string, group: boolean) =>
      void (socket
        ? wecom.sayToBot({ from, text, group: group ? from : undefined })
        : wecom.sayToApp({ from, text })),
    personOf: (chat: string) => chat,
    stop: () => (socket?.close(), wecom.stop(), served.close()),
  };
}
