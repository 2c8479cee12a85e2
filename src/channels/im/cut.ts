/**
 * Cuts long Markdown into parts by UTF-8 bytes. Nothing is lost, and each cut reads only as much of
 * the text as fits into a part.
 */
import { type Fence, fenceAfter } from "./fence.ts";

const encoder = new TextEncoder();

/** UTF-8 bytes of a text. */
export function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/** Whether a text has at most so many bytes. The cost is bounded by `bytes`. */
export function fitsIn(text: string, bytes: number): boolean {
  // A unit is one to three bytes.
  return text.length * 3 <= bytes || (text.length <= bytes && byteLength(text) <= bytes);
}

/**
 * Splits a text into parts of at most `bytes`. Nothing is lost or repeated except fences, which are
 * closed and opened again.
 */
export function split(text: string, bytes: number): string[] {
  const parts: string[] = [];
  let opening = "", from = 0;
  for (;;) {
    // One unit more than fits shows that there is more.
    const rest = opening + text.slice(from, from + bytes + 1);
    if (fitsIn(rest, bytes)) return [...parts, rest];
    const cut = cutAt(rest, bytes);
    parts.push(rest.slice(0, cut.at) + cut.closing);
    from += cut.at - opening.length;
    opening = cut.opening;
  }
}

/**
 * The best place for a cut: after a paragraph, else after a line, else a sentence, else a word,
 * else anywhere.
 */
export interface TextCut {
  /** UTF-16 units before the cut. */
  readonly at: number;
  /** Closes a fence that is open at the cut; to be added before it. */
  readonly closing: string;
  /** Opens the fence again; to be put before the rest. */
  readonly opening: string;
}

/** The longest line that opens a fence again, and its most marks, in UTF-16 units. */
const MAX_OPENING = 80, MAX_MARKS = 38;

/**
 * Returns the best cut with at most `bytes` before it, fences included. @param bytes 256 or more
 */
export function cutAt(text: string, bytes: number): TextCut {
  // Room for a closing fence and its line break.
  const end = unitsWithin(text, bytes - MAX_MARKS - 2);
  const room = text.slice(0, end);
  let fence: Fence | undefined;
  let paragraph = 0, line = 0;
  for (let next = room.indexOf("\n"); next >= 0; next = room.indexOf("\n", line)) {
    const words = room.slice(line, next);
    fence = fenceAfter(words, fence);
    line = next + 1;
    if (fence === undefined && words.trim() === "") paragraph = line;
  }
  if (paragraph > end / 2) return { at: paragraph, closing: "", opening: "" };
  const onlyOpening = fence !== undefined && line <= Math.min(fence.line.length, MAX_OPENING) + 1;
  if (line > end / 3 && !onlyOpening) return fenced(line, text, fence);
  // The line is longer than a third of everything: cut inside it.
  const half = line + Math.floor((end - line) / 2);
  return fenced(
    lastAfter(room, SENTENCE_ENDS, half) || lastAfter(room, SPACES, half) || end,
    text,
    fence,
  );
}

/** Returns what closes the fence that a text leaves open, and what opens it again. */
export function openFence(text: string): Pick<TextCut, "closing" | "opening"> {
  let fence: Fence | undefined;
  for (const line of text.split("\n")) fence = fenceAfter(line, fence);
  return fenced(text.length, text, fence);
}

function fenced(at: number, text: string, fence: Fence | undefined): TextCut {
  if (!fence) return { at, closing: "", opening: "" };
  const marks = fence.marks.slice(0, MAX_MARKS);
  return {
    at,
    closing: (text[at - 1] === "\n" ? "" : "\n") + marks,
    opening: fence.line.slice(0, MAX_OPENING) + "\n",
  };
}

/** Returns the index after the last of these signs and the spaces after it; 0 before `from`. */
function lastAfter(text: string, signs: RegExp, from: number): number {
  for (let at = text.length - 1; at >= from; at--) {
    if (!signs.test(text[at]!)) continue;
    let end = at + 1;
    while (end < text.length && SPACES.test(text[end]!)) end++;
    return end;
  }
  return 0;
}

const SENTENCE_ENDS = /[。！？；.!?;]/, SPACES = /\s/;

/** Returns how many UTF-16 units fit into so many bytes: whole characters, at least one. */
function unitsWithin(text: string, bytes: number): number {
  const room = new Uint8Array(Math.max(4, bytes));
  const { read } = encoder.encodeInto(text.slice(0, room.length), room);
  return Math.max(read, (text.codePointAt(0) ?? 0) > 0xffff ? 2 : 1);
}
