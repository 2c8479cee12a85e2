/**
 * The check after a start: every outside service of the configuration is tried once in the
 * background, and errors are logged as warnings. Calls that count against a quota are made once an
 * hour at most, because a gateway may restart often.
 */
import type { Checkup } from "./checkup.ts";
import type { Clock } from "./clock.ts";
import { LAST_FULL_CHECK } from "./keys.ts";
import type { Observer } from "./observer.ts";
import type { Store } from "./store.ts";

/** Milliseconds between two full checks after starts. */
export const FULL_CHECK_INTERVAL_MS = 3_600_000;

/** Milliseconds after the start: bots and apps connect first. */
const START_DELAY_MS = 3_000;

export interface StartCheckParts {
  readonly checkup: Checkup;
  /** Absent: nothing is stored between starts, so every check is a full one. */
  readonly store?: Store;
  readonly clock: Clock;
  readonly observer: Observer;
}

/** Checks a little later. Returns the way to call it off. */
export function checkAfterStart(parts: StartCheckParts): () => void {
  const { clock, observer } = parts;
  return clock.after(START_DELAY_MS, () => {
    checkAtStart(parts).catch((error) =>
      observer.tell({ type: "fault", where: "checking connections", error })
    );
  });
}

/** Checks now. Resolves when every finding is in the log. */
export async function checkAtStart(
  { checkup, store, clock, observer }: StartCheckParts,
): Promise<void> {
  const last = await store?.get(LAST_FULL_CHECK), now = clock.now();
  const isFull = typeof last !== "number" || now - last >= FULL_CHECK_INTERVAL_MS || last > now;
  if (isFull) await store?.set(LAST_FULL_CHECK, now);
  for (const { findings } of await checkup.run(isFull ? "full" : "thrifty")) {
    for (const { path, level, what, todo, said } of findings) {
      if (level !== "error") continue;
      const answer = said === undefined ? "" : ` (${said})`;
      observer.tell({ type: "warning", what: `${path}: ${what.en}${answer}; ${todo.en}` });
    }
  }
}
