/**
 * A parser for data URLs: `data:image/png;base64,AAAA` or
 * `data:application/pdf;name=report.pdf;base64,…`.
 *
 * Data URLs come from strangers and may hold megabytes, so only the head is searched.
 */

/** The parts of a data URL. */
export interface DataUrl {
  /** Such as `image/png`, in lower case; empty where the URL names none. */
  readonly type: string;
  /** Each parameter of the head, such as `name=report.pdf`, without `base64`. */
  readonly parameters: readonly string[];
  readonly base64: boolean;
  /** What follows the comma, as it stands. */
  readonly data: string;
}

/** UTF-16 units up to the comma: a type, a file name and what else a bot may write there. */
export const MAX_DATA_HEAD = 2000;

/**
 * The parts, or `undefined` where the text is no data URL or its head is longer than {@linkcode
 * MAX_DATA_HEAD}.
 */
export function readDataUrl(url: string): DataUrl | undefined {
  const start = url.slice(0, MAX_DATA_HEAD);
  const comma = start.indexOf(",");
  if (comma < 0 || start.slice(0, 5).toLowerCase() !== "data:") return undefined;
  const [type = "", ...parameters] = start.slice(5, comma).split(";");
  const base64 = parameters.at(-1)?.toLowerCase() === "base64";
  if (base64) parameters.pop();
  return { type: type.toLowerCase(), parameters, base64, data: url.slice(comma + 1) };
}
