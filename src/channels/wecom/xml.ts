/**
 * The flat XML of WeCom's app callbacks: one level of fields, text or CDATA. Not an XML parser, on
 * purpose: no DTD, no entities but the five, no nesting, so there is nothing in it to blow up.
 *
 * It reads before the signature can be checked, so strangers reach it: it goes over the text once,
 * from left to right.
 */

/** Fields of one message: the largest that WeCom documents has about 30. */
const MAX_FIELDS = 200;

/** Units of a field's name. */
const MAX_NAME = 64;

/**
 * The fields, or `undefined` where it is not that kind of XML. Of fields that stand in others only
 * the innermost count.
 */
export function readXml(text: string): Record<string, string> | undefined {
  const root = rootOf(text);
  if (root === undefined) return undefined;
  const fields: Record<string, string> = {};
  let count = 0;
  for (let at = text.indexOf("<", root.from); at >= 0 && at < root.to;) {
    const field = fieldAt(text, at, root.to);
    if (field === "unclosed") return undefined;
    if (field !== undefined) {
      if (++count > MAX_FIELDS) return undefined;
      fields[field.name] = field.value;
    }
    at = text.indexOf("<", field?.end ?? at + 1);
  }
  return fields;
}

/** What stands between `<xml>` and `</xml>`. */
function rootOf(text: string): { from: number; to: number } | undefined {
  let from = text.length - text.trimStart().length;
  if (text.startsWith("<?xml", from)) {
    const end = text.indexOf("?>", from);
    if (end < 0) return undefined;
    from = end + 2;
    while (isSpace(text.charCodeAt(from))) from++;
  }
  const to = text.trimEnd().length - CLOSE.length;
  if (!text.startsWith(OPEN, from) || to < from + OPEN.length || !text.startsWith(CLOSE, to)) {
    return undefined;
  }
  return { from: from + OPEN.length, to };
}

const OPEN = "<xml>", CLOSE = "</xml>", CDATA = "<![CDATA[";

/**
 * `<name>value</name>` at a place, or `undefined`: something else that may stand there, such as a
 * field that holds others.
 */
function fieldAt(
  text: string,
  at: number,
  to: number,
): { name: string; value: string; end: number } | "unclosed" | undefined {
  let from = at + 1;
  while (isWord(text.charCodeAt(from)) && from - at <= MAX_NAME) from++;
  if (from === at + 1 || text[from] !== ">") return undefined;
  const name = text.slice(at + 1, from);
  from++;
  const data = text.startsWith(CDATA, from);
  if (data) from += CDATA.length;
  const end = text.indexOf(data ? "]]>" : "<", from);
  // Nothing closes it, so nothing closes what comes after it either.
  if (end < 0 || end > to) return "unclosed";
  const close = data ? end + 3 : end;
  if (!text.startsWith(`</${name}>`, close)) return undefined;
  const value = text.slice(from, end);
  return { name, value: data ? value : unescape(value), end: close + name.length + 3 };
}

function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}

/** Letters, digits and `_`. */
function isWord(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) ||
    code === 95;
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  amp: "&",
  quot: '"',
  apos: "'",
};

function unescape(text: string): string {
  return text.replace(/&(lt|gt|amp|quot|apos);/g, (_all, name: string) => ENTITIES[name]!);
}
