/**
 * Passwords as accounts have them: hashed where they are stored, compared in a time that tells
 * nothing, and never dearer to check than the operator allowed.
 */
import { NexusError } from "../error.ts";
import type { PasswordVerifier } from "./account_directory.ts";
import {
  type Argon2id,
  hashProblem,
  isPasswordHash,
  looksLikeHash,
  PasswordHasher,
} from "./password_hash.ts";
import { randomToken, timingSafeEqual } from "./secret.ts";
import type { ServerSecret } from "./server_secret.ts";

export class Credentials {
  readonly #passwords: PasswordHasher;
  readonly #secret: ServerSecret;
  /** What a stranger's password is compared with, so that it takes as long. */
  #decoy: Promise<string> | undefined;

  constructor(parts: { secret: ServerSecret; argon2id?: Argon2id }) {
    this.#passwords = new PasswordHasher(parts.argon2id);
    this.#secret = parts.secret;
  }

  /**
   * A password of the configuration as it stays in memory, where a dump shows no plain one. The
   * same over restarts.
   */
  async configured(password: string): Promise<PasswordVerifier> {
    return isPasswordHash(password) ? { phc: password } : { mac: await this.#macOf(password) };
  }

  /**
   * A password as it is stored. Throws `invalid` where it is too short, too long, or looks like a
   * hash.
   *
   * @param mayBeHash whether a whole argon2id hash within the bounds is taken as it is; what it
   *   costs is then the giver's choice
   */
  async hash(password: string, mayBeHash: boolean): Promise<string> {
    if (looksLikeHash(password)) {
      if (mayBeHash && isPasswordHash(password)) return password;
      throw new NexusError(
        "invalid",
        mayBeHash ? hashProblem(password) : "a password must not look like a hash",
      );
    }
    const length = [...password].length;
    if (length < 8 || password.length > 1024) {
      throw new NexusError("invalid", "a password has 8 to 1024 characters");
    }
    return await this.#passwords.hash(password).catch(tooMany);
  }

  /**
   * Whether this is the password. Costs one argon2id also where there is no account. Throws
   * `limited` when too many wait.
   */
  async matches(secret: PasswordVerifier | undefined, password: string): Promise<boolean> {
    // A password beyond this length is nobody's; hashing it would only cost.
    const given = password.slice(0, 1024);
    const isHash = secret !== undefined && "phc" in secret && isPasswordHash(secret.phc);
    const phc = isHash ? secret.phc : await (this.#decoy ??= this.#passwords.hash(randomToken()));
    const matches = await this.#passwords.matches(given, phc).catch(tooMany);
    if (isHash) return matches;
    return secret !== undefined && "mac" in secret &&
      timingSafeEqual(await this.#macOf(given), secret.mac);
  }

  async #macOf(password: string): Promise<string> {
    return await this.#secret.mac("password", password.normalize("NFC"));
  }
}

function tooMany(error: unknown): never {
  if (error instanceof RangeError) {
    throw new NexusError("limited", "too many sign-ins at once", { retryAfter: 5 });
  }
  throw error;
}
