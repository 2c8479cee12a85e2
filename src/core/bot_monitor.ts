/**
 * The state of each bot for operators: whether it is connected, since when and how, and when it
 * last answered or failed.
 */
import type { BotToken } from "./people/bot_token.ts";
import type { Clock } from "./clock.ts";
import { type ErrorCode, isCausedByRequest } from "./error.ts";
import type { Transport } from "./link.ts";
import type { GatewayEvent, Observer } from "./observer.ts";
import type { Roster, SeatState } from "./roster.ts";

/** One bot as operators see it. Times in milliseconds since the epoch. */
export interface BotReport {
  readonly id: string;
  /** How it is connected; absent for a bot that has not been seen since the start. */
  readonly wire?: Transport;
  readonly protocol?: number;
  readonly pool?: string;
  readonly state: SeatState | "offline";
  /**
   * Since when it is connected or, if offline, disconnected; absent for a bot that has not been
   * seen since the start.
   */
  readonly since?: number;
  /** Why it disconnected, while it is offline. */
  readonly why?: string;
  readonly busy: number;
  readonly succeededAt?: number;
  readonly failedAt?: number;
  readonly failure?: ErrorCode;
  /** What is wrong with it at the moment, in words. */
  readonly note?: string;
}

/** What is remembered of one bot. */
interface Seen {
  wire?: Transport;
  protocol?: number;
  leftAt?: number;
  why?: string;
  succeededAt?: number;
  failedAt?: number;
  failure?: ErrorCode;
}

/** Bots remembered at once; the one seen first is dropped. */
export const REMEMBERED_BOTS = 1_000;

export class BotMonitor implements Observer {
  readonly #clock: Pick<Clock, "now">;
  readonly #roster: () => Roster;
  readonly #tokens: () => ReadonlyMap<string, BotToken>;
  readonly #seen = new Map<string, Seen>();

  /** @param parts.tokens bots that are expected, because they have a token of their own */
  constructor(
    parts: {
      clock: Pick<Clock, "now">;
      roster: () => Roster;
      tokens: () => ReadonlyMap<string, BotToken>;
    },
  ) {
    this.#clock = parts.clock;
    this.#roster = parts.roster;
    this.#tokens = parts.tokens;
  }

  tell(happening: GatewayEvent): void {
    switch (happening.type) {
      case "bot_joined":
        return this.#note(happening.bot, {
          wire: "socket",
          protocol: happening.protocol,
          leftAt: undefined,
        });
      case "bot_left":
        return this.#note(happening.bot, { leftAt: this.#clock.now(), why: happening.why });
      case "turn_moved":
        return this.#failed(happening.from, happening.code);
      case "turn_ended": {
        const { bot, status, code } = happening;
        if (bot === undefined) return;
        if (status === "done") this.#note(bot, { succeededAt: this.#clock.now() });
        else if (code !== undefined) this.#failed(bot, code);
      }
    }
  }

  /**
   * Every bot that is connected, has a token of its own, or was connected since the start;
   * connected bots first.
   */
  reports(): BotReport[] {
    const reports = new Map<string, BotReport>();
    const roster = this.#roster();
    for (const seat of roster.list()) {
      const { id, bot, link, busy } = seat;
      const { wire, protocol, note } = link;
      const { pool, connectedAt: since } = bot;
      const state = roster.state(seat);
      reports.set(id, {
        id,
        wire,
        protocol,
        pool,
        state,
        since,
        busy,
        note,
        ...this.#outcomes(id),
      });
    }
    for (const id of [...this.#seen.keys(), ...this.#tokens().keys()]) {
      if (reports.has(id)) continue;
      const { wire, protocol, leftAt: since, why } = this.#seen.get(id) ?? {};
      reports.set(id, {
        id,
        wire,
        protocol,
        state: "offline",
        since,
        why,
        busy: 0,
        ...this.#outcomes(id),
      });
    }
    return [...reports.values()];
  }

  #outcomes(id: string): Pick<BotReport, "succeededAt" | "failedAt" | "failure"> {
    const { succeededAt, failedAt, failure } = this.#seen.get(id) ?? {};
    return { succeededAt, failedAt, failure };
  }

  #failed(bot: string, failure: ErrorCode): void {
    if (failure === "shutting_down" || isCausedByRequest(failure)) return;
    this.#note(bot, { failedAt: this.#clock.now(), failure });
  }

  #note(bot: string, news: Seen): void {
    const seen = this.#seen.get(bot);
    if (seen) return void Object.assign(seen, news);
    if (this.#seen.size >= REMEMBERED_BOTS) this.#seen.delete(this.#seen.keys().next().value!);
    this.#seen.set(bot, news);
  }
}
