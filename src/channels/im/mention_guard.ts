/**
 * Mentions in what a bot says. Whoever makes a model repeat `<at id=all></at>` must not ping a
 * whole group, so each mark that a platform reads as a mention gets a sign into it that nobody
 * sees. The words stay as they are. Nothing that Nexus itself sends mentions anybody.
 */
import { type Fence, fenceAfter } from "./fence.ts";

/** Whose marks. */
export type MentionSyntax = "feishu" | "dingtalk" | "wecom";

/** A space without width. */
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

/** `<at …>` in texts, rich texts and cards, `<person …>` in cards. `<atomic>` is something else. */
const FEISHU = /<(?=\/?(?:at|person)(?:[\s/>]|$))/gi;

/** `<@userid>` in the Markdown of apps, AI bots and webhooks. */
const WECOM_ID = /<(?=@)/g;

/** Everybody, on WeCom and DingTalk. */
const ALL = /@(?=all\b|everyone\b|所有人|全体成员|全员)/gi;

/** A mobile number, which DingTalk reads as its owner, with or without the code of a country. */
const MOBILE = /@(?=\+?[\d-]{6})/g;

/** A mention's own mark in a card: `<a atId=…>`. */
// linear: it is tried at each `<`, and the spaces that it goes over then stand behind no other.
const AT_TAG = /<(?=\/?a\s+at|@)/gi;

/**
 * DingTalk reads `@` before a number, `all`, or somebody's user id, which may be any word. In code
 * only the first two are touched: `@Override` must still compile when it is copied.
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

/** A line outside fences; what stands between two backticks stays. */
function withoutIds(line: string): string {
  const pieces: string[] = [];
  let from = 0;
  for (let at = 0; at < line.length; at++) {
    if (line[at] === "`") {
      const close = line.indexOf("`", at + 1);
      // One that is never closed is a sign like others, and there are no further ones.
      if (close >= 0) at = close;
    } else if (line[at] === "@" && !isAddress(line, at)) {
      pieces.push(line.slice(from, at + 1));
      from = at + 1;
    }
  }
  return pieces.length === 0 ? line : [...pieces, line.slice(from)].join(BREAK);
}

/**
 * Whether an `@` mentions nobody: inside an address such as `a@example.com`, before a space or
 * another one, or marked already.
 */
function isAddress(text: string, at: number): boolean {
  const next = text[at + 1] ?? "";
  if (next.trim() === "" || next === BREAK || next === "@") return true;
  if (!/[\w.+-]/.test(text[at - 1] ?? "")) return false;
  DOMAIN.lastIndex = at + 1;
  return DOMAIN.test(text);
}

/** A name of at most 63 signs and its end. */
// linear: it is tried at one place, and goes over 64 signs at most.
const DOMAIN = /[A-Za-z0-9-]{1,63}\.[A-Za-z]/y;
