/** How a call of a model API ended. */
import type { ErrorCode } from "../../core/error.ts";
import type { Sink } from "../../core/link.ts";
import type { Usage } from "../../core/message.ts";

/** A failed call. */
export interface CallFailure {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly retryable: boolean;
  /** Seconds. */
  readonly retryAfter?: number;
  /** The API's own code for it. */
  readonly reason?: string;
  /** Whether the answer had begun. */
  readonly isPartial: boolean;
}

/** How a call ended, and what it used. {@linkcode conclude} passes it on to the sink. */
export type CallOutcome =
  & {
    /** As the API counted; fields that it did not send are missing. */
    readonly usage: Partial<Usage>;
    /** UTF-16 units of the answer. */
    readonly units: number;
  }
  & (
    | { readonly status: "cancelled" }
    | { readonly status: "done"; readonly finish?: string }
    | { readonly status: "failed"; readonly failure: CallFailure }
  );

/** Writes the last word of a call to its sink. */
export function conclude(outcome: CallOutcome, sink: Sink): void {
  switch (outcome.status) {
    case "cancelled":
      return;
    case "done":
      sink.setMeta?.({ usage: completeUsage(outcome.usage), finish: outcome.finish });
      return void sink.done();
    case "failed": {
      const { code, detail, retryable, retryAfter, reason, isPartial } = outcome.failure;
      // What came before the cut stands, unless the rest of the answer cannot be passed on.
      if (isPartial && code !== "answer_unsupported") return sink.lost(detail);
      return sink.fail(code, detail, retryable, { retryAfter, reason, partial: isPartial });
    }
  }
}

function completeUsage({ inputTokens, outputTokens, ...details }: Partial<Usage>) {
  if (inputTokens === undefined || outputTokens === undefined) return undefined;
  return { inputTokens, outputTokens, ...details };
}
