/**
 * What WeCom's AI bot tells us, in our words. A stranger's JSON yields `undefined`.
 *
 * Source: WeCom 智能机器人 接收消息 (2025-07…2026-03).
 */
import { z } from "zod";
import type { Json } from "../../core/store.ts";
import type { Incoming } from "../im/surface.ts";

const File = z.object({ url: z.string(), aeskey: z.string().optional(), filename: z.string().optional() });
const Text = z.object({ content: z.string() });

const Message = z.object({
  msgid: z.string().min(1).max(200),
  chatid: z.string().max(200).optional(),
  chattype: z.enum(["single", "group"]),
  from: z.object({ userid: z.string().min(1) }),
  create_time: z.number().optional(),
  response_url: z.string().optional(),
  msgtype: z.string(),
  text: Text.optional(),
  voice: Text.optional(),
  image: File.optional(),
  file: File.optional(),
  mixed: z.object({
    msg_item: z.array(z.object({ msgtype: z.string(), text: Text.optional(), image: File.optional() })),
  }).optional(),
  quote: z.object({ text: Text.optional() }).optional(),
});

/** `request`: the long connection's request id, by which it is answered. */
export function readBotMessage(json: Json, request: string | undefined, now: number): Incoming | undefined {
  const parsed = Message.safeParse(json);
  if (!parsed.success) return undefined;
  const message = parsed.data;
  const images: Json[] = [], texts: string[] = [], files: { ref: Json; name: string }[] = [];
  if (message.msgtype === "text" && message.text) texts.push(message.text.content);
  if (message.msgtype === "voice" && message.voice) texts.push(message.voice.content);
  if (message.msgtype === "image" && message.image) images.push(message.image);
  if (message.msgtype === "file" && message.file) {
    files.push({ ref: message.file, name: message.file.filename ?? "file" });
  }
  for (const item of message.msgtype === "mixed" ? message.mixed?.msg_item ?? [] : []) {
    if (item.text) texts.push(item.text.content);
    if (item.image) images.push(item.image);
  }
  if (texts.length + images.length + files.length === 0) return undefined;
  const group = message.chattype === "group";
  // A group's question begins with the bot's name.
  const text = texts.join("\n").trim();
  const said = group ? text.replace(/^@\S+\s*/, "") : text;
  const quote = message.quote?.text?.content;
  return {
    id: message.msgid,
    chat: { id: group ? message.chatid ?? message.from.userid : message.from.userid, type: group ? "group" : "direct" },
    sender: { id: message.from.userid },
    text: quote ? `> ${quote.replaceAll("\n", "\n> ")}\n\n${said}` : said,
    images,
    files,
    at: message.create_time ? message.create_time * 1000 : now,
    address: { request, responseUrl: message.response_url },
  };
}
