/**
 * This is what a model API may cost: requests and tokens a minute, money a month. Counted in the
 * store, so that a restart forgets nothing.
 *
 * Minutes and months are those of the clock (UTC), not sliding ones: one counter each instead of a
 * log, at the price that the end of one minute and the beginning of the next may together let twice
 * the figure pass.
 */
import type { Clock } from "../../core/clock.ts";
import { NexusError } from "../../core/error.ts";
import type { Usage } from "../../core/message.ts";
import type { Store } from "../../core/store.ts";
import type { UpstreamSettings } from "./settings.ts";

/** Money is counted in whole millionths: a store's counters are whole numbers. */
const MICRO = 1_000_000;

const MINUTE = 60_000;

/** A month and a day, so that nothing is left behind. */
const MONTH = 32 * 86_400_000;

/**
 * Requests and tokens of this minute, money of this month; what has neither bound nor price is
 * absent.
 */
export interface BudgetUse {
  readonly requests?: { readonly used: number; readonly limit: number };
  readonly tokens?: { readonly used: number; readonly limit: number };
  /** In the currency of the price; no limit: spent without a bound. */
  readonly spend?: { readonly used: number; readonly limit?: number };
}

export class UpstreamBudget {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #botId: string;

  constructor(parts: { store: Store; clock: Clock }, botId: string) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#botId = botId;
  }

  /** Takes one request. Throws `limited` with the seconds to wait where something is used up. */
  async admit({ budget }: UpstreamSettings): Promise<void> {
    const now = this.#clock.now();
    const untilMinute = Math.max(1, Math.ceil((MINUTE - now % MINUTE) / 1000));
    if (budget.spendPerMonth !== undefined) {
      const spent = await this.#count("spend", month(now)) / MICRO;
      if (spent >= budget.spendPerMonth) {
        throw new NexusError("limited", "this bot's budget for the month is spent", {
          retryAfter: Math.ceil((nextMonth(now) - now) / 1000),
        });
      }
    }
    if (budget.tokensPerMinute !== undefined) {
      const used = await this.#count("tokens", minute(now));
      if (used >= budget.tokensPerMinute) {
        throw new NexusError("limited", "this bot's tokens for the minute are used up", {
          retryAfter: untilMinute,
        });
      }
    }
    if (budget.requestsPerMinute !== undefined) {
      const asked = await this.#store.count(this.#key("requests", minute(now)), 1, 2 * MINUTE);
      if (asked > budget.requestsPerMinute) {
        throw new NexusError("limited", "this bot's requests for the minute are used up", {
          retryAfter: untilMinute,
        });
      }
    }
  }

  /** Counts what an answer took, finished or not. */
  async spend(
    { budget, price }: UpstreamSettings,
    { inputTokens, outputTokens }: Usage,
  ): Promise<void> {
    const now = this.#clock.now();
    if (budget.tokensPerMinute !== undefined) {
      await this.#store.count(
        this.#key("tokens", minute(now)),
        inputTokens + outputTokens,
        2 * MINUTE,
      );
    }
    if (price === undefined) return;
    // Per million tokens and in millionths: the two cancel out.
    const micro = Math.round(inputTokens * price.input + outputTokens * price.output);
    await this.#store.count(this.#key("spend", month(now)), micro, MONTH);
  }

  /** What is used of what is bounded, and what was spent where a price is known. */
  async used({ budget, price }: UpstreamSettings): Promise<BudgetUse> {
    const now = this.#clock.now();
    const count = (what: string) => this.#count(what, minute(now));
    return {
      requests: budget.requestsPerMinute === undefined
        ? undefined
        : { used: await count("requests"), limit: budget.requestsPerMinute },
      tokens: budget.tokensPerMinute === undefined
        ? undefined
        : { used: await count("tokens"), limit: budget.tokensPerMinute },
      spend: price === undefined
        ? undefined
        : { used: await this.spent(), limit: budget.spendPerMonth },
    };
  }

  /** What was spent this month, in the currency of the price. */
  async spent(): Promise<number> {
    return await this.#count("spend", month(this.#clock.now())) / MICRO;
  }

  /** A counter as it stands. */
  async #count(what: string, when: string): Promise<number> {
    return await this.#store.get(this.#key(what, when)) ?? 0;
  }

  #key(what: string, when: string): string {
    return `upstream:${this.#botId.replaceAll(":", "%3A")}:${what}:${when}`;
  }
}

function minute(now: number): string {
  return String(Math.floor(now / MINUTE));
}

function month(now: number): string {
  return new Date(now).toISOString().slice(0, 7);
}

function nextMonth(now: number): number {
  const date = new Date(now);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
}
