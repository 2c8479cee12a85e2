/**
 * Pairing links an identity on a chat platform to an account, so that both have the same history,
 * limits and running answers. A stranger gets a code in their private chat and enters it on the
 * page, signed in; then the chat asks whether it may be linked to that account, and only the answer
 * there links it. An admin may confirm a code for a person; the audit log records it.
 */
import type { Clock } from "../../core/clock.ts";
import { NexusError } from "../../core/error.ts";
import {
  Identities,
  type Identity as PlatformIdentity,
  type IdentityPlatform,
} from "../../core/people/identity.ts";
import type { Store } from "../../core/store.ts";

/** A person in an app on a chat platform. */
export interface ChatIdentity {
  readonly channel: string;
  readonly app: string;
  /** The person's id in the app. */
  readonly id: string;
  readonly name?: string;
  /** Further identities that the platform confirms, the most reliable first. */
  readonly known?: readonly PlatformIdentity[];
}

/** The question in a private chat whether it may be linked to an account, until it is answered. */
export interface LinkQuestion {
  readonly who: ChatIdentity;
  readonly account: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** An identity and its account. */
export interface LinkedIdentity extends ChatIdentity {
  readonly account: string;
  readonly at: number;
  /** Whether only the platform links it, so that it cannot be unlinked. */
  readonly vouched: boolean;
}

/** Milliseconds for which a code, or the question in the chat, is valid. */
export const CODE_LIFETIME = 5 * 60_000;

/** Open codes per app: many strangers must not fill the store, nor make guessing likely. */
const MAX_OPEN = 500;

/** Digits and letters that look different; with 31^8 codes, 500 open ones cannot be guessed. */
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

  /** Returns the account of an identity. */
  async account(who: ChatIdentity): Promise<string | undefined> {
    const owner = await this.#identities.owner([chatIdentity(who)]);
    return owner && "account" in owner ? owner.account : undefined;
  }

  /** Returns the account to which a person linked this identity, or another one of its owner. */
  async linkedTo(who: ChatIdentity): Promise<string | undefined> {
    const account = await this.account(who);
    return account !== undefined && await this.#isByHand(who, account) ? account : undefined;
  }

  /** Returns the code of this identity, or a new one; `undefined` where too many are open. */
  async code(who: ChatIdentity): Promise<string | undefined> {
    const { store, clock } = this.parts;
    const mine = ownCodeKey(who);
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
   * Uses up a code that the person of an account entered; then the chat must be asked. Throws
   * `not_found`, or `conflict` while the chat is asked about another account. The caller limits the
   * attempts.
   */
  async claim(code: string, account: string): Promise<ChatIdentity> {
    const who = await this.#use(code);
    const pendingQuestion = await this.asked(who);
    if (pendingQuestion && pendingQuestion.account !== account) {
      throw new NexusError(
        "conflict",
        "the chat is being asked about another account: try again in five minutes",
      );
    }
    await this.parts.store.set(questionKey(who), { who, account, at: this.parts.clock.now() }, {
      ttl: CODE_LIFETIME,
    });
    return who;
  }

  /** Returns the open question in the private chat of this identity. */
  async asked(who: ChatIdentity): Promise<LinkQuestion | undefined> {
    return await this.parts.store.get(questionKey(who));
  }

  /** Takes the answer to the question in the private chat. */
  async answer({ who, account }: LinkQuestion, yes: boolean): Promise<void> {
    await this.parts.store.delete(questionKey(who));
    if (yes) await this.#link(who, account);
  }

  /** Links the identity that has this code, for an admin. Throws `not_found`. */
  async confirm(code: string, account: string): Promise<ChatIdentity> {
    const who = await this.#use(code);
    await this.parts.store.delete(questionKey(who));
    await this.#link(who, account);
    return who;
  }

  /** Returns the open codes, which an admin may confirm. */
  async open(): Promise<{ code: string; who: ChatIdentity; at: number }[]> {
    const found = await this.parts.store.list("pair:code:");
    return found.map(([key, { who: { known: _, ...who }, at }]) => ({
      code: key.slice("pair:code:".length),
      who,
      at,
    }));
  }

  /** Returns the linked identities, of all accounts or of one. */
  async bound(account?: string): Promise<LinkedIdentity[]> {
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

  /** Unlinks an identity. Throws `conflict` where the platform would link it again. */
  async unbind(who: ChatIdentity): Promise<void> {
    const account = await this.account(who);
    if (account !== undefined && !await this.#isByHand(who, account)) {
      throw new NexusError(
        "conflict",
        "the platform itself says whose this is: disable the account, or name it in `deny`",
      );
    }
    await this.#identities.unlink(chatIdentity(who));
  }

  async #isByHand(who: ChatIdentity, account: string): Promise<boolean> {
    return (await this.bound(account)).some((one) =>
      one.channel === who.channel && one.app === who.app && one.id === who.id && !one.vouched
    );
  }

  /** Uses up a code and returns its identity. Of two simultaneous attempts one succeeds. */
  async #use(code: string): Promise<ChatIdentity> {
    const { store } = this.parts;
    const clean = code.trim().toUpperCase().replaceAll("-", "");
    const found = /^[2-9A-Z]{8}$/.test(clean) ? await store.get(codeKey(clean)) : undefined;
    if (!found || await store.count(`pair:used:${clean}`, 1, CODE_LIFETIME) > 1) {
      throw new NexusError("not_found", "no such code, or it is no longer valid");
    }
    await store.delete(codeKey(clean));
    await store.delete(ownCodeKey(found.who));
    return found.who;
  }

  async #link(who: ChatIdentity, account: string): Promise<void> {
    const { known = [], name } = who;
    const [surest = chatIdentity(who)] = known;
    for (const one of [...known, chatIdentity(who)]) {
      await this.#identities.link(one, account, "pairing", name, surest);
    }
  }
}

function chatIdentity({ channel, app, id }: ChatIdentity): PlatformIdentity {
  return { platform: channel as IdentityPlatform, kind: "chat", scope: app, value: id };
}

function codeKey(code: string): string {
  return `pair:code:${code}`;
}

function ownCodeKey({ channel, app, id }: ChatIdentity): string {
  return `pair:mine:${channel}:${app}:${id}`;
}

function questionKey({ channel, app, id }: ChatIdentity): string {
  return `pair:asked:${channel}:${app}:${id}`;
}

function newCode(): string {
  // 248 is the largest multiple of 31 in a byte; larger bytes would make some letters likelier.
  let code = "";
  while (code.length < 8) {
    for (const byte of crypto.getRandomValues(new Uint8Array(16))) {
      if (byte < 248 && code.length < 8) code += ALPHABET[byte % 31];
    }
  }
  return code;
}
