/**
 * What a message of DingTalk's robot holds, in our words: the same for a message and for one that
 * it replies to. Kinds that hold nothing for a bot are named, so that the person can be answered.
 *
 * Sources: DingTalk 接收消息 (2025-12); kinds beyond it and `repliedMsg` as the vendor's OpenClaw
 * connector reads them.
 */
import type { Json } from "../../core/store.ts";
import { parse } from "../im/http_call.ts";
import type { Content, UnsupportedPart } from "../im/platform.ts";

const UNSUPPORTED: Readonly<Record<string, UnsupportedPart>> = {
  video: "video",
  sticker: "sticker",
  emotion: "sticker",
  chatRecord: "forward",
  location: "location",
  namecard: "name_card",
  calendar: "calendar",
  vote: "vote",
  redPacket: "red_packet",
};

interface Said {
  text: string;
  images: Json[];
  files: { ref: Json; name: string }[];
  unsupported: UnsupportedPart[];
}

/**
 * `words`: the text of a kind that has one. `raw`: its content, as an object or as JSON in a text.
 */
export function contentOf(type: string, words: string, raw: Json): Content {
  const content = typeof raw === "string" ? parse(raw) : raw;
  const said: Said = { text: words, images: [], files: [], unsupported: [] };
  const unsupported = UNSUPPORTED[type];
  if (unsupported) said.unsupported.push(unsupported);
  else read(type, content ?? {}, said);
  return said;
}

function read(type: string, content: Json, said: Said): void {
  switch (type) {
    case "text":
    case "markdown":
    case "reply":
      said.text ||= String(content.text ?? "");
      return;
    case "picture":
      if (content.downloadCode) said.images.push(content.downloadCode);
      else said.unsupported.push("unknown");
      return;
    case "richText":
      for (const piece of Array.isArray(content.richText) ? content.richText : []) {
        richPiece(piece, said);
      }
      return;
    case "audio":
      // DingTalk has heard it already, mostly.
      said.text = String(content.recognition ?? "");
      if (said.text === "") said.unsupported.push("voice");
      return;
    case "file":
      if (content.downloadCode) {
        said.files.push({ ref: content.downloadCode, name: String(content.fileName ?? "file") });
      } else said.unsupported.push("unknown");
      return;
    case "actionCard":
    case "interactiveCard":
    case "link":
      said.text = cardText(content);
      if (said.text === "") said.unsupported.push("card");
      return;
    default:
      if (said.text === "") said.unsupported.push("unknown");
  }
}

function richPiece(piece: Json, said: Said): void {
  if (typeof piece?.text === "string") said.text += piece.text;
  if (!piece?.downloadCode) return;
  if (piece.type === "picture" || piece.type === undefined) said.images.push(piece.downloadCode);
  else if (piece.type === "file") {
    said.files.push({ ref: piece.downloadCode, name: String(piece.fileName ?? "file") });
  } else {said.unsupported.push(
      piece.type === "video" ? "video" : piece.type === "audio" ? "voice" : "unknown",
    );}
}

/** The words and addresses of a card: of a shared document it is the address that counts. */
function cardText(content: Json): string {
  const links = Array.isArray(content.actionUrlItemList)
    ? content.actionUrlItemList.slice(0, 10).map((item: Json) => item?.actionUrl)
    : [];
  const parts = [
    content.title,
    content.text,
    content.biz_custom_action_url,
    content.messageUrl,
    ...links,
  ];
  return parts.filter((part) => typeof part === "string" && part !== "").join("\n");
}

/** The message that a text or rich text replies to; `holder` is its `text` or `content`. */
export function quoteOf(holder: Json): Content | undefined {
  const json = typeof holder === "string" ? parse(holder) : holder;
  const replied = json?.repliedMsg;
  if (typeof replied !== "object" || replied === null) return undefined;
  const type = String(replied.msgType ?? "text");
  const words = typeof replied.text === "string" ? replied.text : "";
  return contentOf(type, words, replied.content);
}
