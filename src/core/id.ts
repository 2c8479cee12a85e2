/**
 * Ids for turns and conversations: UUIDs of version 7 (RFC 9562), which begin with the time. A
 * store that sorts its keys then writes those of the same moment side by side; with random ids
 * every turn would touch pages of its own.
 */

/** 48 bits of time and 74 random bits: it cannot be guessed. */
export function timedId(now: number): string {
  const time = now.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-7${crypto.randomUUID().slice(15)}`;
}
