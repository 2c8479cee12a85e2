/**
 * Who may come in: the people of the configuration, the people of the store, and those whom somebody else vouches for (OpenID Connect, Feishu …).
 *
 * An attempt takes the same time and gets the same answer whether the name exists or not, and attempts are limited by name and by address.
 * Where a name stands in the configuration and in the store, the configuration counts: it is the operator's word.
 */
import type { Allowance } from "./allowance.ts";
import type { Clock } from "./clock.ts";
import { NexusError } from "./error.ts";
import { Limit, networkOf } from "./limit.ts";
import type { Person } from "./message.ts";
import type { Observer } from "./observer.ts";
import { type Argon2id, hashToken, isPasswordHash, Passwords, randomToken, sameText } from "./secret.ts";
import { keyPart, type Store } from "./store.ts";
import { newTotpSecret, totpStep } from "./totp.ts";

/** A person as configured. `password` is plain or a PHC string. */
export interface AccountConfig {
  readonly password: string;
  readonly displayName?: string;
  readonly role?: "admin" | "member";
  readonly bots?: readonly string[];
  readonly limits?: Allowance;
}

/** A person as the store keeps them. */
export interface AccountRecord {
  readonly id: string;
  readonly displayName?: string;
  readonly role?: "admin" | "member";
  readonly bots?: readonly string[];
  readonly limits?: Allowance;
  /** A PHC string; absent for somebody whom only a provider vouches for. */
  readonly password?: string;
  /** Who vouches: the name of a provider. Absent: we ourselves. */
  readonly source?: string;
  /** May not come in for now. */
  readonly disabled?: boolean;
  readonly createdAt: number;
}

/** What an admin sees of a person. */
export interface AccountView extends Person {
  /** `config`, `store`, or the name of a provider. */
  readonly source: string;
  readonly disabled: boolean;
  readonly totp: boolean;
  readonly limits: Allowance;
  readonly createdAt?: number;
}

/** A second factor as it is kept. It counts once it was confirmed with a code. */
interface Factor {
  readonly secret: string;
  readonly confirmed: boolean;
  /** The step of the last code that was taken; it is not taken again. */
  readonly lastStep: number;
  /** Hashes of the codes for the day on which the telephone is lost; each opens once. */
  readonly recovery: readonly string[];
}

/** Per name: ten tries, then one in 30 s: 2,890 guesses a day. */
const PER_NAME = { burst: 10, every: 30_000 };

/** Per address: many people may share one, so more; still no more than one in 2 s. */
const PER_ADDRESS = { burst: 30, every: 2_000 };

/** Wrong codes for one name: five, then one in a minute; of a million codes that is one in a year by luck. */
const PER_FACTOR = { burst: 5, every: 60_000 };

/** Milliseconds between two looks for what another node or the command line changed. */
const LOOK = 5_000;

const RECOVERY_CODES = 10;

interface Account {
  readonly person: Person;
  /** A PHC string, or the hash of a plain password under this process's key; nothing where a provider vouches. */
  readonly secret?: { readonly phc: string } | { readonly mac: string };
  readonly limits: Allowance;
  readonly record?: AccountRecord;
}

export class Accounts {
  /** Of the configuration. */
  #accounts = new Map<string, Account>();
  /** Of the store. */
  #stored = new Map<string, Account>();
  #factors = new Map<string, Factor>();
  /** What a stranger's password is compared with, so that it takes as long. */
  #decoy: Promise<string> | undefined;
  /** Plain passwords are kept in memory as HMACs under this key, so that a memory dump shows none. */
  readonly #key: Promise<CryptoKey>;
  readonly #passwords: Passwords;
  readonly #byName: Limit;
  readonly #byAddress: Limit;
  readonly #byFactor: Limit;
  readonly #observer: Observer;
  readonly #store: Store | undefined;
  readonly #clock: Clock;
  #stop: (() => void) | undefined;

  /** @param parts.store where people are kept besides the configuration; call {@linkcode load} then */
  constructor(parts: { clock: Clock; observer: Observer; store?: Store; argon2id?: Argon2id }) {
    this.#passwords = new Passwords(parts.argon2id);
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#byFactor = new Limit(PER_FACTOR, parts.clock);
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

  /** Reads the people of the store, and looks again every few seconds until {@linkcode close}. */
  async load(): Promise<void> {
    if (!this.#store) return;
    await this.#look();
    this.#stop ??= this.#clock.every(LOOK, () => {
      this.#look().catch((error) => this.#observer.tell({ type: "fault", where: "accounts", error }));
    });
  }

  close(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  async #look(): Promise<void> {
    const [people, factors] = await Promise.all([this.#store!.list("person:"), this.#store!.list("totp:")]);
    const stored = new Map<string, Account>();
    for (const [, record] of people) stored.set(record.id, fromRecord(record));
    this.#stored = stored;
    this.#factors = new Map(factors.map(([, { id, ...factor }]) => [id, factor as Factor]));
  }

  /** Takes over a new list; who is not on it is gone. Returns the names whose password is plain text. */
  async replace(users: Readonly<Record<string, AccountConfig>>): Promise<string[]> {
    const accounts = new Map<string, Account>();
    const plain: string[] = [];
    for (const [name, { password, displayName, role, bots, limits = {} }] of Object.entries(users)) {
      // The original had one kind of user; `admin` is the name its own configuration gave to who runs it.
      const person: Person = {
        id: name,
        name: displayName || name,
        role: role ?? (name === "admin" ? "admin" : "member"),
        bots,
      };
      if (isPasswordHash(password)) accounts.set(name, { person, secret: { phc: password }, limits });
      else {
        plain.push(name);
        accounts.set(name, { person, secret: { mac: await this.#mac(password) }, limits });
      }
    }
    this.#accounts = accounts;
    return plain;
  }

  person(id: string): Person | undefined {
    const account = this.#account(id);
    return account?.record?.disabled ? undefined : account?.person;
  }

  people(): Person[] {
    return [...new Map([...this.#stored, ...this.#accounts]).values()]
      .filter(({ record }) => !record?.disabled).map(({ person }) => person);
  }

  /** Everybody, also who is disabled, with what only admins see. */
  list(): AccountView[] {
    return [...new Map([...this.#stored, ...this.#accounts]).values()].map((account) => this.#viewOf(account));
  }

  view(id: string): AccountView | undefined {
    const account = this.#account(id);
    return account && this.#viewOf(account);
  }

  /** What this person may ask beyond or below what everybody may. */
  limits(id: string): Allowance | undefined {
    return this.#account(id)?.limits;
  }

  /**
   * The person with this name and password, and with this one-time code where they have a second factor.
   *
   * Throws `wrong_credentials`, `second_factor` when the code is missing or wrong, or `limited` with the seconds to wait.
   */
  async signIn(name: string, password: string, address: string, code?: string): Promise<Person> {
    const nameKey = name.slice(0, 200);
    const wait = Math.max(this.#byAddress.take(networkOf(address)), this.#byName.take(nameKey));
    if (wait > 0) {
      this.#observer.tell({ type: "sign_in_refused", name: nameKey, address, why: "limited" });
      throw new NexusError("limited", "too many sign-in attempts", { retryAfter: wait });
    }
    const account = this.#account(name);
    if (!await this.#matches(account, password) || account?.record?.disabled) {
      this.#observer.tell({ type: "sign_in_refused", name: nameKey, address, why: "wrong_credentials" });
      throw new NexusError("wrong_credentials");
    }
    await this.#checkFactor(account!.person.id, code, address);
    this.#byName.giveBack(nameKey);
    this.#byAddress.giveBack(networkOf(address));
    this.#observer.tell({ type: "signed_in", person: account!.person.id, address });
    return account!.person;
  }

  /**
   * Somebody whom a provider vouches for: kept at their first coming, and with what the provider says of them at each, which
   * replaces what was known; what it does not say stays.
   *
   * Throws `forbidden` when they are disabled, or when the id belongs to somebody of another source.
   */
  async vouched(
    source: string,
    who: { id: string; displayName?: string; role?: "admin" | "member"; bots?: readonly string[] },
    address: string,
  ): Promise<Person> {
    const known = this.#account(who.id);
    const refused = known?.record?.disabled
      ? "disabled"
      : known && known.record?.source !== source
      ? "the id is taken"
      : "";
    if (refused) {
      this.#observer.tell({ type: "sign_in_refused", name: who.id, address, why: `${source}: ${refused}` });
      throw new NexusError("forbidden", "this account may not sign in");
    }
    const before = known?.record;
    const record: AccountRecord = {
      ...before,
      id: who.id,
      displayName: who.displayName ?? before?.displayName,
      role: who.role ?? before?.role,
      bots: who.bots ?? before?.bots,
      source,
      createdAt: before?.createdAt ?? this.#clock.now(),
    };
    if (JSON.stringify(record) !== JSON.stringify(before)) await this.#put(record);
    this.#observer.tell({ type: "signed_in", person: who.id, address });
    return this.#account(who.id)!.person;
  }

  /* ── the people of the store ─────────────────────────────────────────────────────────────────────────────────────── */

  /** Adds a person. Throws `conflict` when the name is taken, `invalid` when it is no name. */
  async add(
    id: string,
    fields: Pick<AccountRecord, "displayName" | "role" | "bots" | "limits"> & { password: string },
  ): Promise<AccountView> {
    // deno-lint-ignore no-control-regex -- control characters are what it refuses
    if (!/^[^\s\u0000-\u001f\u007f]{1,100}$/.test(id)) {
      throw new NexusError("invalid", "a name has 1 to 100 characters and no spaces");
    }
    if (this.#account(id)) throw new NexusError("conflict", `there is somebody with the name ${id}`);
    const { password, ...rest } = fields;
    await this.#put({ ...rest, id, password: await this.#hash(password), createdAt: this.#clock.now() });
    return this.view(id)!;
  }

  /** Changes what was given; `null` takes away. Throws `not_found`, and `conflict` for a person of the configuration. */
  async change(
    id: string,
    fields: {
      displayName?: string;
      role?: "admin" | "member";
      bots?: readonly string[] | null;
      limits?: Allowance | null;
      disabled?: boolean;
      password?: string;
    },
  ): Promise<AccountView> {
    const record = this.#own(id);
    const { password, bots, limits, ...rest } = fields;
    await this.#put({
      ...record,
      ...rest,
      bots: bots === undefined ? record.bots : bots ?? undefined,
      limits: limits === undefined ? record.limits : limits ?? undefined,
      password: password === undefined ? record.password : await this.#hash(password),
    });
    return this.view(id)!;
  }

  /** Removes a person of the store. What they said is the caller's to remove. */
  async remove(id: string): Promise<void> {
    this.#own(id);
    this.#stored.delete(id);
    this.#factors.delete(id);
    await this.#store!.delete(`person:${keyPart(id)}`);
    await this.#store!.delete(`totp:${keyPart(id)}`);
  }

  #own(id: string): AccountRecord {
    const account = this.#account(id);
    if (!account) throw new NexusError("not_found");
    if (!account.record || !this.#store) {
      throw new NexusError("conflict", `${id} stands in the configuration file and is changed there`);
    }
    return account.record;
  }

  async #put(record: AccountRecord): Promise<void> {
    if (!this.#store) throw new NexusError("conflict", "people are kept in the configuration only");
    // Sure, because whoever was told that a password holds must not find the old one after a crash.
    await this.#store.set(`person:${keyPart(record.id)}`, record, { sure: true });
    this.#stored.set(record.id, fromRecord(record));
  }

  async #hash(password: string): Promise<string> {
    if (isPasswordHash(password)) return password;
    const length = [...password].length;
    if (length < 8 || password.length > 1024) throw new NexusError("invalid", "a password has 8 to 1024 characters");
    try {
      return await this.#passwords.hash(password);
    } catch (error) {
      if (error instanceof RangeError) throw new NexusError("limited", "too many sign-ins at once", { retryAfter: 5 });
      throw error;
    }
  }

  #account(id: string): Account | undefined {
    return this.#accounts.get(id) ?? this.#stored.get(id);
  }

  #viewOf({ person, record, limits }: Account): AccountView {
    return {
      ...person,
      source: record ? record.source ?? "store" : "config",
      disabled: record?.disabled ?? false,
      totp: this.#factors.get(person.id)?.confirmed ?? false,
      limits,
      createdAt: record?.createdAt,
    };
  }

  /* ── the second factor ───────────────────────────────────────────────────────────────────────────────────────────── */

  hasFactor(id: string): boolean {
    return this.#factors.get(id)?.confirmed ?? false;
  }

  /** Begins a second factor: the secret for the app. It counts once {@linkcode confirmFactor} has seen a code. */
  async newFactor(id: string): Promise<string> {
    if (this.hasFactor(id)) throw new NexusError("conflict", "there is a second factor already");
    const secret = newTotpSecret();
    await this.#putFactor(id, { secret, confirmed: false, lastStep: -1, recovery: [] });
    return secret;
  }

  /** Ends the setting up with a first code. Returns the recovery codes, told this once. Throws `second_factor`. */
  async confirmFactor(id: string, code: string): Promise<string[]> {
    const factor = this.#factors.get(id);
    if (!factor || factor.confirmed) throw new NexusError("conflict", "no second factor waits to be confirmed");
    if (this.#byFactor.take(id) > 0) throw new NexusError("limited", "too many wrong codes", { retryAfter: 60 });
    const step = await totpStep(factor.secret, code, this.#clock.now(), factor.lastStep);
    if (step === undefined) throw new NexusError("second_factor");
    const codes = Array.from({ length: RECOVERY_CODES }, () => randomToken(5));
    await this.#putFactor(id, {
      secret: factor.secret,
      confirmed: true,
      lastStep: step,
      recovery: await Promise.all(codes.map(hashToken)),
    });
    return codes;
  }

  async dropFactor(id: string): Promise<void> {
    this.#factors.delete(id);
    await this.#store?.delete(`totp:${keyPart(id)}`);
  }

  async #checkFactor(id: string, code: string | undefined, address: string): Promise<void> {
    const factor = this.#factors.get(id);
    if (!factor?.confirmed) return;
    if (!code) throw new NexusError("second_factor", "a code of the authenticator app is needed");
    const wait = this.#byFactor.take(id);
    if (wait > 0) throw new NexusError("limited", "too many wrong codes", { retryAfter: wait });
    const given = code.replace(/[\s-]/g, "").toLowerCase();
    const step = await totpStep(factor.secret, given, this.#clock.now(), factor.lastStep);
    const hash = await hashToken(given);
    const recovered = factor.recovery.find((kept) => sameText(kept, hash));
    // Another request with the same code may have been first while this one computed.
    const stillGood = this.#factors.get(id) === factor;
    if ((step === undefined && recovered === undefined) || !stillGood) {
      this.#observer.tell({ type: "sign_in_refused", name: id, address, why: "second_factor" });
      throw new NexusError("second_factor");
    }
    this.#byFactor.giveBack(id);
    await this.#putFactor(id, {
      ...factor,
      lastStep: step ?? factor.lastStep,
      recovery: factor.recovery.filter((kept) => kept !== recovered),
    });
  }

  async #putFactor(id: string, factor: Factor): Promise<void> {
    if (!this.#store) throw new NexusError("conflict", "a second factor needs a store");
    this.#factors.set(id, factor);
    await this.#store.set(`totp:${keyPart(id)}`, { id, ...factor }, { sure: true });
  }

  /* ── passwords ───────────────────────────────────────────────────────────────────────────────────────────────────── */

  /** Whether this is the person's password; always costs one argon2id. */
  async verify(id: string, password: string): Promise<boolean> {
    return await this.#matches(this.#account(id), password);
  }

  /** That this is the person's password, within the limits of sign-in. Throws `wrong_credentials` or `limited`. */
  async checkPassword(id: string, password: string, address: string): Promise<void> {
    const wait = Math.max(this.#byAddress.take(networkOf(address)), this.#byName.take(id));
    if (wait > 0) throw new NexusError("limited", "too many attempts", { retryAfter: wait });
    if (!await this.verify(id, password)) throw new NexusError("wrong_credentials");
    this.#byName.giveBack(id);
    this.#byAddress.giveBack(networkOf(address));
  }

  async #matches(account: Account | undefined, password: string): Promise<boolean> {
    // A password beyond this length is nobody's; hashing it would only cost.
    const given = password.slice(0, 1024);
    try {
      if (account?.secret && "phc" in account.secret) return await this.#passwords.matches(given, account.secret.phc);
      await this.#passwords.matches(given, await (this.#decoy ??= this.#passwords.hash(randomToken())));
    } catch (error) {
      if (error instanceof RangeError) throw new NexusError("limited", "too many sign-ins at once", { retryAfter: 5 });
      throw error;
    }
    return account?.secret !== undefined && "mac" in account.secret &&
      sameText(await this.#mac(given), account.secret.mac);
  }

  async #mac(password: string): Promise<string> {
    const bytes = new TextEncoder().encode(password.normalize("NFC"));
    return new Uint8Array(await crypto.subtle.sign("HMAC", await this.#key, bytes)).toHex();
  }
}

function fromRecord(record: AccountRecord): Account {
  const { id, displayName, role = "member", bots, limits = {}, password } = record;
  const person: Person = { id, name: displayName || id, role, bots };
  return { person, limits, record, secret: password === undefined ? undefined : { phc: password } };
}
