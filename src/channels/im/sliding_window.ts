/**
 * A window in which at most so many calls may be made, and how much of it each priority may fill.
 *
 * The figures were tuned with `deno task bench:platforms` (results: docs/platforms/README.md): no
 * call is throttled, no final is late, and edits are as fresh as the limits allow.
 */

/**
 * Finals end an answer, first messages begin one, edits show it growing; nobody asked for a push.
 */
export type Priority = "final" | "first" | "edit" | "push";

/** All priorities, the most urgent first. */
export const PRIORITIES: readonly Priority[] = ["final", "first", "edit", "push"];

/** At most `limit` calls in any `per` milliseconds. */
export interface RateLimit {
  readonly limit: number;
  readonly per: number;
}

/**
 * The part of a window that each priority may fill; finals find the rest free at any moment. A
 * window always grants at least one call, or a limit of 1 would let no edit through. With 0.95 for
 * first messages and 0.9 for edits, answers were less fresh within the same limits.
 */
const SHARE: Record<Priority, number> = { final: 1, first: 0.98, edit: 0.96, push: 0.6 };

/**
 * Windows of this length and longer delay a final noticeably when edits fill them at once: it would
 * wait for the rest of the minute. In them edits may fill a quarter of the window at once, because
 * most answers run when a burst of questions begins, and are spread evenly after that. The two
 * together are what edits may fill, so that they never stop altogether.
 */
const LONG_WINDOW_MS = 10_000, EDIT_BURST = 0.25, EDIT_RATE = 0.72;

/**
 * The part of a long window that edits leave to finals: one slot for every fourth answer under way,
 * because not all of them end within the minute, and within these bounds. Slots of reserved finals
 * are left in addition.
 */
const FINALS_RESERVE = { min: 0.03, max: 0.1, answersPerSlot: 4 };

/**
 * The calls of one window: those in flight, and those answered less than `per` milliseconds ago.
 *
 * Up to 64 are stored one by one. A larger window has 64 groups, each dated by its last call, so
 * that it frees slots too late rather than too early, by at most 1/64 of its length.
 */
export class SlidingWindow {
  readonly #grain: number;
  #inFlight = 0;
  #answered = 0;
  /** Answered calls, the oldest first, from `#head` on. */
  #groups: { first: number; last: number; count: number }[] = [];
  #head = 0;
  /** When the next edit is due, and by how much it may be early. Only in long windows. */
  #editDue = 0;
  readonly #editGap: number;
  readonly #editAhead: number;

  constructor(readonly rate: RateLimit) {
    this.#grain = rate.limit > 64 ? rate.per / 64 : 0;
    this.#editGap = rate.per >= LONG_WINDOW_MS ? rate.per / (rate.limit * EDIT_RATE) : 0;
    this.#editAhead = this.#editGap * Math.max(0, Math.floor(rate.limit * EDIT_BURST) - 1);
  }

  used(now: number): number {
    this.#expire(now);
    return this.#inFlight + this.#answered;
  }

  /**
   * Returns the milliseconds until a call of this priority could go; Infinity where that depends on
   * calls in flight.
   *
   * @param reserved finals that were paid for in advance
   * @param claimed finals that wait for another scope and will want a slot here
   * @param answers answers under way
   */
  wait(
    priority: Priority,
    now: number,
    reserved: number,
    claimed: number,
    answers: number,
  ): number {
    const excess = this.used(now) + claimed - this.#room(priority, reserved, answers) + 1;
    const wait = excess > 0 ? this.#untilFree(excess, now) : 0;
    if (priority !== "edit" || this.#editGap === 0) return wait;
    return Math.max(wait, this.#editDue - this.#editAhead - now);
  }

  /** Returns how many slots this priority may fill. */
  #room(priority: Priority, reserved: number, answers: number): number {
    const { limit, per } = this.rate;
    const isLong = per >= LONG_WINDOW_MS;
    let share = SHARE[priority];
    if (isLong && (priority === "edit" || priority === "first")) {
      const forFinals = Math.min(
        FINALS_RESERVE.max,
        Math.max(FINALS_RESERVE.min, answers / FINALS_RESERVE.answersPerSlot / limit),
      );
      share = priority === "edit" ? 1 - forFinals : 1 - forFinals / 2;
    }
    const room = Math.max(1, Math.floor(limit * share));
    // A short window is free again before it matters; only a long one can make a reserved final
    // wait.
    return isLong && priority !== "final" ? Math.min(room, limit - reserved) : room;
  }

  /**
   * Returns the milliseconds until so many slots are free; Infinity where calls in flight hold
   * them.
   */
  #untilFree(slots: number, now: number): number {
    for (let at = this.#head; at < this.#groups.length; at++) {
      const group = this.#groups[at]!;
      slots -= group.count;
      if (slots <= 0) return group.last + this.rate.per - now;
    }
    return Infinity;
  }

  take(priority: Priority, now: number) {
    this.#inFlight++;
    if (priority === "edit" && this.#editGap > 0) {
      this.#editDue = Math.max(this.#editDue, now) + this.#editGap;
    }
  }

  settle(now: number) {
    this.#inFlight--;
    this.#answered++;
    const last = this.#groups[this.#groups.length - 1];
    if (last && this.#groups.length > this.#head && now - last.first < this.#grain) {
      last.last = now;
      last.count++;
    } else this.#groups.push({ first: now, last: now, count: 1 });
  }

  #expire(now: number) {
    while (this.#head < this.#groups.length) {
      const group = this.#groups[this.#head]!;
      if (group.last + this.rate.per > now) break;
      this.#answered -= group.count;
      this.#head++;
    }
    if (this.#head > 64) {
      this.#groups = this.#groups.slice(this.#head);
      this.#head = 0;
    }
  }
}
