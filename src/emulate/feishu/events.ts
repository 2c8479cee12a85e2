/**
 * Feishu's events: built, signed, encrypted, delivered to the callback address or over the long
 * connection, and repeated until they are acknowledged.
 *
 * Source: Feishu 事件概述 (2025-04).
 */
import { Buffer } from "node:buffer";
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import type { Json } from "../../core/store.ts";
import { EventDelivery } from "../event_delivery.ts";
import { BOT_ID, type FeishuState } from "./state.ts";

/** Milliseconds from a try that was not acknowledged to the next. */
const RETRIES_MS = [15_000, 5 * 60_000, 3_600_000, 6 * 3_600_000];
const DEADLINE_MS = 3000;

/** What a person writes. */
export interface FeishuMessage {
  readonly chat: string;
  readonly text?: string;
  readonly sender?: string;
  /**
   * The sender's id for all apps of the company; made of {@linkcode FeishuMessage.sender} unless
   * set.
   */
  readonly union?: string;
  /** The sender's company; the app's own unless set. */
  readonly tenant?: string;
  readonly type?: "p2p" | "group";
  /** In a group: whether the bot is mentioned. */
  readonly mention?: boolean;
  readonly messageId?: string;
  /** Another message type with its content, in place of text. */
  readonly message?: { readonly type: string; readonly content: Json };
  /** The id of the message that this one replies to. */
  readonly replyTo?: string;
  /**
   * People who are mentioned beside the bot, by their names; the first is `@_user_2` where the bot
   * is `@_user_1`.
   */
  readonly others?: readonly string[];
}

export class FeishuEvents {
  /** Sends over the long connection; resolves to whether the event was acknowledged. */
  push: ((event: Json, id: string) => Promise<boolean>) | undefined;
  /** The toasts that pressed buttons were answered with. */
  readonly toasts: Json[] = [];
  readonly #delivery: EventDelivery;

  constructor(private readonly state: FeishuState) {
    this.#delivery = new EventDelivery(state.clock, state.counts, DEADLINE_MS);
  }

  stop(): void {
    this.#delivery.stop();
  }

  /** A person writes. Returns the message's id. */
  say(said: FeishuMessage): string {
    const { state } = this;
    const id = said.messageId ?? state.messageId();
    const mentioned = said.type === "group" && said.mention !== false;
    const text = (mentioned ? "@_user_1 " : "") + (said.text ?? "");
    const type = said.message?.type ?? "text";
    const content = JSON.stringify(said.message?.content ?? { text });
    const shown = { id, chat: said.chat, kind: type, text: said.text ?? "" };
    state.log.add({ ...shown, from: "person", final: true });
    state.messages.set(id, { id, chat: said.chat, type, content, card: undefined });
    const now = String(state.clock.now());
    this.send("im.message.receive_v1", {
      sender: senderOf(said),
      message: {
        message_id: id,
        parent_id: said.replyTo,
        root_id: said.replyTo,
        create_time: now,
        update_time: now,
        chat_id: said.chat,
        chat_type: said.type ?? "p2p",
        message_type: type,
        content,
        mentions: mentionsOf(said.others ?? [], mentioned),
      },
    });
    return id;
  }

  recall(messageId: string): void {
    this.send("im.message.recalled_v1", {
      message_id: messageId,
      chat_id: this.state.messages.get(messageId)?.chat,
      recall_time: String(this.state.clock.now()),
    });
  }

  /** A person presses a button. */
  press(messageId: string, value: Json, by: string): void {
    const chat = this.state.messages.get(messageId)?.chat;
    this.send("card.action.trigger", {
      operator: { open_id: by },
      token: "c-1",
      action: { tag: "button", value },
      context: { open_message_id: messageId, open_chat_id: chat },
    }, []);
  }

  /** Sends any event, and again after each of `retries` (ms) without an acknowledgement. */
  send(type: string, event: Json, retries: readonly number[] = RETRIES_MS): void {
    const { appId, verificationToken, clock } = this.state.parts;
    const id = createHash("md5").update(`${type}:${this.state.nextId()}`).digest("hex");
    const body = {
      schema: "2.0",
      header: {
        event_id: id,
        event_type: type,
        create_time: String(clock.now()),
        token: verificationToken ?? "",
        app_id: appId,
        tenant_key: "tenant",
      },
      event,
    };
    void this.#delivery.deliver(() => this.#deliver(body, id), retries);
  }

  /** An event as the callback that carries it. */
  callback(body: Json): Request {
    const { encryptKey, callbackUrl, clock } = this.state.parts;
    const plain = JSON.stringify(body);
    const headers = new Headers({ "content-type": "application/json; charset=utf-8" });
    const url = callbackUrl ?? "http://bot.invalid/";
    if (encryptKey === undefined) {
      return new Request(url, { method: "POST", headers, body: plain });
    }
    const text = JSON.stringify({ encrypt: encrypt(encryptKey, plain) });
    const timestamp = String(Math.floor(clock.now() / 1000));
    const nonce = randomBytes(8).toString("hex");
    const signed = timestamp + nonce + encryptKey + text;
    headers.set("x-lark-request-timestamp", timestamp);
    headers.set("x-lark-request-nonce", nonce);
    headers.set("x-lark-signature", createHash("sha256").update(signed).digest("hex"));
    return new Request(url, { method: "POST", headers, body: text });
  }

  /** Resolves to `true` when the event is acknowledged. */
  async #deliver(body: Json, id: string): Promise<true | undefined> {
    if (this.push) return await this.push(body, id) ? true : undefined;
    const response = await this.state.parts.deliver?.(this.callback(body));
    if (response?.status !== 200) {
      await response?.body?.cancel();
      return undefined;
    }
    const { toast } = await response.json();
    if (toast) this.toasts.push(toast);
    return true;
  }
}

function senderOf(said: FeishuMessage): Json {
  const sender = said.sender ?? `ou_of_${said.chat}`;
  return {
    sender_id: { open_id: sender, union_id: said.union ?? `on_${sender}`, user_id: "" },
    sender_type: "user",
    tenant_key: said.tenant ?? "tenant",
  };
}

/** The bot, where it is mentioned, then the others; `undefined` where nobody is mentioned. */
function mentionsOf(others: readonly string[], bot: boolean): Json {
  const people = others.map((name) => ({ open_id: `ou_${name}`, union_id: `on_${name}`, name }));
  if (bot) people.unshift({ open_id: BOT_ID, union_id: "on_bot", name: "Bot" });
  if (people.length === 0) return undefined;
  return people.map(({ name, ...id }, n) => ({
    key: `@_user_${n + 1}`,
    id: { ...id, user_id: "" },
    name,
    tenant_key: "tenant",
  }));
}

function encrypt(key: string, plain: string): string {
  const iv = randomBytes(16);
  const cipher = createCipheriv("aes-256-cbc", createHash("sha256").update(key).digest(), iv);
  return Buffer.concat([iv, cipher.update(plain, "utf8"), cipher.final()]).toString("base64");
}
