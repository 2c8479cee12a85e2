/**
 * Follows a file that people edit, by looking at it once a second: editors write in several steps
 * or put a new file in place of the old one, and a look sees both. Watching the folder instead
 * would wake the process at every write to the database that lies beside the file: that was 50 µs
 * of CPU per request.
 */
import { type Clock, systemClock } from "../core/clock.ts";

/**
 * Milliseconds between two looks. A change counts once two looks saw the same, so a file that is
 * half written is left alone.
 */
const POLL_INTERVAL_MS = 1_000;

/**
 * Calls back after each change, one call at a time. One that fails is told, and the file is
 * followed on. Returns the way to stop.
 */
export function watchFile(
  path: string,
  changed: () => Promise<void>,
  onFault: (error: unknown) => void,
  every = POLL_INTERVAL_MS,
  clock: Clock = systemClock,
): () => void {
  let stopTimer = () => {};
  let stopped = false;
  let told: string | undefined, seen: string | undefined;
  const look = async () => {
    const now = await fingerprint(path);
    // The first look is what the caller has read; a file that is gone says nothing until it is
    // there again.
    told ??= now;
    try {
      if (now !== "" && now === seen && now !== told) {
        told = now;
        await changed();
      }
    } catch (error) {
      onFault(error);
    }
    seen = now;
    if (!stopped) stopTimer = clock.after(every, () => void look());
  };
  void look();
  return () => {
    stopped = true;
    stopTimer();
  };
}

/**
 * What changes when the file does: which file it is, when it was written, how long it is. Empty
 * where there is none.
 */
async function fingerprint(path: string): Promise<string> {
  try {
    const { ino, mtime, size } = await Deno.stat(path);
    return `${ino} ${mtime?.getTime()} ${size}`;
  } catch {
    // Gone, or out of reach for a moment: the next look tells.
    return "";
  }
}
