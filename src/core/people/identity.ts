/**
 * The identities that accounts have on platforms: by which id a platform knows them, inside which
 * scope. One identity belongs to one account, and one account may have many: the same employee
 * signs in by Feishu, writes in two of its apps, and is one person here.
 *
 * Keys: `identity:<platform>:<kind>:<scope>:<value>` (the account's id), `identities:<account>:…`
 * (the same from the other side) and `barred:<hash>` (an identity of somebody who was removed).
 */
import type { Clock } from "../clock.ts";
import { hashToken } from "./secret.ts";
import { keyPart, type Store } from "../store.ts";

export const IDENTITY_PLATFORMS = ["lark", "dingtalk", "wecom", "oidc", "proxy"] as const;
export type IdentityPlatform = typeof IDENTITY_PLATFORMS[number];

/**
 * One id of a person on a platform.
 *
 * | platform | kind      | scope                          |
 * | -------- | --------- | ------------------------------ |
 * | lark     | union_id  | tenant key                     |
 * | lark     | open_id   | app id                         |
 * | lark     | user_id   | tenant key                     |
 * | dingtalk | union_id  | corp id                        |
 * | dingtalk | user_id   | corp id                        |
 * | wecom    | user_id   | corp id                        |
 * | oidc     | sub       | issuer                         |
 * | proxy    | user      | empty                          |
 * | any chat | chat      | the app's name in the settings |
 */
export interface Identity {
  readonly platform: IdentityPlatform;
  readonly kind: "union_id" | "open_id" | "user_id" | "sub" | "user" | "chat";
  /** Inside which the value is unique. */
  readonly scope: string;
  readonly value: string;
}

/** How an identity came to its account. */
export type LinkedBy = "vouched" | "pairing" | "admin";

/** An identity as it is stored. */
export interface LinkedIdentity extends Identity {
  readonly account: string;
  readonly by: LinkedBy;
  /** What the platform called the person when it was linked. */
  readonly name?: string;
  /**
   * The same for all identities of one person of the platform: their surest one. They are unlinked
   * together.
   */
  readonly group?: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Whose an identity is: an account's, of somebody who was removed, or nobody's. */
export type IdentityOwner = { readonly account: string } | { readonly barred: string } | undefined;

export class Identities {
  readonly #store: Store;
  readonly #clock: Pick<Clock, "now">;
  readonly #changed: () => void;

  /** @param parts.changed is called after each change, so that other processes can be told */
  constructor(parts: { store: Store; clock: Pick<Clock, "now">; changed?: () => void }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#changed = parts.changed ?? (() => {});
  }

  /**
   * Moves links of earlier versions (`bind:<channel>:<app>:<id>`) here, and drops those to accounts
   * that are not there.
   */
  async migrate(isAccount: (id: string) => boolean): Promise<void> {
    for (const [key, bind] of await this.#store.list("bind:")) {
      const [, platform, scope = "", ...id] = key.split(":");
      const identity = {
        platform: platform as IdentityPlatform,
        kind: "chat",
        scope,
        value: id.join(":"),
      } as const;
      const { account, name, at } = bind;
      if (isAccount(account)) await this.#put({ ...identity, account, name, at, by: "pairing" });
      await this.#store.delete(key);
    }
  }

  /** Whose the first of these identities is that is known at all. A link counts before a bar. */
  async owner(identities: readonly Identity[]): Promise<IdentityOwner> {
    for (const identity of identities) {
      const account: string | undefined = await this.#store.get(keyOf(identity));
      if (account !== undefined) return { account };
    }
    // Nearly always nobody is, and nothing need be hashed.
    if ((await this.#store.list("barred:", { limit: 1 })).length === 0) return undefined;
    for (const identity of identities) {
      const barred = await this.#store.get(await barOf(identity));
      if (barred !== undefined) return { barred: barred.username };
    }
    return undefined;
  }

  /** The link of an identity. */
  async get(identity: Identity): Promise<LinkedIdentity | undefined> {
    const account: string | undefined = await this.#store.get(keyOf(identity));
    return account === undefined
      ? undefined
      : await this.#store.get(listedOf({ ...identity, account }));
  }

  /**
   * Links an identity, also one that was another's or is barred.
   *
   * @param surest the surest identity of the same person on the platform, where there are several
   */
  async link(
    identity: Identity,
    account: string,
    by: LinkedBy,
    name?: string,
    surest = identity,
  ): Promise<LinkedIdentity> {
    const { platform, kind, scope, value } = identity;
    const before: string | undefined = await this.#store.get(keyOf(identity));
    if (before !== undefined && before !== account) {
      await this.#store.delete(listedOf({ ...identity, account: before }));
    }
    const linked = {
      platform,
      kind,
      scope,
      value,
      account,
      by,
      name,
      group: nameOf(surest),
      at: this.#clock.now(),
    };
    await this.#put(linked);
    // Not deleted unseen: a delete that waits for its commit would undo what another process writes
    // meanwhile.
    const bar = await barOf(identity);
    if (await this.#store.get(bar) !== undefined) await this.#store.delete(bar);
    this.#changed();
    return linked;
  }

  /**
   * Links those of these identities that are nobody's yet; an app's own id of somebody follows the
   * surer ones, where no hand linked it.
   *
   * @param identities the surest first
   */
  async add(identities: readonly Identity[], account: string, name?: string): Promise<void> {
    for (const identity of identities) {
      const owner: string | undefined = await this.#store.get(keyOf(identity));
      const isStale = owner !== undefined && owner !== account && identity.kind === "chat" &&
        (await this.get(identity))?.by === "vouched";
      if (owner === undefined || isStale) {
        await this.link(identity, account, "vouched", name, identities[0]);
      }
    }
  }

  /**
   * Takes a link away, with those of the same person on the platform. Returns whether there was
   * one.
   */
  async unlink(identity: Identity): Promise<boolean> {
    const linked = await this.get(identity);
    if (linked === undefined) return false;
    const { account, group = nameOf(identity) } = linked;
    for (const other of await this.of(account)) {
      if (other.group === group || nameOf(other) === group) await this.#remove(other);
    }
    await this.#remove({ ...identity, account });
    this.#changed();
    return true;
  }

  /** An account's identities. */
  async of(account: string): Promise<LinkedIdentity[]> {
    return (await this.#store.list(`identities:${keyPart(account)}:`)).map(([, linked]) =>
      linked as LinkedIdentity
    );
  }

  /** All identities of all accounts. */
  async all(): Promise<LinkedIdentity[]> {
    return (await this.#store.list("identities:")).map(([, linked]) => linked as LinkedIdentity);
  }

  /**
   * Takes all of an account's identities away and remembers, as hashes, that they are those of
   * somebody who was removed.
   */
  async bar(account: string, username: string): Promise<LinkedIdentity[]> {
    const gone = await this.of(account);
    for (const linked of gone) {
      await this.#store.set(await barOf(linked), { username, at: this.#clock.now() }, {
        durable: true,
      });
      await this.#remove(linked);
    }
    if (gone.length > 0) this.#changed();
    return gone;
  }

  /** Lets the identities of somebody who was removed be anybody's again. Returns how many. */
  async allow(username: string): Promise<number> {
    let allowed = 0;
    for (const [key, barred] of await this.#store.list("barred:")) {
      if (barred.username !== username) continue;
      await this.#store.delete(key);
      allowed++;
    }
    return allowed;
  }

  async #put(linked: LinkedIdentity): Promise<void> {
    await this.#store.set(listedOf(linked), linked);
    await this.#store.set(keyOf(linked), linked.account, { durable: true });
  }

  async #remove(linked: Identity & { readonly account: string }): Promise<void> {
    await this.#store.delete(keyOf(linked));
    await this.#store.delete(listedOf(linked));
  }
}

/** Letters of a name from outside, at most. */
export const MAX_DISPLAY_NAME = 100;

/**
 * A name that a platform or a provider tells, as it may be shown: control characters, marks that
 * turn the direction of text and signs without width are taken off, so that it cannot pose as
 * another name or reach out of its line. `undefined`: nothing is left.
 */
export function cleanDisplayName(name: unknown): string | undefined {
  if (typeof name !== "string") return undefined;
  const plain = name.slice(0, 10 * MAX_DISPLAY_NAME).toWellFormed().replace(/[\p{Cf}\p{Co}]/gu, "");
  const line = plain.replace(/[\p{Cc}\p{Z}]+/gu, " ").trim();
  return [...line].slice(0, MAX_DISPLAY_NAME).join("").trim() || undefined;
}

function nameOf({ platform, kind, scope, value }: Identity): string {
  return `${platform}:${kind}:${keyPart(scope)}:${keyPart(value)}`;
}

function keyOf(identity: Identity): string {
  return `identity:${nameOf(identity)}`;
}

function listedOf(linked: Identity & { readonly account: string }): string {
  return `identities:${keyPart(linked.account)}:${nameOf(linked)}`;
}

async function barOf(identity: Identity): Promise<string> {
  return `barred:${await hashToken(nameOf(identity))}`;
}
