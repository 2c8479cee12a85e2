/** The access tokens that an emulated platform has issued. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../core/clock.ts";

/** Milliseconds that a token is valid on all three platforms. */
const TOKEN_TTL_MS = 7_200_000;

export interface IssuedToken {
  readonly token: string;
  /** Seconds that it is still valid. */
  readonly expiresIn: number;
}

export class AccessTokens {
  /** When each token expires, in milliseconds since the epoch. */
  readonly #expiry = new Map<string, number>();

  constructor(private readonly clock: Clock) {}

  isValid(token: string): boolean {
    return (this.#expiry.get(token) ?? 0) > this.clock.now();
  }

  /**
   * Returns a valid token that has more than `minLeftMs` left, else a new one. `renews`: the token
   * that is returned again is valid for the full time again.
   */
  issue({ minLeftMs = 0, renews = false } = {}): IssuedToken {
    const now = this.clock.now();
    const known = [...this.#expiry].find(([, expiry]) => expiry - now > minLeftMs)?.[0];
    const token = known ?? randomBytes(16).toString("hex");
    if (known === undefined || renews) this.#expiry.set(token, now + TOKEN_TTL_MS);
    return { token, expiresIn: Math.floor((this.#expiry.get(token)! - now) / 1000) };
  }

  /** Revokes every token, as a platform may at any time. */
  revokeAll(): void {
    this.#expiry.clear();
  }
}
