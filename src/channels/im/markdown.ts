/**
 * The bots' Markdown, brought to what a platform can show, and split by bytes with nothing lost.
 */

/** What a way cannot show, and so is written otherwise. */
export interface Downgrade {
  /** Tables become one line per row, `header: cell · header: cell`. */
  readonly tables?: boolean;
  /** Fenced code becomes quoted lines. */
  readonly fences?: boolean;
  /** Headings become bold lines. */
  readonly headings?: boolean;
  /** Images become links: a platform shows only what was uploaded to it. */
  readonly images?: boolean;
  /** Every mark goes, links keep their address in brackets. */
  readonly plain?: boolean;
}

/** The same words with the marks that are understood. Code inside fences stays as it is. */
export function downgrade(markdown: string, to: Downgrade): string {
  const out: string[] = [];
  const lines = markdown.split("\n");
  let fence: string | undefined;
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    const mark = FENCE.exec(line);
    if (mark && (fence === undefined || closes(line, fence))) {
      fence = fence === undefined ? mark[1]! : undefined;
      if (!to.fences && !to.plain) out.push(line);
      continue;
    }
    if (fence !== undefined) {
      out.push(to.fences && !to.plain ? `> ${line}` : line);
      continue;
    }
    if ((to.tables || to.plain) && isRow(line) && DIVIDER.test(lines[at + 1] ?? "")) {
      const headers = cells(line);
      at += 2;
      for (; at < lines.length && isRow(lines[at]!); at++) {
        const row = cells(lines[at]!).map((cell, n) => headers[n] ? `${headers[n]}: ${cell}` : cell).join(" · ");
        out.push(`- ${inline(row, to)}`);
      }
      at--;
      continue;
    }
    const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line);
    if (heading && to.plain) out.push(inline(heading[2]!, to));
    else if (heading && to.headings) out.push(`**${inline(heading[2]!, to)}**`);
    else out.push(inline(line, to));
  }
  return out.join("\n");
}

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const DIVIDER = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)+\|?\s*$/;

function isRow(line: string): boolean {
  return line.includes("|") && line.trim().length > 1;
}

function cells(line: string): string[] {
  return line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
}

function closes(line: string, fence: string): boolean {
  const trimmed = line.trim();
  return trimmed.length >= fence.length && [...trimmed].every((mark) => mark === fence[0]);
}

function inline(line: string, to: Downgrade): string {
  let text = line;
  if (to.images || to.plain) text = text.replace(/!\[([^\]\n]*)\]\(([^)\s]+)[^)\n]*\)/g, "[$1]($2)");
  if (!to.plain) return text;
  return text
    .replace(
      /\[([^\]\n]*)\]\(([^)\s]+)[^)\n]*\)/g,
      (_all, words, link) => words && words !== link ? `${words} (${link})` : link,
    )
    .replace(/(\*\*|__)(?=\S)(.+?)(?<=\S)\1/g, "$2")
    .replace(/`([^`\n]+)`/g, "$1");
}

const encoder = new TextEncoder();

/** UTF-8 bytes of a text, without keeping them. */
export function byteLength(text: string): number {
  // Three bytes a unit is the most UTF-8 needs, so short texts need no encoding to be known to fit.
  return encoder.encode(text).length;
}

/** A text in parts of at most `bytes`; nothing is lost and nothing doubled except the fences that are closed and opened again. */
export function split(text: string, bytes: number): string[] {
  const parts: string[] = [];
  let rest = text;
  while (byteLength(rest) > bytes) {
    const cut = cutAt(rest, bytes);
    parts.push(rest.slice(0, cut.at) + cut.closing);
    rest = cut.opening + rest.slice(cut.at);
  }
  parts.push(rest);
  return parts;
}

/** Where a text that goes on is best cut: behind a paragraph, else a line, else a sentence, else a word, else anywhere. */
export interface Cut {
  /** UTF-16 units before the cut. */
  readonly at: number;
  /** What closes a fence that is open there, to be added before the cut. */
  readonly closing: string;
  /** What opens it again, to be put in front of the rest. */
  readonly opening: string;
}

/** The best cut with at most `bytes` before it, fence and all. `bytes` must be 64 or more. */
export function cutAt(text: string, bytes: number): Cut {
  // 40 bytes: room for a closing fence of up to 38 marks and its line break.
  const end = unitsWithin(text, bytes - 40);
  let fence: { marks: string; line: string } | undefined;
  let paragraph = 0, line = 0;
  let fenceAtLine: typeof fence;
  for (let at = 0; at < end;) {
    const next = text.indexOf("\n", at);
    if (next < 0 || next + 1 > end) break;
    const words = text.slice(at, next);
    const mark = FENCE.exec(words);
    if (mark && fence === undefined) fence = { marks: mark[1]!.slice(0, 38), line: words.slice(0, 80) };
    else if (mark && fence && closes(words, fence.marks)) fence = undefined;
    at = next + 1;
    line = at;
    fenceAtLine = fence;
    if (words.trim() === "" && fence === undefined) paragraph = at;
  }
  if (paragraph > end / 2) return { at: paragraph, closing: "", opening: "" };
  if (line > end / 3 && !(fenceAtLine && line <= fenceAtLine.line.length + 1)) return fenced(line, text, fenceAtLine);
  // The line is longer than a third of everything: cut inside it.
  const tail = text.slice(line, end);
  const inside = Math.max(lastMatch(tail, /[。！？；.!?;]\s*/g), 0) || Math.max(lastMatch(tail, /\s+/g), 0);
  const at = inside > tail.length / 2 ? line + inside : end;
  return fenced(at, text, fenceAtLine);
}

function fenced(at: number, text: string, fence: { marks: string; line: string } | undefined): Cut {
  if (!fence) return { at, closing: "", opening: "" };
  return { at, closing: (text[at - 1] === "\n" ? "" : "\n") + fence.marks, opening: fence.line + "\n" };
}

function lastMatch(text: string, pattern: RegExp): number {
  let last = -1;
  for (const match of text.matchAll(pattern)) last = match.index + match[0].length;
  return last;
}

/** How many UTF-16 units fit into so many bytes, no pair cut in two; at least one character. */
function unitsWithin(text: string, bytes: number): number {
  const room = new Uint8Array(Math.max(4, bytes));
  const { read } = encoder.encodeInto(text, room);
  return Math.max(read, (text.codePointAt(0) ?? 0) > 0xffff ? 2 : 1);
}
