/**
 * The gateway: a message goes in, a turn comes out, and each turn ends in one typed ending.
 *
 * Channels call {@linkcode Gateway.ask} and read the turn's reply. Links join the roster and get
 * tasks. The gateway decides who answers, who waits, and which turn moves when a bot is lost.
 *
 * ```ts
 * const turn = await gateway.ask({ person, text: "hello", images: [], channel: "web" });
 * await turn.reply.ended();
 * console.log(turn.reply.text);
 * ```
 */
import { type Admission, nobody, type PersonDirectory, unlimited } from "./admission.ts";
import { Archive } from "./archive.ts";
import type { Conversation } from "./conversation_store.ts";
import type { DefaultConversations } from "./default_conversations.ts";
import type { Attempt } from "./attempt.ts";
import { AttemptOutcomes, cutStatus } from "./attempt_outcomes.ts";
import { BotPushes, type ChatApps, type Push } from "./bot_push.ts";
import type { Clock } from "./clock.ts";
import { Conversations } from "./conversations.ts";
import { Dispatcher } from "./dispatcher.ts";
import { NexusError } from "./error.ts";
import { DEFAULT_SETTINGS, type GatewaySettings } from "./gateway_settings.ts";
import { timedId } from "./id.ts";
import type { Bot } from "./link.ts";
import type { Message } from "./message.ts";
import { MessageIntake } from "./message_intake.ts";
import { type Notice, Notices } from "./notice.ts";
import type { Observer } from "./observer.ts";
import { RecentTurns } from "./recent_turns.ts";
import { type Ending, Reply } from "./reply.ts";
import { Roster } from "./roster.ts";
import { ScopedHistory } from "./scoped_history.ts";
import type { Store } from "./store.ts";
import { Turn, type TurnConversation } from "./turn.ts";
import { turnEnded } from "./turn_events.ts";

export interface GatewayParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly observer: Observer;
  /** A number from 0 up to 1. */
  readonly random?: () => number;
  readonly newId?: () => string;
  /** Default: everybody may ask as much as they like. */
  readonly admission?: Admission;
  /** Default: nobody is known, so that no push finds its person. */
  readonly people?: PersonDirectory;
}

export class Gateway {
  readonly roster: Roster;
  readonly archive: Archive;
  /** What people may read, each within the scope of their key. */
  readonly history: ScopedHistory;
  readonly conversations: Conversations;
  readonly notices: Notices;
  readonly recentTurns: RecentTurns;
  readonly settings: GatewaySettings;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #newId: () => string;
  readonly #people: PersonDirectory;
  readonly #intake: MessageIntake;
  readonly #dispatcher: Dispatcher;
  readonly #pushes: BotPushes;
  /** The turns that run, waiting or answered, in the order in which they began. */
  readonly #running = new Map<string, Turn>();
  readonly #idle = new Set<() => void>();
  #isDraining = false;
  #stopSweeping: () => void;

  constructor(parts: GatewayParts, settings: Partial<GatewaySettings> = {}) {
    const { clock, observer, admission = unlimited, people = nobody } = parts;
    this.settings = { ...DEFAULT_SETTINGS, ...settings };
    this.#clock = clock;
    this.#observer = observer;
    this.#newId = parts.newId ?? (() => timedId(clock.now()));
    this.#people = people;
    const roster = this.roster = new Roster(parts);
    const archive = this.archive = new Archive(parts);
    const notices = this.notices = new Notices(clock.now());
    const recentTurns = this.recentTurns = new RecentTurns(this.settings);
    const history = this.history = new ScopedHistory({
      archive,
      observer,
      live: (id) => this.#running.get(id) ?? recentTurns.get(id),
      running: () => this.running(),
    });
    this.conversations = new Conversations({
      archive,
      history,
      notices,
      admission,
      cancelTurns: (id) => this.#discard((turn) => turn.conversationId === id),
    });
    this.#pushes = new BotPushes({
      archive,
      notices,
      recentTurns,
      people,
      clock,
      observer,
      newId: this.#newId,
      replyCap: () => this.settings.replyCap,
    });
    this.#intake = new MessageIntake({
      archive,
      history,
      roster,
      admission,
      clock,
      refuse: () => this.#refuseWhileDraining(),
      begin: (message, conversation, defaults) => this.#begin(message, conversation, defaults),
    });
    this.#dispatcher = new Dispatcher({
      roster,
      archive,
      clock,
      observer,
      random: parts.random ?? Math.random,
      outcome: new AttemptOutcomes({
        roster,
        isLasting: archive.isLasting,
        move: (attempt, why, code) => this.#dispatcher.move(attempt, why, code),
        finish: (turn, ending) => this.#finish(turn, ending),
        abort: (attempt, ending) => this.#abort(attempt, ending),
      }),
      isDraining: () => this.#isDraining,
      onBegun: (turn, botId) => this.#notifyBegun(turn, botId),
    }, this.settings.queue);
    this.#stopSweeping = this.#sweepRegularly();
  }

  /** Takes over changed settings. */
  set(settings: Partial<GatewaySettings>): void {
    Object.assign(this.settings, settings);
    this.#dispatcher.waiting.bounds = this.settings.queue;
    this.#stopSweeping();
    this.#stopSweeping = this.#sweepRegularly();
  }

  /** From now on pushes are also delivered to these chat platforms. */
  attachChatApps(apps: ChatApps): void {
    this.#pushes.chatApps = apps;
  }

  /**
   * Begins a turn. When this resolves, the turn has a bot or a position in the queue.
   *
   * Throws `invalid` (an empty message), `no_bot`, `bot_offline`, `queue_full`, `not_found`
   * (conversation or parent), `limited`, `forbidden`, `shutting_down`.
   */
  ask(message: Message): Promise<Turn> {
    return this.#intake.ask(message);
  }

  /** Makes the turn of an admitted message, and assigns it to a bot or queues it. */
  #begin(
    message: Message,
    conversation: Conversation | undefined,
    defaults: DefaultConversations,
  ): Turn {
    const { person } = message;
    // Each of these may have happened while the store was read.
    this.#refuseWhileDraining();
    if (this.#people.isOut(person.id)) {
      throw new NexusError("forbidden", "this account may not ask");
    }
    if (conversation && this.archive.conversations.isRemoved(conversation)) {
      throw new NexusError("not_found", "no such conversation");
    }
    const turn = new Turn(
      this.#newId(),
      this.#conversationOf(message, conversation),
      message,
      new Reply(this.settings.replyCap),
      this.#clock.now(),
    );
    const seat = this.#dispatcher.findSeat(turn, conversation, defaults);
    this.#running.set(turn.id, turn);
    const { requestId: request, channel } = message;
    this.#observer.tell({ type: "turn_begun", turn: turn.id, request, person: person.id, channel });
    if (seat) this.#dispatcher.assign(turn, seat);
    else this.#dispatcher.waiting.updatePositions();
    return turn;
  }

  #conversationOf({ temporary }: Message, named: Conversation | undefined): TurnConversation {
    if (temporary) return { kind: "temporary", id: this.#newId() };
    return named ? { kind: "named", id: named.id } : { kind: "undecided" };
  }

  #refuseWhileDraining(): void {
    if (this.#isDraining) throw new NexusError("shutting_down", undefined, { retryAfter: 5 });
  }

  /** Notifies the person's open pages that a turn has begun, once it is stored. */
  #notifyBegun(turn: Turn, botId: string): void {
    const { id: turnId, conversationId, recorder, message: { idempotencyKey } } = turn;
    const notice: Notice = { type: "turn", turnId, conversationId, botId, idempotencyKey };
    if (recorder && this.notices.hasPage(turn.message.person.id)) {
      void turn.recorded().then(() => this.#notify(turn, notice));
    } else this.#notify(turn, notice);
  }

  /** Ends a turn whose bot goes on. The bot is told to stop; its confirmation is not awaited. */
  #abort(attempt: Attempt, ending: Ending): void {
    if (ending.code === "reply_timeout") this.roster.recordFailure(attempt.link.bot.id);
    void attempt.link.cancel(attempt.turn.id);
    this.#finish(attempt.turn, ending);
  }

  /** Ends a turn. Only the first ending counts. */
  #finish(turn: Turn, ending: Ending): void {
    if (turn.ending) return;
    const attempt = this.#dispatcher.attempts.get(turn.id);
    if (attempt) {
      this.#dispatcher.close(attempt);
      attempt.link.forget(turn.id);
    }
    turn.queuePosition = undefined;
    turn.endedAt = this.#clock.now();
    this.#storeEnding(turn, ending);
    this.#running.delete(turn.id);
    this.recentTurns.add(turn);
    this.#observer.tell(turnEnded(turn, ending));
    const { id: turnId, conversationId } = turn;
    const { status } = ending;
    const notify = () => this.#notify(turn, { type: "turn_end", turnId, conversationId, status });
    if (turn.stored) void turn.stored.then(notify);
    else notify();
    this.#dispatcher.serveQueue();
    if (this.#running.size === 0) {
      for (const resolve of this.#idle) resolve();
      this.#idle.clear();
    }
  }

  /** Ends the reply and stores it. Readers are told of the ending when it is stored. */
  #storeEnding(turn: Turn, ending: Ending): void {
    const { message, reply, routing } = turn;
    const isStored = this.archive.isLasting && !message.temporary;
    reply.end(ending, !isStored);
    // It never had a bot: it is stored with the one that would most likely have answered.
    if (turn.conversation.kind === "undecided" && routing.expectedBot !== undefined) {
      const { id } = message.person;
      turn.conversation = {
        kind: "default",
        id: this.archive.defaults.conversationWith(id, routing.expectedBot, false),
      };
    }
    const kept = this.archive.keep(turn);
    if (!isStored) return;
    turn.stored = kept!.then(() => {
      turn.recorder = undefined;
      reply.settle();
    });
  }

  /** Notifies the person's pages of a turn. */
  #notify({ message, trace }: Turn, notice: Notice): void {
    if (!message.temporary) this.notices.tell(message.person.id, notice, [trace]);
  }

  /* ── waiting turns, and what time does ── */

  /** One timer looks after every turn: a timer for each frame would cost more than the frame. */
  #sweepRegularly(): () => void {
    const shortest = Math.min(this.settings.replyTimeout, this.settings.queueTimeout);
    return this.#clock.every(Math.min(1000, Math.max(20, shortest / 5)), () => this.#sweep());
  }

  /** Ends what took too long and drops what is too old. */
  #sweep(): void {
    const now = this.#clock.now();
    for (const attempt of this.#dispatcher.attempts.values()) {
      if (now - attempt.heardAt < this.settings.replyTimeout) continue;
      this.#abort(attempt, { status: cutStatus(attempt.turn), code: "reply_timeout" });
    }
    for (const { turn, code } of this.#dispatcher.overdue(this.settings.queueTimeout)) {
      this.#endWaiting(turn, { status: "failed", code });
    }
    // No event says that a stuck socket is read again, or that a second bot's cooldown is over.
    this.#dispatcher.serveQueue();
    this.recentTurns.expire(now);
    this.#intake.expire();
    this.#pushes.expire();
  }

  #endWaiting(turn: Turn, ending: Ending): void {
    this.#dispatcher.waiting.remove(turn);
    this.#finish(turn, ending);
    this.#dispatcher.waiting.updatePositions();
  }

  /** The turns that run now, of everybody. */
  running(): Turn[] {
    return [...this.#running.values()];
  }

  /** How many turns wait for a bot. */
  get waiting(): number {
    return this.#dispatcher.waiting.size;
  }

  /** How many turns have a bot. */
  get answering(): number {
    return this.#dispatcher.attempts.size;
  }

  /**
   * Stops a turn: it ends `cancelled` at once for every reader. Resolves to whether the bot
   * confirmed; a turn that no bot had needs no confirmation. On a turn that has ended already this
   * does nothing and resolves to what was confirmed then.
   */
  async cancel(turn: Turn): Promise<boolean> {
    if (turn.ending) return await turn.cancelConfirmed ?? false;
    const attempt = this.#dispatcher.attempts.get(turn.id);
    if (!attempt) {
      turn.cancelConfirmed = Promise.resolve(true);
      this.#endWaiting(turn, { status: "cancelled" });
      return true;
    }
    turn.cancelConfirmed = attempt.link.cancel(turn.id);
    this.#finish(turn, { status: "cancelled" });
    return await turn.cancelConfirmed;
  }

  /** Cancels the turns that a condition holds for. */
  #cancelWhere(condition: (turn: Turn) => boolean): void {
    for (const turn of this.running()) if (condition(turn)) void this.cancel(turn);
  }

  /** Cancels the turns that a condition holds for, and drops them from memory. */
  #discard(condition: (turn: Turn) => boolean): void {
    this.#cancelWhere(condition);
    this.recentTurns.dropWhere(condition);
  }

  /** Cancels the turns that run for a person. */
  cancelTurnsOf(personId: string): void {
    this.#cancelWhere(({ message }) => message.person.id === personId);
  }

  /** Cancels a person's turns and deletes everything that is stored of them here. */
  async removePerson(personId: string): Promise<void> {
    this.#discard(({ message }) => message.person.id === personId);
    this.#intake.forget(personId);
    this.notices.forget(personId);
    await this.archive.removePerson(personId);
  }

  /**
   * A bot sends a message by itself; see {@linkcode BotPushes.push}.
   *
   * Throws `not_found` where there is no such person or conversation, or where the bot has no
   * business with them.
   */
  push(bot: Pick<Bot, "id" | "name" | "pool">, push: Push): Promise<void> {
    return this.#pushes.push(bot, push);
  }

  get draining(): boolean {
    return this.#isDraining;
  }

  /**
   * Refuses new messages and lets turns finish for at most `grace` milliseconds; then ends the
   * others `incomplete` or `failed`.
   */
  async drain(grace: number): Promise<void> {
    this.#isDraining = true;
    this.#observer.tell({ type: "draining", turns: this.#running.size });
    for (const turn of this.#dispatcher.waiting.list()) {
      this.#endWaiting(turn, { status: "failed", code: "shutting_down" });
    }
    if (this.#dispatcher.attempts.size > 0 && grace > 0) {
      let stopTimer = () => {};
      await new Promise<void>((resolve) => {
        this.#idle.add(resolve);
        stopTimer = this.#clock.after(grace, resolve);
      });
      stopTimer();
    }
    for (const attempt of [...this.#dispatcher.attempts.values()]) {
      this.#abort(attempt, { status: cutStatus(attempt.turn), code: "shutting_down" });
    }
  }

  /** Stops the timers. Call {@linkcode drain} first. */
  close(): void {
    this.#stopSweeping();
    this.archive.close();
    this.roster.close();
  }
}
