/**
 * The accounts of a gateway: people in the configuration, people in the store, and people that an
 * identity provider or a chat platform signs in (OpenID Connect, Feishu …).
 *
 * Everything that a person owns is stored under their id, which is never reused. They sign in by
 * name, and a name can be given to somebody else after its holder was removed.
 */
import type { Clock } from "../clock.ts";
import { Languages } from "../languages.ts";
import type { Person } from "../message.ts";
import type { Observer } from "../observer.ts";
import type { Offer } from "../offer.ts";
import type { Store } from "../store.ts";
import {
  type AccountChange,
  AccountDirectory,
  type ConfiguredAccount,
  credentialOf,
  isActive,
  isGuest,
  type ProviderPolicy,
} from "./account_directory.ts";
import { AccountEditor } from "./account_editor.ts";
import { AccountStore } from "./account_store.ts";
import { type AccountView, viewOf, viewOfFormer } from "./account_view.ts";
import type { Allowance } from "./allowance.ts";
import { Credentials } from "./credentials.ts";
import { Identities } from "./identity.ts";
import { type Argon2id, isPasswordHash } from "./password_hash.ts";
import { PasswordSignIn } from "./password_sign_in.ts";
import { type ExternalUser, Provisioning } from "./provisioning.ts";
import { SecondFactors } from "./second_factor.ts";
import { ServerSecret } from "./server_secret.ts";
import { SignInLimits } from "./sign_in_limits.ts";
import { Tombstones } from "./tombstone.ts";

/** A person as configured. `password` is plain text or a PHC string. */
export interface AccountConfig {
  readonly password: string;
  readonly displayName?: string;
  readonly role?: "admin" | "member";
  readonly bots?: readonly string[];
  readonly limits?: Allowance;
}

/** Milliseconds between two checks for changes by other processes or the command line. */
export const RELOAD_INTERVAL_MS = 2_000;

export interface AccountsParts {
  readonly clock: Clock;
  readonly observer: Observer;
  /** Holds the accounts that are not in the configuration; {@linkcode Accounts.load} reads them. */
  readonly store: Store;
  readonly secret?: ServerSecret;
  readonly argon2id?: Argon2id;
}

export class Accounts {
  /** Adds, edits and removes the accounts in the store. */
  readonly editor: AccountEditor;
  /** Signs people in by name and password. */
  readonly passwords: PasswordSignIn;
  readonly secondFactors: SecondFactors;
  readonly identities: Identities;
  readonly languages: Languages;
  readonly tombstones: Tombstones;
  readonly #directory: AccountDirectory;
  readonly #limits: SignInLimits;
  readonly #credentials: Credentials;
  readonly #provisioning: Provisioning;
  readonly #observer: Observer;
  readonly #stored: AccountStore;
  readonly #clock: Clock;
  readonly #watchers = new Set<(change: AccountChange) => void>();
  #isReading = false;
  #stop: (() => void) | undefined;

  constructor(parts: AccountsParts) {
    const { store, clock, observer, secret = new ServerSecret(), argon2id } = parts;
    const changed = () => void this.#stored.mark();
    this.#clock = clock;
    this.#observer = observer;
    this.tombstones = new Tombstones(store);
    this.languages = new Languages(store);
    this.identities = new Identities({ store, clock, changed });
    this.secondFactors = new SecondFactors({ store, clock, observer, changed });
    this.#credentials = new Credentials({ secret, argon2id });
    this.#directory = new AccountDirectory(this.tombstones);
    this.#stored = new AccountStore({
      store,
      directory: this.#directory,
      onFault: (error) => this.#fault(error),
    });
    this.#limits = new SignInLimits({ store, clock, secret });
    this.passwords = new PasswordSignIn({
      observer,
      directory: this.#directory,
      credentials: this.#credentials,
      secondFactors: this.secondFactors,
      limits: this.#limits,
    });
    this.editor = new AccountEditor({
      clock,
      directory: this.#directory,
      stored: this.#stored,
      tombstones: this.tombstones,
      identities: this.identities,
      credentials: this.#credentials,
      view: (id) => this.view(id),
      announce: (changes) => this.#announce(changes),
    });
    this.#provisioning = new Provisioning({
      store,
      clock,
      observer,
      directory: this.#directory,
      tombstones: this.tombstones,
      identities: this.identities,
      hasSecondFactor: (id) => this.secondFactors.has(id),
      put: (record) => this.editor.put(record),
    });
  }

  /** Reads the accounts in the store, and again every few seconds until {@linkcode close}. */
  async load(): Promise<void> {
    await this.#reload();
    this.#stop ??= this.#clock.every(RELOAD_INTERVAL_MS, () => {
      this.#reload().catch((error) => this.#fault(error));
    });
  }

  close(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  /**
   * Calls back after every change of an account, by this process or another one. Returns the way to
   * unsubscribe.
   */
  watch(call: (change: AccountChange) => void): () => void {
    this.#watchers.add(call);
    return () => this.#watchers.delete(call);
  }

  #announce(changes: readonly AccountChange[]): void {
    for (const change of changes) for (const call of this.#watchers) call(change);
  }

  #fault(error: unknown): void {
    this.#observer.tell({ type: "fault", where: "accounts", error });
  }

  /** Reads the store again if another process changed it. */
  async #reload(): Promise<void> {
    if (this.#isReading || !await this.#stored.hasChanged()) return;
    this.#isReading = true;
    try {
      const removed = await this.tombstones.load();
      await this.secondFactors.load();
      const { records, former } = await this.#stored.read();
      // The data of a removed account may not be deleted yet.
      for (const id of records.keys()) if (this.tombstones.isRetired(id)) records.delete(id);
      for (const [username, id] of former) {
        if (this.tombstones.isRetired(id)) former.delete(username);
      }
      const changes = this.#directory.set({ records, former });
      this.#announce([...changes, ...removed.map((id) => ({ type: "removed" as const, id }))]);
    } finally {
      this.#isReading = false;
    }
  }

  /**
   * Takes over the people of the configuration; those who are no longer in it are deactivated.
   * Returns the names whose password is plain text.
   */
  async replace(users: Readonly<Record<string, AccountConfig>>): Promise<string[]> {
    const configured = await Promise.all(
      Object.entries(users).map(async ([username, user]) => {
        const { password, displayName, role, bots, limits = {} } = user;
        const fields: ConfiguredAccount = {
          displayName,
          // Nexus 1.x had no roles, and its configuration called the operator `admin`.
          role: role ?? (username === "admin" ? "admin" : "member"),
          bots,
          limits,
          secret: await this.#credentials.configured(password),
        };
        return [username, fields] as const;
      }),
    );
    this.#announce(this.#directory.set({ configured: new Map(configured) }));
    return Object.keys(users).filter((username) => !isPasswordHash(users[username]!.password));
  }

  /**
   * Takes over which providers sign people in. Accounts of a provider that was removed, or that no
   * longer admits their groups, are deactivated.
   */
  setProviderPolicy(policy: ProviderPolicy): void {
    this.#announce(this.#directory.set({ policy }));
  }

  /**
   * Stores who is in the configuration, so that their data can still be found and deleted after
   * they were removed from it.
   */
  async noteConfigured(): Promise<void> {
    for (const username of this.#directory.configuredNames()) {
      const id = this.tombstones.idOf(username);
      if (this.#directory.noted(username) === id) continue;
      this.#directory.note(username, id);
      await this.#stored.note(username, id);
    }
  }

  /** Migrates the data of earlier versions. Call it once, after {@linkcode replace}. */
  async migrate(): Promise<void> {
    // A link to an account that was removed would lead to the next account of that name.
    await this.identities.migrate((id) => this.#directory.get(id) !== undefined);
  }

  /** The person with this id, if their account is active. */
  person(id: string): Person | undefined {
    const account = this.#directory.get(id);
    return isActive(account) ? account.person : undefined;
  }

  /** Whether this id belongs to an account that is disabled, removed, or no longer configured. */
  isDeactivated(id: string): boolean {
    const account = this.#directory.get(id);
    return account
      ? !isActive(account)
      : this.tombstones.isRetired(id) || this.#directory.isFormer(id);
  }

  /**
   * The bots that an app on a chat platform offers to somebody, in addition to what their account
   * may use.
   *
   * @param id their account; absent if they have none
   * @param bots the bots that the app's settings offer; absent if the settings do not say
   */
  offer(id: string | undefined, bots: readonly string[] | undefined): Offer {
    if (bots) return { within: [bots] };
    const account = id === undefined ? undefined : this.#directory.get(id);
    const isAnonymous = account === undefined ||
      (isGuest(account) && account.person.bots === undefined);
    return { within: isAnonymous ? this.#directory.openToAll() : [] };
  }

  /**
   * Whether a chat message created this account, and nobody has signed in with it or made it an
   * admin.
   */
  isGuest(id: string): boolean {
    const account = this.#directory.get(id);
    return account !== undefined && isGuest(account);
  }

  /** Everybody whose account is active. */
  people(): Person[] {
    return this.#directory.all().filter(isActive).map(({ person }) => person);
  }

  /** All accounts, also disabled and former ones, with the fields that only admins see. */
  list(): AccountView[] {
    const former = [...this.#directory.former()].map(([username, id]) =>
      viewOfFormer(username, id, this.secondFactors.has(id))
    );
    const current = this.#directory.all().map((account) =>
      viewOf(account, this.secondFactors.has(account.person.id))
    );
    return [...current, ...former];
  }

  /** The account with this id. */
  view(id: string): AccountView | undefined {
    const totp = this.secondFactors.has(id);
    const account = this.#directory.get(id);
    if (account) return viewOf(account, totp);
    const username = this.#directory.formerName(id);
    return username === undefined ? undefined : viewOfFormer(username, id, totp);
  }

  /** The account with this id, or else with this user name. */
  find(name: string): AccountView | undefined {
    return this.view(name) ??
      this.view(this.#directory.named(name)?.person.id ?? "") ??
      this.view(this.#directory.former().get(name) ?? "");
  }

  /** The limits of this person that differ from everybody's. */
  limits(id: string): Allowance | undefined {
    return this.#directory.get(id)?.limits;
  }

  /**
   * A value that changes with a configured person's password and does not reveal it; `undefined`
   * for everybody else.
   */
  credential(id: string): string | undefined {
    return credentialOf(this.#directory.get(id));
  }

  /**
   * Returns the account of a person whom a provider or a chat platform has identified. It is
   * created at the first call, with the identities that were not known, and what the provider sends
   * replaces what was stored.
   *
   * Throws `forbidden` if the account is disabled or was removed, if the id belongs to an account
   * of another source, or if a sign-in (`from` is set) reaches an account that has a password and a
   * second factor, because a provider cannot show that factor.
   *
   * @param from the address that signs in; absent for a chat message
   */
  async provision(user: ExternalUser, from?: { readonly address: string }): Promise<Person> {
    return await this.#provisioning.provision(user, from);
  }

  /** Deletes the second factor and the known networks of an account that was removed. */
  async forget(id: string): Promise<void> {
    await this.secondFactors.remove(id);
    await this.#limits.forget(id);
  }
}
