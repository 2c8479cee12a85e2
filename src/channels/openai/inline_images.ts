/**
 * Pictures in the words of a talk. A bot's pictures and files go out as Markdown
 * (`![image](data:image/png;base64,…)`) and come back in the history that clients send: megabytes
 * of base64 that no model can read as text.
 */

/** UTF-16 units of a label; a longer one is somebody's text that happens to stand in brackets. */
const MAX_LABEL = 300;

/**
 * The text with `[image]` for each picture and `[name]` for each other file. Goes over the text
 * once for each kind.
 */
export function withoutInlineFiles(text: string): string {
  if (!text.includes("](data:")) return text;
  const withoutImages = replaced(
    text,
    { opener: "![", middle: "](data:image/", escapes: false },
    () => "[image]",
  );
  return replaced(
    withoutImages,
    { opener: "[", middle: "](data:", escapes: true },
    (label) => `[${label}]`,
  );
}

interface Form {
  readonly opener: string;
  /** What stands between the label and the rest of the address. */
  readonly middle: string;
  /** Whether a backslash takes a bracket its meaning. */
  readonly escapes: boolean;
}

function replaced(text: string, form: Form, write: (label: string) => string): string {
  const { opener, middle } = form;
  let out = "", from = 0, end = -1;
  for (let at = text.indexOf(middle); at >= 0; at = text.indexOf(middle, Math.max(at + 1, from))) {
    const open = openingOf(text, at, from, form);
    if (open < 0) continue;
    if (end < at + middle.length) end = text.indexOf(")", at + middle.length);
    // Nothing closes this one, so nothing closes those after it.
    if (end < 0) break;
    out += text.slice(from, open) + write(text.slice(open + opener.length, at));
    from = end + 1;
  }
  return out + text.slice(from);
}

/**
 * What opens the label that ends at `close`: the first opener behind the bracket that closed
 * before; or -1.
 */
function openingOf(text: string, close: number, from: number, { opener, escapes }: Form): number {
  const isSign = (at: number) => !escapes || !isEscaped(text, at, from);
  if (!isSign(close)) return -1;
  let open = -1;
  for (let at = close - 1; at >= Math.max(from, close - opener.length - MAX_LABEL); at--) {
    if (text[at] === "]" && isSign(at)) break;
    if (text.startsWith(opener, at) && at + opener.length <= close) open = at;
  }
  return open;
}

/** Whether an odd number of backslashes stands before it. */
function isEscaped(text: string, at: number, from: number): boolean {
  let slashes = 0;
  while (at - 1 - slashes >= from && text[at - 1 - slashes] === "\\") slashes++;
  return slashes % 2 === 1;
}
