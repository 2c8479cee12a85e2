/** Small things that every platform's calls need. */
import type { SendOptions } from "./platform.ts";

/**
 * Milliseconds for which something is asked for that a question needs, such as its picture. After
 * that the person hears that it could not be fetched, while they still remember what they asked.
 */
const FETCH_TIMEOUT_MS = 30_000;

/** Milliseconds for which a person's name is asked for: it is worth no longer wait. */
export const NAME_TIMEOUT_MS = 1500;

/** A call that belongs to no answer's cost. */
export function standaloneSend(id: string, deadlineMs = FETCH_TIMEOUT_MS): SendOptions {
  return {
    deadlineMs,
    id,
    priority: "first",
    chat: id,
    isWhole: true,
    nextSequence: () => 0,
    saveCheckpoint: () => Promise.resolve(),
    onCall: () => {},
  };
}
