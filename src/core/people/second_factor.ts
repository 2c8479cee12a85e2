/**
 * The second factor of an account: one-time codes of an authenticator app (RFC 6238) and recovery
 * codes. Each opens once.
 */
import type { Clock } from "../clock.ts";
import { NexusError } from "../error.ts";
import { RateLimiter } from "../rate_limiter.ts";
import type { Observer } from "../observer.ts";
import { hashToken, randomToken, timingSafeEqual } from "./secret.ts";
import { keyPart, type Store } from "../store.ts";
import { newTotpSecret, totpStep } from "./totp.ts";

/** A second factor as it is stored. It counts once it was confirmed with a code. */
interface Factor {
  readonly secret: string;
  readonly confirmed: boolean;
  /** The step of the last code that was taken; it is not taken again. */
  readonly lastStep: number;
  /** Hashes of the codes for the day on which the telephone is lost; each opens once. */
  readonly recovery: readonly string[];
}

/**
 * Wrong codes for one account: five, then one in a minute; of a million codes that is one in a year
 * by luck.
 */
export const CODE_RATE = { burst: 5, every: 60_000 } as const;

const RECOVERY_CODES = 10;

export class SecondFactors {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #changed: () => void;
  readonly #tries: RateLimiter;
  #factors = new Map<string, Factor>();
  /** How often something was changed here. */
  #changes = 0;

  constructor(parts: { store: Store; clock: Clock; observer: Observer; changed: () => void }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#observer = parts.observer;
    this.#changed = parts.changed;
    this.#tries = new RateLimiter(CODE_RATE, parts.clock);
  }

  async load(): Promise<void> {
    let rows: [string, Factor & { id: string }][], changes: number;
    do {
      changes = this.#changes;
      rows = await this.#store.list("totp:");
      // A code that was used here meanwhile must not open twice.
    } while (changes !== this.#changes);
    this.#factors = new Map(rows.map(([, { id, ...factor }]) => [id, factor]));
  }

  has(id: string): boolean {
    return this.#factors.get(id)?.confirmed ?? false;
  }

  /**
   * Begins a second factor: returns the secret for the app. It counts once {@linkcode confirm} has
   * seen a code.
   */
  async begin(id: string): Promise<string> {
    if (this.has(id)) throw new NexusError("conflict", "there is a second factor already");
    const secret = newTotpSecret();
    await this.#put(id, { secret, confirmed: false, lastStep: -1, recovery: [] });
    return secret;
  }

  /**
   * Ends the setting up with a first code. Returns the recovery codes, this once. Throws
   * `second_factor`.
   */
  async confirm(id: string, code: string): Promise<string[]> {
    const factor = this.#factors.get(id);
    if (!factor || factor.confirmed) {
      throw new NexusError("conflict", "no second factor waits to be confirmed");
    }
    if (this.#tries.take(id) > 0) {
      throw new NexusError("limited", "too many wrong codes", { retryAfter: 60 });
    }
    const step = await totpStep(factor.secret, code, this.#clock.now(), factor.lastStep);
    if (step === undefined) throw new NexusError("second_factor");
    const codes = Array.from({ length: RECOVERY_CODES }, () => randomToken(5));
    const recovery = await Promise.all(codes.map(hashToken));
    await this.#put(id, { secret: factor.secret, confirmed: true, lastStep: step, recovery });
    return codes;
  }

  async remove(id: string): Promise<void> {
    this.#changes++;
    this.#factors.delete(id);
    await this.#store.delete(`totp:${keyPart(id)}`);
    this.#changed();
  }

  /**
   * That this code is right, where the account has a second factor. Throws `second_factor` or
   * `limited`.
   */
  async check(id: string, code: string | undefined, address: string): Promise<void> {
    const factor = this.#factors.get(id);
    if (!factor?.confirmed) return;
    if (!code) throw new NexusError("second_factor", "a code of the authenticator app is needed");
    const wait = this.#tries.take(id);
    if (wait > 0) throw new NexusError("limited", "too many wrong codes", { retryAfter: wait });
    const given = code.replace(/[\s-]/g, "").toLowerCase();
    const step = await totpStep(factor.secret, given, this.#clock.now(), factor.lastStep);
    const hash = await hashToken(given);
    const recovered = factor.recovery.find((kept) => timingSafeEqual(kept, hash));
    // Another request with the same code may have been first while this one computed.
    const stillGood = this.#factors.get(id) === factor;
    if ((step === undefined && recovered === undefined) || !stillGood) {
      this.#observer.tell({ type: "sign_in_refused", name: id, address, why: "second_factor" });
      throw new NexusError("second_factor");
    }
    this.#tries.giveBack(id);
    await this.#put(id, {
      ...factor,
      lastStep: step ?? factor.lastStep,
      recovery: factor.recovery.filter((kept) => kept !== recovered),
    });
  }

  async #put(id: string, factor: Factor): Promise<void> {
    this.#changes++;
    this.#factors.set(id, factor);
    await this.#store.set(`totp:${keyPart(id)}`, { id, ...factor }, { durable: true });
    this.#changed();
  }
}
