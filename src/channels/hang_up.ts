/**
 * Clients that wait for an answer in one piece and may hang up before it comes. They are not watched from the first moment: asking the runtime
 * for a request's signal costs as much as answering it, and most answers, or their first words, come sooner. One timer serves all.
 */
import type { Clock } from "../core/clock.ts";

interface Waiting {
  readonly request: Request;
  readonly call: () => void;
  over: boolean;
}

/** Milliseconds between two looks; a client is watched from its second look on. */
const LOOK = 50;

export class HangUps {
  readonly #clock: Clock;
  /** Since the last look, and since the one before it. */
  #fresh = new Set<Waiting>();
  #older = new Set<Waiting>();
  #stop: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls when the client hangs up, up to {@linkcode LOOK} times two late. Returns the way to stop watching, for when it is answered. */
  watch(request: Request, call: () => void): () => void {
    const waiting: Waiting = { request, call, over: false };
    this.#fresh.add(waiting);
    this.#stop ??= this.#clock.after(LOOK, () => this.#look());
    return () => {
      waiting.over = true;
      if (!this.#fresh.delete(waiting)) this.#older.delete(waiting);
      if (this.#fresh.size + this.#older.size > 0) return;
      this.#stop?.();
      this.#stop = undefined;
    };
  }

  #look(): void {
    const due = this.#older;
    this.#older = this.#fresh;
    this.#fresh = new Set();
    this.#stop = this.#older.size > 0 ? this.#clock.after(LOOK, () => this.#look()) : undefined;
    for (const waiting of due) {
      const { signal } = waiting.request;
      // Also fires after a response was sent, where the runtime's old rule holds; by then it is over.
      const gone = () => waiting.over || waiting.call();
      if (signal.aborted) gone();
      else signal.addEventListener("abort", gone);
    }
  }
}
