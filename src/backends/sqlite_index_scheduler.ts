/**
 * When texts go into the search index of the SQLite store: in quiet moments, a part at a time.
 */
import type { Clock } from "../core/clock.ts";
import { sqliteFailure } from "./sqlite_error.ts";
import type { SqliteFile } from "./sqlite_file.ts";

/**
 * Milliseconds without a write after which texts go into the search index: that costs as much as
 * writing them did, and nobody needs it while answers are being made. Whoever searches waits for it
 * instead.
 */
const QUIET_MS = 1_000;

/**
 * Milliseconds after which they go there however busy it is, so that a search never finds more than
 * this to do first.
 */
const MAX_INDEX_DELAY_MS = 10_000;

/** Put into the index in one go, in the units of `WordIndex.work`: about 10 ms. */
export const INDEX_BATCH = 1000;

export interface IndexSchedulerParts {
  readonly clock: Clock;
  /** The file, where it can be written right now. */
  readonly file: () => SqliteFile | undefined;
  /** The file failed. */
  readonly onFail: (error: unknown) => void;
  /** Called with what went wrong and is over. */
  readonly onFault: (error: Error) => void;
}

export class IndexScheduler {
  readonly #parts: IndexSchedulerParts;
  #stop: (() => void) | undefined;
  /** Since when texts wait. */
  #dueSince: number | undefined;
  #wroteAt = 0;

  constructor(parts: IndexSchedulerParts) {
    this.#parts = parts;
  }

  /** Something was written. @param due whether texts wait since then */
  wrote(due: boolean): void {
    this.#wroteAt = this.#parts.clock.now();
    if (due) this.#later();
  }

  stop(): void {
    this.#stop?.();
  }

  /** Does all that waits, with pauses in which others have their turn. */
  async finish(): Promise<void> {
    while (this.#work()) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Waits for a quiet moment; what has waited for long enough goes at once, a part at a time. */
  #later(wait = QUIET_MS): void {
    const { clock } = this.#parts;
    this.#dueSince ??= clock.now();
    this.#stop ??= clock.after(wait, () => {
      this.#stop = undefined;
      const now = clock.now();
      const isBusy = now - this.#wroteAt < QUIET_MS && now - this.#dueSince! < MAX_INDEX_DELAY_MS;
      if (isBusy) this.#later();
      else if (this.#work()) this.#later(0);
      else this.#dueSince = undefined;
    });
  }

  /** Does a part of what waits; whether there may be more. */
  #work(): boolean {
    const file = this.#parts.file();
    if (!file) return false;
    try {
      return file.transaction(() => file.words.work(INDEX_BATCH)) > 0;
    } catch (error) {
      // Nobody waits for it: a lock passes until the next time.
      if (sqliteFailure(error) === "locked") this.#later();
      else if (!this.renew(error)) this.#parts.onFail(error);
      return false;
    }
  }

  /**
   * An index that is damaged is emptied and filled again from the texts; whether that could be
   * done.
   */
  renew(error: unknown): boolean {
    const file = this.#parts.file();
    if (!file || sqliteFailure(error) !== "damaged") return false;
    try {
      file.transaction(() => file.words.renew());
    } catch {
      // Not only the index, then; the first error says what is wrong.
      return false;
    }
    this.#parts.onFault(
      new Error("the search index was damaged and is made again", { cause: error }),
    );
    this.#later();
    return true;
  }
}
