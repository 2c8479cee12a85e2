/**
 * A caller paces the calls to one platform's API: it takes a permit first, then sends the call,
 * then acts on what the answer means. A throttling answer closes the budget's scope, and the call
 * waits; nothing is lost. How a call is sent is up to a {@linkcode CallSender}: over HTTP
 * (`http_call.ts`), or as a frame over an open socket.
 *
 * The vendors' SDKs neither pace calls nor honour throttling answers.
 */
import { backoffMs } from "../../core/backoff.ts";
import type { BudgetScope, Priority, Reservation, SendBudget } from "./send_budget.ts";
import type { Clock } from "../../core/clock.ts";
import { sleep } from "../../core/sleep.ts";
import type { Json } from "../../core/store.ts";
import { PlatformError } from "./platform.ts";
import type { AccessToken } from "./token.ts";

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

/** What a caller must know of any call, whatever carries it. */
export interface PacedCall {
  readonly path: readonly BudgetScope[];
  readonly priority: Priority;
  readonly chat: string;
  readonly signal?: AbortSignal;
  readonly reservation?: Reservation;
  /** Whether a repeat shows nothing twice. */
  readonly repeatable: boolean;
  /** Milliseconds for which the call is tried again; {@linkcode CALL_DEADLINE_MS} unless set. */
  readonly deadlineMs?: number;
  /** Called for each try: what the answer costs. */
  readonly onCall: () => void;
}

/**
 * Sends one try of a call and says what came of it. Never throws.
 *
 * @param token empty for a caller without tokens
 * @param attempt how many tries failed before
 */
export type CallSender<Call extends PacedCall> = (
  call: Call,
  token: string,
  attempt: number,
) => Promise<CallVerdict>;

/**
 * Milliseconds for which finals and first messages are tried: Feishu's idempotency ids hold for an
 * hour, and a repeat after that would show twice.
 */
export const CALL_DEADLINE_MS = 55 * 60_000;

/** How often a token is asked for before a call fails. */
const TOKEN_TRIES = 12;

/** Milliseconds before the first repeat, doubled for each further one, and the longest wait. */
const BACKOFF = { first: 500, max: 30_000 };

export interface PacedCallerParts<Call extends PacedCall> {
  readonly budget: SendBudget;
  readonly clock: Clock;
  readonly send: CallSender<Call>;
  readonly token?: AccessToken;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly onThrottled?: (scope: string, ms: number, code: string) => void;
  /** Receives each failure, also of a try that is repeated: the app's operator must see it. */
  readonly reportFailure?: (code: string, text: string) => void;
}

export class PacedCaller<Call extends PacedCall> {
  constructor(private readonly parts: PacedCallerParts<Call>) {}

  /**
   * Returns the body of the answer. Throws a `PlatformError`. An edit is tried once: a newer one
   * follows.
   */
  async call(call: Call): Promise<Json> {
    const { budget, clock, token } = this.parts;
    const began = clock.now();
    for (let retries = 0, renewals = 0;;) {
      const held = token ? await this.#token(token, call) : "";
      const permit = await budget.take(call.path, call);
      if (typeof permit === "string") throw new PlatformError(permit, permit, "no permit");
      call.onCall();
      const verdict = await this.parts.send(call, held, retries);
      permit.done(verdict.kind === "throttled" && verdict.uncounted ? "uncounted" : undefined);
      switch (verdict.kind) {
        case "ok":
          return verdict.body;
        case "gone":
        case "refused":
          if (verdict.kind === "refused") this.parts.reportFailure?.(verdict.code, verdict.text);
          throw new PlatformError(verdict.kind, verdict.code, verdict.text);
        case "throttled":
          this.#throttled(call, verdict);
          break;
        case "token":
          token?.invalidate(held);
          if (++renewals > 2) {
            throw new PlatformError("refused", verdict.code, "the token is refused even when new");
          }
          break;
        case "retry":
          await this.#backOff(call, verdict, retries++);
      }
      if (clock.now() - began > (call.deadlineMs ?? CALL_DEADLINE_MS)) {
        throw new PlatformError("unavailable", verdict.code, "the call's deadline passed");
      }
    }
  }

  #throttled(call: Call, { scope, ms, code }: CallVerdict & { kind: "throttled" }) {
    this.parts.budget.close(scope, ms);
    this.parts.onThrottled?.(scope.key, ms, code);
    if (call.priority === "edit") throw new PlatformError("throttled", code, scope.key);
  }

  async #backOff(call: Call, { code, unseen }: CallVerdict & { kind: "retry" }, retries: number) {
    this.parts.reportFailure?.(code, "no answer that counts");
    if (call.priority === "edit") {
      throw new PlatformError("unavailable", code, "an edit is not repeated");
    }
    if (!call.repeatable && !unseen) throw new PlatformError("ambiguous", code, "no clear answer");
    await this.#sleep(retries, call.signal);
    if (call.signal?.aborted) throw new PlatformError("dropped", code, "withdrawn");
  }

  async #token(token: AccessToken, call: Call): Promise<string> {
    const { clock } = this.parts;
    const until = clock.now() + (call.deadlineMs ?? Infinity);
    for (let failures = 0; failures < TOKEN_TRIES && clock.now() <= until; failures++) {
      try {
        return await token.get();
      } catch (error) {
        if (!(error instanceof PlatformError)) throw error;
        this.parts.reportFailure?.(error.code, "no token");
        if (error.kind !== "unavailable" || call.priority === "edit") throw error;
        await this.#sleep(failures, call.signal);
      }
    }
    throw new PlatformError("unavailable", "token", "no token for too long");
  }

  async #sleep(failures: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock, random } = this.parts;
    await sleep(clock, backoffMs(BACKOFF, failures, random()), signal);
  }
}
