/**
 * A platform's limits, counted as strictly as it could: no window of the given length, wherever it
 * begins, holds more than its limit.
 */
import type { Clock } from "../core/clock.ts";

export class Limits {
  readonly #calls = new Map<string, number[]>();

  constructor(private readonly clock: Clock) {}

  /**
   * Counts a call. Returns 0, or the milliseconds until this window would take it; a refused call
   * is not counted.
   */
  hit(key: string, limit: number, per: number): number {
    const now = this.clock.now();
    const name = `${key}/${per}`;
    let calls = this.#calls.get(name);
    if (!calls) this.#calls.set(name, calls = []);
    while (calls.length > 0 && calls[0]! <= now - per) calls.shift();
    if (calls.length >= limit) return calls[calls.length - limit]! + per - now;
    calls.push(now);
    return 0;
  }

  /** The same over several windows: all take it, or none. */
  hitAll(
    windows: readonly (readonly [key: string, limit: number, per: number])[],
  ): { key: string; wait: number } | undefined {
    const now = this.clock.now();
    for (const [key, limit, per] of windows) {
      const calls = this.#calls.get(`${key}/${per}`) ?? [];
      const live = calls.filter((at) => at > now - per);
      if (live.length >= limit) return { key, wait: live[live.length - limit]! + per - now };
    }
    for (const [key, limit, per] of windows) this.hit(key, limit, per);
    return undefined;
  }
}
