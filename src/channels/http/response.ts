/**
 * What every HTTP channel shares: bodies are read within bounds and checked once, failures become a
 * status with words and a code.
 */
import type { z } from "zod";
import { readBytes } from "../../core/byte_collector.ts";
import { asNexusError, type ErrorCode, NexusError } from "../../core/error.ts";
import { parseJson, TooComplex } from "../../core/json.ts";
import { withBodyTimeout } from "./body_timeout.ts";
import { errorText, type Language, languageOf } from "./error_texts.ts";

/** What is needed to know of a connection. */
export interface ConnectionInfo {
  /** The address of whoever is at the other end, after trusted proxies. */
  readonly address: string;
  /** The address of the socket's other end: a proxy, perhaps. Default: `address`. */
  readonly peer?: string;
  /** Whether the browser's side is encrypted, as far as it can be known. */
  readonly secure?: boolean;
}

/** The one table from codes to statuses. */
const STATUS: Record<ErrorCode, number> = {
  invalid: 400,
  too_large: 413,
  request_timeout: 408,
  unsupported_type: 415,
  unauthenticated: 401,
  session_expired: 401,
  wrong_credentials: 401,
  second_factor: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  limited: 429,
  // Not 429: it does not get better by waiting.
  conversations_full: 409,
  queue_full: 429,
  queue_timeout: 503,
  no_bot: 503,
  bot_offline: 503,
  bot_gone: 502,
  bot_failed: 502,
  bot_declined: 403,
  bot_misconfigured: 502,
  question_refused: 400,
  context_too_long: 400,
  answer_unsupported: 502,
  reply_timeout: 504,
  reply_too_large: 502,
  cancelled: 409,
  shutting_down: 503,
  unavailable: 503,
  internal: 500,
};

/** An error that a group of routes words by itself; it is no fault of ours. */
export abstract class RouteError extends Error {}

export function statusOf(code: ErrorCode): number {
  return STATUS[code];
}

const JSON_HEADERS: [string, string][] = [["content-type", "application/json"], [
  "cache-control",
  "no-store",
]];

/** A JSON answer that no cache keeps. */
export function json(
  value: unknown,
  status = 200,
  headers?: readonly (readonly [string, string])[],
): Response {
  return new Response(JSON.stringify(value), {
    status,
    headers: headers
      ? [...JSON_HEADERS, ...headers.map(([name, text]): [string, string] => [name, text])]
      : JSON_HEADERS,
  });
}

/**
 * The answer to a failure before the first byte: `{"error": "text for people", "code":
 * "stable_code"}`.
 */
export function errorResponse(
  thrown: unknown,
  language: Language,
  more: Record<string, unknown> = {},
): Response {
  const error = asNexusError(thrown);
  const headers: [string, string][] = [];
  if (error.retryAfter !== undefined) headers.push(["retry-after", String(error.retryAfter)]);
  if (STATUS[error.code] === 401) headers.push(["www-authenticate", 'Bearer realm="nexus"']);
  return json(
    { error: errorText(error.code, language, error.detail), code: error.code, ...more },
    STATUS[error.code],
    headers,
  );
}

/**
 * Names requests: by what a proxy in front of us called it (`X-Request-Id`), else by a number
 * behind a name of this process. The same name is in the answer and in the log.
 */
export function requestIds(): (request: Request) => string {
  const process = crypto.randomUUID().slice(0, 8);
  let count = 0;
  return (request) => {
    const given = request.headers.get("x-request-id");
    return given !== null && /^[\w.:-]{1,100}$/.test(given)
      ? given
      : `${process}-${(++count).toString(36)}`;
  };
}

/** The language of a request. */
export function languageOfRequest(request: Request): Language {
  return languageOf(request.headers.get("accept-language"));
}

/**
 * Reads a JSON body and checks it.
 *
 * Throws `unsupported_type`, `too_large`, `request_timeout` or `invalid`; the detail names the path
 * and what would be right.
 *
 * @param maxBytes the bound on the body as it arrives
 */
export async function readBody<T extends z.ZodType>(
  request: Request,
  schema: T,
  maxBytes: number,
): Promise<z.infer<T>> {
  const type = request.headers.get("content-type");
  if (type !== null && !/^application\/(?:[\w.-]+\+)?json\b/i.test(type)) {
    throw new NexusError("unsupported_type", `content-type is ${type.slice(0, 100)}`);
  }
  const value = await readJson(request, maxBytes);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new NexusError("invalid", problemsOf(parsed.error));
}

/** Checks a query string. Throws `invalid`. */
export function readQuery<T extends z.ZodType>(url: string, schema: T): z.infer<T> {
  const at = url.indexOf("?");
  const parsed = schema.safeParse(
    at < 0 ? {} : Object.fromEntries(new URLSearchParams(url.slice(at + 1))),
  );
  if (parsed.success) return parsed.data;
  throw new NexusError("invalid", problemsOf(parsed.error));
}

function problemsOf(error: z.ZodError): string {
  return error.issues.slice(0, 5).map(({ path, message }) =>
    path.length > 0 ? `${path.join(".")}: ${message}` : message
  ).join("; ");
}

async function readJson(request: Request, maxBytes: number): Promise<unknown> {
  const length = request.headers.get("content-length");
  if (length === "0") throw new NexusError("invalid", "the body is empty, expected JSON");
  try {
    // Parsed by the runtime where the body is small: 2.7 µs less than by way of a string, and never
    // more than 10 ms.
    if (length !== null && Number(length) <= Math.min(maxBytes, SMALL)) {
      return await withBodyTimeout(request.json(), SMALL);
    }
    return parseJson(await readTextBody(request, maxBytes));
  } catch (error) {
    if (error instanceof NexusError) throw error;
    if (error instanceof TooComplex) {
      throw new NexusError("invalid", `the body is too complex: ${error.message}`);
    }
    if (error instanceof SyntaxError) throw new NexusError("invalid", "the body is not JSON");
    // The client went away in the middle of its own body.
    throw new NexusError("invalid", "the body could not be read", { cause: error });
  }
}

/** Bytes of a body that cannot hold too much to be parsed. */
const SMALL = 64 << 10;

/**
 * Reads a body as text. Throws `too_large` or `request_timeout`; a body that does not tell its
 * length is counted as it comes.
 */
export async function readTextBody(request: Request, maxBytes: number): Promise<string> {
  const length = request.headers.get("content-length");
  if (length !== null && Number(length) > maxBytes) throw tooLarge(Number(length), maxBytes);
  // With a length, the server has cut the body to it already.
  if (length !== null || !request.body) {
    return await withBodyTimeout(bodyText(request), Number(length));
  }
  const bytes = await withBodyTimeout(readBytes(request.body, maxBytes), maxBytes);
  if (!bytes) throw tooLarge(maxBytes + 1, maxBytes);
  return new TextDecoder().decode(bytes);
}

async function bodyText(request: Request): Promise<string> {
  try {
    return await request.text();
  } catch (cause) {
    // The client went away in the middle of its own body.
    throw new NexusError("invalid", "the body could not be read", { cause });
  }
}

function tooLarge(got: number, most: number): NexusError {
  return new NexusError("too_large", `the body has ${got} bytes or more, at most ${most} are read`);
}
