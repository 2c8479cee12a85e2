/**
 * What DingTalk's robot tells us, in our words. A stranger's JSON yields `undefined`.
 *
 * Source: DingTalk 接收消息 (2025-12).
 */
import { z } from "zod";
import type { Json } from "../../core/store.ts";
import type { Incoming } from "../im/surface.ts";
import type { DingChat } from "./api.ts";

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
  text: z.object({ content: z.string() }).optional(),
  content: z.unknown().optional(),
});

/** `undefined`: not a message, or of a kind that holds nothing for a bot. */
export function readMessage(json: Json, now: number): Incoming | undefined {
  const parsed = Message.safeParse(json);
  if (!parsed.success) return undefined;
  const message = parsed.data;
  const said = contentOf(message.msgtype, message.text?.content, message.content as Json);
  if (!said) return undefined;
  const type = message.conversationType === "2" ? "group" : "direct";
  const chat: DingChat = {
    type,
    conversationId: message.conversationId,
    staffId: message.senderStaffId ?? message.senderId,
    webhook: message.sessionWebhook,
    webhookUntil: message.sessionWebhookExpiredTime,
  };
  return {
    // The id of the message: a redelivery over Stream has a new id in its header.
    id: message.msgId,
    chat: { id: message.conversationId, type },
    sender: { id: message.senderStaffId ?? message.senderId, name: message.senderNick },
    // The mention is taken off by DingTalk and leaves a space.
    text: said.text.trim(),
    images: said.images,
    files: said.files,
    at: message.createAt ?? now,
    address: chat,
  };
}

interface Said {
  text: string;
  images: Json[];
  files: { ref: Json; name: string }[];
}

function contentOf(type: string, text: string | undefined, content: Json): Said | undefined {
  const said: Said = { text: text ?? "", images: [], files: [] };
  switch (type) {
    case "text":
      return said;
    case "picture":
      if (content?.downloadCode) said.images.push(content.downloadCode);
      return said;
    case "richText":
      for (const piece of content?.richText ?? []) {
        if (typeof piece?.text === "string") said.text += piece.text;
        else if (piece?.type === "picture" && piece.downloadCode) said.images.push(piece.downloadCode);
      }
      return said;
    case "audio":
      // DingTalk has heard it already.
      said.text = String(content?.recognition ?? "");
      return said.text ? said : undefined;
    case "file":
    case "video":
      if (content?.downloadCode) said.files.push({ ref: content.downloadCode, name: String(content.fileName ?? type) });
      return said;
    default:
      return undefined;
  }
}
