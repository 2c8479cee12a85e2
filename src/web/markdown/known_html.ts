/** The HTML that a reply may contain, and where its links and images may lead. */

/** The tags. */
export const TAGS: ReadonlySet<string> = new Set(
  ("a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i " +
    "img input ins kbd li mark ol p pre q rp rt ruby s samp small span strong sub summary sup table tbody td tfoot th thead " +
    "tr u ul var wbr").split(" "),
);

/**
 * Attributes that may stand there and are not addresses. No class, id, name or style: a bot must
 * not borrow the page's looks.
 */
export const PLAIN_ATTRIBUTES: readonly string[] =
  "align alt checked colspan data-math data-picture datetime dir disabled lang open reversed rowspan start title type"
    .split(" ");

/** Attributes that are addresses. */
export const ADDRESS_ATTRIBUTES: readonly string[] = ["cite", "href", "src"];

const ATTRIBUTES: ReadonlySet<string> = new Set([...PLAIN_ATTRIBUTES, ...ADDRESS_ATTRIBUTES]);

/**
 * HTML in which only known tags with known attributes are tags; everything else is the text that it
 * was written as. A browser never gets to parse the rest, and a person sees what a bot wrote
 * (`Vec<T>`, `<thinking>`) instead of a hole.
 *
 * Goes over the text once: what a tag may hold ends at the next `<`.
 */
export function knownTags(html: string): string {
  let out = "", from = 0, commentsEnd = true;
  for (let at = html.indexOf("<"); at >= 0; at = html.indexOf("<", Math.max(at + 1, from))) {
    if (commentsEnd && html.startsWith("<!--", at)) {
      const end = html.indexOf("-->", at + 4);
      commentsEnd = end >= 0;
      if (!commentsEnd) continue;
      out += escapeMarkup(html.slice(from, at));
      from = end + 3;
      continue;
    }
    const tag = tagAt(html, at);
    if (!tag || !TAGS.has(tag.name.toLowerCase())) continue;
    out += escapeMarkup(html.slice(from, at));
    out += tag.closes ? `</${tag.name}>` : `<${tag.name}${knownAttributes(tag.attributes)}>`;
    from = tag.end;
  }
  return out + escapeMarkup(html.slice(from));
}

interface Tag {
  readonly name: string;
  readonly closes: boolean;
  readonly attributes: string;
  /** Behind the `>`. */
  readonly end: number;
}

/** The tag that begins at a `<`, if it is one to its end. */
function tagAt(html: string, at: number): Tag | undefined {
  const closes = html[at + 1] === "/";
  const begin = at + (closes ? 2 : 1);
  const name = /^[a-z][a-z0-9]*/i.exec(html.slice(begin, begin + LONGEST_NAME))?.[0];
  if (name === undefined) return undefined;
  const rest = begin + name.length;
  let apart = false;
  for (let pos = rest; pos < html.length; pos++) {
    const sign = html[pos]!;
    if (sign === ">") return { name, closes, attributes: html.slice(rest, pos), end: pos + 1 };
    if (sign === "<") return undefined;
    if (/\s/.test(sign)) apart = true;
    else if (!apart && !(sign === "/" && html[pos + 1] === ">")) return undefined;
    else if (sign === '"' || sign === "'") {
      pos = endOfQuote(html, pos);
      if (pos < 0) return undefined;
    }
  }
  return undefined;
}

/** Units of a tag's name and a little more: a longer one is not known. */
const LONGEST_NAME = 20;

/** The quote that closes another one, with no tag's sign before it; or -1. */
function endOfQuote(html: string, at: number): number {
  for (let pos = at + 1; pos < html.length; pos++) {
    if (html[pos] === html[at]) return pos;
    if (html[pos] === "<" || html[pos] === ">") return -1;
  }
  return -1;
}

function knownAttributes(text: string): string {
  let out = "";
  for (
    const match of text.matchAll(
      /([a-z][\w-]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?/gi,
    )
  ) {
    const [, name, double, single, bare] = match;
    if (ATTRIBUTES.has(name!.toLowerCase())) {
      out += ` ${name}="${escapeMarkup(double ?? single ?? bare ?? "")}"`;
    }
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
  const plain = href.replace(
    // deno-lint-ignore no-control-regex -- control characters are the attack
    /[\u0000-\u0020\u007f-\u00a0\u200b-\u200f\u2028-\u202f\u2066-\u2069\ufeff]/g,
    "",
  );
  return /^(?:https?:\/\/|mailto:|tel:)/i.test(plain) ? href.trim() : undefined;
}

/** Pictures that may stand in the page: never SVG, which is a document with scripts of its own. */
export function isImageData(source: string): boolean {
  return /^data:image\/(?:png|jpeg|gif|webp|avif|bmp);base64,[a-z0-9+/=\s]+$/i.test(source);
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
