/**
 * Names for turns and conversations: UUIDs of version 7 (RFC 9562), which begin with the time. A
 * store that sorts its keys then writes those of the same moment side by side; with random ones
 * every turn touches pages of its own.
 */

/** 48 bits of time, 74 bits of chance: nobody guesses one. */
export function timedId(now: number): string {
  const time = now.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-7${crypto.randomUUID().slice(15)}`;
}
