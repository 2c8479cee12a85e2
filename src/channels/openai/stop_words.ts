/**
 * Stop words, looked for in a text that comes in pieces: what may go out, and what must wait
 * because it may be the beginning of one.
 *
 * Each word is matched by Knuth, Morris and Pratt: every character is looked at once for each word,
 * however the pieces fall and however long the words are.
 */
export class StopWords {
  readonly #words: readonly Matcher[];
  /** The end of what came that may be the beginning of a stop word. */
  #held = "";

  constructor(words: readonly string[]) {
    this.#words = words.map((word) => new Matcher(word));
  }

  /** What may go out now, and whether a stop word follows it: nothing may go out then. */
  take(piece: string): { text: string; stopped: boolean } {
    const whole = this.#held + piece;
    let first = -1, longest = 0;
    for (const word of this.#words) {
      const end = word.take(piece);
      const begin = end < 0 ? -1 : this.#held.length + end - word.length;
      if (begin >= 0 && (first < 0 || begin < first)) first = begin;
      longest = Math.max(longest, word.matched);
    }
    if (first >= 0) return { text: whole.slice(0, first), stopped: true };
    const out = whole.length - longest;
    this.#held = whole.slice(out);
    return { text: whole.slice(0, out), stopped: false };
  }

  /** What was held back and turned out to be no stop word. */
  rest(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }
}

/** Looks for one word. */
class Matcher {
  /** How many units of the word the text ends with. */
  matched = 0;
  /** The word's units: read from here they cost half of what they cost in a string. */
  readonly #word: Uint16Array;
  /**
   * At `i`: how long the longest beginning of the word is that its first `i + 1` units end with.
   */
  readonly #back: Uint16Array;

  constructor(word: string) {
    this.#word = Uint16Array.from({ length: word.length }, (_, at) => word.charCodeAt(at));
    this.#back = new Uint16Array(word.length);
    for (let at = 1, length = 0; at < word.length; at++) {
      const code = this.#word[at];
      while (length > 0 && this.#word[length] !== code) length = this.#back[length - 1]!;
      if (this.#word[length] === code) length++;
      this.#back[at] = length;
    }
  }

  get length(): number {
    return this.#word.length;
  }

  /** Goes on with a piece. Returns where the word ends in it, or -1. */
  take(piece: string): number {
    const word = this.#word, back = this.#back, { length } = word;
    let { matched } = this;
    for (let at = 0; at < piece.length; at++) {
      const code = piece.charCodeAt(at);
      while (matched > 0 && word[matched] !== code) matched = back[matched - 1]!;
      if (word[matched] === code) matched++;
      if (matched < length) continue;
      this.matched = back[matched - 1]!;
      return at + 1;
    }
    this.matched = matched;
    return -1;
  }
}
