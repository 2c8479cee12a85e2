/** The transcript of a conversation before a message, for bots without a memory of their own. */
import { textOf, type TurnRecord } from "./turn_record.ts";
import type { ChatMessage, Message } from "./message.ts";

/**
 * The messages that lead to a turn, the oldest first. `turns` are those of its conversation, the
 * oldest first; the turn itself, later ones, and turns without an answer are left out. If the
 * message names its parent, the path follows the parents, so that edited messages are left out.
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

/** The path to the last turn: each follows its parent or, if it names none, the turn before it. */
function wayTo(turns: readonly TurnRecord[], parentTurnId: string | undefined): TurnRecord[] {
  const places = new Map(turns.map(({ id }, at) => [id, at]));
  const way: TurnRecord[] = [];
  let at = parentTurnId === undefined ? turns.length - 1 : places.get(parentTurnId) ?? -1;
  while (at >= 0) {
    const turn = turns[at]!;
    way.push(turn);
    const parent = turn.parentTurnId;
    const before = parent === undefined ? at - 1 : places.get(parent) ?? -1;
    // A parent must be earlier; otherwise this would never end.
    at = before < at ? before : -1;
  }
  return way.reverse();
}
