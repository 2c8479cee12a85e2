/**
 * The JSON of chats: bots, conversations, turns, and the events of both streams. The page reads
 * these types and the routes of `src/channels` declare that they send them, so that the two cannot
 * drift. There is no code here.
 *
 * A field is optional where it may be absent, or where a gateway of version 1 does not send it.
 */

/** A bot, as `GET /api/bots` lists it. */
export interface BotJson {
  readonly id: string;
  readonly name: string;
  /** ISO 8601. */
  readonly connectedAt?: string;
  readonly pool?: string;
  readonly description?: string;
  readonly capabilities?: readonly string[];
  /** Turns that it is answering now. */
  readonly busy?: number;
  /** `null`: no limit. */
  readonly maxConcurrent?: number | null;
  readonly state?: "online" | "busy" | "resting" | "draining";
}

/** A conversation, as `GET /api/conversations` lists it. Times are milliseconds since 1970. */
export interface ConversationJson {
  readonly id: string;
  readonly title: string;
  readonly pinned?: boolean;
  readonly botId?: string;
  readonly createdAt?: number;
  readonly updatedAt: number;
  /** The id of the turn that is being answered. */
  readonly running?: string;
}

export type TurnStatusJson =
  | "queued"
  | "waiting"
  | "answering"
  | "done"
  | "incomplete"
  | "failed"
  | "cancelled";

/** A turn of a conversation's history. Times are milliseconds since 1970. */
export interface TurnJson {
  readonly id: string;
  readonly parentTurnId?: string | null;
  /** The idempotency key that the message was sent with. */
  readonly idempotencyKey?: string;
  readonly at: number;
  readonly botId?: string;
  readonly botName?: string;
  readonly message: { readonly text: string; readonly images?: readonly string[] };
  readonly reply: {
    readonly text: string;
    readonly reasoning?: string;
    readonly tools?: readonly string[];
    readonly images?: readonly string[];
    /** The offset from which the reply's stream continues. */
    readonly length: number;
  };
  readonly status: TurnStatusJson;
  /** An error code, where the turn failed or is incomplete. */
  readonly code?: string;
  readonly detail?: string;
  readonly firstAt?: number;
  readonly endedAt?: number;
}

/** An event of a turn's stream: `POST /api/chat/stream`, `GET /api/turns/{id}/stream`. */
export type TurnEventJson =
  | {
    readonly type: "start";
    readonly botId: string;
    readonly botName: string;
    readonly turnId: string;
    readonly conversationId: string;
  }
  | { readonly type: "queued"; readonly place: number }
  | { readonly type: "chunk"; readonly content: string; readonly done: boolean }
  | { readonly type: "reasoning"; readonly content: string }
  | { readonly type: "tool"; readonly content: string }
  | { readonly type: "image"; readonly image: string }
  /** Another bot starts over: everything before it is void. */
  | { readonly type: "replace"; readonly botId: string; readonly botName: string }
  /** Characters that are no longer stored. */
  | { readonly type: "gap"; readonly from: number; readonly to: number }
  | { readonly type: "error"; readonly error: string; readonly code?: string }
  | { readonly type: "end"; readonly status?: string; readonly code?: string };

/** An event of `GET /api/events`. */
export type NoticeJson =
  | { readonly type: "bots"; readonly bots: readonly BotJson[] }
  | {
    readonly type: "turn";
    readonly turnId: string;
    readonly conversationId: string;
    /** The idempotency key that the message was sent with. */
    readonly idempotencyKey?: string;
  }
  | {
    readonly type: "turn_end";
    readonly turnId: string;
    readonly conversationId: string;
    readonly status: string;
  }
  | PushNoticeJson
  | { readonly type: "conversation"; readonly conversationId: string; readonly change: string };

/** A message that a bot sent by itself. */
export interface PushNoticeJson {
  readonly type: "push";
  readonly turnId: string;
  readonly conversationId: string;
  readonly botId: string;
  readonly botName: string;
  readonly content: string;
  readonly images?: readonly string[];
}

/** A hit of `GET /api/search`. */
export interface SearchHitJson {
  readonly conversationId: string;
  readonly turnId: string;
  readonly title: string;
  readonly snippet: string;
  readonly at: number;
}
