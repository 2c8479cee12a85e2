/** The time in which a model API gets no new questions, because a limit or a budget was reached. */
import type { Clock } from "../../core/clock.ts";

/** The longest cooldown that an API's `Retry-After` leads to. */
const MAX_COOLDOWN_MS = 300_000;

export class Cooldown {
  readonly #clock: Clock;
  readonly #onChange: () => void;
  #until = 0;
  #stopTimer: (() => void) | undefined;

  /** @param onChange is called at the beginning and at the end */
  constructor(clock: Clock, onChange: () => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** Milliseconds that are left; 0 outside of a cooldown. */
  get left(): number {
    return Math.max(0, this.#until - this.#clock.now());
  }

  start(ms: number): void {
    const duration = Math.min(ms, MAX_COOLDOWN_MS);
    this.stop();
    this.#until = this.#clock.now() + duration;
    this.#stopTimer = this.#clock.after(duration, () => this.end());
    this.#onChange();
  }

  end(): void {
    this.stop();
    this.#until = 0;
    this.#onChange();
  }

  /** Stops the timer, without a word to anybody. */
  stop(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
  }
}
