/**
 * This is the dialect of OpenAI's chat completions, which most other model servers speak too.
 *
 * Source: https://platform.openai.com/docs/api-reference/chat. Beyond it: `reasoning_content` (DeepSeek, vLLM) and `reasoning` (OpenRouter,
 * Ollama) in a delta, and `images` (OpenRouter) in a delta or a message.
 */
import { dataUrl, type Said } from "../../core/message.ts";
import { type Dialect, errorText, type Fields, type Hearing, isFields, redacted } from "./dialect.ts";

export const openai: Dialect = {
  path: "/chat/completions",

  headers(key): Record<string, string> {
    return key === undefined ? {} : { authorization: `Bearer ${key}` };
  },

  body({ said, model, wishes, stream }, settings) {
    return JSON.stringify({
      model,
      messages: said.map(message),
      stream,
      stream_options: stream && settings.usage ? { include_usage: true } : undefined,
      max_tokens: wishes.maxTokens ?? settings.maxTokens,
      temperature: wishes.temperature ?? settings.temperature,
      top_p: wishes.topP,
      // OpenAI takes four at most; the gateway watches for all of them itself.
      stop: wishes.stop?.length ? wishes.stop.slice(0, 4) : undefined,
    });
  },

  event(_name, data, hearing) {
    if (data === "[DONE]") return hearing.end();
    const chunk: unknown = JSON.parse(data);
    if (!isFields(chunk)) throw new SyntaxError("not an object");
    if (chunk.error) return failure(chunk, data, hearing);
    // Azure sends a first chunk without choices, and the usage chunk has none either.
    const choice = Array.isArray(chunk.choices) ? chunk.choices[0] as Fields | undefined : undefined;
    if (choice) {
      if (isFields(choice.delta)) content(choice.delta, hearing);
      if (typeof choice.finish_reason === "string") hearing.finish(choice.finish_reason);
    }
    if (chunk.usage) usage(chunk.usage, hearing);
  },

  whole(text, hearing) {
    const answer: unknown = JSON.parse(text);
    if (!isFields(answer)) throw new SyntaxError("not an object");
    if (answer.error) return failure(answer, text, hearing);
    const choice = Array.isArray(answer.choices) ? answer.choices[0] as Fields | undefined : undefined;
    if (!choice || !isFields(choice.message)) throw new SyntaxError("no message");
    content(choice.message, hearing);
    usage(answer.usage, hearing);
    hearing.finish(typeof choice.finish_reason === "string" ? choice.finish_reason : "stop");
    hearing.end();
  },
};

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
  // A refusal is what the model says to the person.
  if (typeof delta.refusal === "string" && delta.refusal) hearing.say("text", delta.refusal);
  if (!Array.isArray(delta.images)) return;
  for (const image of delta.images) {
    const url = isFields(image) && isFields(image.image_url) ? image.image_url.url : undefined;
    if (typeof url === "string" && url.startsWith("data:image/")) hearing.say("image", url);
  }
}

function usage(counted: unknown, hearing: Hearing): void {
  if (!isFields(counted)) return;
  const { prompt_tokens, completion_tokens } = counted;
  if (typeof prompt_tokens === "number") hearing.count({ inputTokens: prompt_tokens });
  if (typeof completion_tokens === "number") hearing.count({ outputTokens: completion_tokens });
}

function failure(answer: Fields, text: string, hearing: Hearing): void {
  const error = isFields(answer.error) ? answer.error : {};
  const kind = String(error.type ?? error.code ?? "");
  hearing.error({
    code: /rate_limit|quota/.test(kind) ? "limited" : "bot_failed",
    detail: `the model API reported an error${suffix(errorText(text))}`,
    retryable: !/invalid_request/.test(kind),
  });
}

function suffix(said: string | undefined): string {
  return said ? `: ${redacted(said)}` : "";
}
