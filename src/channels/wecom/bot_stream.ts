/** An AI bot's answer as WeCom shows it: one stream a question, with its id, text and pictures. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Json } from "../../core/store.ts";
import type { Attachment } from "../im/attachment.ts";
import { downgrade } from "../im/markdown.ts";
import { withoutMentions } from "../im/mention_guard.ts";
import type { Incoming, LiveMethod, StaticMethod } from "../im/platform.ts";

/** Bytes of one text; 20,480 are allowed. */
export const MAX_TEXT_BYTES = 20_000;

/** Milliseconds from the question until a stream may not be refreshed any more. */
export const STREAM_TTL_MS = 6 * 60_000;

/** `msg_item`: ten images of 10 MB, JPG or PNG, with the last refresh. */
export const STREAM_IMAGES: LiveMethod["carries"] = {
  most: 10,
  fits: ({ type, size }) => /^image\/(?:png|jpe?g)$/.test(type) && size <= 10 << 20,
};

const STREAM_PREFIX = "nexus-";

/** The stream's id is made from the question's: after a restart it is the same. */
export function streamIdOf(incoming: Incoming): string {
  return (STREAM_PREFIX + incoming.id).slice(0, 120);
}

/** The id of the question that a stream answers. */
export function questionIdOf(streamId: string): string {
  return streamId.slice(STREAM_PREFIX.length);
}

/** The `stream` of a reply or a refresh; `msg_item` only where there are images. */
export function streamMessage(
  id: string,
  content: string,
  finish: boolean,
  images: readonly Attachment[] = [],
): Json {
  const msg_item = images.length > 0 ? { msg_item: images.map(imageItem) } : {};
  return { msgtype: "stream", stream: { id, finish, content, ...msg_item } };
}

function imageItem({ base64 }: Attachment): Json {
  const md5 = createHash("md5").update(Buffer.from(base64, "base64")).digest("hex");
  return { msgtype: "image", image: { base64, md5 } };
}

/** Milliseconds that an answer may still stream, a little more than a minute at least. */
export function streamLifetime(incoming: Incoming, now: number): number {
  return Math.max(60_001, incoming.at + STREAM_TTL_MS - now);
}

/** The AI bot shows most of Markdown; pictures only as attachments. */
export function botMarkdown(markdown: string): string {
  return withoutMentions(downgrade(markdown, { images: true }), "wecom");
}

/** What the methods have in common that send whole messages. */
export function staticMethod(
  name: string,
): Omit<StaticMethod, "open" | "finalPath" | "repeatable" | "maxMessages"> {
  return {
    name,
    maxBytes: MAX_TEXT_BYTES,
    live: false,
    placeholderAfter: Infinity,
    render: botMarkdown,
  };
}
