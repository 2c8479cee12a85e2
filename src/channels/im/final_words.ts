/** What stands in a chat before, in and after an answer, as far as it is not the bot's own. */
import type { Ending, Reply } from "../../core/reply.ts";
import type { Turn } from "../../core/turn.ts";
import type { Words } from "./words.ts";

/**
 * Where a sentence ends, an edit goes at once; inside one it waits half as long again for the end.
 */
const SENTENCE_ENDS = "。！？；：.!?;:";

/** Units of an answer's end in which the end of a sentence is looked for. */
const ENDING = 40;

/** What stands in a place before the bot has said anything. */
export function waitingWords(turn: Turn, words: Words): string {
  return turn.queuePosition !== undefined ? words.queued(turn.queuePosition) : words.thinking;
}

/** The answer as it must be seen: its text, and how it ended where that is not `done`. */
export function finalWords(text: string, ending: Ending, images: boolean, words: Words): string {
  const body = text.trimEnd();
  const note = ending.status === "cancelled"
    ? words.cancelled
    : ending.status === "failed"
    ? words.failed(ending.code ?? "internal")
    : ending.status === "incomplete"
    ? words.cutOff
    : "";
  // What the bot itself says of its failure tells the person what to do, in the words of its own
  // world.
  const own = ending.code === "bot_failed" || ending.code === "bot_declined"
    ? ending.detail
    : undefined;
  const whole = note && own ? `${note}\n\n${own}` : note;
  if (whole) return body ? `${body}\n\n${whole}` : whole;
  return body || (images ? words.seeImages : words.empty);
}

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
