/**
 * The queue of messages while every bot is busy: fair between people, bounded, and with a position
 * for each item.
 *
 * Each person has a queue of their own, and the queues are served in turn, so that somebody who
 * sends forty messages at once delays others by one.
 */
import { NexusError } from "./error.ts";

export interface QueueBounds {
  /** Items of all people. */
  readonly total: number;
  readonly perPerson: number;
}

export const DEFAULT_QUEUE: QueueBounds = { total: 1000, perPerson: 20 };

export class FairQueue<T> {
  /** In the order of service: the person who was served last is at the end. */
  readonly #queues = new Map<string, T[]>();
  #size = 0;

  constructor(public bounds: QueueBounds = DEFAULT_QUEUE) {}

  get size(): number {
    return this.#size;
  }

  /** Puts an item at the end of the person's queue. Throws `queue_full` past a bound. */
  add(person: string, item: T): void {
    const queue = this.#queues.get(person);
    if (this.#size >= this.bounds.total || (queue && queue.length >= this.bounds.perPerson)) {
      throw new NexusError("queue_full", `${this.#size} are waiting`, { retryAfter: 10 });
    }
    if (queue) queue.push(item);
    else this.#queues.set(person, [item]);
    this.#size++;
  }

  /**
   * Puts an item back at the head of the person's queue. No bound applies: it was accepted before.
   */
  putBack(person: string, item: T): void {
    const queue = this.#queues.get(person);
    if (queue) queue.unshift(item);
    else this.#queues.set(person, [item]);
    this.#size++;
  }

  /** Removes an item. Returns whether it was there. */
  remove(person: string, item: T): boolean {
    const queue = this.#queues.get(person);
    const index = queue?.indexOf(item) ?? -1;
    if (!queue || index < 0) return false;
    queue.splice(index, 1);
    if (queue.length === 0) this.#queues.delete(person);
    this.#size--;
    return true;
  }

  /**
   * Removes and returns the next item that can be served: the first such item of the first queue
   * that has one.
   */
  next(canBeServed: (item: T) => boolean): T | undefined {
    for (const [person, queue] of this.#queues) {
      const index = queue.findIndex(canBeServed);
      if (index < 0) continue;
      const [item] = queue.splice(index, 1);
      this.#size--;
      this.#queues.delete(person);
      if (queue.length > 0) this.#queues.set(person, queue);
      return item;
    }
    return undefined;
  }

  /**
   * Every item with its position, from 1, in the order in which they would be served if all could
   * be.
   */
  *positions(): Generator<[item: T, place: number]> {
    let place = 0;
    for (let round = 0; place < this.#size; round++) {
      for (const queue of this.#queues.values()) {
        const item = queue[round];
        if (item !== undefined) yield [item, ++place];
      }
    }
  }
}
