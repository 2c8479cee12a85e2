/**
 * The back-off of everything that tries again: the pause doubles with each failure up to a bound,
 * and half of it is random, so that all who failed together do not return together.
 *
 * The client for bots and the page have a back-off of their own, because they run elsewhere and do
 * not import core.
 */

/** The pauses of one back-off, in milliseconds. */
export interface Backoff {
  /** After the first failure, before jitter. */
  readonly first: number;
  /** The longest pause. */
  readonly max: number;
}

/**
 * Milliseconds to wait after `failures` failures in a row (0: after the first one).
 *
 * @param random a number from 0 up to 1
 */
export function backoffMs({ first, max }: Backoff, failures: number, random: number): number {
  return Math.min(max, first * 2 ** failures) * (0.5 + random / 2);
}
