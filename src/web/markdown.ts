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
  /** Too much to be read as Markdown: `raw` is to be shown as it is. */
  readonly plain?: boolean;
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
  /** Definitions in the finished text. */
  #links: Links = {};
  /** The definitions that the finished blocks were made with. */
  #madeWith = "";

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
    const long = this.#text.length > PLAIN_ABOVE;
    const all = long ? [...this.#done] : [];
    const rest = toPieces(this.#text.slice(long ? this.#from : 0), long ? this.#links : {}, false);
    for (const { block } of rest) all.push(block);
    this.#done = kept(all, before);
    this.#tail = [];
    this.#from = this.#text.length;
    this.#read = this.#text.length;
    return this.#done;
  }

  #advance(): void {
    const before = [...this.#done, ...this.#tail];
    let pieces = toPieces(this.#text.slice(this.#from), this.#links, true);
    let madeWith = JSON.stringify(linksOf(pieces, this.#links));
    if (madeWith !== this.#madeWith && this.#done.length > 0) {
      // A definition came, or what looked like one went on to be something else.
      this.#done = [];
      this.#from = 0;
      this.#links = {};
      pieces = toPieces(this.#text, {}, true);
      madeWith = JSON.stringify(linksOf(pieces, {}));
    }
    this.#madeWith = madeWith;
    const cut = finished(pieces);
    const ready = pieces.slice(0, cut);
    const shown = this.#done.length;
    for (const block of kept(ready.map((piece) => piece.block), before.slice(shown))) this.#done.push(block);
    this.#links = linksOf(ready, this.#links);
    this.#from += ready.reduce((sum, piece) => sum + piece.length, 0);
    this.#tail = kept(pieces.slice(cut).map((piece) => piece.block), before.slice(this.#done.length));
    this.#read = this.#text.length;
  }
}

type Links = Readonly<Record<string, { readonly href: string; readonly title: string | null }>>;

interface Piece {
  readonly block: Block;
  /** Characters of text up to the next piece, blank lines included. */
  readonly length: number;
  readonly type: string;
  /** A blank line follows. */
  readonly closed: boolean;
  /** What is defined in it or behind it. */
  readonly links: Links;
}

/** The old object where the content is the same, so that the view need not look inside. */
function kept(blocks: readonly Block[], before: readonly (Block | undefined)[]): Block[] {
  return blocks.map((block, index) => same(before[index], block) ? before[index]! : block);
}

/** How many pieces at the front no later text can change. */
function finished(pieces: readonly Piece[]): number {
  for (let index = pieces.length - 3; index >= 0; index--) {
    const [piece, next] = [pieces[index]!, pieces[index + 1]!];
    // A list takes up what is indented or another list after a blank line; indented code goes on after one.
    const opens = /^\S/.test(next.block.raw) && !(piece.type === "list" && next.type === "list");
    if (piece.closed && piece.type !== "html" && opens) return index + 1;
  }
  return 0;
}

/** The definitions in these pieces and before them; the first of a name counts. */
function linksOf(pieces: readonly Piece[], before: Links): Links {
  return pieces.reduce((links, piece) => piece.links === NO_LINKS ? links : { ...piece.links, ...links }, before);
}

const NO_LINKS: Links = {};

function toPieces(text: string, links: Links, streaming: boolean): Piece[] {
  if (text.length > PLAIN_ABOVE && !/\n\s*\n/.test(text.slice(0, PLAIN_ABOVE))) {
    const block: Block = { raw: text, html: "", plain: true };
    return [{ block, length: text.length, type: "plain", closed: false, links: NO_LINKS }];
  }
  const lexer = new Lexer({ ...engine.defaults, ...options });
  Object.assign(lexer.tokens.links, links);
  const tokens = lex(lexer, text);
  const pieces: Piece[] = [];
  let at = 0;
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index]!;
    at += token.raw.length;
    const defined = definedIn(token);
    const last = pieces.at(-1);
    if ((token.type === "space" || token.type === "def") && last) {
      // Blank lines and definitions belong to what stands before them.
      pieces[pieces.length - 1] = {
        ...last,
        length: last.length + token.raw.length,
        closed: true,
        links: defined === NO_LINKS ? last.links : { ...defined, ...last.links },
      };
      continue;
    }
    const shown = token.type !== "space" && token.type !== "def";
    pieces.push({
      // At the very front they are a piece that shows nothing.
      block: shown ? toBlock(token, tokens, streaming && index === tokens.length - 1) : { raw: token.raw, html: "" },
      length: token.raw.length,
      type: token.type,
      closed: !shown || /\n[ \t]*\n$/.test(token.raw),
      links: defined,
    });
  }
  // The lexer normalises line ends and tabs at most; where its lengths do not add up, the whole is kept unfinished.
  if (at !== text.length) return pieces.map((piece) => ({ ...piece, closed: false }));
  return pieces;
}

/** As `Lexer.lex`, but a line that only a machine could have written is left as text: reading it would take the square of its length. */
function lex(lexer: Lexer, text: string): Token[] & { links: Record<string, { href: string; title: string }> } {
  lexer.blockTokens(text.replace(/\r\n|\r/g, "\n"), lexer.tokens);
  for (let index = 0; index < lexer.inlineQueue.length; index++) {
    const { src, tokens } = lexer.inlineQueue[index]!;
    if (isTangled(src)) tokens.push({ type: "text", raw: src, text: src, escaped: false } as Tokens.Text);
    else lexer.inlineTokens(src, tokens);
  }
  lexer.inlineQueue = [];
  return lexer.tokens as ReturnType<typeof lex>;
}

/** 300 marks of emphasis in one paragraph take 25 ms, 3,000 take 2.5 s. */
function isTangled(text: string): boolean {
  if (text.length < 300) return false;
  let [emphasis, others] = [0, 0];
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 42 || code === 95 || code === 126) emphasis++;
    else if (code === 91 || code === 93 || code === 96 || code === 60 || code === 36 || code === 33) others++;
  }
  return emphasis > 300 || others > 2000;
}

/** Definitions may also stand in quotes and lists. */
function definedIn(token: Token): Links {
  if (!token.raw.includes("]:")) return NO_LINKS;
  if (token.type === "def") {
    const { tag, href, title } = token as Tokens.Def;
    return { [tag]: { href, title: title ?? null } };
  }
  const inner = [...(token as Tokens.Generic).tokens ?? [], ...(token as Tokens.List).items ?? []];
  return inner.reduce<Links>((links, one) => {
    const found = definedIn(one);
    return found === NO_LINKS ? links : { ...found, ...links };
  }, NO_LINKS);
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
    a.code?.language === b.code?.language && a.code?.open === b.code?.open &&
    a.plain === b.plain;
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
    text(token: Tokens.Text | Tokens.Escape) {
      if ("tokens" in token && token.tokens) return this.parser.parseInline(token.tokens);
      // The library's own would let text between `<pre>` and `</pre>` through as it is.
      return escapeMarkup(token.text.replace(/&(?!#\d{1,7};|#x[\da-f]{1,6};|\w+;)/gi, "&amp;"));
    },
    html({ text }: Tokens.HTML | Tokens.Tag) {
      return knownTags(text);
    },
    code({ text }: Tokens.Code) {
      return `<pre><code>${escapeHtml(text)}</code></pre>`;
    },
  },
});

/** The HTML that may stand in Markdown. */
export const TAGS: ReadonlySet<string> = new Set(
  ("a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i " +
    "img input ins kbd li mark ol p pre q rp rt ruby s samp small span strong sub summary sup table tbody td tfoot th thead " +
    "tr u ul var wbr").split(" "),
);

/** Attributes that may stand there and are not addresses. No class, id, name or style: a bot must not borrow the page's looks. */
export const PLAIN_ATTRIBUTES: readonly string[] =
  "align alt checked colspan data-math data-picture datetime dir disabled lang open reversed rowspan start title type"
    .split(" ");

/** Attributes that are addresses. */
export const ADDRESS_ATTRIBUTES: readonly string[] = ["cite", "href", "src"];

const ATTRIBUTES: ReadonlySet<string> = new Set([...PLAIN_ATTRIBUTES, ...ADDRESS_ATTRIBUTES]);

/**
 * HTML in which only known tags with known attributes are tags; everything else is the text that it was written as. A browser never gets to
 * parse the rest, and a person sees what a bot wrote (`Vec<T>`, `<thinking>`) instead of a hole.
 */
function knownTags(html: string): string {
  let out = "";
  let from = 0;
  for (
    const match of html.matchAll(
      /<!--[^]*?-->|<(\/?)([a-z][a-z0-9]*)((?:\s+(?:[^<>"']|"[^"<>]*"|'[^'<>]*')*)?)(\/?)>/gi,
    )
  ) {
    out += escapeMarkup(html.slice(from, match.index));
    from = match.index + match[0].length;
    const [whole, slash, name, attributes] = match;
    if (name === undefined) continue;
    if (!TAGS.has(name.toLowerCase())) out += escapeMarkup(whole);
    else if (slash) out += `</${name}>`;
    else out += `<${name}${knownAttributes(attributes ?? "")}>`;
  }
  return out + escapeMarkup(html.slice(from));
}

function knownAttributes(text: string): string {
  let out = "";
  for (const match of text.matchAll(/([a-z][\w-]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?/gi)) {
    const [, name, double, single, bare] = match;
    if (ATTRIBUTES.has(name!.toLowerCase())) out += ` ${name}="${escapeMarkup(double ?? single ?? bare ?? "")}"`;
  }
  return out;
}

/** Leaves entities as they are: they are text already. */
function escapeMarkup(text: string): string {
  return text.replace(/[<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

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
