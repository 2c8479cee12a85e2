/**
 * This is the dialect of OpenAI's chat completions, which most other model servers speak too.
 *
 * Source: https://platform.openai.com/docs/api-reference/chat. Beyond it: `reasoning_content`
 * (DeepSeek, vLLM) and `reasoning` (OpenRouter, Ollama) in a delta, and `images` (OpenRouter) in a
 * delta or a message.
 */
import { parseJson } from "../../core/json.ts";
import { dataUrl, type Said } from "../../core/message.ts";
import { type Dialect, type Fields, type Hearing, isFields } from "./dialect.ts";
import { faultOfEvent, unsupported } from "./fault.ts";
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

  body({ said, model, wishes, stream }, settings) {
    const maxTokens = wishes.maxTokens ?? settings.maxTokens;
    // OpenAI's models that think refuse the old name, many other servers know no other.
    const most = isOpenAi(settings)
      ? { max_completion_tokens: maxTokens }
      : { max_tokens: maxTokens };
    return JSON.stringify({
      model,
      messages: said.map(message),
      stream,
      stream_options: stream && settings.usage ? { include_usage: true } : undefined,
      ...most,
      temperature: wishes.temperature ?? settings.temperature,
      top_p: wishes.topP,
      // OpenAI takes four at most; the gateway watches for all of them itself.
      stop: wishes.stop?.length ? wishes.stop.slice(0, 4) : undefined,
      ...wishes.more,
    });
  },

  event(_name, data, hearing) {
    if (data === "[DONE]") return hearing.end();
    const chunk: unknown = parseJson(data);
    if (!isFields(chunk)) throw new SyntaxError("not an object");
    if (chunk.error) return hearing.error(faultOfEvent(data));
    // Azure sends a first chunk without choices, and the usage chunk has none either.
    const choice = Array.isArray(chunk.choices)
      ? chunk.choices[0] as Fields | undefined
      : undefined;
    if (choice) {
      // A server that was asked for a stream and sends the whole in one event calls it `message`.
      const said = choice.delta ?? choice.message;
      if (isFields(said)) content(said, hearing);
      if (typeof choice.finish_reason === "string") finish(choice.finish_reason, hearing);
    }
    if (chunk.usage) usage(chunk.usage, hearing);
  },

  whole(text, hearing) {
    const answer: unknown = parseJson(text);
    if (!isFields(answer)) throw new SyntaxError("not an object");
    if (answer.error) return hearing.error(faultOfEvent(text));
    const choice = Array.isArray(answer.choices)
      ? answer.choices[0] as Fields | undefined
      : undefined;
    if (!choice || !isFields(choice.message)) throw new SyntaxError("no message");
    content(choice.message, hearing);
    usage(answer.usage, hearing);
    finish(typeof choice.finish_reason === "string" ? choice.finish_reason : "stop", hearing);
    hearing.end();
  },
};

/** Whether it is OpenAI's own API, on Azure too. */
function isOpenAi({ baseUrl }: Pick<UpstreamSettings, "baseUrl">): boolean {
  return baseUrl === undefined ||
    /^https:\/\/[^/]*\.openai\.(?:azure\.)?com(?:[:/]|$)/i.test(baseUrl);
}

function message({ role, text, images }: Said): unknown {
  if (images.length === 0) return { role, content: text };
  const parts: unknown[] = text ? [{ type: "text", text }] : [];
  for (const image of images) parts.push({ type: "image_url", image_url: { url: dataUrl(image) } });
  return { role, content: parts };
}

function content(delta: Fields, hearing: Hearing): void {
  const reasoning = delta.reasoning_content ?? delta.reasoning;
  if (typeof reasoning === "string" && reasoning) hearing.say("reasoning", reasoning);
  if (typeof delta.content === "string" && delta.content) hearing.say("text", delta.content);
  else if (Array.isArray(delta.content)) {
    for (const part of delta.content) {
      partOf(part, hearing);
    }
  }
  // A refusal is what the model says to the person.
  if (typeof delta.refusal === "string" && delta.refusal) hearing.say("text", delta.refusal);
  if (Array.isArray(delta.images)) { for (const image of delta.images) picture(image, hearing); }
  // Nobody told the model of a tool, so nobody would run it; what it said in front of the call is
  // not its answer.
  if (isFilled(delta.tool_calls) || isFilled(delta.function_call)) {
    hearing.error(unsupported("a tool call"));
  }
  if (isFields(delta.audio)) hearing.error(unsupported("sound"));
}

/** One part of a content that is a list. */
function partOf(part: unknown, hearing: Hearing): void {
  if (typeof part === "string") return hearing.say("text", part);
  if (!isFields(part)) return hearing.error(unsupported("a part that is not text"));
  const { type, text, refusal, thinking } = part;
  if ((type === "text" || type === "output_text") && typeof text === "string") {
    return hearing.say("text", text);
  }
  if (type === "refusal" && typeof refusal === "string") return hearing.say("text", refusal);
  if (type === "image_url" && picture(part, hearing)) return;
  // Mistral's models think so: a list of parts again.
  if (type === "thinking" && Array.isArray(thinking)) {
    for (const thought of thinking) {
      if (isFields(thought) && typeof thought.text === "string") {
        hearing.say("reasoning", thought.text);
      }
    }
    return;
  }
  hearing.error(unsupported(`a part of type ${JSON.stringify(String(type).slice(0, 40))}`));
}

/** Whether it is one that can be shown. */
function picture(image: unknown, hearing: Hearing): boolean {
  const url = isFields(image) && isFields(image.image_url) ? image.image_url.url : undefined;
  if (typeof url !== "string" || !url.startsWith("data:image/")) return false;
  hearing.say("image", url);
  return true;
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : isFields(value);
}

function finish(reason: string, hearing: Hearing): void {
  if (reason === "tool_calls" || reason === "function_call") {
    return hearing.error(unsupported("a tool call"));
  }
  // OpenRouter and vLLM say so where the model broke off.
  if (reason === "error" || reason === "abort") {
    return hearing.error({
      code: "bot_failed",
      detail: "the model API broke the answer off",
      retryable: true,
    });
  }
  hearing.finish(reason);
}

function usage(counted: unknown, hearing: Hearing): void {
  if (!isFields(counted)) return;
  const { prompt_tokens, completion_tokens } = counted;
  if (typeof prompt_tokens === "number") hearing.count({ inputTokens: prompt_tokens });
  if (typeof completion_tokens === "number") hearing.count({ outputTokens: completion_tokens });
  const cached = detail(counted.prompt_tokens_details, "cached_tokens") ??
    counted.prompt_cache_hit_tokens;
  if (typeof cached === "number") hearing.count({ cachedTokens: cached });
  const reasoning = detail(counted.completion_tokens_details, "reasoning_tokens");
  if (typeof reasoning === "number") hearing.count({ reasoningTokens: reasoning });
}

function detail(details: unknown, name: string): unknown {
  return isFields(details) ? details[name] : undefined;
}
