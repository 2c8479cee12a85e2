/**
 * The steps of tools on their way to the person. OpenClaw reports one call from up to three sides:
 * its start, its progress, and the output of a command. Here they become one list without repeats.
 */
import type { ToolStep } from "./tool_step.ts";

export class ToolSteps {
  readonly #send: (step: ToolStep) => void;
  #last: ToolStep | undefined;
  /** The end of a command whose output may still come. */
  #held: ToolStep | undefined;

  constructor(send: (step: ToolStep) => void) {
    this.#send = send;
  }

  /**
   * One step. With `hold` an end waits for what the command printed, until {@linkcode flush} or the
   * next step.
   */
  take(step: ToolStep, hold = false): void {
    const held = this.#held;
    if (held && held.id === step.id) {
      if (step.status === "start" || step.status === "update") return;
      this.#held = { ...held, ...step };
      // The first word of a command's end comes without its output.
      if (step.output !== undefined) this.flush();
      return;
    }
    this.flush();
    const next = this.#joined(step);
    if (!next) return;
    if (hold && next.status !== "start" && next.status !== "update") this.#held = next;
    else this.#tell(next);
  }

  /** Nothing more comes of what is held back. */
  flush(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held) this.#tell(held);
  }

  #joined(step: ToolStep): ToolStep | undefined {
    const last = this.#last?.id !== undefined && this.#last.id === step.id ? this.#last : undefined;
    if (!last) return step;
    const next = {
      ...last,
      ...step,
      status: step.status === last.status ? "update" as const : step.status,
    };
    return next.status === "update" && next.title === last.title && next.input === last.input
      ? undefined
      : next;
  }

  #tell(step: ToolStep): void {
    this.#last = step;
    this.#send(step);
  }
}
