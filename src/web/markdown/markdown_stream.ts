/**
 * Streaming Markdown. The text is cut into top-level blocks, and only the blocks that may still
 * change are parsed again when more text arrives. A finished block never changes, so nothing on the
 * screen moves.
 *
 * A block is finished when a blank line and two more blocks follow it. Only a link definition
 * (`[name]: url`) reaches back; after one, the whole text is parsed again. After `end()` the
 * blocks are those of the whole text, however it was cut.
 *
 * One pass parses at most {@linkcode PARSE_WINDOW}. A larger block is shown as plain text.
 */
import type { Env, Token } from "markdown-it";
import { codeText, createParser } from "./parser.ts";

/** One top-level block. */
export interface Block {
  /** The Markdown it came from. */
  readonly raw: string;
  /**
   * `code` blocks carry their text instead of HTML, so that a long one can grow without being
   * parsed again.
   */
  readonly code?: { readonly text: string; readonly language: string; readonly open: boolean };
  /** Too much to be read as Markdown, or to be drawn: `raw` is to be shown as it is. */
  readonly plain?: boolean;
  /** Not yet safe: the view sanitises it. */
  readonly html: string;
}

/**
 * What is read at once: UTF-16 units, of which those that cost more count for more. A block that
 * does not end within them is shown as plain text: no person formats like that.
 */
export const PARSE_WINDOW = 64_000;

/**
 * What a line break, the border of a cell and a slash count for. A list of 2,000 lines is read, and
 * a table of 500 rows.
 */
export const PARSE_WEIGHTS: Readonly<Record<number, number>> = { 10: 30, 13: 30, 124: 8, 47: 4 };

/**
 * Blocks of a text; what comes after is plain text, because a page of more elements no longer
 * scrolls.
 */
export const MAX_BLOCKS = 5_000;

/** Link definitions of a text. */
export const MAX_DEFINITIONS = 500;

/**
 * Tags of one block; one with more is shown as plain text. A table of 500 rows and five columns has
 * 12,000.
 */
export const MAX_TAGS = 15_000;

/** All blocks of a whole text. */
export function renderMarkdown(text: string): Block[] {
  const stream = new MarkdownStream();
  stream.push(text);
  return stream.end();
}

export class MarkdownStream {
  #done: Block[] = [];
  /** Where the first unfinished block begins. */
  #from = 0;
  #text = "";
  #tail: Block[] = [];
  /** What the tail was made of, so that asking twice costs nothing. */
  #read = -1;
  /** Definitions in the finished text. */
  #links: Links = NO_LINKS;
  /** The definitions that the finished blocks were made with, wherever they stand. */
  #known: Links = NO_LINKS;
  #restarts = 0;

  get text(): string {
    return this.#text;
  }

  push(text: string): void {
    this.#text += text;
  }

  /**
   * Finished blocks first; the same object as before means the same content. Of a long text that
   * came at once it reads a part each time: {@linkcode hasUnread} says that there is more.
   */
  blocks(): Block[] {
    if (this.hasUnread) this.#advance();
    return [...this.#done, ...this.#tail];
  }

  /** Whether there is text that {@linkcode blocks} has not read yet. */
  get hasUnread(): boolean {
    return this.#read !== this.#text.length;
  }

  /** The text is complete. */
  end(): Block[] {
    while (this.hasUnread) this.blocks();
    const before = [...this.#done, ...this.#tail];
    // Reading it all once more makes the result the same for every way of cutting, by construction.
    // Of a very long text only the unfinished end is read again: its definitions were seen on the
    // way.
    const long = windowEnd(this.#text, 0) < this.#text.length;
    const rest = long ? this.#rest(false) : parseBlocks(this.#text, NO_LINKS, NO_LINKS, false);
    this.#done = reuseBlocks(
      [...(long ? this.#done : []), ...rest.pieces.map(({ block }) => block)],
      before,
    );
    this.#tail = [];
    this.#from = this.#read = this.#text.length;
    return this.#done;
  }

  #advance(): void {
    const before = [...this.#done, ...this.#tail];
    const { pieces, links, more } = this.#rest(true);
    if (this.#done.length > 0 && !this.#knows(links, more)) {
      // A definition came, or what looked like one went on to be something else: the finished
      // blocks are read once more.
      this.#known = links;
      this.#done = [];
      this.#from = 0;
      this.#links = NO_LINKS;
      return this.#advance();
    }
    this.#known = more ? { ...this.#known, ...links } : links;
    // Where more text is there already, every block but the last is as it will be.
    const cut = more ? pieces.length - 1 || 1 : finishedCount(pieces);
    const ready = pieces.slice(0, cut);
    const length = ready.reduce((sum, piece) => sum + piece.length, 0);
    const shown = this.#done.length;
    for (const block of reuseBlocks(ready.map((piece) => piece.block), before.slice(shown))) {
      this.#done.push(block);
    }
    this.#links = definitionsIn(this.#text.slice(this.#from, this.#from + length), this.#links);
    this.#from += length;
    const rest = more ? [] : pieces.slice(cut);
    this.#tail = reuseBlocks(rest.map((piece) => piece.block), before.slice(this.#done.length));
    this.#read = more && this.#from < this.#text.length ? -1 : this.#text.length;
  }

  /**
   * Whether the finished blocks were made with these definitions. Of a long text that changes often
   * they are believed to be.
   */
  #knows(links: Links, more: boolean): boolean {
    const sameBlock = more
      ? Object.keys(links).every((label) => this.#known[label]?.href === links[label]!.href)
      : JSON.stringify(links) === JSON.stringify(this.#known);
    return sameBlock || (this.#text.length > PARSE_WINDOW && ++this.#restarts > MAX_RESTARTS);
  }

  /** What is not finished, or as much of it as is read at once; `more`: there is more. */
  #rest(streaming: boolean): Parsed & { more: boolean } {
    const from = this.#from;
    const most = windowEnd(this.#text, from);
    if (this.#done.length >= MAX_BLOCKS) {
      const rest = plainTextAt(this.#text, from, from + PARSE_WINDOW);
      return { pieces: [rest], links: this.#known, more: from + rest.length < this.#text.length };
    }
    if (most === this.#text.length) {
      return {
        ...parseBlocks(this.#text.slice(from), this.#links, this.#known, streaming),
        more: false,
      };
    }
    const end = Math.max(this.#text.lastIndexOf("\n", most - 1) + 1, from);
    const parsed = parseBlocks(this.#text.slice(from, end), this.#links, this.#known, streaming);
    if (parsed.pieces.length > 1) return { ...parsed, more: true };
    // One block takes up all of it: code goes on to its end, anything else is shown as it is.
    const large = longFenceAt(this.#text, from, streaming) ?? plainTextAt(this.#text, from, most);
    return { pieces: [large], links: parsed.links, more: from + large.length < this.#text.length };
  }
}

/** How often a long text is read again from its beginning because of definitions. */
const MAX_RESTARTS = 5;

type Links = Readonly<Record<string, { readonly href: string; readonly title: string }>>;

const NO_LINKS: Links = {};

interface ParsedBlock {
  readonly block: Block;
  /** Characters of text up to the next piece, blank lines and definitions included. */
  readonly length: number;
  readonly type: string;
  /** A blank line follows. */
  readonly closed: boolean;
}

interface Parsed {
  readonly pieces: ParsedBlock[];
  /** What is defined in the text, and before it. */
  readonly links: Links;
}

/** The old object where the content is the same, so that the view need not look inside. */
function reuseBlocks(blocks: readonly Block[], before: readonly (Block | undefined)[]): Block[] {
  return blocks.map((block, index) => same(before[index], block) ? before[index]! : block);
}

/** How many pieces at the front no later text can change. */
function finishedCount(pieces: readonly ParsedBlock[]): number {
  for (let index = pieces.length - 3; index >= 0; index--) {
    const [piece, next] = [pieces[index]!, pieces[index + 1]!];
    // A list takes up what is indented or another list after a blank line; indented code goes on
    // after one.
    const opens = /^\S/.test(next.block.raw) && !(isList(piece) && isList(next));
    if (piece.closed && piece.type !== "html_block" && opens) return index + 1;
  }
  return 0;
}

function isList({ type }: ParsedBlock): boolean {
  return type === "bullet_list_open" || type === "ordered_list_open";
}

const engine = createParser();

/**
 * @param links what is defined before the text; `known`: what is defined anywhere, as far as it was
 *   read
 */
function parseBlocks(text: string, links: Links, known: Links, streaming: boolean): Parsed {
  const env: Env & { known?: Links; defined?: Links } = { references: { ...links }, known };
  const tokens = engine.parse(text, env);
  const lines = linesOf(text);
  const groups = groupsOf(tokens);
  const pieces = groups.map((group, index): ParsedBlock => {
    const [first, last] = group[0]!.map!;
    const next = firstLine(groups[index + 1]) ?? lines.length - 1;
    const end = lastFull(text, lines, first, last);
    const open = streaming && index === groups.length - 1;
    const raw = text.slice(lines[first], lines[end]).trimEnd();
    return {
      block: toBlock(raw, group, open, env),
      length: lines[next]! - lines[first]!,
      type: group[0]!.type,
      closed: end < next && isBlank(text, lines, end),
    };
  });
  // What is defined at the very front is a piece that shows nothing.
  const front = lines[firstLine(groups[0]) ?? lines.length - 1]!;
  if (front > 0) {
    const block: Block = { raw: text.slice(0, front), html: "" };
    pieces.unshift({ block, length: front, type: "front", closed: true });
  }
  return { pieces, links: limitDefinitions(env.defined ?? links) };
}

function firstLine(group: readonly Token[] | undefined): number | undefined {
  return group?.[0]?.map?.[0];
}

/** Top-level blocks, each with all tokens in it. */
function groupsOf(tokens: readonly Token[]): Token[][] {
  const groups: Token[][] = [];
  let open = false;
  for (const token of tokens) {
    if (open) groups.at(-1)!.push(token);
    else groups.push([token]);
    if (token.level === 0) open = token.nesting === 1;
  }
  return groups;
}

/** Where each line begins, as the parser counts them, and where the text ends. */
function linesOf(text: string): number[] {
  const lines = [0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === LF || (code === CR && text.charCodeAt(at + 1) !== LF)) lines.push(at + 1);
  }
  if (lines.at(-1) !== text.length) lines.push(text.length);
  return lines;
}

const LF = 10, CR = 13;

/** The line after the last line of a block that is not blank. */
function lastFull(text: string, lines: readonly number[], first: number, last: number): number {
  let end = Math.min(last, lines.length - 1);
  while (end > first + 1 && text.slice(lines[end - 1], lines[end]).trim() === "") end--;
  return end;
}

/** Whether a whole line is blank: one that has no end yet may still be written on. */
function isBlank(text: string, lines: readonly number[], line: number): boolean {
  const words = text.slice(lines[line], lines[line + 1]);
  return words.trim() === "" && /[\r\n]$/.test(words);
}

/** The definitions in a text and before it; the first of a name counts. */
function definitionsIn(text: string, before: Links): Links {
  if (!text.includes("]:")) return before;
  const env: Env = { references: { ...before } };
  engine.block.parse(text.replace(/\r\n?/g, "\n"), engine, env, []);
  return limitDefinitions(env.references as Links);
}

/** No more than {@linkcode MAX_DEFINITIONS}, because each step compares and copies them. */
function limitDefinitions(links: Links): Links {
  const all = Object.entries(links);
  return all.length <= MAX_DEFINITIONS ? links : Object.fromEntries(all.slice(0, MAX_DEFINITIONS));
}

function toBlock(raw: string, group: Token[], open: boolean, env: Env): Block {
  const [token] = group;
  if (group.length === 1 && (token!.type === "fence" || token!.type === "code_block")) {
    const language = languageOf(token!.info);
    return { raw, html: "", code: { text: codeText(token!), language, open } };
  }
  const html = engine.renderer.render(group, engine.options, env);
  return hasMoreTags(html, MAX_TAGS) ? { raw, html: "", plain: true } : { raw, html };
}

function languageOf(info: string): string {
  return /^\S*/.exec(info.trim())![0].toLowerCase();
}

function hasMoreTags(html: string, most: number): boolean {
  let tags = 0;
  for (let at = html.indexOf("<"); at >= 0 && tags <= most; at = html.indexOf("<", at + 1)) tags++;
  return tags > most;
}

/**
 * A fence that is too long to be read at once, to its end or the end of the text; `undefined` where
 * none begins here.
 */
function longFenceAt(text: string, from: number, streaming: boolean): ParsedBlock | undefined {
  const begin = text.indexOf("\n", from) + 1;
  // linear: it is given 500 units at most.
  const fence = /^ {0,3}(`{3,}|~{3,})([^\n]*)\n$/.exec(
    text.slice(from, Math.min(begin, from + 500)),
  );
  if (!fence || (fence[1]![0] === "`" && fence[2]!.includes("`"))) return undefined;
  for (let line = begin; line < text.length;) {
    const next = text.indexOf("\n", line) + 1 || text.length;
    const words = text.slice(line, next);
    const mark = words.length < 500
      ? /^ {0,3}(`{3,}|~{3,})[ \t]*\r?\n?$/.exec(words)?.[1]
      : undefined;
    if (mark?.startsWith(fence[1]!)) {
      return fencedBlock(text, from, begin, line, next, fence[2]!, false);
    }
    line = next;
  }
  return fencedBlock(text, from, begin, text.length, text.length, fence[2]!, streaming);
}

function fencedBlock(
  text: string,
  from: number,
  begin: number,
  last: number,
  end: number,
  info: string,
  open: boolean,
): ParsedBlock {
  const code = {
    text: text.slice(begin, last).replace(/\n$/, ""),
    language: languageOf(info),
    open,
  };
  return {
    block: { raw: text.slice(from, end), html: "", code },
    length: end - from,
    type: "fence",
    closed: false,
  };
}

/** Where the text ends that is read at once. */
function windowEnd(text: string, from: number): number {
  let at = from;
  for (let weight = 0; at < text.length && weight < PARSE_WINDOW; at++) {
    weight += PARSE_WEIGHTS[text.charCodeAt(at)] ?? 1;
  }
  return at;
}

/** As much as this, to the end of its line, as it stands. */
function plainTextAt(text: string, from: number, most: number): ParsedBlock {
  const end = text.indexOf("\n", most) + 1 || text.length;
  const block: Block = { raw: text.slice(from, end), html: "", plain: true };
  return { block, length: end - from, type: "plain", closed: false };
}

function same(a: Block | undefined, b: Block): boolean {
  return a !== undefined && a.raw === b.raw && a.html === b.html && a.code?.text === b.code?.text &&
    a.code?.language === b.code?.language && a.code?.open === b.code?.open &&
    a.plain === b.plain;
}
