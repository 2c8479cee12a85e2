/**
 * This is what differs between model APIs: how a question is put and how an answer reads. One implementation each in `openai.ts` and
 * `anthropic.ts`; calling, retrying, counting and judging are the same for all and live in `upstream.ts`.
 */
import type { Code } from "../../core/error.ts";
import type { Said, Usage, Wishes } from "../../core/message.ts";
import type { UpstreamSettings } from "./settings.ts";

/** Where a dialect puts what it reads. */
export interface Hearing {
  say(kind: "text" | "reasoning" | "image", content: string): void;
  /** Counts so far; a later one replaces it field by field. */
  count(usage: Partial<Usage>): void;
  /** The model says that it is done and why (`stop`, `length`, `content_filter`, …). The answer may go on with counts. */
  finish(reason: string): void;
  /** The end marker: nothing comes behind it. */
  end(): void;
  /** The API reports an error instead of an answer, or in the middle of one. */
  error(fault: Fault): void;
}

export interface Fault {
  readonly code: Code;
  /** Safe to show. */
  readonly detail: string;
  /** Another try, or another bot, may do better. */
  readonly retryable: boolean;
}

export interface Question {
  readonly said: readonly Said[];
  readonly model: string;
  readonly wishes: Wishes;
  /** Whether the answer shall come in deltas. */
  readonly stream: boolean;
}

export interface Dialect {
  /** Behind the base URL. */
  readonly path: string;
  headers(key: string | undefined): Record<string, string>;
  body(question: Question, settings: UpstreamSettings): string;
  /** Reads one event of a stream. Throws where it is not what it should be. */
  event(name: string | undefined, data: string, hearing: Hearing): void;
  /** Reads an answer that came as one JSON text. */
  whole(text: string, hearing: Hearing): void;
}

/**
 * What a refusal means. 408, 409, 429 and 5xx may go better next time (the list that the providers' own SDKs retry); a wrong key or model
 * does not, though another bot of the pool may answer instead.
 */
export function faultOf(status: number, body: string): Fault {
  const said = errorText(body);
  const detail = `the model API answered ${status}${said ? `: ${said}` : ""}`;
  if (status === 429) return { code: "limited", detail, retryable: true };
  if (status === 413) return { code: "too_large", detail, retryable: false };
  if (status === 400 || status === 422) return { code: "bot_failed", detail, retryable: false };
  return { code: "bot_failed", detail, retryable: true };
}

/** Whether the same bot may be asked again at once. */
export function worthRepeating(status: number): boolean {
  return status === 408 || status === 409 || status === 429 || status >= 500;
}

/** `{"error":{"message"}}`, `{"error":"…"}` or `{"message"}`: all three are about. Cut, because some send a whole page. */
export function errorText(body: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  const error = isFields(value) ? value.error ?? value : undefined;
  const text = isFields(error) ? error.message : error;
  if (typeof text !== "string" || text === "") return undefined;
  return redacted(text.length > 300 ? `${text.slice(0, 300)}…` : text);
}

/** APIs quote the key they refuse ("Incorrect API key provided: sk-ab…"), and people would see it. */
export function redacted(text: string): string {
  return text.replace(/\b(sk|pk|key|Bearer)[-_ ][\w*.-]{4,}/gi, "$1-…");
}

export type Fields = Record<string, unknown>;

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `data:image/png;base64,AAAA` taken apart. */
export function splitDataUrl(url: string): { type: string; base64: string } {
  const match = /^data:([^;,]+)[^,]*,/.exec(url);
  return match ? { type: match[1]!, base64: url.slice(match[0].length) } : { type: "image/png", base64: url };
}
