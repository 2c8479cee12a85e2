/** Small things that every platform's calls need. */
import type { Send } from "./surface.ts";

/** A call that belongs to no answer's cost. */
export function plainSend(id: string): Send {
  return {
    id,
    priority: "first",
    chat: id,
    final: true,
    next: () => 0,
    keepHalf: () => Promise.resolve(),
    spent: () => {},
  };
}
