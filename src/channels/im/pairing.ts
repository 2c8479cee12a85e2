/**
 * Pairing binds an identity on a chat platform to an account here: then history, limits and a
 * running answer are the same in both places. A stranger gets a code in their private chat; whoever
 * is signed in enters it on the page; then the chat asks whether it is to be linked to that
 * account, and only the answer there links it. An admin may confirm a code for somebody, which the
 * audit log tells.
 */
import type { Clock } from "../../core/clock.ts";
import { NexusError } from "../../core/error.ts";
import {
  Identities,
  type Identity as Known,
  type IdentityPlatform,
} from "../../core/people/identity.ts";
import type { Store } from "../../core/store.ts";

/** An identity on a platform, as an app of it knows somebody. */
export interface Identity {
  readonly channel: string;
  readonly app: string;
  /** The person's id there. */
  readonly id: string;
  readonly name?: string;
  /** What else the platform knows them by, the surest first. */
  readonly known?: readonly Known[];
}

/** A question that is open in a private chat: whether it is to be linked to an account. */
export interface Asked {
  readonly who: Identity;
  readonly account: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** An identity that is linked. */
export interface Bound extends Identity {
  readonly account: string;
  readonly at: number;
  /** The platform's word links it, and nothing else: it cannot be unlinked. */
  readonly vouched: boolean;
}

/** Milliseconds for which a code holds, and for which the chat waits for the answer. */
export const CODE_LIFETIME = 5 * 60_000;

/**
 * Codes that are open at once, per app: a crowd of strangers must not fill the store, nor make
 * guessing likely.
 */
const MAX_OPEN = 500;

/**
 * Digits and letters that are not taken for each other; 31^8 codes, so 500 open ones are not found
 * by guessing.
 */
const ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";

export class Pairing {
  readonly #identities: Identities;

  constructor(
    private readonly parts: {
      readonly store: Store;
      readonly clock: Clock;
      readonly identities?: Identities;
    },
  ) {
    this.#identities = parts.identities ?? new Identities(parts);
  }

  /** The account that an identity is linked to. */
  async account(who: Identity): Promise<string | undefined> {
    const owner = await this.#identities.owner([knownAs(who)]);
    return owner && "account" in owner ? owner.account : undefined;
  }

  /**
   * The account that a hand has linked this identity to, or to which the platform says that it
   * belongs since.
   */
  async linkedTo(who: Identity): Promise<string | undefined> {
    const account = await this.account(who);
    return account !== undefined && await this.#isByHand(who, account) ? account : undefined;
  }

  /** A code for this identity; the same one while it holds. `undefined`: too many are open. */
  async code(who: Identity): Promise<string | undefined> {
    const { store, clock } = this.parts;
    const mine = mineKey(who);
    const known = await store.get(mine);
    if (known && await store.get(codeKey(known.code))) return known.code;
    const open = await store.list(`pair:mine:${who.channel}:${who.app}:`, { limit: MAX_OPEN });
    if (open.length >= MAX_OPEN) return undefined;
    const code = newCode();
    await store.set(codeKey(code), { who, at: clock.now() }, { ttl: CODE_LIFETIME });
    await store.set(mine, { code }, { ttl: CODE_LIFETIME });
    return code;
  }

  /**
   * An account's person has entered a code: it is used up, and from now on the chat is to be asked.
   * Throws `not_found`, and `conflict` while the chat is asked about another account. The caller
   * bounds how often somebody may try.
   */
  async claim(code: string, account: string): Promise<Identity> {
    const who = await this.#use(code);
    const pendingQuestion = await this.asked(who);
    if (pendingQuestion && pendingQuestion.account !== account) {
      throw new NexusError(
        "conflict",
        "the chat is being asked about another account: try again in five minutes",
      );
    }
    await this.parts.store.set(askedKey(who), { who, account, at: this.parts.clock.now() }, {
      ttl: CODE_LIFETIME,
    });
    return who;
  }

  /** What the private chat of this identity is being asked. */
  async asked(who: Identity): Promise<Asked | undefined> {
    return await this.parts.store.get(askedKey(who));
  }

  /** What was answered to that in the private chat. */
  async answer({ who, account }: Asked, yes: boolean): Promise<void> {
    await this.parts.store.delete(askedKey(who));
    if (yes) await this.#link(who, account);
  }

  /** Links the identity that was given this code, by the word of an admin. Throws `not_found`. */
  async confirm(code: string, account: string): Promise<Identity> {
    const who = await this.#use(code);
    await this.parts.store.delete(askedKey(who));
    await this.#link(who, account);
    return who;
  }

  /** Codes that are open, for an admin to confirm. */
  async open(): Promise<{ code: string; who: Identity; at: number }[]> {
    const found = await this.parts.store.list("pair:code:");
    return found.map(([key, { who: { known: _, ...who }, at }]) => ({
      code: key.slice("pair:code:".length),
      who,
      at,
    }));
  }

  /** Identities and their accounts. */
  async bound(account?: string): Promise<Bound[]> {
    const found = account === undefined
      ? await this.#identities.all()
      : await this.#identities.of(account);
    const byHand = new Set(
      found.filter(({ by }) => by !== "vouched").map(({ account, group }) => `${account} ${group}`),
    );
    return found.filter(({ kind }) => kind === "chat").map((
      { platform, scope, value, name, account, at, by, group },
    ) => ({
      channel: platform,
      app: scope,
      id: value,
      name,
      account,
      at,
      vouched: by === "vouched" && !byHand.has(`${account} ${group}`),
    }));
  }

  /** Throws `conflict` where only the platform's word links them, which would link them again. */
  async unbind(who: Identity): Promise<void> {
    const account = await this.account(who);
    if (account !== undefined && !await this.#isByHand(who, account)) {
      throw new NexusError(
        "conflict",
        "the platform itself says whose this is: disable the account, or name it in `deny`",
      );
    }
    await this.#identities.unlink(knownAs(who));
  }

  async #isByHand(who: Identity, account: string): Promise<boolean> {
    return (await this.bound(account)).some((one) =>
      one.channel === who.channel && one.app === who.app && one.id === who.id && !one.vouched
    );
  }

  /** Whose code it is. It is good once, also of two who enter it together. */
  async #use(code: string): Promise<Identity> {
    const { store } = this.parts;
    const clean = code.trim().toUpperCase().replaceAll("-", "");
    const found = /^[2-9A-Z]{8}$/.test(clean) ? await store.get(codeKey(clean)) : undefined;
    if (!found || await store.count(`pair:used:${clean}`, 1, CODE_LIFETIME) > 1) {
      throw new NexusError("not_found", "no such code, or it is no longer valid");
    }
    await store.delete(codeKey(clean));
    await store.delete(mineKey(found.who));
    return found.who;
  }

  async #link(who: Identity, account: string): Promise<void> {
    const { known = [], name } = who;
    const [surest = knownAs(who)] = known;
    for (const one of [...known, knownAs(who)]) {
      await this.#identities.link(one, account, "pairing", name, surest);
    }
  }
}

function knownAs({ channel, app, id }: Identity): Known {
  return { platform: channel as IdentityPlatform, kind: "chat", scope: app, value: id };
}

function codeKey(code: string): string {
  return `pair:code:${code}`;
}

function mineKey({ channel, app, id }: Identity): string {
  return `pair:mine:${channel}:${app}:${id}`;
}

function askedKey({ channel, app, id }: Identity): string {
  return `pair:asked:${channel}:${app}:${id}`;
}

function newCode(): string {
  // 248 is the largest multiple of 31 in a byte; what lies above would make some letters likelier.
  let code = "";
  while (code.length < 8) {
    for (const byte of crypto.getRandomValues(new Uint8Array(16))) {
      if (byte < 248 && code.length < 8) code += ALPHABET[byte % 31];
    }
  }
  return code;
}
