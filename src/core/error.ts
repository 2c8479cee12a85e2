/**
 * The error codes, as a closed list. Core throws only {@linkcode NexusError}; the HTTP edge maps a
 * code to a status and to a text for people. Codes are stable: clients may branch on them.
 */

/** Every way a request, a frame or a turn can fail. */
export type ErrorCode =
  | "invalid" // the input is not what it should be; `detail` says what was wrong and what would be right
  | "too_large"
  | "request_timeout" // the request did not arrive in time
  | "unsupported_type"
  | "unauthenticated"
  | "session_expired"
  | "wrong_credentials"
  | "second_factor" // the password is right, the one-time code is missing or wrong
  | "forbidden" // known, but not allowed to do this kind of thing
  | "not_found" // also everything that belongs to somebody else
  | "conflict"
  | "limited" // the person asks too much
  | "conversations_full" // the person keeps as many conversations as they may
  | "queue_full" // the bots have too much to do
  | "queue_timeout" // waited in the queue for too long
  | "no_bot" // no bot is connected
  | "bot_offline" // the bot that was named is not connected
  | "bot_gone" // the bot left before it was done
  | "bot_failed" // the bot reported a failure
  | "bot_declined" // the bot rejects this person: its owner decides who may talk to it
  | "bot_misconfigured" // its model API rejects the key, the model or the account; its owner has to act
  | "question_refused" // the bot rejects the message; a repeat changes nothing
  | "context_too_long" // the conversation does not fit into the bot's model
  | "answer_unsupported" // the bot answered with something that cannot be passed on, such as a tool call
  | "reply_timeout" // the bot was silent for too long
  | "reply_too_large"
  | "cancelled" // somebody stopped it
  | "shutting_down"
  | "unavailable" // a part of the gateway cannot be reached at the moment
  | "internal";

/** Whether the request caused the failure and not the bot, which then gets no cooldown. */
export function isCausedByRequest(code: ErrorCode): boolean {
  return code === "question_refused" || code === "context_too_long" || code === "too_large" ||
    code === "bot_declined" || code === "queue_full" || code === "cancelled";
}

/** The one error of the program. `message` is for logs; people are shown words chosen by `code`. */
export class NexusError extends Error {
  override readonly name = "NexusError";

  constructor(
    readonly code: ErrorCode,
    /** What exactly was wrong, safe to show: never holds a secret or another person's words. */
    readonly detail?: string,
    readonly extra: {
      /** Seconds until a repeat makes sense. */
      readonly retryAfter?: number;
      /** The model API's own code, such as `context_length_exceeded`. */
      readonly reason?: string;
      /**
       * What is left of the bound on messages that was reached; `until` in milliseconds since the
       * epoch.
       */
      readonly left?: {
        readonly limit: number;
        readonly remaining: number;
        readonly until: number;
      };
      readonly cause?: unknown;
    } = {},
  ) {
    super(detail ? `${code}: ${detail}` : code, { cause: extra.cause });
  }

  get retryAfter(): number | undefined {
    return this.extra.retryAfter;
  }
}

/**
 * Anything thrown as a {@linkcode NexusError}. Foreign errors become `internal`, and their text
 * stays out of `detail`.
 */
export function asNexusError(thrown: unknown): NexusError {
  if (thrown instanceof NexusError) return thrown;
  return new NexusError("internal", undefined, { cause: thrown });
}
