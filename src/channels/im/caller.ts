/**
 * A caller makes calls to one platform's API: a permit first, then the call, then what the answer
 * means. Throttling answers close the budget they are about and the call waits; nothing is lost.
 * The vendors' SDKs neither pace nor honour these answers, hence our own.
 */
import type { BudgetScope, Priority, Reservation, SendBudget } from "./send_budget.ts";
import { readBytes } from "../../core/byte_collector.ts";
import type { Clock } from "../../core/clock.ts";
import { NexusError } from "../../core/error.ts";
import { parseJson } from "../../core/json.ts";
import { sleep } from "../../core/sleep.ts";
import type { Json } from "../../core/store.ts";
import { PlatformError } from "./platform.ts";
import { type AccessToken, patienceAfter } from "./token.ts";

/** What a platform's answer means. */
export type CallVerdict =
  | { readonly kind: "ok"; readonly body: Json }
  /** Close `scope` for `ms`. `uncounted`: the platform does not count it against a quota. */
  | {
    readonly kind: "throttled";
    readonly scope: BudgetScope;
    readonly ms: number;
    readonly code: string;
    readonly uncounted?: boolean;
  }
  /** The token is not valid (any more). */
  | { readonly kind: "token"; readonly code: string }
  /** A repeat may help. `unseen`: certainly nothing was shown. */
  | { readonly kind: "retry"; readonly code: string; readonly unseen?: boolean }
  | { readonly kind: "gone" | "refused"; readonly code: string; readonly text: string };

export interface PlatformResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly text: string;
}

/** What a call does, which says how long it may take. */
export type CallKind = "token" | "send" | "edit" | "upload" | "download";

/** Seconds that a call of each kind may take. */
export type Timeouts = Readonly<Partial<Record<CallKind, number>>>;

/**
 * Seconds until a call is given up and, where that does no harm, made again. A platform that takes
 * ten seconds for each call still answers in time; an edit may be short, because a newer one
 * follows.
 */
export const TIMEOUTS: Readonly<Record<CallKind, number>> = {
  token: 15,
  send: 20,
  edit: 12,
  upload: 120,
  download: 60,
};

export interface PlatformCall {
  readonly method: string;
  /** Default: an edit by its priority, an upload by its body, else `send`. */
  readonly kind?: CallKind;
  /** With the token where it belongs into the address; asked at each try. */
  readonly url: (token: string) => string;
  readonly headers?: (token: string) => Record<string, string>;
  /** Asked when the permit is there, so that it can be the newest. An object becomes JSON. */
  readonly body?: () => Json | FormData;
  readonly path: readonly BudgetScope[];
  readonly priority: Priority;
  readonly chat: string;
  readonly signal?: AbortSignal;
  readonly reservation?: Reservation;
  /** Whether a repeat shows nothing twice. */
  readonly repeatable: boolean;
  /** Bytes of the answer at most; {@linkcode MAX_ANSWER} unless set. */
  readonly maxBytes?: number;
  /** Milliseconds for which it is tried again; {@linkcode CALL_DEADLINE_MS} unless set. */
  readonly deadlineFactor?: number;
  readonly judge: (answer: PlatformResponse) => CallVerdict;
  readonly onCall: () => void;
}

/** Bytes of an answer that are read: the largest file that a platform takes has 30 MB. */
export const MAX_ANSWER = 32 << 20;

/**
 * Finals and first frames are tried for this long: Feishu's idempotency ids hold for an hour, and a
 * repeat after that would show twice.
 */
export const CALL_DEADLINE_MS = 55 * 60_000;

export interface CallerParts {
  readonly budget: SendBudget;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  readonly token?: AccessToken;
  readonly random: () => number;
  readonly onThrottled?: (scope: string, ms: number, code: string) => void;
  /**
   * Gets what goes wrong and is tried again, or given up: whoever set the app up must hear of it.
   */
  readonly reportFailure?: (code: string, said: string) => void;
  readonly timeouts?: Timeouts;
}

export class Caller {
  constructor(private readonly parts: CallerParts) {}

  /**
   * The body of the answer. Throws a `PlatformError`. Edits are tried once: a newer one will come.
   */
  async call(call: PlatformCall): Promise<Json> {
    const { budget, clock, token, random } = this.parts;
    const began = clock.now();
    const once = call.priority === "edit";
    for (let attempt = 0, renewed = 0;;) {
      const held = token ? await this.#token(token, call) : "";
      const permit = await budget.take(call.path, call);
      if (typeof permit === "string") throw new PlatformError(permit, permit, "no permit");
      call.onCall();
      const verdict = await this.#once(call, held, attempt);
      permit.done(verdict.kind === "throttled" && verdict.uncounted ? "uncounted" : undefined);
      switch (verdict.kind) {
        case "ok":
          return verdict.body;
        case "gone":
        case "refused":
          if (verdict.kind === "refused") this.parts.reportFailure?.(verdict.code, verdict.text);
          throw new PlatformError(verdict.kind, verdict.code, verdict.text);
        case "throttled":
          budget.close(verdict.scope, verdict.ms);
          this.parts.onThrottled?.(verdict.scope.key, verdict.ms, verdict.code);
          if (once) throw new PlatformError("throttled", verdict.code, verdict.scope.key);
          break;
        case "token":
          token?.invalidate(held);
          if (++renewed > 2) {
            throw new PlatformError("refused", verdict.code, "the token is refused even when new");
          }
          break;
        case "retry":
          this.parts.reportFailure?.(verdict.code, "no answer that counts");
          if (once) throw new PlatformError("unavailable", verdict.code, "an edit is not repeated");
          if (!call.repeatable && !verdict.unseen) {
            throw new PlatformError("ambiguous", verdict.code, "no clear answer");
          }
          // Half of the wait is random, or everything that failed at once comes back at once.
          await sleep(
            clock,
            Math.min(30_000, 500 * 2 ** attempt++) * (0.5 + random() / 2),
            call.signal,
          );
          if (call.signal?.aborted) throw new PlatformError("dropped", verdict.code, "withdrawn");
      }
      if (clock.now() - began > (call.deadlineFactor ?? CALL_DEADLINE_MS)) {
        throw new PlatformError("unavailable", verdict.code, "patience ran out");
      }
    }
  }

  async #token(token: AccessToken, call: PlatformCall): Promise<string> {
    const { clock, random } = this.parts;
    const until = clock.now() + (call.deadlineFactor ?? Infinity);
    for (let attempt = 0; attempt < 12 && clock.now() <= until; attempt++) {
      try {
        return await token.get();
      } catch (error) {
        if (error instanceof PlatformError) this.parts.reportFailure?.(error.code, "no token");
        if (
          !(error instanceof PlatformError) || error.kind !== "unavailable" ||
          call.priority === "edit"
        ) {
          throw error;
        }
        await sleep(
          clock,
          Math.min(30_000, 500 * 2 ** attempt) * (0.5 + random() / 2),
          call.signal,
        );
      }
    }
    throw new PlatformError("unavailable", "token", "no token for too long");
  }

  async #once(call: PlatformCall, token: string, attempt: number): Promise<CallVerdict> {
    const body = bodyOf(call.body?.());
    const kind = call.kind ?? kindOf(call, body.body);
    const answer = await request(
      this.parts,
      kind,
      call.method,
      call.url(token),
      { ...body, headers: call.headers?.(token) ?? {}, most: call.maxBytes },
      patienceAfter(attempt),
    );
    if (answer === "too_large") {
      return { kind: "refused", code: answer, text: "the answer is too large" };
    }
    if (answer === "private") {
      return { kind: "refused", code: answer, text: "an address inside the network" };
    }
    if (typeof answer === "string") return { kind: "retry", code: answer };
    // Never followed: it comes from something in between, and nothing was shown.
    if (answer.status >= 300 && answer.status < 400) {
      return { kind: "retry", code: String(answer.status), unseen: true };
    }
    return call.judge(answer);
  }
}

function kindOf({ priority }: PlatformCall, body: BodyInit | undefined): CallKind {
  if (body instanceof FormData) return "upload";
  return priority === "edit" ? "edit" : "send";
}

/**
 * One request with a deadline; what went wrong on the way comes back as a word. `patience`: by what
 * the time of its kind is multiplied.
 */
export async function request(
  parts: { readonly fetch: typeof fetch; readonly clock: Clock; readonly timeouts?: Timeouts },
  kind: CallKind,
  method: string,
  url: string,
  init: {
    readonly headers?: Record<string, string>;
    readonly body?: BodyInit;
    readonly json?: boolean;
    readonly most?: number;
  },
  patience = 1,
): Promise<PlatformResponse | "timeout" | "network" | "too_large" | "private"> {
  const stop = new AbortController();
  const ms = (parts.timeouts?.[kind] ?? TIMEOUTS[kind]) * 1000 * patience;
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
    const bytes = await readBytes(response.body, init.most ?? MAX_ANSWER);
    return bytes ? answerOf(response.status, response.headers, bytes) : "too_large";
  } catch (error) {
    if (error instanceof NexusError && error.code === "forbidden") return "private";
    // Refused, reset, cut off or too slow: the caller's answer to all of them is the same.
    return stop.signal.aborted ? "timeout" : "network";
  } finally {
    callOff();
  }
}

function answerOf(
  status: number,
  headers: Headers,
  bytes: Uint8Array<ArrayBuffer>,
): PlatformResponse {
  return { status, headers, bytes, text: isText(headers) ? new TextDecoder().decode(bytes) : "" };
}

/** A picture is not decoded: it may be megabytes. */
function isText(headers: Headers): boolean {
  return /json|text|xml|html/.test(headers.get("content-type") ?? "json");
}

function bodyOf(body: Json | FormData | undefined): { body?: BodyInit; json?: boolean } {
  if (body === undefined) return {};
  if (body instanceof FormData) return { body };
  return { body: JSON.stringify(body), json: true };
}

/**
 * JSON within bounds, or `undefined` for what is not: platforms answer with HTML when they mean it,
 * and strangers call too.
 */
export function parse(text: string): Json | undefined {
  try {
    return parseJson(text);
  } catch (_notJson) {
    return undefined;
  }
}
