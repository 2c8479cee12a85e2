/**
 * The frames of the bot protocol: both versions, both directions, with the close codes and bounds
 * that both ends share. `docs/protocol.md` is the specification. `read_bot_frame.ts` and
 * `read_gateway_frame.ts` parse them.
 */

/** Highest version that this code speaks. */
export const PROTOCOL = 2;

/**
 * Close codes. 4000–4099: come back after a back-off. 4100–4199: do not come back, something must
 * be changed first.
 */
export const CLOSE = {
  /** The gateway is restarting. */
  restart: 4000,
  /** Another socket registered with the same bot id. */
  replaced: 4001,
  /** Nothing was heard for `botTimeout`. */
  silent: 4002,
  /** It did not read what it was sent: more than the bound was waiting. */
  stuck: 4003,
  /** No `register` within the time. */
  unregistered: 4005,
  /** The bot id is in use as a pool, or the pool as a bot id; it may be free later. */
  taken: 4006,
  badToken: 4100,
  /** A first frame that is not a `register`, or too many that cannot be read. */
  badFrame: 4101,
  tooLarge: 4102,
  /** The bot id or the pool is not one that this token may use. */
  badId: 4103,
} as const;

/** Whether a bot that was closed with this code should dial again. */
export function shouldReconnect(code: number): boolean {
  return code < 4100 || code > 4199;
}

/** Bytes of the first frame of an unregistered socket. */
export const MAX_REGISTER = 64 * 1024;

/** UTF-16 units of a registered bot's frame: 20 MiB of images as base64, and room around them. */
export const MAX_FRAME = 32 * 1024 * 1024;

/** What every gateway of version 2 can do, also one that announces nothing. */
export const FIRST_FEATURES = [
  ...["ack", "resume", "cancel", "fail", "push", "status", "kinds", "batch", "images"],
] as const;

/**
 * What this version can do, as announced in `registered.features`. `stored`: a receipt says that it
 * is stored.
 */
export const FEATURES = [...FIRST_FEATURES, "stored"] as const;

/** How far a turn had come. */
export interface Progress {
  readonly replyTo: string;
  /** The last `seq`; 0 before the first. */
  readonly seq: number;
}

/* bot → gateway */

export interface RegisterFrame {
  readonly type: "register";
  readonly botId: string;
  readonly botName: string;
  readonly token?: string;
  /** Absent or 1: the protocol of Nexus 1.x. */
  readonly protocol?: number;
  readonly capabilities?: readonly string[];
  readonly description?: string;
  readonly maxConcurrent?: number;
  readonly weight?: number;
  readonly pool?: string;
  readonly restart?: "never" | "safe";
  /** Milliseconds within which the bot is back after its socket was closed, or never. */
  readonly redial?: number;
  readonly resume?: readonly Progress[];
}

export interface ReplyFrame {
  readonly type: "reply";
  /** The bot's own id of this message; not used by the gateway. */
  readonly id?: string;
  readonly replyTo: string;
  /** A delta, or several of them that were waiting together. */
  readonly content: string | readonly string[];
  readonly done: boolean;
  readonly timestamp?: number;
  readonly image?: string;
  readonly images?: readonly string[];
  /** Version 2: 1, 2, 3 … within one turn. */
  readonly seq?: number;
  readonly kind?: "text" | "reasoning" | "tool";
}

export interface FailFrame {
  readonly type: "fail";
  readonly replyTo: string;
  readonly code?: string;
  readonly message?: string;
  readonly retryable?: boolean;
}

export interface PushFrame {
  readonly type: "push";
  /** `user:<userId>` or `conversation:<conversationId>`. */
  readonly to: string;
  readonly content: string;
  readonly images?: readonly string[];
  /**
   * Chosen by the bot: a repeat with the same id within ten minutes is dropped, and the receipt
   * names it.
   */
  readonly id?: string;
}

export interface StatusFrame {
  readonly type: "status";
  /** Turns it is busy with beyond those of this gateway. */
  readonly busy?: number;
  /** Give me nothing new. */
  readonly draining?: boolean;
}

export interface CancelledFrame {
  readonly type: "cancelled";
  readonly id: string;
}

export interface PongFrame {
  readonly type: "pong";
}

/** A version-2 bot may ping too; it is answered with `pong`. */
export interface PingFrame {
  readonly type: "ping";
}

export type BotFrame =
  | RegisterFrame
  | ReplyFrame
  | FailFrame
  | PushFrame
  | StatusFrame
  | CancelledFrame
  | PongFrame
  | PingFrame;

/* gateway → bot */

export interface RegisteredFrame {
  readonly type: "registered";
  readonly success: boolean;
  readonly error?: string;
  /** From here on: version 2 only. */
  readonly protocol?: number;
  readonly maxFrame?: number;
  /** Milliseconds. */
  readonly pingInterval?: number;
  /** Milliseconds. */
  readonly botTimeout?: number;
  /** Milliseconds for which a dropped bot keeps its turns. */
  readonly grace?: number;
  readonly features?: readonly string[];
  /**
   * Per turn of the bot's `resume`: the last `seq` that arrived. A turn that is missing here is
   * over.
   */
  readonly resume?: readonly Progress[];
}

export interface ChatFrame {
  readonly type: "chat";
  readonly id: string;
  readonly content: string;
  /** What the person is called. */
  readonly from: string;
  readonly image?: string;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  /** From here on: version 2 only. */
  readonly conversationId?: string;
  readonly userId?: string;
  readonly senderName?: string;
  readonly channel?: string;
  readonly chatType?: "direct" | "group";
  /** All images as data URLs, the first one included. */
  readonly images?: readonly string[];
}

export interface AckFrame {
  readonly type: "ack";
  readonly replyTo: string;
  readonly seq: number;
}

export interface CancelFrame {
  readonly type: "cancel";
  readonly id: string;
}

/** Receipt of a `push` that had an id. */
export interface PushedFrame {
  readonly type: "pushed";
  readonly id: string;
  readonly success: boolean;
  readonly error?: string;
}

export interface ErrorFrame {
  readonly type: "error";
  readonly message: string;
  /** `bad_frame`, `too_large`, `not_registered`, `unknown_turn`, `gap`. */
  readonly code?: string;
  readonly replyTo?: string;
  /** With `gap`: the `seq` that is expected next. */
  readonly expected?: number;
}

export type GatewayFrame =
  | RegisteredFrame
  | ChatFrame
  | AckFrame
  | CancelFrame
  | PushedFrame
  | ErrorFrame
  | PingFrame
  | PongFrame;
