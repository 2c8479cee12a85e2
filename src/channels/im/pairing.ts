/**
 * Pairing binds an identity on a chat platform to an account here: then history, limits and a running answer are the same in both
 * places. A stranger in a chat gets a code; whoever is signed in enters it on the page, or an admin confirms it for somebody.
 */
import type { Clock } from "../../core/clock.ts";
import { NexusError } from "../../core/error.ts";
import type { Store } from "../../core/store.ts";

/** An identity on a platform. */
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
  constructor(private readonly parts: { readonly store: Store; readonly clock: Clock }) {}

  /** The account that an identity is bound to. */
  async account(who: Identity): Promise<string | undefined> {
    return (await this.parts.store.get(bindKey(who)))?.account;
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
    const { store, clock } = this.parts;
    const clean = code.trim().toUpperCase().replaceAll("-", "");
    const found = /^[2-9A-Z]{8}$/.test(clean) ? await store.get(codeKey(clean)) : undefined;
    if (!found) throw new NexusError("not_found", "no such code, or it is no longer valid");
    const who: Identity = found.who;
    await store.delete(codeKey(clean));
    await store.set(bindKey(who), { account, name: who.name, at: clock.now() });
    return who;
  }

  /** Codes that are open, for an admin to confirm. */
  async open(): Promise<{ code: string; who: Identity; at: number }[]> {
    const found = await this.parts.store.list("pair:code:");
    return found.map(([key, { who, at }]) => ({ code: key.slice("pair:code:".length), who, at }));
  }

  /** Identities and their accounts. */
  async bound(account?: string): Promise<(Identity & { account: string; at: number })[]> {
    const found = await this.parts.store.list("bind:");
    return found.map(([key, bind]) => {
      const [, channel = "", app = "", ...id] = key.split(":");
      return { channel, app, id: id.join(":"), name: bind.name, account: bind.account, at: bind.at };
    }).filter((bind) => account === undefined || bind.account === account);
  }

  async unbind(who: Identity): Promise<void> {
    await this.parts.store.delete(bindKey(who));
  }
}

function codeKey(code: string): string {
  return `pair:code:${code}`;
}

function bindKey(who: Identity): string {
  return `bind:${who.channel}:${who.app}:${who.id}`;
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
