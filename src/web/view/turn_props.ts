/** What the parts of a turn's view are given. */
import type { Thread } from "../chat/thread.ts";
import type { PageTurn } from "../chat/turn.ts";

export interface TurnProps {
  readonly turn: PageTurn;
  readonly thread: Thread;
  readonly last: boolean;
  /** Puts the question into the composer, to send it again as another version. */
  readonly onEdit: (turn: PageTurn) => void;
  readonly onQuote: (text: string) => void;
}
