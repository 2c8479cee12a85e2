/** The gateway's own texts in chats, in English and Chinese, and the commands of people. */
import type { ErrorCode } from "../../core/error.ts";
import type { Language } from "../../core/languages.ts";
import type { UnsupportedPart } from "./platform.ts";

export type { Language };

/** Returns the language of a text: one Chinese character is enough; a number has none. */
export function languageOf(text: string, otherwise: Language): Language {
  return languageIn(text) ?? otherwise;
}

/** Returns the language of a text; `undefined` where it has none. */
export function languageIn(text: string): Language | undefined {
  if (/[\u3400-\u9fff]/.test(text)) return "zh";
  return /[A-Za-z]{2}/.test(text) ? "en" : undefined;
}

/** Reads an answer of yes or no; `undefined` for anything else. */
export function yesOrNo(text: string): boolean | undefined {
  const word = text.trim().toLowerCase().replace(/[。.!！]$/, "");
  if (["yes", "y", "/yes", "ok", "是", "是的", "好", "好的", "确认", "同意"].includes(word)) {
    return true;
  }
  return ["no", "n", "/no", "cancel", "否", "不", "不是", "取消", "拒绝"].includes(word)
    ? false
    : undefined;
}

export type Command =
  | { readonly name: "stop" | "new" | "bots" | "help" }
  | { readonly name: "use"; readonly bot: string | undefined }
  | { readonly name: "pair"; readonly code: string | undefined };

const COMMANDS: Readonly<Record<string, Command["name"]>> = {
  "/stop": "stop",
  "/停止": "stop",
  "/停": "stop",
  "停止": "stop",
  "stop": "stop",
  "/new": "new",
  "/reset": "new",
  "/新对话": "new",
  "/新会话": "new",
  "新对话": "new",
  "新会话": "new",
  "/bots": "bots",
  "/机器人": "bots",
  "/use": "use",
  "/使用": "use",
  "/切换": "use",
  "/help": "help",
  "/帮助": "help",
  "帮助": "help",
  "/pair": "pair",
  "/绑定": "pair",
};

/** UTF-16 units of a message that are read as a command. */
const MAX_COMMAND = 300;

/** Reads a command. A word without a slash is one only where it is the whole message. */
export function commandOf(text: string): Command | undefined {
  const trimmed = text.trim();
  const [word = "", ...more] = trimmed.slice(0, MAX_COMMAND).split(/\s+/);
  const name = COMMANDS[word.toLowerCase()];
  if (!name || (!word.startsWith("/") && trimmed.length > word.length)) return undefined;
  const rest = more.join(" ") || undefined;
  if (name === "use") return { name, bot: rest };
  if (name === "pair") return { name, code: rest };
  return { name };
}

/** Returns the language of a message. Commands and answers of yes or no show none. */
export function languageShown(text: string): Language | undefined {
  return commandOf(text) || yesOrNo(text) !== undefined ? undefined : languageIn(text);
}

/** The outcome of a request to stop an answer. `nothing`: none is running. */
export type StopOutcome = "stopped" | "nothing" | "not_yours";

/** Why a file is not included in a question. */
export type UnreadReason = "kind" | "size" | "fetch";

/** A bot in the list of `/bots`. */
export interface ListedBot {
  readonly id: string;
  readonly name: string;
  readonly chosen: boolean;
}

/** All texts of the gateway in one language. */
export interface Words {
  readonly thinking: string;
  readonly queued: (place: number) => string;
  readonly stop: Readonly<Record<StopOutcome, string>>;
  /** The label that replaces the stop button. */
  readonly stopLabels: Readonly<Record<StopOutcome, string>>;
  readonly ended: string;
  readonly newBegun: string;
  readonly noBots: string;
  readonly bots: (names: readonly ListedBot[]) => string;
  readonly using: (name: string) => string;
  readonly usingAny: string;
  readonly unknownBot: (name: string) => string;
  readonly help: string;
  readonly notAllowed: string;
  readonly notChecked: string;
  readonly notShown: string;
  readonly pairing: (code: string, minutes: number) => string;
  /** For groups, where a code must not be shown. */
  readonly pairPrivately: string;
  readonly pairAsk: (account: string) => string;
  readonly pairRefused: string;
  readonly tooManyCodes: string;
  readonly bound: (name: string) => string;
  readonly late: string;
  readonly continued: string;
  readonly maybeAgain: string;
  readonly tooLong: string;
  readonly moved: string;
  readonly cutOff: string;
  readonly cancelled: string;
  readonly empty: string;
  readonly seeImages: string;
  readonly stopButton: string;
  readonly fileSkipped: (name: string) => string;
  /** The names of kinds of messages, after "a" or in a list. */
  readonly kinds: Readonly<Record<UnsupportedPart, string>>;
  readonly notUnderstood: (kinds: readonly UnsupportedPart[]) => string;
  readonly partsLost: (kinds: readonly UnsupportedPart[]) => string;
  readonly fileNotRead: (name: string, why: UnreadReason) => string;
  readonly onlySomePictures: (most: number) => string;
  readonly onlySomeFiles: (most: number) => string;
  readonly pictureLost: string;
  readonly quoteLost: string;
  readonly quotedPictures: (count: number) => string;
  readonly reading: string;
  readonly notSent: (name: string, size: string) => string;
  readonly failed: (code: ErrorCode, retryAfter?: number) => string;
}

export function wordsIn(language: Language): Words {
  return language === "zh" ? zh : en;
}

const zhList = (kinds: readonly UnsupportedPart[]) =>
  [...new Set(kinds)].map((kind) => zh.kinds[kind]).join("、");

const enList = (kinds: readonly UnsupportedPart[]) =>
  [...new Set(kinds)].map((kind) => en.kinds[kind]).join(", ");

const zh: Words = {
  thinking: "思考中…",
  queued: (place) => `排队中，前面还有 ${Math.max(0, place - 1)} 位…`,
  stop: {
    stopped: "已停止。",
    nothing: "现在没有正在进行的回答。",
    not_yours: "这是别人的提问，只有提问者或管理员可以停止。",
  },
  stopLabels: { stopped: "已停止", nothing: "没有在回答", not_yours: "无权停止" },
  ended: "已结束",
  newBegun: "已开始新对话。",
  noBots: "现在没有在线的机器人。",
  bots: (names) =>
    "可用的机器人：\n\n" +
    names.map((bot) => `- ${bot.name} (\`${bot.id}\`)${bot.chosen ? " ← 当前" : ""}`).join("\n") +
    "\n\n发送 `/use 名称` 切换，`/use` 取消指定。",
  using: (name) => `之后由 ${name} 回答。`,
  usingAny: "之后由任一可用的机器人回答。",
  unknownBot: (name) => `没有名为“${name}”的机器人。发送 \`/bots\` 查看列表。`,
  help:
    "直接发消息即可提问。命令：\n\n- `/stop` 停止当前回答\n- `/new` 开始新对话\n- `/bots` 查看机器人\n- `/use 名称` 指定机器人\n- `/help` 显示本帮助",
  notAllowed: "抱歉，您没有使用此机器人的权限，请联系管理员。",
  notChecked: "⚠️ 暂时无法确认您的使用权限，请稍后再试。",
  notShown: "⚠️ 平台没有允许显示这条回答。",
  pairing: (code, minutes) =>
    `绑定账号：登录网页后输入绑定码 **${code}**，或请管理员确认。绑定码 ${minutes} 分钟内有效。请勿告诉他人。`,
  pairPrivately: "绑定账号请私聊我：绑定码不会发到群里。",
  pairAsk: (account) =>
    `要将这里绑定到账号“${account}”吗？回复“是”绑定，回复“否”取消。如果不是您本人在操作，请回复“否”。`,
  pairRefused: "没有绑定。",
  tooManyCodes: "绑定请求过多，请稍后再试。",
  bound: (name) => `已绑定账号 ${name}。`,
  late: "抱歉，这条消息等待太久，没有得到处理。如仍需要，请再发一次。",
  continued: "（续）",
  maybeAgain: "（可能重复发送）",
  tooLong: "⚠️ 内容太长，其余部分无法在这里显示。",
  moved: "回答见下方。",
  cutOff: "⚠️ 回答中断，以上内容不完整。",
  cancelled: "⏹ 已停止。",
  empty: "（机器人没有返回内容）",
  seeImages: "（见附件）",
  stopButton: "停止",
  fileSkipped: (name) => `[附件：${name}]`,
  kinds: {
    voice: "语音",
    video: "视频",
    sticker: "表情包",
    forward: "合并转发的聊天记录",
    card: "卡片",
    location: "位置",
    chat_card: "群名片",
    name_card: "个人名片",
    calendar: "日程",
    call: "视频会议",
    task: "任务",
    vote: "投票",
    red_packet: "红包",
    folder: "文件夹",
    unknown: "这类消息",
  },
  notUnderstood: (kinds) => `⚠️ 暂时无法处理${zhList(kinds)}。请发送文字、图片或文本文件。`,
  partsLost: (kinds) => `⚠️ 消息中的${zhList(kinds)}没有交给机器人。`,
  fileNotRead: (name, why) =>
    why === "fetch"
      ? `⚠️ 无法获取文件“${name}”，请重新发送。`
      : why === "size"
      ? `⚠️ 文件“${name}”超过 64 KB，没有读取。`
      : `⚠️ 无法读取文件“${name}”：目前只读取 64 KB 以内的文本文件。`,
  onlySomePictures: (most) => `⚠️ 只读取了前 ${most} 张图片。`,
  onlySomeFiles: (most) => `⚠️ 只读取了前 ${most} 个文件。`,
  pictureLost: "⚠️ 无法获取图片，请重新发送。",
  quoteLost: "⚠️ 无法获取被引用的消息，机器人没有看到它。",
  quotedPictures: (count) => `[${count} 张图片]`,
  reading: "正在读取您发送的内容…",
  notSent: (name, size) => `📎 ${name}（${size}）无法发送到这里。`,
  failed(code, retryAfter) {
    switch (code) {
      case "no_bot":
        return "⚠️ 现在没有在线的机器人，请稍后再试。";
      case "bot_offline":
        return "⚠️ 指定的机器人不在线。发送 `/bots` 查看可用的机器人。";
      case "queue_full":
      case "queue_timeout":
        return "⚠️ 机器人正忙，请稍后再试。";
      case "limited":
        return `⚠️ 您的提问太频繁，请${retryAfter ? ` ${retryAfter} 秒后` : "稍后"}再试。`;
      case "reply_timeout":
        return "⚠️ 机器人长时间没有响应。";
      case "bot_gone":
        return "⚠️ 机器人已断开连接。";
      case "bot_failed":
        return "⚠️ 机器人出错了，请重试。";
      case "bot_declined":
        return "⚠️ 机器人的主人没有允许您与它对话。";
      case "bot_misconfigured":
        return "⚠️ 机器人的配置有问题，请联系管理员。";
      case "question_refused":
        return "⚠️ 机器人不接受这个问题，请换一种说法。";
      case "context_too_long":
        return "⚠️ 对话太长，模型放不下了。发送 `/new` 新建对话，或缩短问题。";
      case "answer_unsupported":
        return "⚠️ 机器人的回答含有无法显示的内容。";
      case "too_large":
      case "reply_too_large":
        return "⚠️ 内容太长，无法处理。";
      case "unsupported_type":
      case "invalid":
        return "⚠️ 无法处理这种消息，请发送文字或图片。";
      case "shutting_down":
        return "⚠️ 服务正在重启，请稍后再试。";
      default:
        return "⚠️ 出了点问题，请稍后再试。";
    }
  },
};

const en: Words = {
  thinking: "Thinking…",
  queued: (place) => `Waiting in line, ${Math.max(0, place - 1)} ahead of you…`,
  stop: {
    stopped: "StopOutcome.",
    nothing: "Nothing is being answered right now.",
    not_yours: "Somebody else asked this; only they or an administrator can stop it.",
  },
  stopLabels: {
    stopped: "StopOutcome",
    nothing: "Nothing to stop",
    not_yours: "Not yours to stop",
  },
  ended: "Ended",
  newBegun: "A new conversation has begun.",
  noBots: "No bot is online right now.",
  bots: (names) =>
    "Bots you can use:\n\n" +
    names.map((bot) => `- ${bot.name} (\`${bot.id}\`)${bot.chosen ? " ← current" : ""}`).join(
      "\n",
    ) +
    "\n\nSend `/use NAME` to choose one, `/use` to let any answer.",
  using: (name) => `${name} answers from now on.`,
  usingAny: "Any bot may answer from now on.",
  unknownBot: (name) => `There is no bot named "${name}". Send \`/bots\` for the list.`,
  help:
    "Just ask. Commands:\n\n- `/stop` stops the answer\n- `/new` begins a new conversation\n- `/bots` lists the bots\n- `/use NAME` chooses a bot\n- `/help` shows this",
  notAllowed: "Sorry, you may not use this bot. Please ask your administrator.",
  notChecked:
    "⚠️ Whether you may use this bot could not be checked right now, please try again later.",
  notShown: "⚠️ The platform did not let this answer be shown.",
  pairing: (code, minutes) =>
    `To link your account, sign in on the web page and enter the code **${code}**, or ask an administrator to confirm it. It holds for ${minutes} minutes. Show it to nobody.`,
  pairPrivately: "To link your account, write to me privately: the code is not shown in a group.",
  pairAsk: (account) =>
    `Link this chat to the account "${account}"? Answer "yes" to link it, "no" not to. If it is not you who is doing this, answer "no".`,
  pairRefused: "Nothing was linked.",
  tooManyCodes: "Too many people are linking their accounts right now, please try again later.",
  bound: (name) => `Linked to the account ${name}.`,
  late:
    "Sorry, this message waited too long and was not answered. Please send it again if you still need it.",
  continued: "(continued)",
  maybeAgain: "(possibly sent twice)",
  tooLong: "⚠️ This is too long: the rest cannot be shown here.",
  moved: "The answer is below.",
  cutOff: "⚠️ The answer was cut off; what stands above is not complete.",
  cancelled: "⏹ StopOutcome.",
  empty: "(the bot returned nothing)",
  seeImages: "(see what is attached)",
  stopButton: "Stop",
  fileSkipped: (name) => `[attachment: ${name}]`,
  kinds: {
    voice: "voice message",
    video: "video",
    sticker: "sticker",
    forward: "forwarded chat",
    card: "card",
    location: "location",
    chat_card: "shared group",
    name_card: "shared contact",
    calendar: "calendar event",
    call: "call",
    task: "task",
    vote: "poll",
    red_packet: "red packet",
    folder: "folder",
    unknown: "message of this kind",
  },
  notUnderstood: (kinds) =>
    `⚠️ I cannot read a ${enList(kinds)} yet. Please send text, pictures or text files.`,
  partsLost: (kinds) => `⚠️ The bot did not get this part of the message: ${enList(kinds)}.`,
  fileNotRead: (name, why) =>
    why === "fetch"
      ? `⚠️ The file "${name}" could not be fetched; please send it again.`
      : why === "size"
      ? `⚠️ The file "${name}" has more than 64 KB and was not read.`
      : `⚠️ The file "${name}" was not read: only text files of up to 64 KB are.`,
  onlySomePictures: (most) => `⚠️ Only the first ${most} pictures were read.`,
  onlySomeFiles: (most) => `⚠️ Only the first ${most} files were read.`,
  pictureLost: "⚠️ The picture could not be fetched; please send it again.",
  quoteLost: "⚠️ The quoted message could not be fetched; the bot did not see it.",
  quotedPictures: (count) => count === 1 ? "[a picture]" : `[${count} pictures]`,
  reading: "Reading what you sent…",
  notSent: (name, size) => `📎 ${name} (${size}) cannot be sent here.`,
  failed(code, retryAfter) {
    switch (code) {
      case "no_bot":
        return "⚠️ No bot is online right now, please try again later.";
      case "bot_offline":
        return "⚠️ That bot is not online. Send `/bots` for those that are.";
      case "queue_full":
      case "queue_timeout":
        return "⚠️ The bots are busy, please try again later.";
      case "limited":
        return `⚠️ You ask too often, please try again ${
          retryAfter ? `in ${retryAfter} s` : "later"
        }.`;
      case "reply_timeout":
        return "⚠️ The bot has not answered for too long.";
      case "bot_gone":
        return "⚠️ The bot's connection was lost.";
      case "bot_failed":
        return "⚠️ The bot failed, please try again.";
      case "bot_declined":
        return "⚠️ This bot's owner has not let you in.";
      case "bot_misconfigured":
        return "⚠️ The bot is not set up correctly, please tell your administrator.";
      case "question_refused":
        return "⚠️ The bot does not take this question, please put it another way.";
      case "context_too_long":
        return "⚠️ The conversation is too long for this model. Send `/new` for a new one, or shorten the question.";
      case "answer_unsupported":
        return "⚠️ The bot answered with something that cannot be shown here.";
      case "too_large":
      case "reply_too_large":
        return "⚠️ That is too long.";
      case "unsupported_type":
      case "invalid":
        return "⚠️ This kind of message cannot be answered; please send text or images.";
      case "shutting_down":
        return "⚠️ The service is restarting, please try again in a moment.";
      default:
        return "⚠️ Something went wrong, please try again later.";
    }
  },
};
