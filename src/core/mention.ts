/**
 * Which bot a text is addressed to by the name that it begins with: `@name …`. Only a name that a
 * bot has counts: most people who are mentioned are people.
 */
import type { Bot } from "./link.ts";

/** What stands between a name and what is said. */
const BOUNDARY = /[\s,，:：、]/;

/**
 * The longest name that fits, of an id, a pool, or what a bot calls itself, which counts last;
 * names may hold spaces. `undefined`: no bot has the name that the text begins with.
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
