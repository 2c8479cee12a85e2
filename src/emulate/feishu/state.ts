/** What the parts of an emulated Feishu share: chats, sent messages, files, limits and figures. */
import type { Clock } from "../../core/clock.ts";
import type { Json } from "../../core/store.ts";
import { ChatLog } from "../chat_log.ts";
import { Limits } from "../limits.ts";
import type { MediaFile } from "../media_file.ts";
import { fail } from "./response.ts";

export const BOT_ID = "ou_emulated_bot";

/** Milliseconds after which a streaming card stops streaming by itself. */
const STREAM_TTL_MS = 10 * 60_000;

export interface FeishuParts {
  readonly clock: Clock;
  readonly appId: string;
  readonly appSecret: string;
  readonly encryptKey?: string;
  readonly verificationToken?: string;
  /** Sends a callback to the bot's address. Absent: events use the long connection only. */
  readonly deliver?: (request: Request) => Promise<Response>;
  readonly callbackUrl?: string;
}

/** A card of CardKit, which has an id of its own and is sent in at most one message. */
export interface Card {
  json: Json;
  sequence: number;
  streamingSince: number | undefined;
  readonly createdAt: number;
  messageId: string | undefined;
  readonly uuids: Set<string>;
}

export interface StoredMessage {
  readonly id: string;
  readonly chat: string;
  readonly type: string;
  content: string;
  readonly card: Card | undefined;
}

/** What is set up wrong, or refused, on purpose. */
export interface FeishuFaults {
  /** No card is replaced as a whole any more, as where its content is refused. */
  refusesCardReplacements: boolean;
  /** No file is stored, as where the app lacks the permission. */
  refusesFiles: boolean;
  /** Permissions that the app was not granted. */
  readonly missingScopes: Set<string>;
  streamTtlMs: number;
}

export class FeishuState {
  readonly clock: Clock;
  readonly log: ChatLog;
  readonly counts = {
    calls: 0,
    cards: 0,
    throttled: 0,
    refused: 0,
    pushes: 0,
    unacknowledged: 0,
    repeatedUuids: 0,
  };
  readonly faults: FeishuFaults = {
    refusesCardReplacements: false,
    refusesFiles: false,
    missingScopes: new Set(),
    streamTtlMs: STREAM_TTL_MS,
  };
  /** Files and images of messages, by key. */
  readonly resources = new Map<string, MediaFile>();
  readonly messages = new Map<string, StoredMessage>();
  readonly cards = new Map<string, Card>();
  readonly #limits: Limits;
  #ids = 0;

  constructor(readonly parts: FeishuParts) {
    this.clock = parts.clock;
    this.log = new ChatLog(parts.clock);
    this.#limits = new Limits(parts.clock);
  }

  nextId(): number {
    return ++this.#ids;
  }

  messageId(): string {
    return `om_${this.nextId().toString(36).padStart(8, "0")}`;
  }

  /** Counts a call in all windows `[limit, milliseconds]`; returns the wait where one is full. */
  overLimit(key: string, windows: readonly (readonly [number, number])[]): number | undefined {
    return this.#limits.hitAll(windows.map(([limit, per]) => [key, limit, per] as const))?.wait;
  }

  /** The response to too many calls of one API. */
  throttle(ms = 1000): Response {
    this.counts.throttled++;
    return fail(429, 99991400, "request trigger frequency limit", {
      "x-ogw-ratelimit-limit": "50",
      "x-ogw-ratelimit-reset": String(Math.max(1, Math.ceil(ms / 1000))),
    });
  }

  /** The response to too many messages in one chat, or edits of one message. */
  throttleChat(): Response {
    this.counts.throttled++;
    return fail(400, 230020, "This operation triggers the frequency limit");
  }
}
