/**
 * HTTP calls to a platform's API: what one consists of, how long it may take, and a
 * {@linkcode PacedCaller} whose calls are HTTP requests.
 */
import { readBytes } from "../../core/byte_collector.ts";
import type { Clock } from "../../core/clock.ts";
import { NexusError } from "../../core/error.ts";
import { parseJson } from "../../core/json.ts";
import type { Json } from "../../core/store.ts";
import {
  type CallSender,
  type CallVerdict,
  type PacedCall,
  PacedCaller,
  type PacedCallerParts,
} from "./paced_caller.ts";
import { timeoutFactor } from "./token.ts";

/** A platform's answer to an HTTP request, with its body read. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly text: string;
}

/** What a call does; each kind has a time limit of its own. */
export type CallKind = "token" | "send" | "edit" | "upload" | "download";

/** Seconds that a call of each kind may take. */
export type Timeouts = Readonly<Partial<Record<CallKind, number>>>;

/**
 * Seconds until a call times out and, where that does no harm, is made again. A platform that takes
 * ten seconds for each call still answers in time; an edit gets less time, because a newer one
 * follows.
 */
export const TIMEOUTS: Readonly<Record<CallKind, number>> = {
  token: 15,
  send: 20,
  edit: 12,
  upload: 120,
  download: 60,
};

/** One HTTP call to a platform. */
export interface HttpCall extends PacedCall {
  readonly method: string;
  /** Default: an edit by its priority, an upload by its body, else `send`. */
  readonly kind?: CallKind;
  /** Called for each try, with the token for an API that takes it in the address. */
  readonly url: (token: string) => string;
  readonly headers?: (token: string) => Record<string, string>;
  /** Called once the permit is there, so that the text is the newest. An object becomes JSON. */
  readonly body?: () => Json | FormData;
  /** Bytes of the answer at most; {@linkcode MAX_ANSWER} unless set. */
  readonly maxBytes?: number;
  readonly judge: (answer: HttpResponse) => CallVerdict;
}

/** What an HTTP request needs of the process. */
export interface HttpParts {
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly timeouts?: Timeouts;
}

/** Bytes of an answer that are read: the largest file that a platform takes has 30 MB. */
export const MAX_ANSWER = 32 << 20;

export type HttpCaller = PacedCaller<HttpCall>;

/** A caller whose calls are HTTP requests. */
export function httpCaller(
  parts: Omit<PacedCallerParts<HttpCall>, "send"> & HttpParts,
): HttpCaller {
  return new PacedCaller({ ...parts, send: httpSender(parts) });
}

/** Sends calls as HTTP requests. Redirects are not followed. */
function httpSender(parts: HttpParts): CallSender<HttpCall> {
  return async (call, token, attempt) => {
    const body = bodyOf(call.body?.());
    const answer = await request(
      parts,
      call.kind ?? kindOf(call, body.body),
      call.method,
      call.url(token),
      { ...body, headers: call.headers?.(token) ?? {}, maxBytes: call.maxBytes },
      timeoutFactor(attempt),
    );
    if (answer === "too_large") {
      return { kind: "refused", code: answer, text: "the answer is too large" };
    }
    if (answer === "private") {
      return { kind: "refused", code: answer, text: "an address inside the network" };
    }
    if (typeof answer === "string") return { kind: "retry", code: answer };
    // A redirect comes from something in between, such as a proxy, so nothing was shown.
    if (answer.status >= 300 && answer.status < 400) {
      return { kind: "retry", code: String(answer.status), unseen: true };
    }
    return call.judge(answer);
  };
}

function kindOf({ priority }: HttpCall, body: BodyInit | undefined): CallKind {
  if (body instanceof FormData) return "upload";
  return priority === "edit" ? "edit" : "send";
}

/**
 * Makes one request within the time of its kind, multiplied by `factor`. Never throws: returns a
 * word for what went wrong on the way.
 */
export async function request(
  parts: HttpParts,
  kind: CallKind,
  method: string,
  url: string,
  init: {
    readonly headers?: Record<string, string>;
    readonly body?: BodyInit;
    readonly json?: boolean;
    readonly maxBytes?: number;
  },
  factor = 1,
): Promise<HttpResponse | "timeout" | "network" | "too_large" | "private"> {
  const stop = new AbortController();
  const ms = timeoutMs(parts.timeouts, kind, factor);
  const callOff = parts.clock.after(ms, () => stop.abort());
  try {
    const headers = init.json
      ? { "content-type": "application/json; charset=utf-8", ...init.headers }
      : init.headers;
    const response = await parts.fetch(url, {
      method,
      headers,
      body: init.body,
      signal: stop.signal,
      redirect: "manual",
    });
    const bytes = await readBytes(response.body, init.maxBytes ?? MAX_ANSWER);
    return bytes ? answerOf(response.status, response.headers, bytes) : "too_large";
  } catch (error) {
    if (error instanceof NexusError && error.code === "forbidden") return "private";
    // Refused, reset, cut off or too slow: the caller's answer to all of them is the same.
    return stop.signal.aborted ? "timeout" : "network";
  } finally {
    callOff();
  }
}

/** Milliseconds until a call of this kind times out. */
export function timeoutMs(timeouts: Timeouts | undefined, kind: CallKind, factor: number): number {
  return (timeouts?.[kind] ?? TIMEOUTS[kind]) * 1000 * factor;
}

function answerOf(
  status: number,
  headers: Headers,
  bytes: Uint8Array<ArrayBuffer>,
): HttpResponse {
  return { status, headers, bytes, text: isText(headers) ? new TextDecoder().decode(bytes) : "" };
}

/** Pictures are not decoded as text: they may be megabytes. */
function isText(headers: Headers): boolean {
  return /json|text|xml|html/.test(headers.get("content-type") ?? "json");
}

function bodyOf(body: Json | FormData | undefined): { body?: BodyInit; json?: boolean } {
  if (body === undefined) return {};
  if (body instanceof FormData) return { body };
  return { body: JSON.stringify(body), json: true };
}

/**
 * Parses JSON within bounds. Returns `undefined` for anything else: platforms sometimes answer with
 * HTML, and anybody may call.
 */
export function parse(text: string): Json | undefined {
  try {
    return parseJson(text);
  } catch (_notJson) {
    return undefined;
  }
}
