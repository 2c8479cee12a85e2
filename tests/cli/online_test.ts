/**
 * `nexus check --online` against the emulated platforms, a model API and an OpenID provider, each
 * set up rightly or with one mistake.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { main } from "../../main.ts";
import { systemClock } from "../../src/core/clock.ts";
import { DingTalkEmulator } from "../../src/emulate/dingtalk/emulator.ts";
import { DingTalkStream } from "../../src/emulate/dingtalk/stream.ts";
import { FeishuEmulator } from "../../src/emulate/feishu/emulator.ts";
import { FeishuLongConnection } from "../../src/emulate/feishu/long_connection.ts";
import { type RunningServer, serveOn } from "../../src/emulate/serve.ts";
import { WecomEmulator } from "../../src/emulate/wecom/emulator.ts";
import { WecomLongConnection } from "../../src/emulate/wecom/long_connection.ts";
import { FakeUpstream } from "../bots/upstream/fake_upstream.ts";
import { quiet, startProvider } from "../channels/sign_in/oidc_server.ts";
import { until } from "../world.ts";
import { emptyFolder, Program } from "./program.ts";

const AES_KEY = "nexusEmulatedEncodingAesKey0123456789ABCDEF";
const FEISHU = { appId: "cli_0123456789abcdef", appSecret: "feishu-app-secret" };
const DINGTALK = { clientId: "dingemulated", clientSecret: "dingtalk-client-secret" };
const WECOM = { corpId: "wwemulated", agentId: 1_000_002, secret: "wecom-app-secret" };
const MODEL_KEY = "sk-model-key",
  WEBHOOK_KEY = "wecom-webhook-key",
  CLIENT_SECRET = "client-secret";
const SECRETS = [
  FEISHU.appSecret,
  DINGTALK.clientSecret,
  WECOM.secret,
  MODEL_KEY,
  WEBHOOK_KEY,
  CLIENT_SECRET,
];

// deno-lint-ignore no-explicit-any -- a configuration, of which each test changes a part
type Settings = any;

/**
 * Everything that a configuration can name outside, each on a port, and the configuration that
 * meets all of it.
 */
class Outside implements AsyncDisposable {
  readonly feishu = new FeishuEmulator({ ...FEISHU, clock: systemClock });
  readonly dingtalk = new DingTalkEmulator({ ...DINGTALK, clock: systemClock });
  readonly wecom = new WecomEmulator({
    ...WECOM,
    botId: "bot-1",
    token: "callback-token",
    encodingAesKey: AES_KEY,
    clock: systemClock,
  });
  readonly model = new FakeUpstream("openai", {
    key: MODEL_KEY,
    knows: ["first-model", "unlisted-model"],
  });
  readonly claude = new FakeUpstream("anthropic", { key: MODEL_KEY });
  /** A server on which there is no model API, and says so as JSON. */
  readonly site = serveOn(0, () => Response.json({ detail: "Not Found" }, { status: 404 }));
  readonly config: Settings;
  readonly #feishuSocket = new FeishuLongConnection(this.feishu, FEISHU);
  readonly #stream = new DingTalkStream(this.dingtalk, { ...DINGTALK, clock: systemClock });
  readonly #wecomSocket = new WecomLongConnection(this.wecom);
  readonly #served: RunningServer[];

  private constructor(private readonly provider: { url: string; close(): Promise<void> }) {
    this.#served = [
      serveOn(
        0,
        (request) => this.#feishuSocket.fetch(request),
        (request) => this.feishu.fetch(request),
      ),
      serveOn(
        0,
        (request) => this.#stream.fetch(request),
        (request) => this.dingtalk.fetch(request),
      ),
      serveOn(
        0,
        (request) => this.#wecomSocket.fetch(request),
        (request) => this.wecom.fetch(request),
      ),
    ];
    this.wecom.faults.webhookKeys = new Set([WEBHOOK_KEY]);
    this.dingtalk.faults.templates = new Set(["right.schema"]);
    const [feishu, dingtalk, wecom] = this.#served.map(({ url }) => url);
    this.config = {
      channels: {
        feishu: { main: { ...FEISHU, baseUrl: feishu, rules: [{ department: "d1", bot: "gpt" }] } },
        dingtalk: {
          main: {
            ...DINGTALK,
            cardTemplateId: "right.schema",
            baseUrl: dingtalk,
            oapiBaseUrl: dingtalk,
          },
        },
        wecom: {
          app: {
            kind: "app",
            ...WECOM,
            token: "callback-token",
            encodingAesKey: AES_KEY,
            baseUrl: wecom,
          },
          bot: {
            kind: "aibot",
            botId: "bot-1",
            secret: WECOM.secret,
            wsUrl: wecom!.replace("http", "ws"),
          },
          group: { kind: "webhook", secret: WEBHOOK_KEY, baseUrl: wecom },
        },
      },
      bots: {
        gpt: {
          type: "openai",
          baseUrl: this.model.url,
          apiKey: MODEL_KEY,
          model: "first-model",
          price: { input: 2.5, output: 10 },
        },
        claude: { type: "anthropic", baseUrl: this.claude.url, apiKey: MODEL_KEY, model: "second" },
      },
      signIn: {
        oidc: {
          issuer: provider.url,
          clientId: "nexus",
          clientSecret: CLIENT_SECRET,
          allowHttp: true,
        },
        lark: { ...FEISHU, api: feishu },
        dingtalk: {
          appKey: DINGTALK.clientId,
          appSecret: DINGTALK.clientSecret,
          corpId: "dingcorp",
          api: dingtalk,
        },
        wecom: { ...WECOM, agentId: String(WECOM.agentId), api: wecom },
      },
    };
  }

  static async open(): Promise<Outside> {
    return new Outside(
      await quiet(() => startProvider(() => "https://nexus.example.com/callback")),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of [this.#feishuSocket, this.#stream, this.#wecomSocket]) socket.close();
    for (const emulator of [this.feishu, this.dingtalk, this.wecom]) emulator.stop();
    await Promise.all(
      [...this.#served, this.site, this.model, this.claude, this.provider].map((one) =>
        one.close()
      ),
    );
  }
}

/** Runs the command as it is typed. */
async function check(
  config: unknown,
  ...args: string[]
): Promise<{ code: number; printed: string }> {
  await using folder = await emptyFolder();
  await Deno.writeTextFile(join(folder.dir, "config.json"), JSON.stringify(config));
  const { log, error } = console;
  const lines: string[] = [];
  console.log = console.error = (...words: unknown[]) => void lines.push(words.join(" "));
  try {
    const code = await main(["check", "--online", "--dir", folder.dir, ...args]);
    return { code, printed: lines.join("\n") };
  } finally {
    Object.assign(console, { log, error });
  }
}

interface Mistake {
  readonly name: string;
  readonly plant: (outside: Outside) => void;
  /** The setting that is named. */
  readonly path: string;
  readonly en: RegExp;
  readonly zh: RegExp;
}

const MISTAKES: readonly Mistake[] = [
  {
    name: "a Feishu app's secret is wrong",
    plant: ({ config }) => config.channels.feishu.main.appSecret = "wrong-secret",
    path: "channels.feishu.main.appSecret",
    en:
      /the App Secret is wrong[^]*Credentials & Basic Info[^]*open\.feishu\.cn\/app\/cli_0123456789abcdef\/baseinfo/,
    zh: /App Secret 错误[^]*凭证与基础信息/,
  },
  {
    name: "a Feishu app lacks a permission",
    plant: ({ feishu }) => feishu.faults.missingScopes.add("cardkit:card:write"),
    path: "channels.feishu.main",
    en:
      /permissions of the app are missing: cardkit:card:write[^]*Permissions & Scopes[^]*\/auth\?q=cardkit:card:write/,
    zh: /应用缺少权限：cardkit:card:write[^]*权限管理/,
  },
  {
    name: "a Feishu app's card callback is not subscribed",
    plant: ({ feishu }) => feishu.console.callbacks = [],
    path: "channels.feishu.main",
    en: /card\.action\.trigger is not subscribed: the Stop button[^]*Callback Configuration/,
    zh: /没有订阅回调 card\.action\.trigger[^]*回调配置/,
  },
  {
    name: "a DingTalk app's secret is wrong",
    plant: ({ config }) => config.channels.dingtalk.main.clientSecret = "wrong-secret",
    path: "channels.dingtalk.main.clientSecret",
    en: /the Client Secret is wrong[^]*Credentials and Basic Information/,
    zh: /Client Secret 错误[^]*凭证与基础信息/,
  },
  {
    name: "a DingTalk card template is not there",
    plant: ({ config }) => config.channels.dingtalk.main.cardTemplateId = "wrong.schema",
    path: "channels.dingtalk.main.cardTemplateId",
    en: /no such card template[^]*card platform/,
    zh: /没有这个卡片模板[^]*卡片平台/,
  },
  {
    name: "the gateway's address is not a trusted IP of a WeCom app",
    plant: ({ wecom, config }) => {
      wecom.faults.isForeignAddress = true;
      delete config.signIn.wecom;
    },
    path: "channels.wecom.app",
    en: /203\.0\.113\.9 is not a trusted IP of the app[^]*Company's Trusted IP/,
    zh: /203\.0\.113\.9 不是该应用的企业可信 IP[^]*应用管理/,
  },
  {
    name: "a WeCom app's AgentId is another app's",
    plant: ({ config }) => config.channels.wecom.app.agentId = 1_000_003,
    path: "channels.wecom.app.agentId",
    en: /the AgentId is wrong, or the secret belongs to another app[^]*App Management/,
    zh: /AgentId 错误，或 Secret 属于另一个应用[^]*应用管理/,
  },
  {
    name: "a WeCom AI bot's secret is wrong",
    plant: ({ config }) => config.channels.wecom.bot.secret = "wrong-secret",
    path: "channels.wecom.bot.secret",
    en: /the AI bot is not let in[^]*AI Bot → the bot → API mode/,
    zh: /智能机器人连接被拒绝[^]*API 模式/,
  },
  {
    name: "a model API's key is wrong",
    plant: ({ config }) => config.bots.gpt.apiKey = "sk-wrong-key",
    path: "bots.gpt.apiKey",
    en: /the model API refuses the key[^]*API keys/,
    zh: /模型 API 拒绝了该密钥[^]*API keys/,
  },
  {
    name: "a model is not there",
    plant: ({ config }) => config.bots.gpt.model = "first-modell",
    path: "bots.gpt.model",
    en: /no model first-modell[^]*choose one that it lists: first-model, second/,
    zh: /没有模型 first-modell[^]*选择它列出的模型之一：first-model/,
  },
  // More than the ten.
  {
    name: "a Feishu app has no bot",
    plant: ({ feishu }) => feishu.console.hasBot = false,
    path: "channels.feishu.main",
    en: /the app has no bot[^]*Add Features → Bot/,
    zh: /没有开启机器人能力[^]*添加应用能力/,
  },
  {
    name: "no version of a Feishu app is published",
    plant: ({ feishu }) => feishu.console.isPublished = false,
    path: "channels.feishu.main",
    en: /the bot is not in use in the organisation[^]*Version Management & Release/,
    zh: /机器人在企业中没有启用[^]*版本管理与发布/,
  },
  {
    name: "a Feishu app's events are not subscribed",
    plant: ({ feishu }) => feishu.console.events = [],
    path: "channels.feishu.main",
    en: /im\.message\.receive_v1 is not subscribed[^]*Event Configuration/,
    zh: /没有订阅事件 im\.message\.receive_v1[^]*事件配置/,
  },
  {
    name: "a Feishu app's callbacks go to a webhook",
    plant: ({ feishu }) => feishu.console.callbackSubscription = "webhook",
    path: "channels.feishu.main.mode",
    en: /callbacks go to a webhook, but `mode` is "socket"[^]*Subscription Mode/,
    zh: /回调的订阅方式是发送至开发者服务器[^]*订阅方式/,
  },
  {
    name: "a DingTalk app may not send as a robot",
    plant: ({ dingtalk }) => dingtalk.faults.missingPermissions.add("qyapi_robot_sendmsg"),
    path: "channels.dingtalk.main",
    en: /a permission of the app is missing: qyapi_robot_sendmsg[^]*Permission Management/,
    zh: /应用缺少权限：qyapi_robot_sendmsg[^]*权限管理/,
  },
  {
    name: "a DingTalk robot's code is wrong",
    plant: ({ config }) => config.channels.dingtalk.main.robotCode = "dingother",
    path: "channels.dingtalk.main.robotCode",
    en: /no robot with the code dingother[^]*Robot/,
    zh: /没有编码为 dingother 的机器人/,
  },
  {
    name: "DingTalk has another list of servers",
    plant: ({ dingtalk }) => dingtalk.faults.isForeignAddress = true,
    path: "channels.dingtalk.main",
    en: /203\.0\.113\.9 is not on the app's list of servers[^]*Server egress IP/,
    zh: /203\.0\.113\.9 不在应用的服务器出口 IP 列表中/,
  },
  {
    name: "a WeCom group's webhook is gone",
    plant: ({ config }) => config.channels.wecom.group.secret = "another-key",
    path: "channels.wecom.group.secret",
    en: /the webhook's key is wrong, or the group robot was removed/,
    zh: /Webhook 的 key 错误，或群机器人已被移除/,
  },
  {
    name: "a WeCom app is disabled",
    plant: ({ wecom, config }) => {
      wecom.faults.isDisabled = true;
      delete config.signIn.wecom;
    },
    path: "channels.wecom.app",
    en: /the app is disabled/,
    zh: /该应用已停用/,
  },
  {
    name: "a key is wrong where everybody may read the list of models",
    plant: ({ model, config }) => {
      model.play({ key: MODEL_KEY, isPublicList: true });
      config.bots.gpt.apiKey = "sk-wrong-key";
    },
    path: "bots.gpt.apiKey",
    en: /the model API refuses the key/,
    zh: /模型 API 拒绝了该密钥/,
  },
  {
    name: "a model API's address lacks /v1",
    plant: (outside) => outside.config.bots.gpt.baseUrl = outside.site.url,
    path: "bots.gpt.baseUrl",
    en: /there is no model API at 127\.0\.0\.1:\d+\/ \(answer: 404\)[^]*up to and with \/v1/,
    zh: /不是模型 API[^]*写到 \/v1 为止/,
  },
  {
    name: "a price was meant per token",
    plant: ({ config }) => config.bots.gpt.price = { input: 0.0000025, output: 10 },
    path: "bots.gpt.price.input",
    en: /is too little: it was meant per token or per thousand/,
    zh: /太低：应是按每个或每千个 token 填写了/,
  },
  {
    name: "an OpenID client's secret is wrong",
    plant: ({ config }) => config.signIn.oidc.clientSecret = "another-client-s3cret",
    path: "signIn.oidc.clientSecret",
    en: /the provider refuses the client/,
    zh: /身份提供方拒绝了该客户端/,
  },
  {
    name: "an issuer is wrong",
    plant: ({ config }) => config.signIn.oidc.issuer += "/tenant",
    path: "signIn.oidc.issuer",
    en: /the issuer's description \(127\.0\.0\.1:\d+\) cannot be read/,
    zh: /无法读取发行方的配置/,
  },
  {
    name: "the secret of a sign-in is wrong",
    plant: ({ config }) => config.signIn.lark.appSecret = "wrong-secret",
    path: "signIn.lark.appSecret",
    en: /the App Secret is wrong/,
    zh: /App Secret 错误/,
  },
  {
    name: "a variable is not set",
    plant: ({ config }) => config.channels.dingtalk.main.clientSecret = "env:NEXUS_TEST_NOT_SET",
    path: "channels.dingtalk.main.clientSecret",
    en: /the environment variable NEXUS_TEST_NOT_SET is not set/,
    zh: /环境变量 NEXUS_TEST_NOT_SET 没有设置/,
  },
];

Deno.test("nexus check --online finds nothing where everything is right, and says what it tried", async () => {
  await using outside = await Outside.open();
  const { code, printed } = await check(outside.config, "--language", "en");
  assert.equal(printed, "Tried 11: all right.");
  assert.equal(code, 0);
  assert.equal(
    (await check(outside.config, "--language", "zh")).printed,
    "已检查 11 项，全部正常。",
  );
  assert.equal(outside.dingtalk.counts.counted, 4, "two calls of the month for each check");
});

for (const { name, plant, path, en, zh } of MISTAKES) {
  Deno.test(`nexus check --online names the mistake in both languages: ${name}`, async () => {
    await using outside = await Outside.open();
    plant(outside);
    for (const [language, words] of [["en", en], ["zh", zh]] as const) {
      const { code, printed } = await check(outside.config, "--language", language);
      assert.equal(code, 1, printed);
      assert.match(printed, words);
      assert.ok(printed.includes(`  ${path}: `), printed);
      assert.equal(printed.match(/^ {2}\S+: /gm)!.length, 1, printed);
      for (const secret of [...SECRETS, "wrong-secret", "sk-wrong-key"]) {
        assert.ok(!printed.includes(secret), printed);
      }
    }
  });
}

Deno.test("a subscription that the platform does not tell is a hint, and no mistake", async () => {
  await using outside = await Outside.open();
  outside.feishu.faults.missingScopes.add("application:application:self_manage");
  const { code, printed } = await check(outside.config, "--language", "en");
  assert.equal(code, 0);
  assert.match(
    printed,
    /all right\.\nCould not be asked:\n {2}channels\.feishu\.main: how events[^]*Events & Callbacks/,
  );
});

Deno.test("nexus check --online costs no token where the list of models proves key and model, else one", async () => {
  await using outside = await Outside.open();
  const { bots } = outside.config;
  await check({ bots });
  assert.deepEqual(outside.model.seen.map(({ method }) => method), ["GET", "GET"]);
  bots.gpt.model = "unlisted-model";
  assert.equal((await check({ bots })).code, 0, "a model need not be listed to be there");
  const asked = outside.model.seen.filter(({ method }) => method === "POST");
  assert.deepEqual(asked.map(({ body }) => body.max_tokens), [1]);
});

Deno.test("nexus check --online --json tells everything in both languages, and nothing that is secret", async () => {
  await using outside = await Outside.open();
  outside.config.bots.gpt.apiKey = "sk-wrong-key";
  const { code, printed } = await check(outside.config, "--json");
  assert.equal(code, 1);
  const { ok, checked } = JSON.parse(printed);
  assert.equal(ok, false);
  assert.equal(checked.length, 11);
  const [finding] = checked.find((one: Settings) => one.target === "bots.gpt").findings;
  assert.deepEqual([finding.path, finding.level, finding.said], [
    "bots.gpt.apiKey",
    "error",
    "401",
  ]);
  assert.ok(finding.what.en && finding.what.zh && finding.todo.en && finding.todo.zh);
});

Deno.test("a service that cannot be reached, or never answers, is named; the others are checked all the same", async () => {
  await using outside = await Outside.open();
  const { config } = outside;
  config.bots.gpt.baseUrl = "http://127.0.0.1:1/v1";
  config.channels.wecom.bot.wsUrl = "ws://127.0.0.1:1";
  config.channels.feishu.main.baseUrl = "http://127.0.0.1:1";
  config.signIn.oidc.issuer = "http://127.0.0.1:1";
  const { code, printed } = await check(config, "--language", "en");
  assert.equal(code, 1);
  assert.match(printed, /Tried 11; 4 things are wrong/);
  assert.match(printed, /bots\.gpt\.baseUrl: the model API cannot be reached at 127\.0\.0\.1:1/);
  assert.match(printed, /channels\.wecom\.bot\.wsUrl: WeCom cannot be reached/);
  assert.match(printed, /channels\.feishu\.main\.baseUrl: Feishu cannot be reached/);
});

Deno.test("the check leaves the connection of a gateway alone that runs in the same folder", async () => {
  await using outside = await Outside.open();
  await using folder = await emptyFolder();
  const { channels: { wecom } } = outside.config;
  const config = { users: {}, botToken: "t", channels: { wecom: { bot: wecom.bot } } };
  await Deno.writeTextFile(join(folder.dir, "config.json"), JSON.stringify(config));
  await using program = await Program.start(folder.dir);
  const args = [
    "run",
    "-A",
    new URL("../../main.ts", import.meta.url).pathname,
    "check",
    "--online",
  ];
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [...args, "--language", "en", "--dir", folder.dir],
  }).output();
  assert.equal(code, 0);
  assert.match(new TextDecoder().decode(stdout), /the long connection was not tried/);
  await program.stop();
});

Deno.test("the start tries everything as well, after it listens, and warns of what is wrong", async () => {
  await using outside = await Outside.open();
  await using folder = await emptyFolder();
  const { bots } = outside.config;
  bots.gpt.apiKey = "sk-wrong-key";
  const config = { users: {}, botToken: "t", bots };
  await Deno.writeTextFile(join(folder.dir, "config.json"), JSON.stringify(config));
  await using program = await Program.start(folder.dir);
  assert.ok(!program.log.includes("refuses the key"), "it listens first");
  await until(
    () => program.log.includes("bots.gpt.apiKey: the model API refuses the key (401)"),
    "the warning",
    30,
  );
  assert.ok(!program.log.includes("sk-wrong-key") && !program.log.includes("bots.claude"));
  await program.stop();
});

Deno.test("a configuration that is wrong by itself is not tried", async () => {
  const { code, printed } = await check({ port: "no" });
  assert.equal(code, 1);
  assert.match(printed, /is not right/);
  assert.equal((await check({}, "--language", "fr")).code, 2);
  assert.match((await check({}, "--language", "en")).printed, /there is nothing to try/);
});
