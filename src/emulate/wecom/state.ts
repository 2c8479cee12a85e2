/** What the parts of an emulated WeCom share: chats, files, faults, limits and figures. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import type { Json } from "../../core/store.ts";
import { ChatLog } from "../chat_log.ts";
import { EventDelivery } from "../event_delivery.ts";
import { Limits } from "../limits.ts";
import type { MediaFile } from "../media_file.ts";
import { type EnvelopeKeys, sign } from "./envelope.ts";
import { answer } from "./response.ts";

/** Milliseconds between tries of a callback: three in all, how far apart is not documented. */
export const RETRIES_MS = [5000, 5000];
const DEADLINE_MS = 5000;

export interface WecomParts {
  readonly clock: Clock;
  readonly corpId: string;
  readonly agentId: number;
  readonly secret: string;
  readonly botId: string;
  readonly token: string;
  readonly encodingAesKey: string;
  /** Sends a callback of the app or of the bot. */
  readonly deliver?: (request: Request) => Promise<Response>;
  readonly callbackUrl?: string;
  /** Whether the page's messages go to the AI bot, where there is no long connection. */
  readonly aiBot?: boolean;
  /** The origin of files and `response_url`s. */
  readonly origin?: string;
}

/** What a person writes, to the app or to the AI bot. */
export interface WecomMessage {
  readonly from: string;
  readonly text?: string;
  readonly group?: string;
  readonly messageId?: string;
  /** A picture, in place of text. */
  readonly image?: Uint8Array;
  /** A file, in place of text. Only its download carries its name, as WeCom does. */
  readonly file?: { readonly name: string; readonly bytes: Uint8Array };
  /** Another kind with its fields: `{"video":{…}}` for the bot, `<MediaId>…` for the app. */
  readonly message?: { readonly type: string; readonly fields: Json };
  /** The quoted message, as it stands in `quote`; a picture becomes a file to download. */
  readonly quote?: { readonly text?: string; readonly image?: Uint8Array };
  /** The bot's name in the group; `Bot` unless set. */
  readonly botName?: string;
}

/** What is set up wrong, or refused, on purpose. */
export interface WecomFaults {
  /** Calls come from an address that the app does not trust. */
  isForeignAddress: boolean;
  /** An admin has disabled the app. */
  isDisabled: boolean;
  /** The keys of group robots that exist; absent: any. */
  webhookKeys: ReadonlySet<string> | undefined;
}

/** `<@userid>` in Markdown, `@all` in a text. */
const MENTIONS = [/<@([\w.@-]+)>/g, /@(all|所有人)/gi];

export class WecomState {
  readonly clock: Clock;
  readonly log: ChatLog;
  readonly limits: Limits;
  readonly delivery: EventDelivery;
  /** `dropped`: messages that WeCom accepted and showed nobody. */
  readonly counts = {
    calls: 0,
    throttled: 0,
    dropped: 0,
    repeats: 0,
    pushes: 0,
    unacknowledged: 0,
    polls: 0,
    expired: 0,
  };
  readonly faults: WecomFaults = {
    isForeignAddress: false,
    isDisabled: false,
    webhookKeys: undefined,
  };
  readonly media = new Map<string, MediaFile>();
  #ids = 0;

  constructor(readonly parts: WecomParts) {
    this.clock = parts.clock;
    this.log = new ChatLog(parts.clock);
    this.limits = new Limits(parts.clock);
    this.delivery = new EventDelivery(parts.clock, this.counts, DEADLINE_MS);
  }

  nextId(): number {
    return ++this.#ids;
  }

  /** Returns the media id. */
  store(bytes: Uint8Array, { name, type = "image/png" }: { name?: string; type?: string } = {}) {
    const id = `media${this.nextId()}`;
    this.media.set(id, { type, name, bytes: new Uint8Array(bytes) });
    return id;
  }

  /** The response to a download. */
  file(id: string): Response {
    const found = this.media.get(id);
    if (!found) return answer(40007, "invalid media_id");
    const headers = new Headers({ "content-type": found.type });
    if (found.name) {
      const name = encodeURIComponent(found.name);
      headers.set("content-disposition", `attachment; filename="${name}"`);
    }
    return new Response(found.bytes, { headers });
  }

  /** A bot's message that no edit follows, with the mentions in it. */
  show(chat: string, kind: string, text: string, idPrefix: string): void {
    this.recordMentions(chat, text);
    const id = `${idPrefix}${this.nextId()}`;
    this.log.add({ id, chat, from: "bot", kind, text, final: true });
  }

  recordMentions(chat: string, text: string): void {
    this.log.recordMentions(chat, text, MENTIONS);
  }

  throttle(): Response {
    this.counts.throttled++;
    return answer(45009, "api freq out of limit");
  }

  envelopeKeys(receiver: string): EnvelopeKeys {
    const { token, encodingAesKey } = this.parts;
    return { token, aesKey: encodingAesKey, receiver };
  }

  /** The callback's address with the signature of what is encrypted. */
  signedUrl(keys: EnvelopeKeys, encrypted: string): string {
    const timestamp = String(Math.floor(this.clock.now() / 1000));
    const nonce = randomBytes(6).toString("hex");
    const url = new URL(this.parts.callbackUrl ?? "http://bot.invalid/");
    url.searchParams.set("msg_signature", sign(keys, timestamp, nonce, encrypted));
    url.searchParams.set("timestamp", timestamp);
    url.searchParams.set("nonce", nonce);
    return url.href;
  }

  /** Sends a callback; the body of a 200, or `undefined`. */
  async post(request: Request): Promise<string | undefined> {
    const response = await this.parts.deliver?.(request);
    if (response?.status === 200) return await response.text();
    await response?.body?.cancel();
    return undefined;
  }
}
