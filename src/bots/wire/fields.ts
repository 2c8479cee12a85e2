/**
 * Field checks for frames that arrive as JSON. They never throw: a text that is no frame yields an
 * {@linkcode InvalidFrame} with the reason.
 */
import type { Progress } from "./frame.ts";

/** Why a text is not a frame, worded for the sender's log. */
export class InvalidFrame {
  constructor(readonly reason: string) {}
}

export type Fields = Record<string, unknown>;

export function parseObject(text: string): Fields | InvalidFrame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return new InvalidFrame("not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return new InvalidFrame("not a JSON object");
  }
  return value as Fields;
}

export function asProgress(value: unknown): Progress[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.slice(0, 1000).filter((item): item is Progress =>
    typeof item === "object" && item !== null && isId(item.replyTo) && isCount(item.seq)
  ).map(({ replyTo, seq }) => ({ replyTo, seq }));
}

export function isId(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= 200;
}

export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

export function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

export function asString(value: unknown, max = Infinity): string | undefined {
  return typeof value === "string" ? (value.length > max ? value.slice(0, max) : value) : undefined;
}

export function asNumber(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** An {@linkcode InvalidFrame} that names the field, what it must be, and what came. */
export function wrong(frame: string, field: string, right: string, got: unknown): InvalidFrame {
  return new InvalidFrame(`${frame}: ${field} must be ${right}, got ${show(got)}`);
}

/** A value in at most 40 characters, for an error text. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "object" && value !== null) {
    return Array.isArray(value) ? "a list" : "an object";
  }
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
