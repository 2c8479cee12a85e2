/**
 * This is what becomes of each parameter that asks for a certain kind of answer: it is passed on to
 * the model API, or ignored, which the answer tells in the header `x-nexus-ignored`, or refused.
 *
 * Refused is only what would make the answer a lie: a client that must get a tool call, two answers
 * or probabilities cannot tell by the answer that it got something else. Which model API takes what
 * stands in its dialect (`src/bots/upstream/`); docs/openai.md has the table.
 */
import { z } from "zod";
import type { Link } from "../../core/link.ts";
import type { GenerationOptions } from "../../core/message.ts";
import { boundedArray } from "../http/bounded_array.ts";
import { unsupportedParameter } from "./error.ts";

type Fields = Readonly<Record<string, unknown>>;

const penalty = z.number({ error: "must be a number from -2 to 2" }).min(-2).max(2).nullish();
const text = z.string().max(1000).nullish();

/** A format as chat completions name it: `{"type": "json_schema", "json_schema": {…}}`. */
const format = z.looseObject({ type: z.string() });

/**
 * Parameters of chat completions that go to the model API as they came. Those of OpenAI come first,
 * then those that other servers of its API have (vLLM, Ollama, llama.cpp, OpenRouter, DeepSeek).
 */
export const passedOn = {
  response_format: format.nullish(),
  seed: z.int({ error: "must be a whole number" }).nullish(),
  presence_penalty: penalty,
  frequency_penalty: penalty,
  logit_bias: z.record(z.string(), z.unknown()).nullish(),
  reasoning_effort: text,
  verbosity: text,
  service_tier: text,
  prediction: z.unknown().optional(),
  web_search_options: z.unknown().optional(),
  user: text,
  safety_identifier: text,
  prompt_cache_key: text,
  top_k: z.number().nullish(),
  min_p: z.number().nullish(),
  top_a: z.number().nullish(),
  typical_p: z.number().nullish(),
  repetition_penalty: z.number().nullish(),
  repeat_penalty: z.number().nullish(),
  reasoning: z.unknown().optional(),
  thinking: z.unknown().optional(),
  enable_thinking: z.boolean().nullish(),
  thinking_budget: z.number().nullish(),
  chat_template_kwargs: z.record(z.string(), z.unknown()).nullish(),
};

/** Tools of the client, in both APIs. */
export const tooling = {
  tools: z.array(z.unknown()).nullish(),
  tool_choice: z.unknown().optional(),
  parallel_tool_calls: z.boolean().nullish(),
};

/** What cannot be had from anybody here. */
export const refusable = {
  n: z.number().nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().nullish(),
  modalities: boundedArray(z.string()).nullish(),
  audio: z.unknown().optional(),
};

/**
 * Tiers that cost the bot's owner no more than the usual one. Anybody could double the bill with
 * the others.
 */
const USUAL_TIERS: unknown[] = ["auto", "default", "flex"];

/** What is to be passed on of a request, and what is ignored whoever answers. */
export interface Parameters {
  readonly more: GenerationOptions["extra"];
  readonly ignored: readonly string[];
}

/**
 * Reads the parameters of chat completions. Throws {@linkcode Refused} for what would make the
 * answer a lie.
 */
export function chatParameters(body: Fields): Parameters {
  const ignored: string[] = [];
  if (typeof body.n === "number" && body.n !== 1) {
    throw unsupportedParameter("n", "only one answer at a time");
  }
  refuseProbabilities(body);
  const kinds = body.modalities as string[] | null | undefined;
  if (kinds?.some((kind) => kind !== "text") || isThere(body.audio)) {
    throw unsupportedParameter("modalities", "only text");
  }
  if (offered(body.tools, body.tool_choice, "tool_choice")) ignored.push("tools");
  if (offered(body.functions, body.function_call, "function_call")) ignored.push("functions");
  return { more: picked(body, Object.keys(passedOn), ignored), ignored };
}

/**
 * Reads the parameters of the Responses API, and names them as chat completions do. Throws
 * {@linkcode Refused}.
 */
export function responsesParameters(body: Fields): Parameters {
  const ignored: string[] = [];
  if (body.background) {
    throw unsupportedParameter(
      "background",
      "the answer is read from the request that asks for it",
    );
  }
  if (isThere(body.prompt)) throw unsupportedParameter("prompt", "there are no stored prompts");
  refuseProbabilities(body);
  if (offered(body.tools, body.tool_choice, "tool_choice")) ignored.push("tools");
  const named = {
    ...body,
    response_format: chatFormatOf(fieldsOf(fieldsOf(body.text)?.format)),
    verbosity: fieldsOf(body.text)?.verbosity,
    reasoning_effort: fieldsOf(body.reasoning)?.effort,
  };
  return { more: picked(named, OF_RESPONSES, ignored), ignored };
}

const OF_RESPONSES = [
  "response_format",
  "reasoning_effort",
  "verbosity",
  "service_tier",
  "user",
  "safety_identifier",
  "prompt_cache_key",
];

/** How a client of the Responses API knows a parameter. */
export const RESPONSES_NAMES: Readonly<Record<string, string>> = {
  response_format: "text.format",
  verbosity: "text.verbosity",
  reasoning_effort: "reasoning",
};

/**
 * What the answer ignored of a request, as its client names it. Nobody answers yet: what a bot
 * would ignore.
 */
export function ignoredBy(
  link: Pick<Link, "honours"> | undefined,
  { options, ignored, names }: {
    readonly options: GenerationOptions;
    readonly ignored: readonly string[];
    readonly names?: Readonly<Record<string, string>>;
  },
): readonly string[] {
  const { temperature, topP: top_p, extra } = options;
  const asked = Object.entries({ temperature, top_p, ...extra }).filter(([, value]) =>
    value !== undefined
  );
  const left = asked.filter(([name, value]) => !link?.honours?.(name, value)).map(([name]) =>
    names?.[name] ?? name
  );
  return left.length > 0 ? [...ignored, ...left] : ignored;
}

function picked(
  body: Fields,
  names: readonly string[],
  ignored: string[],
): GenerationOptions["extra"] {
  const more: Record<string, unknown> = {};
  for (const name of names) {
    const value = body[name];
    if (!isThere(value) || asUsual(name, value)) continue;
    if (name === "service_tier" && !USUAL_TIERS.includes(value)) ignored.push(name);
    else more[name] = value;
  }
  return Object.keys(more).length > 0 ? more : undefined;
}

/** What every bot does anyhow need not be passed on, nor be told as ignored. */
function asUsual(name: string, value: unknown): boolean {
  if (name === "response_format") return (value as Fields).type === "text";
  return name === "logit_bias" && Object.keys(value as Fields).length === 0;
}

/** `{"type": "json_schema", "name", "schema"}` of the Responses API as chat completions have it. */
function chatFormatOf(format: Fields | undefined): Fields | undefined {
  if (!format) return undefined;
  if (format.type !== "json_schema") return format;
  const { type, ...json_schema } = format;
  return { type, json_schema };
}

function refuseProbabilities({ logprobs, top_logprobs, include }: Fields): void {
  const included = Array.isArray(include) && include.includes("message.output_text.logprobs");
  if (logprobs || top_logprobs || included) {
    throw unsupportedParameter("logprobs", "bots do not tell probabilities");
  }
}

/**
 * Whether tools were offered that nobody will call: a bot may answer without them. Throws where the
 * client waits for a call.
 */
function offered(tools: unknown, choice: unknown, param: string): boolean {
  if (!Array.isArray(tools) || tools.length === 0) return false;
  const { type, mode, name, allowed_tools } = fieldsOf(choice) ?? { type: choice };
  // Chat completions put the mode one level deeper than the Responses API.
  const kind = type === "allowed_tools" ? fieldsOf(allowed_tools)?.mode ?? mode : type ?? name;
  if (!isThere(kind) || kind === "auto") return true;
  if (kind === "none") return false;
  throw unsupportedParameter(
    param,
    'bots call tools of their own and none of yours; leave it out, or say "auto"',
  );
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null ? value as Fields : undefined;
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null;
}
