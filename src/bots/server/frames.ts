/** Conversions between the frames of the wire and the words of `core`. */
import type { BotRefusal } from "../../core/bot_admission.ts";
import type { Bot, Task } from "../../core/link.ts";
import { dataUrl } from "../../core/message.ts";
import {
  CLOSE,
  FEATURES,
  FIRST_FEATURES,
  type GatewayFrame,
  type Progress,
  type RegisterFrame,
  type ReplyFrame,
} from "../wire/frame.ts";
import type { BotServerSettings } from "./settings.ts";

/** The bot that a `register` frame describes. */
export function botOf(frame: RegisterFrame, now: number): Bot {
  return {
    id: frame.botId,
    name: frame.botName,
    connectedAt: now,
    pool: frame.pool,
    weight: frame.weight ?? 1,
    maxConcurrent: frame.maxConcurrent ?? Infinity,
    restart: frame.restart ?? "never",
    capabilities: frame.capabilities ?? [],
    description: frame.description,
  };
}

/**
 * The answer to an accepted `register` frame.
 *
 * @param isLasting whether stored replies outlive the process
 * @param resumed the turns that continue; `undefined` where the frame listed none
 */
export function welcome(
  protocol: number,
  { maxFrame, pingInterval, botTimeout, grace }: BotServerSettings,
  isLasting: boolean,
  resumed: readonly Progress[] | undefined,
): GatewayFrame {
  if (protocol < 2) return { type: "registered", success: true };
  return {
    type: "registered",
    success: true,
    protocol,
    maxFrame,
    pingInterval,
    botTimeout,
    grace,
    features: isLasting ? FEATURES : FIRST_FEATURES,
    ...(resumed ? { resume: resumed } : {}),
  };
}

/** The frame that carries a task; for version 1 exactly the one that Nexus 1.x sent. */
export function chatOf({ id, conversationId, message, at }: Task, protocol: number): GatewayFrame {
  const { person, text, images, channel, chatType } = message;
  const content = message.contextPrefix === undefined ? text : message.contextPrefix + text;
  const frame = {
    type: "chat",
    id,
    content,
    from: person.name,
    image: images[0],
    timestamp: at,
  } as const;
  if (protocol < 2) return frame;
  return {
    ...frame,
    image: images[0] === undefined ? undefined : dataUrl(images[0]),
    conversationId,
    userId: person.id,
    senderName: person.name,
    channel,
    chatType: chatType ?? "direct",
    images: images.length > 0 ? images.map(dataUrl) : undefined,
  };
}

/** The images of a reply frame, each once. */
export function imagesOf({ image, images }: ReplyFrame): readonly string[] {
  if (!images) return image === undefined ? [] : [image];
  return image === undefined || images.includes(image) ? images : [image, ...images];
}

/** The close code for a bot that may not come in. */
export function closeCodeOf({ wrong }: BotRefusal): number {
  return { token: CLOSE.badToken, name: CLOSE.badId, taken: CLOSE.taken }[wrong];
}
