/** What a WeCom app receives, in our words. Source: WeCom 接收普通消息 (path/90239). */
import type { Content, Incoming, UnsupportedPart } from "../im/platform.ts";
import { type Corp, voucherOf } from "./member.ts";

/** A member's message, in our words; an event is `undefined`. */
export function readAppMessage(fields: Record<string, string>, app: Corp): Incoming | undefined {
  const { FromUserName, MsgType, MsgId, CreateTime } = fields;
  if (!FromUserName || !MsgId || MsgId.length > 100 || MsgType === "event") return undefined;
  return {
    id: MsgId,
    chat: { id: FromUserName, type: "direct" },
    sender: { id: FromUserName, voucher: voucherOf(FromUserName, app) },
    ...contentOf(fields),
    at: Number(CreateTime) * 1000 || 0,
    address: {},
  };
}

/** Text, image, voice, video, location, link; no files. */
function contentOf(fields: Record<string, string>): Content {
  const {
    MsgType,
    Content = "",
    MediaId,
    Recognition = "",
    Title,
    Url,
    Label,
    Location_X,
    Location_Y,
  } = fields;
  const said = (text: string, unsupported?: UnsupportedPart): Content => {
    const words = text.trim();
    return {
      text: words,
      images: [],
      files: [],
      unsupported: words === "" && unsupported ? [unsupported] : [],
    };
  };
  switch (MsgType) {
    case "text":
      return said(Content);
    case "image":
      return MediaId ? { text: "", images: [MediaId], files: [] } : said("", "unknown");
    case "voice":
      // Only where the app has speech recognition switched on.
      return said(Recognition, "voice");
    case "video":
    case "shortvideo":
      return said("", "video");
    case "link":
      return said(`${Title ?? ""} ${Url ?? ""}`, "card");
    case "location":
      return said(Label || (Location_X ? `📍 ${Location_X}, ${Location_Y}` : ""), "location");
    default:
      return said("", "unknown");
  }
}
