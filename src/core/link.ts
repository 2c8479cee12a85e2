/**
 * A link is a live connection to one bot: over a WebSocket, to a model API, or inside the program.
 * The roster lists links, `pick` chooses among them, and the dispatcher gives them turns.
 */
import type { ErrorCode } from "./error.ts";
import type { Message, Usage } from "./message.ts";
import type { ChunkKind } from "./reply.ts";

/** How a bot describes itself. */
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
  /** Free-form words for people and pages: `images`, `tools`, `cancel`, … */
  readonly capabilities: readonly string[];
  /** One sentence for the page about what it can do. */
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

/** What a bot reports about its answer besides the content. */
export interface AnswerMeta {
  /** As counted by the model's own API. */
  readonly usage?: Usage;
  /** Why it stopped, in OpenAI's terms: `stop`, `length`, `content_filter`, … */
  readonly finish?: string;
}

/** Further facts about a failure. */
export interface FailureInfo {
  /** The part of `detail` that may be logged, if not all of it: bots quote people. */
  readonly logged?: string;
  /** Seconds until a repeat makes sense. */
  readonly retryAfter?: number;
  /**
   * The reply so far is valid and only the rest is missing: a reply that has begun ends
   * `incomplete`.
   */
  readonly partial?: boolean;
  /** The model API's own code for it, such as `context_length_exceeded`. */
  readonly reason?: string;
}

/** Is notified of how much of a reply is stored. */
export interface Receipts {
  /** The number of everything written so far; it only grows. */
  mark(): number;
  /** Everything up to this mark would survive the sudden end of the process. */
  stored(mark: number): void;
}

/**
 * Where a link writes what its bot sends for one task. Calls after `done`, `fail` or `lost` are
 * ignored.
 */
export interface Sink {
  /** A sign of life: resets the silence timeout. A write does so too. */
  alive(): void;
  /**
   * Adds to the reply, several deltas as one step. Returns `false` where the task has ended and the
   * bot may stop.
   */
  write(kind: Exclude<ChunkKind, "replace">, content: string | readonly string[]): boolean;
  /** Facts about the answer besides its content; called once, right before `done`. */
  setMeta?(facts: AnswerMeta): void;
  /**
   * From now on `receipts` is notified of what is stored. Returns `false` where nothing outlives
   * the process.
   */
  acknowledge?(receipts: Receipts): boolean;
  /**
   * The reply is complete. Resolves when it is stored; returns nothing where nothing outlives the
   * process.
   */
  done(): Promise<void> | void;
  /** The bot failed. `retryable`: another bot may succeed. */
  fail(code: ErrorCode, detail: string | undefined, retryable: boolean, more?: FailureInfo): void;
  /**
   * The connection broke and may come back. Returns `true` where the reply was empty and the task
   * has moved to another bot: forget it. Returns `false` where the task stays until the bot is
   * back, or until its grace has passed and {@linkcode lost} is called.
   */
  away(): boolean;
  /** The connection is lost for good: the turn moves or ends `incomplete`. */
  lost(detail?: string): void;
}

/**
 * How a bot is reached: it dialled in, it is a model API that is called, or it is part of the
 * program.
 */
export type Transport = "socket" | "model" | "built-in";

/** A live connection to one bot. */
export interface Link {
  readonly bot: Bot;
  readonly wire?: Transport;
  /** The version of the protocol that is spoken, where there are several. */
  readonly protocol?: number;
  /**
   * It takes no new task: the bot asked for that, its socket is stuck, or its model API is down.
   */
  readonly draining: boolean;
  /** Its running tasks, and what else the bot reports to be busy with. */
  readonly busy: number;
  /** What is wrong with it at the moment, for admins; absent while all is well. */
  readonly note?: string;
  /**
   * Whether it passes a parameter on to its model, by the name in OpenAI's chat completions: one of
   * {@linkcode GenerationOptions.extra}, `temperature` or `top_p`. Absent: none.
   */
  honours?(name: string, value: unknown): boolean;
  /** Gives it a task. Must not throw; a broken connection calls `sink.lost()`. */
  ask(task: Task, sink: Sink): void;
  /**
   * Asks it to stop. Resolves to whether the bot confirmed; `false` where its protocol cannot
   * confirm or no answer came.
   */
  cancel(taskId: string): Promise<boolean>;
  /** Drops what is still waiting for this task, whose turn has ended. The bot is not notified. */
  forget(taskId: string): void;
}
