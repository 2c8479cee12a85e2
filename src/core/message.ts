/** The types {@linkcode Person} and {@linkcode Message}: who asks, and what. */

import type { Offer } from "./offer.ts";
import type { KeyScope } from "./key_scope.ts";

/** Who asks: a signed-in user, the owner of an API key, an account on a chat platform. */
export interface Person {
  /**
   * Unique over all channels and for ever, such as `alice`, or `alice~2` for the second account of
   * that name. Everything that belongs to a person is stored under it. Bots see it as `userId`.
   */
  readonly id: string;
  /** The name they sign in with, if it is not the id. */
  readonly username?: string;
  /** Their display name. Version-1 bots see it as `from`. */
  readonly name: string;
  readonly role: "admin" | "member";
  /** The bot ids and pools this person may use; absent means all. */
  readonly bots?: readonly string[];
  /** What they may read, if they came in by a key that reads less than they do. */
  readonly keyScope?: KeyScope;
  /** The bots among these that they are offered, if they came in by an app on a chat platform. */
  readonly offer?: Offer;
}

/**
 * An image as it was received: a data URL (`data:image/png;base64,…`) or bare base64, the two forms
 * that the bot protocol carries. {@linkcode dataUrl} makes one form of both.
 */
export type MessageImage = string;

/** Where a message comes from. */
export type ChannelName = "web" | "api" | "openai" | "lark" | "dingtalk" | "wecom" | "bot";

/** Whether it is a chat platform, where people also talk to each other. */
export function isChatApp(channel: ChannelName): boolean {
  return channel === "lark" || channel === "dingtalk" || channel === "wecom";
}

/** One message of a conversation, for bots without a memory of their own. */
export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly text: string;
  readonly images: readonly MessageImage[];
}

/** What a client asks of the answer. Model APIs honour these options; other bots ignore them. */
export interface GenerationOptions {
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly stop?: readonly string[];
  /** The client waits for the whole answer, so that the model need not stream. */
  readonly whole?: boolean;
  /**
   * Further parameters by their names in OpenAI's chat completions (`seed`, `response_format`, …).
   */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** The tokens of an answer, as the model API counted them. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Input tokens that the API had cached and charges less for. */
  readonly cachedTokens?: number;
  /** Output tokens that the model used for reasoning. */
  readonly reasoningTokens?: number;
}

/** A person's message to a bot, to a pool, or to any bot. */
export interface Message {
  readonly person: Person;
  readonly text: string;
  readonly images: readonly MessageImage[];
  /** A bot id or a pool name. */
  readonly target?: string;
  /** Absent: the person's default conversation with the bot that answers. */
  readonly conversationId?: string;
  /**
   * The turn that this one follows, where that is not simply the last one: an edit or a regenerate.
   * Empty: the beginning of the conversation, for another version of its first question.
   */
  readonly parentTurnId?: string;
  readonly channel: ChannelName;
  readonly chatType?: "direct" | "group";
  /** The id of the request that brought it, for the log: from a proxy in front, else our own. */
  readonly requestId?: string;
  /** A repeat with the same key by the same person within ten minutes gets the same turn. */
  readonly idempotencyKey?: string;
  /**
   * The whole conversation as the client has it, this message last: OpenAI clients send it every
   * time. Bots without a memory of their own use it; for other bots `text` and `images` are what is
   * new.
   */
  readonly transcript?: readonly ChatMessage[];
  /**
   * Earlier messages that a bot with a memory has not seen. The bot gets them in front of `text`;
   * they are not stored with the turn.
   */
  readonly contextPrefix?: string;
  readonly options?: GenerationOptions;
  /**
   * Leaves no history: its turn is in no conversation, is not found by search, is not announced to
   * pages, and is gone with the recent turns in memory. It counts against the limits.
   */
  readonly temporary?: boolean;
}

/** Base64 of the first bytes of the image formats that browsers show. */
const MAGIC: readonly (readonly [string, string])[] = [
  ["iVBORw0KGgo", "image/png"],
  ["/9j/", "image/jpeg"],
  ["R0lGOD", "image/gif"],
  ["UklGR", "image/webp"],
  ["Qk", "image/bmp"],
];

/**
 * The image as a data URL. The type of bare base64 is read from its first bytes; the default is
 * PNG, as in OpenClaw Nexus 1.x.
 */
export function dataUrl(image: MessageImage): string {
  if (image.startsWith("data:")) return image;
  const type = MAGIC.find(([start]) => image.startsWith(start))?.[1] ?? "image/png";
  return `data:${type};base64,${image}`;
}

/** Splits `@bot-id rest`, the way in which OpenClaw Nexus 1.x addresses a bot. */
export function splitMention(text: string): { target?: string; text: string } {
  const match = /^@(\S+)\s+/.exec(text);
  return match ? { target: match[1], text: text.slice(match[0].length) } : { text };
}

/** The prompt for a conversation that ends with the bot's own message. */
export function continuePrompt(after: string): string {
  return /\p{Script=Han}/u.test(after.slice(-200)) ? "请继续。" : "Please go on.";
}
