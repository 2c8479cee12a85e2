/** Reads the name of a download from `Content-Disposition` (RFC 6266), as platforms write it. */

/** UTF-16 units of the header that are read. */
const MAX_HEADER = 2000;

/** UTF-16 units of a name. */
const MAX_NAME = 200;

/** Returns the name; `undefined` where the headers have none. */
export function fileNameOf(headers: Headers): string | undefined {
  const parameters = (headers.get("content-disposition") ?? "").slice(0, MAX_HEADER).split(";")
    .slice(1);
  const read = (name: string) => {
    const found = parameters.find((parameter) =>
      parameter.trimStart().toLowerCase().startsWith(`${name}=`)
    );
    return found?.slice(found.indexOf("=") + 1).trim();
  };
  const extended = read("filename*");
  const raw = extended?.slice(extended.lastIndexOf("'") + 1) ?? unquoted(read("filename") ?? "");
  // Only the last part: a name is not a path.
  return decoded(raw).split(/[/\\]/).at(-1)!.slice(-MAX_NAME) || undefined;
}

function unquoted(value: string): string {
  return value.startsWith('"') && value.endsWith('"') && value.length > 1
    ? value.slice(1, -1)
    : value;
}

/** Decodes percent signs, which platforms also use where the RFC does not, or UTF-8 in Latin-1. */
function decoded(value: string): string {
  try {
    if (value.includes("%")) return decodeURIComponent(value);
    if (!/[\u0080-\u00ff]/.test(value)) return value;
    const bytes = Uint8Array.from(value, (letter) => letter.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (_asItIs) {
    return value;
  }
}
