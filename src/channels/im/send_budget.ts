/**
 * The budget of what a platform lets us send, as a tree: a send takes a permit from every scope on
 * its path (address, app and API, chat, person, card, month), or from none of them.
 *
 * A slot of a window is taken with the permit and is free again one window after the *answer* to
 * that call. The platform counts the call somewhere between the two, so whatever the latencies are,
 * no more than `limit` calls fall into any of its windows, sliding or fixed. That is stricter than
 * a token bucket or GCRA, whose burst adds to its rate, and uses small limits (5 a second, 30 a
 * minute) in full.
 *
 * ```ts
 * const budget = new SendBudget({ clock, store });
 * const path = [{ key: "chat:1", rates: [{ limit: 4, per: 1000 }] }];
 * const permit = await budget.take(path, { priority: "edit", chat: "1" });
 * if (typeof permit !== "string") {
 *   // call the platform
 *   permit.done();
 * }
 * ```
 */
import type { Clock } from "../../core/clock.ts";
import type { Store } from "../../core/store.ts";
import { type Charge, QuotaLedger } from "./quota_ledger.ts";
import { type BudgetScope, ScopeState, type ScopeView } from "./scope_state.ts";
import { PRIORITIES, type Priority } from "./sliding_window.ts";

export type { BudgetScope, Quota, ScopeView } from "./scope_state.ts";
export type { Priority, RateLimit } from "./sliding_window.ts";

/** The right to make one call now. */
export interface Permit {
  /**
   * To be called when the answer has arrived, or will not. `uncounted`: the platform did not count
   * the call, so the quotas get it back.
   */
  done(outcome?: "uncounted"): void;
}

/**
 * `dropped`: the request was withdrawn, or too many wait already. `exhausted`: the day's or month's
 * quota has nothing left for this priority.
 */
export type PermitRefusal = "dropped" | "exhausted";

export interface PermitRequest {
  readonly priority: Priority;
  /** Chats take turns within one priority. */
  readonly chat: string;
  /** Withdraws the request while it waits; has no effect on a permit that was granted. */
  readonly signal?: AbortSignal;
  /** The reservation of a final, made when its answer began. */
  readonly reservation?: Reservation;
}

/** A final that was paid for in advance. */
export interface Reservation {
  /** Gives back what was not used. A second call, or one after use, does nothing. */
  release(): void;
  /** Whether a final has used it. */
  readonly used: boolean;
}

export interface SendBudgetParts {
  readonly clock: Clock;
  /** Needed as soon as a scope has a quota. */
  readonly store?: Store;
  /** Requests that may wait before any but finals are dropped. Default: 20,000. */
  readonly maxWaiting?: number;
}

export class SendBudget {
  readonly #clock: Clock;
  readonly #quotas: QuotaLedger;
  readonly #maxWaiting: number;
  readonly #states = new Map<string, ScopeState>();
  readonly #queues: Record<Priority, Map<string, Waiter[]>>;
  #waiting = 0;
  /** Answers under way: their final is reserved and not sent yet. */
  #answers = 0;
  #stopTimer: (() => void) | undefined;
  #timerAt = Infinity;
  #sweepAt = 1024;
  #granting = false;
  #grantAgain = false;

  constructor(parts: SendBudgetParts) {
    this.#clock = parts.clock;
    this.#quotas = new QuotaLedger(parts.clock, parts.store);
    this.#maxWaiting = parts.maxWaiting ?? 20_000;
    this.#queues = { final: new Map(), first: new Map(), edit: new Map(), push: new Map() };
  }

  /**
   * Resolves with a permit as soon as every scope of the path has room, or with the reason why
   * there will be none.
   */
  async take(path: readonly BudgetScope[], ask: PermitRequest): Promise<Permit | PermitRefusal> {
    if (ask.signal?.aborted) return "dropped";
    if (this.#waiting >= this.#maxWaiting && ask.priority !== "final") return "dropped";
    const states = path.map((scope) => this.#state(scope));
    const paid = ask.reservation as PaidReservation | undefined;
    const usesHold = paid !== undefined && !paid.used && ask.priority === "final";
    const charged = usesHold ? paid.use() : await this.#quotas.charge(states, ask.priority);
    if (!charged) return "exhausted";
    return await new Promise((resolve) => {
      const waiter: Waiter = { states, ask, charged, resolve, leave: undefined };
      if (ask.signal) {
        const withdraw = () => this.#withdraw(waiter);
        ask.signal.addEventListener("abort", withdraw, { once: true });
        waiter.leave = () => ask.signal!.removeEventListener("abort", withdraw);
        if (ask.signal.aborted) {
          this.#quotas.refund(charged);
          return resolve("dropped");
        }
      }
      const queues = this.#queues[ask.priority];
      const queue = queues.get(ask.chat);
      if (queue) queue.push(waiter);
      else queues.set(ask.chat, [waiter]);
      this.#waiting++;
      this.#grant();
    });
  }

  /**
   * Pays for the final of an answer that begins: one call of each quota on the path, and one slot
   * of each long window, which edits and pushes then leave free. Returns `undefined` where a quota
   * has nothing left.
   */
  async reserve(path: readonly BudgetScope[]): Promise<Reservation | undefined> {
    const states = path.map((scope) => this.#state(scope));
    const charged = await this.#quotas.charge(states, "final");
    if (!charged) return undefined;
    for (const state of states) state.reserved++;
    this.#answers++;
    return new PaidReservation(charged, () => {
      this.#answers--;
      for (const state of states) state.reserved--;
      this.#grant();
    }, () => this.#quotas.refund(charged));
  }

  /** Closes a scope for `ms`, as the platform demanded. All requests on its path wait. */
  close(scope: BudgetScope, ms: number): void {
    const state = this.#state(scope);
    state.closedUntil = Math.max(state.closedUntil, this.#clock.now() + ms);
    this.#grant();
  }

  /** Returns what is left of a scope's quota, from 0 to `limit`; `Infinity` without one. */
  async left(scope: BudgetScope): Promise<number> {
    if (!scope.quota) return Infinity;
    const state = this.#state(scope);
    await this.#quotas.read(state);
    return Math.max(0, scope.quota.limit - state.spent);
  }

  /**
   * Returns the milliseconds until an edit on this path could go; Infinity where that depends on
   * calls in flight.
   */
  pressure(path: readonly BudgetScope[]): number {
    const now = this.#clock.now();
    let longest = 0;
    for (const scope of path) {
      longest = Math.max(longest, this.#state(scope).wait("edit", now, this.#answers));
    }
    return longest;
  }

  get waiting(): number {
    return this.#waiting;
  }

  snapshot(): ScopeView[] {
    const now = this.#clock.now();
    const waiting = new Map<ScopeState, number>();
    for (const priority of PRIORITIES) {
      for (const queue of this.#queues[priority].values()) {
        for (const waiter of queue) {
          for (const state of waiter.states) waiting.set(state, (waiting.get(state) ?? 0) + 1);
        }
      }
    }
    return [...this.#states.values()].map((state) => state.view(now, waiting.get(state) ?? 0));
  }

  /** Stops the timer; all waiting requests resolve with `dropped`. */
  stop(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    for (const priority of PRIORITIES) {
      for (const queue of this.#queues[priority].values()) {
        for (const waiter of queue) {
          waiter.leave?.();
          this.#quotas.refund(waiter.charged);
          waiter.resolve("dropped");
        }
      }
      this.#queues[priority].clear();
    }
    this.#waiting = 0;
  }

  #state(scope: BudgetScope): ScopeState {
    let state = this.#states.get(scope.key);
    if (!state) {
      if (this.#states.size >= this.#sweepAt) this.#sweep();
      state = new ScopeState(scope);
      this.#states.set(scope.key, state);
    }
    return state;
  }

  /**
   * Removes the scopes of chats and cards that are idle. Runs when their number has doubled, so
   * that the cost per scope is constant.
   */
  #sweep() {
    const now = this.#clock.now();
    const inUse = new Set<ScopeState>();
    for (const priority of PRIORITIES) {
      for (const queue of this.#queues[priority].values()) {
        for (const waiter of queue) for (const state of waiter.states) inUse.add(state);
      }
    }
    for (const [key, state] of this.#states) {
      if (!inUse.has(state) && state.idle(now)) this.#states.delete(key);
    }
    this.#sweepAt = Math.max(1024, this.#states.size * 2);
  }

  #withdraw(waiter: Waiter) {
    const queues = this.#queues[waiter.ask.priority];
    const queue = queues.get(waiter.ask.chat);
    const at = queue?.indexOf(waiter) ?? -1;
    if (!queue || at < 0) return;
    queue.splice(at, 1);
    if (queue.length === 0) queues.delete(waiter.ask.chat);
    this.#waiting--;
    this.#quotas.refund(waiter.charged);
    waiter.resolve("dropped");
  }

  /**
   * Grants all permits that can be granted, by priority, chats in turn; then sets the timer to the
   * next moment at which that may change.
   */
  #grant() {
    // A grant resolves a promise, so nothing re-enters here but `done` in a signal's listener.
    if (this.#granting) {
      this.#grantAgain = true;
      return;
    }
    this.#granting = true;
    let next = Infinity;
    do {
      this.#grantAgain = false;
      next = this.#round();
    } while (this.#grantAgain);
    this.#granting = false;
    this.#wakeIn(next);
  }

  #round(): number {
    const now = this.#clock.now();
    let next = Infinity;
    const claimed: ScopeState[] = [];
    for (const priority of PRIORITIES) {
      const queues = this.#queues[priority];
      let granted = true;
      while (granted && queues.size > 0) {
        granted = false;
        for (const [chat, queue] of [...queues]) {
          const taken = this.#serve(queue, now, (wait, waiter) => {
            next = Math.min(next, wait);
            // A final that waits for one scope must find the others free when that one opens.
            if (priority === "final" && wait < 1000) {
              for (const state of waiter.states) {
                if (state.claimed === 0) claimed.push(state);
                state.claimed++;
              }
            }
          });
          if (!taken) continue;
          granted = true;
          queues.delete(chat);
          if (queue.length > 0) queues.set(chat, queue);
        }
        // A round that granted something is repeated, and makes its claims again.
        if (granted && priority === "final") {
          for (const state of claimed.splice(0)) state.claimed = 0;
        }
      }
    }
    for (const state of claimed) state.claimed = 0;
    return next;
  }

  /** Grants the first of a chat's requests that can go. */
  #serve(queue: Waiter[], now: number, blocked: (wait: number, waiter: Waiter) => void): boolean {
    for (let at = 0; at < queue.length; at++) {
      const waiter = queue[at]!;
      let wait = 0;
      for (const state of waiter.states) {
        wait = Math.max(wait, state.wait(waiter.ask.priority, now, this.#answers));
      }
      if (wait > 0) {
        blocked(wait, waiter);
        continue;
      }
      queue.splice(at, 1);
      this.#waiting--;
      waiter.leave?.();
      for (const state of waiter.states) state.take(waiter.ask.priority, now);
      waiter.resolve(this.#permit(waiter));
      return true;
    }
    return false;
  }

  #permit(waiter: Waiter): Permit {
    let open = true;
    return {
      done: (outcome) => {
        if (!open) return;
        open = false;
        const now = this.#clock.now();
        for (const state of waiter.states) state.settle(now);
        if (outcome === "uncounted") this.#quotas.refund(waiter.charged);
        if (this.#waiting > 0) this.#grant();
      },
    };
  }

  #wakeIn(ms: number) {
    const at = this.#clock.now() + ms;
    if (this.#stopTimer && this.#timerAt <= at) {
      if (ms !== Infinity) return;
    }
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#timerAt = Infinity;
    if (ms === Infinity) return;
    this.#timerAt = at;
    this.#stopTimer = this.#clock.after(ms, () => {
      this.#stopTimer = undefined;
      this.#timerAt = Infinity;
      this.#grant();
    });
  }
}

interface Waiter {
  readonly states: readonly ScopeState[];
  readonly ask: PermitRequest;
  readonly charged: Charge;
  readonly resolve: (outcome: Permit | PermitRefusal) => void;
  leave: (() => void) | undefined;
}

class PaidReservation implements Reservation {
  #open = true;
  used = false;

  constructor(
    private readonly charged: Charge,
    private readonly onEnd: () => void,
    private readonly refund: () => void,
  ) {}

  /** Returns the payment, for the final that uses it. */
  use(): Charge {
    this.used = true;
    if (this.#open) {
      this.#open = false;
      this.onEnd();
    }
    return this.charged.splice(0);
  }

  release(): void {
    if (!this.#open) return;
    this.#open = false;
    this.onEnd();
    this.refund();
  }
}
