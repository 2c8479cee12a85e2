/**
 * What people are told when something goes wrong, in Chinese and English. Codes never change; words
 * may.
 */
import { parseAccept } from "hono/utils/accept";
import type { ErrorCode } from "../../core/error.ts";

export type Language = "zh" | "en";

const WORDS: Record<ErrorCode, Record<Language, string>> = {
  invalid: { zh: "请求有误", en: "The request is not valid" },
  too_large: { zh: "内容太大", en: "That is too large" },
  unsupported_type: { zh: "请以 application/json 发送", en: "Please send application/json" },
  unauthenticated: { zh: "未登录", en: "Not signed in" },
  session_expired: { zh: "会话已过期", en: "The session has expired" },
  wrong_credentials: { zh: "用户名或密码错误", en: "Wrong name or password" },
  second_factor: { zh: "需要正确的动态验证码", en: "A valid one-time code is needed" },
  forbidden: { zh: "没有权限", en: "Not allowed" },
  not_found: { zh: "不存在", en: "Not found" },
  conflict: { zh: "与当前状态冲突", en: "In conflict with the current state" },
  limited: { zh: "请求过于频繁，请稍后再试", en: "Too many requests, please try again later" },
  conversations_full: {
    zh: "对话数量已达上限，请先删除一些",
    en: "As many conversations as there may be; delete some first",
  },
  queue_full: {
    zh: "等待的人太多，请稍后再试",
    en: "Too many are waiting, please try again later",
  },
  queue_timeout: { zh: "等待超时，请再试一次", en: "Waited too long, please try again" },
  no_bot: { zh: "没有可用的机器人", en: "No bot is available" },
  bot_offline: { zh: "机器人不在线", en: "The bot is not online" },
  bot_gone: { zh: "机器人在回答完成前断开了", en: "The bot left before it was done" },
  bot_declined: { zh: "机器人的主人没有允许您与它对话", en: "The bot's owner has not let you in" },
  bot_failed: { zh: "机器人出错了", en: "The bot failed" },
  bot_misconfigured: {
    zh: "机器人的配置有问题，请联系管理员",
    en: "The bot is not set up correctly, please tell your administrator",
  },
  question_refused: { zh: "机器人不接受这个问题", en: "The bot does not take this question" },
  context_too_long: {
    zh: "对话太长，超出了模型的上下文，请缩短或新建对话",
    en: "The conversation is too long for this model; shorten it or begin a new one",
  },
  answer_unsupported: {
    zh: "机器人的回答含有无法转达的内容",
    en: "The bot answered with something that cannot be passed on",
  },
  reply_timeout: { zh: "机器人太久没有回应", en: "The bot fell silent" },
  reply_too_large: { zh: "回答太长，已截断", en: "The answer grew too large and was cut" },
  cancelled: { zh: "已停止", en: "Stopped" },
  shutting_down: {
    zh: "服务正在重启，请稍后再试",
    en: "The gateway is restarting, please try again shortly",
  },
  request_timeout: { zh: "请求没有及时传完", en: "The request did not arrive in time" },
  unavailable: {
    zh: "服务暂时不可用，请稍后再试",
    en: "The gateway cannot do this right now, please try again shortly",
  },
  internal: { zh: "内部错误", en: "Something went wrong inside" },
};

/** The words for a code, with what exactly was wrong where that is known. */
export function errorText(code: ErrorCode, language: Language, detail?: string): string {
  const words = WORDS[code][language];
  return detail ? `${words}${language === "zh" ? "：" : ": "}${detail}` : words;
}

/**
 * The language a client asks for (RFC 9110, 12.5.4). A client that names no language, or sends
 * only `*` as Node's `fetch` does, gets `otherwise`.
 *
 * @param header an `Accept-Language` header
 * @param otherwise Chinese by default: that is what clients of Nexus 1.x expect
 */
export function languageOf(
  header: string | null | undefined,
  otherwise: Language = "zh",
): Language {
  const wishes = parseAccept((header ?? "").slice(0, MAX_HEADER));
  const named = wishes.filter(({ type }) => type !== "*");
  if (named.length === 0) return otherwise;
  // The best first, so the first of a language is its weight.
  const best = named.map(({ type, q }) => ({
    language: /^(zh|en)(?:-|$)/i.exec(type)?.[1]?.toLowerCase(),
    q,
  }))
    .filter(({ language }) => language !== undefined);
  const any = wishes.find(({ type }) => type === "*")?.q ?? 0;
  const weightOf = (language: Language) => best.find((one) => one.language === language)?.q ?? any;
  const [zh, en] = [weightOf("zh"), weightOf("en")];
  if (zh !== en) return zh > en ? "zh" : "en";
  // Somebody who reads neither is better served in English.
  return zh > 0 ? (best[0]?.language as Language | undefined) ?? "en" : "en";
}

/** Letters of a header that are read; browsers send fewer than a hundred. */
const MAX_HEADER = 1000;
