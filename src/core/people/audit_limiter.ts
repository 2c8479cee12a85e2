/**
 * Which audit lines are too many. Lines that somebody can cause who was not let in are bounded per
 * network and in all, so that nobody fills the disk and nobody hides what another network did; what
 * a member can repeat at will is bounded per person. What changes who may do what is never left
 * out.
 */
import type { Clock } from "../clock.ts";
import { networkOf, RateLimiter } from "../rate_limiter.ts";

/** Lines that one network causes without being let in: a burst, then one a minute. */
export const NETWORK_AUDIT_RATE = { burst: 50, every: 60_000 } as const;

/**
 * Lines of all of them together: a burst, then one in ten seconds, which is some 4 MB a day at
 * most.
 */
export const ANONYMOUS_AUDIT_RATE = { burst: 1_000, every: 10_000 } as const;

/**
 * Lines that one person causes by reaching for what is not theirs or by exporting: a burst, then
 * one in ten seconds.
 */
export const PERSON_AUDIT_RATE = { burst: 100, every: 10_000 } as const;

const ANONYMOUS: ReadonlySet<string> = new Set([
  "sign_in_refused",
  "bot_refused",
  "callback_refused",
]);

const REPEATABLE: ReadonlySet<string> = new Set(["reached_for_another", "exported"]);

export class AuditLimiter {
  readonly #byNetwork: RateLimiter;
  readonly #strangers: RateLimiter;
  readonly #byPerson: RateLimiter;

  constructor(clock: Pick<Clock, "now">) {
    this.#byNetwork = new RateLimiter(NETWORK_AUDIT_RATE, clock);
    this.#strangers = new RateLimiter(ANONYMOUS_AUDIT_RATE, clock);
    this.#byPerson = new RateLimiter(PERSON_AUDIT_RATE, clock);
  }

  /** Whether there is room for one more such line; takes it where there is. */
  take(
    { who, did, from }: { readonly who: string; readonly did: string; readonly from?: string },
  ): boolean {
    if (REPEATABLE.has(did)) return this.#byPerson.take(who) === 0;
    if (who !== "-" && !ANONYMOUS.has(did)) return true;
    // In this order: what its network may not write does not use up what all may.
    return this.#byNetwork.take(networkOf(from ?? "")) === 0 && this.#strangers.take("") === 0;
  }
}
