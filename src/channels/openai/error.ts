/**
 * These are failures in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}` with the
 * statuses that its clients branch and retry on.
 *
 * Source: https://platform.openai.com/docs/guides/error-codes.
 */
import { asNexusError, type ErrorCode, NexusError } from "../../core/error.ts";
import type { Ending } from "../../core/reply.ts";
import { rateLimitHeaders } from "./rate_limit_headers.ts";
import { RouteError, statusOf } from "../http/response.ts";
import { errorText, languageOf } from "../http/error_texts.ts";

/** What OpenAI's clients read of an error. */
export interface ErrorBody {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string;
}

/** A failure that only this channel has words for. */
export class OpenAiError extends RouteError {
  override readonly name = "Refused";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly param: string | null = null,
  ) {
    super(message);
  }
}

/**
 * A parameter that would change the answer and cannot be honoured: better no answer than one that
 * quietly ignores it.
 */
export function unsupportedParameter(param: string, what: string): OpenAiError {
  return new OpenAiError(400, "unsupported_parameter", `${param}: ${what}`, param);
}

/**
 * Seconds that a client waits where nobody knows better: its own first pause is half a second,
 * which would only knock again.
 */
const DEFAULT_RETRY_AFTER_SECONDS = 5;

/** The answer to a failure before the first byte. `now`: milliseconds since the epoch. */
export function openAiErrorResponse(thrown: unknown, request: Request, now: number): Response {
  const { status, body, retryAfter } = describeError(thrown, request);
  const headers = new Headers({ "content-type": "application/json", "cache-control": "no-store" });
  if (status === 429 || status === 503) {
    headers.set("retry-after", String(retryAfter ?? DEFAULT_RETRY_AFTER_SECONDS));
  }
  // The SDKs would ask twice more, and the answer would be the same.
  if (isLasting(thrown)) headers.set("x-should-retry", "false");
  if (thrown instanceof NexusError) {
    for (const [name, value] of rateLimitHeaders(thrown.extra.left, now)) headers.set(name, value);
  }
  if (status === 401) headers.set("www-authenticate", 'Bearer realm="nexus"');
  return new Response(JSON.stringify({ error: body }), { status, headers });
}

/**
 * Any failure as a status and a body. What is not ours is `internal`, and its text stays inside.
 */
export function describeError(
  thrown: unknown,
  request: Request,
): { status: number; body: ErrorBody; retryAfter?: number } {
  if (thrown instanceof OpenAiError) {
    const { status, code, message, param } = thrown;
    return { status, body: { message, type: typeOf(status), param, code } };
  }
  const { code, detail, retryAfter, extra } = asNexusError(thrown);
  const status = statusOf(code);
  // English unless asked otherwise: OpenAI's clients send no wish, and their users look messages
  // up.
  const message = errorText(code, languageOf(request.headers.get("accept-language"), "en"), detail);
  const param = code === "invalid" ? /^([\w.]+): /.exec(detail ?? "")?.[1] ?? null : null;
  return {
    status,
    body: { message, type: typeOf(status), param, code: codeOf(code, extra.reason) },
    retryAfter,
  };
}

/** How a turn that did not end well reads as a failure. */
export function failureOf(ending: Ending): NexusError {
  const code: ErrorCode = ending.status === "cancelled" ? "cancelled" : ending.code ?? "internal";
  return new NexusError(code, ending.detail, {
    retryAfter: ending.retryAfter,
    reason: ending.reason,
  });
}

/** Whether it is no fault of the moment although its status is one of those that clients repeat. */
function isLasting(thrown: unknown): boolean {
  return thrown instanceof NexusError &&
    (thrown.code === "bot_misconfigured" || thrown.code === "answer_unsupported");
}

function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

/**
 * Clients know these of OpenAI's codes, and what a model API called a question that it refused; the
 * others are Nexus' own.
 */
function codeOf(code: ErrorCode, reason?: string): string {
  if (code === "context_too_long") return "context_length_exceeded";
  if (code === "question_refused" && reason !== undefined) return reason;
  if (code === "limited" || code === "queue_full") return "rate_limit_exceeded";
  if (code === "unauthenticated" || code === "session_expired") return "invalid_api_key";
  return code;
}
