/**
 * The roster lists the bots that are connected now, with their recent failures.
 *
 * A bot that fails three times in a row gets a cooldown of five seconds, so that a broken bot does
 * not take every message of a healthy pool.
 */
import type { Clock } from "./clock.ts";
import type { Bot, Link } from "./link.ts";
import type { Person } from "./message.ts";
import type { Candidate } from "./balance.ts";
import type { Observer } from "./observer.ts";
import { lists, offers } from "./offer.ts";

/** Failures in a row after which a bot gets a cooldown. */
const MAX_FAILURES = 3;

/** The length of a cooldown in milliseconds. */
const COOLDOWN_MS = 5_000;

/** A bot's place on the roster. */
export interface Seat extends Candidate {
  readonly link: Link;
  readonly bot: Bot;
  /** The end of its cooldown, milliseconds since the epoch. */
  readonly cooldownUntil: number;
}

export type SeatState = "online" | "busy" | "resting" | "draining";

class LinkSeat implements Seat {
  failures = 0;
  cooldownUntil = 0;

  constructor(readonly link: Link) {}

  get bot(): Bot {
    return this.link.bot;
  }
  get id(): string {
    return this.link.bot.id;
  }
  get busy(): number {
    return this.link.busy;
  }
  get maxConcurrent(): number {
    return this.link.bot.maxConcurrent;
  }
  get weight(): number {
    return this.link.bot.weight;
  }
}

/** Bots that are remembered after they have left. */
const MAX_REMEMBERED = 1000;

export class Roster {
  readonly #seats = new Map<string, LinkSeat>();
  /** Bots that have left, the latest last: a message that names one is meant for no other. */
  readonly #gone = new Map<string, Bot>();
  readonly #watchers = new Set<() => void>();
  readonly #clock: Clock;
  readonly #observer: Observer;
  #stopWaking: (() => void) | undefined;

  constructor(parts: { clock: Clock; observer: Observer }) {
    this.#clock = parts.clock;
    this.#observer = parts.observer;
  }

  /**
   * Adds a link; one with the same bot id makes room. Returns the way to leave, which does nothing
   * once another took the seat.
   */
  join(link: Link): () => void {
    const seat = new LinkSeat(link);
    this.#seats.set(link.bot.id, seat);
    this.#gone.delete(link.bot.id);
    this.changed();
    return () => {
      if (this.#seats.get(link.bot.id) !== seat) return;
      this.#seats.delete(link.bot.id);
      this.#gone.set(link.bot.id, link.bot);
      if (this.#gone.size > MAX_REMEMBERED) this.#gone.delete(this.#gone.keys().next().value!);
      this.changed();
    };
  }

  get size(): number {
    return this.#seats.size;
  }

  get(id: string): Seat | undefined {
    return this.#seats.get(id);
  }

  /** All seats, in the order in which they joined. */
  list(): Seat[] {
    return [...this.#seats.values()];
  }

  /** The seats this person may use. */
  visibleTo(person: Person): Seat[] {
    return this.list().filter((seat) => mayUse(person, seat.bot));
  }

  /** The bots that this person may use and that were here since the start, present or not. */
  knownTo(person: Person): Bot[] {
    return [...this.list().map(({ bot }) => bot), ...this.#gone.values()].filter((bot) =>
      mayUse(person, bot)
    );
  }

  state(seat: Seat): SeatState {
    if (seat.link.draining) return "draining";
    if (seat.cooldownUntil > this.#clock.now()) return "resting";
    return seat.busy >= seat.maxConcurrent ? "busy" : "online";
  }

  /**
   * The bots that could answer, busy or not: by bot id or pool name, or all. Draining bots are left
   * out. Bots in a cooldown are left out unless there are no others.
   */
  candidates(person: Person, target: string | undefined, except?: ReadonlySet<string>): Seat[] {
    const now = this.#clock.now();
    const may: LinkSeat[] = [];
    let rested = 0;
    // A name is never both a bot's and a pool's; if it were, the bot would be meant.
    const isBot = target !== undefined && this.#seats.has(target);
    for (const seat of this.#seats.values()) {
      const bot = seat.link.bot;
      if (target !== undefined && (isBot ? bot.id : bot.pool) !== target) continue;
      if (seat.link.draining || except?.has(bot.id) || !mayUse(person, bot)) continue;
      if (seat.cooldownUntil <= now) rested++;
      may.push(seat);
    }
    return rested === 0 || rested === may.length
      ? may
      : may.filter((seat) => seat.cooldownUntil <= now);
  }

  /** Whether a bot or pool with this name is connected that the person may use, busy or not. */
  knows(person: Person, target: string): boolean {
    for (const { bot } of this.#seats.values()) {
      if ((bot.id === target || bot.pool === target) && mayUse(person, bot)) return true;
    }
    return false;
  }

  /** A bot has answered. */
  recordSuccess(botId: string): void {
    const seat = this.#seats.get(botId);
    if (seat) seat.failures = 0;
  }

  /** A bot has failed through a fault of its own. */
  recordFailure(botId: string): void {
    const seat = this.#seats.get(botId);
    if (!seat || ++seat.failures < MAX_FAILURES) return;
    seat.failures = 0;
    seat.cooldownUntil = this.#clock.now() + COOLDOWN_MS;
    this.#observer.tell({ type: "bot_rests", bot: botId, ms: COOLDOWN_MS });
    this.changed();
    this.#stopWaking?.();
    this.#stopWaking = this.#clock.after(COOLDOWN_MS, () => this.changed());
  }

  /**
   * Calls back whenever a bot joins, leaves, enters or leaves a cooldown, or changes what it takes.
   * Returns the way to stop.
   */
  watch(call: () => void): () => void {
    this.#watchers.add(call);
    return () => this.#watchers.delete(call);
  }

  /** Links call this when the bot has changed `draining` or `busy`. */
  changed(): void {
    for (const call of this.#watchers) call();
  }

  close(): void {
    this.#stopWaking?.();
    this.#watchers.clear();
  }
}

/** Whether a person may use a bot, by its id or by its pool. */
export function mayUse(person: Person, bot: Pick<Bot, "id" | "pool">): boolean {
  return (!person.bots || lists(person.bots, bot)) && (!person.offer || offers(person.offer, bot));
}
