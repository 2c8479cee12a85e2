/**
 * Converts the bots' Markdown to what a platform can show, line by line.
 *
 * It runs on the whole answer at each edit, so it must be fast. A text of 20,000 units takes 0.7
 * ms; markdown-it takes 6 ms for its tokens alone, and 280 ms for 100,000 opening brackets (0.1 ms
 * here).
 */
import { type Fence, fenceAfter } from "./fence.ts";
import { replaceLinks, withoutBold, withoutCode } from "./inline.ts";
import { isDivider, isRow, rowsAsLines } from "./table.ts";

/** The marks that a method cannot show, and their replacements. */
export interface Downgrade {
  /** Tables become one line per row, `header: cell · header: cell`. */
  readonly tables?: boolean;
  /** Fenced code becomes quoted lines. */
  readonly fences?: boolean;
  /** Headings become bold lines. */
  readonly headings?: boolean;
  /** Images become links: a platform shows only what was uploaded to it. */
  readonly images?: boolean;
  /** All marks are removed; the address of a link follows it in brackets. */
  readonly plain?: boolean;
}

/** Returns the text with only the marks that the method can show. Fenced code is not changed. */
export function downgrade(markdown: string, to: Downgrade): string {
  const out: string[] = [];
  const lines = markdown.split("\n");
  let fence: Fence | undefined;
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    const before = fence;
    fence = fenceAfter(line, before);
    if (fence !== before) {
      if (!to.fences && !to.plain) out.push(line);
    } else if (fence !== undefined) {
      out.push(to.fences && !to.plain ? `> ${line}` : line);
    } else {
      const rows = to.tables || to.plain ? tableAt(lines, at) : [];
      if (rows.length > 0) {
        for (const row of rowsAsLines(rows)) out.push(inline(row, to));
        at += rows.length - 1;
      } else out.push(convertLine(line, to));
    }
  }
  return out.join("\n");
}

/** Returns the lines of the table that begins at this line; none where there is no table. */
function tableAt(lines: readonly string[], at: number): readonly string[] {
  if (!isRow(lines[at]!) || !isDivider(lines[at + 1] ?? "")) return [];
  let end = at + 2;
  while (end < lines.length && isRow(lines[end]!)) end++;
  return lines.slice(at, end);
}

function convertLine(line: string, to: Downgrade): string {
  if (!MARKED.test(line)) return line;
  const heading = to.plain || to.headings ? headingOf(line) : undefined;
  if (heading === undefined) return inline(line, to);
  return to.plain ? inline(heading, to) : `**${inline(heading, to)}**`;
}

/** Lines without any of these signs are not changed. */
const MARKED = /[#[*_`]/;

/** The words of `## a heading ##`, or `undefined` for another line. */
function headingOf(line: string): string | undefined {
  if (!/^#{1,6}\s/.test(line)) return undefined;
  const words = line.slice(line.search(/\s/)).trim();
  let end = words.length;
  while (words[end - 1] === "#") end--;
  return words.slice(0, end).trim();
}

function inline(line: string, to: Downgrade): string {
  let text = line;
  if (to.images || to.plain) {
    text = replaceLinks(text, "![", (label, address) => `[${label}](${address})`);
  }
  if (!to.plain) return text;
  text = replaceLinks(
    text,
    "[",
    (label, address) => label && label !== address ? `${label} (${address})` : address,
  );
  return withoutCode(withoutBold(text));
}
