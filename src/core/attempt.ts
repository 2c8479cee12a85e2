/**
 * An attempt is one bot's try at a turn. A turn has one attempt at a time. When it moves to another
 * bot, the old attempt is over, and everything that its bot still sends is ignored.
 */
import type { Clock } from "./clock.ts";
import type { ErrorCode } from "./error.ts";
import type { AnswerMeta, FailureInfo, Link, Receipts, Sink } from "./link.ts";
import type { Observer } from "./observer.ts";
import type { ChunkKind } from "./reply.ts";
import type { Turn } from "./turn.ts";

/** Decides what becomes of the turn when an attempt ends. */
export interface AttemptOutcome {
  done(attempt: Attempt): void;
  failed(
    attempt: Attempt,
    code: ErrorCode,
    detail: string | undefined,
    retryable: boolean,
    more?: FailureInfo,
  ): void;
  lost(attempt: Attempt, detail: string | undefined): void;
  /** Returns whether the turn has moved. */
  away(attempt: Attempt): boolean;
  tooLarge(attempt: Attempt): void;
  /** Whether replies outlive the process. */
  readonly isLasting: boolean;
}

export class Attempt implements Sink {
  /** The bot's last sign of life, milliseconds since the epoch. */
  heardAt: number;
  isOver = false;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #outcome: AttemptOutcome;

  constructor(
    readonly turn: Turn,
    readonly link: Link,
    parts: { clock: Clock; observer: Observer; outcome: AttemptOutcome },
  ) {
    this.#clock = parts.clock;
    this.#observer = parts.observer;
    this.#outcome = parts.outcome;
    this.heardAt = this.#clock.now();
  }

  alive(): void {
    this.heardAt = this.#clock.now();
  }

  write(kind: Exclude<ChunkKind, "replace">, content: string | readonly string[]): boolean {
    if (this.isOver) return false;
    const now = this.#clock.now();
    const gap = this.turn.firstAt === undefined ? -1 : now - this.heardAt;
    this.heardAt = now;
    if (content.length === 0) return true;
    const { reply } = this.turn;
    const before = reply.length;
    const outcome = reply.append(kind, content);
    if (outcome === "full") {
      this.#outcome.tooLarge(this);
      return false;
    }
    if (reply.length > before) {
      this.turn.firstAt ??= now;
      this.#observer.chunk?.(gap, reply.length - before);
    }
    return outcome === "ok";
  }

  setMeta(facts: AnswerMeta): void {
    if (!this.isOver) this.turn.meta = facts;
  }

  acknowledge(receipts: Receipts): boolean {
    if (!this.#outcome.isLasting || this.turn.message.temporary) return false;
    if (!this.isOver) this.turn.receipts = receipts;
    return true;
  }

  done(): Promise<void> | undefined {
    if (this.isOver) return undefined;
    this.#outcome.done(this);
    return this.turn.stored;
  }

  fail(code: ErrorCode, detail: string | undefined, retryable: boolean, more?: FailureInfo): void {
    if (!this.isOver) this.#outcome.failed(this, code, detail, retryable, more);
  }

  away(): boolean {
    return this.isOver || this.#outcome.away(this);
  }

  lost(detail?: string): void {
    if (!this.isOver) this.#outcome.lost(this, detail);
  }
}
