import assert from "node:assert/strict";
import { createApp } from "../../../src/app.ts";
import { readConfig } from "../../../src/config/config.ts";
import { FeishuEmulator } from "../../../src/emulate/feishu/emulator.ts";
import { serveOn } from "../../../src/emulate/serve.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { wordsIn } from "../../../src/channels/im/words.ts";

const zh = wordsIn("zh");

const KEYS = {
  appId: "cli_0123456789abcdef",
  appSecret: "secret",
  encryptKey: "key",
  verificationToken: "token",
};

/** The whole gateway beside an emulated Feishu, and a demo bot. */
async function world(access: string) {
  const emulator: FeishuEmulator = new FeishuEmulator({
    ...KEYS,
    clock: systemClock,
    callbackUrl: "http://nexus.test/channels/feishu/main",
    deliver: async (request) => await app.fetch(request, { address: "10.0.0.9" }),
  });
  const served = serveOn(0, (request) => emulator.fetch(request));
  const read = readConfig(JSON.stringify({
    users: {
      alice: { password: "alice-password", displayName: "Alice" },
      admin: { password: "admin-password" },
    },
    store: "memory:",
    demo: true,
    channels: {
      feishu: {
        main: {
          ...KEYS,
          appSecret: "env:FEISHU_SECRET",
          mode: "webhook",
          baseUrl: served.url,
          access,
        },
      },
    },
  }));
  assert.ok(read.ok);
  const app = await createApp(read.config, {
    env: (name) => name === "FEISHU_SECRET" ? KEYS.appSecret : undefined,
  });
  const call = async (token: string | undefined, method: string, path: string, body?: unknown) => {
    const headers = {
      "content-type": "application/json",
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    };
    const request = new Request(`http://nexus.test${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const response = await app.fetch(request, { address: "127.0.0.1" });
    return { status: response.status, body: await response.json() };
  };
  return {
    app,
    emulator,
    call,
    signIn: async (username: string) =>
      (await call(undefined, "POST", "/api/login", { username, password: `${username}-password` }))
        .body
        .token as string,
    async final(chat: string, count = 1) {
      for (let n = 0; n < 1000 && emulator.log.finals(chat).length < count; n++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return emulator.log.finals(chat).at(-1)!.text;
    },
    async [Symbol.asyncDispose]() {
      emulator.stop();
      await app.close();
      await served.close();
    },
  };
}

Deno.test("begun in Feishu, gone on with in the browser: a paired person has one history in both places", async () => {
  await using w = await world("pairing");
  w.emulator.say({ chat: "oc_1", text: "你好" });
  const code = /\*\*(\w{8})\*\*/.exec(await w.final("oc_1"))![1]!;
  const alice = await w.signIn("alice");
  assert.equal((await w.call(alice, "POST", "/api/pair", { code: "AAAAAAAA" })).status, 404);
  const { body: paired } = await w.call(alice, "POST", "/api/pair", { code });
  assert.deepEqual([paired.app, paired.asked], ["main", true]);
  assert.equal(await w.final("oc_1", 2), zh.pairAsk("alice"));
  w.emulator.say({ chat: "oc_1", text: "是" });
  assert.equal(await w.final("oc_1", 3), zh.bound("alice"));
  w.emulator.say({ chat: "oc_1", text: "hello from feishu" });
  assert.ok((await w.final("oc_1", 4)).length > 0);
  const { body } = await w.call(alice, "GET", "/api/conversations");
  assert.equal(body.conversations.length, 1);
  const turns = await w.call(alice, "GET", `/api/conversations/${body.conversations[0].id}/turns`);
  assert.match(JSON.stringify(turns.body), /hello from feishu/);
  assert.equal((await w.call(alice, "GET", "/api/identities")).body.identities.length, 1);
  assert.equal((await w.call(alice, "GET", "/api/admin/channels")).status, 404);
  const admin = await w.signIn("admin");
  const channels = await w.call(admin, "GET", "/api/admin/channels");
  assert.equal(channels.body.apps[0].name, "main");
  assert.ok(channels.body.apps[0].calls >= 4);
  assert.ok(channels.body.budgets.length > 0);
  assert.match(
    await w.app.metrics.text(),
    /nexus_platform_calls_total\{channel="lark",app="main"\} \d/,
  );
});

Deno.test("codes cannot be tried at will, and an unlinked identity is a stranger again", async () => {
  await using w = await world("pairing");
  const alice = await w.signIn("alice");
  const statuses = [];
  for (let n = 0; n < 7; n++) {
    statuses.push((await w.call(alice, "POST", "/api/pair", { code: "AAAAAAAA" })).status);
  }
  assert.deepEqual(statuses, [404, 404, 404, 404, 404, 429, 429]);
  const admin = await w.signIn("admin");
  w.emulator.say({ chat: "oc_2", sender: "ou_b", text: "hi" });
  await w.final("oc_2");
  const { waiting } = (await w.call(admin, "GET", "/api/admin/pairings")).body;
  assert.equal(waiting[0].who.id, "ou_b");
  assert.equal(
    (await w.call(admin, "POST", "/api/admin/pairings", {
      code: waiting[0].code,
      account: "nobody",
    })).status,
    404,
  );
  assert.equal(
    (await w.call(admin, "POST", "/api/admin/pairings", {
      code: waiting[0].code,
      account: "alice",
    })).status,
    200,
  );
  const identity = { channel: "lark", app: "main", id: "ou_b" };
  assert.equal((await w.call(alice, "DELETE", "/api/identities", identity)).status, 200);
  assert.equal((await w.call(alice, "DELETE", "/api/identities", identity)).status, 404);
});

Deno.test("a callback for an app that is not there is 404, a forged one is 401 and in the audit", async () => {
  await using w = await world("open");
  const post = (path: string) =>
    w.app.fetch(new Request(`http://x${path}`, { method: "POST", body: "{}" }), {
      address: "6.6.6.6",
    });
  assert.equal((await post("/channels/feishu/other")).status, 404);
  assert.equal((await post("/channels/feishu/main/more")).status, 404);
  assert.equal(
    (await post("/channels/feishu/%zz")).status,
    404,
    "what nobody can have meant is no fault of ours",
  );
  assert.equal((await post("/channels/feishu/main")).status, 401);
  await w.app.audit.settled();
  const admin = await w.signIn("admin");
  assert.match(
    JSON.stringify((await w.call(admin, "GET", "/api/admin/audit")).body),
    /callback_refused/,
  );
});

Deno.test("/metrics has an app's connection, last event and refused callbacks, for an admin and not for strangers", async () => {
  await using w = await world("open");
  w.emulator.say({ chat: "oc_1", text: "hi" });
  await w.final("oc_1");
  const forged = new Request("http://nexus.test/channels/feishu/main", {
    method: "POST",
    body: '{"encrypt":"AAAA"}',
  });
  assert.equal((await w.app.fetch(forged, { address: "10.0.0.9" })).status, 401);
  const metrics = async (headers: HeadersInit) => {
    const request = new Request("http://nexus.test/metrics", { headers });
    return await (await w.app.fetch(request, { address: "10.0.0.8" })).text();
  };
  const token = await w.signIn("admin");
  const shown = await metrics({ authorization: `Bearer ${token}` });
  assert.match(shown, /nexus_app_connected\{platform="feishu",app="main"\} 1/);
  assert.match(
    shown,
    /nexus_app_last_event_timestamp_seconds\{platform="feishu",app="main"\} \d{10}/,
  );
  assert.match(shown, /nexus_app_refused_callbacks\{platform="feishu",app="main"\} 1/);
  assert.doesNotMatch(await metrics({}), /nexus_app_\w+\{/);
});
