/**
 * This is what the bots of the load say: 20 bytes that carry their number and the time they were
 * sent, so that a reader knows how long a chunk took and whether one is missing.
 */

export const CHUNK_BYTES = 20;

/**
 * Microseconds since the epoch, finer than Date.now() and the same for all processes of a machine.
 */
export function now(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

/**
 * `#00000 123456789012 `: number, and the last twelve digits of the time (they turn over every
 * eleven days).
 */
export function chunkOf(index: number): string {
  return `#${String(index).padStart(5, "0")} ${String(now() % 1e12).padStart(12, "0")} `;
}

/** Microseconds from the sending of the chunk at `from` to `at`. */
export function ageOf(text: string, from: number, at: number): number {
  return at % 1e12 - Number(text.slice(from + 7, from + 19));
}

/**
 * What is wrong with an answer that should have been chunks 0 to `expected` − 1; nothing when it is
 * whole.
 */
export function faultOf(text: string, expected: number): string | undefined {
  if (text.length !== expected * CHUNK_BYTES) {
    return `${text.length / CHUNK_BYTES} of ${expected} chunks`;
  }
  for (let index = 0; index < expected; index++) {
    if (!text.startsWith(`#${String(index).padStart(5, "0")} `, index * CHUNK_BYTES)) {
      return `chunk ${index} is out of place`;
    }
  }
  return undefined;
}
