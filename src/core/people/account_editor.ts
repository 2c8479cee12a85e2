/**
 * Changes to the accounts in the store: adding, editing and removing people. Accounts in the
 * configuration are changed there, and the editor rejects them with `conflict`.
 */
import type { Clock } from "../clock.ts";
import { NexusError } from "../error.ts";
import type { AccountChange, AccountDirectory, AccountRecord } from "./account_directory.ts";
import type { AccountStore } from "./account_store.ts";
import type { AccountView } from "./account_view.ts";
import type { Allowance } from "./allowance.ts";
import type { Credentials } from "./credentials.ts";
import type { Identities, LinkedIdentity } from "./identity.ts";
import type { Tombstones } from "./tombstone.ts";

/** A new account. */
export interface NewAccount
  extends Pick<AccountRecord, "displayName" | "role" | "bots" | "limits"> {
  /** Plain text, or a PHC string: an admin may import hashes. */
  readonly password: string;
  /** Take over the history of a person of this name who is no longer in the configuration. */
  readonly adopt?: boolean;
}

/** Changes to an account. Absent fields stay as they are; `null` clears a field. */
export interface AccountEdit {
  readonly displayName?: string;
  readonly role?: "admin" | "member";
  readonly bots?: readonly string[] | null;
  readonly limits?: Allowance | null;
  readonly disabled?: boolean;
  /** Plain text or a PHC string. */
  readonly password?: string;
}

export interface AccountEditorParts {
  readonly clock: Pick<Clock, "now">;
  readonly directory: AccountDirectory;
  readonly stored: AccountStore;
  readonly tombstones: Tombstones;
  readonly identities: Identities;
  readonly credentials: Credentials;
  /** The account with this id, also a former one. */
  readonly view: (id: string) => AccountView | undefined;
  /** Called after each change. */
  readonly announce: (changes: readonly AccountChange[]) => void;
}

export class AccountEditor {
  readonly #parts: AccountEditorParts;

  constructor(parts: AccountEditorParts) {
    this.#parts = parts;
  }

  /** Adds an account. Throws `conflict` if the name is taken, `invalid` if it is not allowed. */
  async add(username: string, fields: NewAccount): Promise<AccountView> {
    const { directory, tombstones, credentials, clock, view } = this.#parts;
    if (!/^[^\s~\p{Cc}\p{Cf}]{1,100}$/u.test(username)) {
      throw new NexusError("invalid", "a name has 1 to 100 characters, no spaces and no ~");
    }
    const { password, adopt = false, ...rest } = fields;
    const former = directory.former().get(username);
    if (former !== undefined && !adopt) {
      throw new NexusError(
        "conflict",
        `${username} was in the configuration file and left their history: remove them first, or adopt it`,
      );
    }
    const id = former ?? tombstones.idOf(username);
    if (directory.named(username) || directory.get(id)) {
      throw new NexusError("conflict", `there is somebody with the name ${username}`);
    }
    const secret = await credentials.hash(password, true);
    const named = id === username ? {} : { username };
    await this.put({ ...rest, id, ...named, password: secret, createdAt: clock.now() });
    return view(id)!;
  }

  /** Edits an account. Throws `not_found`, and `conflict` for a person of the configuration. */
  async change(id: string, fields: AccountEdit): Promise<AccountView> {
    this.#editable(id);
    const { password, bots, limits, ...rest } = fields;
    const secret = password === undefined
      ? undefined
      : await this.#parts.credentials.hash(password, true);
    // Read after the wait, so that a concurrent change is not lost.
    const record = this.#editable(id);
    await this.put({
      ...record,
      ...rest,
      bots: bots === undefined ? record.bots : bots ?? undefined,
      limits: limits === undefined ? record.limits : limits ?? undefined,
      password: secret ?? record.password,
    });
    return this.#parts.view(id)!;
  }

  /**
   * Sets the password that a person chose for themselves. Throws `invalid` for a text that looks
   * like a hash, because that person would choose what it costs to check.
   */
  async setPassword(id: string, password: string): Promise<void> {
    this.#editable(id);
    const secret = await this.#parts.credentials.hash(password, false);
    await this.put({ ...this.#editable(id), password: secret });
  }

  /**
   * Removes an account. It is deactivated at once, and its id is never used again. The caller
   * deletes the rest of the person's data ({@linkcode forgetPerson}). Throws `not_found`, and
   * `conflict` for a person of the configuration.
   */
  async remove(id: string): Promise<void> {
    const { directory, stored, tombstones, identities, clock, view, announce } = this.#parts;
    const account = view(id);
    if (!account) throw new NexusError("not_found");
    if (account.source === "config") this.#editable(id);
    const { username, source } = account;
    const linked = await identities.of(id);
    const barred = linked.length > 0 || (source !== "store" && source !== "former");
    await tombstones.bury(
      { username, id, senders: sendersOf(id, linked), barred },
      clock.now(),
      (name) => directory.has(name),
    );
    await identities.bar(id, username);
    directory.note(username, undefined);
    const changes = directory.put(id, undefined);
    await stored.remove(id, username);
    announce([...changes, { type: "removed", id }]);
  }

  /**
   * Lets providers create a new account for somebody of this name who was removed. Returns whether
   * that was blocked before.
   */
  async allow(username: string): Promise<boolean> {
    const { tombstones, identities, stored } = this.#parts;
    const isAllowed = await tombstones.allow(username);
    const allowed = await identities.allow(username);
    await stored.mark();
    return isAllowed || allowed > 0;
  }

  /** Adds or replaces a record. Throws `not_found` if its id was removed meanwhile. */
  async put(record: AccountRecord): Promise<void> {
    const { directory, stored, tombstones, announce } = this.#parts;
    if (tombstones.isRetired(record.id)) throw new NexusError("not_found");
    const changes = directory.put(record.id, record);
    await stored.put(record);
    announce(changes);
  }

  /** The record of an account in the store. Throws where there is none that can be edited. */
  #editable(id: string): AccountRecord {
    const account = this.#parts.directory.get(id);
    if (account?.record) return account.record;
    if (account) {
      throw new NexusError("conflict", `${id} is in the configuration file and is changed there`);
    }
    if (this.#parts.view(id)) {
      throw new NexusError(
        "conflict",
        `${id} was in the configuration file and can only be removed`,
      );
    }
    throw new NexusError("not_found");
  }
}

/** The ids that platforms know a person by, as `lark:ou_1`. */
function sendersOf(id: string, linked: readonly LinkedIdentity[]): string[] {
  const senders = linked.map(({ platform, value }) => `${platform}:${value}`);
  // An id that was made of a platform's id: `lark:main:ou_1`.
  const [platform, , ...value] = id.split(":");
  // linear: digits follow a tilde once.
  if (value.length > 0) senders.push(`${platform}:${value.join(":").replace(/~\d+$/, "")}`);
  return [...new Set(senders)];
}
