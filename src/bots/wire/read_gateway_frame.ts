/** The parser of frames that a gateway sends. */
import {
  asNumber,
  asProgress,
  asString,
  InvalidFrame,
  isCount,
  isId,
  isStrings,
  parseObject,
  show,
  wrong,
} from "./fields.ts";
import type { GatewayFrame } from "./frame.ts";

/** Parses what a gateway sent; for bots. Unknown fields are dropped. */
export function readGatewayFrame(text: string): GatewayFrame | InvalidFrame {
  const fields = parseObject(text);
  if (fields instanceof InvalidFrame) return fields;
  switch (fields.type) {
    case "chat":
      if (!isId(fields.id)) return wrong("chat", "id", "a string", fields.id);
      return {
        type: "chat",
        id: fields.id,
        content: typeof fields.content === "string" ? fields.content : "",
        from: typeof fields.from === "string" ? fields.from : "",
        image: asString(fields.image),
        timestamp: typeof fields.timestamp === "number" ? fields.timestamp : 0,
        conversationId: asString(fields.conversationId),
        userId: asString(fields.userId),
        senderName: asString(fields.senderName),
        channel: asString(fields.channel),
        chatType: fields.chatType === "group"
          ? "group"
          : fields.chatType === "direct"
          ? "direct"
          : undefined,
        images: isStrings(fields.images) ? fields.images : undefined,
      };
    case "registered":
      return {
        type: "registered",
        success: fields.success === true,
        error: asString(fields.error),
        protocol: asNumber(fields.protocol),
        maxFrame: asNumber(fields.maxFrame),
        pingInterval: asNumber(fields.pingInterval),
        botTimeout: asNumber(fields.botTimeout),
        grace: asNumber(fields.grace),
        features: isStrings(fields.features) ? fields.features : undefined,
        resume: asProgress(fields.resume),
      };
    case "ack":
      if (!isId(fields.replyTo) || !isCount(fields.seq)) {
        return new InvalidFrame("ack needs replyTo and seq");
      }
      return { type: "ack", replyTo: fields.replyTo, seq: fields.seq };
    case "cancel":
      if (!isId(fields.id)) return wrong("cancel", "id", "a string", fields.id);
      return { type: "cancel", id: fields.id };
    case "pushed":
      if (!isId(fields.id)) return wrong("pushed", "id", "a string", fields.id);
      return {
        type: "pushed",
        id: fields.id,
        success: fields.success === true,
        error: asString(fields.error),
      };
    case "error":
      return {
        type: "error",
        message: asString(fields.message) ?? "",
        code: asString(fields.code),
        replyTo: asString(fields.replyTo),
        expected: asNumber(fields.expected),
      };
    case "ping":
    case "pong":
      return { type: fields.type };
    default:
      return new InvalidFrame(`unknown frame type ${show(fields.type)}`);
  }
}
