/**
 * The line in which people wait while every bot is busy: fair between people, bounded, and everyone
 * knows their place.
 *
 * Each person has a line of their own and the lines are served in turn, so that somebody who asks
 * forty things at once delays others by one.
 */
import { NexusError } from "./error.ts";

export interface QueueBounds {
  /** All who wait. */
  readonly total: number;
  readonly perPerson: number;
}

export const DEFAULT_QUEUE: QueueBounds = { total: 1000, perPerson: 20 };

export class FairQueue<T> {
  /** In the order of service: the person served last goes to the end. */
  readonly #lines = new Map<string, T[]>();
  #size = 0;

  constructor(public bounds: QueueBounds = DEFAULT_QUEUE) {}

  get size(): number {
    return this.#size;
  }

  /** Puts an item at the end of the person's line. Throws `queue_full` past a bound. */
  add(person: string, item: T): void {
    const line = this.#lines.get(person);
    if (this.#size >= this.bounds.total || (line && line.length >= this.bounds.perPerson)) {
      throw new NexusError("queue_full", `${this.#size} are waiting`, { retryAfter: 10 });
    }
    if (line) line.push(item);
    else this.#lines.set(person, [item]);
    this.#size++;
  }

  /**
   * Puts an item that was served before at the head of the person's line. No bound: it is one that
   * was let in already.
   */
  putBack(person: string, item: T): void {
    const line = this.#lines.get(person);
    if (line) line.unshift(item);
    else this.#lines.set(person, [item]);
    this.#size++;
  }

  /** Takes an item out, wherever it stands. Returns whether it was there. */
  remove(person: string, item: T): boolean {
    const line = this.#lines.get(person);
    const index = line?.indexOf(item) ?? -1;
    if (!line || index < 0) return false;
    line.splice(index, 1);
    if (line.length === 0) this.#lines.delete(person);
    this.#size--;
    return true;
  }

  /** Takes the next item that can be served: the first such item of the first line that has one. */
  next(canBeServed: (item: T) => boolean): T | undefined {
    for (const [person, line] of this.#lines) {
      const index = line.findIndex(canBeServed);
      if (index < 0) continue;
      const [item] = line.splice(index, 1);
      this.#size--;
      this.#lines.delete(person);
      if (line.length > 0) this.#lines.set(person, line);
      return item;
    }
    return undefined;
  }

  /**
   * Every item with its place, from 1, in the order in which they would be served if all could be.
   */
  *places(): Generator<[item: T, place: number]> {
    let place = 0;
    for (let round = 0; place < this.#size; round++) {
      for (const line of this.#lines.values()) {
        const item = line[round];
        if (item !== undefined) yield [item, ++place];
      }
    }
  }
}
