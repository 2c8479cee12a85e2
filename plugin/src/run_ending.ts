/**
 * The way in which the run of an agent ended. OpenClaw resolves a run in the same way whether it
 * answered, failed or was stopped; only the events on the way show which.
 */

/** How the turn ends on the wire. */
export type RunEnd =
  | { readonly status: "done" }
  | { readonly status: "failed"; readonly words: string }
  | { readonly status: "cancelled" };

/** Said where OpenClaw tells that a run failed and not why. */
const NO_REASON = "OpenClaw could not complete this answer.";

export class RunEnding {
  /** Whether the agent has begun to work on it. */
  begun = false;
  #outcome: "completed" | "failed" | undefined;
  #answered = false;
  readonly #errors: string[] = [];

  /** A run of the agent begins; a command is answered without one. */
  begin(): void {
    this.begun = true;
  }

  /** OpenClaw's own verdict. It gives none on a run that somebody stopped. */
  outcome(outcome: "completed" | "failed"): void {
    // A failure stays one: a fallback that is silent is told as completed afterwards.
    if (this.#outcome !== "failed") this.#outcome = outcome;
  }

  /** A whole message that is no error was delivered. */
  answer(): void {
    this.#answered = true;
  }

  /**
   * An error in words for the person. Beside a good answer it is a warning, such as one of a tool
   * that failed.
   */
  error(text: string): void {
    const words = text.trim().replace(/^⚠️\s*/u, "");
    if (words !== "" && !this.#errors.includes(words)) this.#errors.push(words);
  }

  /** What was delivered as an error, for an answer that is good all the same. */
  get warnings(): readonly string[] {
    return this.#errors;
  }

  /**
   * `stopped`: this plugin stopped the run. `deferred`: OpenClaw gave the message to a run that was
   * at work already.
   */
  end({ stopped, deferred }: { readonly stopped: boolean; readonly deferred: boolean }): RunEnd {
    if (stopped) return { status: "cancelled" };
    if (this.#outcome === "failed" || (this.#errors.length > 0 && !this.#answered)) {
      return { status: "failed", words: this.#errors.join("\n\n") || NO_REASON };
    }
    // Stopped from elsewhere, such as OpenClaw's own page, or by OpenClaw itself.
    if (this.begun && this.#outcome === undefined && !this.#answered && !deferred) {
      return { status: "cancelled" };
    }
    return { status: "done" };
  }
}
