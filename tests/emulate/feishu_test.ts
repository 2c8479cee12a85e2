/**
 * The emulator of Feishu, proven by the vendor's own client: what it accepts from us it would
 * accept from Feishu.
 */
import assert from "node:assert/strict";
import * as lark from "@larksuiteoapi/node-sdk";
import { MemoryStore } from "../../src/backends/memory.ts";
import { LarkChannel } from "../../src/channels/lark/channel.ts";
import { LarkSettings } from "../../src/channels/lark/settings.ts";
import { SendBudget } from "../../src/channels/im/send_budget.ts";
import { systemClock } from "../../src/core/clock.ts";
import { DrivenClock } from "../clock.ts";
import { FeishuEmulator } from "../../src/emulate/feishu/emulator.ts";
import { FeishuLongConnection } from "../../src/emulate/feishu/long_connection.ts";
import { type RequestHandler, serveOn } from "../../src/emulate/serve.ts";
import { Notes, ScriptedGateway } from "../channels/im/stage.ts";
import { until } from "../world.ts";

const KEYS = {
  appId: "cli_0123456789abcdef",
  appSecret: "secret",
  encryptKey: "key",
  verificationToken: "token",
};
const quiet = { error() {}, warn() {}, info() {}, debug() {}, trace() {} };

Deno.test("the vendor's dispatcher verifies and opens the emulator's events", async () => {
  const heard = Promise.withResolvers<string>();
  const dispatcher = new lark.EventDispatcher({
    encryptKey: KEYS.encryptKey,
    verificationToken: KEYS.verificationToken,
    logger: quiet,
  })
    .register({
      "im.message.receive_v1": (data: { message: { content: string } }) =>
        heard.resolve(data.message.content),
    });
  const emulator = new FeishuEmulator({
    ...KEYS,
    clock: systemClock,
    deliver: async (request) => {
      const body = await request.json();
      const headers = Object.fromEntries(request.headers);
      await dispatcher.invoke(Object.assign(Object.create({ headers }), body));
      return Response.json({});
    },
  });
  emulator.say({ chat: "oc_1", text: "你好" });
  assert.equal(await heard.promise, '{"text":"你好"}');
  await new Promise((resolve) => setTimeout(resolve, 0));
  emulator.stop();
});

Deno.test("the vendor's dispatcher finds who is quoted, who pressed a button of which card, and its answer is the toast", async () => {
  const { encryptKey, verificationToken } = KEYS;
  const heard: unknown[] = [];
  type Pressed = {
    operator: { open_id: string };
    context: { open_message_id: string };
    action: { value: unknown };
  };
  const dispatcher = new lark.EventDispatcher({ encryptKey, verificationToken, logger: quiet })
    .register({
      "im.message.receive_v1": (
        { message }: { message: { parent_id?: string; mentions?: { name: string }[] } },
      ) => {
        heard.push([message.parent_id, message.mentions?.map(({ name }) => name)]);
      },
      "card.action.trigger": ({ operator, context, action }: Pressed) => {
        heard.push([operator.open_id, context.open_message_id, action.value]);
        return { toast: { type: "success", content: "stopped" } };
      },
    });
  const emulator = new FeishuEmulator({
    ...KEYS,
    clock: systemClock,
    deliver: async (request) => {
      const headers = Object.fromEntries(request.headers);
      const answer = await dispatcher.invoke(
        Object.assign(Object.create({ headers }), await request.json()),
      );
      return Response.json(answer ?? {});
    },
  });
  emulator.say({
    chat: "oc_g",
    type: "group",
    text: "@_user_2 贵吗",
    replyTo: "om_1",
    others: ["Alice"],
  });
  await until(() => heard.length === 1, "the message");
  emulator.press("om_2", { stop: "om_1" }, "ou_alice");
  await until(() => emulator.toasts.length === 1, "the toast");
  assert.deepEqual(heard[0], ["om_1", ["Bot", "Alice"]]);
  assert.deepEqual(heard[1], ["ou_alice", "om_2", { stop: "om_1" }]);
  assert.deepEqual(emulator.toasts, [{ type: "success", content: "stopped" }]);
  emulator.stop();
});

Deno.test("the vendor's client sends, streams a card, patches and closes against the emulator", async () => {
  const emulator = new FeishuEmulator({ ...KEYS, clock: systemClock });
  const served = serveOn(0, (request) => emulator.fetch(request));
  try {
    const client = new lark.Client({ ...KEYS, domain: served.url, logger: quiet });
    const made = await client.cardkit.v1.card.create({
      data: {
        type: "card_json",
        data: JSON.stringify({
          schema: "2.0",
          config: { streaming_mode: true },
          body: { elements: [{ tag: "markdown", element_id: "answer", content: "" }] },
        }),
      },
    });
    const card_id = made.data!.card_id!;
    const sent = await client.im.v1.message.create({
      params: { receive_id_type: "chat_id" },
      data: {
        receive_id: "oc_1",
        msg_type: "interactive",
        content: JSON.stringify({ type: "card", data: { card_id } }),
        uuid: "u1",
      },
    });
    for (const [sequence, content] of ["你", "你好", "你好。"].entries()) {
      const path = { card_id, element_id: "answer" };
      await client.cardkit.v1.cardElement.content({
        path,
        data: { content, sequence: sequence + 1, uuid: `c${sequence}` },
      });
    }
    await client.cardkit.v1.card.settings({
      path: { card_id },
      data: {
        settings: JSON.stringify({ config: { streaming_mode: false } }),
        sequence: 9,
        uuid: "end",
      },
    });
    const shown = emulator.log.get(sent.data!.message_id!)!;
    assert.deepEqual([shown.text, shown.final, shown.edits], ["你好。", true, 3]);
    const text = await client.im.v1.message.reply({
      path: { message_id: sent.data!.message_id! },
      data: { content: JSON.stringify({ text: "ok" }), msg_type: "text", uuid: "u2" },
    });
    assert.equal(emulator.log.get(text.data!.message_id!)?.text, "ok");
  } finally {
    emulator.stop();
    await served.close();
  }
});

Deno.test("the emulator keeps the documented limits and says so in the documented words", async () => {
  const clock = new DrivenClock();
  const emulator = new FeishuEmulator({ ...KEYS, clock });
  const call = async (method: string, path: string, body: unknown, token = "") => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await emulator.fetch(
      new Request(`http://x${path}`, { method, headers, body: JSON.stringify(body) }),
    );
    return {
      status: response.status,
      reset: response.headers.get("x-ogw-ratelimit-reset"),
      ...await response.json(),
    };
  };
  const login = { app_id: KEYS.appId, app_secret: KEYS.appSecret };
  const { tenant_access_token: token } = await call(
    "POST",
    "/open-apis/auth/v3/tenant_access_token/internal",
    login,
  );
  const send = (chat: string, uuid?: string) =>
    call(
      "POST",
      "/open-apis/im/v1/messages",
      { receive_id: chat, msg_type: "text", content: '{"text":"a"}', uuid },
      token,
    );
  assert.equal((await call("POST", "/open-apis/im/v1/messages", {})).code, 99991663);
  for (let n = 0; n < 5; n++) assert.equal((await send("oc_1")).code, 0);
  const sixth = await send("oc_1");
  assert.deepEqual([sixth.status, sixth.code], [400, 230020]);
  await clock.advance(1000);
  const first = await send("oc_1", "same");
  assert.equal((await send("oc_1", "same")).data.message_id, first.data.message_id);
  for (let n = 0; n < 48; n++) await send(`oc_${n + 10}`);
  const many = await send("oc_99");
  assert.deepEqual([many.status, many.code, many.reset], [429, 99991400, "1"]);
  emulator.stop();
});

Deno.test("an event that nobody acknowledges comes again after 15 s, 5 min, 1 h and 6 h, and then no more", async () => {
  const clock = new DrivenClock();
  const times: number[] = [];
  const begun = clock.now();
  const emulator = new FeishuEmulator({
    ...KEYS,
    clock,
    deliver: () => {
      times.push(Math.round((clock.now() - begun) / 1000));
      return Promise.resolve(new Response(null, { status: 500 }));
    },
  });
  emulator.say({ chat: "oc_1", text: "hi" });
  await clock.advance(24 * 3_600_000);
  assert.deepEqual(times, [0, 15, 315, 3915, 25515]);
});

Deno.test("over the long connection, carried by the vendor's client, an answer arrives like over the webhook", async () => {
  const emulator = new FeishuEmulator({ ...KEYS, clock: systemClock });
  const socket = new FeishuLongConnection(emulator, KEYS);
  const served = serveOn(
    0,
    (request) => socket.fetch(request),
    (request) => emulator.fetch(request),
  );
  const clock = new DrivenClock();
  const gateway = new ScriptedGateway(clock, () => ({ pieces: [[0, "答案"]] }));
  const store = new MemoryStore();
  const budget = new SendBudget({ clock: systemClock, store });
  const notes = new Notes();
  const settings = LarkSettings.parse({ ...KEYS, mode: "socket", baseUrl: served.url });
  const channel = new LarkChannel("main", settings, {
    gateway,
    account: () => undefined,
    store,
    budget,
    clock: systemClock,
    observer: notes,
  });
  try {
    await channel.start();
    assert.equal(channel.health.connected, true);
    // Long enough to travel in two fragments.
    emulator.say({ chat: "oc_1", text: "问".repeat(600) });
    for (let n = 0; n < 200 && emulator.log.finals("oc_1").length === 0; n++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      await clock.advance(10);
    }
    await channel.inbox.idle();
    assert.deepEqual(emulator.log.finals("oc_1").map((m) => m.text), ["答案"]);
    assert.equal(gateway.asked[0]!.text.length, 600);
    await until(() => socket.waiting === 0, "the acknowledgement");
    assert.equal(emulator.counts.unacknowledged, 0);
  } finally {
    await channel.stop();
    budget.stop();
    socket.close();
    emulator.stop();
    await served.close();
  }
});

/** One app in socket mode, against whatever answers. */
async function inSocketMode(
  appSecret: string,
  answers: RequestHandler[],
  test: (channel: LarkChannel) => void | Promise<void>,
) {
  const served = serveOn(0, ...answers);
  const store = new MemoryStore();
  const budget = new SendBudget({ clock: systemClock, store });
  const settings = LarkSettings.parse({ ...KEYS, appSecret, mode: "socket", baseUrl: served.url });
  const channel = new LarkChannel("main", settings, {
    gateway: new ScriptedGateway(systemClock, () => ({ pieces: [] })),
    account: () => undefined,
    store,
    budget,
    clock: systemClock,
    observer: new Notes(),
  });
  try {
    await channel.start();
    await test(channel);
  } finally {
    await channel.stop();
    budget.stop();
    await served.close();
  }
}

Deno.test("a wrong secret of the long connection is named as such, with where to mend it and when it is tried again", async () => {
  const socket = new FeishuLongConnection(
    new FeishuEmulator({ ...KEYS, clock: systemClock }),
    KEYS,
  );
  await inSocketMode("wrong", [(request) => socket.fetch(request)], (channel) => {
    const { connected, lastError, nextTryAt } = channel.health;
    assert.equal(connected, false);
    assert.match(lastError!.words, /^the App ID or the App Secret is wrong \(developer console/);
    assert.ok(nextTryAt! > Date.now() + 30_000);
  });
});

Deno.test("an address of the long connection that is not Feishu's is not dialled", async () => {
  let dialled = 0;
  const stranger = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
    dialled++;
    return new Response();
  });
  const elsewhere = () =>
    Response.json({
      code: 0,
      msg: "ok",
      data: {
        URL: `ws://127.0.0.1:${stranger.addr.port}/ws?device_id=1&service_id=7`,
        ClientConfig: {
          ReconnectCount: -1,
          ReconnectInterval: 1,
          ReconnectNonce: 1,
          PingInterval: 120,
        },
      },
    });
  await inSocketMode(KEYS.appSecret, [elsewhere], (channel) => {
    assert.equal(channel.health.connected, false);
    assert.match(channel.health.lastError!.words, /not Feishu's/);
  });
  await stranger.shutdown();
  assert.equal(dialled, 0);
});

Deno.test("the vendor's client takes an element from a card and reads a message; a sixth table is refused", async () => {
  // The SDK keeps tokens by the app's id, for all its clients.
  const keys = { ...KEYS, appId: "cli_0123456789abcde0" };
  const emulator = new FeishuEmulator({ ...keys, clock: systemClock });
  const served = serveOn(0, (request) => emulator.fetch(request));
  try {
    const client = new lark.Client({ ...keys, domain: served.url, logger: quiet });
    const card = (content: string) =>
      client.cardkit.v1.card.create({
        data: {
          type: "card_json",
          data: JSON.stringify({
            schema: "2.0",
            body: {
              elements: [{ tag: "markdown", element_id: "answer", content }, {
                tag: "button",
                element_id: "stop",
              }],
            },
          }),
        },
      });
    const table = "| a | b |\n|---|---|\n| 1 | 2 |\n\n";
    const card_id = (await card(table.repeat(5))).data!.card_id!;
    await assert.rejects(
      card(table.repeat(6)),
      (error: { response?: { data?: { code?: number } } }) => error.response?.data?.code === 11310,
    );
    const sent = await client.im.v1.message.create({
      params: { receive_id_type: "chat_id" },
      data: {
        receive_id: "oc_1",
        msg_type: "interactive",
        content: JSON.stringify({ type: "card", data: { card_id } }),
        uuid: "u1",
      },
    });
    const message_id = sent.data!.message_id!;
    assert.equal(emulator.hasButton(message_id), true);
    await client.cardkit.v1.cardElement.delete({
      path: { card_id, element_id: "stop" },
      data: { sequence: 1, uuid: "d" },
    });
    assert.equal(emulator.hasButton(message_id), false);
    const question = emulator.say({ chat: "oc_1", text: "报价" });
    const read = await client.im.v1.message.get({ path: { message_id: question } });
    assert.equal(read.data!.items![0]!.body!.content, '{"text":"报价"}');
  } finally {
    emulator.stop();
    await served.close();
  }
});
