/** A pause on a clock that is passed in. */
import type { Clock } from "./clock.ts";

/** The longest timer in milliseconds: a longer one would fire at once. */
const MAX_TIMER_MS = 0x7fffffff;

/**
 * Resolves after `ms`, or at once when the signal is or becomes aborted; the caller checks the
 * signal. The longest pause is 24 days; the caller of a longer one checks the clock.
 */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const wake = () => {
      callOff();
      resolve();
    };
    const callOff = clock.after(Math.min(Math.max(0, ms), MAX_TIMER_MS), () => {
      signal?.removeEventListener("abort", wake);
      resolve();
    });
    signal?.addEventListener("abort", wake, { once: true });
  });
}
