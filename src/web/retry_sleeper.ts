/**
 * Waits between retries. When the network or the window comes back, `wake` ends all of them at
 * once.
 */
export class RetrySleeper {
  #sleepers = new Set<() => void>();

  /** Ends after `ms`, at the next {@linkcode wake}, or when `signal` aborts; never throws. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#sleepers.delete(end);
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#sleepers.add(end);
      signal?.addEventListener("abort", end, { once: true });
      if (signal?.aborted) end();
    });
  }

  wake(): void {
    for (const end of [...this.#sleepers]) end();
  }
}

/**
 * How long to wait before the `n`th try (from 0): 0.5 s, doubling to 10 s, spread so that not all
 * pages come back at once.
 */
export function retryDelay(n: number, random: () => number = Math.random): number {
  return Math.min(10_000, 500 * 2 ** Math.min(n, 6)) * (0.75 + random() / 2);
}
