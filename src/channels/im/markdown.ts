/** The bots' Markdown, brought to what a platform can show. */
import { type Fence, fenceAfter } from "./fence.ts";
import { replaceLinks, withoutBold, withoutCode } from "./inline.ts";
import { isDivider, isRow, rowsAsLines } from "./table.ts";

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
      } else out.push(ofLine(line, to));
    }
  }
  return out.join("\n");
}

/** The lines of the table that begins at a line; none where none does. */
function tableAt(lines: readonly string[], at: number): readonly string[] {
  if (!isRow(lines[at]!) || !isDivider(lines[at + 1] ?? "")) return [];
  let end = at + 2;
  while (end < lines.length && isRow(lines[end]!)) end++;
  return lines.slice(at, end);
}

function ofLine(line: string, to: Downgrade): string {
  if (!MARKED.test(line)) return line;
  const heading = to.plain || to.headings ? headingOf(line) : undefined;
  if (heading === undefined) return inline(line, to);
  return to.plain ? inline(heading, to) : `**${inline(heading, to)}**`;
}

/** A line that none of this changes has none of these. */
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
