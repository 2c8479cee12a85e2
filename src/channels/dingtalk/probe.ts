/**
 * Tries a DingTalk app once: its keys, the Stream's address, its robot and its card template. Keys
 * and Stream are not counted; robot, template and departments cost one call of the organisation's
 * month each, and only in a full check.
 *
 * Sources: DingTalk 获取企业内部应用的 accessToken, Stream 协议, 批量查询人与机器人会话机器人消息是否已读, 创建卡片, 全局错误码.
 */
import type { Thoroughness } from "../../core/checkup.ts";
import type { BilingualText, FindingReport } from "../../core/finding.ts";
import type { Json } from "../../core/store.ts";
import {
  isAesKey,
  namesDepartments,
  type ProbeParts,
  tryOnce,
  unreachable,
  wrongAesKey,
} from "../im/probe.ts";
import type { DingTalkSettings } from "./settings.ts";

/** Calls of the organisation's month that a full check of one app costs at most. */
export const COUNTED_CALLS = 3;

const DINGTALK: BilingualText = { en: "DingTalk", zh: "钉钉" };
const CONSOLE = "https://open-dev.dingtalk.com/fe/app";
const CARDS = "https://open-dev.dingtalk.com/fe/card";

const COPY: BilingualText = {
  en:
    "copy Client ID and Client Secret again: developer console → the app → Credentials and Basic Information",
  zh: "重新复制 Client ID 和 Client Secret：开发者后台 → 该应用 → 凭证与基础信息",
};

export async function probeDingTalk(
  report: FindingReport,
  settings: DingTalkSettings,
  parts: ProbeParts,
  how: Thoroughness,
): Promise<void> {
  const { baseUrl, aesKey } = settings;
  if (aesKey !== undefined && !isAesKey(aesKey)) {
    wrongAesKey(report, "aesKey", {
      en: "copy it again: developer console → the app → Events and Callbacks",
      zh: "重新复制：开发者后台 → 该应用 → 事件与回调",
    });
  }
  const { clientId, clientSecret } = settings;
  const names = { id: "clientId", secret: "clientSecret", address: "baseUrl" };
  const token = await tryDingTalkKeys(report, clientId, clientSecret, baseUrl, names, parts);
  if (token === undefined) return;
  const app: App = { report, settings, parts, token };
  if (settings.mode === "stream") await checkStream(app);
  if (how === "thrifty") return;
  await Promise.all([
    checkRobot(app),
    settings.cardTemplateId === undefined ? undefined : checkTemplate(app, settings.cardTemplateId),
    namesDepartments(settings) ? checkDepartments(app) : undefined,
  ]);
}

interface App {
  readonly report: FindingReport;
  readonly settings: DingTalkSettings;
  readonly parts: ProbeParts;
  readonly token: string;
}

/**
 * A token by the app's keys; what is wrong with them is a finding. @param names the settings' names
 */
export async function tryDingTalkKeys(
  report: FindingReport,
  appKey: string,
  appSecret: string,
  baseUrl: string,
  names: { readonly id: string; readonly secret: string; readonly address: string },
  parts: ProbeParts,
): Promise<string | undefined> {
  const tried = await tryOnce(parts, {
    url: `${baseUrl}/v1.0/oauth2/accessToken`,
    body: { appKey, appSecret },
  });
  if ("trouble" in tried) return void unreachable(report, names.address, DINGTALK, baseUrl, tried);
  if (typeof tried.body.accessToken === "string") return tried.body.accessToken;
  const said = saidBy(tried.body);
  if (isForeign(tried.body)) wrongAddress(report, tried.body);
  else if (/invalidClientIdOrSecret|invalidClientSecret|authFailed/i.test(said)) {
    report.wrong(
      names.secret,
      {
        en: "the Client Secret is wrong, or it belongs to another Client ID",
        zh: "Client Secret 错误，或与 Client ID 不匹配",
      },
      COPY,
      { url: CONSOLE, said },
    );
  } else {
    report.wrong(
      names.id,
      {
        en: "DingTalk gives out no token for this Client ID",
        zh: "钉钉没有为这个 Client ID 签发令牌",
      },
      COPY,
      { url: CONSOLE, said },
    );
  }
  return undefined;
}

/** Asks for the Stream's address, and opens none: DingTalk would send messages to it. */
async function checkStream({ report, settings, parts }: App): Promise<void> {
  const { baseUrl, clientId, clientSecret } = settings;
  const tried = await tryOnce(parts, {
    url: `${baseUrl}/v1.0/gateway/connections/open`,
    body: {
      clientId,
      clientSecret,
      subscriptions: [{ type: "CALLBACK", topic: "/v1.0/im/bot/messages/get" }],
      ua: "nexus-check",
    },
  });
  if ("trouble" in tried) return void unreachable(report, "baseUrl", DINGTALK, baseUrl, tried);
  if (typeof tried.body.endpoint === "string") return;
  if (isForeign(tried.body)) return wrongAddress(report, tried.body);
  report.wrong("mode", { en: "DingTalk gives out no Stream", zh: "钉钉没有提供 Stream 连接" }, {
    en:
      "set the robot's message reception to Stream mode: developer console → the app → Robot; or set `mode` to webhook",
    zh:
      "把机器人的消息接收模式设为 Stream 模式：开发者后台 → 该应用 → 机器人；或把 `mode` 设为 webhook",
  }, { url: CONSOLE, said: saidBy(tried.body) });
}

/**
 * Asks who has read a message that there is not: nothing is sent, and the robot and its permission
 * are judged.
 */
async function checkRobot({ report, settings, parts, token }: App): Promise<void> {
  const { baseUrl, clientId, robotCode = clientId } = settings;
  const query = new URLSearchParams({ robotCode, processQueryKey: "nexus-check" });
  const url = `${baseUrl}/v1.0/robot/oToMessages/readStatus?${query}`;
  const tried = await tryOnce(parts, { url, headers: headersOf(token) });
  if ("trouble" in tried || judgedAll(report, tried.body, "qyapi_robot_sendmsg")) return;
  const said = saidBy(tried.body);
  if (!/robotCode|robot\.?not\.?exist|robot 不存在|chatbot/i.test(said)) return;
  report.wrong(settings.robotCode === undefined ? "" : "robotCode", {
    en: `the app has no robot with the code ${robotCode}`,
    zh: `该应用没有编码为 ${robotCode} 的机器人`,
  }, {
    en:
      "add the robot and copy its RobotCode: developer console → the app → Robot; then publish a version",
    zh: "添加机器人并复制 RobotCode：开发者后台 → 该应用 → 机器人；然后发布版本",
  }, { url: CONSOLE, said });
}

/** Makes a card that is delivered to nobody. */
async function checkTemplate(
  { report, settings, parts, token }: App,
  cardTemplateId: string,
): Promise<void> {
  const body = {
    cardTemplateId,
    outTrackId: `nexus-check-${crypto.randomUUID()}`,
    cardData: { cardParamMap: { [settings.cardKey]: "" } },
    callbackType: "STREAM",
  };
  const url = `${settings.baseUrl}/v1.0/card/instances`;
  const tried = await tryOnce(parts, { url, headers: headersOf(token), body });
  if ("trouble" in tried || judgedAll(report, tried.body, "Card.Instance.Write")) return;
  const said = saidBy(tried.body);
  if (/templateUnpublished/i.test(said)) {
    return report.wrong("cardTemplateId", {
      en: "the card template is not published",
      zh: "卡片模板没有发布",
    }, {
      en: "card platform → the template → Publish",
      zh: "卡片平台 → 该模板 → 发布",
    }, { url: CARDS, said });
  }
  if (!/template/i.test(said)) return;
  report.wrong("cardTemplateId", {
    en: "there is no such card template, or the app may not use it",
    zh: "没有这个卡片模板，或该应用无权使用它",
  }, {
    en:
      "copy the template's id again and link the template to this app: card platform → Template list",
    zh: "重新复制模板 ID，并把模板关联到该应用：卡片平台 → 模板列表",
  }, { url: CARDS, said });
}

/** Asks for somebody who is not there. */
async function checkDepartments({ report, settings, parts, token }: App): Promise<void> {
  const url = `${settings.oapiBaseUrl}/topapi/v2/user/get?access_token=${
    encodeURIComponent(token)
  }`;
  const tried = await tryOnce(parts, { url, body: { userid: "nexus-check" } });
  if ("trouble" in tried) {
    return void unreachable(report, "oapiBaseUrl", DINGTALK, settings.oapiBaseUrl, tried);
  }
  judgedAll(report, tried.body, "qyapi_get_member");
}

/** What any call may be refused for. Whether it was. @param permission what the call needs */
function judgedAll(report: FindingReport, body: Json, permission: string): boolean {
  const said = saidBy(body);
  if (isForeign(body)) {
    wrongAddress(report, body);
    return true;
  }
  if (/ApiCountLimitForOrg|\b90020\b/i.test(said)) {
    if (report.found.some(({ path }) => path === `${report.target}.edition`)) return true;
    report.wrong("edition", {
      en:
        "the organisation's API calls of this month are used up: no card and no robot message is sent",
      zh: "企业本月的 API 调用量已用完：卡片和机器人消息都发不出去",
    }, {
      en: "buy calls or a higher edition: developer console → Resource Center",
      zh: "购买调用量或升级版本：开发者后台 → 资源中心",
    }, { url: CONSOLE, said });
    return true;
  }
  if (!/AccessTokenPermissionDenied|\b60011\b|^88\b/i.test(said)) return false;
  const [named] = Array.isArray(body.accessdenieddetail?.requiredScopes)
    ? body.accessdenieddetail.requiredScopes
    : [];
  const missing = typeof named === "string" ? named : permission;
  report.wrong("", {
    en: `a permission of the app is missing: ${missing}`,
    zh: `应用缺少权限：${missing}`,
  }, {
    en: "developer console → the app → Permission Management",
    zh: "开发者后台 → 该应用 → 权限管理",
  }, { url: CONSOLE, said });
  return true;
}

function isForeign(body: Json): boolean {
  return /IpNotInWhiteList|\b60020\b/i.test(saidBy(body));
}

function wrongAddress(report: FindingReport, body: Json): void {
  if (
    report.found.some(({ said }) => said !== undefined && /IpNotInWhiteList|\b60020\b/i.test(said))
  ) return;
  const address = /\b\d{1,3}(?:\.\d{1,3}){3}\b/.exec(String(body.message ?? body.errmsg ?? ""))
    ?.[0];
  report.wrong("", {
    en: `the gateway's address ${address ?? ""} is not on the app's list of servers`.replace(
      "  ",
      " ",
    ),
    zh: `网关的出口 IP ${address ?? ""} 不在应用的服务器出口 IP 列表中`.replace("  ", " "),
  }, {
    en: "add it: developer console → the app → Security Settings → Server egress IP",
    zh: "添加该 IP：开发者后台 → 该应用 → 安全设置 → 服务器出口 IP",
  }, { url: CONSOLE, said: saidBy(body) });
}

function headersOf(token: string): Record<string, string> {
  return { "x-acs-dingtalk-access-token": token };
}

/** Code and message, of the new API or of the old one. */
function saidBy(body: Json): string {
  const code = body.code ?? body.errcode ?? body.sub_code ?? "",
    words = body.message ?? body.errmsg ?? "";
  return (code === words ? String(code) : `${code} ${words}`).trim().slice(0, 300);
}
