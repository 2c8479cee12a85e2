/**
 * Tries a WeCom app, AI bot or group webhook once. An app: two calls, keys and AgentId, which also
 * tell whether this address is trusted. A webhook: one call that says nothing. An AI bot: its long
 * connection, opened and closed.
 *
 * Sources: WeCom 获取 access_token, 获取应用 (path/90227), 全局错误码 (path/90313), 智能机器人长连接 (path/101463),
 * 消息推送配置说明.
 */
import type { BilingualText, FindingReport } from "../../core/finding.ts";
import type { Json } from "../../core/store.ts";
import { parse } from "../im/http_call.ts";
import type { AppHealth } from "../im/health.ts";
import {
  isAesKey,
  namesDepartments,
  type ProbeParts,
  tryOnce,
  unreachable,
  wrongAesKey,
} from "../im/probe.ts";
import type {
  WecomAppSettings,
  WecomBotSettings,
  WecomSettings,
  WecomWebhookSettings,
} from "./settings.ts";

const WECOM: BilingualText = { en: "WeCom", zh: "企业微信" };
const ADMIN = "https://work.weixin.qq.com/wework_admin/frame";
const APPS = `${ADMIN}#/apps`, COMPANY = `${ADMIN}#/profile/enterprise`;

/** Milliseconds that opening an AI bot's connection may take. */
const CONNECTING = 10_000;

/**
 * How a bot's running connection does: a second connection would close it. `undefined`: none is
 * running.
 */
export type Live = () => AppHealth | "elsewhere" | undefined;

export async function probeWecom(
  report: FindingReport,
  settings: WecomSettings,
  parts: ProbeParts,
  live: Live,
): Promise<void> {
  switch (settings.kind) {
    case "app":
      return await checkApp(report, settings, parts);
    case "webhook":
      return await checkWebhook(report, settings, parts);
    case "aibot":
      return await checkBot(report, settings, parts, live());
  }
}

const SECRET: BilingualText = {
  en: "copy the Secret of this very app again: admin console → App Management → the app",
  zh: "重新复制该应用自己的 Secret：管理后台 → 应用管理 → 该应用",
};

/** The keys of an app, as chats and the sign-in have them. */
export interface WecomKeys {
  readonly corpId: string;
  readonly agentId: number | string;
  readonly secret: string;
}

async function checkApp(
  report: FindingReport,
  settings: WecomAppSettings,
  parts: ProbeParts,
): Promise<void> {
  if (!isAesKey(settings.encodingAesKey)) {
    wrongAesKey(report, "encodingAesKey", {
      en: "copy it again: admin console → App Management → the app → Receive Messages",
      zh: "重新复制：管理后台 → 应用管理 → 该应用 → 接收消息",
    });
  }
  const token = await tryWecomKeys(report, settings, settings.baseUrl, "baseUrl", parts);
  if (token === undefined || !namesDepartments(settings)) return;
  const url = `${settings.baseUrl}/cgi-bin/user/get?userid=nexus-check&access_token=${
    encodeURIComponent(token)
  }`;
  const tried = await tryOnce(parts, { url });
  if ("trouble" in tried || tried.body.errcode !== 48002) return;
  report.wrong("rules", {
    en: "the app may not read members, so no rule by department can fit",
    zh: "该应用无权读取成员信息，按部门的规则都不会生效",
  }, {
    en: "admin console → App Management → the app → Visible Range and permissions",
    zh: "管理后台 → 应用管理 → 该应用 → 可见范围与权限",
  }, { url: APPS, said: "48002" });
}

/**
 * Tries the keys and the AgentId. Returns a token where both are right. @param key the setting with
 * the address
 */
export async function tryWecomKeys(
  report: FindingReport,
  { corpId, agentId, secret }: WecomKeys,
  baseUrl: string,
  key: string,
  parts: ProbeParts,
): Promise<string | undefined> {
  const wrongCorp = (said?: string) =>
    report.wrong("corpId", {
      en: "the corp's id is wrong: it looks like ww…",
      zh: "企业 ID 错误：形如 ww…",
    }, {
      en: "copy it again: admin console → My Company → Company Information, at the bottom",
      zh: "重新复制：管理后台 → 我的企业 → 企业信息，页面底部",
    }, { url: COMPANY, said });
  if (!/^w\w{3,63}$/.test(corpId)) return void wrongCorp();
  const query = new URLSearchParams({ corpid: corpId, corpsecret: secret });
  const tried = await tryOnce(parts, { url: `${baseUrl}/cgi-bin/gettoken?${query}` });
  if ("trouble" in tried) return void unreachable(report, key, WECOM, baseUrl, tried);
  const { errcode, access_token } = tried.body;
  if (errcode === 40013) return void wrongCorp("40013");
  if (errcode === 60020) return void wrongAddress(report, tried.body);
  if (errcode !== 0 || typeof access_token !== "string") {
    const said = saidBy(tried.body);
    const isSecret = errcode === 40001 || errcode === 42001 || errcode === 41004;
    const what: BilingualText = isSecret
      ? { en: "the app's secret is wrong", zh: "应用的 Secret 错误" }
      : { en: "WeCom gives out no token for this app", zh: "企业微信没有为该应用签发令牌" };
    return void report.wrong("secret", what, SECRET, { url: APPS, said });
  }
  const about = new URLSearchParams({ access_token, agentid: String(agentId) });
  const found = await tryOnce(parts, { url: `${baseUrl}/cgi-bin/agent/get?${about}` });
  if ("trouble" in found) return void unreachable(report, key, WECOM, baseUrl, found);
  switch (found.body.errcode) {
    case 0:
      if (found.body.close === 1) {
        report.wrong("", { en: "the app is disabled", zh: "该应用已停用" }, {
          en: "enable it: admin console → App Management → the app",
          zh: "启用它：管理后台 → 应用管理 → 该应用",
        }, { url: APPS });
      }
      return access_token;
    case 60020:
      return void wrongAddress(report, found.body);
    case 40056:
    case 301002:
      return void report.wrong("agentId", {
        en: "the AgentId is wrong, or the secret belongs to another app",
        zh: "AgentId 错误，或 Secret 属于另一个应用",
      }, {
        en: "copy AgentId and Secret from the same page: admin console → App Management → the app",
        zh: "从同一页面复制 AgentId 和 Secret：管理后台 → 应用管理 → 该应用",
      }, { url: APPS, said: String(found.body.errcode) });
    default:
      return access_token;
  }
}

function wrongAddress(report: FindingReport, body: Json): void {
  const address = /from ip: ([\da-f.:]{3,45})/i.exec(String(body.errmsg ?? "").slice(0, 500))?.[1];
  report.wrong("", {
    en: `the gateway's address${address ? ` ${address}` : ""} is not a trusted IP of the app`,
    zh: `网关的出口 IP${address ? ` ${address}` : ""} 不是该应用的企业可信 IP`,
  }, {
    en: "add it: admin console → App Management → the app → Company's Trusted IP",
    zh: "添加该 IP：管理后台 → 应用管理 → 该应用 → 企业可信 IP",
  }, { url: APPS, said: "60020" });
}

/** An empty text is refused after the key was looked at: nobody sees anything. */
async function checkWebhook(
  report: FindingReport,
  settings: WecomWebhookSettings,
  parts: ProbeParts,
): Promise<void> {
  const url = `${settings.baseUrl}/cgi-bin/webhook/send?key=${encodeURIComponent(settings.secret)}`;
  const tried = await tryOnce(parts, { url, body: { msgtype: "text", text: { content: "" } } });
  if ("trouble" in tried) {
    return void unreachable(report, "baseUrl", WECOM, settings.baseUrl, tried);
  }
  if (tried.body.errcode !== 93000) return;
  report.wrong("secret", {
    en: "the webhook's key is wrong, or the group robot was removed",
    zh: "Webhook 的 key 错误，或群机器人已被移除",
  }, {
    en: "copy what follows `key=` in the webhook's address: the group → … → Message Push",
    zh: "重新复制 Webhook 地址中 `key=` 之后的部分：群聊 → 右上角菜单 → 消息推送",
  }, { said: "93000" });
}

const BOT_SECRET: BilingualText = {
  en:
    "copy Bot ID and Secret again: WeCom → Workbench → AI Bot → the bot → API mode → long connection",
  zh:
    "重新复制 Bot ID 和 Secret：企业微信 → 工作台 → 智能机器人 → 该机器人 → API 模式 → 使用长连接",
};

async function checkBot(
  report: FindingReport,
  settings: WecomBotSettings,
  parts: ProbeParts,
  live: ReturnType<Live>,
): Promise<void> {
  const { mode, encodingAesKey, wsUrl, botId, secret } = settings;
  if (mode === "webhook") {
    if (encodingAesKey === undefined || isAesKey(encodingAesKey)) return;
    return wrongAesKey(report, "encodingAesKey", {
      en: "copy it again: WeCom → Workbench → AI Bot → the bot → API mode",
      zh: "重新复制：企业微信 → 工作台 → 智能机器人 → 该机器人 → API 模式",
    });
  }
  if (live === "elsewhere") {
    return report.hint("", {
      en:
        "the long connection was not tried, because it would close the one of the gateway that runs here",
      zh: "没有尝试长连接，因为那会断开正在此处运行的网关的连接",
    }, {
      en: "look at the admin page → Connections, or at /readyz?verbose",
      zh: "请查看管理页面的“连接”，或 /readyz?verbose",
    });
  }
  const said = live
    ? (live.connected ? undefined : live.lastError?.code ?? "connection")
    : await subscribed(wsUrl, { bot_id: botId, secret }, parts);
  if (said === undefined) return;
  if (said === "network" || said === "timeout" || said === "connection") {
    return void unreachable(report, "wsUrl", WECOM, wsUrl, {
      trouble: said === "connection" ? "network" : said,
    });
  }
  if (said === "taken_over") {
    return report.wrong(
      "",
      {
        en: "another connection of this AI bot took over: two programs use its id and secret",
        zh: "该智能机器人的连接被顶替：有两个程序在使用它的 Bot ID 和 Secret",
      },
      { en: "stop the other one", zh: "停止另一个程序" },
      { said },
    );
  }
  report.wrong(
    "secret",
    {
      en:
        "the AI bot is not let in: its id or secret is wrong, or the long connection is not switched on",
      zh: "智能机器人连接被拒绝：Bot ID 或 Secret 错误，或没有启用长连接",
    },
    BOT_SECRET,
    { said },
  );
}

/**
 * Opens the connection, signs in and closes it. Returns why it was not let in; `undefined`: it was.
 */
function subscribed(url: string, body: Json, { clock }: ProbeParts): Promise<string | undefined> {
  const ended = Promise.withResolvers<string | undefined>();
  const socket = new WebSocket(url);
  const stop = clock.after(CONNECTING, () => ended.resolve("timeout"));
  socket.onopen = () =>
    socket.send(
      JSON.stringify({
        cmd: "aibot_subscribe",
        headers: { req_id: "aibot_subscribe_nexus_check" },
        body,
      }),
    );
  socket.onmessage = ({ data }) => {
    const answer = typeof data === "string" ? parse(data) : undefined;
    if (answer?.headers?.req_id !== "aibot_subscribe_nexus_check") return;
    ended.resolve(answer.errcode === 0 ? undefined : saidBy(answer));
  };
  socket.onerror = (event) => {
    event.preventDefault?.();
    ended.resolve("network");
  };
  socket.onclose = () => ended.resolve("network");
  return ended.promise.finally(() => {
    stop();
    socket.close();
  });
}

function saidBy(body: Json): string {
  return `${body.errcode ?? ""} ${body.errmsg ?? ""}`.trim().slice(0, 300);
}
