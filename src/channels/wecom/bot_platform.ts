/**
 * What an AI bot can send: streams over the long connection or by polls, and after the six minutes
 * a message of its own, or one through the question's `response_url`.
 *
 * Sources: WeCom 智能机器人 (2025-07…2026-03), 智能机器人长连接 101463 (2026-03/04), 主动回复消息.
 */
import { Buffer } from "node:buffer";
import type { Clock } from "../../core/clock.ts";
import type { Json } from "../../core/store.ts";
import type { AcceptedAttachments, Attachment } from "../im/attachment.ts";
import type { HttpCaller } from "../im/http_call.ts";
import { Hosts } from "../im/hosts.ts";
import {
  type DeliveryMethod,
  type FetchedFile,
  type Incoming,
  type Platform,
  PlatformError,
  type SendOptions,
} from "../im/platform.ts";
import { rates } from "../im/rates.ts";
import type { BudgetScope } from "../im/send_budget.ts";
import type { BotMedia } from "./bot_media.ts";
import type { PolledStreams } from "./bot_polled_streams.ts";
import {
  botMarkdown,
  MAX_TEXT_BYTES,
  staticMethod,
  STREAM_IMAGES,
  streamIdOf,
  streamLifetime,
  streamMessage,
} from "./bot_stream.ts";
import type { FrameCall, FrameCaller } from "./frame_call.ts";
import { judge, judgeBody } from "./judge.ts";
import type { WecomBotSettings } from "./settings.ts";

/**
 * Bytes of a message of an answer that continues after its stream: ten seconds of a fast bot, so
 * that the minute's limit is never reached.
 */
const PIECE_BYTES = 5000;

/** Milliseconds that a `response_url` is valid. */
const URL_TTL_MS = 3_600_000;

/**
 * Attachments as messages of their own, over the long connection. That they are uploaded in 512 KB
 * × 100 is documented (path/101463); the limits are those of every temporary upload (path/96484),
 * which other clients of the long connection hold to as well.
 */
const ACCEPTED: AcceptedAttachments = {
  image: { types: /^image\/(?:png|jpe?g)$/, bytes: 10 << 20 },
  file: { bytes: 20 << 20, above: 5 },
};

export interface BotPlatformParts {
  readonly name: string;
  readonly settings: WecomBotSettings;
  readonly clock: Clock;
  readonly frames: FrameCaller;
  readonly caller: HttpCaller;
  readonly media: BotMedia;
  readonly polled: PolledStreams;
}

export class WecomBotPlatform implements Platform {
  readonly #parts: BotPlatformParts;
  readonly #hosts: Hosts;
  readonly #usesSocket: boolean;

  constructor(parts: BotPlatformParts) {
    this.#parts = parts;
    this.#usesSocket = parts.settings.mode === "socket";
    this.#hosts = new Hosts({
      base: [parts.settings.baseUrl],
      platform: ["qyapi.weixin.qq.com"],
      further: parts.settings.hosts,
    });
  }

  methods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    if (this.#usesSocket) {
      return Promise.resolve([this.#stream(incoming), this.#message(incoming)]);
    }
    const methods = [this.#parts.polled.method(incoming)];
    if (this.#hosts.has(incoming.address.responseUrl)) methods.push(this.#responseUrl(incoming));
    return Promise.resolve(methods);
  }

  /** Only over the long connection, to people who have written before: no other chat is known. */
  pushMethods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    return Promise.resolve(this.#usesSocket ? [this.#message(incoming)] : []);
  }

  /** In webhook mode nothing can be sent but the images of the last refresh. */
  get accepts(): AcceptedAttachments {
    return this.#usesSocket ? ACCEPTED : {};
  }

  async fetchImage(incoming: Incoming, ref: Json): Promise<string> {
    const { bytes } = await this.#parts.media.file(incoming, ref);
    const base64 = Buffer.from(bytes).toString("base64");
    return `data:${imageTypeOf(base64)};base64,${base64}`;
  }

  async fetchFile(incoming: Incoming, ref: Json, max: number): Promise<FetchedFile> {
    return await this.#parts.media.file(incoming, ref, max);
  }

  async attach(
    incoming: Incoming,
    attachment: Attachment,
    form: "image" | "file",
    send: SendOptions,
  ): Promise<void> {
    const media_id: string = send.checkpoint?.media ??
      await this.#parts.media.upload(attachment, form, send);
    await send.saveCheckpoint({ media: media_id });
    await this.#sendMessage(incoming, send, () => ({ msgtype: form, [form]: { media_id } }));
  }

  /** Refreshes a stream by its question's request; used for what could not be stored, too. */
  async refresh(
    incoming: Incoming,
    text: () => string,
    finish: boolean,
    send: SendOptions,
  ): Promise<void> {
    const id = streamIdOf(incoming);
    await this.#sendFrame(incoming, send, {
      cmd: "aibot_respond_msg",
      requestId: incoming.address.request,
      repeatable: true,
      body: () => streamMessage(id, text(), finish, send.images),
    });
  }

  #stream(incoming: Incoming): DeliveryMethod {
    return {
      name: "stream",
      maxBytes: MAX_TEXT_BYTES,
      live: true,
      carries: STREAM_IMAGES,
      repeatable: true,
      lifetime: streamLifetime(incoming, this.#parts.clock.now()),
      maxMessages: 1,
      // Whether a refresh counts against the 30 a minute is not documented. The budget counts it,
      // and this interval keeps bursts small.
      editInterval: () => 800,
      finalPath: [this.#conversation(incoming)],
      render: botMarkdown,
      open: async (text, send) => {
        await this.refresh(incoming, text, send.isWhole, send);
        return { id: streamIdOf(incoming) };
      },
      edit: (_message, text, send) => this.refresh(incoming, text, false, send),
      close: (_message, text, send) => this.refresh(incoming, () => text, true, send),
    };
  }

  #message(incoming: Incoming): DeliveryMethod {
    return {
      ...staticMethod("send"),
      pieceBytes: PIECE_BYTES,
      repeatable: false,
      maxMessages: Infinity,
      finalPath: [this.#conversation(incoming)],
      open: async (text, send) => {
        await this.#sendMessage(incoming, send, () => ({
          msgtype: "markdown",
          markdown: { content: text() },
        }));
        return {};
      },
    };
  }

  /** Once, within the hour. */
  #responseUrl(incoming: Incoming): DeliveryMethod {
    const { clock, caller } = this.#parts;
    const url: string = incoming.address.responseUrl;
    const scope = this.#conversation(incoming);
    return {
      ...staticMethod("response_url"),
      repeatable: false,
      maxMessages: 1,
      finalPath: [],
      open: async (text, send) => {
        if (clock.now() > incoming.at + URL_TTL_MS) {
          throw new PlatformError("refused", "expired", "the hour is over");
        }
        await caller.call({
          ...send,
          method: "POST",
          url: () => url,
          body: () => ({ msgtype: "markdown", markdown: { content: text() } }),
          path: [scope],
          repeatable: false,
          judge: (answer) => judge(answer, scope),
        });
        return {};
      },
    };
  }

  async #sendMessage(incoming: Incoming, send: SendOptions, body: () => Json): Promise<void> {
    const { id, type } = incoming.chat;
    const chat = { chatid: id, chat_type: type === "group" ? 2 : 1 };
    await this.#sendFrame(incoming, send, {
      cmd: "aibot_send_msg",
      repeatable: false,
      body: () => ({ ...chat, ...body() }),
    });
  }

  async #sendFrame(
    incoming: Incoming,
    send: SendOptions,
    frame: Pick<FrameCall, "cmd" | "requestId" | "repeatable" | "body">,
  ): Promise<void> {
    const scope = this.#conversation(incoming);
    const judge = (ack: Json) => judgeBody(ack, scope);
    await this.#parts.frames.call({ ...send, ...frame, path: [scope], judge });
  }

  #conversation(incoming: Incoming): BudgetScope {
    const { settings, name } = this.#parts;
    const key = `wecom:aibot:${settings.botId ?? name}:${incoming.chat.id}`;
    return { key, rates: rates(settings.limits.chat, { minute: 28, hour: 950 }) };
  }
}

/** By the first bytes of the image; WeCom names no type. */
function imageTypeOf(base64: string): string {
  if (base64.startsWith("/9j/")) return "image/jpeg";
  return base64.startsWith("R0lGOD") ? "image/gif" : "image/png";
}
