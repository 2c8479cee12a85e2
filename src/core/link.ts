/**
 * A link is a live line to one bot, whatever the wire: a WebSocket, a model API, another node. The
 * roster keeps links, `pick` chooses among them, the gateway gives them turns.
 */
import type { ErrorCode } from "./error.ts";
import type { Message, Usage } from "./message.ts";
import type { ChunkKind } from "./reply.ts";

/** What a bot says of itself. */
export interface Bot {
  readonly id: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly connectedAt: number;
  /** Bots of one pool are interchangeable; the pool's name can be addressed like a bot. */
  readonly pool?: string;
  /** Its share of the work among equals; 1 unless it says otherwise. */
  readonly weight: number;
  /** How many turns at once; `Infinity` unless it says otherwise. */
  readonly maxConcurrent: number;
  /** `safe`: a reply that has begun may be started again on another bot of the pool. */
  readonly restart: "never" | "safe";
  /** Free words for people and pages: `images`, `tools`, `cancel`, … */
  readonly capabilities: readonly string[];
  /** One line for the page on what it can do. */
  readonly description?: string;
}

/** One turn as a bot gets it. */
export interface Task {
  /** The turn's id; replies name it. */
  readonly id: string;
  readonly conversationId: string;
  readonly message: Message;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** What a bot knows of its answer besides its words. */
export interface AnswerMeta {
  /** As counted by the model's own API. */
  readonly usage?: Usage;
  /** Why it stopped, in OpenAI's words: `stop`, `length`, `content_filter`, … */
  readonly finish?: string;
}

/** What else is known of a failure. */
export interface FailureInfo {
  /** What of `detail` may stand in a log, where that is not all of it: bots quote people. */
  readonly logged?: string;
  /** Seconds until a repeat makes sense. */
  readonly retryAfter?: number;
  /**
   * What was said stands and only the rest is missing: the turn ends `incomplete` where something
   * was said.
   */
  readonly partial?: boolean;
  /** What a model API calls it, such as `context_length_exceeded`. */
  readonly reason?: string;
}

/** Hears how much of a reply is stored. */
export interface Receipts {
  /** Everything that has been written up to now, by a number that only grows. */
  mark(): number;
  /** Everything up to this mark would survive the sudden end of the process. */
  stored(mark: number): void;
}

/**
 * Where a link puts what its bot says about one task. All calls after the last word (`done`,
 * `fail`, `lost`) are dropped.
 */
export interface Sink {
  /** Any sign of life; resets the silence clock. Writing does so too. */
  alive(): void;
  /**
   * Adds to the reply, several deltas as one step. `false`: this task is over, the bot need not go
   * on.
   */
  write(kind: Exclude<ChunkKind, "replace">, content: string | readonly string[]): boolean;
  /** What is known of the answer besides its words; once, right before its last word. */
  setMeta?(facts: AnswerMeta): void;
  /**
   * From now on `receipts` hears what is stored. `false`: nothing outlives the process here, so
   * there is nothing to hear of.
   */
  acknowledge?(receipts: Receipts): boolean;
  /**
   * The reply is complete. Resolves when that is stored; nothing where nothing outlives the
   * process.
   */
  done(): Promise<void> | void;
  /** The bot says that it failed. `retryable`: another bot may do better. */
  fail(code: ErrorCode, detail: string | undefined, retryable: boolean, more?: FailureInfo): void;
  /**
   * The line broke and may come back. `true`: nothing had been said and the task has moved to
   * another bot, forget it. `false`: keep it until the bot is back, or until its grace has passed
   * and {@linkcode lost} is called.
   */
  away(): boolean;
  /** The line broke for good: the turn moves or ends `incomplete`. */
  lost(detail?: string): void;
}

/**
 * How a bot is reached: it dialled in, it is a model API that is called, or it is part of the
 * program.
 */
export type Transport = "socket" | "model" | "built-in";

/** A live line to one bot. */
export interface Link {
  readonly bot: Bot;
  readonly wire?: Transport;
  /** The version of the protocol that is spoken, where there are several. */
  readonly protocol?: number;
  /**
   * It asked for nothing new, or it cannot take anything now (its socket is stuck, its upstream is
   * down).
   */
  readonly draining: boolean;
  /** Tasks it holds now, and what else it says it is busy with. */
  readonly busy: number;
  /** Why it does badly at the moment, for admins; absent while all is well. */
  readonly note?: string;
  /**
   * Whether it passes a parameter on to its model, by the name in OpenAI's chat completions: one of
   * {@linkcode GenerationOptions.extra}, `temperature` or `top_p`. Absent: none.
   */
  honours?(name: string, value: unknown): boolean;
  /** Gives it a task. Must not throw; a line that turns out broken calls `sink.lost()`. */
  ask(task: Task, sink: Sink): void;
  /**
   * Asks it to stop. Resolves to whether the bot confirmed; `false` where its wire knows no such
   * word or no answer came.
   */
  cancel(taskId: string): Promise<boolean>;
  /** Drops what is still waiting for this task: its turn ended here. No word to the bot. */
  forget(taskId: string): void;
}
