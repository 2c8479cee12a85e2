/** Runs an app's deliveries: so many at a time, and again after a failure that may pass. */
import type { Clock } from "../../core/clock.ts";
import type { Observer } from "../../core/observer.ts";
import type { Delivery } from "./delivery.ts";
import { PlatformError } from "./platform.ts";

/** Deliveries that run at once. More are accepted all the same, and wait in the outbox. */
const MAX_RUNNING = 2000;

/** Milliseconds until a delivery that failed is tried again, and after which it is given up. */
const RETRY_MS = 5 * 60_000, GIVE_UP_MS = 24 * 3_600_000;

export interface DeliveryQueueParts {
  readonly clock: Clock;
  readonly observer: Observer;
  /** The app, for the log. */
  readonly name: string;
  readonly deliver: (id: string, delivery: Delivery) => Promise<void>;
  /** Ends a delivery that failed for good. `isRefused`: the platform rejects it by every method. */
  readonly giveUp: (id: string, delivery: Delivery, isRefused: boolean) => Promise<void>;
}

export class DeliveryQueue {
  readonly #parts: DeliveryQueueParts;
  readonly #running = new Set<Promise<void>>();
  readonly #waiting: [id: string, delivery: Delivery][] = [];
  /** Each stops the timer of a retry. */
  readonly #retries = new Set<() => void>();
  #closed = false;

  constructor(parts: DeliveryQueueParts) {
    this.#parts = parts;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Deliveries that are running or waiting. */
  get size(): number {
    return this.#running.size + this.#waiting.length;
  }

  add(id: string, delivery: Delivery): void {
    if (this.#closed) return;
    if (this.#running.size >= MAX_RUNNING) {
      this.#waiting.push([id, delivery]);
      return;
    }
    const run = this.#parts.deliver(id, delivery)
      .catch((error) => this.#failed(id, delivery, error))
      .finally(() => {
        this.#running.delete(run);
        const next = this.#waiting.shift();
        if (next) this.add(...next);
      });
    this.#running.add(run);
  }

  /** Resolves when no delivery is running. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Starts nothing more. Deliveries that are running end by themselves. */
  close(): void {
    this.#closed = true;
    for (const stop of this.#retries) stop();
    this.#retries.clear();
    this.#waiting.length = 0;
  }

  async #failed(id: string, delivery: Delivery, error: unknown): Promise<void> {
    const { observer, clock, name, giveUp } = this.#parts;
    observer.tell({ type: "fault", where: `${name}: delivery`, error });
    if (this.#closed) return;
    // Refused by every method, or the chat is gone: no retry would help.
    if (error instanceof PlatformError && (error.kind === "refused" || error.kind === "gone")) {
      return await giveUp(id, delivery, true);
    }
    if (clock.now() - delivery.at > GIVE_UP_MS) {
      observer.tell({ type: "warning", what: `${name}: given up after a day: ${id}` });
      return await giveUp(id, delivery, false);
    }
    delivery.tries++;
    const stop = clock.after(RETRY_MS, () => {
      this.#retries.delete(stop);
      this.add(id, delivery);
    });
    this.#retries.add(stop);
  }
}
