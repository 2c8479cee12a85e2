/** What becomes of a turn when an attempt ends: it ends as well, or it moves to another bot. */
import type { Attempt, AttemptOutcome } from "./attempt.ts";
import { type ErrorCode, isCausedByRequest } from "./error.ts";
import type { FailureInfo } from "./link.ts";
import type { Ending } from "./reply.ts";
import type { Roster } from "./roster.ts";
import type { Turn } from "./turn.ts";

export interface AttemptOutcomesParts {
  readonly roster: Roster;
  /** Whether replies outlive the process. */
  readonly isLasting: boolean;
  /** Gives the turn to another bot. Returns whether one can take it. */
  readonly move: (attempt: Attempt, why: string, code: ErrorCode) => boolean;
  readonly finish: (turn: Turn, ending: Ending) => void;
  /** Ends a turn whose bot goes on, and tells the bot to stop. */
  readonly abort: (attempt: Attempt, ending: Ending) => void;
}

export class AttemptOutcomes implements AttemptOutcome {
  readonly isLasting: boolean;
  readonly #parts: AttemptOutcomesParts;

  constructor(parts: AttemptOutcomesParts) {
    this.#parts = parts;
    this.isLasting = parts.isLasting;
  }

  done(attempt: Attempt): void {
    this.#parts.roster.recordSuccess(attempt.link.bot.id);
    this.#parts.finish(attempt.turn, { status: "done" });
  }

  failed(
    attempt: Attempt,
    code: ErrorCode,
    detail: string | undefined,
    retryable: boolean,
    info: FailureInfo = {},
  ): void {
    const { roster, move, finish } = this.#parts;
    if (!isCausedByRequest(code)) roster.recordFailure(attempt.link.bot.id);
    const { turn } = attempt;
    if (code === "cancelled") {
      // Its person stopped it on the bot's side, where `/stop` is a message like any other.
      turn.cancelConfirmed = Promise.resolve(true);
      return finish(turn, { status: "cancelled" });
    }
    if (retryable && move(attempt, (info.logged ?? detail) || code, code)) return;
    const { partial, ...rest } = info;
    const status = partial ? cutStatus(turn) : "failed";
    finish(turn, { status, code, detail, ...rest });
  }

  lost(attempt: Attempt, detail: string | undefined): void {
    const { roster, move, finish } = this.#parts;
    roster.recordFailure(attempt.link.bot.id);
    if (move(attempt, detail ?? "bot_gone", "bot_gone")) return;
    finish(attempt.turn, { status: cutStatus(attempt.turn), code: "bot_gone", detail });
  }

  away(attempt: Attempt): boolean {
    return attempt.turn.reply.length === 0 && this.#parts.move(attempt, "away", "bot_gone");
  }

  tooLarge(attempt: Attempt): void {
    this.#parts.abort(attempt, { status: "failed", code: "reply_too_large" });
  }
}

/** How a turn ends that is cut off: `failed` with an empty reply, else `incomplete`. */
export function cutStatus({ reply }: Turn): "incomplete" | "failed" {
  return reply.length > 0 ? "incomplete" : "failed";
}
