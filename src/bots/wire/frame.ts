/**
 * The bot's wire: every frame that travels between a gateway and a bot, both versions, both
 * directions. `docs/protocol.md` is the same in prose. Both ends share this file, and it needs
 * nothing but JSON: it runs on Deno, Node and in a browser.
 *
 * Reading never throws: a stranger's bytes yield `undefined`, or a reason as text where one helps
 * the other side.
 *
 * ```ts
 * const frame = readBotFrame('{"type":"pong"}');
 * ```
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
export function comesBack(code: number): boolean {
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

/*
 * ── bot → gateway
 * ───────────────────────────────────────────────────────────────────────────────────────────────────
 */

export interface RegisterFrame {
  readonly type: "register";
  readonly botId: string;
  readonly botName: string;
  readonly token?: string;
  /** Absent or 1: the original's protocol. */
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

/*
 * ── gateway → bot
 * ───────────────────────────────────────────────────────────────────────────────────────────────────
 */

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

/*
 * ── reading
 * ─────────────────────────────────────────────────────────────────────────────────────────────────────────
 */

/** Why a text is not a frame, in words for the other side's log. */
export class InvalidFrame {
  constructor(readonly reason: string) {}
}

type Fields = Record<string, unknown>;

/**
 * Reads what a bot sent. By hand rather than by schema library, because this is the hot path: a
 * reply frame costs 0.1 µs to check here against 1.2 µs, and the whole relay of a chunk costs about
 * 5.
 */
export function readBotFrame(text: string): BotFrame | InvalidFrame {
  const fields = readObject(text);
  if (fields instanceof InvalidFrame) return fields;
  switch (fields.type) {
    case "reply":
      return readReply(fields);
    case "pong":
    case "ping":
      return { type: fields.type };
    case "register":
      return readRegister(fields);
    case "fail":
      if (!isId(fields.replyTo)) return wrong("fail", "replyTo", "a string", fields.replyTo);
      return {
        type: "fail",
        replyTo: fields.replyTo,
        code: asString(fields.code, 100),
        message: asString(fields.message, 2000),
        retryable: fields.retryable === true,
      };
    case "push":
      return readPush(fields);
    case "status": {
      const busy = fields.busy;
      if (busy !== undefined && !isCount(busy)) {
        return wrong("status", "busy", "a number ≥ 0", busy);
      }
      return {
        type: "status",
        busy,
        draining: typeof fields.draining === "boolean" ? fields.draining : undefined,
      };
    }
    case "cancelled":
      if (!isId(fields.id)) return wrong("cancelled", "id", "a string", fields.id);
      return { type: "cancelled", id: fields.id };
    default:
      return new InvalidFrame(`unknown frame type ${show(fields.type)}`);
  }
}

/** Reads what a gateway sent; the other half of the wire, for bots. Unknown fields are kept out. */
export function readGatewayFrame(text: string): GatewayFrame | InvalidFrame {
  const fields = readObject(text);
  if (fields instanceof InvalidFrame) return fields;
  switch (fields.type) {
    case "chat":
      if (!isId(fields.id)) return wrong("chat", "id", "a string", fields.id);
      return {
        type: "chat",
        id: fields.id,
        content: typeof fields.content === "string" ? fields.content : "",
        from: typeof fields.from === "string" ? fields.from : "",
        image: asString(fields.image),
        timestamp: typeof fields.timestamp === "number" ? fields.timestamp : 0,
        conversationId: asString(fields.conversationId),
        userId: asString(fields.userId),
        senderName: asString(fields.senderName),
        channel: asString(fields.channel),
        chatType: fields.chatType === "group"
          ? "group"
          : fields.chatType === "direct"
          ? "direct"
          : undefined,
        images: isStrings(fields.images) ? fields.images : undefined,
      };
    case "registered":
      return {
        type: "registered",
        success: fields.success === true,
        error: asString(fields.error),
        protocol: asNumber(fields.protocol),
        maxFrame: asNumber(fields.maxFrame),
        pingInterval: asNumber(fields.pingInterval),
        botTimeout: asNumber(fields.botTimeout),
        grace: asNumber(fields.grace),
        features: isStrings(fields.features) ? fields.features : undefined,
        resume: readProgress(fields.resume),
      };
    case "ack":
      if (!isId(fields.replyTo) || !isCount(fields.seq)) {
        return new InvalidFrame("ack needs replyTo and seq");
      }
      return { type: "ack", replyTo: fields.replyTo, seq: fields.seq };
    case "cancel":
      if (!isId(fields.id)) return wrong("cancel", "id", "a string", fields.id);
      return { type: "cancel", id: fields.id };
    case "pushed":
      if (!isId(fields.id)) return wrong("pushed", "id", "a string", fields.id);
      return {
        type: "pushed",
        id: fields.id,
        success: fields.success === true,
        error: asString(fields.error),
      };
    case "error":
      return {
        type: "error",
        message: asString(fields.message) ?? "",
        code: asString(fields.code),
        replyTo: asString(fields.replyTo),
        expected: asNumber(fields.expected),
      };
    case "ping":
    case "pong":
      return { type: fields.type };
    default:
      return new InvalidFrame(`unknown frame type ${show(fields.type)}`);
  }
}

function readReply(fields: Fields): ReplyFrame | InvalidFrame {
  const { replyTo, content, seq, kind, image, images } = fields;
  if (!isId(replyTo)) return wrong("reply", "replyTo", "a string", replyTo);
  // The original joined whatever came; a missing content is an empty one (an image alone, or the
  // last word).
  if (
    typeof content !== "string" && content !== undefined && content !== null && !isStrings(content)
  ) {
    return wrong("reply", "content", "a string or a list of strings", content);
  }
  if (seq !== undefined && !(isCount(seq) && Number.isInteger(seq) && seq > 0)) {
    return wrong("reply", "seq", "a whole number from 1", seq);
  }
  if (kind !== undefined && kind !== "text" && kind !== "reasoning" && kind !== "tool") {
    return wrong("reply", "kind", '"text", "reasoning" or "tool"', kind);
  }
  if (image !== undefined && image !== null && typeof image !== "string") {
    return wrong("reply", "image", "a string", image);
  }
  if (images !== undefined && !isStrings(images)) {
    return wrong("reply", "images", "a list of strings", images);
  }
  return {
    type: "reply",
    replyTo,
    content: content ?? "",
    done: fields.done === true,
    image: image || undefined,
    images,
    seq,
    kind,
  };
}

function readRegister(fields: Fields): RegisterFrame | InvalidFrame {
  const {
    botId,
    botName,
    token,
    protocol,
    maxConcurrent,
    weight,
    pool,
    restart,
    redial,
    capabilities,
  } = fields;
  if (typeof botId !== "string" || !BOT_ID.test(botId)) {
    return wrong(
      "register",
      "botId",
      "1 to 128 characters without spaces, @ or control characters",
      botId,
    );
  }
  if (token !== undefined && token !== null && typeof token !== "string") {
    return new InvalidFrame("register: token must be a string");
  }
  if (
    protocol !== undefined && !(isCount(protocol) && Number.isInteger(protocol) && protocol >= 1)
  ) {
    return wrong("register", "protocol", "1 or 2", protocol);
  }
  if (maxConcurrent !== undefined && !(isCount(maxConcurrent) && maxConcurrent >= 1)) {
    return wrong("register", "maxConcurrent", "a number from 1", maxConcurrent);
  }
  if (weight !== undefined && !(isCount(weight) && weight > 0 && weight <= 1000)) {
    return wrong("register", "weight", "a number above 0, at most 1000", weight);
  }
  if (pool !== undefined && !(typeof pool === "string" && BOT_ID.test(pool))) {
    return wrong("register", "pool", "1 to 128 characters without spaces", pool);
  }
  if (restart !== undefined && restart !== "never" && restart !== "safe") {
    return wrong("register", "restart", '"never" or "safe"', restart);
  }
  if (redial !== undefined && !isCount(redial)) {
    return wrong("register", "redial", "a number ≥ 0", redial);
  }
  return {
    type: "register",
    botId,
    botName: asString(botName, 200)?.trim() || botId,
    token: token ?? undefined,
    protocol,
    capabilities: isStrings(capabilities)
      ? capabilities.slice(0, 50).map((word) => word.slice(0, 100))
      : undefined,
    description: asString(fields.description, 500),
    maxConcurrent,
    weight,
    pool,
    restart,
    redial,
    resume: readProgress(fields.resume),
  };
}

function readPush(fields: Fields): PushFrame | InvalidFrame {
  const { to, content, images, id } = fields;
  if (typeof to !== "string" || !/^(user|conversation):./.test(to) || to.length > 300) {
    return wrong("push", "to", '"user:<id>" or "conversation:<id>"', to);
  }
  if (content !== undefined && typeof content !== "string") {
    return wrong("push", "content", "a string", content);
  }
  if (images !== undefined && !isStrings(images)) {
    return wrong("push", "images", "a list of strings", images);
  }
  if (!content && !images?.length) {
    return new InvalidFrame("push: content or images must say something");
  }
  if (id !== undefined && !isId(id)) {
    return wrong("push", "id", "a string of at most 200 characters", id);
  }
  return { type: "push", to, content: content ?? "", images, id };
}

function readProgress(value: unknown): Progress[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.slice(0, 1000).filter((item): item is Progress =>
    typeof item === "object" && item !== null && isId(item.replyTo) && isCount(item.seq)
  ).map(({ replyTo, seq }) => ({ replyTo, seq }));
}

function readObject(text: string): Fields | InvalidFrame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return new InvalidFrame("not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return new InvalidFrame("not a JSON object");
  }
  return value as Fields;
}

/**
 * No spaces, so that `@bot-id ` can address it; no control or bidirectional characters, so that it
 * cannot disguise itself.
 */
const BOT_ID =
  // deno-lint-ignore no-control-regex -- control characters are what it refuses
  /^[^\s@\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]{1,128}$/;

function isId(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= 200;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function asString(value: unknown, max = Infinity): string | undefined {
  return typeof value === "string" ? (value.length > max ? value.slice(0, max) : value) : undefined;
}

function asNumber(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function wrong(frame: string, field: string, right: string, got: unknown): InvalidFrame {
  return new InvalidFrame(`${frame}: ${field} must be ${right}, got ${show(got)}`);
}

/** A value in at most 40 characters, for an error text. */
function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "object" && value !== null) {
    return Array.isArray(value) ? "a list" : "an object";
  }
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
