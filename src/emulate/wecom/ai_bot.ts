/**
 * The AI bot of WeCom: members' messages, the webhook mode that polls a stream, and the
 * `response_url`.
 *
 * Source: WeCom 智能机器人 (2025-07…2026-04).
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import type { Json } from "../../core/store.ts";
import { seal, sealFile, sign, unseal } from "./envelope.ts";
import { answer } from "./response.ts";
import { RETRIES_MS, type WecomMessage, type WecomState } from "./state.ts";

/** Milliseconds from the question until a stream may not be refreshed any more. */
export const STREAM_TTL_MS = 6 * 60_000;

/** Bytes of one text. */
export const MAX_BOT_TEXT_BYTES = 20_480;

/** Milliseconds between two polls of a stream by the webhook. */
const POLL_MS = 1000;
const URL_TTL_MS = 3_600_000;

/** A message that came over the long connection, by which the bot may answer. */
export interface BotRequest {
  readonly chat: string;
  readonly at: number;
  /** Messages in the log, by stream id. */
  readonly streams: Map<string, string>;
}

export class WecomAiBot {
  /** Sends a frame over the long connection; whether a bot is connected. */
  push: ((frame: Json) => boolean) | undefined;
  /** By `req_id`. */
  readonly requests = new Map<string, BotRequest>();
  /** Chats that have written to the bot. */
  readonly knownChats = new Set<string>();
  readonly #urls = new Map<string, { chat: string; until: number }>();

  constructor(private readonly state: WecomState) {}

  /** A member writes, in whichever mode the bot is. Returns the message's id. */
  say(said: WecomMessage): string {
    const { state } = this;
    const id = said.messageId ?? `msg${state.nextId().toString(36).padStart(8, "0")}`;
    const chat = said.group ?? said.from;
    this.knownChats.add(chat);
    const text = said.text ?? "";
    state.log.add({ id, chat, from: "person", kind: "text", text, final: true });
    const body = {
      msgid: id,
      aibotid: state.parts.botId,
      chatid: said.group,
      chattype: said.group ? "group" : "single",
      from: { userid: said.from },
      create_time: Math.floor(state.clock.now() / 1000),
      response_url: this.#responseUrl(chat),
      ...this.#contentOf(said),
      quote: this.#quoteOf(said),
    };
    if (!this.push) {
      void this.#converse(body, chat);
      return id;
    }
    const req_id = `req${state.nextId()}`;
    this.requests.set(req_id, { chat, at: state.clock.now(), streams: new Map() });
    this.push({ cmd: "aibot_msg_callback", headers: { req_id }, body });
    return id;
  }

  #responseUrl(chat: string): string {
    const { clock, parts } = this.state;
    const code = randomBytes(6).toString("hex");
    this.#urls.set(code, { chat, until: clock.now() + URL_TTL_MS });
    const origin = parts.origin ?? "https://qyapi.weixin.qq.com";
    return `${origin}/cgi-bin/aibot/response?response_code=${code}`;
  }

  #contentOf({ message, file, image, group, text, botName = "Bot" }: WecomMessage): Json {
    if (message) return { msgtype: message.type, ...message.fields };
    if (file) return { msgtype: "file", file: this.#sealed(file.bytes, file.name) };
    if (image) return { msgtype: "image", image: this.#sealed(image) };
    return { msgtype: "text", text: { content: group ? `@${botName} ${text}` : text } };
  }

  #quoteOf({ quote }: WecomMessage): Json {
    if (!quote) return undefined;
    if (quote.image) return { msgtype: "image", image: this.#sealed(quote.image) };
    return { msgtype: "text", text: { content: quote.text } };
  }

  #sealed(bytes: Uint8Array, name?: string): { url: string; aeskey?: string } {
    const { origin, encodingAesKey } = this.state.parts;
    // By webhook the callback's key opens the file; over the long connection each has its own.
    const aeskey = this.push ? randomBytes(32).toString("base64") : undefined;
    const sealed = sealFile(bytes, aeskey ?? encodingAesKey + "=");
    const id = this.state.store(sealed, { name, type: "application/octet-stream" });
    const host = origin ?? "https://ww-aibot.cos.ap-guangzhou.myqcloud.com";
    return { url: `${host}/files/${id}`, aeskey };
  }

  /** Any JSON as the callback that carries it. */
  callback(body: Json): Request {
    const keys = this.state.envelopeKeys("");
    const encrypt = seal(keys, JSON.stringify(body));
    return new Request(this.state.signedUrl(keys, encrypt), {
      method: "POST",
      body: JSON.stringify({ encrypt }),
      headers: { "content-type": "application/json" },
    });
  }

  /**
   * Delivers the message, and polls the stream until it is finished or the six minutes are over.
   */
  async #converse(body: Json, chat: string): Promise<void> {
    const { state } = this;
    const begunAt = state.clock.now();
    let response = await state.delivery.deliver(
      () => state.post(this.callback(body)),
      RETRIES_MS,
    );
    let streamId: string | undefined;
    for (;;) {
      const stream = response === undefined ? undefined : this.#open(response)?.stream;
      if (stream === undefined && streamId === undefined) return;
      if (stream !== undefined) {
        this.#showStream(chat, stream, streamId === undefined);
        streamId = String(stream.id);
        if (stream.finish) return;
      }
      if (state.clock.now() - begunAt > STREAM_TTL_MS) {
        state.counts.expired++;
        return state.log.edit(`${chat}:${streamId}`, { final: true });
      }
      await state.delivery.wait(POLL_MS);
      response = await this.#poll(body, streamId!);
    }
  }

  #showStream(chat: string, stream: Json, isFirst: boolean): void {
    const { state } = this;
    const id = `${chat}:${stream.id}`, text = stream.content;
    if (Buffer.byteLength(text) > MAX_BOT_TEXT_BYTES) state.counts.throttled++;
    if (isFirst) state.log.add({ id, chat, from: "bot", kind: "stream", text, final: false });
    state.recordMentions(chat, text);
    state.log.edit(id, { text, final: stream.finish });
    this.showItems(chat, stream.msg_item ?? []);
  }

  /** Asks once; a poll that fails has no retries, the next one follows anyway. */
  #poll(body: Json, streamId: string): Promise<string | undefined> {
    const { state } = this;
    state.counts.polls++;
    const poll = {
      ...body,
      msgid: `poll${state.nextId()}`,
      msgtype: "stream",
      text: undefined,
      image: undefined,
      stream: { id: streamId },
    };
    return state.delivery.once(() => state.post(this.callback(poll)));
  }

  /** Decrypts a passive reply; `undefined`: it is empty. */
  #open(text: string): Json {
    if (text === "") return undefined;
    const keys = this.state.envelopeKeys("");
    const { encrypt, msgsignature, timestamp, nonce } = JSON.parse(text);
    if (sign(keys, String(timestamp), nonce, encrypt) !== msgsignature) {
      throw new Error("a reply with a wrong signature");
    }
    return JSON.parse(unseal(keys, encrypt));
  }

  /** The images of a finished stream. */
  showItems(chat: string, items: readonly Json[]): void {
    for (const _item of items) this.state.show(chat, "image", "", "item");
  }

  /** A call of a `response_url`, which is valid once. */
  async respond(request: Request): Promise<Response> {
    const code = new URL(request.url).searchParams.get("response_code") ?? "";
    const found = this.#urls.get(code);
    if (!found || found.until < this.state.clock.now()) {
      return answer(60140, "response_url used or expired");
    }
    const body = await request.json();
    const text = String(body.markdown?.content ?? "");
    if (Buffer.byteLength(text) > MAX_BOT_TEXT_BYTES) return answer(45002, "content too long");
    this.#urls.delete(code);
    this.state.show(found.chat, body.msgtype, text, "url");
    return answer(0, "ok");
  }
}
