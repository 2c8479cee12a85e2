/**
 * A turn is one message and its reply. It has a state, and it always ends in exactly one typed
 * ending.
 */
import type { AnswerMeta, Bot, Receipts } from "./link.ts";
import type { Message } from "./message.ts";
import type { BotRef, Trace } from "./key_scope.ts";
import type { Ending, Reply } from "./reply.ts";

/** Writes turns down. */
export interface TurnRecorder {
  /**
   * Writes down that there is this turn, with its question. Resolves when that would survive the
   * end of the process.
   */
  writeDown(turn: Turn): Promise<void>;
}

/**
 * `queued`: every bot that may answer is busy, `place` tells the place in line. `waiting`: a bot
 * has it and has said nothing yet. `answering`: the reply has begun. `ended`: `reply.ending` tells
 * how.
 */
export type TurnState = "queued" | "waiting" | "answering" | "ended";

export class Turn {
  /** Who answers, as soon as that is known. Changes when the turn moves to another bot. */
  bot: Pick<Bot, "id" | "name" | "pool"> | undefined;
  /** Bots that had begun to answer when the turn moved on. */
  earlier: readonly BotRef[] | undefined;
  /** Place in line while queued, from 1. */
  queuePosition: number | undefined;
  /** When the first chunk came, milliseconds since the epoch. */
  firstAt: number | undefined;
  endedAt: number | undefined;
  /** Once somebody stopped it: whether the bot confirmed. */
  cancelConfirmed: Promise<boolean> | undefined;
  /** Where it stands in its conversation, as the archive sorts; set when it is first kept. */
  order: string | undefined;
  /** The conversation's own bot, which answers if it can. */
  own: string | undefined;
  /**
   * While it waits for its first bot: in whose default conversation it goes if it never gets one.
   */
  hoped: string | undefined;
  /** Bots that were lost on this turn. */
  tried: ReadonlySet<string> | undefined;
  /** After a move: the pool or bot within which it may move further. */
  scope: string | undefined;
  /** How many bots have been given this turn. */
  attempts = 0;

  /** There while it would not survive the end of the process yet that there is such a turn. */
  recorder: TurnRecorder | undefined;
  /** Hears how much of the reply is stored. */
  receipts: Receipts | undefined;

  /** Its ending would not survive the end of the process yet; readers are told when it would. */
  unkept = false;
  /** Resolves when its ending is kept; absent where there is nothing to wait for. */
  kept: Promise<void> | undefined;

  /** What the bot knew of its answer, where it knew anything. */
  meta: AnswerMeta | undefined;

  constructor(
    readonly id: string,
    /** Empty until a turn of the default conversation has its bot. */
    public conversationId: string,
    readonly message: Message,
    readonly reply: Reply,
    /** Milliseconds since the epoch. */
    readonly at: number,
    /** The id of the key that it was asked with, where that key reads less than its person. */
    readonly key: string | undefined = message.person.keyScope?.key,
  ) {}

  /** Who has answered so far, and with which key it was asked. */
  get trace(): Trace {
    const { bot, earlier = [], key } = this;
    return { bots: bot ? [...earlier, { id: bot.id, pool: bot.pool }] : earlier, key };
  }

  /**
   * Whether a reader may be told that this turn has begun: it would survive the end of the process.
   * Where it would not yet, it is written down now, and the reply's readers are woken when it is.
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
