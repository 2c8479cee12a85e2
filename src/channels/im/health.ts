/**
 * How an app is doing: since when it is connected, when the platform was last heard, what went
 * wrong last and in whose words. For the log, `/metrics`, and whoever looks after it.
 */
import type { Clock } from "../../core/clock.ts";
import type { Observer } from "../../core/observer.ts";

/** Times are milliseconds since the epoch. */
export interface AppHealth {
  /**
   * Whether a connection that should be there is there; an app that is called has none and says
   * `true`.
   */
  readonly connected: boolean;
  readonly connectedSince?: number;
  /** When the platform last sent something that was its own. */
  readonly lastEventAt?: number;
  /** What went wrong last, in words for whoever set the app up. */
  readonly lastError?: { readonly at: number; readonly code: string; readonly words: string };
  /** Callbacks that were not the platform's, or could not be proven to be. */
  readonly refusedCallbacks: number;
  readonly lastRefused?: { readonly at: number; readonly why: string };
  /** When the connection is tried again, where that is not soon. */
  readonly nextTryAt?: number;
}

/**
 * What a platform's code means for whoever set the app up, and where to mend it; `undefined`:
 * nothing is known of it.
 */
export type Explain = (code: string) => string | undefined;

export interface HealthParts {
  readonly clock: Clock;
  readonly observer: Observer;
  /** As the observer knows it: `lark`, `dingtalk`, `wecom`. */
  readonly channel: string;
  /** The app's name in the configuration. */
  readonly app: string;
  readonly explain: Explain;
}

/**
 * Milliseconds for which the same trouble is not logged again: a platform that is down fails every
 * call.
 */
const QUIET = 60_000;

/**
 * Milliseconds for which what went wrong while dialling counts as the cause of a connection that is
 * not there.
 */
const CAUSE = 10_000;

export class Health {
  readonly #p: HealthParts;
  #since: number | undefined;
  #heardAt: number | undefined;
  #error: AppHealth["lastError"];
  #refused = 0;
  #lastRefused: AppHealth["lastRefused"];
  #nextTryAt: number | undefined;
  /** When each code was last logged. */
  readonly #logged = new Map<string, number>();

  constructor(parts: HealthParts) {
    this.#p = parts;
  }

  /** The connection is there. */
  opened(): void {
    this.#since = this.#p.clock.now();
    this.#nextTryAt = undefined;
  }

  /** The connection is gone. `nextTryAt` where it is not dialled again soon. */
  disconnected(why: string, nextTryAt?: number): void {
    const cause = this.#since === undefined ? this.#error : undefined;
    this.#since = undefined;
    this.#nextTryAt = nextTryAt;
    this.recordFailure("connection", why);
    // A wrong secret says more than that there is no connection.
    if (cause && this.#p.clock.now() - cause.at < CAUSE) this.#error = cause;
  }

  /** The platform sent something of its own. */
  received(): void {
    this.#heardAt = this.#p.clock.now();
  }

  /** A callback that no platform would send. */
  recordRefusal(why: string, address?: string): void {
    const { clock, observer, channel, app } = this.#p;
    this.#refused++;
    this.#lastRefused = { at: clock.now(), why };
    observer.tell({ type: "callback_refused", channel, app, why, address });
  }

  /** A call, a connection or a message went wrong. `said`: the platform's own words. */
  recordFailure(code: string, said: string): void {
    const { clock, observer, channel, app, explain } = this.#p;
    const at = clock.now();
    const known = explain(code);
    const words = [known, said].filter(Boolean).join(": ").slice(0, 500);
    this.#error = { at, code, words };
    if (at - (this.#logged.get(code) ?? -Infinity) < QUIET) return;
    if (this.#logged.size > 100) this.#logged.clear();
    this.#logged.set(code, at);
    observer.tell({ type: "warning", what: `${channel}:${app}: ${words} (${code})` });
  }

  view(connected: boolean): AppHealth {
    return {
      connected,
      connectedSince: connected ? this.#since : undefined,
      lastEventAt: this.#heardAt,
      lastError: this.#error,
      refusedCallbacks: this.#refused,
      lastRefused: this.#lastRefused,
      nextTryAt: this.#nextTryAt,
    };
  }
}
