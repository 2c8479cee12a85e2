/**
 * Tables of Markdown: as lines for platforms that have none, and counted for those that take few.
 */
import { type Fence, fenceAfter } from "./fence.ts";

/** UTF-16 units of a header that stand before a cell. */
const MAX_HEADER = 40;

/** How much longer than the table its lines may be: a header is repeated in every row. */
const MAX_GROWTH = 8;

/** Whether a line may be a row. */
export function isRow(line: string): boolean {
  return line.includes("|") && line.trim().length > 1;
}

/** Whether a line is what stands between a table's header and its rows: `|---|:--:|`. */
export function isDivider(line: string): boolean {
  if (!/^[\s|:-]+$/.test(line)) return false;
  const columns = cellsOf(line);
  return columns.length > 1 && columns.every((column) => /^:?-+:?$/.test(column));
}

/**
 * The place in a text where its table after the first `most` begins; `undefined` where it has no
 * more than these.
 */
export function tableAfter(text: string, most: number): number | undefined {
  let fence: Fence | undefined;
  let count = 0, header: number | undefined, isInside = false;
  for (let from = 0; from < text.length;) {
    const end = text.indexOf("\n", from);
    const line = text.slice(from, end < 0 ? undefined : end);
    fence = fenceAfter(line, fence);
    const row = fence === undefined && isRow(line);
    if (!row) isInside = false;
    else if (header !== undefined && !isInside && isDivider(line)) {
      if (++count > most) return header;
      isInside = true;
    }
    header = row ? from : undefined;
    from = end < 0 ? text.length : end + 1;
  }
  return undefined;
}

/**
 * One line a row, `- header: cell · header: cell`, from all lines of a table.
 *
 * A table that would become much longer stays as it is: a header of 500 KB over 200,000 rows would
 * make 100 GB.
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
