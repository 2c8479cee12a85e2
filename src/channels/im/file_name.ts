/**
 * The name that a download gives its file: `Content-Disposition`, RFC 6266, as platforms write it.
 */

/** Units of a header that are read. */
const MAX_HEADER = 2000;

/** Units of a name. */
const MAX_NAME = 200;

/** `undefined` where the headers tell none. */
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
  const said = extended?.slice(extended.lastIndexOf("'") + 1) ?? unquoted(read("filename") ?? "");
  // Only the last part: a name is no path.
  return decoded(said).split(/[/\\]/).at(-1)!.slice(-MAX_NAME) || undefined;
}

function unquoted(value: string): string {
  return value.startsWith('"') && value.endsWith('"') && value.length > 1
    ? value.slice(1, -1)
    : value;
}

/**
 * Percent-encoded, which platforms also do where the RFC does not say so; else UTF-8 that came as
 * Latin-1.
 */
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
