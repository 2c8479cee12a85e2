/**
 * Which bots may come in: one token for all, as the original has it, and tokens that were made for one bot, which then fix its id.
 *
 * Once a bot id has a token of its own, the common token no longer opens for that id: who holds the common token cannot pose as it.
 */
import { NexusError } from "./error.ts";
import { randomToken, sameText } from "./secret.ts";
import { keyPart, type Store } from "./store.ts";

/** A token as it is kept. */
export interface BotToken {
  readonly botId: string;
  readonly hash: string;
  readonly createdAt: number;
  /** Who made it. */
  readonly by: string;
  /** The token before it, still good until `oldUntil`: a bot is changed over without an hour at night. */
  readonly old?: string;
  readonly oldUntil?: number;
}

export const BOT_TOKEN_PREFIX = "nxb_";

export class BotTokens {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #sha256: (text: string) => string;
  #own = new Map<string, BotToken>();

  /** @param parts.sha256 the digest in hex, at once: a socket's next frame may be there before a promise is settled */
  constructor(parts: { store: Store; clock: { now(): number }; sha256: (text: string) => string }) {
    this.#store = parts.store;
    this.#sha256 = parts.sha256;
    this.#now = () => parts.clock.now();
  }

  /**
   * Reads all tokens; again every few seconds, because another node or the command line may have changed them. Returns the bots whose
   * token no longer opens.
   */
  async load(): Promise<string[]> {
    const rows = await this.#store.list("bottoken:");
    const before = this.#own;
    this.#own = new Map(rows.map(([, token]) => [(token as BotToken).botId, token as BotToken]));
    const changed: string[] = [];
    for (const [botId, { hash }] of before) {
      const now = this.#own.get(botId);
      if (now?.hash !== hash && now?.old !== hash) changed.push(botId);
    }
    return changed;
  }

  list(): Omit<BotToken, "hash" | "old">[] {
    return [...this.#own.values()].map(({ hash: _, old: __, ...token }) => token);
  }

  /** Makes a bot's token, or a new one in place of the old, which stays good for `overlap` milliseconds. Told this once. */
  async make(botId: string, by: string, overlap = 0): Promise<string> {
    if (botId === "" || botId.length > 128 || /[\s@]/.test(botId)) {
      throw new NexusError("invalid", "botId: 1 to 128 characters without spaces or @");
    }
    const token = BOT_TOKEN_PREFIX + randomToken(24);
    const before = this.#own.get(botId);
    const now = this.#now();
    const kept: BotToken = {
      botId,
      hash: this.#hash(token),
      createdAt: now,
      by,
      ...(before && overlap > 0 ? { old: before.hash, oldUntil: now + overlap } : {}),
    };
    await this.#store.set(`bottoken:${keyPart(botId)}`, kept, { sure: true });
    this.#own.set(botId, kept);
    return token;
  }

  /** Whether there was one. The bot's socket is the caller's to close. */
  async revoke(botId: string): Promise<boolean> {
    const was = this.#own.delete(botId);
    await this.#store.delete(`bottoken:${keyPart(botId)}`);
    return was;
  }

  /**
   * Whether this token opens for this bot id.
   *
   * @param common the token for all, plain or as `sha256:…`; empty lets everybody in who has no token of their own
   */
  opens(botId: string, token: string, common: string): boolean {
    const own = this.#own.get(botId);
    return own ? this.#is(own, this.#hash(token)) : common === "" || this.#isCommon(token, common);
  }

  /** Whether a token could open for anybody: what a socket is asked for before it may say a word. */
  known(token: string, common: string): boolean {
    let found = common !== "" && this.#isCommon(token, common);
    const given = this.#hash(token);
    // All are compared, so that the time does not tell which.
    for (const own of this.#own.values()) if (this.#is(own, given)) found = true;
    return found;
  }

  #is(own: BotToken, given: string): boolean {
    const isOld = own.old !== undefined && sameText(given, own.old) && own.oldUntil! > this.#now();
    return sameText(given, own.hash) || isOld;
  }

  #isCommon(token: string, common: string): boolean {
    return sameText(this.#hash(token), common.startsWith("sha256:") ? common.toLowerCase() : this.#hash(common));
  }

  #hash(token: string): string {
    return `sha256:${this.#sha256(token)}`;
  }
}
