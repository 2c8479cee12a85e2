/**
 * An access token of a platform's app: kept, renewed ahead of its time, and asked for by one flight
 * at a time however many wait.
 */
import type { Clock } from "../../core/clock.ts";

export class AccessToken {
  readonly #clock: Clock;
  readonly #ask: (patience: number) => Promise<{ token: string; lifetime: number }>;
  readonly #ahead: number;
  #value = "";
  #until = 0;
  /** Failures one after the other. */
  #failures = 0;
  #flight: Promise<string> | undefined;

  /**
   * `ask` gets a new one, with its lifetime in milliseconds, and throws a `PlatformError`;
   * `patience` is by what its time is multiplied, more after each failure. `ahead`: milliseconds
   * before the end at which it is renewed; the old one still holds meanwhile.
   */
  constructor(
    clock: Clock,
    ask: (patience: number) => Promise<{ token: string; lifetime: number }>,
    ahead = 5 * 60_000,
  ) {
    this.#clock = clock;
    this.#ask = ask;
    this.#ahead = ahead;
  }

  /** A token that holds. */
  get(): Promise<string> {
    const left = this.#until - this.#clock.now();
    if (left > this.#ahead) return Promise.resolve(this.#value);
    const flight = this.#renew();
    if (left <= 0) return flight;
    // The old one is still good: nobody has to wait, and a failure now is the next caller's to see.
    flight.catch(() => undefined);
    return Promise.resolve(this.#value);
  }

  /** The platform refused this one. Another that came meanwhile stays. */
  invalidate(token: string): void {
    if (token === this.#value) this.#until = 0;
  }

  #renew(): Promise<string> {
    return this.#flight ??= this.#ask(timeoutFactor(this.#failures)).then(({ token, lifetime }) => {
      this.#failures = 0;
      this.#value = token;
      this.#until = this.#clock.now() + lifetime;
      return token;
    }, (error) => {
      this.#failures++;
      throw error;
    }).finally(() => this.#flight = undefined);
  }
}

/**
 * By what the time of a repeat is multiplied: a platform that has become slow is not given up four
 * times as fast.
 */
export function timeoutFactor(failures: number): number {
  return Math.min(4, 2 ** failures);
}
