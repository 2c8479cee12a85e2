/**
 * The dispatcher gives turns to bots: to a free one at once, else from the queue, and to another
 * one when a bot is lost.
 */
import type { Archive } from "./archive.ts";
import type { Conversation } from "./conversation_store.ts";
import type { DefaultConversations } from "./default_conversations.ts";
import { Attempt, type AttemptOutcome } from "./attempt.ts";
import { pick } from "./balance.ts";
import type { Clock } from "./clock.ts";
import { type ErrorCode, NexusError } from "./error.ts";
import type { QueueBounds } from "./fair_queue.ts";
import { KeyCounter } from "./key_counter.ts";
import type { Bot } from "./link.ts";
import type { Message } from "./message.ts";
import type { Observer } from "./observer.ts";
import type { Roster, Seat } from "./roster.ts";
import type { Turn } from "./turn.ts";
import { WaitingTurns } from "./waiting_turns.ts";

export interface DispatcherParts {
  readonly roster: Roster;
  readonly archive: Archive;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly random: () => number;
  /** What becomes of a turn when an attempt ends. */
  readonly outcome: AttemptOutcome;
  /** While this holds, nothing is given to bots any more. */
  readonly isDraining: () => boolean;
  /** Called when a bot has been given a turn for the first time. */
  readonly onBegun: (turn: Turn, botId: string) => void;
}

export class Dispatcher {
  readonly waiting: WaitingTurns;
  readonly #parts: DispatcherParts;
  readonly #attempts = new Map<string, Attempt>();
  /** How many turns a bot answers in a person's default conversation. */
  readonly #inDefault = new KeyCounter();

  constructor(parts: DispatcherParts, queue: QueueBounds) {
    this.#parts = parts;
    this.waiting = new WaitingTurns(queue, parts.observer);
    parts.roster.watch(() => this.serveQueue());
  }

  /** The attempts that run. */
  get attempts(): ReadonlyMap<string, Attempt> {
    return this.#attempts;
  }

  /**
   * A seat for a new turn; nothing where the turn was queued instead. Throws `no_bot`,
   * `bot_offline`, `queue_full`.
   */
  findSeat(
    turn: Turn,
    conversation: Conversation | undefined,
    defaults: DefaultConversations,
  ): Seat | undefined {
    turn.routing.preferredBot = conversation
      ? conversation.botId
      : this.#defaultBot(turn.message.person.id, defaults.last);
    const seat = this.#seatFor(turn);
    if (!seat) this.#enqueue(turn);
    return seat;
  }

  /** Gives a turn to a bot. */
  assign(turn: Turn, seat: Seat): void {
    const { bot } = seat;
    const { requestId: request } = turn.message;
    turn.queuePosition = undefined;
    if (turn.bot && turn.reply.length > 0) turn.earlier = [...turn.earlier ?? [], turn.bot];
    turn.bot = bot;
    this.#decideConversation(turn, bot);
    this.#parts.archive.given(turn);
    const attempt = new Attempt(turn, seat.link, {
      clock: this.#parts.clock,
      observer: this.#parts.observer,
      outcome: this.#parts.outcome,
    });
    this.#attempts.set(turn.id, attempt);
    if (turn.isInDefault) this.#inDefault.increment(defaultKey(turn.message.person.id, bot.id));
    if (turn.reply.length > 0) turn.reply.append("replace", bot.id);
    const number = ++turn.routing.attempts;
    this.#parts.observer.tell({
      type: "turn_given",
      turn: turn.id,
      request,
      bot: bot.id,
      attempt: number,
    });
    if (number === 1) {
      this.#parts.archive.keep(turn);
      this.#parts.onBegun(turn, bot.id);
    }
    turn.reply.wake();
    const { id, conversationId, message, at } = turn;
    seat.link.ask({ id, conversationId, message, at }, attempt);
  }

  /**
   * Gives a turn to another bot, or back to the queue. Before the first chunk any bot may take it.
   * After it, a turn moves only where the bot declared that a begun reply may be started again, and
   * a `replace` chunk makes readers discard what they have. Returns whether it moved.
   */
  move(attempt: Attempt, why: string, code: ErrorCode): boolean {
    const { turn, link: { bot } } = attempt;
    const hasBegun = turn.reply.length > 0;
    if (hasBegun && !(bot.restart === "safe" && bot.pool !== undefined)) return false;
    if (this.#parts.isDraining()) return false;
    const { person, target, requestId: request } = turn.message;
    const staysInPool = hasBegun || (target !== undefined && bot.pool !== undefined);
    const nextTarget = staysInPool ? bot.pool : target;
    const tried = new Set(turn.routing.triedBots).add(bot.id);
    if (this.#parts.roster.candidates(person, nextTarget, tried).length === 0) return false;
    this.close(attempt);
    turn.routing.triedBots = tried;
    turn.routing.target = nextTarget;
    this.#parts.observer.tell({
      type: "turn_moved",
      turn: turn.id,
      request,
      from: bot.id,
      why,
      code,
    });
    const seat = this.#seatFor(turn);
    if (seat) this.assign(turn, seat);
    else {
      this.waiting.putBack(turn);
      this.waiting.updatePositions();
    }
    this.serveQueue();
    return true;
  }

  /** Gives waiting turns to bots that are free now. */
  serveQueue(): void {
    if (this.waiting.size === 0 || this.#parts.isDraining()) return;
    let served = false;
    while (true) {
      let seat: Seat | undefined;
      const turn = this.waiting.next((waiting) => (seat = this.#seatFor(waiting)) !== undefined);
      if (!turn) break;
      served = true;
      this.assign(turn, seat!);
    }
    if (served) this.waiting.updatePositions();
  }

  /** Ends an attempt: nothing that its bot still sends reaches the turn. */
  close(attempt: Attempt): void {
    const { turn, link } = attempt;
    attempt.isOver = true;
    turn.receipts = undefined;
    if (!this.#attempts.delete(turn.id) || !turn.isInDefault) return;
    this.#inDefault.decrement(defaultKey(turn.message.person.id, link.bot.id));
  }

  /**
   * Waiting turns that fail now, and why.
   *
   * @param timeout milliseconds that a turn may wait
   */
  overdue(timeout: number): { readonly turn: Turn; readonly code: ErrorCode }[] {
    const { roster, clock } = this.#parts;
    return this.waiting.overdue(
      clock.now(),
      timeout,
      ({ message, routing }) =>
        roster.candidates(message.person, routing.target, routing.triedBots).length > 0,
    );
  }

  /**
   * The bot of a person's default conversation. While it still answers there, a second question
   * cannot be about that answer: then any bot may take it, so that programs with many concurrent
   * requests are spread over all bots.
   */
  #defaultBot(personId: string, last: string | undefined): string | undefined {
    if (last === undefined) return undefined;
    return this.#inDefault.get(defaultKey(personId, last)) > 0 ? undefined : last;
  }

  #seatFor({ message, routing }: Turn): Seat | undefined {
    const { target, triedBots, preferredBot } = routing;
    return pick(
      this.#parts.roster.candidates(message.person, target, triedBots),
      preferredBot,
      this.#parts.random,
    );
  }

  /**
   * Queues a turn. If its conversation is known, it is stored there at once, so that a page that
   * reloads finds the question. Throws `no_bot`, `bot_offline`, `queue_full`.
   */
  #enqueue(turn: Turn): void {
    const { message, routing } = turn;
    const candidates = this.#parts.roster.candidates(message.person, message.target);
    if (candidates.length === 0) throw noBotFor(message);
    this.waiting.add(turn);
    routing.expectedBot =
      (candidates.find(({ id }) => id === routing.preferredBot) ?? candidates[0]!).id;
    if (turn.conversation.kind !== "undecided") this.#parts.archive.keep(turn);
  }

  /** The default conversation of a turn is the one with the bot that answers. */
  #decideConversation(turn: Turn, { id: botId }: Bot): void {
    const { conversation, message } = turn;
    if (conversation.kind === "undecided") {
      const id = this.#parts.archive.defaults.conversationWith(message.person.id, botId);
      turn.conversation = { kind: "default", id };
    } else if (conversation.kind === "default" && turn.routing.attempts > 0) {
      this.#parts.archive.move(
        turn,
        this.#parts.archive.defaults.conversationWith(message.person.id, botId),
      );
    }
  }
}

function defaultKey(personId: string, botId: string): string {
  return `${personId}\n${botId}`;
}

function noBotFor({ target }: Message): NexusError {
  if (target === undefined) return new NexusError("no_bot", undefined, { retryAfter: 10 });
  return new NexusError("bot_offline", target.slice(0, 128), { retryAfter: 10 });
}
