/**
 * What the log is told of strangers, within bounds: a bot that is refused, a frame, a sign-in or a
 * callback that is, can be repeated as fast as a network carries it, and each would be a line.
 * Lines are bounded per network and in all; what is left out is counted, and the count is logged.
 */
import type { Clock } from "./clock.ts";
import { networkOf, RateLimiter } from "./rate_limiter.ts";
import type { GatewayEvent, Observer } from "./observer.ts";

/** Lines that one network causes: a burst, then one in ten seconds. */
export const PER_NETWORK_LOG_RATE = { burst: 50, every: 10_000 } as const;

/** Lines of all of them together: a burst, then one a second. */
export const ANONYMOUS_LOG_RATE = { burst: 1_000, every: 1_000 } as const;

/** How long lines are counted before the count is logged, in milliseconds. */
const COUNTED = 60_000;

/** Passes on to another observer what is within the bounds. */
export class LogLimiter implements Observer {
  readonly #observer: Observer;
  readonly #clock: Clock;
  readonly #byNetwork: RateLimiter;
  readonly #all: RateLimiter;
  #leftOut = 0;
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
    // In this order: what its network may not write does not use up what all may.
    if (
      network === undefined || (this.#byNetwork.take(network) === 0 && this.#all.take("") === 0)
    ) {
      return this.#observer.tell(happening);
    }
    this.#leftOut++;
    this.#stop ??= this.#clock.after(COUNTED, () => this.#count());
  }

  /** Stops the clockwork, and logs what was counted so far. */
  close(): void {
    if (this.#stop) this.#count();
  }

  #count(): void {
    this.#stop?.();
    this.#stop = undefined;
    const what = `${this.#leftOut} lines about what was refused are left out: too many at once`;
    this.#leftOut = 0;
    this.#observer.tell({ type: "warning", what });
  }
}

/** Whose bound a happening counts for, where it is one that a stranger can repeat. */
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
