/** How much of an answer fits into one message of a method. */
import { byteLength, cutAt, type TextCut } from "./cut.ts";
import type { DeliveryMethod } from "./platform.ts";
import { tableAfter } from "./table.ts";

/**
 * UTF-16 units that are rendered to see whether they fit, as a multiple of the bytes that fit:
 * sometimes most of a text is markup.
 */
export const RENDER_FACTOR = 4;

export function fits(method: DeliveryMethod, text: string): boolean {
  return sizeOf(method, text, method.maxBytes) <= method.maxBytes &&
    excessTable(method, text) === undefined;
}

/** Returns as much of a text as one message of this method shows. */
export function fitting(method: DeliveryMethod, text: string): string {
  return fits(method, text) ? text : text.slice(0, cutFor(method, text).at);
}

/**
 * Returns the bytes of a text after rendering; a larger number than `max` where the text is longer
 * than anything that could fit.
 */
export function sizeOf(method: DeliveryMethod, text: string, max: number): number {
  if (text.length * 3 <= max / 2) return text.length * 3;
  return text.length > RENDER_FACTOR * max ? Infinity : byteLength(method.render(text));
}

/** Cuts a text so that it also fits after rendering, which may add bytes. */
export function cutFor(method: DeliveryMethod, text: string, max = method.maxBytes): TextCut {
  const window = text.slice(0, Math.min(max, excessTable(method, text.slice(0, max)) ?? max));
  for (let bytes = max;; bytes = Math.floor(bytes * 0.8)) {
    const cut = cutAt(window, bytes);
    if (bytes < 256 || byteLength(method.render(text.slice(0, cut.at) + cut.closing)) <= max) {
      return cut;
    }
  }
}

/** Where the first table begins that one message of this method does not take any more. */
function excessTable(method: DeliveryMethod, text: string): number | undefined {
  return method.maxTables === undefined ? undefined : tableAfter(text, method.maxTables);
}
