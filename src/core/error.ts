/**
 * What can go wrong, as a closed list. Core throws only {@linkcode NexusError}; the edge turns a
 * code into a status and into words a person can read. Codes are stable: clients may branch on
 * them.
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
  | "queue_timeout" // waited in line for too long
  | "no_bot" // nobody there to answer
  | "bot_offline" // the bot that was asked for is not there
  | "bot_gone" // the bot left before it was done
  | "bot_failed" // the bot said that it failed
  | "bot_declined" // the bot does not let this person in: its owner decides who may talk to it
  | "bot_misconfigured" // its model API refuses the key, the model or the account: its owner has to do something
  | "question_refused" // the bot does not take the question as it is put; asking again changes nothing
  | "context_too_long" // the conversation does not fit into the bot's model
  | "answer_unsupported" // the bot answered with something that cannot be passed on, such as a tool call
  | "reply_timeout" // the bot fell silent
  | "reply_too_large"
  | "cancelled" // somebody stopped it
  | "shutting_down"
  | "unavailable" // something of ours is out of reach for a moment
  | "internal";

/** Whether the question or who asks it is to blame and not the bot: then the bot needs no rest. */
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
      /** What a model API calls it, such as `context_length_exceeded`. */
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
 * Any thrown thing as a {@linkcode NexusError}; what is not ours is `internal`, and its text stays
 * out of `detail`.
 */
export function asNexusError(thrown: unknown): NexusError {
  if (thrown instanceof NexusError) return thrown;
  return new NexusError("internal", undefined, { cause: thrown });
}
