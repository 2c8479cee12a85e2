/**
 * Long texts, written piece by piece: what a reader has not taken yet stays an index into a text
 * that is there anyway, and not a copy of it for each reader.
 *
 * ```ts
 * for (const piece of jsonInPieces({ type: "image", image: dataUrl })) await send(piece);
 * ```
 */

/** What goes out: at once, or in pieces that are made when they are taken. */
export type EventText = string | Iterable<string>;

/** UTF-16 units of a text that are written at once. */
export const PIECE_UNITS = 64 * 1024;

/**
 * A long text that stands in several, and is not put together: {@linkcode jsonInPieces} writes it
 * as one.
 */
export class LongText {
  constructor(readonly texts: readonly string[]) {}
}

/** Several texts as one: put together where that is short. */
export function longTextOf(texts: readonly string[]): string | LongText {
  return texts.reduce((sum, text) => sum + text.length, 0) <= PIECE_UNITS
    ? texts.join("")
    : new LongText([...texts]);
}

/**
 * A text from a place on, as much of it as is written at once. No character is cut in two: a reader
 * may show each piece as it comes.
 */
export function pieceOf(text: string, from = 0): string {
  if (from === 0 && text.length <= PIECE_UNITS) return text;
  const end = from + PIECE_UNITS;
  const inside = (text.charCodeAt(end - 1) & 0xfc00) === 0xd800 &&
    (text.charCodeAt(end) & 0xfc00) === 0xdc00;
  return text.slice(from, inside ? end + 1 : end);
}

/** All pieces of a text, or of several. */
export function* piecesOf(text: string | LongText): Generator<string, void> {
  for (const one of typeof text === "string" ? [text] : text.texts) {
    for (let at = 0; at < one.length;) {
      const piece = pieceOf(one, at);
      at += piece.length;
      yield piece;
    }
  }
}

/**
 * What stands for a long text until it is written. A bot cannot guess it, so none of its texts is
 * taken for one.
 */
const MARK = crypto.randomUUID();

/**
 * A value as JSON, in which each text that is longer than {@linkcode PIECE_UNITS} comes in pieces.
 */
export function* jsonInPieces(value: unknown): Generator<string, void> {
  const long: (string | LongText)[] = [];
  const json = JSON.stringify(value, (_key, part) => {
    const isLong = part instanceof LongText ||
      (typeof part === "string" && part.length > PIECE_UNITS);
    return isLong ? `${MARK}:${long.push(part) - 1}` : part;
  });
  const [first, ...rest] = json.split(`"${MARK}:`);
  yield first!;
  for (const part of rest) {
    const end = part.indexOf('"');
    yield '"';
    for (const piece of piecesOf(long[Number(part.slice(0, end))]!)) {
      yield JSON.stringify(piece).slice(1, -1);
    }
    yield part.slice(end);
  }
}
