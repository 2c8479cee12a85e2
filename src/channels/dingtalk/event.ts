/**
 * What DingTalk's robot tells us, in our words. A stranger's JSON yields `undefined`.
 *
 * Source: DingTalk 接收消息 (2025-12).
 */
import { z } from "zod";
import type { Json } from "../../core/store.ts";
import type { Incoming } from "../im/surface.ts";
import type { DingChat } from "./api.ts";
import { contentOf, quoteOf } from "./content.ts";

const Message = z.object({
  msgId: z.string().min(1).max(200),
  msgtype: z.string(),
  conversationId: z.string().min(1).max(300),
  conversationType: z.string(),
  senderId: z.string(),
  senderStaffId: z.string().optional(),
  senderNick: z.string().optional(),
  sessionWebhook: z.string().optional(),
  sessionWebhookExpiredTime: z.number().optional(),
  createAt: z.number().optional(),
  text: z.looseObject({ content: z.string() }).optional(),
  content: z.unknown().optional(),
});

export interface Circumstances {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The session's webhook, where it may be called. */
  readonly webhook: (address: string | undefined) => string | undefined;
}

/** `undefined`: not a message. */
export function readMessage(json: Json, { now, webhook }: Circumstances): Incoming | undefined {
  const parsed = Message.safeParse(json);
  if (!parsed.success) return undefined;
  const message = parsed.data;
  const said = contentOf(message.msgtype, message.text?.content ?? "", message.content as Json);
  const type = message.conversationType === "2" ? "group" : "direct";
  const chat: DingChat = {
    type,
    conversationId: message.conversationId,
    staffId: message.senderStaffId ?? message.senderId,
    webhook: webhook(message.sessionWebhook),
    webhookUntil: message.sessionWebhookExpiredTime,
  };
  return {
    // The id of the message: a redelivery over Stream has a new id in its header.
    id: message.msgId,
    chat: { id: message.conversationId, type },
    sender: { id: message.senderStaffId ?? message.senderId, name: message.senderNick },
    ...said,
    // The mention is taken off by DingTalk and leaves a space.
    text: said.text.trim(),
    quote: quoteOf(message.text) ?? quoteOf(message.content as Json),
    at: message.createAt ?? now,
    address: chat,
  };
}
