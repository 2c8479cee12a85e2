/**
 * Retries while OpenClaw's state is locked. OpenClaw's own upkeep holds a lock now and then, most
 * of all after a start, and rejects what arrives meanwhile ("another OpenClaw process owns
 * state-lifecycle"). A question is worth another attempt.
 */

/** Milliseconds before each further try. */
const WAITS_MS: readonly number[] = [500, 1000, 2000, 4000];

/**
 * Runs it again while OpenClaw's state is held and `again` allows it. Anything else that is thrown
 * comes through.
 */
export async function retryWhileHeld<T>(
  run: () => Promise<T>,
  again: () => boolean,
  wait: (ms: number) => Promise<void> = sleep,
): Promise<T> {
  for (const ms of WAITS_MS) {
    try {
      return await run();
    } catch (cause) {
      if (!isHeld(cause) || !again()) throw cause;
      await wait(ms);
      if (!again()) throw cause;
    }
  }
  return await run();
}

function isHeld(cause: unknown): boolean {
  return cause instanceof Error && cause.message.startsWith("another OpenClaw process owns ");
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
