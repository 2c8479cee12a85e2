/**
 * Feishu's message API: send, reply, patch, read; images and files.
 *
 * Sources: Feishu 发送消息/回复消息 (2026-04), 更新已发送的消息卡片 (2025-07).
 */
import { Buffer } from "node:buffer";
import type { Json } from "../../core/store.ts";
import {
  cardText,
  hasTooManyTables,
  MAX_CARD_BYTES,
  MENTIONS,
  tooManyTables,
} from "./card_content.ts";
import { fail, ok } from "./response.ts";
import type { Card, FeishuState } from "./state.ts";

/** Milliseconds for which a repeated `uuid` is answered with the first message. */
const UUID_TTL_MS = 3_600_000;
const MAX_TEXT_BYTES = 150 * 1024;
const FILE_TYPES = ["opus", "mp4", "pdf", "doc", "xls", "ppt", "stream"];

/** What `send` and `reply` are called with. */
interface SendBody {
  readonly msg_type: string;
  readonly content: string;
  readonly uuid?: string;
}

export class FeishuMessages {
  readonly #uuids = new Map<string, { answer: Json; until: number }>();

  constructor(private readonly state: FeishuState) {}

  async send(request: Request): Promise<Response> {
    const body = await request.json();
    return this.#send(body.receive_id, body);
  }

  async reply(to: string, request: Request): Promise<Response> {
    return this.#send(this.state.messages.get(to)?.chat, await request.json());
  }

  #send(chat: unknown, { msg_type, content, uuid }: SendBody): Response {
    const { state } = this;
    if (typeof chat !== "string") return fail(400, 230011, "The message was withdrawn");
    if (
      typeof content !== "string" ||
      Buffer.byteLength(content) > (msg_type === "text" ? MAX_TEXT_BYTES : MAX_CARD_BYTES)
    ) return tooLong();
    const now = state.clock.now();
    const known = uuid === undefined ? undefined : this.#uuids.get(uuid);
    if (known && known.until > now) {
      state.counts.repeatedUuids++;
      return ok(known.answer);
    }
    // Five a second into one chat. Other bots of a group use some of its five; none is emulated.
    if (state.overLimit(`chat:${chat}`, [[5, 1000]]) !== undefined) return state.throttleChat();
    const body = JSON.parse(content);
    const isCardKit = msg_type === "interactive" && body.type === "card";
    const card = isCardKit ? state.cards.get(body.data?.card_id) : undefined;
    const refusal = isCardKit ? cardRefusal(card) : this.#refusal(msg_type, body);
    if (refusal) return refusal;
    const id = `${state.messageId()}b`;
    state.messages.set(id, { id, chat, type: msg_type, content, card });
    if (card) card.messageId = id;
    this.#show(id, chat, msg_type, content, card);
    const answer = { message_id: id, chat_id: chat, msg_type };
    if (uuid !== undefined) this.#uuids.set(uuid, { answer, until: now + UUID_TTL_MS });
    return ok(answer);
  }

  #refusal(type: string, body: Json): Response | undefined {
    if (type === "interactive") return hasTooManyTables(body) ? tooManyTables() : undefined;
    if (type !== "image" && type !== "file" || this.state.resources.has(body[`${type}_key`])) {
      return undefined;
    }
    // No page with this code was found; the gateway treats every refusal alike.
    const message = "The type of file upload does not match the type of message being sent";
    return fail(400, 230055, message);
  }

  #show(id: string, chat: string, type: string, content: string, card: Card | undefined): void {
    const { log, resources } = this.state;
    const body = JSON.parse(content);
    const key = type === "image" ? body.image_key : type === "file" ? body.file_key : undefined;
    const isCard = card !== undefined || type === "interactive";
    const markdown = isCard ? cardText(card?.json ?? body) : undefined;
    log.recordMentions(chat, markdown ?? content, MENTIONS);
    log.add({
      id,
      chat,
      from: "bot",
      kind: card ? "streaming card" : type,
      text: markdown ?? String(body.text ?? resources.get(key)?.name ?? content),
      // A patched card has no end of its own: its last text is the final one.
      final: card ? card.streamingSince === undefined : true,
    });
  }

  async patch(id: string, request: Request): Promise<Response> {
    const { state } = this;
    const message = state.messages.get(id);
    if (message?.type !== "interactive") return fail(400, 230001, "not a card message");
    if (state.overLimit(`message:${id}`, [[5, 1000]]) !== undefined) return state.throttleChat();
    const { content } = await request.json();
    if (Buffer.byteLength(content) > MAX_CARD_BYTES) return tooLong();
    const json = JSON.parse(content);
    if (json.config?.update_multi !== true) return fail(400, 230099, "update_multi must be true");
    if (hasTooManyTables(json)) return tooManyTables();
    message.content = content;
    state.log.recordMentions(message.chat, cardText(json), MENTIONS);
    state.log.edit(id, { text: cardText(json) });
    return ok({});
  }

  /** A message by its id. A streaming card is returned as a hint only, as the platform does. */
  read(id: string): Response {
    const message = this.state.messages.get(decodeURIComponent(id));
    if (!message) return fail(400, 230110, "The message has been deleted");
    const hint = { tag: "text", text: "请升级至最新版本客户端，以查看内容" };
    const content = message.card
      ? JSON.stringify({ title: null, elements: [[hint]] })
      : message.content;
    const sender = message.id.endsWith("b")
      ? { id: this.state.parts.appId, id_type: "app_id", sender_type: "app" }
      : { id: `ou_of_${message.chat}`, id_type: "open_id", sender_type: "user" };
    const item = {
      message_id: message.id,
      msg_type: message.type,
      chat_id: message.chat,
      deleted: false,
      sender,
      body: { content },
    };
    return ok({ items: [item] });
  }

  async uploadImage(request: Request): Promise<Response> {
    const form = await request.formData();
    const image = form.get("image");
    if (!(image instanceof Blob) || form.get("image_type") !== "message") return badParameter();
    if (image.size > 10 << 20) return fail(400, 234006, "The file size exceed the max value");
    return ok({ image_key: await this.#store("img", image) });
  }

  async uploadFile(request: Request): Promise<Response> {
    if (this.state.faults.refusesFiles) {
      return fail(400, 234007, "App does not enable bot feature.");
    }
    const form = await request.formData();
    const file = form.get("file"), name = form.get("file_name");
    const isType = FILE_TYPES.includes(String(form.get("file_type")));
    if (!(file instanceof Blob) || typeof name !== "string" || !isType) return badParameter();
    if (file.size > 30 << 20) return fail(400, 234006, "The file size exceed the max value");
    if (file.size === 0) return fail(400, 234010, "File's size can't be 0");
    return ok({ file_key: await this.#store("file", file, name) });
  }

  /** Returns the key. */
  async #store(prefix: string, blob: Blob, name?: string): Promise<string> {
    const key = `${prefix}_${this.state.nextId()}`;
    const bytes = new Uint8Array(await blob.arrayBuffer());
    this.state.resources.set(key, { type: blob.type, name, bytes });
    return key;
  }

  download(key: string): Response {
    const found = this.state.resources.get(decodeURIComponent(key));
    if (!found) return fail(400, 234003, "File not in msg");
    return new Response(found.bytes, { headers: { "content-type": found.type } });
  }
}

function cardRefusal(card: Card | undefined): Response | undefined {
  if (!card) return fail(400, 230099, "card not found");
  return card.messageId === undefined ? undefined : fail(400, 200620, "the card has been sent");
}

function tooLong(): Response {
  return fail(400, 230025, "The length of the message content reaches its limit");
}

function badParameter(): Response {
  return fail(400, 234001, "Invalid request param");
}
