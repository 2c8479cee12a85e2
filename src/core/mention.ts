/**
 * Finds the bot that a text addresses by its first word: `@name …`. Only names of bots count,
 * because most mentions are of people.
 */
import type { Bot } from "./link.ts";

/** The characters between a name and the message. */
const BOUNDARY = /[\s,，:：、]/;

/**
 * The bot or pool with the longest matching name, and the rest of the text. An id or pool is
 * preferred to a display name of the same length; names may contain spaces. `undefined` where no
 * name matches.
 */
export function mentioned(
  text: string,
  bots: Iterable<Pick<Bot, "id" | "name" | "pool">>,
): { readonly target: string; readonly text: string } | undefined {
  if (!text.startsWith("@")) return undefined;
  let best: { target: string; length: number; rank: number } | undefined;
  for (const { id, name, pool } of bots) {
    for (
      const [rank, [called, target]] of ([[id, id], [pool, pool], [name, id]] as const).entries()
    ) {
      if (!called || !target || !begins(text, called)) continue;
      const isBetter = best === undefined || called.length > best.length ||
        (called.length === best.length && rank < best.rank);
      if (isBetter) best = { target, length: called.length, rank };
    }
  }
  if (!best) return undefined;
  let from = best.length + 1;
  while (from < text.length && BOUNDARY.test(text[from]!)) from++;
  return { target: best.target, text: text.slice(from) };
}

function begins(text: string, name: string): boolean {
  const end = text[name.length + 1];
  if (end !== undefined && !BOUNDARY.test(end)) return false;
  return text.slice(1, name.length + 1).toLowerCase() === name.toLowerCase();
}
