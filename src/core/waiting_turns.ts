/**
 * The turns that wait for a bot: who is next, which position each has, and which of them have
 * waited too long.
 */
import type { ErrorCode } from "./error.ts";
import { FairQueue, type QueueBounds } from "./fair_queue.ts";
import type { Observer } from "./observer.ts";
import type { Turn } from "./turn.ts";

/**
 * A waiting turn that no connected bot could answer fails after this long: a bot that restarts is
 * back by then.
 */
const ORPHANED_AFTER_MS = 15_000;

export class WaitingTurns {
  readonly #queue: FairQueue<Turn>;
  readonly #observer: Observer;
  /** Since when no connected bot could answer a turn. */
  readonly #orphanedSince = new Map<Turn, number>();

  constructor(bounds: QueueBounds, observer: Observer) {
    this.#queue = new FairQueue(bounds);
    this.#observer = observer;
  }

  set bounds(bounds: QueueBounds) {
    this.#queue.bounds = bounds;
  }

  get size(): number {
    return this.#queue.size;
  }

  /** All of them, in the order in which they would be served if all could be. */
  list(): Turn[] {
    return Array.from(this.#queue.positions(), ([turn]) => turn);
  }

  /** Adds a turn at the end of its person's queue. Throws `queue_full` past a bound. */
  add(turn: Turn): void {
    this.#queue.add(turn.message.person.id, turn);
  }

  /** Puts a turn that lost its bot at the head of its person's queue. */
  putBack(turn: Turn): void {
    this.#queue.putBack(turn.message.person.id, turn);
  }

  remove(turn: Turn): void {
    this.#queue.remove(turn.message.person.id, turn);
    this.#orphanedSince.delete(turn);
  }

  /** Takes the next turn that can be served; nothing where none can. */
  next(canBeServed: (turn: Turn) => boolean): Turn | undefined {
    const turn = this.#queue.next(canBeServed);
    if (turn) this.#orphanedSince.delete(turn);
    return turn;
  }

  /** Sets each turn's position and wakes the readers of those that moved. */
  updatePositions(): void {
    for (const [turn, place] of this.#queue.positions()) {
      if (turn.queuePosition === place) continue;
      if (turn.queuePosition === undefined) {
        const { id, message } = turn;
        this.#observer.tell({ type: "turn_queued", turn: id, person: message.person.id, place });
      }
      turn.queuePosition = place;
      turn.reply.wake();
    }
  }

  /**
   * The turns that have waited too long at the time `now`, and why each of them fails.
   *
   * @param timeout milliseconds that a turn may wait
   * @param hasCandidate whether a bot that is connected could answer the turn, busy or not
   */
  overdue(
    now: number,
    timeout: number,
    hasCandidate: (turn: Turn) => boolean,
  ): { readonly turn: Turn; readonly code: ErrorCode }[] {
    const found: { turn: Turn; code: ErrorCode }[] = [];
    for (const [turn] of this.#queue.positions()) {
      if (hasCandidate(turn)) this.#orphanedSince.delete(turn);
      else if (!this.#orphanedSince.has(turn)) this.#orphanedSince.set(turn, now);
      const orphanedFor = now - (this.#orphanedSince.get(turn) ?? now);
      if (orphanedFor >= ORPHANED_AFTER_MS) found.push({ turn, code: "bot_offline" });
      else if (now - turn.at >= timeout) found.push({ turn, code: "queue_timeout" });
    }
    return found;
  }
}
