/**
 * Who may come in: the people of the configuration, the people of the store, and those whom
 * somebody else vouches for (OpenID Connect, Feishu …).
 *
 * Everything that belongs to somebody hangs on their id, which never comes again; they sign in with
 * their name, which may. An attempt takes the same time and gets the same answer whether the name
 * exists or not, and attempts are limited ({@linkcode SignInLimits}).
 */
import type { Allowance } from "./allowance.ts";
import type { Clock } from "../clock.ts";
import { Credentials } from "./credentials.ts";
import { NexusError } from "../error.ts";
import { Identities } from "./identity.ts";
import { Languages } from "../languages.ts";
import type { Person } from "../message.ts";
import type { Observer } from "../observer.ts";
import type { Offer } from "../offer.ts";
import {
  type Account,
  type AccountChange,
  AccountDirectory,
  type AccountRecord,
  type ConfiguredAccount,
  credentialOf,
  isActive,
  isGuest,
  type ProviderPolicy,
} from "./account_directory.ts";
import { AccountStore } from "./account_store.ts";
import { type Argon2id, isPasswordHash } from "./secret.ts";
import { SecondFactors } from "./second_factor.ts";
import { ServerSecret } from "./server_secret.ts";
import { SignInLimits, type SignInOrigin } from "./sign_in_limits.ts";
import type { Store } from "../store.ts";
import { Tombstones } from "./tombstone.ts";
import { type ExternalUser, Provisioning } from "./provisioning.ts";

/** A person as configured. `password` is plain or a PHC string. */
export interface AccountConfig {
  readonly password: string;
  readonly displayName?: string;
  readonly role?: "admin" | "member";
  readonly bots?: readonly string[];
  readonly limits?: Allowance;
}

/** What an admin sees of a person. */
export interface AccountView extends Person {
  readonly username: string;
  /**
   * `config`, `store`, the name of a provider, or `former`: stood in the configuration and can be
   * forgotten.
   */
  readonly source: string;
  readonly disabled: boolean;
  readonly totp: boolean;
  readonly limits: Allowance;
  readonly createdAt?: number;
}

/** Milliseconds between two looks for what another process or the command line changed. */
export const RELOAD_INTERVAL_MS = 2_000;

export class Accounts {
  readonly identities: Identities;
  readonly languages: Languages;
  readonly tombstones: Tombstones;
  readonly #people: AccountDirectory;
  readonly #factors: SecondFactors;
  readonly #limits: SignInLimits;
  readonly #credentials: Credentials;
  readonly #vouching: Provisioning;
  readonly #observer: Observer;
  readonly #stored: AccountStore;
  readonly #clock: Clock;
  readonly #watchers = new Set<(change: AccountChange) => void>();
  #isReading = false;
  #stop: (() => void) | undefined;

  /**
   * @param parts.store where people are stored besides the configuration; call {@linkcode load}
   *   then
   */
  constructor(
    parts: {
      clock: Clock;
      observer: Observer;
      store: Store;
      secret?: ServerSecret;
      argon2id?: Argon2id;
    },
  ) {
    const { store, clock, observer, secret = new ServerSecret() } = parts;
    const changed = () => void this.#stored.mark();
    this.#credentials = new Credentials({ secret, argon2id: parts.argon2id });
    this.#clock = clock;
    this.#observer = observer;
    this.tombstones = new Tombstones(store);
    this.languages = new Languages(store);
    this.identities = new Identities({ store, clock, changed });
    this.#people = new AccountDirectory(this.tombstones);
    this.#stored = new AccountStore({
      store,
      people: this.#people,
      onFault: (error) => observer.tell({ type: "fault", where: "accounts", error }),
    });
    this.#factors = new SecondFactors({ store, clock, observer, changed });
    this.#limits = new SignInLimits({ store, clock, secret });
    this.#vouching = new Provisioning({
      store,
      clock,
      observer,
      people: this.#people,
      tombstones: this.tombstones,
      identities: this.identities,
      hasSecondFactor: (id) => this.hasFactor(id),
      put: (record) => this.#put(record),
    });
  }
  /*
   * ── the list
   * ──────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  /** Reads the people of the store, and looks again every few seconds until {@linkcode close}. */
  async load(): Promise<void> {
    await this.#look();
    this.#stop ??= this.#clock.every(RELOAD_INTERVAL_MS, () => {
      this.#look().catch((error) =>
        this.#observer.tell({ type: "fault", where: "accounts", error })
      );
    });
  }

  close(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  /**
   * Calls back whenever somebody comes in or is out, or something of theirs changed, whoever did
   * it. Returns the way to stop.
   */
  watch(call: (change: AccountChange) => void): () => void {
    this.#watchers.add(call);
    return () => this.#watchers.delete(call);
  }

  #announce(changes: readonly AccountChange[]): void {
    for (const change of changes) for (const call of this.#watchers) call(change);
  }

  /** Reads the list again where another process has changed it. */
  async #look(): Promise<void> {
    if (this.#isReading || !await this.#stored.hasChanged()) return;
    this.#isReading = true;
    try {
      const removed = await this.tombstones.load();
      await this.#factors.load();
      const { records, former } = await this.#stored.read();
      // What was retired is not deleted yet.
      for (const id of records.keys()) if (this.tombstones.isRetired(id)) records.delete(id);
      for (const [username, id] of former) {
        if (this.tombstones.isRetired(id)) former.delete(username);
      }
      const changes = this.#people.set({ records, former });
      this.#announce([...changes, ...removed.map((id) => ({ type: "removed" as const, id }))]);
    } finally {
      this.#isReading = false;
    }
  }

  /**
   * Takes over the people of the configuration; who is not on it is out. Returns the names whose
   * password is plain text.
   */
  async replace(users: Readonly<Record<string, AccountConfig>>): Promise<string[]> {
    const configured = await Promise.all(
      Object.entries(users).map(async ([username, user]) => {
        const { password, displayName, role, bots, limits = {} } = user;
        const fields: ConfiguredAccount = {
          displayName,
          // Nexus 1.x had one kind of user; `admin` is the name its own configuration gave to
          // who runs it.
          role: role ?? (username === "admin" ? "admin" : "member"),
          bots,
          limits,
          secret: await this.#credentials.configured(password),
        };
        return [username, fields] as const;
      }),
    );
    this.#announce(this.#people.set({ configured: new Map(configured) }));
    return Object.keys(users).filter((username) => !isPasswordHash(users[username]!.password));
  }

  /**
   * Takes over who may vouch for people; whose provider is gone, or no longer lets their groups in,
   * is out.
   */
  setProviderPolicy(vouches: ProviderPolicy): void {
    this.#announce(this.#people.set({ vouches }));
  }

  /**
   * Writes down who stands in the configuration, so that they can be found and forgotten when they
   * no longer do.
   */
  async noteConfigured(): Promise<void> {
    for (const username of this.#people.configuredNames()) {
      const id = this.tombstones.idOf(username);
      if (this.#people.noted(username) === id) continue;
      this.#people.note(username, id);
      await this.#stored.note(username, id);
    }
  }

  /**
   * Takes over what earlier versions stored. Call it once, when the people of the configuration are
   * known.
   */
  async migrate(): Promise<void> {
    // A link to somebody who was removed before would else lead to the next account of that name.
    await this.identities.migrate((id) => this.#people.get(id) !== undefined);
  }

  /** Somebody who may come in. */
  person(id: string): Person | undefined {
    const account = this.#people.get(id);
    return isActive(account) ? account.person : undefined;
  }

  /**
   * Whether there is an account of this id that may not come in: disabled, removed, or no longer in
   * the configuration.
   */
  isDeactivated(id: string): boolean {
    const account = this.#people.get(id);
    return account
      ? !isActive(account)
      : this.tombstones.isRetired(id) || this.#people.isFormer(id);
  }

  /**
   * The bots that an app on a chat platform offers to somebody, beside what their account may use.
   *
   * @param id their account's; absent: they have none
   * @param bots what the app is set to offer at all; absent: nothing is said
   */
  offer(id: string | undefined, bots: readonly string[] | undefined): Offer {
    if (bots) return { within: [bots] };
    const account = id === undefined ? undefined : this.#people.get(id);
    const isStranger = account === undefined ||
      (isGuest(account) && account.person.bots === undefined);
    return { within: isStranger ? this.#people.openToAll() : [] };
  }

  /**
   * Whether a message in a chat made this account, and nobody has signed in with it or made them an
   * admin.
   */
  isGuest(id: string): boolean {
    const account = this.#people.get(id);
    return account !== undefined && isGuest(account);
  }

  people(): Person[] {
    return this.#people.all().filter(isActive).map(({ person }) => person);
  }

  /**
   * Everybody, also who is disabled or was taken out of the configuration, with what only admins
   * see.
   */
  list(): AccountView[] {
    const former = [...this.#people.former()].map(([username, id]) =>
      this.#viewOfFormer(username, id)
    );
    return [...this.#people.all().map((account) => this.#viewOf(account)), ...former];
  }

  /** Somebody by their id. */
  view(id: string): AccountView | undefined {
    const account = this.#people.get(id);
    if (account) return this.#viewOf(account);
    const username = this.#people.formerName(id);
    return username === undefined ? undefined : this.#viewOfFormer(username, id);
  }

  /** Somebody by their id, or by the name they sign in with. */
  find(name: string): AccountView | undefined {
    const byName = this.#people.named(name);
    return this.view(name) ?? (byName && this.#viewOf(byName)) ??
      this.view(this.#people.former().get(name) ?? "");
  }

  /** What this person may ask beyond or below what everybody may. */
  limits(id: string): Allowance | undefined {
    return this.#people.get(id)?.limits;
  }

  /**
   * What tells a configured person's password from another one, without telling the password;
   * `undefined` for everybody else.
   */
  credential(id: string): string | undefined {
    return credentialOf(this.#people.get(id));
  }

  #viewOf(account: Account): AccountView {
    const { person, username, record, limits } = account;
    return {
      ...person,
      username,
      source: record ? record.source ?? "store" : "config",
      disabled: !isActive(account),
      totp: this.hasFactor(person.id),
      limits,
      createdAt: record?.createdAt,
    };
  }

  #viewOfFormer(username: string, id: string): AccountView {
    const person = { id, username, name: username, role: "member" } as const;
    return { ...person, source: "former", disabled: true, totp: this.hasFactor(id), limits: {} };
  }

  /*
   * ── signing in
   * ────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  /**
   * The person with this name and password, and with this one-time code where they have a second
   * factor.
   *
   * Throws `wrong_credentials`, `second_factor` when the code is missing or wrong, or `limited`
   * with the seconds to wait.
   *
   * @param device what {@linkcode remember} gave their browser
   */
  async signIn(
    name: string,
    password: string,
    address: string,
    code?: string,
    device?: string,
  ): Promise<Person> {
    const nameKey = name.slice(0, 200);
    const account = this.#people.named(name);
    const taken = await this.#limits.take(nameKey, account?.person.id, { address, device });
    if (typeof taken === "number") {
      this.#observer.tell({ type: "sign_in_refused", name: nameKey, address, why: "limited" });
      throw new NexusError("limited", "too many sign-in attempts", { retryAfter: taken });
    }
    if (!await this.#credentials.matches(account?.secret, password) || !isActive(account)) {
      this.#observer.tell({
        type: "sign_in_refused",
        name: nameKey,
        address,
        why: "wrong_credentials",
      });
      throw new NexusError("wrong_credentials");
    }
    const { id } = account.person;
    await this.#factors.check(id, code, address);
    // They may have been disabled while the hash was computed.
    const person = this.person(id);
    if (!person) throw new NexusError("wrong_credentials");
    taken();
    this.#observer.tell({ type: "signed_in", person: id, address });
    return person;
  }

  /**
   * Remembers where somebody has signed in from. Returns what their browser shows at the next
   * sign-in.
   */
  async remember(id: string, from: SignInOrigin): Promise<string> {
    return await this.#limits.remember(id, from);
  }

  /**
   * The account of somebody whom a provider, or a chat platform, vouches for: made at their first
   * coming, with the identities that it did not know, and with what the provider says of them,
   * which replaces what was known; what it does not say stays.
   *
   * Throws `forbidden` when they are disabled or were removed, when the id belongs to somebody of
   * another source, or when a sign-in (`from` is set) reaches an account with a password and a
   * second factor, which a provider cannot show.
   *
   * @param from the address that signs in; absent for a message from a chat
   */
  async provision(who: ExternalUser, from?: { readonly address: string }): Promise<Person> {
    return await this.#vouching.provision(who, from);
  }

  /*
   * ── the people of the store
   * ───────────────────────────────────────────────────────────────────────────────────────
   */

  /**
   * Adds a person. Throws `conflict` when the name is taken, `invalid` when it is no name.
   *
   * @param fields.password also a PHC string: who may add people may bring hashes along
   * @param fields.adopt take over what somebody of this name left who stood in the configuration
   */
  async add(
    username: string,
    fields: Pick<AccountRecord, "displayName" | "role" | "bots" | "limits"> & {
      password: string;
      adopt?: boolean;
    },
  ): Promise<AccountView> {
    if (!/^[^\s~\p{Cc}\p{Cf}]{1,100}$/u.test(username)) {
      throw new NexusError("invalid", "a name has 1 to 100 characters, no spaces and no ~");
    }
    const { password, adopt = false, ...rest } = fields;
    const former = this.#people.former().get(username);
    if (former !== undefined && !adopt) {
      throw new NexusError(
        "conflict",
        `${username} stood in the configuration file and left their history: remove them first, or adopt it`,
      );
    }
    const id = former ?? this.tombstones.idOf(username);
    if (this.#people.named(username) || this.#people.get(id)) {
      throw new NexusError("conflict", `there is somebody with the name ${username}`);
    }
    const secret = await this.#credentials.hash(password, true);
    const named = id === username ? {} : { username };
    await this.#put({ ...rest, id, ...named, password: secret, createdAt: this.#clock.now() });
    return this.view(id)!;
  }

  /**
   * Changes what was given; `null` takes away. Throws `not_found`, and `conflict` for a person of
   * the configuration.
   */
  async change(
    id: string,
    fields: {
      displayName?: string;
      role?: "admin" | "member";
      bots?: readonly string[] | null;
      limits?: Allowance | null;
      disabled?: boolean;
      /** Also a PHC string. */
      password?: string;
    },
  ): Promise<AccountView> {
    this.#own(id);
    const { password, bots, limits, ...rest } = fields;
    const secret = password === undefined
      ? undefined
      : await this.#credentials.hash(password, true);
    // Read behind the wait, so that what somebody else changed meanwhile stays.
    const record = this.#own(id);
    await this.#put({
      ...record,
      ...rest,
      bots: bots === undefined ? record.bots : bots ?? undefined,
      limits: limits === undefined ? record.limits : limits ?? undefined,
      password: secret ?? record.password,
    });
    return this.view(id)!;
  }

  /**
   * Gives somebody of the store the password that they chose. A text that looks like a hash is
   * refused: its cost would be theirs to choose.
   */
  async setPassword(id: string, password: string): Promise<void> {
    this.#own(id);
    const secret = await this.#credentials.hash(password, false);
    await this.#put({ ...this.#own(id), password: secret });
  }

  /**
   * Retires an account: whoever it was is out, and the id never comes again. What else is theirs is
   * the caller's to remove ({@linkcode forgetPerson}). Throws `not_found`, and `conflict` for
   * somebody who stands in the configuration.
   */
  async remove(id: string): Promise<void> {
    const view = this.view(id);
    if (!view) throw new NexusError("not_found");
    if (view.source === "config") this.#own(id);
    const { username } = view;
    const linked = await this.identities.of(id);
    const senders = linked.map(({ platform, value }) => `${platform}:${value}`);
    // An id that was made of what a platform calls somebody: `lark:main:ou_1`.
    const [platform, , ...value] = id.split(":");
    // linear: digits follow a tilde once.
    if (value.length > 0) senders.push(`${platform}:${value.join(":").replace(/~\d+$/, "")}`);
    const barred = linked.length > 0 || (view.source !== "store" && view.source !== "former");
    await this.tombstones.bury(
      { username, id, senders: [...new Set(senders)], barred },
      this.#clock.now(),
      (name) => this.#people.has(name),
    );
    await this.identities.bar(id, username);
    this.#people.note(username, undefined);
    const changes = this.#people.put(id, undefined);
    await this.#stored.remove(id, username);
    this.#announce([...changes, { type: "removed", id }]);
  }

  /**
   * Lets whoever had this name be vouched for again, with a new account. Returns whether they could
   * not before.
   */
  async allow(username: string): Promise<boolean> {
    const isAllowed = await this.tombstones.allow(username);
    const allowed = await this.identities.allow(username);
    await this.#stored.mark();
    return isAllowed || allowed > 0;
  }

  /** Deletes what else is stored here of an account that was removed. */
  async forget(id: string): Promise<void> {
    await this.#factors.drop(id);
    await this.#limits.forget(id);
  }

  #own(id: string): AccountRecord {
    const account = this.#people.get(id);
    if (!account && this.view(id)) {
      throw new NexusError(
        "conflict",
        `${id} stood in the configuration file and can be removed only`,
      );
    }
    if (!account) throw new NexusError("not_found");
    if (!account.record) {
      throw new NexusError(
        "conflict",
        `${id} stands in the configuration file and is changed there`,
      );
    }
    return account.record;
  }

  async #put(record: AccountRecord): Promise<void> {
    if (this.tombstones.isRetired(record.id)) throw new NexusError("not_found");
    const changes = this.#people.put(record.id, record);
    await this.#stored.put(record);
    this.#announce(changes);
  }

  /*
   * ── the second factor
   * ─────────────────────────────────────────────────────────────────────────────────────────────
   */

  hasFactor(id: string): boolean {
    return this.#factors.has(id);
  }

  /** See {@linkcode SecondFactors.begin}. */
  async beginSecondFactor(id: string): Promise<string> {
    return await this.#factors.begin(id);
  }

  /** See {@linkcode SecondFactors.confirm}. */
  async confirmSecondFactor(id: string, code: string): Promise<string[]> {
    return await this.#factors.confirm(id, code);
  }

  async removeSecondFactor(id: string): Promise<void> {
    await this.#factors.drop(id);
  }

  /*
   * ── passwords
   * ─────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  /**
   * That this is the password of somebody who is signed in. Throws `wrong_credentials` or
   * `limited`.
   */
  async checkPassword(id: string, password: string): Promise<void> {
    const taken = this.#limits.confirm(id);
    if (typeof taken === "number") {
      throw new NexusError("limited", "too many attempts", { retryAfter: taken });
    }
    if (!await this.#credentials.matches(this.#people.get(id)?.secret, password)) {
      throw new NexusError("wrong_credentials");
    }
    taken();
  }
}
