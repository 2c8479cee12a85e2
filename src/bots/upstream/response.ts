/** Ways to read the response of a model API. */
import { ConnectionError, type HttpResponse } from "./http/client.ts";

/** The beginning of a body, from the first unit on that is no white space. */
export async function firstText(response: HttpResponse): Promise<string | undefined> {
  while (true) {
    const text = await response.read();
    const trimmed = text?.replace(/^[\s\ufeff]+/, "");
    if (trimmed !== "") return trimmed;
  }
}

/** The rest of a body. Throws {@linkcode ConnectionError} for more than `max` UTF-16 units. */
export async function readAll(response: HttpResponse, max: number): Promise<string> {
  let all = "";
  while (true) {
    const text = await response.read();
    if (text === undefined) return all;
    all += text;
    if (all.length > max) throw new ConnectionError("the answer is too large");
  }
}

/**
 * Milliseconds until a repeat makes sense: `retry-after-ms` (OpenAI), or `Retry-After` as seconds
 * or a date (RFC 9110, 10.2.3).
 */
export function retryAfterMs(response: HttpResponse, now: number): number | undefined {
  const exact = Number(response.header("retry-after-ms") ?? NaN);
  if (exact >= 0) return exact;
  const text = response.header("retry-after");
  if (text === undefined || text === "") return undefined;
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
