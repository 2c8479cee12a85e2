/** The public types of the bot client. */
import type { Reply } from "./reply.ts";
import type { ChatFrame, PushedFrame } from "../wire/frame.ts";

/** A question, as it arrived. */
export type Chat = ChatFrame;

/**
 * What {@linkcode ConnectOptions.answer} returns: nothing (it wrote to the reply), the whole
 * answer, or its pieces.
 */
export type AnswerResult =
  | void
  | string
  | AsyncIterable<string>
  | Promise<void | string | AsyncIterable<string>>;

export interface ConnectOptions {
  /** `ws://`, `wss://`, `http://` or `https://`; without a path, `/bot-ws` is used. */
  readonly url: string;
  readonly botId: string;
  /** Shown to people. Default: the id. */
  readonly botName?: string;
  readonly token?: string;
  /** Highest version to offer. Default 2; the gateway decides which one is spoken. */
  readonly protocol?: 1 | 2;
  /** Bots of one pool are interchangeable. */
  readonly pool?: string;
  /** Share of the work among equals. Default 1. */
  readonly weight?: number;
  /** Turns that run at the same time. Default: no bound. */
  readonly maxConcurrent?: number;
  /**
   * `safe`: after a reply has begun, another bot of the pool may start it again. Default `never`.
   */
  readonly restart?: "never" | "safe";
  readonly capabilities?: readonly string[];
  readonly description?: string;
  /**
   * Milliseconds before each of the first three attempts to reconnect. The time doubles from there
   * and is jittered down to half. Default 1,000.
   */
  readonly reconnectInterval?: number;
  /** The longest such time, in milliseconds. Default 30,000. */
  readonly maxReconnectInterval?: number;
  /**
   * Milliseconds within which this bot reconnects after its socket was closed. A bot that is not
   * back by then has ended, so the gateway tells people at once instead of waiting for its whole
   * grace. Default: it waits.
   */
  readonly redial?: number;
  /** Milliseconds that connecting and registering may take. Default 15,000. */
  readonly dialTimeout?: number;
  /**
   * Answers one question. It is called again before the last answer is complete, up to
   * `maxConcurrent`. The answer is `done` when the returned value has settled. When the function
   * throws, the answer fails; the error goes to `onProblem` and not to the gateway.
   */
  answer(chat: Chat, reply: Reply): AnswerResult;
  /** Receives each new state. Must not throw. */
  onState?(state: ConnectionState): void;
  /** Receives what went wrong and how it was handled, for a log. Default: `console.warn`. */
  onProblem?(text: string, cause?: unknown): void;
  /** Is called for every frame from the gateway. */
  onActivity?(): void;
  /** Default: the global one. Node before 22 has none: pass that of npm `ws`. */
  readonly WebSocket?: ClientSocketConstructor;
  /** Default: the real one. */
  readonly clock?: ClientClock;
  /** 0 ≤ x < 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** A source of time, so that tests can replace it. */
export interface ClientClock {
  now(): number;
  /** Calls `run` after so many milliseconds. Returns a function that stops it. */
  after(ms: number, run: () => void): () => void;
}

/** The part of a WebSocket that the client uses. */
export interface ClientSocket {
  /** 1: open. */
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  // deno-lint-ignore no-explicit-any -- each library has event types of its own
  onopen: ((event: any) => void) | null;
  // deno-lint-ignore no-explicit-any
  onmessage: ((event: any) => void) | null;
  // deno-lint-ignore no-explicit-any
  onclose: ((event: any) => void) | null;
  // deno-lint-ignore no-explicit-any
  onerror: ((event: any) => void) | null;
}

export type ClientSocketConstructor = new (url: string) => ClientSocket;

/** What a gateway announces when it registers the bot. */
export interface GatewayInfo {
  readonly protocol: 1 | 2;
  readonly maxFrame: number;
  /** Milliseconds; unknown with version 1. */
  readonly pingInterval?: number;
  readonly botTimeout?: number;
  /** Milliseconds for which it holds the turns of a bot that dropped; 0 with version 1. */
  readonly grace: number;
  readonly features: readonly string[];
}

/**
 * `connecting`: opening the socket or registering. `ready`: registered. `recovering`: dropped, and
 * reconnects in `retryIn` milliseconds. `blocked`: rejected for good (bad token, bad id); nothing
 * happens until somebody changes the settings. `closed`: by `close()`.
 */
export type ConnectionState =
  | { readonly phase: "connecting"; readonly attempt: number }
  | { readonly phase: "ready"; readonly gateway: GatewayInfo }
  | {
    readonly phase: "recovering";
    readonly reason: string;
    readonly code?: number;
    readonly attempt: number;
    readonly retryIn: number;
  }
  | { readonly phase: "blocked"; readonly reason: string; readonly code?: number }
  | { readonly phase: "closed" };

export interface Push {
  /** `user:<userId>` or `conversation:<conversationId>`. */
  readonly to: string;
  readonly content?: string;
  readonly images?: readonly string[];
  /** A repeat with the same id within ten minutes is dropped. Default: a random one. */
  readonly id?: string;
}

export interface Bot {
  readonly state: ConnectionState;
  /** How many turns are being answered. */
  readonly busy: number;
  /**
   * Resolves once the bot is registered. Rejects with a {@linkcode RegistrationRefused} when the
   * gateway rejected it for good, or after `close()`.
   */
  ready(): Promise<GatewayInfo>;
  /**
   * Sends a message that is no answer. Resolves with the gateway's receipt (`success: false` where
   * it has no such person). Rejects with an `Error` when no receipt came within 30 s or on
   * `close()`, and with a {@linkcode NotSent} where it was certainly not sent; also when the
   * gateway speaks version 1 only, or when 100 pushes wait already.
   */
  push(push: Push): Promise<PushedFrame>;
  /**
   * Reports the load, or asks for no new questions. It is sent again after each reconnect, and not
   * sent to a version-1 gateway.
   */
  status(status: { readonly busy?: number; readonly draining?: boolean }): void;
  /**
   * Disconnects for good. With `finish`, the bot asks for no new questions and completes its
   * answers for so many milliseconds; unfinished ones then go back to the gateway (`fail`,
   * retryable). Resolves when the socket is closed.
   */
  close(options?: { readonly finish?: number }): Promise<void>;
}

/** A push that was certainly not sent, so it can be repeated without arriving twice. */
export class NotSent extends Error {
  override readonly name = "NotSent";
}

/** The gateway rejected this bot; its settings must change first. */
export class RegistrationRefused extends Error {
  override readonly name = "Refused";

  constructor(readonly reason: string, readonly code?: number) {
    super(code === undefined ? reason : `${reason} (close code ${code})`);
  }
}
