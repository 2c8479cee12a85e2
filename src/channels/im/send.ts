/** Small things that every platform's calls need. */
import type { Send } from "./surface.ts";

/**
 * Milliseconds for which something is asked for that a question needs, such as its picture. After
 * that the person hears that it could not be fetched, while they still remember what they asked.
 */
const WHILE_THEY_WAIT = 30_000;

/** Milliseconds for which a person's name is asked for: it is worth no longer wait. */
export const NAME_PATIENCE = 1500;

/** A call that belongs to no answer's cost. */
export function plainSend(id: string, patience = WHILE_THEY_WAIT): Send {
  return {
    patience,
    id,
    priority: "first",
    chat: id,
    final: true,
    next: () => 0,
    keepHalf: () => Promise.resolve(),
    spent: () => {},
  };
}
