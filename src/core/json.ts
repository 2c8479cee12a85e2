/**
 * A JSON parser for input from outside, with bounds.
 *
 * `JSON.parse` holds the event loop for 20 ms per megabyte of text and for 140 to 200 ms per
 * megabyte of brackets, and what comes out of a megabyte of brackets overflows the stack of
 * whatever walks it. So the text is looked at before it is parsed: how many values it holds, and
 * how deep they stand.
 */

/** How many values a text may hold. */
export interface JsonBounds {
  /** Values in all. */
  readonly values: number;
  /** Lists and objects, each of which costs seven times as much as a number. */
  readonly containers: number;
}

/** A request of 5,000 messages with a text and an image each has 40,000 values. */
export const JSON_BOUNDS: JsonBounds = { values: 50_000, containers: 50_000 };

/** How deep values may stand in each other: schemas of tools have about 20 levels. */
export const MAX_DEPTH = 100;

/**
 * Parses a text. Throws a `SyntaxError` where it is no JSON, or more than the bounds allow; its
 * message says what.
 */
export function parseJson(text: string, bounds = JSON_BOUNDS): unknown {
  const excess = excessOf(text, bounds);
  if (excess !== undefined) throw new TooComplex(excess);
  return JSON.parse(text);
}

/** The text may be JSON, but exceeds the bounds. */
export class TooComplex extends SyntaxError {
  override readonly name = "TooComplex";
}

/** A text of this length cannot be too deep and is not examined: most frames of bots. */
const MAX_UNCHECKED_LENGTH = 2 * MAX_DEPTH;

const QUOTE = 34, COMMA = 44, BACKSLASH = 92;
const OPEN_LIST = 91, CLOSE_LIST = 93, OPEN_OBJECT = 123, CLOSE_OBJECT = 125;

/**
 * The bound that a JSON text exceeds, in words, or `undefined`. Does not check whether it is JSON.
 */
export function excessOf(text: string, { values, containers } = JSON_BOUNDS): string | undefined {
  if (text.length <= MAX_UNCHECKED_LENGTH) return undefined;
  let commas = 0, opened = 0, depth = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at);
        if (at < 0) return undefined;
        break;
      case OPEN_LIST:
      case OPEN_OBJECT:
        if (++depth > MAX_DEPTH) return `it is nested more than ${MAX_DEPTH} levels deep`;
        if (++opened > containers) return `it holds more than ${containers} lists and objects`;
        if (opened + commas >= values) return `it holds more than ${values} values`;
        break;
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        depth--;
        break;
      case COMMA:
        if (opened + ++commas >= values) return `it holds more than ${values} values`;
    }
  }
  return undefined;
}

/**
 * The quote that ends a string, or -1. Strings may hold megabytes of base64, so the runtime's own
 * search passes over them.
 */
function endOfString(text: string, from: number): number {
  let at = text.indexOf('"', from + 1);
  while (at >= 0) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return at;
    at = text.indexOf('"', at + 1);
  }
  return -1;
}
