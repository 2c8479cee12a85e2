/**
 * The emulator of DingTalk, proven by the vendor's own Stream client and API client, and our Stream
 * connection against it.
 */
import assert from "node:assert/strict";
import cards from "@alicloud/dingtalk/card_1_0.js";
import oauth2 from "@alicloud/dingtalk/oauth2_1_0.js";
import robots from "@alicloud/dingtalk/robot_1_0.js";
import { Config } from "@alicloud/openapi-client";
import { RuntimeOptions } from "@alicloud/tea-util";
import axios from "axios";
import { DWClient, TOPIC_ROBOT } from "dingtalk-stream";
import { MemoryStore } from "../../src/backends/memory.ts";
import { DingTalkChannel } from "../../src/channels/dingtalk/channel.ts";
import { DingTalkSettings } from "../../src/channels/dingtalk/settings.ts";
import { SendBudget } from "../../src/channels/im/send_budget.ts";
import { systemClock } from "../../src/core/clock.ts";
import { DrivenClock } from "../clock.ts";
import { DingTalkEmulator } from "../../src/emulate/dingtalk/emulator.ts";
import { DingTalkStream } from "../../src/emulate/dingtalk/stream.ts";
import { serveOn } from "../../src/emulate/serve.ts";
import { Notes, ScriptedGateway } from "../channels/im/stage.ts";
import { until } from "../world.ts";

const KEYS = { clientId: "dingkey", clientSecret: "secret" };

Deno.test("the vendor's Stream client connects, answers pings, hears a message and acknowledges it", async () => {
  const emulator = new DingTalkEmulator({ ...KEYS, clock: systemClock });
  const stream = new DingTalkStream(emulator, { ...KEYS, clock: systemClock });
  const served = serveOn(
    0,
    (request) => stream.fetch(request),
    (request) => emulator.fetch(request),
  );
  // Its gateway's address is a constant; the client it calls it with is shared.
  const redirect = axios.interceptors.request.use((config) => ({
    ...config,
    url: config.url?.replace(/^https:\/\/(api|oapi)\.dingtalk\.com/, served.url),
  }));
  const heard: string[] = [];
  const quoted: string[] = [];
  const client = new DWClient({ ...KEYS, debug: false });
  try {
    client.registerCallbackListener(TOPIC_ROBOT, (message) => {
      const { text } = JSON.parse(message.data);
      heard.push(text.content);
      if (text.isReplyMsg) quoted.push(text.repliedMsg.content.text);
      client.socketCallBackResponse(message.headers.messageId, { response: null });
    });
    await client.connect();
    await until(() => stream.connections === 1 && stream.echoed === 1);
    emulator.say({ chat: "cid1", text: "你好" });
    await until(() => heard.length === 1);
    emulator.say({
      chat: "cid1",
      text: "贵吗",
      replyTo: { msgType: "text", content: { text: "报价" } },
    });
    await until(() => heard.length === 2);
    assert.deepEqual([heard, quoted], [["你好", "贵吗"], ["报价"]]);
    await until(() => stream.waiting === 0);
    assert.equal(emulator.counts.unacknowledged, 0);
  } finally {
    axios.interceptors.request.eject(redirect);
    client.disconnect();
    stream.close();
    emulator.stop();
    await served.close();
  }
});

Deno.test("our own Stream connection does the same, and comes back with a new ticket when told to", async () => {
  const emulator: DingTalkEmulator = new DingTalkEmulator({
    ...KEYS,
    clock: systemClock,
    origin: "http://later",
  });
  const stream = new DingTalkStream(emulator, { ...KEYS, clock: systemClock });
  const served = serveOn(
    0,
    (request) => stream.fetch(request),
    (request) => emulator.fetch(request),
  );
  const clock = new DrivenClock();
  const gateway = new ScriptedGateway(clock, () => ({ pieces: [[0, "答案"]] }));
  const store = new MemoryStore();
  const budget = new SendBudget({ clock: systemClock, store });
  const settings = DingTalkSettings.parse({
    ...KEYS,
    cardTemplateId: "t",
    baseUrl: served.url,
    oapiBaseUrl: served.url,
  });
  const channel = new DingTalkChannel("main", settings, {
    gateway,
    account: () => undefined,
    store,
    budget,
    clock: systemClock,
    observer: new Notes(),
  });
  const answered = async (chat: string) => {
    for (let n = 0; n < 200 && emulator.log.finals(chat).length === 0; n++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      await clock.advance(10);
    }
    assert.deepEqual(emulator.log.finals(chat).map((m) => m.text), ["答案"]);
  };
  try {
    await channel.start();
    assert.equal(channel.health.connected, true);
    await until(() => stream.echoed === 1);
    emulator.say({ chat: "cid1", text: "hi" });
    await answered("cid1");
    stream.disconnect();
    await until(() => stream.echoed === 2 && stream.connections === 1);
    emulator.say({ chat: "cid2", text: "hi" });
    await answered("cid2");
    await channel.inbox.idle();
    await until(() => stream.waiting === 0);
    assert.equal(emulator.counts.unacknowledged, 0);
  } finally {
    await channel.stop();
    budget.stop();
    stream.close();
    emulator.stop();
    await served.close();
  }
});

Deno.test("a wrong secret of the Stream is named as such, with where to mend it", async () => {
  const emulator = new DingTalkEmulator({ ...KEYS, clock: systemClock });
  const stream = new DingTalkStream(emulator, { ...KEYS, clock: systemClock });
  const served = serveOn(
    0,
    (request) => stream.fetch(request),
    (request) => emulator.fetch(request),
  );
  const settings = DingTalkSettings.parse({ ...KEYS, clientSecret: "wrong", baseUrl: served.url });
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
  const channel = new DingTalkChannel("main", settings, parts);
  try {
    await channel.start();
    assert.equal(channel.health.connected, false);
    await until(() => channel.health.lastError !== undefined);
    assert.match(
      channel.health.lastError!.words,
      /^the Client ID or the Client Secret is wrong \(developer console/,
    );
  } finally {
    await channel.stop();
    budget.stop();
    stream.close();
    emulator.stop();
    await served.close();
  }
});

Deno.test("the emulator keeps the documented limits: twenty a second, the month, the ban of an address", async () => {
  const clock = new DrivenClock();
  const emulator = new DingTalkEmulator({ ...KEYS, clock, month: 24 });
  const call = async (path: string, body: unknown, token = "") => {
    const headers = { "x-acs-dingtalk-access-token": token };
    const response = await emulator.fetch(
      new Request(`http://x${path}`, { method: "POST", headers, body: JSON.stringify(body) }),
    );
    return { status: response.status, ...await response.json() };
  };
  const { accessToken } = await call("/v1.0/oauth2/accessToken", {
    appKey: KEYS.clientId,
    appSecret: KEYS.clientSecret,
  });
  const send = () =>
    call("/v1.0/robot/oToMessages/batchSend", {
      robotCode: KEYS.clientId,
      userIds: ["u"],
      msgKey: "sampleText",
      msgParam: '{"content":"a"}',
    }, accessToken);
  assert.equal((await call("/v1.0/robot/oToMessages/batchSend", {})).code, "InvalidAuthentication");
  for (let n = 0; n < 20; n++) assert.equal((await send()).status, 200);
  assert.match((await send()).code, /QpsLimitForAppkeyAndApi/);
  await clock.advance(1000);
  for (let n = 0; n < 4; n++) assert.equal((await send()).status, 200);
  assert.match((await send()).code, /ApiCountLimitForOrg/);
  let last: { status?: number; errcode?: number } = {};
  for (let n = 0; n < 10_001; n++) last = await call("/nothing", {});
  assert.equal(last.status, 1111);
  await clock.advance(5 * 60_000);
  assert.equal((await call("/nothing", {})).code, "InvalidAction.NotFound");
  emulator.stop();
});

Deno.test({
  name:
    "the vendor's API client gets a token, streams a card, sends to people and groups, and reads the throttling as its own",
  // The vendor's client leaves the timer of each request behind.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: withTheirClient,
});

async function withTheirClient() {
  const emulator = new DingTalkEmulator({ ...KEYS, clock: systemClock, perSecond: 3 });
  const served = serveOn(0, (request) => emulator.fetch(request));
  const config = new Config({ protocol: "http", endpoint: new URL(served.url).host });
  const options = new RuntimeOptions({ autoretry: false });
  try {
    const asked = new oauth2.GetAccessTokenRequest({
      appKey: KEYS.clientId,
      appSecret: KEYS.clientSecret,
    });
    const { body: { accessToken, expireIn } } = await new oauth2.default(config).getAccessToken(
      asked,
    );
    assert.ok(accessToken && expireIn === 7200);
    const who = { xAcsDingtalkAccessToken: accessToken };

    const card = new cards.default(config);
    const make = new cards.CreateAndDeliverRequest({
      cardTemplateId: "t.schema",
      outTrackId: "track1",
      callbackType: "STREAM",
      cardData: new cards.CreateAndDeliverRequestCardData({
        cardParamMap: { content: "…", flowStatus: "2" },
      }),
      openSpaceId: "dtv1.card//IM_GROUP.cid1",
      imGroupOpenDeliverModel: new cards.CreateAndDeliverRequestImGroupOpenDeliverModel({
        robotCode: KEYS.clientId,
      }),
    });
    const made = await card.createAndDeliverWithOptions(
      make,
      new cards.CreateAndDeliverHeaders(who),
      options,
    );
    assert.equal(made.body.success, true);
    assert.equal(made.body.result?.outTrackId, "track1");
    const stream = async (guid: string, content: string, isFinalize: boolean) => {
      const update = {
        outTrackId: "track1",
        guid,
        key: "content",
        content,
        isFull: true,
        isFinalize,
        isError: false,
      };
      const request = new cards.StreamingUpdateRequest(update);
      return await card.streamingUpdateWithOptions(
        request,
        new cards.StreamingUpdateHeaders(who),
        options,
      );
    };
    assert.equal((await stream("g1", "你", false)).body.success, true);
    assert.equal((await stream("g2", "你好", true)).body.success, true);
    assert.deepEqual(emulator.log.finals("cid1").map((m) => [m.kind, m.text]), [[
      "AI card",
      "你好",
    ]]);
    const state = new cards.UpdateCardRequest({
      outTrackId: "track1",
      cardData: new cards.UpdateCardRequestCardData({ cardParamMap: { flowStatus: "3" } }),
      cardUpdateOptions: new cards.UpdateCardRequestCardUpdateOptions({
        updateCardDataByKey: true,
      }),
    });
    assert.equal(
      (await card.updateCardWithOptions(state, new cards.UpdateCardHeaders(who), options)).body
        .success,
      true,
    );
    assert.deepEqual(emulator.statuses("cid1"), ["3"]);
    await assert.rejects(
      stream("g3", "after the end", false),
      (error: { code?: string }) => /param/.test(error.code ?? ""),
    );
    // The fourth call of one API within the second.
    await assert.rejects(
      stream("g4", "too fast", false),
      (error: { code?: string }) => error.code === "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi",
    );

    const robot = new robots.default(config);
    const said = {
      robotCode: KEYS.clientId,
      msgKey: "sampleText",
      msgParam: JSON.stringify({ content: "hello" }),
    };
    const toPeople = new robots.BatchSendOTORequest({ ...said, userIds: ["staff1"] });
    const direct = await robot.batchSendOTOWithOptions(
      toPeople,
      new robots.BatchSendOTOHeaders(who),
      options,
    );
    assert.deepEqual([direct.body.flowControlledStaffIdList, direct.body.invalidStaffIdList], [
      [],
      [],
    ]);
    const toGroup = new robots.OrgGroupSendRequest({ ...said, openConversationId: "cid2" });
    const group = await robot.orgGroupSendWithOptions(
      toGroup,
      new robots.OrgGroupSendHeaders(who),
      options,
    );
    assert.ok(group.body.processQueryKey);
    assert.deepEqual(
      [...emulator.log.finals("staff1"), ...emulator.log.finals("cid2")].map((m) => m.text),
      [
        "hello",
        "hello",
      ],
    );
    const stale = new robots.BatchSendOTOHeaders({ xAcsDingtalkAccessToken: "stale" });
    await assert.rejects(
      robot.batchSendOTOWithOptions(toPeople, stale, options),
      (error: { code?: string }) => error.code === "InvalidAuthentication",
    );
  } finally {
    emulator.stop();
    await served.close();
  }
}
