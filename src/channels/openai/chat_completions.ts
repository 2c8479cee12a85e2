/**
 * This is an answer in the shape of OpenAI's chat completions, streamed or whole.
 *
 * Source: https://platform.openai.com/docs/api-reference/chat-streaming. `reasoning_content` is
 * DeepSeek's word, which most clients know.
 */
import { attachmentOf } from "../im/attachment.ts";
import type { Turn } from "../../core/turn.ts";
import { longTextOf, piecesOf } from "../http/text_pieces.ts";
import type { AnswerFormat } from "./answer_stream.ts";
import type { AnswerUsage, CompleteAnswer } from "./complete_answer.ts";
import type { FinishReason } from "./finish_reason.ts";
import type { ErrorBody } from "./error.ts";

/** Chunks as server-sent events; `[DONE]` only behind a whole answer. */
export function chatFormat(
  turn: Turn,
  model: string,
  includeUsage: boolean,
  describe: (error: unknown) => ErrorBody,
): AnswerFormat {
  // The same for every chunk of a stream: put together once.
  const head =
    `data: {"id":"chatcmpl-${turn.id}","object":"chat.completion.chunk","created":${
      seconds(turn.at)
    },` +
    `"model":${JSON.stringify(model)},"choices":[`;
  const tail = includeUsage ? `],"usage":null}\n\n` : `]}\n\n`;
  const chunk = (delta: string) =>
    `${head}{"index":0,"delta":${delta},"finish_reason":null}${tail}`;
  return {
    begin: () => chunk('{"role":"assistant","content":""}'),
    text: (delta) => chunk(`{"content":${JSON.stringify(delta)}}`),
    reasoning: (delta) => chunk(`{"reasoning_content":${JSON.stringify(delta)}}`),
    *image(url) {
      for (const piece of piecesOf(longTextOf(attachmentMarkdown(url)))) {
        yield chunk(`{"content":${JSON.stringify(piece)}}`);
      }
    },
    end(finish, count) {
      const last = `${head}{"index":0,"delta":{},"finish_reason":"${finish}"}${tail}`;
      const usage = includeUsage ? `${head}],"usage":${JSON.stringify(usageOf(count()))}}\n\n` : "";
      return `${last}${usage}data: [DONE]\n\n`;
    },
    fail: (error) => `data: ${JSON.stringify({ error: describe(error) })}\n\n`,
  };
}

/** The whole answer as one object. */
export function chatCompletion(
  turn: Turn,
  model: string,
  { text, reasoning, images, finish, counted }: CompleteAnswer,
) {
  const content = [text, ...images.flatMap(attachmentMarkdown)].join("");
  return {
    id: `chatcmpl-${turn.id}`,
    object: "chat.completion",
    created: seconds(turn.at),
    model,
    choices: [{
      index: 0,
      message: {
        role: "assistant",
        content,
        refusal: null,
        reasoning_content: reasoning || undefined,
      },
      logprobs: null,
      finish_reason: finish satisfies FinishReason,
    }],
    usage: usageOf(counted),
  };
}

function usageOf(
  { inputTokens, outputTokens, cachedTokens, reasoningTokens, estimated }: AnswerUsage,
) {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: cachedTokens === undefined ? undefined : { cached_tokens: cachedTokens },
    completion_tokens_details: reasoningTokens === undefined
      ? undefined
      : { reasoning_tokens: reasoningTokens },
    estimated: estimated || undefined,
  };
}

/**
 * The protocol has no place for a picture or a file in an answer; every chat client shows Markdown.
 * The address comes by itself, because putting it together with the rest would copy it.
 */
export function attachmentMarkdown(url: string): [before: string, url: string, after: string] {
  const file = attachmentOf(url);
  if (!file || file.type.startsWith("image/")) return ["\n\n![image](", url, ")\n\n"];
  return [`\n\n[${file.name.replace(/[[\]\\]/g, "\\$&")}](`, url, ")\n\n"];
}

export function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
