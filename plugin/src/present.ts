/**
 * This is who is present: the turns of an account that are open right now. An approval that a
 * running turn waits for, or a word that an old gateway could not take otherwise, is shown inside
 * the turn of the person it is for.
 */
import type { Answer } from "./answer.ts";
import type { Target } from "./target.ts";

export interface OpenTurn {
  readonly personId: string;
  readonly conversationId: string | undefined;
  readonly answer: Answer;
  /** It is a command such as `/approve`, and not the turn that waits for it. */
  readonly command: boolean;
}

export class Present {
  readonly #turns = new Set<OpenTurn>();

  /** Returns the way to leave. */
  enter(turn: OpenTurn): () => void {
    this.#turns.add(turn);
    return () => this.#turns.delete(turn);
  }

  /**
   * The latest open turn of a person, or of a conversation; one that is a command only where there
   * is no other.
   */
  find(target: Target): OpenTurn | undefined {
    const turns = [...this.#turns].filter((turn) =>
      target.kind === "user" ? turn.personId === target.id : turn.conversationId === target.id
    );
    return turns.findLast((turn) => !turn.command) ?? turns.at(-1);
  }
}
