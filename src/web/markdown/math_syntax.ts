/**
 * The syntax of formulas: `$x$`, `\(x\)`, and `$$x$$`, `\[x\]` on lines of their own. The parser
 * only marks the TeX; it is rendered later.
 */
import type { MarkdownIt, StateBlock, StateInline } from "markdown-it";
import { escapeHtml } from "./known_html.ts";

/** Teaches formulas to the parser. */
export function mathSyntax(md: MarkdownIt): void {
  md.inline.ruler.before("escape", "math_inline", inline);
  md.block.ruler.before("fence", "math_block", block, {
    alt: ["paragraph", "reference", "blockquote", "list"],
  });
  md.renderer.rules.math_inline = (tokens, at) =>
    `<span class="math" data-math="inline">${escapeHtml(tokens[at]!.content)}</span>`;
  md.renderer.rules.math_block = (tokens, at) =>
    `<div class="math" data-math="block">${escapeHtml(tokens[at]!.content)}</div>\n`;
}

function inline(state: StateInline, silent: boolean): boolean {
  const { src, pos } = state;
  if (src[pos] !== "$" && !src.startsWith("\\(", pos)) return false;
  const found = src[pos] === "$" ? dollars(src, pos) : brackets(state);
  if (!found) return false;
  if (!silent) state.push("math_inline", "", 0).content = src.slice(found.from, found.to).trim();
  state.pos = found.end;
  return true;
}

interface Span {
  readonly from: number;
  readonly to: number;
  readonly end: number;
}

/**
 * `$$x$$` or `$x$` on one line. A dollar inside ends it either way, so none is looked for beyond
 * the next.
 */
function dollars(src: string, at: number): Span | undefined {
  const marks = src[at + 1] === "$" ? 2 : 1;
  const from = at + marks;
  let to = from;
  while (to < src.length && src[to] !== "$" && src[to] !== "\n") {
    to += marks === 1 && src[to] === "\\" ? 2 : 1;
  }
  if (src[to] !== "$" || to === from) return undefined;
  if (marks === 2) return src[to + 1] === "$" ? { from, to, end: to + 2 } : undefined;
  // As Pandoc has it: no space just inside, no digit right after, so that "$5 and $6" stays money.
  const tight = !isSpace(src[from]!) && !isSpace(src[to - 1]!);
  return tight && !/\d/.test(src[to + 1] ?? "") ? { from, to, end: to + 1 } : undefined;
}

/**
 * `\(x\)` on one line. What closes nothing up to the end of the line is not looked for again from
 * the same line.
 */
function brackets(state: StateInline & { unclosedUntil?: number }): Span | undefined {
  const { src, pos } = state;
  if (pos < (state.unclosedUntil ?? 0)) return undefined;
  const line = src.indexOf("\n", pos);
  const end = line < 0 ? src.length : line;
  const to = src.slice(0, end).indexOf("\\)", pos + 2);
  if (to < 0) state.unclosedUntil = end;
  return to <= pos + 2 ? undefined : { from: pos + 2, to, end: to + 2 };
}

/** A formula of its own ends before a blank line, or its marks were only marks. */
function block(
  state: StateBlock & { unclosed?: Map<string, number> },
  line: number,
  last: number,
  silent: boolean,
) {
  const open = markAt(state, line);
  if (open === undefined) return false;
  const unclosed = state.unclosed ??= new Map();
  if (line < (unclosed.get(open) ?? 0)) return false;
  const close = open === "$$" ? "$$" : "\\]";
  for (let at = line; at < last && !state.isEmpty(at); at++) {
    const from = state.bMarks[at]! + state.tShift[at]! + (at === line ? open.length : 0);
    const text = state.src.slice(from, state.eMarks[at]).trimEnd();
    if (!text.endsWith(close) || (at === line && text === close)) continue;
    const content = state.getLines(line, at + 1, state.sCount[line]!, false).trim().slice(
      open.length,
      -close.length,
    );
    if (content.trim() === "" || (open === "$$" && content.includes("$$"))) break;
    if (silent) return true;
    const token = state.push("math_block", "", 0);
    token.content = content.trim();
    token.map = [line, at + 1];
    state.line = at + 1;
    return true;
  }
  let end = line;
  while (end < last && !state.isEmpty(end)) end++;
  unclosed.set(open, end);
  return false;
}

function markAt(state: StateBlock, line: number): string | undefined {
  if (state.sCount[line]! - state.blkIndent >= 4) return undefined;
  const marks = state.src.slice(state.bMarks[line]! + state.tShift[line]!, state.eMarks[line])
    .slice(0, 2);
  return marks === "$$" || marks === "\\[" ? marks : undefined;
}

function isSpace(sign: string): boolean {
  return sign.trim() === "";
}
