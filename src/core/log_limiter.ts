/**
 * A limit on log entries that strangers cause: rejected bots, frames, sign-ins and callbacks can be
 * repeated as fast as the network carries them. Entries are limited per network and in all; dropped
 * entries are counted, and the count is logged.
 */
import type { Clock } from "./clock.ts";
import { networkOf, RateLimiter } from "./rate_limiter.ts";
import type { GatewayEvent, Observer } from "./observer.ts";

/** Entries that one network causes: a burst, then one in ten seconds. */
export const PER_NETWORK_LOG_RATE = { burst: 50, every: 10_000 } as const;

/** Entries of all networks together: a burst, then one a second. */
export const ANONYMOUS_LOG_RATE = { burst: 1_000, every: 1_000 } as const;

/** How long dropped entries are counted before the count is logged, in milliseconds. */
const COUNT_INTERVAL_MS = 60_000;

/** Passes on to another observer what is within the bounds. */
export class LogLimiter implements Observer {
  readonly #observer: Observer;
  readonly #clock: Clock;
  readonly #byNetwork: RateLimiter;
  readonly #all: RateLimiter;
  #dropped = 0;
  #stop: (() => void) | undefined;
  readonly chunk: Observer["chunk"];

  constructor(observer: Observer, clock: Clock) {
    this.#observer = observer;
    this.#clock = clock;
    this.#byNetwork = new RateLimiter(PER_NETWORK_LOG_RATE, clock);
    this.#all = new RateLimiter(ANONYMOUS_LOG_RATE, clock);
    this.chunk = observer.chunk?.bind(observer);
  }

  tell(happening: GatewayEvent): void {
    const network = networkIn(happening);
    // In this order: what a network may not write must not use up the common limit.
    if (
      network === undefined || (this.#byNetwork.take(network) === 0 && this.#all.take("") === 0)
    ) {
      return this.#observer.tell(happening);
    }
    this.#dropped++;
    this.#stop ??= this.#clock.after(COUNT_INTERVAL_MS, () => this.#count());
  }

  /** Stops the timer, and logs the count so far. */
  close(): void {
    if (this.#stop) this.#count();
  }

  #count(): void {
    this.#stop?.();
    this.#stop = undefined;
    const what = `${this.#dropped} lines about what was refused are left out: too many at once`;
    this.#dropped = 0;
    this.#observer.tell({ type: "warning", what });
  }
}

/** The network that an event counts for, if a stranger can repeat the event. */
function networkIn(happening: GatewayEvent): string | undefined {
  switch (happening.type) {
    case "bot_refused":
    case "sign_in_refused":
    case "callback_refused":
    case "frame_refused":
      return networkOf(happening.address ?? "");
    default:
      return undefined;
  }
}
