/**
 * What is wrong with the file of the SQLite store right now, how to say it, and when to try again.
 */
import { sqliteFailure } from "./sqlite_error.ts";

/**
 * Milliseconds between tries while the file cannot be written: doubled each time up to the second
 * figure.
 */
export const RETRY_DELAY_MS = [1000, 30_000] as const;

/**
 * Milliseconds that another process may lock the file before that is trouble: commands take less.
 */
const LOCK_GRACE_MS = 100;

/** Milliseconds between two tries meanwhile, and once it is trouble. */
const LOCK_RETRY_MS = [10, 250] as const;

export class StoreHealth {
  readonly #path: string;
  readonly #isPatient: boolean;
  readonly #report: (trouble: string | undefined) => void;
  /** What the next write may mend. */
  #transient: string | undefined;
  /** What no write mends: a file that is damaged, or another one in its place. */
  #permanent: string | undefined;
  /** Since when another process locks the file, in milliseconds since the epoch. */
  #lockedSince: number | undefined;
  #retryIn: number = RETRY_DELAY_MS[0];

  /**
   * @param say called when trouble begins, changes, and (with nothing) when it is over
   * @param isPatient a lock has been waited for already when a write fails by it
   */
  constructor(
    path: string,
    say: (trouble: string | undefined) => void = () => {},
    isPatient = false,
  ) {
    this.#path = path;
    this.#report = say;
    this.#isPatient = isPatient;
  }

  /** In words for the operator. */
  get text(): string | undefined {
    return this.#permanent ?? this.#transient;
  }

  /** Whether memory stands in, so that nobody waits for the file. */
  get isFailing(): boolean {
    return this.#transient !== undefined;
  }

  /** Whether the file is locked, but not for long enough to be trouble. */
  get isLockedBriefly(): boolean {
    return this.#lockedSince !== undefined && this.#transient === undefined;
  }

  /** A write failed. Returns after how many milliseconds to try again. */
  failed(error: unknown, now: number): number {
    const failure = sqliteFailure(error);
    if (failure === "locked") {
      this.#lockedSince ??= now;
      if (!this.isFailing && !this.#isPatient && now - this.#lockedSince < LOCK_GRACE_MS) {
        return LOCK_RETRY_MS[0];
      }
      this.#begin("another program keeps it locked");
      return LOCK_RETRY_MS[1];
    }
    if (failure === "damaged") {
      this.damaged(error);
      this.#transient = this.#permanent;
    } else this.#begin(error instanceof Error ? error.message : String(error));
    const ms = this.#retryIn;
    this.#retryIn = Math.min(this.#retryIn * 2, RETRY_DELAY_MS[1]);
    return ms;
  }

  #begin(why: string): void {
    const text = `${this.#path}: ${why}`;
    if (text === this.#transient) return;
    this.#transient = text;
    this.#report(text);
  }

  damaged(error: unknown): void {
    const what = error instanceof Error ? error.message : String(error);
    const advice =
      "restart the gateway: it makes again what can be, or says how to put a backup back";
    this.failForGood(`${this.#path} is damaged (${what}); ${advice}`);
  }

  /** Begins trouble that stays until the process ends. */
  failForGood(text: string): void {
    if (this.#permanent === text) return;
    this.#permanent = text;
    this.#report(text);
  }

  /** A write went well. @param lost how many entries found no room meanwhile */
  recovered(lost: () => number): void {
    this.#retryIn = RETRY_DELAY_MS[0];
    this.#lockedSince = undefined;
    if (!this.isFailing) return;
    this.#transient = undefined;
    const gone = lost();
    if (gone > 0) this.#report(`${gone} older entries found no room and are lost`);
    this.#report(this.#permanent);
  }
}
