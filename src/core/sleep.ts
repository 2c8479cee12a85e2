/** Waiting, on a clock that is passed in. */
import type { Clock } from "./clock.ts";

/** What a timer can hold: a longer one would fire at once. */
const LONGEST = 0x7fffffff;

/**
 * Resolves after `ms`, or at once when the signal is or becomes aborted: whoever waits looks at the
 * signal. More than 24 days is cut down to that, so whoever waits also looks at the clock.
 */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const wake = () => {
      callOff();
      resolve();
    };
    const callOff = clock.after(Math.min(Math.max(0, ms), LONGEST), () => {
      signal?.removeEventListener("abort", wake);
      resolve();
    });
    signal?.addEventListener("abort", wake, { once: true });
  });
}
