/**
 * A turn is one message and its reply. It has a state, and it always ends in exactly one typed
 * ending.
 */
import type { AnswerMeta, Bot, Receipts } from "./link.ts";
import type { Message } from "./message.ts";
import type { BotRef, Trace } from "./key_scope.ts";
import type { Ending, Reply } from "./reply.ts";

/** Stores turns. */
export interface TurnRecorder {
  /**
   * Stores the turn with its question. Resolves when both would survive the sudden end of the
   * process.
   */
  writeDown(turn: Turn): Promise<void>;
}

/**
 * `queued`: every bot that may answer is busy; `queuePosition` has the position. `waiting`: a bot
 * has the turn and has sent nothing yet. `answering`: the reply has begun. `ended`: `reply.ending`
 * says how.
 */
export type TurnState = "queued" | "waiting" | "answering" | "ended";

/** The conversation that a turn belongs to. */
export type TurnConversation =
  /** The person's default conversation with the bot that answers; no bot is chosen yet. */
  | { readonly kind: "undecided" }
  /** The person's default conversation with the bot that answers. */
  | { readonly kind: "default"; readonly id: string }
  /** The one that the message names. */
  | { readonly kind: "named"; readonly id: string }
  /** One of its own that no list shows: a bot with a memory must not mix it with another. */
  | { readonly kind: "temporary"; readonly id: string };

/** What decides which bot gets a turn. Only the gateway writes it. */
export interface TurnRouting {
  /** The conversation's own bot, which answers if it can. */
  preferredBot: string | undefined;
  /** While the conversation is undecided: the bot that would most likely have answered. */
  expectedBot: string | undefined;
  /** Bots that were lost on this turn. */
  triedBots: ReadonlySet<string> | undefined;
  /** The bot or pool that may answer; a move narrows it. Absent: any. */
  target: string | undefined;
  /** How many bots have been given this turn. */
  attempts: number;
}

export class Turn {
  /** Who answers, once that is known. Changes when the turn moves to another bot. */
  bot: Pick<Bot, "id" | "name" | "pool"> | undefined;
  /** Bots that had begun to answer when the turn moved on. */
  earlier: readonly BotRef[] | undefined;
  /** Position in the queue while queued, from 1. */
  queuePosition: number | undefined;
  /** When the first chunk arrived, milliseconds since the epoch. */
  firstAt: number | undefined;
  /** When the turn ended, milliseconds since the epoch. */
  endedAt: number | undefined;
  /** After a cancel: whether the bot confirmed it. */
  cancelConfirmed: Promise<boolean> | undefined;
  /** Sorts the turn within its conversation; set when it is first stored. */
  order: string | undefined;
  /** What the bot reported about its answer besides the words. */
  meta: AnswerMeta | undefined;

  readonly routing: TurnRouting;

  /** Present until the turn and its question would survive the sudden end of the process. */
  recorder: TurnRecorder | undefined;
  /** Notified of how much of the reply is stored. */
  receipts: Receipts | undefined;
  /** Resolves when the ending is stored; absent where nothing is to be waited for. */
  stored: Promise<void> | undefined;

  constructor(
    readonly id: string,
    public conversation: TurnConversation,
    readonly message: Message,
    readonly reply: Reply,
    /** Milliseconds since the epoch. */
    readonly at: number,
    /** The id of the key that it was asked with, where that key reads less than its person. */
    readonly key: string | undefined = message.person.keyScope?.key,
  ) {
    this.routing = {
      preferredBot: undefined,
      expectedBot: undefined,
      triedBots: undefined,
      target: message.target,
      attempts: 0,
    };
  }

  /** The id of the conversation; empty while that is undecided. */
  get conversationId(): string {
    return this.conversation.kind === "undecided" ? "" : this.conversation.id;
  }

  /** Whether it belongs to the default conversation of its person and the bot that answers. */
  get isInDefault(): boolean {
    return this.conversation.kind === "undecided" || this.conversation.kind === "default";
  }

  /** Who has answered so far, and with which key it was asked. */
  get trace(): Trace {
    const { bot, earlier = [], key } = this;
    return { bots: bot ? [...earlier, { id: bot.id, pool: bot.pool }] : earlier, key };
  }

  /**
   * Whether readers may be told that this turn has begun: it would survive the end of the process.
   * If not, the turn is stored now, and the reply's readers are woken afterwards.
   */
  get isRecorded(): boolean {
    if (this.recorder === undefined) return true;
    void this.recorded();
    return false;
  }

  /** Resolves when {@linkcode isRecorded}. */
  async recorded(): Promise<void> {
    await this.recorder?.writeDown(this);
  }

  get state(): TurnState {
    if (this.reply.ending) return "ended";
    if (this.queuePosition !== undefined) return "queued";
    return this.reply.length > 0 ? "answering" : "waiting";
  }

  get ending(): Ending | undefined {
    return this.reply.ending;
  }
}
