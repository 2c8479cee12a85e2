/**
 * The conversation that a model gets: how much of the history fits, what a model without eyes gets
 * in place of images, and what all of it counts when the API does not say.
 */
import { estimateTokenCount } from "tokenx";
import { TokenEstimate } from "../../core/token_estimate.ts";
import type { ChatMessage, Usage } from "../../core/message.ts";

/** About what the APIs count for one picture of a megapixel. */
const IMAGE_TOKENS = 1000;

/** What the APIs add for each message. */
const MESSAGE_TOKENS = 4;

/** A text of more UTF-16 units for each token cannot fit, and is not read to find out. */
const MAX_UNITS_PER_TOKEN = 8;

/** Between English (4) and Chinese (1.5): a budget should count too much rather than too little. */
const UNITS_PER_TOKEN = 2.5;

/**
 * The end of a conversation that fits into so many tokens, by estimate. The estimate is within some
 * 5 % of the real count for European languages and 15 % for Chinese, for a thousandth of the memory
 * of a tokenizer's tables.
 */
export function historyWithin(
  tokens: number,
  messages: readonly ChatMessage[],
): readonly ChatMessage[] {
  const estimate = new TokenEstimate(estimateTokenCount);
  let left = tokens;
  let first = messages.length;
  while (first > 0) {
    const { text, images } = messages[first - 1]!;
    if (text.length > left * MAX_UNITS_PER_TOKEN) break;
    left -= estimate.of(text) + images.length * IMAGE_TOKENS + MESSAGE_TOKENS;
    if (left < 0) break;
    first--;
  }
  // An answer whose question was left out would confuse the model.
  while (messages[first]?.role === "assistant") first++;
  return messages.slice(first);
}

/** The message with a note in place of its images, for a model that cannot see them. */
export function withoutImages(message: ChatMessage): ChatMessage {
  const { text, images } = message;
  if (images.length === 0) return message;
  const note = images.length === 1
    ? "(an image that you cannot see)"
    : `(${images.length} images that you cannot see)`;
  return { ...message, text: text ? `${text}\n${note}` : note, images: [] };
}

/**
 * The tokens of an answer: as the API counted them, otherwise by estimate.
 *
 * @param units UTF-16 units of the answer
 */
export function usageOf(
  { usage, units }: { readonly usage: Partial<Usage>; readonly units: number },
  messages: readonly ChatMessage[],
): Usage {
  const { inputTokens, outputTokens } = usage;
  return {
    inputTokens: inputTokens ??
      messages.reduce((sum, { text }) => sum + Math.ceil(text.length / UNITS_PER_TOKEN), 0),
    outputTokens: outputTokens ?? Math.ceil(units / UNITS_PER_TOKEN),
  };
}
