/**
 * What differs between model APIs: the body of a request and the format of an answer. `openai.ts`
 * and `anthropic.ts` implement it. Everything else is the same for all.
 */
import { readDataUrl } from "../../core/data_url.ts";
import type { ChatMessage, GenerationOptions, Usage } from "../../core/message.ts";
import type { ApiError } from "./api_error.ts";
import type { UpstreamSettings } from "./settings.ts";

/** Where a dialect puts what it reads. */
export interface AnswerHandler {
  say(kind: "text" | "reasoning" | "image", content: string): void;
  /** Counts so far; a later one replaces it field by field. */
  count(usage: Partial<Usage>): void;
  /**
   * The model says that it is done and why (`stop`, `length`, `content_filter`, …). The answer may
   * go on with counts.
   */
  finish(reason: string): void;
  /** The end marker: nothing comes behind it. */
  end(): void;
  /** The API reports an error instead of an answer, or in the middle of one. */
  error(fault: ApiError): void;
}

export interface ModelRequest {
  readonly messages: readonly ChatMessage[];
  readonly model: string;
  /** Only what the dialect takes. */
  readonly options: GenerationOptions;
  /** Whether the answer shall come in deltas. */
  readonly stream: boolean;
}

export interface Dialect {
  /** Behind the base URL. */
  readonly path: string;
  headers(key: string | undefined): Record<string, string>;
  /**
   * Whether this API has such a parameter, by its name in OpenAI's chat completions, with this
   * value.
   */
  takes(name: string, value: unknown, settings: Pick<UpstreamSettings, "baseUrl">): boolean;
  body(question: ModelRequest, settings: UpstreamSettings): string;
  /** Reads one event of a stream. Throws where it is not what it should be. */
  event(name: string | undefined, data: string, handler: AnswerHandler): void;
  /** Reads an answer that came as one JSON text. */
  whole(text: string, handler: AnswerHandler): void;
}

/** `data:image/png;base64,AAAA` taken apart. */
export function splitDataUrl(url: string): { type: string; base64: string } {
  const parts = readDataUrl(url);
  return parts
    ? { type: parts.type || "image/png", base64: parts.data }
    : { type: "image/png", base64: url };
}
