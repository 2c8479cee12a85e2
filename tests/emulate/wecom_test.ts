/**
 * The emulator of WeCom, proven by the vendor's own clients, and our long connection against it.
 */
import assert from "node:assert/strict";
import { WSClient } from "@wecom/aibot-node-sdk";
import { decrypt, getSignature } from "@wecom/crypto";
import { MemoryStore } from "../../src/backends/memory.ts";
import { WecomBot } from "../../src/channels/wecom/aibot.ts";
import { WecomBotSettings } from "../../src/channels/wecom/settings.ts";
import { SendBudget } from "../../src/channels/im/send_budget.ts";
import { type Clock, systemClock } from "../../src/core/clock.ts";
import { DrivenClock } from "../clock.ts";
import { type RunningServer, serveOn } from "../../src/emulate/serve.ts";
import { WecomEmulator } from "../../src/emulate/wecom/emulator.ts";
import { WecomLongConnection } from "../../src/emulate/wecom/long_connection.ts";
import { Notes, ScriptedGateway } from "../channels/im/stage.ts";
import { until } from "../world.ts";

const AES = "BRAbJjE8R1JdaHN+iZSfqrXAy9bh7PcCDRgjLjlET1o";
const KEYS = {
  corpId: "ww01",
  agentId: 1000002,
  secret: "secret",
  botId: "bot1",
  token: "token",
  encodingAesKey: AES,
};
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

Deno.test("the vendor's crypto opens the emulator's callbacks and agrees with its signature", async () => {
  const emulator = new WecomEmulator({ ...KEYS, clock: new DrivenClock() });
  const request = emulator.appCallback("<xml><Content>你好</Content></xml>");
  const query = new URL(request.url).searchParams;
  const encrypt = /<Encrypt><!\[CDATA\[(.+)\]\]><\/Encrypt>/.exec(await request.text())![1]!;
  assert.equal(
    getSignature(KEYS.token, query.get("timestamp")!, query.get("nonce")!, encrypt),
    query.get("msg_signature"),
  );
  assert.deepEqual(decrypt(AES, encrypt), {
    message: "<xml><Content>你好</Content></xml>",
    id: KEYS.corpId,
    random: decrypt(AES, encrypt).random,
  });
});

Deno.test("the vendor's long-connection client subscribes, hears a message, streams and sends; a new connection throws it out", async () => {
  const emulator: WecomEmulator = new WecomEmulator({
    ...KEYS,
    clock: systemClock,
    get origin() {
      return served.url;
    },
  });
  const socket = new WecomLongConnection(emulator);
  const served: RunningServer = serveOn(
    0,
    (request) => socket.fetch(request),
    (request) => emulator.fetch(request),
  );
  const options = {
    botId: KEYS.botId,
    secret: KEYS.secret,
    wsUrl: served.url.replace("http", "ws"),
    logger: quiet,
    maxReconnectAttempts: 0,
  };
  const client = new WSClient(options);
  client.on("error", () => {});
  let thrownOut = false;
  client.on("event.disconnected_event", () => thrownOut = true);
  let file: { name?: string; text: string; said?: string } | undefined;
  client.on("message.file", async ({ body }) => {
    const { buffer, filename } = await client.downloadFile(body!.file.url, body!.file.aeskey);
    file = { name: filename, text: buffer.toString(), said: JSON.stringify(body!.file) };
  });
  client.on("message.text", async (frame) => {
    await client.replyStream(frame, "s1", "你", false);
    await client.replyStream(frame, "s1", "你好", true);
    await client.sendMessage("zhangsan", { msgtype: "markdown", markdown: { content: "再见" } });
  });
  let second: WSClient | undefined;
  try {
    client.connect();
    await until(() => socket.connected);
    emulator.sayToBot({ from: "zhangsan", text: "hi" });
    await until(() => emulator.log.finals("zhangsan").length === 2);
    assert.deepEqual(emulator.log.finals("zhangsan").map((m) => m.text), ["你好", "再见"]);
    emulator.sayToBot({
      from: "zhangsan",
      file: { name: "报告.txt", bytes: new TextEncoder().encode("报价 300 元") },
    });
    await until(() => file !== undefined);
    // The name is the download's, not the frame's.
    assert.deepEqual([file!.name, file!.text], ["报告.txt", "报价 300 元"]);
    assert.doesNotMatch(file!.said!, /name/);
    second = new WSClient(options);
    second.on("error", () => {});
    second.connect();
    await until(() => thrownOut);
  } finally {
    client.disconnect();
    second?.disconnect();
    socket.close();
    emulator.stop();
    await served.close();
  }
});

Deno.test("our own long connection subscribes, answers, and comes back when it is lost", async () => {
  const emulator = new WecomEmulator({ ...KEYS, clock: systemClock });
  const socket = new WecomLongConnection(emulator);
  const served = serveOn(
    0,
    (request) => socket.fetch(request),
    (request) => emulator.fetch(request),
  );
  const clock = new DrivenClock();
  const gateway = new ScriptedGateway(
    clock,
    () => ({ pieces: [[0, "答案"]], images: ["data:image/png;base64,iVBORw0KGgo="] }),
  );
  const store = new MemoryStore();
  const budget = new SendBudget({ clock: systemClock, store });
  const settings = WecomBotSettings.parse({
    kind: "aibot",
    ...KEYS,
    wsUrl: served.url.replace("http", "ws"),
  });
  const bot = new WecomBot("main", settings, {
    gateway,
    account: () => undefined,
    store,
    budget,
    clock: systemClock,
    observer: new Notes(),
    random: () => 0,
  });
  const answered = async (from: string) => {
    for (let n = 0; n < 200 && bot.inbox.open > 0; n++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      await clock.advance(10);
    }
    assert.deepEqual(emulator.log.finals(from).map((m) => [m.kind, m.text]).sort(), [
      ["image", ""],
      [
        "stream",
        "答案",
      ],
    ]);
  };
  try {
    await bot.start();
    await until(() => bot.health.connected);
    emulator.sayToBot({ from: "zhangsan", text: "hi" });
    await until(() => bot.inbox.open > 0);
    await answered("zhangsan");
    socket.close();
    await until(() => !bot.health.connected);
    await until(() => bot.health.connected);
    emulator.sayToBot({ from: "lisi", text: "hi" });
    await until(() => bot.inbox.open > 0);
    await answered("lisi");
  } finally {
    await bot.stop();
    budget.stop();
    socket.close();
    emulator.stop();
    await served.close();
  }
});

Deno.test("a wrong secret of the AI bot is named as such, with where to mend it", async () => {
  const emulator = new WecomEmulator({ ...KEYS, clock: systemClock });
  const socket = new WecomLongConnection(emulator);
  const served = serveOn(0, (request) => socket.fetch(request));
  const wsUrl = served.url.replace("http", "ws");
  const settings = WecomBotSettings.parse({ kind: "aibot", ...KEYS, secret: "wrong", wsUrl });
  const store = new MemoryStore();
  const budget = new SendBudget({ clock: systemClock, store });
  const gateway = new ScriptedGateway(systemClock, () => ({ pieces: [] }));
  const parts = {
    gateway,
    account: () => undefined,
    store,
    budget,
    clock: systemClock,
    observer: new Notes(),
  };
  const bot = new WecomBot("main", settings, parts);
  try {
    await bot.start();
    await until(() => bot.health.lastError !== undefined);
    assert.equal(bot.health.connected, false);
    assert.match(bot.health.lastError!.words, /^the secret is wrong \(admin console/);
  } finally {
    await bot.stop();
    budget.stop();
    socket.close();
    emulator.stop();
    await served.close();
  }
});

Deno.test("the emulator drops past a member's thirty a minute and says ok, as WeCom does; the AI bot's conversation is told", async () => {
  const clock = new DrivenClock();
  const emulator = new WecomEmulator({ ...KEYS, clock });
  const token = await emulator.fetch(
    new Request(`http://x/cgi-bin/gettoken?corpid=ww01&corpsecret=secret`),
  );
  const { access_token } = await token.json();
  for (let n = 0; n < 31; n++) {
    const body = JSON.stringify({
      touser: "a",
      msgtype: "text",
      agentid: KEYS.agentId,
      text: { content: `${n}` },
    });
    const response = await emulator.fetch(
      new Request(`http://x/cgi-bin/message/send?access_token=${access_token}`, {
        method: "POST",
        body,
      }),
    );
    assert.equal((await response.json()).errcode, 0);
  }
  assert.equal(emulator.log.finals("a").length, 30);
  assert.equal(emulator.counts.dropped, 1);
  emulator.push = () => true;
  emulator.sayToBot({ from: "b", text: "hi" });
  const send = () =>
    emulator.frame({
      cmd: "aibot_send_msg",
      headers: { req_id: "r" },
      body: { chatid: "b", msgtype: "markdown", markdown: { content: "x" } },
    });
  for (let n = 0; n < 30; n++) assert.equal(send().errcode, 0);
  assert.equal(send().errcode, 45009);
});

Deno.test("two gateways on one AI bot: the first leaves it to the second, says so, comes back once soon and then rarely", async () => {
  const emulator = new WecomEmulator({ ...KEYS, clock: systemClock });
  const socket = new WecomLongConnection(emulator);
  const served = serveOn(
    0,
    (request) => socket.fetch(request),
    (request) => emulator.fetch(request),
  );
  const settings = WecomBotSettings.parse({
    kind: "aibot",
    ...KEYS,
    wsUrl: served.url.replace("http", "ws"),
  });
  const make = (clock: Clock) => {
    const store = new MemoryStore();
    const gateway = new ScriptedGateway(clock, () => ({ pieces: [] }));
    const budget = new SendBudget({ clock, store });
    return {
      budget,
      bot: new WecomBot("main", settings, {
        gateway,
        account: () => undefined,
        store,
        budget,
        clock,
        observer: notes,
      }),
    };
  };
  const notes = new Notes();
  const first = make(systemClock), second = make(systemClock);
  try {
    await first.bot.start();
    await until(() => first.bot.health.connected);
    await second.bot.start();
    await until(() => second.bot.health.connected && !first.bot.health.connected);
    const { nextTryAt, lastError } = first.bot.health;
    assert.ok(nextTryAt! - Date.now() > 60_000);
    assert.match(lastError!.words, /took over/);
    assert.match(JSON.stringify(notes.of("warning")), /two programs use its id and secret/);
    // Half a minute is when it used to come back; what would dial sooner would do so at once.
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(second.bot.health.connected, true);
    assert.equal(first.bot.health.connected, false);
  } finally {
    await Promise.all([first.bot.stop(), second.bot.stop()]);
    first.budget.stop();
    second.budget.stop();
    socket.close();
    emulator.stop();
    await served.close();
  }
  // Thrown out again each time, it stays away longer, six hours at most.
  const clock = new DrivenClock();
  const { bot, budget } = make(clock);
  const waits = Array.from({ length: 7 }, () => {
    bot.connection!.receive({
      cmd: "aibot_event_callback",
      headers: {},
      body: { event: { eventtype: "disconnected_event" } },
    });
    return (bot.health.nextTryAt! - clock.now()) / 60_000;
  });
  assert.deepEqual(waits, [2, 30, 60, 120, 240, 360, 360]);
  await bot.stop();
  budget.stop();
});
