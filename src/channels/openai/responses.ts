/**
 * This is an answer in the shape of OpenAI's Responses API, streamed or whole.
 *
 * Source: https://platform.openai.com/docs/api-reference/responses-streaming. A stream that does
 * not end well ends with `response.failed` and then `error`: readers of events see the first, the
 * official client throws at the second.
 */
import { dataUrl } from "../../core/message.ts";
import type { Turn } from "../../core/turn.ts";
import {
  type EventText,
  jsonInPieces,
  type LongText,
  longTextOf,
  PIECE_UNITS,
  piecesOf,
} from "../http/text_pieces.ts";
import type { AnswerFormat } from "./answer_stream.ts";
import type { AnswerUsage, CompleteAnswer } from "./complete_answer.ts";
import type { FinishReason } from "./finish_reason.ts";
import { attachmentMarkdown, seconds } from "./chat_completions.ts";
import type { ErrorBody } from "./error.ts";
import { AUTO_MODEL, type OpenAiRequest } from "./request.ts";

type Item = Record<string, unknown>;
type Kind = "message" | "reasoning";

/** Writes an answer as the events of a streamed response. */
export function responsesFormat(
  turn: Turn,
  asked: OpenAiRequest,
  describe: (error: unknown) => ErrorBody,
): AnswerFormat {
  return new ResponsesFormat(turn, asked, describe);
}

/** An output item that is being written, and its text so far. */
interface OpenItem {
  readonly item: Item;
  readonly kind: Kind;
  readonly texts: string[];
}

class ResponsesFormat implements AnswerFormat {
  readonly #turn: Turn;
  readonly #asked: OpenAiRequest;
  readonly #describe: (error: unknown) => ErrorBody;
  readonly #output: Item[] = [];
  #open: OpenItem | undefined;
  #sequence = 0;

  constructor(turn: Turn, asked: OpenAiRequest, describe: (error: unknown) => ErrorBody) {
    this.#turn = turn;
    this.#asked = asked;
    this.#describe = describe;
  }

  begin(): string {
    const response = responseOf(this.#turn, this.#asked, "in_progress", []);
    return this.#event("response.created", { response }) +
      this.#event("response.in_progress", { response });
  }

  text(text: string): EventText {
    return this.#add("message", text);
  }

  reasoning(text: string): EventText {
    return this.#add("reasoning", text);
  }

  image(url: string): EventText {
    return this.#addTo("message", piecesOf(longTextOf(attachmentMarkdown(url))));
  }

  *end(finish: FinishReason, count: () => AnswerUsage): Generator<string, void> {
    // An answer without a word is still a message.
    if (this.#output.length === 0 && !this.#open) yield* this.#ensure("message");
    yield* this.#close();
    const response = responseOf(
      this.#turn,
      this.#asked,
      "completed",
      this.#output,
      finish,
      count(),
    );
    const type = finish === "stop" ? "response.completed" : "response.incomplete";
    yield* this.#largeEvent(type, { response });
  }

  fail(error: unknown): string {
    const { code, message, param } = this.#describe(error);
    const failed = responseOf(this.#turn, this.#asked, "failed", this.#output);
    const response = { ...failed, error: { code, message } };
    return [
      ...this.#largeEvent("response.failed", { response }),
      this.#event("error", { code, message, param }),
    ].join("");
  }

  /** Text of the open item, or of a new one. */
  #add(kind: Kind, text: string): EventText {
    return this.#open?.kind === kind ? this.#delta(kind, text) : this.#addTo(kind, [text]);
  }

  *#addTo(kind: Kind, texts: Iterable<string>): Generator<string, void> {
    yield* this.#ensure(kind);
    for (const text of texts) yield this.#delta(kind, text);
  }

  /** Opens an item of this kind, unless it is open. */
  *#ensure(kind: Kind): Generator<string, void> {
    if (this.#open?.kind === kind) return;
    yield* this.#close();
    const item = this.#newItem(kind);
    this.#open = { item, kind, texts: [] };
    const output_index = this.#output.length;
    yield this.#event("response.output_item.added", { output_index, item });
    yield this.#event("response.content_part.added", { ...this.#place(), part: partOf(kind, "") });
  }

  #newItem(kind: Kind): Item {
    const { id } = this.#turn;
    return kind === "message"
      ? {
        id: `msg_${id}_${this.#output.length}`,
        type: "message",
        status: "in_progress",
        role: "assistant",
        content: [],
      }
      : {
        id: `rs_${id}_${this.#output.length}`,
        type: "reasoning",
        status: "in_progress",
        summary: [],
        content: [],
      };
  }

  *#close(): Generator<string, void> {
    if (!this.#open) return;
    const { item, kind, texts } = this.#open;
    const text = longTextOf(texts);
    const name = kind === "message" ? "output_text" : "reasoning_text";
    const part = partOf(kind, text);
    const whole: Item = { ...item, status: "completed", content: [part] };
    const logprobs = kind === "message" ? { logprobs: [] } : {};
    const place = this.#place();
    yield* this.#largeEvent(`response.${name}.done`, { ...place, text, ...logprobs });
    yield* this.#largeEvent("response.content_part.done", { ...place, part });
    const output_index = this.#output.length;
    yield* this.#largeEvent("response.output_item.done", { output_index, item: whole });
    this.#output.push(whole);
    this.#open = undefined;
  }

  #place() {
    return { item_id: this.#open!.item.id, output_index: this.#output.length, content_index: 0 };
  }

  #delta(kind: Kind, text: string): string {
    add(this.#open!.texts, text);
    return kind === "message"
      ? this.#event("response.output_text.delta", { ...this.#place(), delta: text, logprobs: [] })
      : this.#event("response.reasoning_text.delta", { ...this.#place(), delta: text });
  }

  #event(type: string, fields: Record<string, unknown>): string {
    const data = JSON.stringify({ type, sequence_number: this.#sequence++, ...fields });
    return `event: ${type}\ndata: ${data}\n\n`;
  }

  /** An event that repeats the text of an item, which may hold a picture. */
  *#largeEvent(type: string, fields: Record<string, unknown>): Generator<string, void> {
    yield `event: ${type}\ndata: `;
    yield* jsonInPieces({ type, sequence_number: this.#sequence++, ...fields });
    yield "\n\n";
  }
}

export function wholeResponse(turn: Turn, asked: OpenAiRequest, whole: CompleteAnswer) {
  return responseOf(turn, asked, "completed", outputOf(turn, whole), whole.finish, whole.counted);
}

/** A response that was given before. `error`: how it ended, where that was not well. */
export function storedResponse(turn: Turn, whole: CompleteAnswer, error?: ErrorBody) {
  const { bot, message: { target, parentTurnId } } = turn;
  const asked = {
    model: bot?.id ?? target ?? AUTO_MODEL,
    options: {},
    previous: parentTurnId ? `resp_${parentTurnId}` : undefined,
  };
  const output =
    whole.text || whole.reasoning || whole.images.length > 0 || turn.ending?.status === "done"
      ? outputOf(turn, whole)
      : [];
  if (!turn.ending) {
    return responseOf(turn, asked, turn.state === "queued" ? "queued" : "in_progress", output);
  }
  if (!error) return responseOf(turn, asked, "completed", output, whole.finish, whole.counted);
  if (turn.ending.status === "cancelled") return responseOf(turn, asked, "cancelled", output);
  const { code, message } = error;
  return { ...responseOf(turn, asked, "failed", output), error: { code, message } };
}

/** What a turn was asked, as items of the Responses API. */
export function inputItems({ id, message: { text, images } }: Turn) {
  const content: Item[] = text ? [{ type: "input_text", text }] : [];
  for (const image of images) {
    content.push({ type: "input_image", image_url: dataUrl(image), detail: "auto" });
  }
  return [{ id: `msg_${id}_in`, type: "message", status: "completed", role: "user", content }];
}

function outputOf(turn: Turn, { text, reasoning, images }: CompleteAnswer): Item[] {
  const content = [text, ...images.flatMap(attachmentMarkdown)].join("");
  const output: Item[] = [];
  if (reasoning) {
    const part = partOf("reasoning", reasoning);
    output.push({
      id: `rs_${turn.id}_0`,
      type: "reasoning",
      status: "completed",
      summary: [],
      content: [part],
    });
  }
  output.push({
    id: `msg_${turn.id}_${output.length}`,
    type: "message",
    status: "completed",
    role: "assistant",
    content: [partOf("message", content)],
  });
  return output;
}

/**
 * Adds a text to those of an item. Short ones are put together; a piece of a picture would be
 * copied by that.
 */
function add(texts: string[], text: string): void {
  const last = texts.at(-1);
  if (last !== undefined && last.length + text.length < PIECE_UNITS) {
    texts[texts.length - 1] = last + text;
  } else texts.push(text);
}

function partOf(kind: Kind, text: string | LongText) {
  return kind === "message"
    ? { type: "output_text", text, annotations: [], logprobs: [] }
    : { type: "reasoning_text", text };
}

function responseOf(
  turn: Turn,
  { model, options, previous }: Pick<OpenAiRequest, "model" | "options" | "previous">,
  status: "queued" | "in_progress" | "completed" | "failed" | "cancelled",
  output: readonly Item[],
  finish: FinishReason = "stop",
  counted?: AnswerUsage,
) {
  const cut = status === "completed" && finish !== "stop";
  return {
    id: `resp_${turn.id}`,
    object: "response",
    created_at: seconds(turn.at),
    status: cut ? "incomplete" : status,
    error: null,
    incomplete_details: cut
      ? { reason: finish === "length" ? "max_output_tokens" : "content_filter" }
      : null,
    instructions: null,
    max_output_tokens: options.maxTokens ?? null,
    model,
    output,
    parallel_tool_calls: false,
    previous_response_id: previous ?? null,
    store: !turn.message.temporary,
    temperature: options.temperature ?? null,
    text: { format: { type: "text" } },
    tool_choice: "none",
    tools: [],
    top_p: options.topP ?? null,
    truncation: "disabled",
    usage: counted
      ? {
        input_tokens: counted.inputTokens,
        input_tokens_details: { cached_tokens: counted.cachedTokens ?? 0 },
        output_tokens: counted.outputTokens,
        output_tokens_details: { reasoning_tokens: counted.reasoningTokens ?? 0 },
        total_tokens: counted.inputTokens + counted.outputTokens,
        estimated: counted.estimated || undefined,
      }
      : null,
    metadata: turn.message.temporary ? {} : { conversation_id: turn.conversationId },
  };
}
