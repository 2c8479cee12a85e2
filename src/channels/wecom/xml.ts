/**
 * The flat XML of WeCom's app callbacks: one level of fields, text or CDATA. Not an XML parser, on purpose: no DTD, no entities but
 * the five, no nesting, so there is nothing in it to blow up.
 */

/** The fields, or `undefined` where it is not that kind of XML. */
export function readXml(text: string): Record<string, string> | undefined {
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text)) return undefined;
  const body = /^\s*(?:<\?xml[^>]*\?>)?\s*<xml>([\s\S]*)<\/xml>\s*$/.exec(text)?.[1];
  if (body === undefined) return undefined;
  const fields: Record<string, string> = {};
  for (const [, name, data, plain] of body.matchAll(/<(\w{1,64})>(?:<!\[CDATA\[([\s\S]*?)\]\]>|([^<]*))<\/\1>/g)) {
    fields[name!] = data ?? unescape(plain ?? "");
  }
  return fields;
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function unescape(text: string): string {
  return text.replace(/&(lt|gt|amp|quot|apos);/g, (_all, name: string) => ENTITIES[name]!);
}
