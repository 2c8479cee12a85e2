/**
 * An estimate of the tokens in texts, at a bounded cost.
 *
 * Counting by words costs about 130 ms per megabyte, and a client may send 28 MB. So only
 * {@linkcode MAX_COUNTED_UNITS} units of all texts together are counted, and the rest is
 * extrapolated.
 */

/** UTF-16 units of all texts together that are counted. */
const MAX_COUNTED_UNITS = 64_000;

/**
 * A text up to this many UTF-16 units is counted whole; of a longer one, evenly spread pieces are.
 */
const MAX_WHOLE_UNITS = 4_096;

const PIECES = 8, PIECE = MAX_WHOLE_UNITS / PIECES;

/** The default before anything is counted: about four letters of an alphabet make a token. */
const TOKENS_PER_UNIT = 0.25;

/** One estimate over a number of texts. */
export class TokenEstimate {
  readonly #count: (text: string) => number;
  #left = MAX_COUNTED_UNITS;
  #units = 0;
  #tokens = 0;

  /** @param count counts the tokens of a whole text */
  constructor(count: (text: string) => number) {
    this.#count = count;
  }

  /** The approximate number of tokens of one text. */
  of(text: string): number {
    if (this.#left < Math.min(text.length, MAX_WHOLE_UNITS)) return this.#asMeasured(text.length);
    if (text.length <= MAX_WHOLE_UNITS) return this.#measure(text);
    let tokens = 0;
    for (let piece = 0; piece < PIECES; piece++) {
      const from = Math.floor((text.length - PIECE) * piece / (PIECES - 1));
      tokens += this.#measure(text.slice(from, from + PIECE));
    }
    return Math.round(tokens * text.length / MAX_WHOLE_UNITS);
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
