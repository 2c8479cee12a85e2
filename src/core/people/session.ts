/**
 * Who a browser's token is: sessions, kept by the hash of their token.
 *
 * A session lives for `ttl` after its last use, and never longer than `maxAge` after it began:
 * somebody who has left does not stay in by using it. The store hears of a use only every twentieth
 * of the ttl, and a request that follows another is answered from memory without touching the
 * store. Every ten seconds the store is asked again, so that a session which another process ended
 * does not go on here.
 *
 * A session of somebody who stands in the configuration is bound to the password there: it holds a
 * MAC over it under the token, which nobody can check who has no token, and ends when the password
 * is another one, also over a restart.
 */
import type { Clock } from "../clock.ts";
import type { Observer } from "../observer.ts";
import { hashToken, hmacOf, randomToken, timingSafeEqual } from "./secret.ts";
import { keyPart, type Store } from "../store.ts";

export interface Session {
  /** Public: names the session in lists. */
  readonly id: string;
  readonly personId: string;
  readonly createdAt: number;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  lastSeenAt: number;
  /** What the browser called itself, for the list of sessions. */
  readonly agent?: string;
  readonly address?: string;
  /** The MAC of the credential that its person has in the configuration. */
  readonly proof?: string;
}

/** How long sessions live, in milliseconds. */
export interface SessionLife {
  /** After the last use. */
  readonly ttl: number;
  /** After the beginning. */
  readonly maxAge: number;
}

interface Cached {
  readonly session: Session;
  readonly key: string;
  savedAt: number;
  /** When the store last had it. */
  checkedAt: number;
}

/** How long a session lives at most unless the operator says otherwise: thirty days. */
export const DEFAULT_SESSION_MAX_AGE_MS = 30 * 86_400_000;

/** Milliseconds for which a session is believed without asking the store. */
export const SESSION_CACHE_TTL_MS = 10_000;

/** Tokens kept in memory; the oldest go and are read from the store again. */
const MAX_CACHED_SESSIONS = 10_000;

export class Sessions {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #cache = new Map<string, Cached>();
  readonly #credential: (personId: string) => string | undefined;
  /** May change while running. */
  life: SessionLife;

  /** @param parts.credential what tells a configured person's password from another one */
  constructor(
    parts: {
      store: Store;
      clock: Clock;
      observer: Observer;
      credential?: (personId: string) => string | undefined;
    },
    life: SessionLife,
  ) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#observer = parts.observer;
    this.#credential = parts.credential ?? (() => undefined);
    this.life = life;
  }

  /** For how long a browser keeps the cookie of a session that begins now, in seconds. */
  get cookieSeconds(): number {
    return Math.floor(Math.min(this.life.ttl, this.life.maxAge) / 1000);
  }

  /** When a session ends that was begun then and is used now. */
  #endOf(createdAt: number, now: number): number {
    return Math.min(now + this.life.ttl, createdAt + this.life.maxAge);
  }

  /** Sessions in memory: those that were used lately. */
  get size(): number {
    return this.#cache.size;
  }

  /** Begins a session. The token is told once and kept nowhere. */
  async begin(
    personId: string,
    from: { agent?: string; address?: string } = {},
  ): Promise<{ token: string; session: Session }> {
    const token = randomToken();
    const now = this.#clock.now();
    const credential = this.#credential(personId);
    const session: Session = {
      id: randomToken(8),
      personId,
      createdAt: now,
      expiresAt: this.#endOf(now, now),
      lastSeenAt: now,
      agent: from.agent?.slice(0, 300),
      address: from.address,
      ...(credential === undefined ? {} : { proof: await hmacOf(token, credential) }),
    };
    const hash = await hashToken(token);
    const key = `session:${keyPart(personId)}:${hash}`;
    const ttl = session.expiresAt - now;
    await this.#store.set(`token:${hash}`, key, { ttl });
    // Sure, so that nobody who was let in is a stranger after a crash.
    await this.#store.set(key, session, { ttl, durable: true });
    this.#remember(token, { session, key, savedAt: now, checkedAt: now });
    return { token, session };
  }

  /**
   * The session of a token if it is in memory: no waiting, and so what every request tries first.
   */
  peek(token: string): Session | undefined {
    const cached = this.#cache.get(token);
    if (!cached) return undefined;
    const now = this.#clock.now();
    if (cached.session.expiresAt <= now) {
      this.#cache.delete(token);
      return undefined;
    }
    if (now - cached.checkedAt >= Math.min(SESSION_CACHE_TTL_MS, this.life.ttl / 20)) {
      return undefined;
    }
    cached.session.lastSeenAt = now;
    cached.session.expiresAt = this.#endOf(cached.session.createdAt, now);
    return cached.session.expiresAt > now ? cached.session : undefined;
  }

  /** The session of a token. */
  async find(token: string): Promise<Session | undefined> {
    const recalled = this.peek(token);
    if (recalled) return recalled;
    if (!/^[0-9a-f]{64}$/.test(token)) return undefined;
    const cached = this.#cache.get(token);
    if (cached) return await this.#check(token, cached);
    const key: string | undefined = await this.#store.get(`token:${await hashToken(token)}`);
    const stored: Session | undefined = key === undefined ? undefined : await this.#store.get(key);
    const now = this.#clock.now();
    if (!stored || Math.min(stored.expiresAt, stored.createdAt + this.life.maxAge) <= now) {
      return undefined;
    }
    const session = await this.#proven(token, stored);
    if (!session) {
      await this.end(token);
      return undefined;
    }
    this.#remember(token, { session, key: key!, savedAt: session.lastSeenAt, checkedAt: now });
    return session;
  }

  /**
   * The session, where its person still has the password with which it began. One of an earlier
   * version is bound to the one of now.
   */
  async #proven(token: string, session: Session): Promise<Session | undefined> {
    const credential = this.#credential(session.personId);
    if (credential === undefined) return session;
    const proof = await hmacOf(token, credential);
    if (session.proof === undefined) return { ...session, proof };
    return timingSafeEqual(session.proof, proof) ? session : undefined;
  }

  /**
   * Whether a token still opens. Does not count as a use, so that a page which is only left open
   * signs its person out in time.
   */
  async isValid(token: string): Promise<boolean> {
    const cached = this.#cache.get(token);
    const now = this.#clock.now();
    if (cached && now - cached.checkedAt < SESSION_CACHE_TTL_MS) {
      return cached.session.expiresAt > now;
    }
    const key: string | undefined = cached?.key ??
      await this.#store.get(`token:${await hashToken(token)}`);
    const kept: Session | undefined = key === undefined ? undefined : await this.#store.get(key);
    return kept !== undefined && (cached?.session.expiresAt ?? kept.expiresAt) > this.#clock.now();
  }

  /** Asks the store again for a session that is in memory. */
  async #check(token: string, cached: Cached): Promise<Session | undefined> {
    const kept = await this.#store.get(cached.key);
    // It may have ended here while the store was asked: what was ended must not be saved again.
    if (kept === undefined || this.#cache.get(token) !== cached) {
      this.#cache.delete(token);
      return undefined;
    }
    cached.checkedAt = this.#clock.now();
    this.#slide(cached, cached.checkedAt);
    return cached.session.expiresAt > cached.checkedAt ? cached.session : undefined;
  }

  async end(token: string): Promise<void> {
    const hash = await hashToken(token);
    const key: string | undefined = await this.#store.get(`token:${hash}`);
    this.#cache.delete(token);
    await this.#store.delete(`token:${hash}`);
    if (key !== undefined) await this.#store.delete(key);
  }

  /** A person's sessions, the latest first. */
  async of(personId: string): Promise<Session[]> {
    const found = await this.#store.list(`session:${keyPart(personId)}:`);
    const now = this.#clock.now();
    return found.map(([, session]) => session as Session)
      .map((session) => ({
        ...session,
        expiresAt: Math.min(session.expiresAt, session.createdAt + this.life.maxAge),
      }))
      .filter(({ expiresAt }) => expiresAt > now)
      .sort((a, b) => b.lastSeenAt - a.lastSeenAt);
  }

  /** Ends one of a person's sessions by its id, or all but one. Returns how many. */
  async endOf(personId: string, which: { id: string } | { allBut?: string }): Promise<number> {
    // What another process ended is not in the store any more, and would be believed for some
    // seconds.
    for (const [token, { session }] of this.#cache) {
      const isMeant = "id" in which ? session.id === which.id : session.id !== which.allBut;
      if (session.personId === personId && isMeant) this.#cache.delete(token);
    }
    let ended = 0;
    for (const [key, session] of await this.#store.list(`session:${keyPart(personId)}:`)) {
      if ("id" in which ? session.id !== which.id : session.id === which.allBut) continue;
      await this.#store.delete(key);
      await this.#store.delete(`token:${key.slice(`session:${keyPart(personId)}:`.length)}`);
      ended++;
    }
    return ended;
  }

  #slide(cached: Cached, now: number): void {
    const { session } = cached;
    session.lastSeenAt = now;
    session.expiresAt = this.#endOf(session.createdAt, now);
    const ttl = session.expiresAt - now;
    if (now - cached.savedAt < this.life.ttl / 20 || ttl <= 0) return;
    cached.savedAt = now;
    const hash = cached.key.slice(cached.key.indexOf("sha256:"));
    const saved = [
      this.#store.set(cached.key, session, { ttl }),
      this.#store.set(`token:${hash}`, cached.key, { ttl }),
    ];
    Promise.all(saved).catch((error) =>
      this.#observer.tell({ type: "fault", where: "session", error })
    );
  }

  #remember(token: string, cached: Cached): void {
    if (this.#cache.size >= MAX_CACHED_SESSIONS) {
      this.#cache.delete(this.#cache.keys().next().value!);
    }
    this.#cache.set(token, cached);
  }
}
