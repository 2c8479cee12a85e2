/**
 * Sign-in by name and password, with a one-time code where the account has a second factor.
 *
 * An attempt takes the same time and returns the same error whether or not the name exists, and
 * attempts are limited ({@linkcode SignInLimits}).
 */
import { NexusError } from "../error.ts";
import type { Person } from "../message.ts";
import type { Observer } from "../observer.ts";
import { type AccountDirectory, isActive } from "./account_directory.ts";
import type { Credentials } from "./credentials.ts";
import type { SecondFactors } from "./second_factor.ts";
import type { SignInLimits, SignInOrigin } from "./sign_in_limits.ts";

/** The longest name that is logged and counted, in UTF-16 units. */
const MAX_NAME_LENGTH = 200;

export interface PasswordSignInParts {
  readonly observer: Observer;
  readonly directory: AccountDirectory;
  readonly credentials: Credentials;
  readonly secondFactors: SecondFactors;
  readonly limits: SignInLimits;
}

export class PasswordSignIn {
  readonly #parts: PasswordSignInParts;

  constructor(parts: PasswordSignInParts) {
    this.#parts = parts;
  }

  /**
   * Returns the person with this name and password.
   *
   * Throws `wrong_credentials`, `second_factor` if the code is missing or wrong, or `limited` with
   * the seconds to wait.
   *
   * @param code the one-time code, for accounts with a second factor
   * @param device the token from {@linkcode remember} that the browser sent
   */
  async signIn(
    name: string,
    password: string,
    address: string,
    code?: string,
    device?: string,
  ): Promise<Person> {
    const { directory, limits, credentials, secondFactors, observer } = this.#parts;
    const nameKey = name.slice(0, MAX_NAME_LENGTH);
    const account = directory.named(name);
    const taken = await limits.take(nameKey, account?.person.id, { address, device });
    if (typeof taken === "number") {
      this.#refused(nameKey, address, "limited");
      throw new NexusError("limited", "too many sign-in attempts", { retryAfter: taken });
    }
    if (!await credentials.matches(account?.secret, password) || !isActive(account)) {
      this.#refused(nameKey, address, "wrong_credentials");
      throw new NexusError("wrong_credentials");
    }
    const { id } = account.person;
    await secondFactors.check(id, code, address);
    // The account may have been disabled while the hash was computed.
    const current = directory.get(id);
    if (!isActive(current)) throw new NexusError("wrong_credentials");
    taken();
    observer.tell({ type: "signed_in", person: id, address });
    return current.person;
  }

  /**
   * Records where somebody signed in from. Returns a token for their browser to send at the next
   * sign-in.
   */
  async remember(id: string, from: SignInOrigin): Promise<string> {
    return await this.#parts.limits.remember(id, from);
  }

  /**
   * Checks the password of somebody who is signed in already. Throws `wrong_credentials` or
   * `limited`.
   */
  async confirm(id: string, password: string): Promise<void> {
    const { directory, limits, credentials } = this.#parts;
    const taken = limits.confirm(id);
    if (typeof taken === "number") {
      throw new NexusError("limited", "too many attempts", { retryAfter: taken });
    }
    if (!await credentials.matches(directory.get(id)?.secret, password)) {
      throw new NexusError("wrong_credentials");
    }
    taken();
  }

  #refused(name: string, address: string, why: string): void {
    this.#parts.observer.tell({ type: "sign_in_refused", name, address, why });
  }
}
