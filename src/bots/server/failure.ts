/**
 * This is how a bot's `fail` ends its turn. A few codes say what happened in the gateway's own
 * words; every other code is the bot's own word, and its turn ends as `bot_failed`.
 * docs/protocol.md lists them.
 */
import type { ErrorCode } from "../../core/error.ts";
import type { FailureInfo } from "../../core/link.ts";
import type { FailFrame } from "../wire/frame.ts";

export interface Failure {
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly info: FailureInfo;
}

/** Codes of a `fail` that the gateway passes on as its own. */
const PASSED_ON: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ["bot_declined", "bot_declined"],
  // The OpenClaw plugin of Nexus 2.0.
  ["forbidden", "bot_declined"],
  ["queue_full", "queue_full"],
  ["limited", "limited"],
  ["question_refused", "question_refused"],
  ["context_too_long", "context_too_long"],
  ["cancelled", "cancelled"],
]);

/** What was said stands, the rest is missing. */
const INCOMPLETE = "incomplete";
/** Units of a failure's message that are shown to the person. */
const MAX_MESSAGE = 500;

export function failureOf({ code, message }: Pick<FailFrame, "code" | "message">): Failure {
  const words = message?.slice(0, MAX_MESSAGE) || undefined;
  const known = PASSED_ON.get(code ?? "");
  // The message is for the person and may hold their own words; the log gets the code, where it is
  // a word and no sentence.
  const logged = code !== undefined && /^[\w.:-]{1,64}$/.test(code) ? code : "";
  if (known) return { code: known, detail: words, info: { logged } };
  if (code === INCOMPLETE) {
    return { code: "bot_failed", detail: words, info: { logged, partial: true } };
  }
  return {
    code: "bot_failed",
    detail: [code, words].filter(Boolean).join(": ") || undefined,
    info: { logged },
  };
}
