/** Fenced code in Markdown, line by line (CommonMark 0.31, 4.5). */

/** A fence that is open. */
export interface Fence {
  /** The marks that opened it, such as ``` or ~~~~. */
  readonly marks: string;
  /** The whole line that opened it, with the language. */
  readonly line: string;
}

/** Returns the fence that is open after this line; `undefined` where none is. */
export function fenceAfter(line: string, open: Fence | undefined): Fence | undefined {
  if (!mayFence(line)) return open;
  if (open) return closes(line, open.marks) ? undefined : open;
  const marks = MARKS.exec(line)?.[1];
  return marks === undefined ? undefined : { marks, line };
}

/** A fast test: nearly all lines are no fence. */
function mayFence(line: string): boolean {
  let at = 0;
  while (at < 3 && line[at] === " ") at++;
  return line[at] === "`" || line[at] === "~";
}

const MARKS = /^ {0,3}(`{3,}|~{3,})/;

/** Whether a line closes a fence: the same mark, at least as often, and nothing else. */
function closes(line: string, marks: string): boolean {
  if (!MARKS.test(line)) return false;
  const trimmed = line.trim();
  if (trimmed.length < marks.length) return false;
  for (let at = 0; at < trimmed.length; at++) if (trimmed[at] !== marks[0]) return false;
  return true;
}
