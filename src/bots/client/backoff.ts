/** The back-off between the client's attempts to connect. */

/**
 * Attempts at the base interval, before the interval doubles: a gateway that restarts is up within
 * a few seconds.
 */
const QUICK_ATTEMPTS = 3;

/**
 * Milliseconds to wait after the given attempt (1, 2, 3, …) failed: `base`, doubled for each
 * attempt from the fourth on, at most `ceiling`, and jittered down to half of that.
 *
 * @param random a number from 0 up to 1
 */
export function backoff(attempt: number, base: number, ceiling: number, random: number): number {
  const doublings = Math.min(Math.max(0, attempt - QUICK_ATTEMPTS + 1), 20);
  return Math.round(Math.min(ceiling, base * 2 ** doublings) * (0.5 + random / 2));
}
