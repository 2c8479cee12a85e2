/**
 * This is the dialect of OpenAI's chat completions, which most other model servers speak too.
 *
 * Source: https://platform.openai.com/docs/api-reference/chat. Beyond it: `reasoning_content`
 * (DeepSeek, vLLM) and `reasoning` (OpenRouter, Ollama) in a delta, and `images` (OpenRouter) in a
 * delta or a message.
 */
import { parseJson } from "../../core/json.ts";
import { type ChatMessage, dataUrl } from "../../core/message.ts";
import type { AnswerHandler, Dialect } from "./dialect.ts";
import { type Fields, isFields } from "./fields.ts";
import { apiErrorOfEvent, unsupported } from "./api_error.ts";
import type { UpstreamSettings } from "./settings.ts";

/** Parameters that every server of this API knows, or passes over. */
const COMMON = new Set([
  "temperature",
  "top_p",
  "response_format",
  "seed",
  "presence_penalty",
  "frequency_penalty",
  "logit_bias",
  "reasoning_effort",
  "verbosity",
]);

/**
 * Parameters of OpenAI's own API. Clients send some of them unasked, and strict servers refuse
 * them.
 */
const OPENAI = new Set([
  "user",
  "safety_identifier",
  "prompt_cache_key",
  "service_tier",
  "prediction",
  "web_search_options",
]);

/** Parameters of other servers, which OpenAI refuses. */
const OTHERS = new Set([
  "top_k",
  "min_p",
  "top_a",
  "typical_p",
  "repetition_penalty",
  "repeat_penalty",
  "reasoning",
  "thinking",
  "enable_thinking",
  "thinking_budget",
  "chat_template_kwargs",
]);

export const openai: Dialect = {
  path: "/chat/completions",

  headers(key): Record<string, string> {
    return key === undefined ? {} : { authorization: `Bearer ${key}` };
  },

  takes(name, _value, settings) {
    return COMMON.has(name) || (isOpenAi(settings) ? OPENAI : OTHERS).has(name);
  },

  body({ messages, model, options, stream }, settings) {
    const maxTokens = options.maxTokens ?? settings.maxTokens;
    // OpenAI's models that think refuse the old name, many other servers know no other.
    const most = isOpenAi(settings)
      ? { max_completion_tokens: maxTokens }
      : { max_tokens: maxTokens };
    return JSON.stringify({
      model,
      messages: messages.map(messageOf),
      stream,
      stream_options: stream && settings.usage ? { include_usage: true } : undefined,
      ...most,
      temperature: options.temperature ?? settings.temperature,
      top_p: options.topP,
      // OpenAI takes four at most; the gateway watches for all of them itself.
      stop: options.stop?.length ? options.stop.slice(0, 4) : undefined,
      ...options.extra,
    });
  },

  event(_name, data, handler) {
    if (data === "[DONE]") return handler.end();
    const chunk: unknown = parseJson(data);
    if (!isFields(chunk)) throw new SyntaxError("not an object");
    if (chunk.error) return handler.error(apiErrorOfEvent(data));
    // Azure sends a first chunk without choices, and the usage chunk has none either.
    const choice = Array.isArray(chunk.choices)
      ? chunk.choices[0] as Fields | undefined
      : undefined;
    if (choice) {
      // A server that was asked for a stream and sends the whole in one event calls it `message`.
      const said = choice.delta ?? choice.message;
      if (isFields(said)) content(said, handler);
      if (typeof choice.finish_reason === "string") finish(choice.finish_reason, handler);
    }
    if (chunk.usage) usage(chunk.usage, handler);
  },

  whole(text, handler) {
    const answer: unknown = parseJson(text);
    if (!isFields(answer)) throw new SyntaxError("not an object");
    if (answer.error) return handler.error(apiErrorOfEvent(text));
    const choice = Array.isArray(answer.choices)
      ? answer.choices[0] as Fields | undefined
      : undefined;
    if (!choice || !isFields(choice.message)) throw new SyntaxError("no message");
    content(choice.message, handler);
    usage(answer.usage, handler);
    finish(typeof choice.finish_reason === "string" ? choice.finish_reason : "stop", handler);
    handler.end();
  },
};

/** Whether it is OpenAI's own API, on Azure too. */
function isOpenAi({ baseUrl }: Pick<UpstreamSettings, "baseUrl">): boolean {
  return baseUrl === undefined ||
    /^https:\/\/[^/]*\.openai\.(?:azure\.)?com(?:[:/]|$)/i.test(baseUrl);
}

function messageOf({ role, text, images }: ChatMessage): unknown {
  if (images.length === 0) return { role, content: text };
  const parts: unknown[] = text ? [{ type: "text", text }] : [];
  for (const image of images) parts.push({ type: "image_url", image_url: { url: dataUrl(image) } });
  return { role, content: parts };
}

function content(delta: Fields, handler: AnswerHandler): void {
  const reasoning = delta.reasoning_content ?? delta.reasoning;
  if (typeof reasoning === "string" && reasoning) handler.say("reasoning", reasoning);
  if (typeof delta.content === "string" && delta.content) handler.say("text", delta.content);
  else if (Array.isArray(delta.content)) {
    for (const part of delta.content) {
      partOf(part, handler);
    }
  }
  // A refusal is what the model says to the person.
  if (typeof delta.refusal === "string" && delta.refusal) handler.say("text", delta.refusal);
  if (Array.isArray(delta.images)) { for (const image of delta.images) picture(image, handler); }
  // Nobody told the model of a tool, so nobody would run it; what it said in front of the call is
  // not its answer.
  if (isFilled(delta.tool_calls) || isFilled(delta.function_call)) {
    handler.error(unsupported("a tool call"));
  }
  if (isFields(delta.audio)) handler.error(unsupported("sound"));
}

/** One part of a content that is a list. */
function partOf(part: unknown, handler: AnswerHandler): void {
  if (typeof part === "string") return handler.say("text", part);
  if (!isFields(part)) return handler.error(unsupported("a part that is not text"));
  const { type, text, refusal, thinking } = part;
  if ((type === "text" || type === "output_text") && typeof text === "string") {
    return handler.say("text", text);
  }
  if (type === "refusal" && typeof refusal === "string") return handler.say("text", refusal);
  if (type === "image_url" && picture(part, handler)) return;
  // Mistral's models think so: a list of parts again.
  if (type === "thinking" && Array.isArray(thinking)) {
    for (const thought of thinking) {
      if (isFields(thought) && typeof thought.text === "string") {
        handler.say("reasoning", thought.text);
      }
    }
    return;
  }
  handler.error(unsupported(`a part of type ${JSON.stringify(String(type).slice(0, 40))}`));
}

/** Whether it is one that can be shown. */
function picture(image: unknown, handler: AnswerHandler): boolean {
  const url = isFields(image) && isFields(image.image_url) ? image.image_url.url : undefined;
  if (typeof url !== "string" || !url.startsWith("data:image/")) return false;
  handler.say("image", url);
  return true;
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : isFields(value);
}

function finish(reason: string, handler: AnswerHandler): void {
  if (reason === "tool_calls" || reason === "function_call") {
    return handler.error(unsupported("a tool call"));
  }
  // OpenRouter and vLLM say so where the model broke off.
  if (reason === "error" || reason === "abort") {
    return handler.error({
      code: "bot_failed",
      detail: "the model API broke the answer off",
      retryable: true,
    });
  }
  handler.finish(reason);
}

function usage(counted: unknown, handler: AnswerHandler): void {
  if (!isFields(counted)) return;
  const { prompt_tokens, completion_tokens } = counted;
  if (typeof prompt_tokens === "number") handler.count({ inputTokens: prompt_tokens });
  if (typeof completion_tokens === "number") handler.count({ outputTokens: completion_tokens });
  const cached = detail(counted.prompt_tokens_details, "cached_tokens") ??
    counted.prompt_cache_hit_tokens;
  if (typeof cached === "number") handler.count({ cachedTokens: cached });
  const reasoning = detail(counted.completion_tokens_details, "reasoning_tokens");
  if (typeof reasoning === "number") handler.count({ reasoningTokens: reasoning });
}

function detail(details: unknown, name: string): unknown {
  return isFields(details) ? details[name] : undefined;
}
