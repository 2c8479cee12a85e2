/**
 * The tokens of bots: one for all, as Nexus 1.x has it, and tokens that were made for one bot,
 * which then fix its id and its pools.
 *
 * Once a bot id has a token of its own, the common token no longer opens for that id: a holder of
 * the common token cannot pose as it. A token may belong to a person; it opens only while that
 * person may come in. What names a token may open is decided in `bot_admission.ts`.
 */
import { nameProblem, type ReservedNames, reserveNames } from "../bot_name.ts";
import { NexusError } from "../error.ts";
import { randomToken, timingSafeEqual } from "./secret.ts";
import { keyPart, type Store } from "../store.ts";

/**
 * The token for all, plain or as `sha256:…`; empty lets every bot in that has none of its own.
 * While it is changed over there are several, and each of them opens.
 */
export type CommonTokens = string | readonly string[];

/** A token as it is stored. */
export interface BotToken {
  readonly botId: string;
  /** The pools that the bot may join. */
  readonly pools?: readonly string[];
  readonly hash: string;
  readonly createdAt: number;
  /** Who made it. */
  readonly by: string;
  /** The account whose bot it is. */
  readonly owner?: string;
  /** Its owner was removed: nobody comes in with this id until there is a new token, or none. */
  readonly locked?: true;
  /**
   * The token before it, still good until `oldUntil`: a bot is changed over without an hour at
   * night.
   */
  readonly old?: string;
  readonly oldUntil?: number;
}

export const BOT_TOKEN_PREFIX = "nxb_";

export class BotTokens {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #sha256: (text: string) => string;
  readonly #isOut: (accountId: string) => boolean;
  #own: ReadonlyMap<string, BotToken> = new Map();
  #readAt = 0;

  /**
   * @param parts.sha256 the digest in hex, at once: a socket's next frame may be there before a
   *   promise is settled
   * @param parts.isOut whether an owner may not come in
   */
  constructor(
    parts: {
      store: Store;
      clock: { now(): number };
      sha256: (text: string) => string;
      isOut?: (accountId: string) => boolean;
    },
  ) {
    this.#isOut = parts.isOut ?? (() => false);
    this.#store = parts.store;
    this.#sha256 = parts.sha256;
    this.#now = () => parts.clock.now();
  }

  /**
   * Reads all tokens; again every few seconds, because another process or the command line may have
   * changed them. `gone`: the bots whose token was revoked or replaced. `changed`: anything that a
   * bot which is connected may have to be asked for again.
   */
  async load(): Promise<{ gone: string[]; changed: boolean }> {
    const rows = await this.#store.list("bottoken:");
    const before = this.#own, readAt = this.#readAt;
    const read = new Map(rows.map(([, token]) => [(token as BotToken).botId, token as BotToken]));
    const isSame = JSON.stringify([...read]) === JSON.stringify([...before]);
    if (!isSame) this.#own = read;
    const now = this.#readAt = this.#now();
    const hasEnded = [...read.values()].some(({ oldUntil = 0 }) =>
      oldUntil > readAt && oldUntil <= now
    );
    const gone: string[] = [];
    for (const [botId, { hash }] of before) {
      const token = read.get(botId);
      if (token?.hash !== hash && token?.old !== hash) gone.push(botId);
    }
    return { gone, changed: !isSame || hasEnded };
  }

  /** Every token by bot id; another object after each change. */
  get byBot(): ReadonlyMap<string, BotToken> {
    return this.#own;
  }

  list(): Omit<BotToken, "hash" | "old">[] {
    return [...this.#own.values()].map(({ hash: _, old: __, ...token }) => token);
  }

  /**
   * Makes a bot's token, or a new one in place of the old. The token is returned this once.
   *
   * Throws `invalid` where the id or a pool is not a name that the bot may have.
   *
   * @param options.overlap milliseconds for which the token before it stays good
   * @param options.pools the pools that the bot may join; those it had where nothing is given
   * @param options.owner the account whose bot it is; `undefined` leaves it as it is, `null` makes
   *   it nobody's
   * @param options.reserved names that are fixed elsewhere, such as those of the configuration
   */
  async make(
    botId: string,
    by: string,
    options: {
      overlap?: number;
      pools?: readonly string[];
      owner?: string | null;
      reserved?: ReservedNames;
    } = {},
  ): Promise<string> {
    const before = this.#own.get(botId);
    const { overlap = 0, pools = before?.pools ?? [], reserved = reserveNames([]) } = options;
    const owner = options.owner === undefined ? before?.owner : options.owner ?? undefined;
    const named = { botId, pools };
    const wrong = nameProblem(named, reserved) ??
      nameProblem(named, reserveNames(reservedByTokens(this.#own)));
    if (wrong !== undefined) throw new NexusError("invalid", `botId: ${wrong}`);
    const token = BOT_TOKEN_PREFIX + randomToken(24);
    const now = this.#now();
    const kept: BotToken = {
      botId,
      hash: this.#hash(token),
      createdAt: now,
      by,
      ...(pools.length > 0 ? { pools: [...new Set(pools)] } : {}),
      ...(owner === undefined ? {} : { owner }),
      ...(before && !before.locked && overlap > 0
        ? { old: before.hash, oldUntil: now + overlap }
        : {}),
    };
    await this.#store.set(`bottoken:${keyPart(botId)}`, kept, { durable: true });
    this.#own = new Map(this.#own).set(botId, kept);
    return token;
  }

  /** Whether there was one. The bot's socket is the caller's to close. */
  async revoke(botId: string): Promise<boolean> {
    const left = new Map(this.#own);
    const was = left.delete(botId);
    this.#own = left;
    await this.#store.delete(`bottoken:${keyPart(botId)}`);
    return was;
  }

  /**
   * Takes the tokens of somebody who is removed, and their name from those that they made. The ids
   * stay closed, for the common token too: else whoever knows that one could pose as the bot.
   * Returns the bots that were theirs.
   */
  async forget(accountId: string): Promise<string[]> {
    const locked: string[] = [];
    for (const [botId, { owner, by, ...token }] of this.#own) {
      if (owner !== accountId && by !== accountId) continue;
      const maker = by === accountId ? "-" : by;
      const left: BotToken = owner === accountId
        ? { ...token, by: maker, hash: "", old: undefined, oldUntil: undefined, locked: true }
        : { ...token, by: maker, ...(owner === undefined ? {} : { owner }) };
      this.#own = new Map(this.#own).set(botId, left);
      await this.#store.set(`bottoken:${keyPart(botId)}`, left, { durable: true });
      if (left.locked) locked.push(botId);
    }
    return locked;
  }

  /** Whether this token opens for this bot id. */
  accepts(botId: string, token: string, common: CommonTokens): boolean {
    const own = this.#own.get(botId);
    return own ? this.#is(own, this.#hash(token)) : common === "" || this.#isCommon(token, common);
  }

  /**
   * Whether a token could open for anybody: what a socket is asked for before it may say a word.
   */
  isKnown(token: string, common: CommonTokens): boolean {
    let found = common !== "" && this.#isCommon(token, common);
    const given = this.#hash(token);
    // All are compared, so that the time does not tell which.
    for (const own of this.#own.values()) if (this.#is(own, given)) found = true;
    return found;
  }

  #is(own: BotToken, given: string): boolean {
    if (own.locked || (own.owner !== undefined && this.#isOut(own.owner))) return false;
    const isOld = own.old !== undefined && timingSafeEqual(given, own.old) &&
      own.oldUntil! > this.#now();
    return timingSafeEqual(given, own.hash) || isOld;
  }

  #isCommon(token: string, common: CommonTokens): boolean {
    const given = this.#hash(token);
    let found = false;
    for (const one of typeof common === "string" ? [common] : common) {
      if (timingSafeEqual(given, one.startsWith("sha256:") ? one.toLowerCase() : this.#hash(one))) {
        found = true;
      }
    }
    return found;
  }

  #hash(token: string): string {
    return `sha256:${this.#sha256(token)}`;
  }
}

/** Bots with a token of their own, as names that stand fixed. */
export function reservedByTokens(
  tokens: ReadonlyMap<string, BotToken>,
): { id: string; pools: readonly string[]; by: string }[] {
  return [...tokens].map(([id, { pools = [] }]) => ({ id, pools, by: "a token" }));
}
