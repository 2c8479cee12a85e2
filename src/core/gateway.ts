/**
 * The gateway: a message goes in, a turn comes out, and every turn ends in exactly one typed
 * ending.
 *
 * Channels call {@linkcode Gateway.ask} and read the turn's reply. Links stand on the roster and
 * are given tasks. What happens in between, who answers, who waits, what moves when a bot is lost,
 * is decided here and nowhere else.
 *
 * ```ts
 * const turn = await gateway.ask({ person, text: "hello", images: [], channel: "web" });
 * await turn.reply.ended();
 * console.log(turn.reply.text);
 * ```
 */
import { Archive, type Conversation, type DefaultConversations } from "./archive.ts";
import { Attempt, type Outcome } from "./attempt.ts";
import { pick } from "./balance.ts";
import type { Clock } from "./clock.ts";
import { type ErrorCode, isCausedByRequest, NexusError } from "./error.ts";
import { timedId } from "./id.ts";
import type { Bot, FailureInfo, Link } from "./link.ts";
import type { Message, MessageImage, Person } from "./message.ts";
import { mentioned } from "./mention.ts";
import { isChatApp, splitMention } from "./message.ts";
import { type Notice, Notices, type PushNotice } from "./notice.ts";
import type { Observer } from "./observer.ts";
import type { Reader } from "./key_scope.ts";
import { DEFAULT_QUEUE, FairQueue, type QueueBounds } from "./fair_queue.ts";
import { ScopedHistory } from "./scoped_history.ts";
import { DEFAULT_CAP, type Ending, Reply, type ReplyCap } from "./reply.ts";
import { mayUse, Roster, type Seat } from "./roster.ts";
import type { Store } from "./store.ts";
import { Turn } from "./turn.ts";

/** What can be set; times in milliseconds. All may change while running. */
export interface GatewaySettings {
  /** Silence of the bot after which a turn ends. */
  replyTimeout: number;
  queue: QueueBounds;
  /** How long a turn may wait in line. */
  queueTimeout: number;
  replyCap: ReplyCap;
  /** How long an ended turn stays in memory. */
  keepEnded: number;
  /** Bytes that ended turns may take in memory together, by estimate. */
  keepEndedBytes: number;
}

/** What a bot says by itself. */
export interface Push {
  /** `user:<id>` or `conversation:<id>`. */
  readonly to: string;
  readonly content: string;
  readonly images: readonly MessageImage[];
  /** A repeat with the same id by the same bot within ten minutes is dropped. */
  readonly id?: string;
}

export const DEFAULT_SETTINGS: GatewaySettings = {
  replyTimeout: 5 * 60_000,
  queue: DEFAULT_QUEUE,
  queueTimeout: 5 * 60_000,
  replyCap: DEFAULT_CAP,
  keepEnded: 10 * 60_000,
  keepEndedBytes: 32 << 20,
};

export interface GatewayParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly observer: Observer;
  /** A number from 0 up to 1. */
  readonly random?: () => number;
  readonly newId?: () => string;
  /**
   * Whether a person may ask now; throws `limited` where not. Called once per message, before a bot
   * is looked for.
   */
  readonly admit?: (message: Message) => Promise<void> | void;
  /** A message that was admitted becomes no turn: what it cost goes back. */
  readonly giveBack?: (message: Message) => void;
  /**
   * Whether this is the id of an account that may not come in (any more). Asked when a turn begins.
   */
  readonly isOut?: (personId: string) => boolean;
  /** How many conversations a person may keep. Default: any number. */
  readonly conversations?: (personId: string) => number;
  /** Who a bot's `push` names; `undefined` where there is no such person. */
  readonly personById?: (id: string) => Promise<Person | undefined> | Person | undefined;
  /**
   * Takes a push into the chats where its person also is. `key` is the same when the bot sends the
   * push again. A rejection is told to the bot, and nobody else gets the push either: the bot says
   * it again.
   */
  readonly pushed?: (person: Person, push: PushNotice, key: string) => Promise<void>;
}

/** How long a repeat with the same idempotency key gets the same turn. */
const IDEMPOTENCY = 10 * 60_000;

/** Keys remembered at once; the oldest go first. */
const MAX_KEYS = 100_000;

/**
 * With no bot at all that could answer, a waiting turn is told after this long: a bot that restarts
 * is back by then.
 */
const ORPHANED = 15_000;

/** What an ended turn costs in memory besides its words, by estimate. */
const TURN_OVERHEAD = 2048;

export class Gateway {
  readonly roster: Roster;
  readonly archive: Archive;
  /** What people read, each as far as they reach. */
  readonly history: ScopedHistory;
  readonly notices: Notices;
  readonly settings: GatewaySettings;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #random: () => number;
  readonly #newId: () => string;
  readonly #admit: GatewayParts["admit"];
  readonly #giveBack: GatewayParts["giveBack"];
  readonly #isOut: (personId: string) => boolean;
  readonly #conversations: (personId: string) => number;
  readonly #personById: GatewayParts["personById"];
  readonly #pushed: GatewayParts["pushed"];
  readonly #turns = new Map<string, Turn>();
  readonly #attempts = new Map<string, Attempt>();
  /** How many turns a bot answers in a person's default conversation, by {@linkcode defaultKey}. */
  readonly #inDefault = new Map<string, number>();
  readonly #queue: FairQueue<Turn>;
  /** Ended turns that are still in memory, the oldest first, and their weight. */
  readonly #ended = new Map<string, number>();
  #endedBytes = 0;
  /**
   * Turns by idempotency key. Their ids only: a key must not hold the words past their share of
   * memory.
   */
  readonly #keys = new Map<string, { id: Promise<string>; until: number }>();
  /** Pushes seen lately, by bot and push id. */
  readonly #pushes = new Map<string, { told: Promise<void>; until: number }>();
  readonly #orphanedSince = new Map<Turn, number>();
  readonly #outcome: Outcome;
  readonly #idle = new Set<() => void>();
  #draining = false;
  #stopLooking: () => void;

  constructor(parts: GatewayParts, settings: Partial<GatewaySettings> = {}) {
    this.settings = { ...DEFAULT_SETTINGS, ...settings };
    this.#clock = parts.clock;
    this.#observer = parts.observer;
    this.#random = parts.random ?? Math.random;
    this.#newId = parts.newId ?? (() => timedId(parts.clock.now()));
    this.#admit = parts.admit;
    this.#giveBack = parts.giveBack;
    this.#isOut = parts.isOut ?? (() => false);
    this.#conversations = parts.conversations ?? (() => Infinity);
    this.#personById = parts.personById;
    this.#pushed = parts.pushed;
    this.roster = new Roster(parts);
    this.archive = new Archive(parts);
    this.history = new ScopedHistory({
      archive: this.archive,
      observer: parts.observer,
      live: (id) => this.#turns.get(id),
      running: () => this.running(),
    });
    this.#outcome = {
      done: (attempt) => this.#done(attempt),
      failed: (attempt, code, detail, retryable, more) =>
        this.#failed(attempt, code, detail, retryable, more),
      lost: (attempt, detail) => this.#lost(attempt, detail),
      away: (attempt) => attempt.turn.reply.length === 0 && this.#move(attempt, "away", "bot_gone"),
      tooLarge: (attempt) => this.#stop(attempt, { status: "failed", code: "reply_too_large" }),
      isLasting: this.archive.isLasting,
    };
    this.notices = new Notices(parts.clock.now());
    this.#queue = new FairQueue(this.settings.queue);
    this.roster.watch(() => this.#serve());
    this.#stopLooking = this.#keepLooking();
  }

  /** Takes over changed settings. */
  set(settings: Partial<GatewaySettings>): void {
    Object.assign(this.settings, settings);
    this.#queue.bounds = this.settings.queue;
    this.#stopLooking();
    this.#stopLooking = this.#keepLooking();
  }

  /** One timer looks after every turn: setting one per frame would cost more than the frame. */
  #keepLooking(): () => void {
    const shortest = Math.min(this.settings.replyTimeout, this.settings.queueTimeout);
    return this.#clock.every(Math.min(1000, Math.max(20, shortest / 5)), () => this.#look());
  }

  /*
   * ── asking
   * ────────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  /**
   * Begins a turn. It has a bot, or a place in line, when this resolves.
   *
   * Throws `invalid` (nothing said), `no_bot`, `bot_offline`, `queue_full`, `not_found`
   * (conversation or parent), `limited`, `shutting_down`.
   */
  ask(message: Message): Promise<Turn> {
    if (message.idempotencyKey === undefined) return this.#ask(message);
    // A key that reads less gets no answer by the idempotency key of another.
    const key = `${message.person.id}\n${
      message.person.keyScope?.key ?? ""
    }\n${message.idempotencyKey}`;
    const now = this.#clock.now();
    const known = this.#keys.get(key);
    if (known && known.until > now) return this.#again(known.id, message);
    const asked = this.#ask(message);
    const id = asked.then((turn) => turn.id);
    this.#keys.delete(key);
    this.#keys.set(key, { id, until: now + IDEMPOTENCY });
    if (this.#keys.size > MAX_KEYS) this.#keys.delete(this.#keys.keys().next().value!);
    // A refusal is no turn: the next try may go better.
    id.catch(() => {
      if (this.#keys.get(key)?.id === id) this.#keys.delete(key);
    });
    return asked;
  }

  /** The turn of a repeat; one whose words were deleted meanwhile is asked anew. */
  async #again(id: Promise<string>, message: Message): Promise<Turn> {
    return await this.history.turn(await id, message.person) ?? await this.#ask(message);
  }

  async #ask(asked: Message): Promise<Turn> {
    this.#refuseWhileDraining();
    const message = settled(this.#addressed(asked));
    if (message.text.length === 0 && message.images.length === 0) {
      throw new NexusError("invalid", "message: text or an image is needed");
    }
    const { person } = message;
    const [conversation, defaults] = await Promise.all([
      message.conversationId === undefined
        ? undefined
        : this.history.open(person, message.conversationId),
      this.archive.defaults(person.id),
    ]);
    if (message.conversationId !== undefined && !conversation) {
      throw new NexusError("not_found", "no such conversation");
    }
    if (message.parentTurnId) await this.#checkParent(message);
    // Behind every other wait: what is let in without one begins at once, so that nobody passes a
    // bound on turns at once by asking together.
    const admitted = this.#admit?.(message);
    if (admitted) await admitted;
    try {
      return this.#begin(message, conversation, defaults);
    } catch (error) {
      this.#giveBack?.(message);
      throw error;
    }
  }

  /**
   * The message with a bot's name taken off its text, where it has no other target. A program means
   * a bot by any name; in a chat app, whose desk knows its names, people mention each other too.
   */
  #addressed(message: Message): Message {
    if (
      message.target !== undefined || !message.text.startsWith("@") || isChatApp(message.channel)
    ) return message;
    const seats = this.roster.visibleTo(message.person);
    const { target, text } = mentioned(message.text, seats.map(({ bot }) => bot)) ??
      splitMention(message.text);
    // A name and nothing else is what somebody says.
    if (target === undefined || (text === "" && message.images.length === 0)) return message;
    return { ...message, target, text };
  }

  /** Makes the turn of a message that was let in, and gives it to a bot or puts it in line. */
  #begin(
    message: Message,
    conversation: Conversation | undefined,
    defaults: DefaultConversations,
  ): Turn {
    const { person } = message;
    // All three may have happened while the store was asked.
    this.#refuseWhileDraining();
    if (this.#isOut(person.id)) throw new NexusError("forbidden", "this account may not ask");
    if (conversation && this.archive.isRemoved(conversation)) {
      throw new NexusError("not_found", "no such conversation");
    }

    const turn = new Turn(
      this.#newId(),
      // One of its own, which nobody can name: a bot with a memory must not mix it with another.
      message.temporary ? this.#newId() : conversation?.id ?? "",
      message,
      new Reply(this.settings.replyCap),
      this.#clock.now(),
    );
    turn.own = conversation ? conversation.botId : this.#defaultBot(person, defaults.last);
    const seat = this.#seatFor(turn);
    if (!seat) this.#line(turn);
    this.#turns.set(turn.id, turn);
    const { requestId: request, channel } = message;
    this.#observer.tell({ type: "turn_begun", turn: turn.id, request, person: person.id, channel });
    if (seat) this.#give(turn, seat);
    else this.#tellPlaces();
    return turn;
  }

  #refuseWhileDraining(): void {
    if (this.#draining) throw new NexusError("shutting_down", undefined, { retryAfter: 5 });
  }

  /**
   * Puts a turn in line, and keeps it where it already has its conversation: a page that reloads
   * finds the question there.
   */
  #line(turn: Turn): void {
    const { message } = turn;
    const { person, target } = message;
    const candidates = this.roster.candidates(person, target);
    if (candidates.length === 0) throw this.#nobody(message);
    this.#queue.add(person.id, turn);
    turn.hoped = (candidates.find(({ id }) => id === turn.own) ?? candidates[0]!).id;
    if (turn.conversationId !== "") this.archive.keep(turn);
  }

  async #checkParent(message: Message): Promise<void> {
    const parent = await this.history.turn(message.parentTurnId!, message.person);
    if (!parent || parent.conversationId !== message.conversationId) {
      throw new NexusError("not_found", "no such turn in this conversation: parentTurnId");
    }
  }

  /**
   * The bot that keeps a person's default conversation. While it is still answering there, a second
   * question cannot be about that answer: then the balancer is free, so that programs with many
   * requests at once are spread over all bots.
   */
  #defaultBot(person: Person, last: string | undefined): string | undefined {
    if (last === undefined) return undefined;
    return this.#inDefault.has(defaultKey(person.id, last)) ? undefined : last;
  }

  #nobody(message: Message): NexusError {
    if (message.target === undefined) {
      return new NexusError("no_bot", undefined, { retryAfter: 10 });
    }
    return new NexusError("bot_offline", message.target.slice(0, 128), { retryAfter: 10 });
  }

  #seatFor(turn: Turn): Seat | undefined {
    const { person, target } = turn.message;
    return pick(
      this.roster.candidates(person, turn.scope ?? target, turn.tried),
      turn.own,
      this.#random,
    );
  }

  #give(turn: Turn, seat: Seat): void {
    const { bot } = seat;
    const { person, requestId: request } = turn.message;
    turn.queuePosition = undefined;
    if (turn.bot && turn.reply.length > 0) turn.earlier = [...turn.earlier ?? [], turn.bot];
    turn.bot = bot;
    if (turn.conversationId === "") {
      turn.conversationId = this.archive.defaultConversation(person.id, bot.id);
    } else if (turn.attempts > 0 && isInDefault(turn.message)) {
      // The question and its answer belong to what this person and this bot talk about.
      this.archive.move(turn, this.archive.defaultConversation(person.id, bot.id));
    }
    this.archive.given(turn);
    const attempt = new Attempt(turn, seat.link, {
      clock: this.#clock,
      observer: this.#observer,
      outcome: this.#outcome,
    });
    this.#attempts.set(turn.id, attempt);
    if (isInDefault(turn.message)) {
      const key = defaultKey(person.id, bot.id);
      this.#inDefault.set(key, (this.#inDefault.get(key) ?? 0) + 1);
    }
    if (turn.reply.length > 0) turn.reply.append("replace", bot.id);
    turn.attempts++;
    this.#observer.tell({
      type: "turn_given",
      turn: turn.id,
      request,
      bot: bot.id,
      attempt: turn.attempts,
    });
    if (turn.attempts === 1) {
      this.archive.keep(turn);
      this.#tellBegun(turn, bot.id);
    }
    turn.reply.wake();
    seat.link.ask({
      id: turn.id,
      conversationId: turn.conversationId,
      message: turn.message,
      at: turn.at,
    }, attempt);
  }

  /**
   * Tells the person's open pages that a turn has begun, when it would survive the end of the
   * process.
   */
  #tellBegun(turn: Turn, botId: string): void {
    const { id: turnId, conversationId, recorder } = turn;
    const personId = turn.message.person.id;
    const tell = () => this.#notify(turn, { type: "turn", turnId, conversationId, botId });
    if (recorder && this.notices.isHeard(personId)) void turn.recorded().then(tell);
    else tell();
  }

  /*
   * ── how attempts end
   * ──────────────────────────────────────────────────────────────────────────────────────────────
   */

  #done(attempt: Attempt): void {
    this.roster.recordSuccess(attempt.link.bot.id);
    this.#end(attempt.turn, { status: "done" });
  }

  #failed(
    attempt: Attempt,
    code: ErrorCode,
    detail: string | undefined,
    retryable: boolean,
    more: FailureInfo = {},
  ): void {
    if (!isCausedByRequest(code)) this.roster.recordFailure(attempt.link.bot.id);
    const { turn } = attempt;
    if (code === "cancelled") {
      // Its person stopped it on the bot's side, where `/stop` is a message like any other.
      turn.cancelConfirmed = Promise.resolve(true);
      return this.#end(turn, { status: "cancelled" });
    }
    if (retryable && this.#move(attempt, (more.logged ?? detail) || code, code)) return;
    const { partial, ...said } = more;
    const status = partial && turn.reply.length > 0 ? "incomplete" : "failed";
    this.#end(turn, { status, code, detail, ...said });
  }

  #lost(attempt: Attempt, detail: string | undefined): void {
    this.roster.recordFailure(attempt.link.bot.id);
    if (this.#move(attempt, detail ?? "bot_gone", "bot_gone")) return;
    const status = attempt.turn.reply.length > 0 ? "incomplete" : "failed";
    this.#end(attempt.turn, { status, code: "bot_gone", detail });
  }

  /**
   * Gives the turn to another bot, now or from the line. Before the first chunk this is free; after
   * it only where the bot declared that a begun reply may be started again, and then readers are
   * told that what they have is void.
   */
  #move(attempt: Attempt, why: string, code: ErrorCode): boolean {
    const { turn, link } = attempt;
    const { bot } = link;
    const begun = turn.reply.length > 0;
    if (begun && !(bot.restart === "safe" && bot.pool !== undefined)) return false;
    if (this.#draining) return false;
    const { person, target, requestId: request } = turn.message;
    const scope = begun || (target !== undefined && bot.pool !== undefined) ? bot.pool : target;
    const tried = new Set(turn.tried).add(bot.id);
    if (this.roster.candidates(person, scope, tried).length === 0) return false;
    this.#drop(attempt);
    turn.tried = tried;
    turn.scope = scope;
    this.#observer.tell({ type: "turn_moved", turn: turn.id, request, from: bot.id, why, code });
    const seat = this.#seatFor(turn);
    if (seat) this.#give(turn, seat);
    else {
      this.#queue.putBack(person.id, turn);
      this.#tellPlaces();
    }
    this.#serve();
    return true;
  }

  /** Ends a turn whose bot goes on: it is told to stop, and nobody waits for its receipt. */
  #stop(attempt: Attempt, ending: Ending): void {
    if (ending.code === "reply_timeout") this.roster.recordFailure(attempt.link.bot.id);
    void attempt.link.cancel(attempt.turn.id);
    this.#end(attempt.turn, ending);
  }

  #end(turn: Turn, ending: Ending): void {
    if (turn.ending) return;
    const attempt = this.#attempts.get(turn.id);
    if (attempt) {
      this.#drop(attempt);
      attempt.link.forget(turn.id);
    }
    turn.queuePosition = undefined;
    turn.endedAt = this.#clock.now();
    turn.unkept = this.archive.isLasting && !turn.message.temporary;
    turn.reply.end(ending);
    // It never had a bot: its words go where they would most likely have gone.
    if (turn.conversationId === "" && turn.hoped !== undefined) {
      turn.conversationId = this.archive.defaultConversation(
        turn.message.person.id,
        turn.hoped,
        false,
      );
    }
    const kept = this.archive.keep(turn);
    // Only now are readers told that it has ended.
    if (turn.unkept) {
      turn.kept = kept!.then(() => {
        turn.unkept = false;
        turn.recorder = undefined;
        turn.reply.wake();
      });
    }
    this.#remember(turn);
    const { person, channel, requestId: request } = turn.message;
    this.#observer.tell({
      type: "turn_ended",
      turn: turn.id,
      request,
      conversation: turn.conversationId,
      person: person.id,
      channel,
      bot: turn.bot?.id,
      status: ending.status,
      code: ending.code,
      detail: (ending.logged ?? ending.detail) || undefined,
      took: turn.endedAt - turn.at,
      first: turn.firstAt === undefined ? undefined : turn.firstAt - turn.at,
      units: turn.reply.length,
      inputTokens: turn.meta?.usage?.inputTokens,
      outputTokens: turn.meta?.usage?.outputTokens,
    });
    const { id: turnId, conversationId } = turn;
    const tell = () =>
      this.#notify(turn, { type: "turn_end", turnId, conversationId, status: ending.status });
    if (turn.kept) void turn.kept.then(tell);
    else tell();
    this.#serve();
    if (this.#attempts.size === 0 && this.#queue.size === 0) {
      for (const resolve of this.#idle) resolve();
      this.#idle.clear();
    }
  }

  /** Tells the person's pages of a turn. */
  #notify({ message, trace }: Turn, notice: Notice): void {
    if (!message.temporary) this.notices.tell(message.person.id, notice, [trace]);
  }

  /** What this attempt's bot says from here on is not heard. */
  #drop(attempt: Attempt): void {
    attempt.over = true;
    attempt.turn.receipts = undefined;
    if (!this.#attempts.delete(attempt.turn.id)) return;
    if (!isInDefault(attempt.turn.message)) return;
    const key = defaultKey(attempt.turn.message.person.id, attempt.link.bot.id);
    const left = (this.#inDefault.get(key) ?? 1) - 1;
    if (left > 0) this.#inDefault.set(key, left);
    else this.#inDefault.delete(key);
  }

  #remember(turn: Turn): void {
    let bytes = TURN_OVERHEAD + 2 * (turn.reply.size + turn.message.text.length);
    for (const image of turn.message.images) bytes += image.length;
    // What an OpenAI client told of the conversation is held as long as the turn is.
    for (const { text, images } of turn.message.transcript ?? []) {
      bytes += 2 * text.length;
      for (const image of images) bytes += image.length;
    }
    this.#ended.set(turn.id, bytes);
    this.#endedBytes += bytes;
    for (const oldest of this.#ended.keys()) {
      if (this.#endedBytes <= this.settings.keepEndedBytes) break;
      this.#letGo(oldest);
    }
  }

  #letGo(turnId: string): void {
    this.#endedBytes -= this.#ended.get(turnId) ?? 0;
    this.#ended.delete(turnId);
    this.#turns.delete(turnId);
  }

  /*
   * ── the line
   * ──────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  /** Gives waiting turns to whoever is free now. */
  #serve(): void {
    if (this.#queue.size === 0 || this.#draining) return;
    let served = false;
    while (true) {
      let seat: Seat | undefined;
      const turn = this.#queue.next((waiting) => (seat = this.#seatFor(waiting)) !== undefined);
      if (!turn) break;
      served = true;
      this.#orphanedSince.delete(turn);
      this.#give(turn, seat!);
    }
    if (served) this.#tellPlaces();
  }

  #tellPlaces(): void {
    for (const [turn, place] of this.#queue.places()) {
      if (turn.queuePosition === place) continue;
      if (turn.queuePosition === undefined) {
        this.#observer.tell({
          type: "turn_queued",
          turn: turn.id,
          person: turn.message.person.id,
          place,
        });
      }
      turn.queuePosition = place;
      turn.reply.wake();
    }
  }

  /*
   * ── what time does
   * ────────────────────────────────────────────────────────────────────────────────────────────────
   */

  #look(): void {
    const now = this.#clock.now();
    for (const attempt of this.#attempts.values()) {
      if (now - attempt.heardAt < this.settings.replyTimeout) continue;
      const begun = attempt.turn.reply.length > 0;
      this.#stop(attempt, { status: begun ? "incomplete" : "failed", code: "reply_timeout" });
    }
    for (const [turn] of [...this.#queue.places()]) this.#lookAtWaiting(turn, now);
    // No event tells that a stuck socket is read again, or that the second of two bots has rested.
    this.#serve();
    for (const turnId of this.#ended.keys()) {
      const turn = this.#turns.get(turnId)!;
      if (now - turn.endedAt! < this.settings.keepEnded) break;
      this.#letGo(turnId);
    }
    for (const [key, { until }] of this.#keys) {
      if (until > now) break;
      this.#keys.delete(key);
    }
    for (const [key, { until }] of this.#pushes) {
      if (until > now) break;
      this.#pushes.delete(key);
    }
  }

  #lookAtWaiting(turn: Turn, now: number): void {
    const { person, target } = turn.message;
    if (this.roster.candidates(person, turn.scope ?? target, turn.tried).length > 0) {
      this.#orphanedSince.delete(turn);
    } else if (!this.#orphanedSince.has(turn)) this.#orphanedSince.set(turn, now);
    const orphaned = now - (this.#orphanedSince.get(turn) ?? now) >= ORPHANED;
    if (!orphaned && now - turn.at < this.settings.queueTimeout) return;
    this.#leaveLine(turn, { status: "failed", code: orphaned ? "bot_offline" : "queue_timeout" });
  }

  #leaveLine(turn: Turn, ending: Ending): void {
    this.#queue.remove(turn.message.person.id, turn);
    this.#orphanedSince.delete(turn);
    this.#end(turn, ending);
    this.#tellPlaces();
  }

  /*
   * ── reading and stopping
   * ──────────────────────────────────────────────────────────────────────────────────────────
   */

  /** The turns that run now, of everybody. */
  running(): Turn[] {
    return [
      ...[...this.#attempts.values()].map((attempt) => attempt.turn),
      ...[...this.#queue.places()].map(([turn]) => turn),
    ];
  }

  get waiting(): number {
    return this.#queue.size;
  }

  get answering(): number {
    return this.#attempts.size;
  }

  /** Ended turns still in memory, and their weight in bytes by estimate. */
  get kept(): { turns: number; bytes: number } {
    return { turns: this.#ended.size, bytes: this.#endedBytes };
  }

  /**
   * Stops a turn: it ends `cancelled` at once for every reader. Resolves to whether the bot
   * confirmed; a turn that nobody had begun needs no confirmation. On a turn that has ended already
   * this does nothing and tells what was confirmed then.
   */
  async cancel(turn: Turn): Promise<boolean> {
    if (turn.ending) return await turn.cancelConfirmed ?? false;
    const attempt = this.#attempts.get(turn.id);
    if (!attempt) {
      turn.cancelConfirmed = Promise.resolve(true);
      this.#leaveLine(turn, { status: "cancelled" });
      return true;
    }
    turn.cancelConfirmed = attempt.link.cancel(turn.id);
    this.#end(turn, { status: "cancelled" });
    return await turn.cancelConfirmed;
  }

  /**
   * Begins a conversation that a person or their program wants. Throws `conversations_full`; those
   * with each bot by default are not refused.
   */
  async beginConversation(
    { id, keyScope }: Reader,
    fields: { title?: string; botId?: string; id?: string } = {},
  ): Promise<Conversation> {
    const most = this.#conversations(id);
    if (!await this.archive.hasRoom(id, most)) {
      throw new NexusError("conversations_full", String(most));
    }
    return this.archive.create(id, { ...fields, key: keyScope?.key });
  }

  /**
   * Deletes a conversation and what runs in it. Throws `forbidden` where its person, as they came
   * in, may read only a part of it.
   */
  async removeConversation(who: Reader, id: string): Promise<boolean> {
    const conversation = await this.history.changeable(who, id);
    if (!conversation) return false;
    // Asked before the words are gone, and not waited for: nothing new may begin in it meanwhile.
    // Where it cannot be known, no limited key hears.
    const about = this.history.about(conversation).catch(() => []);
    for (const turn of this.running()) if (turn.conversationId === id) void this.cancel(turn);
    for (const [turnId, turn] of this.#turns) if (turn.conversationId === id) this.#letGo(turnId);
    await this.archive.remove(conversation);
    this.notices.tell(
      who.id,
      { type: "conversation", conversationId: id, change: "deleted" },
      await about,
    );
    return true;
  }

  /** Stops what runs for a person. */
  stopPerson(personId: string): void {
    for (const turn of this.running()) {
      if (turn.message.person.id === personId) void this.cancel(turn);
    }
  }

  /** Deletes everything a person said and was told, and stops what runs for them. */
  async removePerson(personId: string): Promise<void> {
    this.stopPerson(personId);
    for (const [turnId, turn] of this.#turns) {
      if (turn.message.person.id === personId) this.#letGo(turnId);
    }
    for (const key of this.#keys.keys()) {
      if (key.startsWith(`${personId}\n`)) this.#keys.delete(key);
    }
    this.notices.forget(personId);
    await this.archive.removePerson(personId);
  }

  /*
   * ── bots that speak first
   * ─────────────────────────────────────────────────────────────────────────────────────────
   */

  /**
   * A bot says something by itself, to `user:<id>` or `conversation:<id>`. It is kept in the
   * conversation and told to open pages.
   *
   * Throws `not_found` where there is no such person or conversation, or the bot has no business
   * with them.
   */
  push(bot: Pick<Bot, "id" | "name" | "pool">, push: Push): Promise<void> {
    if (push.id === undefined) return this.#push(bot, push);
    const key = `${bot.id}\n${push.id}`;
    const now = this.#clock.now();
    const known = this.#pushes.get(key);
    if (known && known.until > now) return known.told;
    const told = this.#push(bot, push);
    this.#pushes.delete(key);
    this.#pushes.set(key, { told, until: now + IDEMPOTENCY });
    if (this.#pushes.size > MAX_KEYS) this.#pushes.delete(this.#pushes.keys().next().value!);
    // What was not told may be tried again.
    told.catch(() => {
      if (this.#pushes.get(key)?.told === told) this.#pushes.delete(key);
    });
    return told;
  }

  async #push(bot: Pick<Bot, "id" | "name" | "pool">, push: Push): Promise<void> {
    const [kind, name] = [
      push.to.slice(0, push.to.indexOf(":")),
      push.to.slice(push.to.indexOf(":") + 1),
    ];
    const conversation = kind === "conversation"
      ? await this.archive.conversationOfBot(name, bot.id)
      : undefined;
    const personId = conversation?.personId ?? (kind === "user" ? name : undefined);
    const person = personId === undefined ? undefined : await this.#personById?.(personId);
    const nobody = new NexusError("not_found", `nobody to tell: ${push.to.slice(0, 200)}`);
    if (!person || !mayUse(person, bot)) throw nobody;
    const reply = new Reply(this.settings.replyCap);
    if (
      reply.append("text", push.content) === "full" || reply.append("image", push.images) === "full"
    ) {
      throw new NexusError("reply_too_large");
    }
    await this.archive.defaults(person.id);
    if (conversation && this.archive.isRemoved(conversation)) throw nobody;
    const now = this.#clock.now();
    const turn = new Turn(
      this.#newId(),
      conversation?.id ?? this.archive.defaultConversation(person.id, bot.id, false),
      { person, text: "", images: [], channel: "bot" },
      reply,
      now,
    );
    turn.bot = { id: bot.id, name: bot.name, pool: bot.pool };
    const notice: PushNotice = {
      type: "push",
      turnId: turn.id,
      conversationId: turn.conversationId,
      botId: bot.id,
      botName: bot.name,
      content: push.content,
      images: push.images,
    };
    await this.#pushed?.(person, notice, push.id === undefined ? turn.id : `${bot.id}:${push.id}`);
    this.archive.keep(turn);
    turn.firstAt = turn.endedAt = now;
    turn.reply.end({ status: "done" });
    const kept = this.archive.keep(turn);
    this.#turns.set(turn.id, turn);
    this.#remember(turn);
    // The bot's receipt says that it is stored, and so does what a page is told.
    await kept;
    turn.recorder = undefined;
    this.#observer.tell({ type: "pushed", bot: bot.id, person: person.id });
    this.notices.tell(person.id, notice, [turn.trace]);
  }

  /*
   * ── the end of the gateway
   * ────────────────────────────────────────────────────────────────────────────────────────
   */

  get draining(): boolean {
    return this.#draining;
  }

  /**
   * Refuses new work and lets turns finish for at most `grace` milliseconds; then ends what is
   * left, honestly.
   */
  async drain(grace: number): Promise<void> {
    this.#draining = true;
    this.#observer.tell({ type: "draining", turns: this.#attempts.size + this.#queue.size });
    for (const [turn] of [...this.#queue.places()]) {
      this.#leaveLine(turn, { status: "failed", code: "shutting_down" });
    }
    if (this.#attempts.size > 0 && grace > 0) {
      let giveUp = () => {};
      await new Promise<void>((resolve) => {
        this.#idle.add(resolve);
        giveUp = this.#clock.after(grace, resolve);
      });
      giveUp();
    }
    for (const attempt of [...this.#attempts.values()]) {
      const begun = attempt.turn.reply.length > 0;
      this.#stop(attempt, { status: begun ? "incomplete" : "failed", code: "shutting_down" });
    }
  }

  /** Stops the clockwork. Call {@linkcode drain} first. */
  close(): void {
    this.#stopLooking();
    this.archive.close();
    this.roster.close();
  }
}

function defaultKey(personId: string, botId: string): string {
  return `${personId}\n${botId}`;
}

/**
 * The message as it is asked. A temporary one belongs to no conversation, whatever its client says.
 */
function settled(message: Message): Message {
  return message.temporary
    ? { ...message, conversationId: undefined, parentTurnId: undefined }
    : message;
}

/** Whether it belongs to what its person and the bot that answers talk about by default. */
function isInDefault({ conversationId, temporary }: Message): boolean {
  return conversationId === undefined && !temporary;
}

export type { Link };
