/**
 * A complete answer: its text, images and reasoning, why it stopped, and what it counts in tokens.
 */
import { estimateTokenCount } from "tokenx";
import type { ChatMessage, Usage } from "../../core/message.ts";
import { TokenEstimate } from "../../core/token_estimate.ts";
import type { Turn } from "../../core/turn.ts";
import { yieldToEventLoop } from "../../core/yield.ts";
import { PIECE_UNITS, piecesOf } from "../http/text_pieces.ts";
import { failureOf } from "./error.ts";
import type { FinishReason } from "./finish_reason.ts";
import type { OutputLimit } from "./output_limit.ts";

/** Counts, and whether they are the model's own or an estimate. */
export interface AnswerUsage extends Usage {
  readonly estimated: boolean;
}

/** An answer in one piece. */
export interface CompleteAnswer {
  readonly text: string;
  readonly reasoning: string;
  readonly images: readonly string[];
  readonly finish: FinishReason;
  readonly counted: AnswerUsage;
}

/**
 * Waits for the whole answer. Throws how it failed, also where half of it came: half an answer is
 * not one.
 */
export async function completeAnswer(
  turn: Turn,
  messages: readonly ChatMessage[],
  cutFor: () => OutputLimit,
  stop: () => void,
): Promise<CompleteAnswer> {
  const { reply } = turn;
  await reply.more(0);
  const cut = cutFor();
  let finish: FinishReason | undefined;
  let text = "";
  if (cut.idle) {
    await reply.ended();
    text = reply.text;
  } else {
    for (let index = 0; finish === undefined;) {
      const chunk = reply.chunk(index);
      if (!chunk) {
        if (reply.ending) break;
        await reply.more(reply.length);
        continue;
      }
      index++;
      if (chunk.kind === "replace") text = "";
      if (chunk.kind !== "text") continue;
      for (const piece of piecesOf(chunk.content)) {
        const taken = cut.take(piece);
        text += taken.text;
        finish = taken.finish;
        if (finish !== undefined) break;
      }
      if (chunk.content.length > PIECE_UNITS) await yieldToEventLoop();
    }
    if (finish !== undefined) stop();
    else {
      const rest = cut.rest();
      text += rest.text;
      finish = rest.finish;
    }
  }
  const ending = reply.ending && await reply.ended();
  if (finish === undefined && ending!.status !== "done") throw failureOf(ending!);
  return {
    text,
    reasoning: reasoningOf(turn),
    images: reply.images,
    finish: finish ?? finishReasonOf(turn),
    counted: count(turn, messages, text),
  };
}

/** What a turn has said by now. */
export function answerSoFar(turn: Turn): CompleteAnswer {
  const { message, reply: { text, images } } = turn;
  const messages = message.transcript ??
    [{ role: "user", text: message.text, images: message.images }];
  return {
    text,
    reasoning: reasoningOf(turn),
    images,
    finish: finishReasonOf(turn),
    counted: count(turn, messages, text),
  };
}

function reasoningOf({ reply }: Turn): string {
  let reasoning = "";
  for (let index = 0; index < reply.usageOf; index++) {
    const { kind, content } = reply.chunk(index)!;
    if (kind === "reasoning") reasoning += content;
    else if (kind === "replace") reasoning = "";
  }
  return reasoning;
}

export function finishReasonOf({ meta }: Turn): FinishReason {
  return meta?.finish === "length" || meta?.finish === "content_filter" ? meta.finish : "stop";
}

/** What a picture counts as, about. */
const IMAGE_TOKENS = 1000;

export function count(turn: Turn, messages: readonly ChatMessage[], text: string): AnswerUsage {
  const { usage } = turn.meta ?? {};
  if (usage) return { ...usage, estimated: false };
  const outputTokens = new TokenEstimate(estimateTokenCount).of(text);
  const input = new TokenEstimate(estimateTokenCount);
  let inputTokens = 3;
  for (const { text, images } of messages) {
    inputTokens += 4 + input.of(text) + images.length * IMAGE_TOKENS;
  }
  return { inputTokens, outputTokens, estimated: true };
}
