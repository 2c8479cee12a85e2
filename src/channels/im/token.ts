/**
 * An access token of a platform's app. It is cached and renewed before it expires; one request at a
 * time fetches it, however many calls wait.
 */
import type { Clock } from "../../core/clock.ts";

export class AccessToken {
  readonly #clock: Clock;
  readonly #fetchToken: (timeoutFactor: number) => Promise<{ token: string; lifetime: number }>;
  readonly #ahead: number;
  #value = "";
  #until = 0;
  /** Consecutive failures. */
  #failures = 0;
  #request: Promise<string> | undefined;

  /**
   * @param fetchToken fetches a token, with its lifetime in milliseconds, within a time that is
   * multiplied by `timeoutFactor`; throws a `PlatformError`
   * @param ahead milliseconds before its expiry at which a token is renewed; it stays valid
   *   meanwhile
   */
  constructor(
    clock: Clock,
    fetchToken: (timeoutFactor: number) => Promise<{ token: string; lifetime: number }>,
    ahead = 5 * 60_000,
  ) {
    this.#clock = clock;
    this.#fetchToken = fetchToken;
    this.#ahead = ahead;
  }

  /** Returns a valid token. */
  get(): Promise<string> {
    const left = this.#until - this.#clock.now();
    if (left > this.#ahead) return Promise.resolve(this.#value);
    const request = this.#renew();
    if (left <= 0) return request;
    // The token is still valid, so nobody waits. The next caller sees a failure of the renewal.
    request.catch(() => undefined);
    return Promise.resolve(this.#value);
  }

  /** Discards a token that the platform refused, unless it was renewed meanwhile. */
  invalidate(token: string): void {
    if (token === this.#value) this.#until = 0;
  }

  #renew(): Promise<string> {
    return this.#request ??= this.#fetchToken(timeoutFactor(this.#failures)).then(
      ({ token, lifetime }) => {
        this.#failures = 0;
        this.#value = token;
        this.#until = this.#clock.now() + lifetime;
        return token;
      },
      (error) => {
        this.#failures++;
        throw error;
      },
    ).finally(() => this.#request = undefined);
  }
}

/** Returns the factor of the timeout after so many failures: a slow platform gets more time. */
export function timeoutFactor(failures: number): number {
  return Math.min(4, 2 ** failures);
}
