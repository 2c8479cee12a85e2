/**
 * Who may come in: the people of the configuration and their passwords.
 *
 * An attempt takes the same time and gets the same answer whether the name exists or not, and attempts are limited by name and by address.
 */
import type { Clock } from "./clock.ts";
import { NexusError } from "./error.ts";
import { Limit } from "./limit.ts";
import type { Person } from "./message.ts";
import type { Observer } from "./observer.ts";
import { isPasswordHash, Passwords, randomToken, sameText } from "./secret.ts";

/** A person as configured. `password` is plain or a PHC string. */
export interface AccountConfig {
  readonly password: string;
  readonly displayName?: string;
  readonly role?: "admin" | "member";
  readonly bots?: readonly string[];
}

/** Per name: ten tries, then one in 30 s: 2,890 guesses a day. */
const PER_NAME = { burst: 10, every: 30_000 };

/** Per address: many people may share one, so more; still no more than one in 2 s. */
const PER_ADDRESS = { burst: 30, every: 2_000 };

interface Account {
  readonly person: Person;
  /** A PHC string, or the hash of a plain password under this process's key. */
  readonly secret: { readonly phc: string } | { readonly mac: string };
}

export class Accounts {
  #accounts = new Map<string, Account>();
  /** What a stranger's password is compared with, so that it takes as long. */
  #decoy: Promise<string> | undefined;
  /** Plain passwords are kept in memory as HMACs under this key, so that a memory dump shows none. */
  readonly #key: Promise<CryptoKey>;
  readonly #passwords = new Passwords();
  readonly #byName: Limit;
  readonly #byAddress: Limit;
  readonly #observer: Observer;

  constructor(parts: { clock: Clock; observer: Observer }) {
    this.#byName = new Limit(PER_NAME, parts.clock);
    this.#byAddress = new Limit(PER_ADDRESS, parts.clock);
    this.#observer = parts.observer;
    this.#key = crypto.subtle.importKey(
      "raw",
      new TextEncoder().encode(randomToken()),
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    );
  }

  /** Takes over a new list; who is not on it is gone. Returns the names whose password is plain text. */
  async replace(users: Readonly<Record<string, AccountConfig>>): Promise<string[]> {
    const accounts = new Map<string, Account>();
    const plain: string[] = [];
    for (const [name, { password, displayName, role, bots }] of Object.entries(users)) {
      // The original had one kind of user; `admin` is the name its own configuration gave to who runs it.
      const person: Person = {
        id: name,
        name: displayName || name,
        role: role ?? (name === "admin" ? "admin" : "member"),
        bots,
      };
      if (isPasswordHash(password)) accounts.set(name, { person, secret: { phc: password } });
      else {
        plain.push(name);
        accounts.set(name, { person, secret: { mac: await this.#mac(password) } });
      }
    }
    this.#accounts = accounts;
    return plain;
  }

  person(id: string): Person | undefined {
    return this.#accounts.get(id)?.person;
  }

  people(): Person[] {
    return [...this.#accounts.values()].map(({ person }) => person);
  }

  /** The person with this name and password. Throws `wrong_credentials`, or `limited` with the seconds to wait. */
  async signIn(name: string, password: string, address: string): Promise<Person> {
    const nameKey = name.slice(0, 200);
    const wait = Math.max(this.#byAddress.take(address), this.#byName.take(nameKey));
    if (wait > 0) {
      this.#observer.tell({ type: "sign_in_refused", name: nameKey, address, why: "limited" });
      throw new NexusError("limited", "too many sign-in attempts", { retryAfter: wait });
    }
    const account = this.#accounts.get(name);
    if (!await this.#matches(account, password)) {
      this.#observer.tell({ type: "sign_in_refused", name: nameKey, address, why: "wrong_credentials" });
      throw new NexusError("wrong_credentials");
    }
    this.#byName.giveBack(nameKey);
    this.#byAddress.giveBack(address);
    this.#observer.tell({ type: "signed_in", person: account!.person.id, address });
    return account!.person;
  }

  /** Whether this is the person's password; always costs one argon2id. */
  async verify(id: string, password: string): Promise<boolean> {
    return await this.#matches(this.#accounts.get(id), password);
  }

  async #matches(account: Account | undefined, password: string): Promise<boolean> {
    // A password beyond this length is nobody's; hashing it would only cost.
    const given = password.slice(0, 1024);
    try {
      if (account && "phc" in account.secret) return await this.#passwords.matches(given, account.secret.phc);
      await this.#passwords.matches(given, await (this.#decoy ??= this.#passwords.hash(randomToken())));
    } catch (error) {
      if (error instanceof RangeError) throw new NexusError("limited", "too many sign-ins at once", { retryAfter: 5 });
      throw error;
    }
    return account !== undefined && "mac" in account.secret && sameText(await this.#mac(given), account.secret.mac);
  }

  async #mac(password: string): Promise<string> {
    const bytes = new TextEncoder().encode(password.normalize("NFC"));
    return new Uint8Array(await crypto.subtle.sign("HMAC", await this.#key, bytes)).toHex();
  }
}
