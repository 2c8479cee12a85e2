/** The gateway's own texts before, in and after an answer of a bot. */
import type { Ending, Reply } from "../../core/reply.ts";
import type { Turn } from "../../core/turn.ts";
import type { Words } from "./words.ts";

/**
 * After these an edit is sent at once; within a sentence it waits up to half an interval longer.
 */
const SENTENCE_ENDS = "。！？；：.!?;:";

/** UTF-16 units at the end of an answer in which the end of a sentence is searched. */
const ENDING = 40;

/** Returns the text that is shown before the answer begins. */
export function waitingWords(turn: Turn, words: Words): string {
  return turn.queuePosition !== undefined ? words.queued(turn.queuePosition) : words.thinking;
}

/** Returns the final text: the answer, and how it ended where that is not `done`. */
export function finalWords(text: string, ending: Ending, images: boolean, words: Words): string {
  const body = text.trimEnd();
  const note = ending.status === "cancelled"
    ? words.cancelled
    : ending.status === "failed"
    ? words.failed(ending.code ?? "internal")
    : ending.status === "incomplete"
    ? words.cutOff
    : "";
  // The bot's own words about its failure say what the person can do.
  const own = ending.code === "bot_failed" || ending.code === "bot_declined"
    ? ending.detail
    : undefined;
  const whole = note && own ? `${note}\n\n${own}` : note;
  if (whole) return body ? `${body}\n\n${whole}` : whole;
  return body || (images ? words.seeImages : words.empty);
}

/** Returns the index after the last whole line; the length of a text without line breaks. */
export function lastLine(text: string): number {
  return text.lastIndexOf("\n") + 1 || text.length;
}

/** Whether the answer so far ends where a sentence or a line does. */
export function endsSentence(reply: Reply): boolean {
  const end = reply.tail(ENDING).slice(-ENDING);
  const words = end.trimEnd();
  return end.includes("\n", words.length) ||
    (words !== "" && SENTENCE_ENDS.includes(words.at(-1)!));
}
