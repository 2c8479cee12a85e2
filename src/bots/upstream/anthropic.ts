/**
 * This is the dialect of Anthropic's Messages API.
 *
 * Source: https://docs.anthropic.com/en/api/messages-streaming. A stream is `message_start`,
 * content blocks with `content_block_delta`, `message_delta` (stop reason, counts) and
 * `message_stop`; `ping` at any time; `error` instead of the rest.
 */
import { parseJson } from "../../core/json.ts";
import { type ChatMessage, continuePrompt, dataUrl } from "../../core/message.ts";
import { type AnswerHandler, type Dialect, splitDataUrl } from "./dialect.ts";
import { type Fields, isFields } from "./fields.ts";
import { apiErrorOfEvent, unsupported } from "./api_error.ts";

/** The API demands a bound; this is what every model of it may write. */
const DEFAULT_MAX_TOKENS = 4096;

const TAKEN = new Set(["temperature", "top_p", "top_k", "user"]);

export const anthropic: Dialect = {
  path: "/messages",

  headers: (key) => ({
    "anthropic-version": "2023-06-01",
    ...(key === undefined ? {} : { "x-api-key": key }),
  }),

  takes(name, value) {
    return name === "response_format" ? schemaOf(value) !== undefined : TAKEN.has(name);
  },

  body({ messages, model, options, stream }, settings) {
    const system = messages.filter(({ role }) => role === "system").map(({ text }) => text).join(
      "\n\n",
    );
    const temperature = options.temperature ?? settings.temperature;
    const { top_k, user, response_format } = options.extra ?? {};
    const schema = schemaOf(response_format);
    return JSON.stringify({
      model,
      system: system || undefined,
      messages: alternating(messages),
      stream,
      max_tokens: options.maxTokens ?? settings.maxTokens ?? DEFAULT_MAX_TOKENS,
      // OpenAI's scale ends at 2, this one at 1.
      temperature: temperature === undefined ? undefined : Math.min(1, temperature),
      top_p: options.topP,
      // White space alone is refused here.
      stop_sequences: options.stop?.some((word) => word.trim())
        ? options.stop.filter((word) => word.trim())
        : undefined,
      top_k,
      metadata: user === undefined ? undefined : { user_id: user },
      output_config: schema === undefined ? undefined : { format: { type: "json_schema", schema } },
    });
  },

  event(_name, data, handler) {
    const event: unknown = parseJson(data);
    if (!isFields(event)) throw new SyntaxError("not an object");
    switch (event.type) {
      case "content_block_start":
        if (isFields(event.content_block)) content(event.content_block, handler);
        break;
      case "content_block_delta":
        if (isFields(event.delta)) content(event.delta, handler);
        break;
      case "message_start":
        if (isFields(event.message)) usage(event.message.usage, handler);
        break;
      case "message_delta":
        if (isFields(event.delta) && typeof event.delta.stop_reason === "string") {
          finish(event.delta.stop_reason, handler);
        }
        usage(event.usage, handler);
        break;
      case "message_stop":
        handler.end();
        break;
      case "error":
        handler.error(apiErrorOfEvent(data));
    }
  },

  whole(text, handler) {
    const answer: unknown = parseJson(text);
    if (!isFields(answer)) throw new SyntaxError("not an object");
    if (answer.type === "error") return handler.error(apiErrorOfEvent(text));
    if (!Array.isArray(answer.content)) throw new SyntaxError("no content");
    for (const block of answer.content) if (isFields(block)) content(block, handler);
    usage(answer.usage, handler);
    finish(typeof answer.stop_reason === "string" ? answer.stop_reason : "end_turn", handler);
    handler.end();
  },
};

/**
 * The schema of `{"type": "json_schema", "json_schema": {"schema": …}}`; this API knows no other
 * format.
 */
function schemaOf(format: unknown): unknown {
  return isFields(format) && format.type === "json_schema" && isFields(format.json_schema)
    ? format.json_schema.schema
    : undefined;
}

/**
 * This API wants user and assistant by turns, the user first: neighbours of one role become one
 * message.
 */
function alternating(said: readonly ChatMessage[]): unknown[] {
  const messages: { role: string; content: Fields[] }[] = [];
  for (const { role, text, images } of said) {
    if (role === "system") continue;
    if (messages.length === 0 && role === "assistant") {
      messages.push({ role: "user", content: [{ type: "text", text: "…" }] });
    }
    let last = messages[messages.length - 1];
    if (last?.role !== role) messages.push(last = { role, content: [] });
    // Only a user's message may hold images; empty and blank texts are refused.
    if (role === "user") {
      for (const image of images) {
        const { type, base64 } = splitDataUrl(dataUrl(image));
        last.content.push({
          type: "image",
          source: { type: "base64", media_type: type, data: base64 },
        });
      }
    }
    if (text.trim()) last.content.push({ type: "text", text });
  }
  const filled = messages.filter(({ content }) => content.length > 0);
  if (filled.length === 0) return [{ role: "user", content: [{ type: "text", text: "…" }] }];
  // Its newer models refuse to go on in the assistant's name.
  if (filled[filled.length - 1]?.role === "assistant") {
    const text = continuePrompt(said.findLast(({ role }) => role === "assistant")!.text);
    filled.push({ role: "user", content: [{ type: "text", text }] });
  }
  return filled;
}

/** A delta, or a block as it begins or whole: all carry `text` or `thinking`. */
function content(block: Fields, handler: AnswerHandler): void {
  const type = String(block.type ?? "text");
  if (type === "text" || type === "text_delta") {
    if (typeof block.text === "string" && block.text) handler.say("text", block.text);
  } else if (type === "thinking" || type === "thinking_delta") {
    if (typeof block.thinking === "string" && block.thinking) {
      handler.say("reasoning", block.thinking);
    }
  } else if (type === "tool_use") {
    // Nobody told the model of a tool, so nobody would run it; what it said in front of the call is
    // not its answer.
    handler.error(unsupported("a tool call"));
  } else if (!SILENT.test(type)) {
    handler.error(unsupported(`a block of type ${JSON.stringify(type.slice(0, 40))}`));
  }
}

/**
 * What belongs to an answer and is not shown: signatures, citations, and tools that the API runs
 * itself.
 */
const SILENT =
  /^(redacted_thinking|signature_delta|citations_delta|input_json_delta|server_tool_use|mcp_tool_use|\w+_tool_result)$/;

function usage(counted: unknown, handler: AnswerHandler): void {
  if (!isFields(counted)) return;
  const { input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens } =
    counted;
  if (typeof input_tokens === "number") {
    const cached = [cache_read_input_tokens, cache_creation_input_tokens].filter((count) =>
      typeof count === "number"
    );
    handler.count({ inputTokens: cached.reduce((sum, count) => sum + count, input_tokens) });
    if (typeof cache_read_input_tokens === "number") {
      handler.count({ cachedTokens: cache_read_input_tokens });
    }
  }
  if (typeof output_tokens === "number") handler.count({ outputTokens: output_tokens });
}

/** Why it stopped, in OpenAI's words, which the rest of the program uses. */
function finish(stopReason: string, handler: AnswerHandler): void {
  switch (stopReason) {
    case "tool_use":
      return handler.error(unsupported("a tool call"));
    case "pause_turn":
      return handler.error(unsupported("a pause, to go on in another request"));
    case "max_tokens":
    case "model_context_window_exceeded":
      return handler.finish("length");
    case "refusal":
      return handler.finish("content_filter");
    default:
      return handler.finish("stop");
  }
}
