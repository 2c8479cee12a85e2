/**
 * Tries a Feishu or Lark app once: its keys, its bot, its permissions, how its events and callbacks
 * are subscribed, and the long connection's address. Six calls at most.
 *
 * Sources: Feishu 自建应用获取 tenant_access_token, 获取机器人信息, 查询租户授权状态, 获取应用信息, 获取应用版本信息, 服务端错误码.
 */
import type { Thoroughness } from "../../core/checkup.ts";
import type { BilingualText, FindingReport } from "../../core/finding.ts";
import type { Json } from "../../core/store.ts";
import { namesDepartments, type ProbeParts, tryOnce, unreachable } from "../im/probe.ts";
import type { LarkSettings } from "./settings.ts";

/** The platform's name in words. */
const FEISHU: BilingualText = { en: "Feishu", zh: "飞书" };

/** Permissions, each line one need and what satisfies it: the first is the one to ask for. */
const SEND = ["im:message:send_as_bot", "im:message"];
const NEEDS: readonly (readonly string[])[] = [
  SEND,
  ["im:message.p2p_msg:readonly", "im:message.p2p_msg"],
  ["im:message.group_at_msg:readonly", "im:message.group_at_msg", "im:message.group_msg"],
  ["im:resource"],
];
const NEED_CARDS = ["cardkit:card:write"];
const NEED_DEPARTMENTS: readonly (readonly string[])[] = [
  ["contact:user.department:readonly"],
  ["contact:contact.base:readonly", "contact:contact:readonly_as_app", "contact:contact:readonly"],
];

/** Codes for a permission that the app does not have. */
const NO_PERMISSION = new Set(["99991672", "99991679"]);

/** The keys of an app, as chats and the sign-in have them. */
export interface LarkKeys {
  readonly appId: string;
  readonly appSecret: string;
}

/** An app under check: where it is called, and the address of a page of its console. */
interface App {
  readonly report: FindingReport;
  readonly settings: LarkSettings;
  readonly parts: ProbeParts;
  readonly name: string;
  readonly get: (path: string) => ReturnType<typeof tryOnce>;
  readonly page: (name: string) => string;
}

/**
 * Checks one app. @param name its name in the configuration, which stands in its callbacks' address
 */
export async function probeLark(
  report: FindingReport,
  name: string,
  settings: LarkSettings,
  parts: ProbeParts,
  _how: Thoroughness,
): Promise<void> {
  const { baseUrl } = settings;
  const token = await tryLarkKeys(report, settings, baseUrl, "baseUrl", parts);
  if (token === undefined) return;
  const headers = { authorization: `Bearer ${token}` };
  const app: App = {
    report,
    settings,
    parts,
    name,
    get: (path) => tryOnce(parts, { url: `${baseUrl}/open-apis/${path}`, headers }),
    page: (page) => pageOf(baseUrl, settings.appId, page),
  };
  await Promise.all([
    checkBot(app),
    checkPermissions(app),
    checkSubscriptions(app),
    settings.mode === "socket" ? checkConnection(app) : undefined,
  ]);
}

/**
 * A token by the app's keys; what is wrong with them is a finding. @param key the setting with the
 * address
 */
export async function tryLarkKeys(
  report: FindingReport,
  { appId, appSecret }: LarkKeys,
  baseUrl: string,
  key: string,
  parts: ProbeParts,
): Promise<string | undefined> {
  const url = pageOf(baseUrl, appId, "baseinfo");
  const copyId: BilingualText = {
    en: "copy the App ID again: developer console → the app → Credentials & Basic Info",
    zh: "重新复制 App ID：开发者后台 → 该应用 → 凭证与基础信息",
  };
  if (!/^cli_\w{4,64}$/.test(appId)) {
    report.wrong("appId", {
      en: "the App ID does not begin with cli_ as every App ID does",
      zh: "App ID 不是以 cli_ 开头，而所有 App ID 都应如此",
    }, copyId);
    return undefined;
  }
  const tried = await tryOnce(parts, {
    url: `${baseUrl}/open-apis/auth/v3/tenant_access_token/internal`,
    body: { app_id: appId, app_secret: appSecret },
  });
  if ("trouble" in tried) return void unreachable(report, key, FEISHU, baseUrl, tried);
  const code = String(tried.body.code);
  if (code === "0") return String(tried.body.tenant_access_token);
  if (code === "10003" || code === "10013") {
    report.wrong(
      "appId",
      { en: "Feishu does not know the App ID", zh: "飞书没有这个 App ID" },
      copyId,
      {
        url,
        said: code,
      },
    );
  } else if (code === "10014" || code === "10015") {
    report.wrong("appSecret", { en: "the App Secret is wrong", zh: "App Secret 错误" }, {
      en: "copy the App Secret again: developer console → the app → Credentials & Basic Info",
      zh: "重新复制 App Secret：开发者后台 → 该应用 → 凭证与基础信息",
    }, { url, said: code });
  } else if (code === "99991662") {
    report.wrong("", {
      en: "the app is disabled, or no version of it is published",
      zh: "应用已停用，或没有已发布的版本",
    }, {
      en:
        "publish a version and have it approved: developer console → the app → Version Management & Release",
      zh: "创建版本并提交发布、通过审核：开发者后台 → 该应用 → 版本管理与发布",
    }, { url: pageOf(baseUrl, appId, "version"), said: code });
  } else {
    report.wrong("", {
      en: "Feishu gives out no token for this app",
      zh: "飞书没有为该应用签发令牌",
    }, {
      en: "look up the code in Feishu's list of error codes",
      zh: "在飞书的错误码列表中查询该错误码",
    }, { said: `${code} ${tried.body.msg ?? ""}`.trim() });
  }
  return undefined;
}

async function checkBot({ report, get, page }: App): Promise<void> {
  const tried = await get("bot/v3/info");
  if ("trouble" in tried) return;
  const { code, bot } = tried.body;
  if (String(code) === "11205" || (code === 0 && !bot)) {
    return report.wrong("", { en: "the app has no bot", zh: "该应用没有开启机器人能力" }, {
      en: "developer console → the app → Add Features → Bot, then publish a version",
      zh: "开发者后台 → 该应用 → 添加应用能力 → 机器人，然后发布版本",
    }, { url: page("bot"), said: String(code) });
  }
  const { activate_status: status } = bot ?? {};
  if (code !== 0 || typeof status !== "number" || status === 2) return;
  report.wrong("", {
    en:
      "the bot is not in use in the organisation: no version of the app is published, or it was disabled",
    zh: "机器人在企业中没有启用：应用没有已发布的版本，或已被停用",
  }, {
    en:
      "publish a version and have it approved (developer console → the app → Version Management & Release), or have an " +
      "admin enable it",
    zh: "发布版本并通过审核（开发者后台 → 该应用 → 版本管理与发布），或请企业管理员启用",
  }, { url: page("version"), said: `activate_status ${status}` });
}

async function checkPermissions({ report, settings, get, page }: App): Promise<void> {
  const tried = await get("application/v6/scopes");
  if ("trouble" in tried || tried.body.code !== 0) return;
  const granted = new Set<string>();
  for (const scope of listOf(tried.body.data?.scopes)) {
    if (scope.grant_status === 1 && scope.scope_type !== "user") {
      granted.add(String(scope.scope_name));
    }
  }
  const needs = [
    ...NEEDS,
    ...(settings.show === "card" ? [NEED_CARDS] : []),
    ...(namesDepartments(settings) ? NEED_DEPARTMENTS : []),
  ];
  const missing = needs.filter((ways) => !ways.some((way) => granted.has(way))).map(([first]) =>
    first!
  );
  if (missing.length === 0) return;
  const names = missing.join(", ");
  report.wrong("", {
    en: `permissions of the app are missing: ${names}`,
    zh: `应用缺少权限：${names}`,
  }, {
    en:
      "developer console → the app → Permissions & Scopes; then publish a version and have it approved",
    zh: "开发者后台 → 该应用 → 权限管理；开通后发布版本并通过审核",
  }, { url: `${page("auth")}?q=${missing.join(",")}&token_type=tenant` });
}

async function checkSubscriptions(app: App): Promise<void> {
  const { report, settings, get, page } = app;
  const tried = await get(
    `application/v6/applications/${encodeURIComponent(settings.appId)}?lang=zh_cn`,
  );
  if ("trouble" in tried) return;
  if (tried.body.code !== 0) {
    const code = String(tried.body.code);
    return report.hint("", {
      en: "how events and callbacks are subscribed could not be asked",
      zh: "无法查询事件与回调的订阅方式",
    }, {
      en:
        "look at it: developer console → the app → Events & Callbacks; both tabs need the same mode as `mode`" +
        (NO_PERMISSION.has(code)
          ? " (or give the app `application:application:self_manage` and check again)"
          : ""),
      zh: "请自行查看：开发者后台 → 该应用 → 事件与回调；两个标签页的订阅方式都要与 `mode` 一致" +
        (NO_PERMISSION.has(code)
          ? "（或开通 `application:application:self_manage` 权限后重新检查）"
          : ""),
    }, { url: page("event"), said: code });
  }
  const { event, callback_info: callback, online_version_id: version } = tried.body.data?.app ?? {};
  checkCallback(app, callback);
  checkMode(app, event?.subscription_type, "events");
  const events = event?.subscribed_events ?? await eventsOf(app, version);
  if (!Array.isArray(events) || events.includes("im.message.receive_v1")) return;
  report.wrong("", {
    en: "the event im.message.receive_v1 is not subscribed: no message arrives",
    zh: "没有订阅事件 im.message.receive_v1：收不到任何消息",
  }, {
    en:
      "developer console → the app → Events & Callbacks → Event Configuration → Add Events, then publish a version",
    zh: "开发者后台 → 该应用 → 事件与回调 → 事件配置 → 添加事件，然后发布版本",
  }, { url: page("event") });
}

function checkCallback(app: App, callback: Json): void {
  const { report, page } = app;
  // Apps of old consoles have none of this; what cannot be seen is not judged.
  if (typeof callback !== "object" || callback === null) return;
  if (!listOf(callback.subscribed_callbacks).includes("card.action.trigger")) {
    return report.wrong("", {
      en: "the callback card.action.trigger is not subscribed: the Stop button of the cards fails",
      zh: "没有订阅回调 card.action.trigger：卡片上的停止按钮无效",
    }, {
      en:
        "developer console → the app → Events & Callbacks → Callback Configuration → Add Callback, then publish a version",
      zh: "开发者后台 → 该应用 → 事件与回调 → 回调配置 → 添加回调，然后发布版本",
    }, { url: page("event") });
  }
  checkMode(app, callback.callback_type, "callbacks", callback.request_url);
}

function checkMode(
  { report, settings, name, page }: App,
  mode: unknown,
  of: "events" | "callbacks",
  url?: Json,
): void {
  const isSocket = settings.mode === "socket";
  const what = of === "events" ? "事件" : "回调";
  const tab = of === "events" ? "Event Configuration" : "Callback Configuration";
  const details = { url: page("event"), said: String(mode) };
  if (typeof mode === "string" && mode !== "" && mode !== (isSocket ? "websocket" : "webhook")) {
    return report.wrong("mode", {
      en: `${of} go ${
        isSocket ? "to a webhook" : "over the long connection"
      }, but \`mode\` is "${settings.mode}"`,
      zh: `${what}的订阅方式是${
        isSocket ? "发送至开发者服务器" : "长连接"
      }，但 \`mode\` 是 "${settings.mode}"`,
    }, {
      en:
        `choose "${
          isSocket ? "receive over a persistent connection" : "send to developer's server"
        }": developer console → ` +
        `the app → Events & Callbacks → ${tab} → Subscription Mode`,
      zh: `选择“${
        isSocket ? "使用长连接接收" : "将其发送至开发者服务器"
      }”：开发者后台 → 该应用 → 事件与回调 → ${what}配置 → 订阅方式`,
    }, details);
  }
  const path = `/channels/feishu/${encodeURIComponent(name)}`;
  if (isSocket || typeof url !== "string" || url === "" || pathOf(url) === path) return;
  report.wrong("", {
    en: `${of} go to another address: its path is not ${path}`,
    zh: `${what}的请求地址不对：路径不是 ${path}`,
  }, {
    en: `set https://YOUR-HOST${path}: developer console → the app → Events & Callbacks → ${tab}`,
    zh: `改为 https://你的域名${path}：开发者后台 → 该应用 → 事件与回调 → ${what}配置`,
  }, { url: page("event") });
}

async function eventsOf({ get, settings }: App, version: Json): Promise<string[] | undefined> {
  if (typeof version !== "string" || version === "") return undefined;
  const path = `application/v6/applications/${encodeURIComponent(settings.appId)}/app_versions/`;
  const tried = await get(`${path}${encodeURIComponent(version)}?lang=zh_cn`);
  if ("trouble" in tried || tried.body.code !== 0) return undefined;
  const infos = tried.body.data?.app_version?.event_infos;
  return Array.isArray(infos) ? infos.map((info: Json) => String(info?.event_type)) : undefined;
}

/** Asks for the connection's address, and opens none: Feishu would send events to it. */
async function checkConnection({ report, settings, parts, page }: App): Promise<void> {
  const { baseUrl, appId: AppID, appSecret: AppSecret } = settings;
  const tried = await tryOnce(parts, {
    url: `${baseUrl}/callback/ws/endpoint`,
    body: { AppID, AppSecret },
  });
  if ("trouble" in tried) return void unreachable(report, "baseUrl", FEISHU, baseUrl, tried);
  const code = String(tried.body.code);
  if (code === "0") return;
  const said = `${code} ${tried.body.msg ?? ""}`.trim();
  if (code === "1000040350") {
    return report.wrong(
      "mode",
      {
        en: "50 long connections of this app are open already: no other one is let in",
        zh: "该应用已有 50 个长连接：不再接受新的连接",
      },
      { en: "stop other programs with this App ID", zh: "停止使用同一 App ID 的其他程序" },
      { said },
    );
  }
  report.wrong("mode", { en: "Feishu gives out no long connection", zh: "飞书没有提供长连接" }, {
    en:
      "developer console → the app → Events & Callbacks: choose the persistent connection, or set `mode` to webhook",
    zh: "开发者后台 → 该应用 → 事件与回调：选择长连接，或把 `mode` 设为 webhook",
  }, { url: page("event"), said });
}

/** A page of the app's console; a private cloud's is not known, so it gets Feishu's. */
function pageOf(baseUrl: string, appId: string, page: string): string {
  const { hostname } = new URL(baseUrl);
  const console = hostname.endsWith(".larksuite.com")
    ? "https://open.larksuite.com"
    : "https://open.feishu.cn";
  return `${console}/app/${encodeURIComponent(appId)}/${page}`;
}

function pathOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).pathname : undefined;
}

function listOf(value: Json): Json[] {
  return Array.isArray(value) ? value : [];
}
