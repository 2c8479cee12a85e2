/** The scopes of a budget: their limits, and the calls that each has taken. */
import { type Priority, type RateLimit, SlidingWindow } from "./sliding_window.ts";

/**
 * At most `limit` calls in a calendar day or month. The count is stored, so it survives a restart.
 */
export interface Quota {
  readonly limit: number;
  readonly period: "day" | "month";
  /** Calls at the end that only finals may use; a tenth of `limit` unless set. */
  readonly keep?: number;
  /** Minutes east of UTC in the platform's calendar; 480 (China) unless set. */
  readonly zone?: number;
}

/** One node of a budget's tree. The same key must always have the same limits. */
export interface BudgetScope {
  readonly key: string;
  readonly rates: readonly RateLimit[];
  readonly quota?: Quota;
}

/** The present state of a scope, for pages and metrics. */
export interface ScopeView {
  readonly key: string;
  readonly windows: readonly {
    readonly limit: number;
    readonly per: number;
    readonly used: number;
  }[];
  readonly quota?: {
    readonly limit: number;
    readonly used: number;
    readonly left: number;
    readonly period: string;
  };
  /** Milliseconds until a throttled scope opens again; 0 when open. */
  readonly closedFor: number;
  readonly waiting: number;
  readonly granted: Readonly<Record<Priority, number>>;
}

/** The calls of one scope. */
export class ScopeState {
  readonly windows: SlidingWindow[];
  readonly granted: Record<Priority, number> = { final: 0, first: 0, edit: 0, push: 0 };
  closedUntil = 0;
  /** Finals that were paid for in advance and not sent yet. */
  reserved = 0;
  /** Finals that wait for another scope now and will want a slot here. */
  claimed = 0;
  /** The quota's count as last read from the store, and the key of its day or month. */
  spent = 0;
  quotaKey = "";

  constructor(readonly scope: BudgetScope) {
    this.windows = scope.rates.map((rate) => new SlidingWindow(rate));
  }

  /**
   * Returns the milliseconds until a call of this priority could go; Infinity where that depends on
   * calls in flight.
   */
  wait(priority: Priority, now: number, answers: number): number {
    let wait = Math.max(0, this.closedUntil - now);
    const claimed = priority === "final" ? 0 : this.claimed;
    for (const window of this.windows) {
      wait = Math.max(wait, window.wait(priority, now, this.reserved, claimed, answers));
    }
    return wait;
  }

  take(priority: Priority, now: number) {
    this.granted[priority]++;
    for (const window of this.windows) window.take(priority, now);
  }

  settle(now: number) {
    for (const window of this.windows) window.settle(now);
  }

  idle(now: number): boolean {
    return this.reserved === 0 && this.closedUntil <= now && !this.scope.quota &&
      this.windows.every((w) => w.used(now) === 0);
  }

  view(now: number, waiting: number): ScopeView {
    const quota = this.scope.quota;
    return {
      key: this.scope.key,
      windows: this.windows.map((w) => ({
        limit: w.rate.limit,
        per: w.rate.per,
        used: w.used(now),
      })),
      quota: quota &&
        {
          limit: quota.limit,
          used: this.spent,
          left: Math.max(0, quota.limit - this.spent),
          period: quota.period,
        },
      closedFor: Math.max(0, this.closedUntil - now),
      waiting,
      granted: { ...this.granted },
    };
  }
}
