/**
 * The frames that the AI bot sends over its long connection, and their acknowledgements.
 *
 * Source: WeCom 智能机器人长连接 101463 (2026-03/04).
 */
import { Buffer } from "node:buffer";
import type { Json } from "../../core/store.ts";
import { MAX_BOT_TEXT_BYTES, STREAM_TTL_MS, type WecomAiBot } from "./ai_bot.ts";
import type { WecomState } from "./state.ts";

interface Upload {
  readonly totalChunks: number;
  /** Base64, by index. */
  readonly chunks: Map<number, string>;
  readonly type: string;
  readonly name: string;
}

/** A frame's acknowledgement without its headers. */
interface Acknowledgement {
  readonly errcode: number;
  readonly errmsg: string;
  readonly body?: Json;
}

export class BotFrames {
  readonly #uploads = new Map<string, Upload>();

  constructor(private readonly state: WecomState, private readonly bot: WecomAiBot) {}

  /** Handles a frame and returns its acknowledgement. */
  receive(frame: Json): Json {
    this.state.counts.calls++;
    const req_id = frame?.headers?.req_id;
    return { headers: { req_id }, ...this.#handle(frame?.cmd, req_id, frame?.body ?? {}) };
  }

  #handle(command: unknown, requestId: string, body: Json): Acknowledgement {
    switch (command) {
      case "ping":
        return ok();
      case "aibot_subscribe":
        return this.#subscribe(body);
      case "aibot_respond_msg":
        return this.#refresh(requestId, body);
      case "aibot_send_msg":
        return this.#send(body);
      case "aibot_upload_media_init":
        return this.#beginUpload(body);
      case "aibot_upload_media_chunk":
        this.#uploads.get(body.upload_id)?.chunks.set(body.chunk_index, body.base64_data);
        return ok();
      case "aibot_upload_media_finish":
        return this.#finishUpload(body);
      default:
        return fail(40008, "invalid cmd");
    }
  }

  #subscribe({ bot_id, secret }: Json): Acknowledgement {
    const { parts } = this.state;
    const isKnown = bot_id === parts.botId && secret === parts.secret;
    return isKnown ? ok() : fail(40001, "invalid credential");
  }

  #send(body: Json): Acknowledgement {
    const { state } = this;
    if (!this.bot.knownChats.has(body.chatid)) {
      return fail(40003, "the member has not written to the bot");
    }
    if (this.#isOverLimit(body.chatid)) return fail(45009, "api freq out of limit");
    const media = body[body.msgtype]?.media_id;
    if (media !== undefined && !state.media.has(media)) return fail(40007, "invalid media_id");
    const text = body.markdown?.content ?? body.text?.content ?? state.media.get(media)?.name ?? "";
    if (Buffer.byteLength(text) > MAX_BOT_TEXT_BYTES) return fail(45002, "content too long");
    state.show(body.chatid, body.msgtype, text, "send");
    return ok();
  }

  #beginUpload({ total_chunks, type, filename }: Json): Acknowledgement {
    const upload_id = `up${this.state.nextId()}`;
    const upload = { totalChunks: total_chunks, chunks: new Map(), type, name: filename };
    this.#uploads.set(upload_id, upload);
    return ok({ upload_id });
  }

  #finishUpload({ upload_id }: Json): Acknowledgement {
    const upload = this.#uploads.get(upload_id);
    if (upload?.chunks.size !== upload?.totalChunks || !upload) {
      return fail(40058, "chunks are missing");
    }
    const chunks = [...upload.chunks].sort(([a], [b]) => a - b)
      .map(([, chunk]) => Buffer.from(chunk, "base64"));
    const media_id = this.state.store(Buffer.concat(chunks), { name: upload.name });
    return ok({ type: upload.type, media_id, created_at: 0 });
  }

  /** Writes the whole text of a stream again. */
  #refresh(requestId: string, body: Json): Acknowledgement {
    const { state } = this;
    const request = this.bot.requests.get(requestId);
    if (!request) return fail(846605, "invalid req_id");
    if (state.clock.now() - request.at > STREAM_TTL_MS) {
      state.counts.expired++;
      return fail(846608, "stream message update expired");
    }
    const { chat, streams } = request;
    if (this.#isOverLimit(chat)) return fail(45009, "api freq out of limit");
    const { id, finish, content: text, msg_item } = body.stream ?? {};
    const isText = typeof id === "string" && typeof text === "string";
    if (!isText || Buffer.byteLength(text) > MAX_BOT_TEXT_BYTES) {
      return fail(45002, "content too long");
    }
    state.recordMentions(chat, text);
    const known = streams.get(id), final = finish === true;
    if (known === undefined) {
      const shown = { id: `${requestId}:${id}`, chat, kind: "stream", text, final };
      streams.set(id, state.log.add({ ...shown, from: "bot" }).id);
    } else state.log.edit(known, { text, final });
    if (msg_item && finish) this.bot.showItems(chat, msg_item);
    return ok();
  }

  /** Thirty a minute and a thousand an hour into one chat, replies and pushes together. */
  #isOverLimit(chat: string): boolean {
    const key = `chat:${chat}`;
    const full = this.state.limits.hitAll([[key, 30, 60_000], [key, 1000, 3_600_000]]);
    if (full) this.state.counts.throttled++;
    return full !== undefined;
  }
}

function ok(body?: Json): Acknowledgement {
  return { errcode: 0, errmsg: "ok", body };
}

function fail(errcode: number, errmsg: string): Acknowledgement {
  return { errcode, errmsg };
}
