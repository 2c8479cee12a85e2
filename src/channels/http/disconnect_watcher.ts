/**
 * The watcher of clients that disconnect before their answer is complete: it cancels their turns.
 *
 * A client is not watched from the first moment: reading a request's signal costs as much as
 * answering it, and most answers, or their first words, come sooner. One timer serves all clients.
 */
import type { Clock } from "../../core/clock.ts";
import type { Turn } from "../../core/turn.ts";

interface Waiting {
  readonly request: Request;
  readonly turn: Turn;
  over: boolean;
}

/** Milliseconds between two looks; a client is watched from its second look on. */
const CHECK_MS = 50;

export class DisconnectWatcher {
  readonly #clock: Clock;
  /** Since the last look, and since the one before it. */
  #fresh = new Set<Waiting>();
  #older = new Set<Waiting>();
  readonly #cancel: (turn: Turn) => void;
  #stop: (() => void) | undefined;

  constructor(clock: Clock, cancel: (turn: Turn) => void) {
    this.#clock = clock;
    this.#cancel = cancel;
  }

  /**
   * Cancels the turn of a client that disconnected. A client that sent an Idempotency-Key repeats
   * the request and then wants the answer, so its turn goes on.
   */
  cancelUnlessRepeatable(turn: Turn): void {
    if (!turn.ending && turn.message.idempotencyKey === undefined) this.#cancel(turn);
  }

  /**
   * Stops the turn when the client hangs up, up to {@linkcode CHECK_MS} times two late. Returns the
   * way to stop watching, for when it is answered.
   */
  watch(request: Request, turn: Turn): () => void {
    const waiting: Waiting = { request, turn, over: false };
    this.#fresh.add(waiting);
    this.#stop ??= this.#clock.after(CHECK_MS, () => this.#look());
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
    this.#stop = this.#older.size > 0 ? this.#clock.after(CHECK_MS, () => this.#look()) : undefined;
    for (const waiting of due) {
      const { signal } = waiting.request;
      // Also fires after a response was sent, where the runtime's old rule holds; by then it is
      // over.
      const gone = () => waiting.over || this.cancelUnlessRepeatable(waiting.turn);
      if (signal.aborted) gone();
      else signal.addEventListener("abort", gone);
    }
  }
}
