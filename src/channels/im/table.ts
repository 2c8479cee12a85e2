/** Tables in Markdown: converted to lines, for platforms without tables, and counted. */
import { type Fence, fenceAfter } from "./fence.ts";

/** UTF-16 units of a header that are repeated before each cell. */
const MAX_HEADER = 40;

/** By what factor the lines may be longer than the table: headers are repeated in every row. */
const MAX_GROWTH = 8;

/** Whether a line may be a row. */
export function isRow(line: string): boolean {
  return line.includes("|") && line.trim().length > 1;
}

/** Whether a line separates a table's header from its rows: `|---|:--:|`. */
export function isDivider(line: string): boolean {
  if (!/^[\s|:-]+$/.test(line)) return false;
  const columns = cellsOf(line);
  return columns.length > 1 && columns.every((column) => /^:?-+:?$/.test(column));
}

/** Returns the index at which the table after the first `max` begins; `undefined` without one. */
export function tableAfter(text: string, max: number): number | undefined {
  let fence: Fence | undefined;
  let count = 0, header: number | undefined, isInside = false;
  for (let from = 0; from < text.length;) {
    const end = text.indexOf("\n", from);
    const line = text.slice(from, end < 0 ? undefined : end);
    fence = fenceAfter(line, fence);
    const row = fence === undefined && isRow(line);
    if (!row) isInside = false;
    else if (header !== undefined && !isInside && isDivider(line)) {
      if (++count > max) return header;
      isInside = true;
    }
    header = row ? from : undefined;
    from = end < 0 ? text.length : end + 1;
  }
  return undefined;
}

/**
 * Converts the lines of a table to one line per row: `- header: cell · header: cell`.
 *
 * A table that would become much longer is returned unchanged: a header of 500 KB over 200,000 rows
 * would become 100 GB.
 */
export function rowsAsLines(table: readonly string[]): readonly string[] {
  const [header = "", _divider, ...rows] = table;
  const headers = cellsOf(header).map((cell) => cell.slice(0, MAX_HEADER).toWellFormed());
  let room = MAX_GROWTH * table.reduce((sum, line) => sum + line.length, 0);
  const lines: string[] = [];
  for (const row of rows) {
    const cells = cellsOf(row).map((cell, n) => headers[n] ? `${headers[n]}: ${cell}` : cell);
    const line = `- ${cells.join(" · ")}`;
    room -= line.length;
    if (room < 0) return table;
    lines.push(line);
  }
  return lines;
}

function cellsOf(row: string): string[] {
  const line = row.trim();
  const inner = line.slice(
    line.startsWith("|") ? 1 : 0,
    line.length > 1 && line.endsWith("|") ? -1 : undefined,
  );
  return inner.split("|").map((cell) => cell.trim());
}
