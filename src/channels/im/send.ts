/** The options of calls that are not part of an answer. */
import type { SendOptions } from "./platform.ts";

/**
 * Milliseconds for which part of a question, such as an image, is fetched. After that the person
 * reads that it could not be fetched, while they still remember the question.
 */
const FETCH_TIMEOUT_MS = 30_000;

/** Milliseconds for which a person's name is fetched: it is not worth a longer wait. */
export const NAME_TIMEOUT_MS = 1500;

/** Returns the options of a call that does not count as a cost of an answer. */
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
