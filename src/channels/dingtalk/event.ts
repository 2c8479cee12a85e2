/**
 * What DingTalk's robot tells us, in our words. A stranger's JSON yields `undefined`.
 *
 * Source: DingTalk 接收消息 (2025-12).
 */
import { z } from "zod";
import type { Json } from "../../core/store.ts";
import type { Incoming, Voucher } from "../im/platform.ts";
import type { DingChat } from "./budgets.ts";
import { contentOf, quoteOf } from "./content.ts";

const Message = z.object({
  msgId: z.string().min(1).max(200),
  msgtype: z.string(),
  conversationId: z.string().min(1).max(300),
  conversationType: z.string(),
  senderId: z.string(),
  senderStaffId: z.string().optional(),
  senderNick: z.string().optional(),
  senderCorpId: z.string().optional(),
  senderUnionId: z.string().optional(),
  chatbotCorpId: z.string().optional(),
  sessionWebhook: z.string().optional(),
  sessionWebhookExpiredTime: z.number().optional(),
  createAt: z.number().optional(),
  text: z.looseObject({ content: z.string() }).optional(),
  content: z.unknown().optional(),
});

/** Which app reads a message. */
export interface App {
  readonly clientId: string;
  /** Its name in the configuration. */
  readonly name: string;
}

export interface Circumstances {
  readonly app: App;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The session's webhook, where it may be called. */
  readonly webhook: (address: string | undefined) => string | undefined;
}

/** `undefined`: not a message. */
export function readMessage(
  json: Json,
  { app, now, webhook }: Circumstances,
): Incoming | undefined {
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
    corpId: corpOf(message),
  };
  return {
    // The id of the message: a redelivery over Stream has a new id in its header.
    id: message.msgId,
    chat: { id: message.conversationId, type },
    sender: {
      id: message.senderStaffId ?? message.senderId,
      name: message.senderNick,
      voucher: chat.corpId !== undefined && message.senderUnionId
        ? voucherOf(chat, message.senderUnionId, app)
        : undefined,
    },
    ...said,
    // The mention is taken off by DingTalk and leaves a space.
    text: said.text.trim(),
    quote: quoteOf(message.text) ?? quoteOf(message.content as Json),
    at: message.createAt ?? now,
    address: chat,
  };
}

/** The company, of people of the robot's own; others are strangers. */
function corpOf(
  { senderStaffId, senderCorpId, chatbotCorpId }: z.infer<typeof Message>,
): string | undefined {
  return senderStaffId && senderCorpId === chatbotCorpId ? senderCorpId : undefined;
}

/**
 * DingTalk's word for somebody of the company. Not by their userid: a company may give it again to
 * somebody else.
 */
export function voucherOf(
  { corpId = "", staffId }: DingChat,
  unionId: string,
  { clientId, name }: App,
): Voucher {
  return {
    identities: [{ platform: "dingtalk", kind: "union_id", scope: corpId, value: unionId }],
    ids: [`dingtalk:${clientId}:${unionId}`, `dingtalk:${name}:${staffId}`],
  };
}
