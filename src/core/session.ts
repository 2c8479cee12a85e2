/**
 * Who a browser's token is: sessions, kept by the hash of their token.
 *
 * A session lives for `ttl` after its last use. The store hears of a use only every twentieth of that, and a request that follows another
 * is answered from memory without touching the store. Every ten seconds the store is asked again, so that a session which another node, or
 * the command line, ended does not go on here.
 */
import type { Clock } from "./clock.ts";
import type { Observer } from "./observer.ts";
import { hashToken, randomToken } from "./secret.ts";
import { keyPart, type Store } from "./store.ts";

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
}

interface Cached {
  readonly session: Session;
  readonly key: string;
  savedAt: number;
  /** When the store last had it. */
  checkedAt: number;
}

/** Milliseconds for which a session is believed without asking the store. */
const BELIEVED = 10_000;

/** Tokens kept in memory; the oldest go and are read from the store again. */
const CACHED = 10_000;

export class Sessions {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #cache = new Map<string, Cached>();
  /** Milliseconds. */
  ttl: number;

  constructor(parts: { store: Store; clock: Clock; observer: Observer }, ttl: number) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#observer = parts.observer;
    this.ttl = ttl;
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
    const session: Session = {
      id: randomToken(8),
      personId,
      createdAt: now,
      expiresAt: now + this.ttl,
      lastSeenAt: now,
      agent: from.agent?.slice(0, 300),
      address: from.address,
    };
    const hash = await hashToken(token);
    const key = `session:${keyPart(personId)}:${hash}`;
    await this.#store.set(`token:${hash}`, key, { ttl: this.ttl });
    // Sure, so that nobody who was let in is a stranger after a crash.
    await this.#store.set(key, session, { ttl: this.ttl, sure: true });
    this.#remember(token, { session, key, savedAt: now, checkedAt: now });
    return { token, session };
  }

  /** The session of a token if it is in memory: no waiting, and so what every request tries first. */
  recall(token: string): Session | undefined {
    const cached = this.#cache.get(token);
    if (!cached) return undefined;
    const now = this.#clock.now();
    if (cached.session.expiresAt <= now) {
      this.#cache.delete(token);
      return undefined;
    }
    if (now - cached.checkedAt >= Math.min(BELIEVED, this.ttl / 20)) return undefined;
    cached.session.lastSeenAt = now;
    cached.session.expiresAt = now + this.ttl;
    return cached.session;
  }

  /** The session of a token. */
  async find(token: string): Promise<Session | undefined> {
    const recalled = this.recall(token);
    if (recalled) return recalled;
    if (!/^[0-9a-f]{64}$/.test(token)) return undefined;
    const cached = this.#cache.get(token);
    if (cached) return await this.#check(token, cached);
    const key: string | undefined = await this.#store.get(`token:${await hashToken(token)}`);
    const session: Session | undefined = key === undefined ? undefined : await this.#store.get(key);
    const now = this.#clock.now();
    if (!session || session.expiresAt <= now) return undefined;
    this.#remember(token, { session, key: key!, savedAt: session.lastSeenAt, checkedAt: now });
    return session;
  }

  /** Whether a token still opens. Does not count as a use, so that a page which is only left open signs its person out in time. */
  async holds(token: string): Promise<boolean> {
    const cached = this.#cache.get(token);
    const now = this.#clock.now();
    if (cached && now - cached.checkedAt < BELIEVED) return cached.session.expiresAt > now;
    const key: string | undefined = cached?.key ?? await this.#store.get(`token:${await hashToken(token)}`);
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
    return cached.session;
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
    return found.map(([, session]) => session as Session).sort((a, b) => b.lastSeenAt - a.lastSeenAt);
  }

  /** Ends one of a person's sessions by its id, or all but one. Returns how many. */
  async endOf(personId: string, which: { id: string } | { allBut?: string }): Promise<number> {
    let ended = 0;
    for (const [key, session] of await this.#store.list(`session:${keyPart(personId)}:`)) {
      if ("id" in which ? session.id !== which.id : session.id === which.allBut) continue;
      await this.#store.delete(key);
      await this.#store.delete(`token:${key.slice(`session:${keyPart(personId)}:`.length)}`);
      for (const [token, cached] of this.#cache) if (cached.key === key) this.#cache.delete(token);
      ended++;
    }
    return ended;
  }

  #slide(cached: Cached, now: number): void {
    const { session } = cached;
    session.lastSeenAt = now;
    session.expiresAt = now + this.ttl;
    if (now - cached.savedAt < this.ttl / 20) return;
    cached.savedAt = now;
    const hash = cached.key.slice(cached.key.indexOf("sha256:"));
    const saved = [
      this.#store.set(cached.key, session, { ttl: this.ttl }),
      this.#store.set(`token:${hash}`, cached.key, { ttl: this.ttl }),
    ];
    Promise.all(saved).catch((error) => this.#observer.tell({ type: "fault", where: "session", error }));
  }

  #remember(token: string, cached: Cached): void {
    if (this.#cache.size >= CACHED) this.#cache.delete(this.#cache.keys().next().value!);
    this.#cache.set(token, cached);
  }
}
