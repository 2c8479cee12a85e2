/** Small things that every platform's calls need. */
import { Buffer } from "node:buffer";
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

/** A data URL as what it holds; `undefined` where it is not one. */
export function blobOf(image: string): Blob | undefined {
  const found = /^data:([\w.+-]+\/[\w.+-]+);base64,(.*)$/s.exec(image);
  return found ? new Blob([Buffer.from(found[2]!, "base64")], { type: found[1] }) : undefined;
}
