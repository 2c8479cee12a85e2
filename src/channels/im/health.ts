/**
 * The health of an app: since when it is connected, when the platform last sent something, and the
 * last error. For the log, `/metrics` and the admin page.
 */
import type { Clock } from "../../core/clock.ts";
import type { Observer } from "../../core/observer.ts";

/** Times are milliseconds since the epoch. */
export interface AppHealth {
  /** Whether the app has its connection; `true` for an app with callbacks, which needs none. */
  readonly connected: boolean;
  readonly connectedSince?: number;
  /** When the platform last sent an authentic event. */
  readonly lastEventAt?: number;
  /** The last error, in words for the operator. */
  readonly lastError?: { readonly at: number; readonly code: string; readonly words: string };
  /** Callbacks that were not proven to be the platform's. */
  readonly refusedCallbacks: number;
  readonly lastRefused?: { readonly at: number; readonly why: string };
  /** When the next connection attempt is made, where that is not soon. */
  readonly nextTryAt?: number;
}

/**
 * Returns what a platform's code means and where to correct it; `undefined` where it is unknown.
 */
export type Explain = (code: string) => string | undefined;

export interface HealthParts {
  readonly clock: Clock;
  readonly observer: Observer;
  /** `lark`, `dingtalk` or `wecom`. */
  readonly channel: string;
  /** The app's name in the configuration. */
  readonly app: string;
  readonly explain: Explain;
}

/**
 * Milliseconds for which a code is not logged again: while a platform is down, every call fails.
 */
const LOG_INTERVAL_MS = 60_000;

/** Milliseconds for which an error while connecting counts as the cause of a failed connection. */
const CAUSE_MS = 10_000;

export class Health {
  readonly #parts: HealthParts;
  #since: number | undefined;
  #lastEventAt: number | undefined;
  #error: AppHealth["lastError"];
  #refused = 0;
  #lastRefused: AppHealth["lastRefused"];
  #nextTryAt: number | undefined;
  /** When each code was last logged. */
  readonly #logged = new Map<string, number>();

  constructor(parts: HealthParts) {
    this.#parts = parts;
  }

  /** To be called when the connection is open. */
  opened(): void {
    this.#since = this.#parts.clock.now();
    this.#nextTryAt = undefined;
  }

  /** To be called when the connection is lost. @param nextTryAt set where that is not soon */
  disconnected(why: string, nextTryAt?: number): void {
    const cause = this.#since === undefined ? this.#error : undefined;
    this.#since = undefined;
    this.#nextTryAt = nextTryAt;
    this.recordFailure("connection", why);
    // The cause, such as a wrong secret, says more than the lost connection.
    if (cause && this.#parts.clock.now() - cause.at < CAUSE_MS) this.#error = cause;
  }

  /** To be called for each authentic event of the platform. */
  received(): void {
    this.#lastEventAt = this.#parts.clock.now();
  }

  /** Records a callback that is not authentic. */
  recordRefusal(why: string, address?: string): void {
    const { clock, observer, channel, app } = this.#parts;
    this.#refused++;
    this.#lastRefused = { at: clock.now(), why };
    observer.tell({ type: "callback_refused", channel, app, why, address });
  }

  /** Records a failed call, connection or message. @param text the platform's own words */
  recordFailure(code: string, text: string): void {
    const { clock, observer, channel, app, explain } = this.#parts;
    const at = clock.now();
    const known = explain(code);
    const words = [known, text].filter(Boolean).join(": ").slice(0, 500);
    this.#error = { at, code, words };
    if (at - (this.#logged.get(code) ?? -Infinity) < LOG_INTERVAL_MS) return;
    if (this.#logged.size > 100) this.#logged.clear();
    this.#logged.set(code, at);
    observer.tell({ type: "warning", what: `${channel}:${app}: ${words} (${code})` });
  }

  view(connected: boolean): AppHealth {
    return {
      connected,
      connectedSince: connected ? this.#since : undefined,
      lastEventAt: this.#lastEventAt,
      lastError: this.#error,
      refusedCallbacks: this.#refused,
      lastRefused: this.#lastRefused,
      nextTryAt: this.#nextTryAt,
    };
  }
}
