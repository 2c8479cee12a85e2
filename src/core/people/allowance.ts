/**
 * How much a person may ask, and how much they did: messages per minute and per day, turns at once,
 * bytes of images per day.
 *
 * Days are those of UTC, minutes those of the clock. What is limited is counted in the store before
 * the question is taken, so that all nodes count together; what is only wanted for the statistics
 * is collected in memory and handed over every few seconds.
 */
import type { Admission } from "../admission.ts";
import type { Clock } from "../clock.ts";
import { NexusError } from "../error.ts";
import type { Message } from "../message.ts";
import type { GatewayEvent, Observer } from "../observer.ts";
import { keyPart, type Store } from "../store.ts";

/** Absent: no bound. */
export interface Allowance {
  readonly messagesPerMinute?: number;
  readonly messagesPerDay?: number;
  readonly turnsAtOnce?: number;
  readonly imageBytesPerDay?: number;
  /** Event streams open at once. Absent: {@linkcode DEFAULT_MAX_STREAMS}. */
  readonly streamsAtOnce?: number;
  /**
   * Conversations kept. Programs that know no conversations begin one with each question, so there
   * is no bound unless it is set.
   */
  readonly conversations?: number;
}

/**
 * A page opens two streams, a program one for each question that it has asked and not heard out.
 */
export const DEFAULT_MAX_STREAMS = 10_000;

/** What a person used on one day. */
export interface Usage {
  /** `2026-11-23`, UTC. */
  readonly day: string;
  messages: number;
  imageBytes: number;
  /** Turns that ended. */
  turns: number;
  /** UTF-16 units of the answers. */
  units: number;
  /** Tokens as model APIs counted them; absent where none did. */
  inputTokens?: number;
  outputTokens?: number;
}

const COUNTED = [
  "messages",
  "imageBytes",
  "turns",
  "units",
  "inputTokens",
  "outputTokens",
] as const;
type Counted = typeof COUNTED[number];

/**
 * What is left of a bound on messages; `until`: when it is whole again, milliseconds since the
 * epoch.
 */
export interface RemainingMessages {
  readonly limit: number;
  readonly remaining: number;
  readonly until: number;
}

/** What was counted, and for how many milliseconds the count is kept. */
type Charge = readonly [key: string, by: number, ttl: number];

const MINUTE_MS = 60_000, DAY_MS = 86_400_000;

/** Milliseconds for which statistics are kept. */
const STATISTICS_TTL_MS = 400 * DAY_MS;

/** Milliseconds between two times that the collected statistics go to the store. */
const FLUSH_INTERVAL_MS = 5_000;

export class Allowances implements Observer, Admission {
  readonly #dayOf = calendar();
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #of: (personId: string) => Allowance;
  /** Turns that run or are being let in, by person. */
  readonly #running = new Map<string, number>();
  /** What a message took of the counted limits, so that it can go back. */
  readonly #taken = new WeakMap<Message, Charge[]>();
  /** What was left behind a message, of the bound that is nearest. */
  readonly #left = new WeakMap<Message, RemainingMessages>();
  readonly #collected = new Map<string, number>();
  #stop: (() => void) | undefined;

  /** @param parts.of what a person may; asked at each message */
  constructor(
    parts: { store: Store; clock: Clock; observer: Observer; of: (personId: string) => Allowance },
  ) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#observer = parts.observer;
    this.#of = parts.of;
  }

  tell(happening: GatewayEvent): void {
    if (happening.type !== "turn_ended") return;
    this.#runsNoMore(happening.person);
    this.#collect(happening.person, "turns", 1);
    this.#collect(happening.person, "units", happening.units);
    this.#collect(happening.person, "inputTokens", happening.inputTokens ?? 0);
    this.#collect(happening.person, "outputTokens", happening.outputTokens ?? 0);
  }

  /** How many conversations a person may keep. */
  maxConversations(personId: string): number {
    return this.#of(personId).conversations ?? Infinity;
  }

  /**
   * Lets a message in, or throws `limited` with what was reached and until when. Without a limit
   * there is nothing to wait for, and a promise is returned only where there is. What was let in
   * counts as running at once, before anything is waited for, until its turn ends or {@linkcode
   * giveBack} says that there will be none.
   */
  admit(message: Message): Promise<void> | void {
    const { id } = message.person;
    const { messagesPerMinute, messagesPerDay, turnsAtOnce, imageBytesPerDay } = this.#of(id);
    if (turnsAtOnce !== undefined && (this.#running.get(id) ?? 0) >= turnsAtOnce) {
      throw new NexusError("limited", `${turnsAtOnce} answers at once; wait for one to end`, {
        retryAfter: 1,
      });
    }
    this.#running.set(id, (this.#running.get(id) ?? 0) + 1);
    const bytes = bytesOf(message.images);
    if (
      messagesPerMinute === undefined && messagesPerDay === undefined &&
      imageBytesPerDay === undefined
    ) {
      this.#collect(id, "messages", 1);
      if (bytes > 0) this.#collect(id, "imageBytes", bytes);
      return;
    }
    return this.#count(message, bytes, { messagesPerMinute, messagesPerDay, imageBytesPerDay });
  }

  /** What is left behind a message that was let in; `undefined` where nothing bounds messages. */
  remaining(message: Message): RemainingMessages | undefined {
    return this.#left.get(message);
  }

  /**
   * A message that was let in became no turn (no bot, the line is full): what it took goes back.
   */
  giveBack(message: Message): void {
    const { id } = message.person;
    this.#runsNoMore(id);
    const taken = this.#taken.get(message);
    this.#taken.delete(message);
    if (taken) {
      this.#return(taken).catch((error) =>
        this.#observer.tell({ type: "fault", where: "usage", error })
      );
    } else {
      this.#collect(id, "messages", -1);
      this.#collect(id, "imageBytes", -bytesOf(message.images));
    }
  }

  #runsNoMore(id: string): void {
    const left = (this.#running.get(id) ?? 1) - 1;
    if (left > 0) this.#running.set(id, left);
    else this.#running.delete(id);
  }

  async #return(taken: readonly Charge[]): Promise<void> {
    for (const [key, by, ttl] of taken) await this.#store.count(key, -by, ttl);
  }

  async #count(message: Message, bytes: number, limits: Allowance): Promise<void> {
    const { id } = message.person;
    const taken: Charge[] = [];
    try {
      const left = await this.#take(id, bytes, limits, taken);
      if (left) this.#left.set(message, left);
      this.#taken.set(message, taken);
    } catch (error) {
      // A message that is refused was not asked.
      this.#runsNoMore(id);
      await this.#return(taken);
      throw error;
    }
  }

  /** Returns what is left of the messages, of the bound that is nearest. */
  async #take(
    id: string,
    bytes: number,
    limits: Allowance,
    taken: Charge[],
  ): Promise<RemainingMessages | undefined> {
    let nearest: RemainingMessages | undefined;
    const now = this.#clock.now();
    const minute = `use:${keyPart(id)}:minute:${Math.floor(now / MINUTE_MS)}`;
    const messages = keyOf(id, this.#dayOf(now), "messages"),
      images = keyOf(id, this.#dayOf(now), "imageBytes");
    const take = async (
      key: string,
      by: number,
      limit: number | undefined,
      ttl: number,
      what: string,
      window: number,
    ) => {
      const count = await this.#store.count(key, by, ttl);
      taken.push([key, by, ttl]);
      if (limit === undefined) return;
      const until = (Math.floor(now / window) + 1) * window;
      const left: RemainingMessages = { limit, remaining: Math.max(0, limit - count), until };
      if (count > limit) {
        throw new NexusError("limited", `${what}; again at ${new Date(until).toISOString()}`, {
          retryAfter: Math.ceil((until - now) / 1000),
          left: key === images ? undefined : left,
        });
      }
      if (key !== images && (!nearest || left.remaining < nearest.remaining)) nearest = left;
    };
    const { messagesPerMinute, messagesPerDay, imageBytesPerDay } = limits;
    if (messagesPerMinute !== undefined) {
      await take(
        minute,
        1,
        messagesPerMinute,
        2 * MINUTE_MS,
        `${messagesPerMinute} messages per minute`,
        MINUTE_MS,
      );
    }
    await take(
      messages,
      1,
      messagesPerDay,
      STATISTICS_TTL_MS,
      `${messagesPerDay} messages per day`,
      DAY_MS,
    );
    if (bytes > 0) {
      await take(
        images,
        bytes,
        imageBytesPerDay,
        STATISTICS_TTL_MS,
        `${imageBytesPerDay} bytes of images per day`,
        DAY_MS,
      );
    }
    return nearest;
  }

  /**
   * What a person used, day by day, the latest first; days on which nothing was used are left out.
   */
  async usage(personId: string, days = 31): Promise<Usage[]> {
    await this.#handOver();
    const prefix = `use:${keyPart(personId)}:day:`;
    const first = `${prefix}${this.#dayOf(this.#clock.now() - days * DAY_MS)}`;
    const byDay = new Map<string, Usage>();
    for (const [key, count] of await this.#store.list(prefix, { after: first })) {
      const [day, counted] = key.slice(prefix.length).split(":") as [string, Counted];
      const usage = byDay.get(day) ?? { day, messages: 0, imageBytes: 0, turns: 0, units: 0 };
      usage[counted] = count;
      byDay.set(day, usage);
    }
    return [...byDay.values()].reverse();
  }

  /** Forgets all that was counted of a person. */
  async forget(personId: string): Promise<void> {
    await this.#handOver();
    for (const [key] of await this.#store.list(`use:${keyPart(personId)}:`)) {
      await this.#store.delete(key);
    }
  }

  /** Hands over what was collected. */
  async close(): Promise<void> {
    this.#stop?.();
    await this.#handOver();
    this.#stop?.();
  }

  #collect(personId: string, counted: Counted, by: number): void {
    if (by === 0) return;
    const key = keyOf(personId, this.#dayOf(this.#clock.now()), counted);
    this.#collected.set(key, (this.#collected.get(key) ?? 0) + by);
    this.#stop ??= this.#clock.after(FLUSH_INTERVAL_MS, () => {
      this.#stop = undefined;
      this.#handOver().catch((error) =>
        this.#observer.tell({ type: "fault", where: "usage", error })
      );
    });
  }

  async #handOver(): Promise<void> {
    const collected = [...this.#collected];
    this.#collected.clear();
    for (const [key, by] of collected) await this.#store.count(key, by, STATISTICS_TTL_MS);
  }
}

function keyOf(personId: string, day: string, counted: Counted): string {
  return `use:${keyPart(personId)}:day:${day}:${counted}`;
}

/** Gives the day (UTC) of a moment. Asked several times a turn, so the last answer is kept. */
function calendar(): (at: number) => string {
  let from = 0, text = "";
  return (at) => {
    if (at < from || at >= from + 86_400_000) {
      from = at - at % 86_400_000;
      text = new Date(at).toISOString().slice(0, 10);
    }
    return text;
  };
}

/** What images weigh when they are no longer base64. */
function bytesOf(images: readonly string[]): number {
  let bytes = 0;
  for (const image of images) {
    bytes += Math.floor((image.length - Math.max(0, image.indexOf(",") + 1)) * 3 / 4);
  }
  return bytes;
}
