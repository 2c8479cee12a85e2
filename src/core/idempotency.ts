/**
 * Results by idempotency key: a repeat within ten minutes gets the result of the first try, even
 * while that is still under way.
 */
import type { Clock } from "./clock.ts";

/** How long a repeat with the same key gets the same result. */
const IDEMPOTENCY_TTL_MS = 10 * 60_000;

/** Keys remembered at once; the oldest are dropped first. */
const MAX_KEYS = 100_000;

export class IdempotentResults<T> {
  readonly #clock: Pick<Clock, "now">;
  /** In the order in which they expire. */
  readonly #results = new Map<string, { readonly result: Promise<T>; readonly until: number }>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** The result of an earlier try with this key; nothing where there was none. */
  get(key: string): Promise<T> | undefined {
    const known = this.#results.get(key);
    return known && known.until > this.#clock.now() ? known.result : undefined;
  }

  /** Remembers a result. One that rejects is forgotten: the next try may succeed. */
  set(key: string, result: Promise<T>): void {
    this.#results.delete(key);
    this.#results.set(key, { result, until: this.#clock.now() + IDEMPOTENCY_TTL_MS });
    if (this.#results.size > MAX_KEYS) this.#results.delete(this.#results.keys().next().value!);
    result.catch(() => {
      if (this.#results.get(key)?.result === result) this.#results.delete(key);
    });
  }

  /** Forgets every key that begins with `prefix`. */
  forget(prefix: string): void {
    for (const key of this.#results.keys()) if (key.startsWith(prefix)) this.#results.delete(key);
  }

  /** Drops what has expired. */
  expire(): void {
    const now = this.#clock.now();
    for (const [key, { until }] of this.#results) {
      if (until > now) return;
      this.#results.delete(key);
    }
  }
}
