/** What a bot says by itself, on its way over a real socket into the chats of an emulated platform. */
import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { systemClock } from "../../../src/core/clock.ts";
import type { ChatLog } from "../../../src/emulate/chat.ts";
import { DingTalkEmulator } from "../../../src/emulate/dingtalk.ts";
import { FeishuEmulator } from "../../../src/emulate/feishu.ts";
import { serveOn } from "../../../src/emulate/serve.ts";
import { WecomEmulator } from "../../../src/emulate/wecom.ts";
import { WecomSocket } from "../../../src/emulate/wecom_socket.ts";
import { type Frame, startWorld, type TestBot, type World } from "../../world.ts";
import { DING, FEISHU, WECOM } from "./crash_keys.ts";

const KINDS = ["feishu", "dingtalk", "dingtalk card", "wecom app", "wecom bot"] as const;
type Kind = typeof KINDS[number];

interface Chats extends AsyncDisposable {
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
  push(to: string, content: string, more?: Record<string, unknown>): Promise<{ success: boolean; error?: string }>;
  /** The person of the chat belongs to this account from now on. */
  bind(chat: string, account: string): Promise<void>;
}

/** A gateway with one app of one platform, a bot that answers, and the platform itself. */
async function chats(kind: Kind, settings: Record<string, unknown> = {}, store = new MemoryStore()): Promise<Chats> {
  const target: { fetch?: (request: Request) => Promise<Response> } = {};
  const deliver = (request: Request) => target.fetch!(request);
  const platform = platformOf(kind, deliver);
  const w = await startWorld({ demo: false, channels: platform.channels(settings) }, { store });
  target.fetch = async (request) => await w.app.fetch(request, { address: "127.0.0.1" });
  const bot = await w.bot("alpha", { protocol: 2 });
  const asked: Frame[] = [];
  bot.answerAll((chat) => {
    asked.push(chat);
    bot.reply(chat.id, `to ${chat.content}`, true, { seq: 1 });
  });
  const finals = async (chat: string, count: number) => {
    const seen = () => platform.log.finals(chat).map((shown) => shown.text);
    for (let n = 0; n < 1000 && seen().length < count; n++) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(seen().length, count, seen().join("|"));
    return seen();
  };
  return {
    w,
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
      await pairing.confirm((await pairing.code({ ...who, id: platform.personOf(chat) }))!, account);
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
      log: feishu.log,
      channels: (more: object) => ({ feishu: { main: { ...FEISHU, mode: "webhook", baseUrl: served.url, ...more } } }),
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
      log: ding.log,
      channels: (more: object) => ({
        dingtalk: {
          main: { ...DING, ...own, mode: "webhook", baseUrl: served.url, oapiBaseUrl: served.url, ...more },
        },
      }),
      say: (chat: string, text: string, group: boolean) =>
        void ding.say({ chat, text, type: group ? "group" : "direct", sender: group ? `staff_${chat}` : chat }),
      personOf: (chat: string) => chat,
      stop: () => (ding.stop(), served.close()),
    };
  }
  const wecom = new WecomEmulator({ ...WECOM, clock, deliver, callbackUrl: "http://nexus.test/channels/wecom/main" });
  const socket = kind === "wecom bot" ? new WecomSocket(wecom) : undefined;
  const served = serveOn(0, (request) => socket?.fetch(request), (request) => wecom.fetch(request));
  const own = socket ? { kind: "aibot", mode: "socket", wsUrl: served.url.replace("http", "ws") } : { kind: "app" };
  return {
    log: wecom.log,
    channels: (more: object) => ({ wecom: { main: { ...WECOM, ...own, baseUrl: served.url, ...more } } }),
    say: (from: string, text: string, group: boolean) =>
      void (socket ? wecom.sayToBot({ from, text, group: group ? from : undefined }) : wecom.sayToApp({ from, text })),
    personOf: (chat: string) => chat,
    stop: () => (socket?.close(), wecom.stop(), served.close()),
  };
}

for (const kind of KINDS) {
  Deno.test(`${kind}: what a bot says by itself reaches the chat of a bound person, once, however often it is said`, async () => {
    await using c = await chats(kind);
    await c.say("chat1", "hello");
    await c.bind("chat1", "alice");
    const id = "tea-1";
    assert.equal((await c.push("user:alice", "Tea is **ready**.", { id })).success, true);
    const [, tea] = await c.finals("chat1", 2);
    assert.match(tea!, /Tea is \**ready\**\./);
    assert.equal((await c.push("user:alice", "Tea is **ready**.", { id })).success, true);
    assert.equal((await c.push("user:alice", "And cake.")).success, true);
    assert.match((await c.finals("chat1", 3)).at(-1)!, /And cake\./);
    // The page has it too, and only those.
    const { conversations } = await (await c.w.as("alice", "/api/conversations")).json();
    assert.equal(conversations.length, 1);
    assert.equal((await c.push("user:nobody", "x")).success, false);
  });
}

Deno.test("a push waits in the outbox while the platform is away, and the process that comes next delivers it once", async () => {
  const store = new MemoryStore();
  // The store outlives the gateway that closes it: memory keeps what it has.
  {
    await using c = await chats("feishu", {}, store);
    await c.say("oc_1", "hello");
    await c.bind("oc_1", "alice");
    c.w.app.apps.budget.close({ key: "feishu:person:cli_0123456789abcdef:ou_of_oc_1", rates: [] }, 3_600_000);
    assert.equal((await c.push("user:alice", "later", { id: "l" })).success, true);
    assert.equal(c.w.app.apps.list()[0]!.open, 1);
  }
  await using c = await chats("feishu", {}, store);
  assert.deepEqual(await c.finals("oc_1", 1), ["later"]);
  // The bot heard no receipt and says it again to the new process.
  assert.equal((await c.push("user:alice", "later", { id: "l" })).success, true);
  assert.equal((await c.push("user:alice", "last")).success, true);
  assert.deepEqual(await c.finals("oc_1", 2), ["later", "last"]);
});

Deno.test("a push to a conversation goes where that conversation was begun, into a group too", async () => {
  await using c = await chats("feishu", { group: "shared" });
  await c.say("oc_1", "hello");
  await c.say("oc_g", "hello", true);
  assert.equal((await c.push(`conversation:${c.asked.at(-1)!.conversationId}`, "to the group")).success, true);
  assert.equal((await c.finals("oc_g", 2))[1], "to the group");
  assert.equal((await c.push("user:lark:main:ou_of_oc_1", "to the stranger")).success, true);
  assert.equal((await c.finals("oc_1", 2))[1], "to the stranger");
});

Deno.test("who may not use the app (any more) is not written to, and a bot hears that nobody got it", async () => {
  const store = new MemoryStore();
  {
    await using c = await chats("feishu", {}, store);
    await c.say("oc_1", "hello");
    assert.equal((await c.push("user:lark:main:ou_of_oc_1", "one")).success, true);
    await c.finals("oc_1", 2);
  }
  await using c = await chats("feishu", { access: "allowlist", allow: ["ou_somebody_else"] }, store);
  assert.equal((await c.push("user:lark:main:ou_of_oc_1", "two")).success, false);
  // Bound: the page has it, the chat does not.
  await c.bind("oc_1", "alice");
  assert.equal((await c.push("user:alice", "three")).success, true);
  assert.equal(c.w.app.apps.list()[0]!.open, 0);
  assert.deepEqual(c.log.in("oc_1"), []);
});

Deno.test("pushes in a crowd stay inside the member's minute and leave room for answers", async () => {
  await using c = await chats("wecom app", { limits: { person: { minute: 10 } } });
  await c.say("chat1", "hello");
  await c.bind("chat1", "alice");
  for (let n = 0; n < 12; n++) await c.push("user:alice", `news ${n}`);
  await c.finals("chat1", 6);
  // Six tenths are for pushes: an answer still goes at once.
  await c.say("chat1", "question");
  assert.equal((await c.finals("chat1", 7)).at(-1), "to question");
  assert.ok(c.w.app.apps.list()[0]!.open >= 6);
});
