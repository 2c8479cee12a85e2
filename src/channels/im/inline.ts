/**
 * Links, images and emphasis in one line of Markdown. Each function reads the line once: the usual
 * regular expressions take time in the square of the length of a line of brackets or asterisks, and
 * a bot may send a megabyte of them.
 */

/** Replaces each `[label](address "title")` in a line, or each image where `opener` is `![`. */
export function replaceLinks(
  line: string,
  opener: "[" | "![",
  write: (label: string, address: string) => string,
): string {
  let out = "", from = 0, after = 0, open = -1, end = -1;
  for (let close = line.indexOf("]"); close >= 0; close = line.indexOf("]", after)) {
    // The first opener after the last closing bracket; searched again only after it was passed.
    if (open < after) open = line.indexOf(opener, after);
    if (open < 0) break;
    after = close + 1;
    if (open + opener.length > close || line[after] !== "(") continue;
    if (end <= after) end = line.indexOf(")", after + 1);
    if (end < 0) break;
    const address = /^\S+/.exec(line.slice(after + 1, end))?.[0];
    if (address === undefined) continue;
    out += line.slice(from, open) + write(line.slice(open + opener.length, close), address);
    from = after = end + 1;
  }
  return out + line.slice(from);
}

/** Removes the marks of bold: `**` and `__` directly around words. */
export function withoutBold(line: string): string {
  return withoutPairs(withoutPairs(line, "**"), "__");
}

function withoutPairs(line: string, mark: string): string {
  let out = "", from = 0, close = -1;
  for (
    let open = line.indexOf(mark);
    open >= 0;
    open = line.indexOf(mark, Math.max(open + 1, from))
  ) {
    const inside = open + mark.length;
    if (inside >= line.length || isSpace(line[inside]!)) continue;
    if (close <= inside) close = closing(line, mark, inside + 1);
    if (close < 0) break;
    out += line.slice(from, open) + line.slice(inside, close);
    from = close + mark.length;
  }
  return out + line.slice(from);
}

/** Returns the index of the first mark, from `from` on, that directly follows a word. */
function closing(line: string, mark: string, from: number): number {
  let at = line.indexOf(mark, from);
  while (at >= 0 && isSpace(line[at - 1]!)) at = line.indexOf(mark, at + 1);
  return at;
}

function isSpace(sign: string): boolean {
  return sign.trim() === "";
}

/** Removes the marks of code: `` `name` `` becomes `name`. */
export function withoutCode(line: string): string {
  // linear: a backtick is looked at once as a beginning, and what stands up to the next one is
  // passed over.
  return line.replace(/`([^`\n]+)`/g, "$1");
}
