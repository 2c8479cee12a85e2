/**
 * This is what was said in a conversation before a message, for bots that remember nothing
 * themselves.
 */
import { textOf, type TurnRecord } from "./turn_record.ts";
import type { ChatMessage, Message } from "./message.ts";

/**
 * The turns that lead to a message, as they were said, oldest first. `turns` are a conversation's,
 * oldest first; one that stands at `at` or behind it, and one that has no answer, is left out.
 * Where the message names its parent, the way back follows parents: what was edited away is not
 * told.
 */
export function transcriptOf(
  turns: readonly TurnRecord[],
  turnId: string,
  message: Message,
): ChatMessage[] {
  const here = turns.findIndex(({ id }) => id === turnId);
  const earlier = here < 0 ? turns : turns.slice(0, here);
  const said: ChatMessage[] = [];
  for (const turn of wayTo(earlier, message.parentTurnId)) {
    const answer = textOf(turn);
    if (answer === "" || turn.status === "running") continue;
    said.push({ role: "user", text: turn.text, images: turn.images });
    said.push({ role: "assistant", text: answer, images: [] });
  }
  return said;
}

/** Each turn follows its parent, and where it names none, the one before it. */
function wayTo(turns: readonly TurnRecord[], parentTurnId: string | undefined): TurnRecord[] {
  const places = new Map(turns.map(({ id }, at) => [id, at]));
  const way: TurnRecord[] = [];
  let at = parentTurnId === undefined ? turns.length - 1 : places.get(parentTurnId) ?? -1;
  while (at >= 0) {
    const turn = turns[at]!;
    way.push(turn);
    const parent = turn.parentTurnId;
    const before = parent === undefined ? at - 1 : places.get(parent) ?? -1;
    // A parent always came earlier; anything else would go round for ever.
    at = before < at ? before : -1;
  }
  return way.reverse();
}
