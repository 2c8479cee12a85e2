/**
 * This is Markdown as it streams: text is cut into top-level blocks, and only the blocks that may still change are read again
 * when more text comes. What is finished is never touched again, so nothing on the screen moves.
 *
 * A block is finished when a blank line and two more blocks stand behind it: from there on no later text can change what it is.
 * Only a link definition (`[name]: url`) reaches back; when one appears, everything is read once more. After `end()` the
 * blocks are those of the whole text, however it was cut.
 */
import { Lexer, Marked, type MarkedExtension, type MarkedOptions, Parser, type Token, type Tokens } from "marked";

/** One top-level block. */
export interface Block {
  /** The Markdown it came from. */
  readonly raw: string;
  /** `code` blocks carry their text instead of HTML, so that a long one can grow without being parsed again. */
  readonly code?: { readonly text: string; readonly language: string; readonly open: boolean };
  /** Not yet safe: the view sanitises it. */
  readonly html: string;
}

/** Past this a single block is shown as plain text: parsing it would hold up the page, and no person formats like that. */
export const PLAIN_ABOVE = 120_000;

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
  #links: Links = {};

  get text(): string {
    return this.#text;
  }

  push(text: string): void {
    this.#text += text;
  }

  /** Finished blocks first; the same object as before means the same content. */
  blocks(): Block[] {
    if (this.#read !== this.#text.length) this.#advance();
    return [...this.#done, ...this.#tail];
  }

  /** The text is complete. */
  end(): Block[] {
    const before = this.blocks();
    // Reading it all once more makes the result the same for every way of cutting, by construction. Of a very long text only
    // the unfinished end is read again: its definitions were seen on the way.
    const from = this.#text.length > PLAIN_ABOVE ? this.#from : 0;
    const all = from > 0 ? [...this.#done] : [];
    for (const { block } of toBlocks(this.#text.slice(from), this.#links, false)) all.push(block);
    this.#done = all.map((block, index) => same(before[index], block) ? before[index]! : block);
    this.#tail = [];
    this.#from = this.#text.length;
    this.#read = this.#text.length;
    return this.#done;
  }

  #advance(): void {
    const known = Object.keys(this.#links).length;
    let read = toBlocks(this.#text.slice(this.#from), this.#links, true);
    if (Object.keys(this.#links).length > known && this.#done.length > 0) {
      this.#done = [];
      this.#from = 0;
      read = toBlocks(this.#text, this.#links, true);
    }
    const cut = finished(read);
    for (const { block } of read.slice(0, cut)) this.#done.push(block);
    this.#from += read.slice(0, cut).reduce((sum, item) => sum + item.length, 0);
    const old = this.#tail;
    this.#tail = read.slice(cut).map(({ block }) => old.find((before) => same(before, block)) ?? block);
    this.#read = this.#text.length;
  }
}

type Links = Record<string, { href: string | null; title: string | null }>;

interface Piece {
  readonly block: Block;
  /** Characters of text up to the next piece, blank lines included. */
  readonly length: number;
  readonly type: string;
  /** A blank line follows. */
  readonly closed: boolean;
}

/** How many pieces at the front no later text can change. */
function finished(pieces: readonly Piece[]): number {
  for (let index = pieces.length - 3; index >= 0; index--) {
    const [piece, next] = [pieces[index]!, pieces[index + 1]!];
    // A list takes up what is indented or another list after a blank line; indented code goes on after one.
    if (
      piece.closed && piece.type !== "html" && /^\S/.test(next.block.raw) &&
      !(piece.type === "list" && next.type === "list")
    ) {
      return index + 1;
    }
  }
  return 0;
}

function toBlocks(text: string, links: Links, streaming: boolean): Piece[] {
  if (text.length > PLAIN_ABOVE && !/\n\s*\n/.test(text.slice(0, PLAIN_ABOVE))) {
    return [{
      block: { raw: text, html: `<p>${escapeHtml(text)}</p>` },
      length: text.length,
      type: "plain",
      closed: false,
    }];
  }
  const lexer = new Lexer({ ...engine.defaults, ...options });
  Object.assign(lexer.tokens.links, links);
  const tokens = lexer.lex(text);
  for (const [name, link] of Object.entries(lexer.tokens.links)) links[name] = link as Links[string];
  const pieces: Piece[] = [];
  let at = 0;
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index]!;
    if (token.type === "space" || token.type === "def") {
      // Blank lines belong to what stands before them; at the very front they are a piece that shows nothing.
      const last = pieces.at(-1);
      if (last) pieces[pieces.length - 1] = { ...last, length: last.length + token.raw.length, closed: true };
      else pieces.push({ block: { raw: token.raw, html: "" }, length: token.raw.length, type: "space", closed: true });
      at += token.raw.length;
      continue;
    }
    at += token.raw.length;
    const open = streaming && index === tokens.length - 1;
    pieces.push({
      block: toBlock(token, tokens, open),
      length: token.raw.length,
      type: token.type,
      closed: /\n[ \t]*\n$/.test(token.raw),
    });
  }
  // The lexer normalises line ends and tabs at most; where its lengths do not add up, the whole is kept unfinished.
  if (at !== text.length) return pieces.map((piece) => ({ ...piece, closed: false }));
  return pieces;
}

function toBlock(token: Token, all: Token[] & { links?: unknown }, open: boolean): Block {
  if (token.type === "code") {
    const code = token as Tokens.Code;
    const language = /^\S*/.exec(code.lang ?? "")![0].toLowerCase();
    return { raw: token.raw, html: "", code: { text: code.text, language, open } };
  }
  const one = [token] as Token[] & { links: unknown };
  one.links = all.links;
  return { raw: token.raw, html: Parser.parse(one, { ...engine.defaults, ...options }) };
}

function same(a: Block | undefined, b: Block): boolean {
  return a !== undefined && a.raw === b.raw && a.html === b.html && a.code?.text === b.code?.text &&
    a.code?.language === b.code?.language && a.code?.open === b.code?.open;
}

/* ── what our Markdown adds ────────────────────────────────────────────────────────────────────────────────────────── */

interface MathToken extends Tokens.Generic {
  tex: string;
}

const math: MarkedExtension = {
  extensions: [
    {
      name: "mathBlock",
      level: "block",
      start: (text: string) => /(?:^|\n) {0,3}(?:\$\$|\\\[)/.exec(text)?.index,
      tokenizer(text: string) {
        const match = /^ {0,3}(?:\$\$([^]+?)\$\$|\\\[([^]+?)\\\])[ \t]*(?:\n+|$)/.exec(text);
        // A blank line inside means that the dollars were only dollars.
        const tex = match?.[1] ?? match?.[2];
        if (!match || tex === undefined || /\n[ \t]*\n/.test(tex)) return undefined;
        return { type: "mathBlock", raw: match[0], tex: tex.trim() };
      },
      renderer: (token: Tokens.Generic) =>
        `<div class="math" data-math="block">${escapeHtml((token as MathToken).tex)}</div>`,
    },
    {
      name: "mathInline",
      level: "inline",
      start: (text: string) => /\$|\\\(/.exec(text)?.index,
      tokenizer(text: string) {
        // As Pandoc has it: no space just inside, no digit right behind, so that "$5 and $6" stays money.
        const match = /^\$\$([^$\n]+?)\$\$|^\$((?:\\.|[^\\$\n])*?[^\s\\$])\$(?!\d)|^\\\(([^\n]+?)\\\)/.exec(text);
        const tex = match?.[1] ?? match?.[2] ?? match?.[3];
        if (!match || tex === undefined || /^\s/.test(match[2] ?? "")) return undefined;
        return { type: "mathInline", raw: match[0], tex: tex.trim() };
      },
      renderer: (token: Tokens.Generic) =>
        `<span class="math" data-math="inline">${escapeHtml((token as MathToken).tex)}</span>`,
    },
  ],
};

const options: MarkedOptions = { gfm: true, breaks: true, async: false };

const engine = new Marked(math, {
  renderer: {
    link({ href, title, tokens }: Tokens.Link) {
      const text = this.parser.parseInline(tokens);
      const safe = safeLink(href);
      if (!safe) return text;
      return `<a href="${escapeHtml(safe)}"${title ? ` title="${escapeHtml(title)}"` : ""}>${text}</a>`;
    },
    image({ href, title, text }: Tokens.Image) {
      // A picture from elsewhere would tell its server who reads what, and when. It becomes a link that a person may follow.
      if (isImageData(href)) return `<img src="${href}" alt="${escapeHtml(text)}">`;
      const safe = safeLink(href);
      const label = escapeHtml(text || title || href);
      return safe ? `<a href="${escapeHtml(safe)}" data-picture="">${label}</a>` : label;
    },
    code({ text }: Tokens.Code) {
      return `<pre><code>${escapeHtml(text)}</code></pre>`;
    },
  },
});

/** Where a link may lead: the web, mail and telephone. Anything else, relative links included, is text. */
export function safeLink(href: string | null | undefined): string | undefined {
  if (!href) return undefined;
  // Browsers drop these characters before they read the scheme.
  // deno-lint-ignore no-control-regex -- control characters are the attack
  const plain = href.replace(/[\u0000-\u0020\u007f-\u00a0\u200b-\u200f\u2028-\u202f\u2066-\u2069\ufeff]/g, "");
  return /^(?:https?:\/\/|mailto:|tel:)/i.test(plain) ? href.trim() : undefined;
}

/** Pictures that may stand in the page: never SVG, which is a document with scripts of its own. */
export function isImageData(source: string): boolean {
  return /^data:image\/(?:png|jpeg|gif|webp|avif|bmp);base64,[a-z0-9+/=\s]+$/i.test(source);
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
