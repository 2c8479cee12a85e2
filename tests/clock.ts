/**
 * A clock that goes on only when it is driven, for whole programs: between two steps it lets
 * everything that can go on without time going on do so. Minutes of pacing, hours of retries and
 * months of quotas pass in moments.
 *
 * ```ts
 * const clock = new DrivenClock();
 * clock.after(60_000, () => console.log("a minute later"));
 * await clock.advance(60_000);
 * ```
 */
import type { Clock } from "../src/core/clock.ts";

interface Entry {
  at: number;
  seq: number;
  call: (() => void) | undefined;
}

export class DrivenClock implements Clock {
  #now: number;
  #seq = 0;
  /** A binary heap by time, then by order of asking. */
  readonly #heap: Entry[] = [];

  constructor(
    start = Date.UTC(2026, 10, 2, 1),
    /** Lets everything that can go on without time going on do so; called before every step. */
    private readonly settle: () => Promise<void> = microtasks,
  ) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, call: () => void): () => void {
    const entry: Entry = { at: this.#now + Math.max(0, ms), seq: this.#seq++, call };
    this.#push(entry);
    return () => {
      entry.call = undefined;
    };
  }

  every(ms: number, call: () => void): () => void {
    let stop = this.after(ms, fire.bind(this));
    function fire(this: DrivenClock) {
      stop = this.after(ms, fire.bind(this));
      call();
    }
    return () => stop();
  }

  /** Goes on by `ms`, firing what is due on the way, in order. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await this.settle();
      const next = this.#heap[0];
      if (!next || next.at > end) break;
      this.#pop();
      this.#now = Math.max(this.#now, next.at);
      next.call?.();
    }
    this.#now = end;
  }

  /**
   * Goes on until `done` says so, or until `limit` milliseconds have gone by; returns whether it
   * was done.
   */
  async until(done: () => boolean, limit: number): Promise<boolean> {
    const end = this.#now + limit;
    for (;;) {
      await this.settle();
      if (done()) return true;
      const next = this.#heap[0];
      if (!next || next.at > end) return false;
      this.#pop();
      this.#now = Math.max(this.#now, next.at);
      next.call?.();
    }
  }

  #push(entry: Entry) {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!sooner(entry, heap[up]!)) break;
      heap[at] = heap[up]!;
      at = up;
    }
    heap[at] = entry;
  }

  #pop() {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = at * 2 + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && sooner(heap[down + 1]!, heap[down]!)) down++;
      if (!sooner(heap[down]!, last)) break;
      heap[at] = heap[down]!;
      at = down;
    }
    heap[at] = last;
  }
}

function sooner(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.seq < b.seq);
}

/** Enough rounds of the microtask queue for code that waits for nothing but other code. */
async function microtasks(): Promise<void> {
  for (let round = 0; round < 64; round++) await undefined;
}
