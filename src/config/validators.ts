/**
 * The types of values that settings have. The error of each one states what would be right.
 */
import { z } from "zod";

/** A whole number within bounds; the error says what would be right. */
export function whole(min: number, max: number, unit = "") {
  const right = `must be a whole number from ${min} to ${max}${unit && ` (${unit})`}`;
  return z.int({ error: right }).min(min, right).max(max, right);
}

export const RANGE_RULE = "must be an address or a range such as 10.0.0.0/8";

/** Whether a text is an IP address, alone or with the length of its prefix. */
export function isRange(text: string): boolean {
  // Loaded where a list is configured only.
  const { isIPv4, isIPv6 } = globalThis.process.getBuiltinModule("node:net");
  const [address = "", bits, ...rest] = text.split("/");
  const most = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1;
  return rest.length === 0 &&
    (bits === undefined ? most > 0 : /^\d{1,3}$/.test(bits) && Number(bits) <= most);
}

/** Milliseconds. */
export function ms(min: number, max = 31_536_000_000) {
  return whole(min, max, "milliseconds");
}

export const STORE_RULE =
  'must be a file name or "memory:"; stores on other servers do not exist yet';

/**
 * Whether a store's name is one of a file, or memory: an address would be taken for memory and
 * everything forgotten.
 */
export function isFileName(store: string): boolean {
  return store === "memory:" || !/^[a-z][a-z\d+.-]*:\/\//i.test(store);
}

export function text(right: string, min = 0) {
  return z.string({ error: right }).min(min, right);
}
