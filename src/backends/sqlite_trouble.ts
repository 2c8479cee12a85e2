/**
 * What is wrong with the file of the SQLite store right now, how to say it, and when to try again.
 */
import { failureOf } from "./sqlite_error.ts";

/**
 * Milliseconds between tries while the file cannot be written: doubled each time up to the second
 * figure.
 */
export const RETRY = [1000, 30_000] as const;

/**
 * Milliseconds that another process may lock the file before that is trouble: commands take less.
 */
const LOCKED = 100;

/** Milliseconds between two tries meanwhile, and once it is trouble. */
const RETRY_LOCKED = [10, 250] as const;

export class Trouble {
  readonly #path: string;
  readonly #isPatient: boolean;
  readonly #say: (trouble: string | undefined) => void;
  /** What the next write may mend. */
  #passing: string | undefined;
  /** What no write mends: a file that is damaged, or another one in its place. */
  #lasting: string | undefined;
  /** Since when another process locks the file, in milliseconds since the epoch. */
  #lockedSince: number | undefined;
  #retryIn: number = RETRY[0];

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
    this.#say = say;
    this.#isPatient = isPatient;
  }

  /** In words for the operator. */
  get text(): string | undefined {
    return this.#lasting ?? this.#passing;
  }

  /** Whether memory stands in, so that nobody waits for the file. */
  get isOn(): boolean {
    return this.#passing !== undefined;
  }

  /** Whether the file is locked, but not for long enough to be trouble. */
  get isWaiting(): boolean {
    return this.#lockedSince !== undefined && this.#passing === undefined;
  }

  /** A write failed. Returns after how many milliseconds to try again. */
  failed(error: unknown, now: number): number {
    const failure = failureOf(error);
    if (failure === "locked") {
      this.#lockedSince ??= now;
      if (!this.isOn && !this.#isPatient && now - this.#lockedSince < LOCKED) {
        return RETRY_LOCKED[0];
      }
      this.#begin("another program keeps it locked");
      return RETRY_LOCKED[1];
    }
    if (failure === "damaged") {
      this.damaged(error);
      this.#passing = this.#lasting;
    } else this.#begin(error instanceof Error ? error.message : String(error));
    const ms = this.#retryIn;
    this.#retryIn = Math.min(this.#retryIn * 2, RETRY[1]);
    return ms;
  }

  #begin(why: string): void {
    const text = `${this.#path}: ${why}`;
    if (text === this.#passing) return;
    this.#passing = text;
    this.#say(text);
  }

  damaged(error: unknown): void {
    const what = error instanceof Error ? error.message : String(error);
    const advice =
      "restart the gateway: it makes again what can be, or says how to put a backup back";
    this.lasts(`${this.#path} is damaged (${what}); ${advice}`);
  }

  /** Begins trouble that stays until the process ends. */
  lasts(text: string): void {
    if (this.#lasting === text) return;
    this.#lasting = text;
    this.#say(text);
  }

  /** A write went well. @param lost how many entries found no room meanwhile */
  over(lost: () => number): void {
    this.#retryIn = RETRY[0];
    this.#lockedSince = undefined;
    if (!this.isOn) return;
    this.#passing = undefined;
    const gone = lost();
    if (gone > 0) this.#say(`${gone} older entries found no room and are lost`);
    this.#say(this.#lasting);
  }
}
