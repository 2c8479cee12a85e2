/**
 * The open turns of an account. A request for approval that a running turn waits for, or a notice
 * that an old gateway could not take otherwise, is shown inside the turn of its person.
 */
import type { AnswerStream } from "./answer.ts";
import type { PushTarget } from "./target.ts";

export interface OpenTurn {
  readonly personId: string;
  readonly conversationId: string | undefined;
  readonly answer: AnswerStream;
  /** It is a command such as `/approve`, and not the turn that waits for it. */
  readonly command: boolean;
}

export class OpenTurns {
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
  find(target: PushTarget): OpenTurn | undefined {
    const turns = [...this.#turns].filter((turn) =>
      target.kind === "user" ? turn.personId === target.id : turn.conversationId === target.id
    );
    return turns.findLast((turn) => !turn.command) ?? turns.at(-1);
  }
}
