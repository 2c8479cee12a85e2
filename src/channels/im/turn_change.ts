/** Waits for the next change of a turn. */
import type { Clock } from "../../core/clock.ts";
import { sleep } from "../../core/sleep.ts";
import type { Turn } from "../../core/turn.ts";

/** Resolves when the turn's reply changes, after `ms`, or when `signal` aborts. */
export async function turnChange(
  turn: Turn,
  clock: Clock,
  ms: number,
  signal?: AbortSignal,
): Promise<void> {
  const changed = new AbortController();
  const wake = () => changed.abort();
  const stop = turn.reply.watch(wake);
  signal?.addEventListener("abort", wake, { once: true });
  await sleep(clock, ms, changed.signal);
  signal?.removeEventListener("abort", wake);
  stop();
}
