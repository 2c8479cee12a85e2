/** The counts of daily and monthly quotas, in the store. */
import type { Clock } from "../../core/clock.ts";
import type { Store } from "../../core/store.ts";
import type { ScopeState } from "./scope_state.ts";
import type { Priority } from "./sliding_window.ts";

/** The calls that were counted for one send, by quota. Emptied when they are given back. */
export type Charge = { state: ScopeState; key: string }[];

/** Minutes east of UTC. */
const CHINA = 480;

/** Longer than a month, after which nobody reads a count. */
const COUNT_TTL_MS = 40 * 24 * 3_600_000;

export class QuotaLedger {
  readonly #clock: Clock;
  readonly #store: Store | undefined;

  constructor(clock: Clock, store: Store | undefined) {
    this.#clock = clock;
    this.#store = store;
  }

  /**
   * Counts one call in every quota of the path, or in none. Returns `undefined` where one of them
   * has nothing left for this priority.
   */
  async charge(states: readonly ScopeState[], priority: Priority): Promise<Charge | undefined> {
    const charged: Charge = [];
    for (const state of states) {
      const quota = state.scope.quota;
      if (!quota) continue;
      const cap = priority === "final"
        ? quota.limit
        : quota.limit - (quota.keep ?? Math.ceil(quota.limit / 10));
      const key = this.#keyOf(state);
      // A quota that this process knows to be exhausted needs no count and no refund in the store.
      const known = state.quotaKey === key ? state.spent : 0;
      const spent = known >= cap ? known + 1 : await this.#count(key, 1);
      if (known < cap) {
        state.quotaKey = key;
        state.spent = spent;
        charged.push({ state, key });
      }
      if (spent <= cap) continue;
      this.refund(charged);
      return undefined;
    }
    return charged;
  }

  /** Gives the calls back. */
  refund(charged: Charge) {
    for (const { state, key } of charged.splice(0)) {
      if (state.quotaKey === key) state.spent--;
      // A refund that fails leaves the count too high, which is safe; nobody waits for it.
      this.#count(key, -1).catch(() => undefined);
    }
  }

  /** Reads the count of a scope's quota. */
  async read(state: ScopeState): Promise<void> {
    const key = this.#keyOf(state);
    state.spent = await this.#count(key, 0);
    state.quotaKey = key;
  }

  #count(key: string, by: number): Promise<number> {
    if (!this.#store) throw new TypeError("A scope with a quota needs a store to count it in");
    return this.#store.count(key, by, COUNT_TTL_MS);
  }

  #keyOf(state: ScopeState): string {
    const quota = state.scope.quota!;
    const local = new Date(this.#clock.now() + (quota.zone ?? CHINA) * 60_000).toISOString();
    return `budget:${state.scope.key}:${local.slice(0, quota.period === "month" ? 7 : 10)}`;
  }
}
