/**
 * Provisioning: finds or creates the account of a person whom a provider has signed in, or whom a
 * chat platform names in a signed message. Both lead here, so that one person has one account.
 */
import type { Clock } from "../clock.ts";
import { NexusError } from "../error.ts";
import {
  cleanDisplayName,
  type Identities,
  type Identity,
  type IdentityPlatform,
} from "./identity.ts";
import type { Person } from "../message.ts";
import type { Observer } from "../observer.ts";
import {
  type Account,
  type AccountDirectory,
  type AccountRecord,
  isActive,
} from "./account_directory.ts";
import { keyPart, type Store } from "../store.ts";
import type { Tombstones } from "./tombstone.ts";

/** Somebody, in the word of a provider or of a chat platform that has signed its message. */
export interface ExternalUser {
  readonly platform: IdentityPlatform;
  /** What the platform knows them by, the surest first; at least one. */
  readonly identities: readonly [Identity, ...Identity[]];
  /**
   * What their account is called where it has to be made: the first of these ids under which
   * something stands from before, else the first. Of a Feishu app the one of its sign-in
   * (`lark:<app id>:<open_id>`) and the one of its chats (`lark:<app>:<open_id>`).
   */
  readonly ids: readonly [string, ...string[]];
  readonly displayName?: string;
  readonly role?: "admin" | "member";
  readonly bots?: readonly string[];
  /** The groups that let them in, where the provider lets in by groups. */
  readonly groups?: readonly string[];
}

export interface ProvisioningParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly directory: AccountDirectory;
  readonly tombstones: Tombstones;
  readonly identities: Identities;
  readonly hasSecondFactor: (id: string) => boolean;
  readonly put: (record: AccountRecord) => Promise<void>;
}

const REFUSED = "this account may not sign in";

export class Provisioning {
  readonly #parts: ProvisioningParts;
  /**
   * People who are just being vouched for, by their surest identity: two first messages make one
   * account, also in two apps.
   */
  readonly #running = new Map<string, Promise<unknown>>();

  constructor(parts: ProvisioningParts) {
    this.#parts = parts;
  }

  /** See `Accounts.vouch`. */
  async provision(who: ExternalUser, from?: { readonly address: string }): Promise<Person> {
    const first = JSON.stringify(who.identities[0]);
    const before = this.#running.get(first);
    // What went wrong for the one before was thrown to them.
    const vouched = (before ?? Promise.resolve()).catch(() => {}).then(() =>
      this.#vouch(who, from)
    );
    this.#running.set(first, vouched);
    try {
      return await vouched;
    } finally {
      if (this.#running.get(first) === vouched) this.#running.delete(first);
    }
  }

  async #vouch(who: ExternalUser, from: { readonly address: string } | undefined): Promise<Person> {
    const { directory, identities, observer } = this.#parts;
    const { platform } = who;
    // What an app calls somebody may be given to another person; it only follows.
    const sure = who.identities.filter(({ kind }) => kind !== "chat");
    const owner = await identities.owner(sure.length > 0 ? sure : who.identities);
    const id = owner === undefined
      ? await this.#idFor(who)
      : "account" in owner
      ? owner.account
      : undefined;
    const known = id === undefined ? undefined : directory.get(id);
    const why = id === undefined
      ? "removed"
      : this.#whyNot(id, known, platform, owner !== undefined, from !== undefined);
    if (id === undefined || why !== undefined) {
      const name = known?.person.id ?? who.ids[0];
      if (from) {
        observer.tell({ type: "sign_in_refused", name, ...from, why: `${platform}: ${why}` });
      }
      throw new NexusError("forbidden", REFUSED);
    }
    const displayName = cleanDisplayName(who.displayName);
    if (!known || known.record?.source === platform) {
      await this.#takeOver(id, who, { displayName, isSignIn: from !== undefined });
    }
    await identities.add(who.identities, id, displayName);
    const account = directory.get(id);
    // They may have been disabled meanwhile.
    if (!isActive(account)) throw new NexusError("forbidden", REFUSED);
    if (from) observer.tell({ type: "signed_in", person: id, ...from });
    return account.person;
  }

  #whyNot(
    id: string,
    known: Account | undefined,
    platform: IdentityPlatform,
    isLinked: boolean,
    isSignIn: boolean,
  ): string | undefined {
    if (!known) {
      return this.#parts.directory.isFormer(id) || this.#parts.tombstones.isRetired(id)
        ? "removed"
        : undefined;
    }
    // One that lapsed comes back by whoever vouches for it now.
    if (known.record?.disabled) return "disabled";
    if (known.record?.source === platform) return undefined;
    if (!isLinked) return "the id is taken";
    return isSignIn && this.#parts.hasSecondFactor(id)
      ? "the account has a second factor"
      : undefined;
  }

  /**
   * The id of the account of somebody whose identities are nobody's; `undefined`: they were
   * removed.
   */
  async #idFor({ platform, ids }: ExternalUser): Promise<string | undefined> {
    const { directory, tombstones } = this.#parts;
    if (ids.some((id) => tombstones.get(id)?.barred)) return undefined;
    for (const id of ids) if (directory.get(id)?.record?.source === platform) return id;
    for (const id of ids) if (!tombstones.get(id) && await this.#hasHistory(id)) return id;
    return tombstones.idOf(ids[0]);
  }

  async #hasHistory(id: string): Promise<boolean> {
    return (await this.#parts.store.list(`conv:${keyPart(id)}:`, { limit: 1 })).length > 0;
  }

  async #takeOver(
    id: string,
    { platform, ids, role, bots, groups }: ExternalUser,
    { displayName, isSignIn }: {
      readonly displayName: string | undefined;
      readonly isSignIn: boolean;
    },
  ): Promise<void> {
    const before = this.#parts.directory.record(id);
    const record: AccountRecord = {
      ...before,
      id,
      ...(before || ids.includes(id) ? {} : { username: ids[0] }),
      displayName: displayName ?? before?.displayName,
      role: role ?? before?.role,
      bots: bots ?? before?.bots,
      source: platform,
      groups: isSignIn ? groups : before?.groups,
      guest: !isSignIn && (before === undefined || before.guest) ? true : undefined,
      createdAt: before?.createdAt ?? this.#parts.clock.now(),
    };
    if (JSON.stringify(record) !== JSON.stringify(before)) await this.#parts.put(record);
  }
}
