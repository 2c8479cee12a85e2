/**
 * How many tokens texts hold, by estimate and at a bounded cost.
 *
 * Counting by the words costs about 130 ms per megabyte, and a client may send 28. So of all texts
 * together {@linkcode MEASURED} units are looked at; the rest counts as those did.
 */

/** UTF-16 units of all texts together that are looked at. */
const MEASURED = 64_000;

/**
 * A text up to this is measured whole; of a longer one pieces are, evenly spread. In UTF-16 units.
 */
const WHOLE = 4_096;

const PIECES = 8, PIECE = WHOLE / PIECES;

/** Four letters of an alphabet are about one token; what counts before anything was measured. */
const TOKENS_PER_UNIT = 0.25;

/** One estimate over a number of texts. */
export class TokenEstimate {
  readonly #count: (text: string) => number;
  #left = MEASURED;
  #units = 0;
  #tokens = 0;

  /** @param count counts the tokens of a text by looking at all of it */
  constructor(count: (text: string) => number) {
    this.#count = count;
  }

  /** The tokens of one text, about. */
  of(text: string): number {
    if (this.#left < Math.min(text.length, WHOLE)) return this.#asMeasured(text.length);
    if (text.length <= WHOLE) return this.#measure(text);
    let tokens = 0;
    for (let piece = 0; piece < PIECES; piece++) {
      const from = Math.floor((text.length - PIECE) * piece / (PIECES - 1));
      tokens += this.#measure(text.slice(from, from + PIECE));
    }
    return Math.round(tokens * text.length / WHOLE);
  }

  #measure(text: string): number {
    const tokens = this.#count(text);
    this.#left -= text.length;
    this.#units += text.length;
    this.#tokens += tokens;
    return tokens;
  }

  #asMeasured(units: number): number {
    return Math.ceil(units * (this.#units === 0 ? TOKENS_PER_UNIT : this.#tokens / this.#units));
  }
}
