/**
 * This is an answer as it grows. On one side stands OpenClaw, which tells the whole message again
 * with every token, tells it once more when it is complete, starts over when a model's stream
 * breaks, and puts notices in between; on the other a wire to which words can only be added. The
 * answer is what was told so far, and says each word once.
 *
 * ```ts
 * const answer = new Answer(reply);
 * answer.partial("Hel");
 * answer.partial("Hello");      // adds "lo"
 * answer.settle("Hello");       // adds nothing
 * ```
 */

import type { ToolStep } from "./tool_step.ts";
import { ToolSteps } from "./tool_steps.ts";

/** Where the words go: a reply on the wire. */
export interface AnswerSink {
  write(text: string): unknown;
  reasoning(text: string): unknown;
  tool(step: ToolStep): unknown;
  image(dataUrl: string): unknown;
}

/**
 * Words that a rewritten message may lose without the whole of it being told again: an unfinished
 * tag or footnote mark that the host took away once it knew what it was.
 */
const SMALL_REWRITE = 24;

export class AnswerStream {
  readonly #sink: AnswerSink;
  /** Everything on the wire. */
  #told = "";
  /** The present model message, as far as it is on the wire. */
  #message = "";
  /** The model began again and no tool was run since: it may be about to repeat itself. */
  #repeating = false;
  #toolSince = false;
  #paragraph = false;
  #thought = "";
  readonly #steps: ToolSteps;

  constructor(sink: AnswerSink) {
    this.#sink = sink;
    this.#steps = new ToolSteps((step) => sink.tool(step));
  }

  /** Everything that was told as text. */
  get told(): string {
    return this.#told;
  }

  /**
   * A model message begins: the next one after a tool, or the same one again because its stream
   * broke. The host tells both in the same way, and up to eight times; only the tool tells them
   * apart.
   */
  begin(): void {
    if (this.#toolSince) {
      this.#next();
    } else {
      this.#repeating = this.#message !== "";
    }
  }

  /** A tool is at work: what was told so far stays, and the next message is a new one. */
  step(): void {
    this.#toolSince = true;
  }

  /** The present message so far, whole. */
  partial(text: string): void {
    const message = this.#message;
    // A repeat that has not yet come to where the line broke, or a late one.
    if (message.length >= text.length && message.startsWith(text)) return;
    if (text.startsWith(message)) {
      this.#repeating = false;
      this.#add(text.slice(message.length));
      this.#message = text;
    } else if (this.#repeating) {
      this.#next();
      this.partial(text);
    } else {
      this.#rewrite(text);
    }
  }

  /**
   * A whole message: the last word on what partials told of it, or news. Says only what was not
   * said.
   */
  settle(text: string): void {
    const whole = text.trim();
    if (whole === "") return;
    const message = this.#message.trim();
    if (message !== "" && whole.startsWith(message)) {
      const tail = this.#message.slice(this.#message.trimEnd().length);
      const rest = whole.slice(message.length);
      const fresh = rest.startsWith(tail) ? rest.slice(tail.length) : rest.trimStart();
      this.#add(fresh);
      this.#message += fresh;
      return;
    }
    if (this.#has(whole, message)) return;
    this.#next();
    this.#add(text);
    this.#message = text;
  }

  /** The next block of a message that comes in blocks. */
  block(text: string): void {
    if (text.trim() === "") return;
    this.#paragraph = true;
    this.#add(text);
    this.#message = "";
  }

  /**
   * A paragraph of its own, wherever the message is: a notice, a question for approval. The message
   * goes on behind it.
   */
  aside(text: string): void {
    if (text.trim() === "") return;
    this.#paragraph = true;
    this.#add(text.trim());
    this.#paragraph = true;
  }

  /**
   * Something that comes from beside the run: a question for approval, or the answer of a run that
   * OpenClaw gave the message to. What the run has told already is not told again.
   */
  beside(text: string): void {
    const whole = text.trim();
    const message = this.#message.trim();
    if (message !== "" && (whole.startsWith(message) || this.#has(whole, message))) {
      this.settle(text);
    } else this.aside(text);
  }

  image(dataUrl: string): void {
    this.#steps.flush();
    this.#sink.image(dataUrl);
  }

  /** The thoughts so far, whole. */
  think(text: string): void {
    if (this.#thought.startsWith(text)) return;
    const rest = text.startsWith(this.#thought) ? text.slice(this.#thought.length) : `\n${text}`;
    this.#thought = text;
    this.#sink.reasoning(rest);
  }

  /** These thoughts are over; the next ones begin anew. */
  thoughtOver(): void {
    if (this.#thought !== "") this.#sink.reasoning("\n");
    this.#thought = "";
  }

  /** One step of a tool; with `hold` its end waits for what a command printed. */
  tool(step: ToolStep, hold = false): void {
    this.#steps.take(step, hold);
  }

  /** The run is over: nothing waits any more. */
  finish(): void {
    this.#steps.flush();
  }

  #next(): void {
    this.#toolSince = this.#repeating = false;
    if (this.#message !== "" || this.#told !== "") this.#paragraph = true;
    this.#message = "";
  }

  #add(text: string): void {
    if (text === "") return;
    this.#steps.flush();
    let piece = text;
    if (this.#paragraph) {
      // Waits for the first real word, so that an answer does not end in empty lines.
      piece = piece.replace(/^\s+/, "");
      if (piece === "") return;
      this.#paragraph = false;
      if (this.#told !== "") {
        piece = (this.#told.endsWith("\n\n") ? "" : this.#told.endsWith("\n") ? "\n" : "\n\n") +
          piece;
      }
    }
    this.#told += piece;
    this.#sink.write(piece);
  }

  #rewrite(text: string): void {
    const { length } = this.#message;
    let same = 0;
    while (same < length && this.#message.charCodeAt(same) === text.charCodeAt(same)) same++;
    if (length - same <= SMALL_REWRITE && same > 0) {
      this.#add(text.slice(same));
    } else {
      this.#next();
      this.#add(text);
    }
    this.#message = text;
  }

  /**
   * Whether the whole was told before, whatever was done to its spaces, or with a prefix that the
   * host put before it.
   */
  #has(whole: string, message: string): boolean {
    const bare = squeeze(whole);
    if (message !== "" && bare.endsWith(squeeze(message))) return true;
    return squeeze(this.#told).endsWith(bare);
  }
}

function squeeze(text: string): string {
  return text.replace(/\s+/g, "");
}
