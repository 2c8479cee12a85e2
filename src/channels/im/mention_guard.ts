/**
 * Disarms mentions in the texts of bots: a person who makes a model repeat `<at id=all></at>` must
 * not notify a whole group. Each mark that a platform reads as a mention gets an invisible sign;
 * the visible text does not change. The gateway itself never mentions anybody.
 */
import { type Fence, fenceAfter } from "./fence.ts";

/** The platform whose marks are disarmed. */
export type MentionSyntax = "feishu" | "dingtalk" | "wecom";

/** A zero-width space. */
const BREAK = "\u200b";

export function withoutMentions(text: string, platform: MentionSyntax): string {
  switch (platform) {
    case "feishu":
      return text.includes("<") ? text.replace(FEISHU, `<${BREAK}`) : text;
    case "wecom":
      return text.includes("@")
        ? text.replace(WECOM_ID, `<${BREAK}`).replace(ALL, `@${BREAK}`)
        : text;
    case "dingtalk":
      return text.includes("@") || text.includes("<") ? withoutDingTalk(text) : text;
  }
}

/** `<at …>` in texts, rich texts and cards, `<person …>` in cards; not `<atomic>`. */
const FEISHU = /<(?=\/?(?:at|person)(?:[\s/>]|$))/gi;

/** `<@userid>` in the Markdown of apps, AI bots and webhooks. */
const WECOM_ID = /<(?=@)/g;

/** Everybody, on WeCom and DingTalk. */
const ALL = /@(?=all\b|everyone\b|所有人|全体成员|全员)/gi;

/** A mobile number, which DingTalk reads as its owner, with or without a country code. */
const MOBILE = /@(?=\+?[\d-]{6})/g;

/** The mark of a mention in a card: `<a atId=…>`. */
// linear: it is tried at each `<`, and the spaces that it goes over then stand behind no other.
const AT_TAG = /<(?=\/?a\s+at|@)/gi;

/**
 * DingTalk reads `@` before a number, `all`, or a user id, which may be any word. In code only the
 * first two are disarmed: `@Override` must still compile after it is copied.
 */
function withoutDingTalk(text: string): string {
  const marked = text.replace(AT_TAG, `<${BREAK}`).replace(ALL, `@${BREAK}`).replace(
    MOBILE,
    `@${BREAK}`,
  );
  let fence: Fence | undefined;
  return marked.split("\n").map((line) => {
    fence = fenceAfter(line, fence);
    return fence === undefined && line.includes("@") ? withoutIds(line) : line;
  }).join("\n");
}

/** Disarms ids in a line outside fences, except between backticks. */
function withoutIds(line: string): string {
  const pieces: string[] = [];
  let from = 0;
  for (let at = 0; at < line.length; at++) {
    if (line[at] === "`") {
      const close = line.indexOf("`", at + 1);
      // Without a closing backtick this one is literal, and no other follows.
      if (close >= 0) at = close;
    } else if (line[at] === "@" && !isAddress(line, at)) {
      pieces.push(line.slice(from, at + 1));
      from = at + 1;
    }
  }
  return pieces.length === 0 ? line : [...pieces, line.slice(from)].join(BREAK);
}

/**
 * Whether an `@` mentions nobody: in an address such as `a@example.com`, before a space or another
 * `@`, or disarmed already.
 */
function isAddress(text: string, at: number): boolean {
  const next = text[at + 1] ?? "";
  if (next.trim() === "" || next === BREAK || next === "@") return true;
  if (!/[\w.+-]/.test(text[at - 1] ?? "")) return false;
  DOMAIN.lastIndex = at + 1;
  return DOMAIN.test(text);
}

/** The first label of a domain, of at most 63 signs, and the beginning of the next. */
// linear: it is tried at one place, and goes over 64 signs at most.
const DOMAIN = /[A-Za-z0-9-]{1,63}\.[A-Za-z]/y;
