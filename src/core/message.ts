/**
 * Who asks, and what: the words {@linkcode Person} and {@linkcode Message}.
 */

import type { Offer } from "./offer.ts";
import type { KeyScope } from "./key_scope.ts";

/** Who asks: a signed-in user, the owner of an API key, an account on a chat platform. */
export interface Person {
  /**
   * Unique over all channels and for ever, e.g. `alice`, or `alice~2` for the second account of
   * that name. Everything that belongs to somebody hangs on it. Bots see it as `userId`.
   */
  readonly id: string;
  /** What they sign in with, where it is not the id. */
  readonly username?: string;
  /** What people call them. Version-1 bots see it as `from`. */
  readonly name: string;
  readonly role: "admin" | "member";
  /** The bot ids and pools this person may use; absent means all. */
  readonly bots?: readonly string[];
  /** How far they reach, where they came in by a key that reads less than they do. */
  readonly keyScope?: KeyScope;
  /** Which of these bots they get, where they came in by an app on a chat platform. */
  readonly offer?: Offer;
}

/**
 * An image as it came: a data URL (`data:image/png;base64,…`) or bare base64, exactly the two forms
 * that the protocol of Nexus 1.x carries. {@linkcode dataUrl} makes one form of both.
 */
export type MessageImage = string;

/** Where people talk from. */
export type ChannelName = "web" | "api" | "openai" | "lark" | "dingtalk" | "wecom" | "bot";

/** Whether it is a chat of people among people. */
export function isChatApp(channel: ChannelName): boolean {
  return channel === "lark" || channel === "dingtalk" || channel === "wecom";
}

/** One thing said in a conversation, for bots that remember nothing themselves. */
export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly text: string;
  readonly images: readonly MessageImage[];
}

/**
 * What a client would like of the answer. Model APIs honour these; a bot that knows no such thing
 * answers as it does.
 */
export interface GenerationOptions {
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly stop?: readonly string[];
  /** The reader waits for the whole answer: nobody sees deltas, so none need be made. */
  readonly whole?: boolean;
  /**
   * Further parameters by their names in OpenAI's chat completions (`seed`, `response_format`, …).
   */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** What an answer cost, as the model's own API counted it. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Those of the input that the API had read before and charges less for. */
  readonly cachedTokens?: number;
  /** Those of the output that the model thought and did not say. */
  readonly reasoningTokens?: number;
}

/** What a person said, addressed to a bot, to a pool, or to nobody in particular. */
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
  /**
   * The request that brought it, for the log: what a proxy in front called it, else a name of ours.
   */
  readonly requestId?: string;
  /** A repeat with the same key by the same person within ten minutes gets the same turn. */
  readonly idempotencyKey?: string;
  /**
   * The whole conversation as the client tells it, this message last: OpenAI clients send it every
   * time. A bot without a memory of its own goes by it; for one that has one, `text` and `images`
   * are what is new.
   */
  readonly transcript?: readonly ChatMessage[];
  /**
   * What came before in a talk that a bot with a memory has not heard: told to it in front of
   * `text`, and not kept as the person's words.
   */
  readonly contextPrefix?: string;
  readonly options?: GenerationOptions;
  /**
   * Leaves no history: its turn is in no conversation of the person's, is not found by search, is
   * told to no page, and is gone when the memory of ended turns forgets it. It is counted.
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
 * The image as a data URL. Bare base64 is recognised by its first bytes, else taken for PNG, as
 * plugin 1.x does.
 */
export function dataUrl(image: MessageImage): string {
  if (image.startsWith("data:")) return image;
  const type = MAGIC.find(([start]) => image.startsWith(start))?.[1] ?? "image/png";
  return `data:${type};base64,${image}`;
}

/** `@bot-id rest`: how Nexus 1.x addresses a bot. The mention is taken off. */
export function splitMention(text: string): { target?: string; text: string } {
  const match = /^@(\S+)\s+/.exec(text);
  return match ? { target: match[1], text: text.slice(match[0].length) } : { text };
}

/** What a bot is asked where a talk ends with its own words. */
export function continuePrompt(after: string): string {
  return /\p{Script=Han}/u.test(after.slice(-200)) ? "请继续。" : "Please go on.";
}
