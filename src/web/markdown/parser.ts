/**
 * The Markdown parser: markdown-it with formulas, task lists, safe links, images without remote
 * loading, and limits, because a bot may send anything.
 *
 * markdown-it passes over a text a bounded number of times; other parsers take seconds for a
 * kilobyte of `>`.
 */
import Parser, {
  type MarkdownIt,
  type RendererRule,
  type StateBlock,
  type StateCore,
  type Token,
} from "markdown-it";
import { escapeHtml, isImageData, knownTags, safeLink } from "./known_html.ts";
import { mathSyntax } from "./math_syntax.ts";

/** Levels of lists and quotes in each other; what stands deeper is text. A list takes two. */
export const MAX_NESTING = 40;

/** Cells of one table. */
export const MAX_CELLS = 6_000;

/** Marks in one paragraph that are read as marks; with more it is text. */
export const MAX_MARKS = 1_000;

/** The parser. One is enough. */
export function createParser(): MarkdownIt {
  const md = new Parser({ html: true, breaks: true, linkify: true });
  // Only what says where it leads: `readme.md` is a file, and its ending a country.
  md.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
  md.use(mathSyntax);
  md.block.ruler.before("table", "too_deep", tooDeep, {
    alt: ["paragraph", "reference", "blockquote", "list"],
  });
  md.block.ruler.before("table", "huge_table", hugeTable, { alt: ["paragraph", "reference"] });
  md.core.ruler.before("inline", "definitions", definitions);
  md.core.ruler.at("inline", inline);
  md.core.ruler.push("finish", finish);
  // What a link may be is decided in `finish`: one that may not be is its words.
  md.validateLink = () => true;
  md.normalizeLink = encodeUrl;
  md.normalizeLinkText = (url) => url;
  Object.assign(md.renderer.rules, renderers(md));
  return md;
}

/** Everything inside as one text. The parser itself would leave it out. */
function tooDeep(state: StateBlock, line: number, last: number, silent: boolean): boolean {
  if (state.level < MAX_NESTING) return false;
  if (!silent) pushAsText(state, line, last);
  return true;
}

/** A table of more cells is text: rows need not name their cells, so a few bytes make hundreds. */
function hugeTable(state: StateBlock, line: number, last: number, silent: boolean): boolean {
  if (line + 2 > last || state.isEmpty(line)) return false;
  const border = state.src.slice(
    state.bMarks[line + 1]! + state.tShift[line + 1]!,
    state.eMarks[line + 1],
  );
  const columns = border.split("|").length;
  if (columns < 2 || /[^-:|\s]/.test(border)) return false;
  let end = line;
  while (end < last && !state.isEmpty(end) && (end - line) * columns <= MAX_CELLS) end++;
  if ((end - line) * columns <= MAX_CELLS) return false;
  while (end < last && !state.isEmpty(end)) end++;
  if (!silent) pushAsText(state, line, end);
  return true;
}

function pushAsText(state: StateBlock, line: number, last: number): void {
  const paragraph = state.push("paragraph_open", "p", 1);
  paragraph.map = [line, last];
  const words = state.push("inline", "", 0);
  words.content = state.getLines(line, last, state.blkIndent, false).trim();
  words.map = [line, last];
  words.meta = { plain: true };
  words.children = [];
  state.push("paragraph_close", "p", -1);
  state.line = last;
}

/**
 * Notes what the text itself defines (`env.defined`), and lets links use what is defined elsewhere
 * (`env.known`).
 */
function definitions({ env }: StateCore): void {
  env.defined = { ...env.references };
  env.references = { ...env.known as typeof env.references, ...env.references };
}

/** As the parser's own, but a paragraph that only a machine could have written is left as text. */
function inline({ tokens, md, env, Token }: StateCore): void {
  for (const token of tokens) {
    if (token.type !== "inline") continue;
    if (token.meta?.plain || isTangled(token.content)) {
      const words = new Token("text", "", 0);
      words.content = token.content;
      token.children = [words];
    } else md.inline.parse(token.content, md, env, token.children ??= []);
  }
}

function isTangled(text: string): boolean {
  if (text.length < MAX_MARKS) return false;
  let marks = 0;
  for (let at = 0; at < text.length; at++) if (MARKS.has(text.charCodeAt(at))) marks++;
  return marks > MAX_MARKS;
}

const MARKS = new Set([..."*_~[]`<$!&\\:@"].map((mark) => mark.charCodeAt(0)));

function finish({ tokens, Token }: StateCore): void {
  for (const [at, token] of tokens.entries()) {
    if (token.type === "th_open" || token.type === "td_open") align(token);
    if (token.type !== "inline" || !token.children) continue;
    dropUnsafeLinks(token.children);
    if (tokens[at - 1]?.type === "paragraph_open" && tokens[at - 2]?.type === "list_item_open") {
      const box = taskCheckbox(token.children[0], Token);
      if (box) token.children.unshift(box);
    }
  }
}

/** How a column stands, as an attribute: a style must not come from a bot. */
function align(cell: Token): void {
  const side = /^text-align:(\w+)$/.exec(attribute(cell, "style"))?.[1];
  cell.attrs = side === undefined ? null : [["align", side]];
}

/** Takes the links away that lead anywhere but to the web, mail and telephone; their words stay. */
function dropUnsafeLinks(tokens: readonly Token[]): void {
  const open: boolean[] = [];
  for (const token of tokens) {
    if (token.type === "link_open") {
      const href = safeLink(attribute(token, "href"));
      if (href !== undefined) token.attrSet("href", href);
      token.hidden = href === undefined;
      open.push(token.hidden);
    } else if (token.type === "link_close") token.hidden = open.pop() ?? true;
  }
}

/** The box of `[ ] a task`, taken off its words. */
function taskCheckbox(words: Token | undefined, kind: typeof Token): Token | undefined {
  const mark = words?.type === "text" ? /^\[([ xX])\]\s/.exec(words.content) : null;
  if (!words || !mark) return undefined;
  words.content = words.content.slice(3);
  const box = new kind("checkbox", "input", 0);
  box.attrs = [
    ["type", "checkbox"],
    ["disabled", ""],
    ...(mark[1] === " " ? [] : [["checked", ""]] as [string, string][]),
  ];
  return box;
}

/** The address with what cannot stand in one encoded; what is encoded already stays. */
function encodeUrl(url: string): string {
  try {
    return encodeURI(url).replaceAll("%25", "%");
  } catch {
    // Half a character.
    return url;
  }
}

function renderers(md: MarkdownIt): Record<string, RendererRule> {
  const code = (tokens: Token[], at: number) =>
    `<pre><code>${escapeHtml(codeText(tokens[at]!))}</code></pre>\n`;
  const html = (tokens: Token[], at: number) => knownTags(tokens[at]!.content);
  return {
    fence: code,
    code_block: code,
    html_block: html,
    html_inline: html,
    image(tokens, at, options, env) {
      const token = tokens[at]!;
      const source = attribute(token, "src");
      const label = md.renderer.renderInlineAsText(token.children ?? [], options, env);
      // A remote image would tell its server who reads what, and when. It becomes a link.
      if (isImageData(source)) return `<img src="${source}" alt="${escapeHtml(label)}">`;
      const safe = safeLink(source);
      const words = escapeHtml(label || attribute(token, "title") || source);
      return safe ? `<a href="${escapeHtml(safe)}" data-picture="">${words}</a>` : words;
    },
  };
}

function attribute(token: Token, name: string): string {
  return String(token.attrGet(name) ?? "");
}

/** The code of a token, without the line break at its end. */
export function codeText({ content }: Token): string {
  return content.endsWith("\n") ? content.slice(0, -1) : content;
}
