/**
 * This is what OpenAI's clients ask: three shapes of one question, each checked once and made into
 * an {@linkcode OpenAiRequest}.
 *
 * What becomes of the parameters stands in `parameters.ts`.
 */
import { z } from "zod";
import { NexusError } from "../../core/error.ts";
import type { ChatMessage, GenerationOptions, MessageImage } from "../../core/message.ts";
import { boundedArray } from "../http/bounded_array.ts";
import { unsupportedParameter } from "./error.ts";
import {
  chatParameters,
  passedOn,
  refusable,
  RESPONSES_NAMES,
  responsesParameters,
  tooling,
} from "./parameters.ts";
import { withoutInlineFiles } from "./inline_images.ts";
import { ToolTranscript } from "./tool_transcript.ts";

/** A question, whatever its shape was. */
export interface OpenAiRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly options: GenerationOptions;
  /** Parameters that nobody here honours, by the names that the client gave them. */
  readonly ignored: readonly string[];
  /** How the client names what is among the options, where that differs from chat completions. */
  readonly names?: Readonly<Record<string, string>>;
  readonly stream: boolean;
  /** Whether a stream ends with its counts. */
  readonly includeUsage: boolean;
  /** The conversation as the client names it. */
  readonly conversation?: string;
  /** The response that this one follows (Responses API). */
  readonly previous?: string;
  /** The client says what it asks this for itself, if it does so. */
  readonly task?: unknown;
  /** It is to leave no history. */
  readonly temporary?: boolean;
}

/** Loads an image from elsewhere; returns a data URL. */
export type LoadImage = (url: string) => Promise<MessageImage>;

/** Images of one request: as many as `/api/chat` takes. */
const MAX_IMAGES = 20;

/**
 * Stop words of one request, and UTF-16 units of one: each is looked for in every piece of an
 * answer.
 */
export const MAX_STOP_WORDS = 16, MAX_STOP_WORD_UNITS = 1000;

const stopWord = z.string().max(
  MAX_STOP_WORD_UNITS,
  `must have at most ${MAX_STOP_WORD_UNITS} characters`,
);
const stops = z.union([stopWord, boundedArray(stopWord, { most: MAX_STOP_WORDS })]).nullish();
const metadata = z.record(z.string(), z.unknown()).nullish();
const tokens = z.int({ error: "must be a whole number from 1" }).min(
  1,
  "must be a whole number from 1",
).nullish();
const model = z.string({ error: "must be a model's name; GET /v1/models lists them" }).min(1).max(
  200,
);

/** Parameters that are looked at; every other one is ignored, as the documentation lists. */
const shared = {
  model,
  stream: z.boolean({ error: "must be true or false" }).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  metadata,
  ...tooling,
};

const chatMessage = z.object({
  role: z.enum(["system", "developer", "user", "assistant", "tool", "function"], {
    error: 'must be "system", "developer", "user" or "assistant"',
  }),
  content: z.union([z.string(), boundedArray(z.looseObject({ type: z.string() }))], {
    error: "must be a text or a list of parts",
  }).nullish(),
  tool_calls: z.array(z.unknown()).nullish(),
  tool_call_id: z.string().nullish(),
  name: z.string().nullish(),
});

export const chatRequest = z.object({
  ...shared,
  messages: boundedArray(chatMessage, { least: 1, error: "must be a list of messages" }),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: tokens,
  max_completion_tokens: tokens,
  stop: stops,
  functions: z.array(z.unknown()).nullish(),
  function_call: z.unknown().optional(),
  ...refusable,
  ...passedOn,
}, { error: "must be an object" }).meta({ id: "ChatCompletionRequest" });

/** What a tool returned: a text, or parts as a message has them. */
const outputs = z.union([z.string(), boundedArray(z.looseObject({ type: z.string() }))]);

const item = z.looseObject({
  type: z.string().nullish(),
  role: z.enum(["system", "developer", "user", "assistant"]).optional(),
  content: z.union([z.string(), boundedArray(z.looseObject({ type: z.string() }))]).nullish(),
});

export const responsesRequest = z.object({
  ...shared,
  input: z.union([z.string(), boundedArray(item, { least: 1 })], {
    error: "must be a text or a list of items",
  }),
  instructions: z.string().nullish(),
  max_output_tokens: tokens,
  previous_response_id: z.string().max(200).nullish(),
  conversation: z.union([z.string().max(200), z.object({ id: z.string().max(200) })]).nullish(),
  text: z.looseObject({
    format: z.looseObject({ type: z.string() }).nullish(),
    verbosity: passedOn.verbosity,
  }).nullish(),
  reasoning: z.looseObject({ effort: passedOn.reasoning_effort }).nullish(),
  include: boundedArray(z.string()).nullish(),
  top_logprobs: refusable.top_logprobs,
  service_tier: passedOn.service_tier,
  user: passedOn.user,
  safety_identifier: passedOn.safety_identifier,
  prompt_cache_key: passedOn.prompt_cache_key,
  store: z.boolean().nullish(),
  background: z.boolean().nullish(),
  prompt: z.unknown().optional(),
}, { error: "must be an object" }).meta({ id: "ResponsesRequest" });

/** A message as the AI SDK's `useChat` keeps it. */
const uiMessage = z.looseObject({
  id: z.string().max(200).optional(),
  role: z.enum(["system", "user", "assistant"]),
  parts: boundedArray(z.looseObject({ type: z.string() }), { error: "must be a list of parts" }),
});

export const uiRequest = z.looseObject({
  id: z.string({ error: "must be the chat's id" }).min(1).max(200),
  messages: boundedArray(uiMessage, { least: 1, error: "must be a list of UI messages" }),
  trigger: z.string().optional(),
  model: z.string().max(200).nullish(),
}, { error: "must be an object" }).meta({ id: "UiMessageRequest" });

export async function readChat(
  body: z.infer<typeof chatRequest>,
  load: LoadImage,
): Promise<OpenAiRequest> {
  const { more, ignored } = chatParameters(body);
  const images = counting(load);
  const messages: ChatMessage[] = [];
  const tools = new ToolTranscript();
  for (const [index, message] of body.messages.entries()) {
    const { role, content, tool_calls } = message;
    const parts = await partsOf(content, `messages.${index}`, images);
    if (role === "tool" || role === "function") {
      messages.push(tools.result(message.tool_call_id, message.name, parts));
    } else if (tool_calls?.length) {
      messages.push({ ...parts, role: "assistant", text: tools.called(parts.text, tool_calls) });
    } else messages.push({ role: role === "developer" ? "system" : role, ...parts });
  }
  return {
    model: body.model,
    messages: ending(messages, "messages"),
    options: optionsOf(body, more, body.max_completion_tokens ?? body.max_tokens, body.stop),
    ignored,
    stream: body.stream === true,
    includeUsage: body.stream_options?.include_usage === true,
    conversation: conversationOf(body.metadata),
    task: body.metadata?.task,
  };
}

export async function readResponses(
  body: z.infer<typeof responsesRequest>,
  load: LoadImage,
): Promise<OpenAiRequest> {
  const { more, ignored } = responsesParameters(body);
  const images = counting(load);
  const messages: ChatMessage[] = body.instructions
    ? [{ role: "system", text: body.instructions, images: [] }]
    : [];
  if (typeof body.input === "string") messages.push({ role: "user", text: body.input, images: [] });
  else {
    const tools = new ToolTranscript();
    for (const [index, item] of body.input.entries()) {
      const { type, role, content } = item;
      // What a model thought is between it and its maker.
      if (type === "reasoning") continue;
      if (type === "function_call") {
        const text = tools.call(item.call_id, item.name, item.arguments);
        messages.push({ role: "assistant", text, images: [] });
        continue;
      }
      if (type === "function_call_output") {
        const output = outputs.safeParse(item.output).data ?? "";
        messages.push(
          tools.result(item.call_id, undefined, await partsOf(output, `input.${index}`, images)),
        );
        continue;
      }
      if ((type && type !== "message") || !role) {
        throw unsupportedParameter(
          `input.${index}`,
          `items of type ${JSON.stringify(type)} cannot be told to a bot`,
        );
      }
      messages.push({
        role: role === "developer" ? "system" : role,
        ...await partsOf(content, `input.${index}`, images),
      });
    }
  }
  const { conversation } = body;
  return {
    model: body.model,
    messages: ending(messages, "input"),
    options: optionsOf(body, more, body.max_output_tokens, undefined),
    ignored,
    names: RESPONSES_NAMES,
    stream: body.stream === true,
    includeUsage: true,
    conversation: (typeof conversation === "string" ? conversation : conversation?.id) ??
      conversationOf(body.metadata),
    previous: body.previous_response_id ?? undefined,
    temporary: body.store === false,
  };
}

export async function readUi(
  body: z.infer<typeof uiRequest>,
  load: LoadImage,
): Promise<OpenAiRequest> {
  const images = counting(load);
  const messages: ChatMessage[] = [];
  for (const { role, parts } of body.messages) {
    let text = "";
    const pictures: MessageImage[] = [];
    for (const part of parts) {
      if (part.type === "text" && typeof part.text === "string") text += part.text;
      const picture = part.type === "file" && typeof part.url === "string" &&
        String(part.mediaType).startsWith("image/");
      if (picture && role === "user") pictures.push(await images(part.url as string, "messages"));
      else if (part.type === "file" && role === "user") {
        throw unsupportedParameter("messages", "only files that are images");
      }
    }
    messages.push({ role, text, images: pictures });
  }
  return {
    model: body.model ?? AUTO_MODEL,
    messages: ending(messages, "messages"),
    options: {},
    ignored: [],
    stream: true,
    includeUsage: false,
    conversation: body.id,
  };
}

/** The model that stands for whoever is free. */
export const AUTO_MODEL = "auto";

function optionsOf(
  { temperature, top_p, stream }: {
    temperature?: number | null;
    top_p?: number | null;
    stream?: boolean | null;
  },
  more: GenerationOptions["extra"],
  maxTokens: number | null | undefined,
  stop: string | string[] | null | undefined,
): GenerationOptions {
  const words = (typeof stop === "string" ? [stop] : stop ?? []).filter((word) => word !== "");
  return {
    maxTokens: maxTokens ?? undefined,
    temperature: temperature ?? undefined,
    topP: top_p ?? undefined,
    stop: words.length > 0 ? words : undefined,
    whole: stream === true ? undefined : true,
    extra: more,
  };
}

function conversationOf(given: Record<string, unknown> | null | undefined): string | undefined {
  const id = given?.conversation_id;
  if (id === undefined || id === null || id === "") return undefined;
  if (typeof id === "string" && id.length <= 200) return id;
  throw new NexusError(
    "invalid",
    "metadata.conversation_id: must be a text of at most 200 characters",
  );
}

/** A talk may end with anybody's words, but something new must be there to answer. */
function ending(messages: ChatMessage[], where: string): ChatMessage[] {
  const last = messages[messages.length - 1];
  if (!last || (last.role !== "assistant" && last.text === "" && last.images.length === 0)) {
    throw new NexusError("invalid", `${where}: the last one is empty`);
  }
  return messages;
}

type Pictures = (url: string, where: string) => Promise<MessageImage>;

function counting(load: LoadImage): Pictures {
  let count = 0;
  return async (url, where) => {
    if (++count > MAX_IMAGES) {
      throw new NexusError("invalid", `${where}: at most ${MAX_IMAGES} images`);
    }
    if (/^data:image\/[\w.+-]+;base64,[A-Za-z0-9+/=_-]/.test(url)) return url;
    if (/^https?:\/\//i.test(url)) return await load(url);
    throw new NexusError(
      "invalid",
      `${where}: an image is a data URL (data:image/png;base64,…) or an http address`,
    );
  };
}

async function partsOf(
  content: string | readonly Record<string, unknown>[] | null | undefined,
  where: string,
  images: Pictures,
): Promise<{ text: string; images: MessageImage[] }> {
  if (typeof content === "string" || !content) {
    return { text: withoutInlineFiles(content ?? ""), images: [] };
  }
  const texts: string[] = [];
  const found: MessageImage[] = [];
  for (const [index, part] of content.entries()) {
    const at = `${where}.content.${index}`;
    switch (part.type) {
      case "text":
      case "input_text":
      case "output_text":
      case "refusal": {
        const text = part.text ?? part.refusal;
        if (typeof text !== "string") throw new NexusError("invalid", `${at}.text: must be a text`);
        texts.push(withoutInlineFiles(text));
        break;
      }
      case "image_url":
      case "input_image": {
        const given = part.image_url;
        const url = typeof given === "object" && given !== null
          ? (given as { url?: unknown }).url
          : given;
        if (typeof url !== "string") {
          throw new NexusError("invalid", `${at}.image_url: must have a url`);
        }
        found.push(await images(url, at));
        break;
      }
      default:
        throw unsupportedParameter(
          `${at}.type`,
          `${JSON.stringify(part.type)} cannot be told to a bot, only text and images`,
        );
    }
  }
  return { text: texts.join("\n"), images: found };
}
