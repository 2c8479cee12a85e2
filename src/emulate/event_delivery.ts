/**
 * Delivery of an emulated platform's events: the deadline of a try, and the schedule of retries.
 */
import type { Clock } from "../core/clock.ts";

export interface DeliveryCounts {
  /** Tries. */
  pushes: number;
  unacknowledged: number;
}

export class EventDelivery {
  readonly #timers = new Set<() => void>();

  constructor(
    private readonly clock: Clock,
    private readonly counts: DeliveryCounts,
    /** Milliseconds that the receiver has for an acknowledgement. */
    private readonly deadlineMs: number,
  ) {}

  /**
   * Tries until one try is acknowledged, and returns its result; `undefined` after the last try.
   * `retries` are the milliseconds from each failed try to the next.
   */
  async deliver<T>(
    send: () => Promise<T | undefined>,
    retries: readonly number[],
  ): Promise<T | undefined> {
    this.counts.pushes++;
    const result = await this.once(send);
    if (result !== undefined) return result;
    this.counts.unacknowledged++;
    const [wait, ...rest] = retries;
    if (wait === undefined) return undefined;
    await this.wait(wait);
    return await this.deliver(send, rest);
  }

  /** One try. `undefined`: the receiver failed, or was too late. */
  once<T>(send: () => Promise<T | undefined>): Promise<T | undefined> {
    return new Promise((resolve) => {
      const settle = (result: T | undefined) => {
        stop();
        resolve(result);
      };
      const stop = this.#after(this.deadlineMs, () => resolve(undefined));
      send().then(settle, () => settle(undefined));
    });
  }

  /** Never resolves after {@linkcode EventDelivery.stop}. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#after(ms, resolve));
  }

  stop(): void {
    for (const stop of this.#timers) stop();
    this.#timers.clear();
  }

  #after(ms: number, call: () => void): () => void {
    const cancel = this.clock.after(ms, () => {
      this.#timers.delete(stop);
      call();
    });
    const stop = () => {
      cancel();
      this.#timers.delete(stop);
    };
    this.#timers.add(stop);
    return stop;
  }
}
