/**
 * Pairing binds an identity on a chat platform to an account here: then history, limits and a running answer are the same in both
 * places. A stranger in a chat gets a code; whoever is signed in enters it on the page, or an admin confirms it for somebody.
 */
import type { Clock } from "../../core/clock.ts";
import { NexusError } from "../../core/error.ts";
import { Identities, type Identity as Known, type IdentityPlatform, type Owner } from "../../core/identity.ts";
import type { Store } from "../../core/store.ts";

/** An identity on a platform, as an app of it knows somebody. */
export interface Identity {
  readonly channel: string;
  readonly app: string;
  /** The person's id there. */
  readonly id: string;
  readonly name?: string;
}

/** Milliseconds a code holds. */
export const CODE_LIFETIME = 15 * 60_000;

/** Codes that are open at once, per app: a crowd of strangers must not fill the store, nor make guessing likely. */
const MAX_OPEN = 500;

/** Digits and letters that are not taken for each other; 31^8 codes, so 500 open ones are not found by guessing. */
const ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";

export class Pairing {
  readonly #identities: Identities;

  constructor(
    private readonly parts: { readonly store: Store; readonly clock: Clock; readonly identities?: Identities },
  ) {
    this.#identities = parts.identities ?? new Identities(parts);
  }

  /** Whose an identity is. */
  async owner(who: Identity): Promise<Owner> {
    return await this.#identities.owner([knownAs(who)]);
  }

  /** The account that an identity is bound to. */
  async account(who: Identity): Promise<string | undefined> {
    const owner = await this.owner(who);
    return owner && "account" in owner ? owner.account : undefined;
  }

  /** A code for this identity; the same one while it holds. `undefined`: too many are open. */
  async code(who: Identity): Promise<string | undefined> {
    const { store, clock } = this.parts;
    const mine = `pair:mine:${who.channel}:${who.app}:${who.id}`;
    const known = await store.get(mine);
    if (known && await store.get(codeKey(known.code))) return known.code;
    const open = await store.list(`pair:mine:${who.channel}:${who.app}:`, { limit: MAX_OPEN });
    if (open.length >= MAX_OPEN) return undefined;
    const code = newCode();
    await store.set(codeKey(code), { who, at: clock.now() }, { ttl: CODE_LIFETIME });
    await store.set(mine, { code }, { ttl: CODE_LIFETIME });
    return code;
  }

  /** Binds the identity that was given this code. Throws `not_found`. The caller bounds how often somebody may try. */
  async confirm(code: string, account: string): Promise<Identity> {
    const { store } = this.parts;
    const clean = code.trim().toUpperCase().replaceAll("-", "");
    const found = /^[2-9A-Z]{8}$/.test(clean) ? await store.get(codeKey(clean)) : undefined;
    if (!found) throw new NexusError("not_found", "no such code, or it is no longer valid");
    const who: Identity = found.who;
    await store.delete(codeKey(clean));
    await this.#identities.link(knownAs(who), account, "pairing", who.name);
    return who;
  }

  /** Codes that are open, for an admin to confirm. */
  async open(): Promise<{ code: string; who: Identity; at: number }[]> {
    const found = await this.parts.store.list("pair:code:");
    return found.map(([key, { who, at }]) => ({ code: key.slice("pair:code:".length), who, at }));
  }

  /** Identities and their accounts. */
  async bound(account?: string): Promise<(Identity & { account: string; at: number })[]> {
    const found = account === undefined ? await this.#identities.all() : await this.#identities.of(account);
    return found.filter(({ kind }) => kind === "chat").map(({ platform, scope, value, name, account, at }) => ({
      channel: platform,
      app: scope,
      id: value,
      name,
      account,
      at,
    }));
  }

  async unbind(who: Identity): Promise<void> {
    await this.#identities.unlink(knownAs(who));
  }
}

function knownAs({ channel, app, id }: Identity): Known {
  return { platform: channel as IdentityPlatform, kind: "chat", scope: app, value: id };
}

function codeKey(code: string): string {
  return `pair:code:${code}`;
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
