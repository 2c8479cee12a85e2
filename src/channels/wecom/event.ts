/**
 * What WeCom's AI bot receives, in our words. A stranger's JSON yields `undefined`.
 *
 * Source: WeCom 智能机器人 接收消息 (2025-07…2026-03); the types of the vendor's SDK.
 */
import { z } from "zod";
import type { Json } from "../../core/store.ts";
import type { Content, Incoming, UnsupportedPart } from "../im/platform.ts";
import { commandOf } from "../im/words.ts";
import { type Corp, voucherOf } from "./member.ts";

const FileSchema = z.object({
  url: z.string(),
  aeskey: z.string().optional(),
  filename: z.string().optional(),
});
const TextSchema = z.object({ content: z.string() });

const ContentSchema = z.object({
  msgtype: z.string(),
  text: TextSchema.optional(),
  voice: TextSchema.optional(),
  image: FileSchema.optional(),
  file: FileSchema.optional(),
  mixed: z.object({
    msg_item: z.array(
      z.object({ msgtype: z.string(), text: TextSchema.optional(), image: FileSchema.optional() }),
    ),
  }).optional(),
});

const MessageSchema = ContentSchema.extend({
  msgid: z.string().min(1).max(200),
  chatid: z.string().max(200).optional(),
  chattype: z.enum(["single", "group"]),
  from: z.object({ userid: z.string().min(1), corpid: z.string().optional() }),
  create_time: z.number().optional(),
  response_url: z.string().optional(),
  // Where it is of a kind that is not known yet, the message counts all the same.
  quote: ContentSchema.optional().catch(undefined),
});

export interface Circumstances {
  /** The long connection's request id, by which it is answered. */
  readonly request: string | undefined;
  /** How the bot is called in WeCom, where that is known. */
  readonly name: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly corp: Corp;
}

/** `undefined`: an event, or anything else that is not a person's message. */
export function readBotMessage(
  json: Json,
  { request, name, now, corp }: Circumstances,
): Incoming | undefined {
  const parsed = MessageSchema.safeParse(json);
  if (!parsed.success || parsed.data.msgtype === "event" || parsed.data.msgtype === "stream") {
    return undefined;
  }
  const message = parsed.data;
  const group = message.chattype === "group";
  const said = contentOf(message);
  return {
    id: message.msgid,
    chat: {
      id: group ? message.chatid ?? message.from.userid : message.from.userid,
      type: group ? "group" : "direct",
    },
    sender: {
      id: message.from.userid,
      // WeCom names a corp where it is not the bot's own.
      voucher: message.from.corpid ? undefined : voucherOf(message.from.userid, corp),
    },
    ...said,
    text: group ? withoutOwnName(said.text, name) : said.text,
    quote: message.quote && contentOf(message.quote),
    at: message.create_time ? message.create_time * 1000 : now,
    address: { request, responseUrl: message.response_url },
  };
}

function contentOf(said: z.infer<typeof ContentSchema>): Content {
  const images: Json[] = [],
    texts: string[] = [],
    files: { ref: Json; name?: string }[] = [],
    unsupported: UnsupportedPart[] = [];
  switch (said.msgtype) {
    case "text":
      if (said.text) texts.push(said.text.content);
      break;
    case "voice":
      // WeCom has heard it already.
      if (said.voice?.content.trim()) texts.push(said.voice.content);
      else unsupported.push("voice");
      break;
    case "image":
      if (said.image) images.push(said.image);
      break;
    case "file":
      if (said.file) files.push({ ref: said.file, name: said.file.filename });
      break;
    case "mixed":
      for (const item of said.mixed?.msg_item ?? []) {
        if (item.text) texts.push(item.text.content);
        else if (item.image) images.push(item.image);
        else unsupported.push("unknown");
      }
      break;
    default:
      unsupported.push(UNSUPPORTED[said.msgtype] ?? "unknown");
  }
  return { text: texts.join("\n").trim(), images, files, unsupported };
}

const UNSUPPORTED: Readonly<Record<string, UnsupportedPart>> = {
  video: "video",
  location: "location",
  link: "card",
  card: "card",
};

/** Words of the bot's name after the first, where the name is not known, and units of them. */
const MORE_WORDS = 2, MORE_UNITS = 60;

/**
 * A group's question begins with the bot's name, `@Robot A hello`, and nothing says where the name
 * ends. Where it is not known, the first word is taken off, and further ones only before a command.
 */
function withoutOwnName(text: string, name: string | undefined): string {
  if (!text.startsWith("@")) return text;
  if (name !== undefined && text.startsWith(`@${name}`)) return text.slice(name.length + 1).trim();
  const end = text.search(/\s/);
  const rest = end < 0 ? "" : text.slice(end).trim();
  const slash = rest.indexOf("/");
  if (slash <= 0 || slash > MORE_UNITS || !/\s/.test(rest[slash - 1]!)) return rest;
  const before = rest.slice(0, slash).trim().split(/\s+/);
  return before.length <= MORE_WORDS && commandOf(rest.slice(slash)) ? rest.slice(slash) : rest;
}
