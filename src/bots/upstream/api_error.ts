/**
 * What a model API's refusal means, by its status and by what it says of the error: who has to do
 * something about it, and whether another try may help.
 */
import type { ErrorCode } from "../../core/error.ts";
import { parseJson } from "../../core/json.ts";
import { isFields } from "./fields.ts";

export interface ApiError {
  readonly code: ErrorCode;
  /** Safe to show. */
  readonly detail: string;
  /** Another try, or another bot, may do better. */
  readonly retryable: boolean;
  /** The API's own code for it, such as `context_length_exceeded`. */
  readonly reason?: string;
}

/** An error as APIs write it: in OpenAI's shape, in Anthropic's, or about so. */
interface ErrorBody {
  readonly text?: string;
  /** The API's own code. */
  readonly reason?: string;
  /** Its kind, in words such as `invalid_request_error`. */
  readonly kind: string;
  /** A status that stands in the body, as OpenRouter and vLLM write it. */
  readonly status?: number;
}

/** What an answer with this status means. */
export function apiErrorOf(status: number, body: string): ApiError {
  return classify(status, told(body), `the model API answered ${status}`);
}

/** What an error means that came with status 200, as the answer or in the middle of it. */
export function apiErrorOfEvent(text: string): ApiError {
  const error = told(text);
  const status = error.status ??
    STATUS_OF_KIND.find(([kind]) => kind.test(`${error.kind} ${error.reason ?? ""}`))?.[1];
  return classify(status ?? 500, error, `the model API reported ${error.kind || "an error"}`);
}

/**
 * The answer holds something that people and clients cannot be given, and without it the rest is
 * not what the model meant.
 */
export function unsupported(what: string): ApiError {
  return {
    code: "answer_unsupported",
    detail: `the model answered with ${what}`,
    retryable: false,
  };
}

/** Whether the same bot may be asked again at once: the list that the providers' own SDKs retry. */
export function worthRepeating(status: number): boolean {
  return status === 408 || status === 409 || status === 429 || status >= 500;
}

function classify(status: number, { text, reason, kind }: ErrorBody, answered: string): ApiError {
  const detail = text ? `${answered}: ${text}` : answered;
  const all = `${kind} ${reason ?? ""}`;
  if (isTooLong(status, all, text)) {
    // Another model of the pool may have a larger window.
    return { code: "context_too_long", detail, retryable: true, reason: "context_length_exceeded" };
  }
  // Money is not there again after a pause.
  if (status === 402 || (status === 429 && /insufficient_quota|billing/.test(all))) {
    return { code: "bot_misconfigured", detail, retryable: true };
  }
  switch (status) {
    case 401:
    case 403:
      // What the API says of a key may quote it.
      return {
        code: "bot_misconfigured",
        detail: `the model API refuses the key (${status})`,
        retryable: true,
      };
    case 404:
      return { code: "bot_misconfigured", detail, retryable: true };
    case 413:
      return { code: "too_large", detail, retryable: false };
    case 429:
      return { code: "limited", detail, retryable: true };
    case 408:
    case 409:
      return { code: "bot_failed", detail, retryable: true };
  }
  if (status >= 400 && status < 500) {
    return { code: "question_refused", detail, retryable: false, reason };
  }
  return { code: "bot_failed", detail, retryable: true };
}

/** What the kinds of errors are as statuses. The first that fits counts. */
const STATUS_OF_KIND: readonly (readonly [RegExp, number])[] = [
  [/rate_limit|quota|too_many/, 429],
  [/billing/, 402],
  [/authentication|invalid_api_key/, 401],
  [/permission/, 403],
  [/not_found/, 404],
  [/too_large/, 413],
  [/invalid|context|content_filter|content_policy|BadRequest/, 400],
];

/**
 * Words for a conversation that does not fit, where an API has no code for it (Anthropic, vLLM,
 * llama.cpp, Gemini).
 */
const TOO_LONG = [
  "context length",
  "context window",
  "context size",
  "maximum context",
  "prompt is too long",
  "input is too long",
  "exceeds the maximum number of tokens",
];

function isTooLong(status: number, kind: string, text = ""): boolean {
  if (status < 400 || status >= 500 || status === 429) return false;
  if (/context_length|context_window|exceed_context/.test(kind)) return true;
  const lower = text.toLowerCase();
  return (status === 400 || status === 413 || status === 422) &&
    TOO_LONG.some((words) => lower.includes(words));
}

/** Units of an error's words that are shown: some APIs send a whole page. */
const MAX_TEXT = 300;

/** `{"error":{"message","type","code"}}`, `{"error":"…"}` or `{"message"}`: all three are about. */
function told(body: string): ErrorBody {
  let value: unknown;
  try {
    value = parseJson(body);
  } catch {
    return { kind: "" };
  }
  // Gemini's errors are a list of one.
  const [first] = Array.isArray(value) ? value : [value];
  const error = isFields(first) ? first.error ?? first : undefined;
  if (!isFields(error)) return { kind: "", text: textOf(error) };
  const { message, type, code } = error;
  return {
    text: textOf(message),
    kind: typeof type === "string" ? type.slice(0, 100) : "",
    reason: typeof code === "string" && /^[\w.-]{1,64}$/.test(code) ? code : undefined,
    status: typeof code === "number" && code >= 400 && code < 600 ? code : undefined,
  };
}

function textOf(message: unknown): string | undefined {
  if (typeof message !== "string" || message === "") return undefined;
  return redacted(message.length > MAX_TEXT ? `${message.slice(0, MAX_TEXT)}…` : message);
}

/**
 * APIs quote the key they refuse ("Incorrect API key provided: sk-ab…"), and people would see it.
 */
export function redacted(text: string): string {
  return text.replace(/\b(sk|pk|key|Bearer)[-_ ][\w*.-]{4,}/gi, "$1-…");
}
