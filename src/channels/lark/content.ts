/**
 * What a Feishu message holds, in our words: the same for an event and for a message that was asked
 * for. Kinds that hold nothing for a bot are named, so that the person can be answered.
 *
 * Source: Feishu 接收消息内容 (message_type by message_type).
 */
import type { Json } from "../../core/store.ts";
import { parse } from "../im/http_call.ts";
import type { Content, UnsupportedPart } from "../im/platform.ts";

/** Kinds that no bot gets, by `message_type`. */
const UNSUPPORTED: Readonly<Record<string, UnsupportedPart>> = {
  // Feishu sends no transcript along.
  audio: "voice",
  media: "video",
  video: "video",
  sticker: "sticker",
  merge_forward: "forward",
  share_chat: "chat_card",
  share_user: "name_card",
  share_calendar_event: "calendar",
  calendar: "calendar",
  general_calendar: "calendar",
  video_chat: "call",
  todo: "task",
  vote: "vote",
  hongbao: "red_packet",
  folder: "folder",
};

/** Units of a card that are read. */
const MAX_CARD = 8000;

/** What the API returns in place of a card that it does not translate. */
const UNTRANSLATED = "请升级至最新版本客户端";

interface Said {
  text: string;
  images: Json[];
  files: { ref: Json; name: string }[];
  unsupported: UnsupportedPart[];
}

/** `content` is JSON as text. `refOf` makes of a key what {@linkcode Platform.fetchImage} gets. */
export function contentOf(type: string, content: string, refOf: (key: string) => Json): Content {
  const said: Said = { text: "", images: [], files: [], unsupported: [] };
  const json = parse(content);
  const unsupported = UNSUPPORTED[type];
  if (unsupported) said.unsupported.push(unsupported);
  else if (typeof json !== "object" || json === null) said.unsupported.push("unknown");
  else read(type, json, refOf, said);
  return said;
}

function read(type: string, json: Json, refOf: (key: string) => Json, said: Said): void {
  switch (type) {
    case "text":
      said.text = String(json.text ?? "");
      return;
    case "image":
      said.images.push(refOf(String(json.image_key)));
      return;
    case "file":
      said.files.push({
        ref: refOf(String(json.file_key)),
        name: String(json.file_name ?? "file"),
      });
      return;
    case "post":
      return post(json, refOf, said);
    case "location":
      said.text = `📍 ${json.name ?? ""} (${json.latitude}, ${json.longitude})`;
      return;
    case "interactive":
      said.text = cardText(json);
      if (said.text === "") said.unsupported.push("card");
      return;
    default:
      said.unsupported.push("unknown");
  }
}

/** Rich text: `{"title","content":[[{"tag":"text","text":…},…],…]}`, sometimes under a language. */
function post(json: Json, refOf: (key: string) => Json, said: Said): void {
  const body = Array.isArray(json.content)
    ? json
    : Object.values(json).find((part: Json) => Array.isArray(part?.content));
  const lines: string[] = body?.title ? [String(body.title)] : [];
  for (const paragraph of (body as Json)?.content ?? []) {
    if (!Array.isArray(paragraph)) continue;
    lines.push(paragraph.map((piece) => pieceText(piece, refOf, said)).join(""));
  }
  said.text = lines.join("\n");
}

/** The words of one piece of rich text; what is not words is noted. */
function pieceText(piece: Json, refOf: (key: string) => Json, said: Said): string {
  switch (piece?.tag) {
    case "img":
      said.images.push(refOf(String(piece.image_key)));
      return "";
    case "media":
      said.unsupported.push("video");
      return "";
    case "at":
      return String(piece.user_id ?? "");
    case "a":
      return `[${piece.text ?? piece.href}](${piece.href})`;
    case "emotion":
      return piece.emoji_type ? `[${piece.emoji_type}]` : "";
    case "code_block":
      return `\n\`\`\`${piece.language ?? ""}\n${piece.text ?? ""}\n\`\`\`\n`;
    default:
      return typeof piece?.text === "string" ? piece.text : "";
  }
}

/** The words of a card, line by line; empty where it has none. */
function cardText(card: Json): string {
  const lines: string[] = [];
  let room = MAX_CARD;
  const add = (words: unknown) => {
    if (typeof words !== "string" || words.trim() === "" || room <= 0) return;
    lines.push(words.slice(0, room));
    room -= words.length;
  };
  add(card.title?.content ?? card.title ?? card.header?.title?.content);
  const rest: Json[] = [card.elements ?? card.body?.elements];
  while (rest.length > 0 && room > 0) {
    const part = rest.pop();
    if (Array.isArray(part)) { for (let at = part.length - 1; at >= 0; at--) rest.push(part[at]); }
    else if (typeof part === "object" && part !== null) {
      add(
        typeof part.content === "string"
          ? part.content
          : typeof part.text === "string"
          ? part.text
          : part.text?.content,
      );
      rest.push(part.elements, part.columns, part.fields);
    }
  }
  const text = lines.join("\n");
  return text.includes(UNTRANSLATED) ? "" : text;
}
