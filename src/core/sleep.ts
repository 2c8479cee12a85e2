/** Waiting, on a clock that is passed in. */
import type { Clock } from "./clock.ts";

/** Resolves after `ms`, or at once when the signal is or becomes aborted: whoever waits looks at the signal. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const wake = () => {
      callOff();
      resolve();
    };
    const callOff = clock.after(ms, () => {
      signal?.removeEventListener("abort", wake);
      resolve();
    });
    signal?.addEventListener("abort", wake, { once: true });
  });
}
