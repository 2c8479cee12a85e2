/**
 * The list of accounts as it stands: the people of the configuration, the people of the store, and
 * those who stood in the configuration once. Finds them by id and by name, and says what changed
 * between two states of the list.
 *
 * Where a name stands in the configuration and in the store, the configuration counts: it is the
 * operator's word.
 */
import type { Allowance } from "./allowance.ts";
import type { Person } from "../message.ts";
import { type Offer, openToAll } from "../offer.ts";
import type { Tombstones } from "./tombstone.ts";

/** A person as the store has them. */
export interface AccountRecord {
  readonly id: string;
  /** What they sign in with; absent: the id. */
  readonly username?: string;
  readonly displayName?: string;
  readonly role?: "admin" | "member";
  readonly bots?: readonly string[];
  readonly limits?: Allowance;
  /** A PHC string; absent for somebody whom only a provider policy for. */
  readonly password?: string;
  /** Who policy: the name of a provider. Absent: we ourselves. */
  readonly source?: string;
  /**
   * Those of the provider's groups that let them in at their last sign-in, where it lets in by
   * groups.
   */
  readonly groups?: readonly string[];
  /** May not come in for now. */
  readonly disabled?: boolean;
  /** Made by a message in a chat; nobody has signed in with it yet. */
  readonly guest?: boolean;
  readonly createdAt: number;
}

/** A person of the configuration, without their id. */
export interface ConfiguredAccount {
  readonly displayName?: string;
  readonly role: "admin" | "member";
  readonly bots?: readonly string[];
  readonly limits: Allowance;
  readonly secret: PasswordVerifier;
}

/** A PHC string, or the MAC of a plain password. */
export type PasswordVerifier = { readonly phc: string } | { readonly mac: string };

export interface Account {
  readonly person: Person;
  readonly username: string;
  readonly limits: Allowance;
  readonly secret?: PasswordVerifier;
  /** Absent for people of the configuration. */
  readonly record?: AccountRecord;
  /** Whoever vouched for them is not configured any more, or does not let their groups in. */
  readonly lapsed?: boolean;
}

/** Whether whoever vouched for an account still does. */
export type ProviderPolicy = (record: Pick<AccountRecord, "source" | "groups">) => boolean;

/**
 * A change of an account. `deactivated`: disabled, removed, or no longer in the configuration.
 * `removed` follows it: all data of the person has to be deleted. `password`: the configuration has
 * a new password for them.
 */
export interface AccountChange {
  readonly type: "activated" | "deactivated" | "removed" | "changed" | "password";
  readonly id: string;
}

export class AccountDirectory {
  readonly #tombstones: Tombstones;
  #configured = new Map<string, ConfiguredAccount>();
  #records = new Map<string, AccountRecord>();
  /** People who stood in the configuration: their ids by name. */
  #former = new Map<string, string>();
  #formerNames = new Map<string, string>();
  #byId = new Map<string, Account>();
  #byName = new Map<string, Account>();
  /** What bounds the bots that are open to all; absent: to be found anew. */
  #open: Offer["within"] | undefined;
  #policy: ProviderPolicy = () => true;

  constructor(tombstones: Tombstones) {
    this.#tombstones = tombstones;
  }

  /** Takes over a state of the list and returns what changed. */
  set(
    state: {
      configured?: Map<string, ConfiguredAccount>;
      records?: Map<string, AccountRecord>;
      former?: Map<string, string>;
      policy?: ProviderPolicy;
    },
  ): AccountChange[] {
    const before = this.#byId;
    this.#open = undefined;
    this.#policy = state.policy ?? this.#policy;
    this.#configured = state.configured ?? this.#configured;
    this.#records = state.records ?? this.#records;
    if (state.former) {
      this.#former = state.former;
      this.#formerNames = new Map([...state.former].map(([username, id]) => [id, username]));
    }
    this.#byId = new Map();
    this.#byName = new Map();
    for (const record of this.#records.values()) this.#seat(this.#fromRecord(record));
    for (const [username, fields] of this.#configured) {
      this.#seat(fromConfig(this.#tombstones.idOf(username), username, fields));
    }
    const changes: AccountChange[] = [];
    for (const id of new Set([...before.keys(), ...this.#byId.keys()])) {
      changes.push(...changesOf(id, before.get(id), this.#byId.get(id)));
    }
    return changes;
  }

  /** Adds or replaces one record, or takes it away; returns what changed. */
  put(id: string, record: AccountRecord | undefined): AccountChange[] {
    const before = this.#byId.get(id);
    this.#open = undefined;
    if (record) this.#records.set(id, record);
    else this.#records.delete(id);
    if (before?.record || !before) {
      this.#byId.delete(id);
      if (before && this.#byName.get(before.username) === before) {
        this.#byName.delete(before.username);
      }
      if (record) this.#seat(this.#fromRecord(record));
    }
    return changesOf(id, before, this.#byId.get(id));
  }

  #fromRecord(record: AccountRecord): Account {
    const account = fromRecord(record);
    return record.source === undefined || this.#policy(record)
      ? account
      : { ...account, lapsed: true };
  }

  #seat(account: Account): void {
    const other = this.#byName.get(account.username);
    if (other?.record && !account.record) this.#byId.delete(other.person.id);
    this.#byId.set(account.person.id, account);
    this.#byName.set(account.username, account);
  }

  get(id: string): Account | undefined {
    return this.#byId.get(id);
  }

  named(username: string): Account | undefined {
    return this.#byName.get(username);
  }

  record(id: string): AccountRecord | undefined {
    return this.#records.get(id);
  }

  /** Whether somebody has this id or this name, now or before. */
  has(name: string): boolean {
    return this.#byId.has(name) || this.#byName.has(name) || this.#former.has(name);
  }

  all(): Account[] {
    return [...this.#byId.values()];
  }

  /** See {@linkcode openToAll}; also who is disabled counts. */
  openToAll(): Offer["within"] {
    return this.#open ??= openToAll(this.all().map(({ person }) => person));
  }

  configuredNames(): string[] {
    return [...this.#configured.keys()];
  }

  /**
   * People who stood in the configuration, are nobody now and were not removed: their ids by name.
   */
  former(): Map<string, string> {
    return new Map([...this.#former].filter(([, id]) => this.isFormer(id)));
  }

  /** The name of somebody who stood in the configuration and is nobody now. */
  formerName(id: string): string | undefined {
    const username = this.#formerNames.get(id);
    return username === undefined || this.#byName.has(username) || this.#byId.has(id)
      ? undefined
      : username;
  }

  isFormer(id: string): boolean {
    return this.formerName(id) !== undefined;
  }

  /** The id that was written down for a name of the configuration. */
  noted(username: string): string | undefined {
    return this.#former.get(username);
  }

  /** Notes that somebody stands in the configuration, or that they are forgotten. */
  note(username: string, id: string | undefined): void {
    const before = this.#former.get(username);
    if (before !== undefined) this.#formerNames.delete(before);
    if (id === undefined) this.#former.delete(username);
    else {
      this.#former.set(username, id);
      this.#formerNames.set(id, username);
    }
  }
}

/**
 * What tells a configured person's password from another one; `undefined` for everybody else. The
 * same over restarts.
 */
export function credentialOf(account: Account | undefined): string | undefined {
  if (!account?.secret || account.record) return undefined;
  return "phc" in account.secret ? account.secret.phc : account.secret.mac;
}

/** Whether nobody but a chat platform knows them: what strangers may not do, they may not. */
export function isGuest({ record }: Account): boolean {
  return record?.guest === true && record.role !== "admin";
}

export function isActive(account: Account | undefined): account is Account {
  return account !== undefined && !account.record?.disabled && !account.lapsed;
}

function changesOf(
  id: string,
  before: Account | undefined,
  after: Account | undefined,
): AccountChange[] {
  const wasIn = isActive(before), isInNow = isActive(after);
  if (wasIn && !isInNow) return [{ type: "deactivated", id }];
  if (!wasIn && isInNow) return [{ type: "activated", id }];
  if (!before || !after) return [];
  const changes: AccountChange[] = [];
  const isSame =
    JSON.stringify([before.person, before.limits]) === JSON.stringify([after.person, after.limits]);
  if (!isSame) changes.push({ type: "changed", id });
  const was = credentialOf(before), is = credentialOf(after);
  if (was !== undefined && is !== undefined && was !== is) changes.push({ type: "password", id });
  return changes;
}

function fromConfig(id: string, username: string, fields: ConfiguredAccount): Account {
  const { displayName, role, bots, limits, secret } = fields;
  const person: Person = { id, ...named(id, username), name: displayName || username, role, bots };
  return { person, username, limits, secret };
}

function fromRecord(record: AccountRecord): Account {
  const { id, username = id, displayName, role = "member", bots, limits = {}, password } = record;
  const person: Person = { id, ...named(id, username), name: displayName || username, role, bots };
  return {
    person,
    username,
    limits,
    record,
    secret: password === undefined ? undefined : { phc: password },
  };
}

/** The name stands apart only where it is not the id. */
function named(id: string, username: string): { username?: string } {
  return username === id ? {} : { username };
}
