/**
 * Addresses that a message names, over real sockets: somebody who has captured a signed callback,
 * or whose platform is not the platform, gets no request of the gateway's to a machine of their
 * choice.
 */
import assert from "node:assert/strict";
import { systemClock } from "../../../src/core/clock.ts";
import { DingTalkEmulator } from "../../../src/emulate/dingtalk/emulator.ts";
import { serveOn } from "../../../src/emulate/serve.ts";
import { WecomEmulator } from "../../../src/emulate/wecom/emulator.ts";
import { startWorld, until } from "../../world.ts";

const DING = { clientId: "dingkey", clientSecret: "secret" };

const WECOM = {
  corpId: "ww01",
  agentId: 1000002,
  secret: "secret",
  botId: "bot1",
  token: "token",
  encodingAesKey: "BRAbJjE8R1JdaHN+iZSfqrXAy9bh7PcCDRgjLjlET1o",
};

/** A machine inside the network that counts who comes. */
function insider() {
  const paths: string[] = [];
  const served = serveOn(0, (request) => {
    paths.push(new URL(request.url).pathname);
    return new Response("secret");
  });
  return { ...served, paths };
}

/** The callback as it stands, sent to the gateway's port. */
async function deliver(url: string, callback: Request): Promise<number> {
  const { search } = new URL(callback.url);
  const response = await fetch(url + search, {
    method: "POST",
    headers: callback.headers,
    body: callback.body,
  });
  await response.body?.cancel();
  return response.status;
}

Deno.test("DingTalk: a signed message with a foreign sessionWebhook is answered, and not there", async () => {
  const inside = insider();
  const emulator = new DingTalkEmulator({ ...DING, clock: systemClock });
  const platform = serveOn(0, (request) => emulator.fetch(request));
  const app = { ...DING, mode: "webhook", baseUrl: platform.url, oapiBaseUrl: platform.url };
  try {
    await using world = await startWorld({ channels: { dingtalk: { main: app } } });
    const bot = await world.bot("helper");
    const message = (id: string, sessionWebhook: string) => ({
      msgId: id,
      msgtype: "text",
      conversationId: "cid1",
      conversationType: "1",
      senderId: "s",
      senderStaffId: "staff1",
      text: { content: "hi" },
      sessionWebhook,
    });
    // At the platform's own port it is called, which shows that the test can tell.
    for (const [n, at] of [inside.url, platform.url].entries()) {
      const callback = emulator.callback(message(`m${n}`, `${at}/robot/sendBySession?session=1`));
      assert.equal(await deliver(`${world.url}/channels/dingtalk/main`, callback), 200);
      const { id } = await bot.next("chat");
      bot.reply(id, "the answer", true);
      await until(() => emulator.log.finals("staff1").length === n + 1, "the robot's answer");
    }
    assert.deepEqual(inside.paths, []);
    const { apps } = await (await world.as("root", "/api/admin/channels")).json();
    // The platform did not know the session of the second one.
    assert.equal(apps[0].lastError.code, "310000");
    const warnings = JSON.stringify(world.happenings.filter(({ type }) => type === "warning"));
    assert.match(warnings, /a webhook that is not DingTalk's/);
  } finally {
    emulator.stop();
    await platform.close();
    await inside.close();
  }
});

Deno.test("WeCom's AI bot: neither a foreign response_url nor a picture inside the network is called", async () => {
  const inside = insider();
  const emulator = new WecomEmulator({ ...WECOM, clock: systemClock });
  const called: string[] = [];
  const platform = serveOn(0, (request) => {
    called.push(new URL(request.url).pathname);
    return emulator.fetch(request);
  });
  const app = { ...WECOM, kind: "aibot", mode: "webhook", baseUrl: platform.url };
  try {
    await using world = await startWorld({ channels: { wecom: { main: app } } });
    const bot = await world.bot("helper");
    bot.answerAll(({ id }) => bot.reply(id, "the answer", true));
    const at = `${world.url}/channels/wecom/main`;
    const say = async (msgid: string, origin: string, more: Record<string, unknown>) => {
      // The stream has two seconds left and nobody asks for it, so the answer goes by the
      // response_url.
      const create_time = Math.floor(Date.now() / 1000) - 358;
      const from = { userid: msgid },
        response_url = `${origin}/cgi-bin/aibot/response?response_code=1`;
      const body = { msgid, chattype: "single", from, create_time, response_url, ...more };
      assert.equal(await deliver(at, emulator.botCallback(body)), 200);
    };
    const words = { msgtype: "text", text: { content: "hi" } };
    await say("m1", inside.url, words);
    await say("m2", inside.url, { msgtype: "image", image: { url: `${inside.url}/picture` } });
    // At the platform's own port it is called, which shows that the test can tell.
    await say("m3", platform.url, words);
    await until(
      () => called.includes("/cgi-bin/aibot/response"),
      "the call of the platform's own response_url",
    );
    const open = async () =>
      (await (await world.as("root", "/api/admin/channels")).json()).apps[0].open;
    await until(async () => await open() === 0, "the end of all deliveries");
    assert.deepEqual(inside.paths, []);
  } finally {
    emulator.stop();
    await platform.close();
    await inside.close();
  }
});
