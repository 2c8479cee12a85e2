/**
 * A rate limiter with a burst, per key, by GCRA (one number per key, no timers).
 *
 * GCRA keeps the "theoretical arrival time" of the next regular event; an event is refused while
 * that time lies further ahead than the burst allows (ITU-T I.371).
 */
import type { Clock } from "./clock.ts";

export interface Rate {
  /** How many events at once. */
  readonly burst: number;
  /** Milliseconds after which one more is allowed. */
  readonly every: number;
}

/**
 * The address as a key for limits. Of IPv6 it is the first 64 bits: that is what one customer,
 * often one machine, is given, and whoever has it can come from any address in it (RFC 6177). IPv4
 * in the dress of IPv6 is IPv4.
 */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = "", tail] = address.toLowerCase().split("%")[0]!.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const behind = tail === "" ? 0 : tail.split(":").length + Number(tail.includes("."));
    while (groups.length < 8 - behind) groups.push("0");
    if (groups.length < 4 && tail !== "") groups.push(...tail.split(":"));
  }
  return `${groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, "")).join(":")}::/64`;
}

/** Keys remembered at once; past it, keys without a debt are dropped, then the oldest. */
const MAX_KEYS = 100_000;

export class RateLimiter {
  readonly #arrivals = new Map<string, number>();
  readonly #clock: Pick<Clock, "now">;

  constructor(public rate: Rate, clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** Takes one permit. Returns 0, or the seconds after which it would be allowed. */
  take(key: string): number {
    const now = this.#clock.now();
    const arrival = Math.max(this.#arrivals.get(key) ?? 0, now);
    const early = arrival - now - this.rate.every * (this.rate.burst - 1);
    if (early > 0) return Math.ceil(early / 1000);
    this.#arrivals.delete(key);
    this.#arrivals.set(key, arrival + this.rate.every);
    if (this.#arrivals.size > MAX_KEYS) this.#makeRoom(now);
    return 0;
  }

  /** Gives one permit back that turned out not to count. */
  giveBack(key: string): void {
    const arrival = this.#arrivals.get(key);
    if (arrival !== undefined) this.#arrivals.set(key, arrival - this.rate.every);
  }

  get size(): number {
    return this.#arrivals.size;
  }

  #makeRoom(now: number): void {
    for (const [key, arrival] of this.#arrivals) if (arrival <= now) this.#arrivals.delete(key);
    for (const key of this.#arrivals.keys()) {
      if (this.#arrivals.size <= MAX_KEYS / 2) break;
      this.#arrivals.delete(key);
    }
  }
}
