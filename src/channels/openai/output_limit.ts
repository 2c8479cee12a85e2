/**
 * The limit of an answer: stop words, and a length in tokens, by estimate. The gateway enforces
 * what a bot does not honour itself.
 */
import type { GenerationOptions } from "../../core/message.ts";
import type { FinishReason } from "./finish_reason.ts";
import { StopWords } from "./stop_words.ts";

/** Cuts an answer at stop words and at a length in tokens, by estimate. */
export class OutputLimit {
  readonly #stops: StopWords | undefined;
  #left: number;

  constructor({ stop, maxTokens }: Pick<GenerationOptions, "stop" | "maxTokens">) {
    this.#stops = stop?.length ? new StopWords(stop) : undefined;
    this.#left = maxTokens ?? Infinity;
  }

  /** Whether there is anything to cut at. */
  get idle(): boolean {
    return this.#stops === undefined && this.#left === Infinity;
  }

  /** What may go out of this delta, and why nothing may behind it. */
  take(delta: string): { text: string; finish?: FinishReason } {
    if (!this.#stops) return this.#measure(delta);
    const { text, stopped } = this.#stops.take(delta);
    return this.#measure(text, stopped ? "stop" : undefined);
  }

  /** What was held back and turned out to be no stop word. */
  rest(): { text: string; finish?: FinishReason } {
    return this.#measure(this.#stops?.rest() ?? "");
  }

  #measure(text: string, finish?: FinishReason): { text: string; finish?: FinishReason } {
    if (this.#left === Infinity) return { text, finish };
    let end = 0;
    for (const character of text) {
      if (this.#left < 0.01) return { text: text.slice(0, end), finish: "length" };
      // About four letters of an alphabet to a token, or three Chinese characters to two.
      this.#left -= character <= "\u02ff" ? 0.25 : 0.67;
      end += character.length;
    }
    return { text, finish };
  }
}
