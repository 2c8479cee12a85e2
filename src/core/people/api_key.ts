/**
 * Personal keys for programs. A key is shown once and stored by its hash; it has a name, scopes,
 * perhaps an end, and its last use can be seen. An admin may bound the age of all keys: then each
 * ends at its own end or at that age, whichever comes first.
 */
import type { Clock } from "../clock.ts";
import { NexusError } from "../error.ts";
import type { Observer } from "../observer.ts";
import { hashToken, randomToken } from "./secret.ts";
import { keyPart, type Store } from "../store.ts";

/**
 * `chat`: ask, and what belongs to asking. `read`: conversations, search, usage. `admin`: what its
 * owner may do as an admin.
 */
export const API_KEY_SCOPES = ["chat", "read", "admin"] as const;
export type ApiKeyScope = typeof API_KEY_SCOPES[number];

export interface ApiKey {
  /** Public: names the key in lists. */
  readonly id: string;
  readonly personId: string;
  readonly name: string;
  readonly scopes: readonly ApiKeyScope[];
  /** The bots and pools it opens; absent: all that its owner may use. */
  readonly bots?: readonly string[];
  /** `false`: what is asked with it leaves no history. */
  readonly history?: boolean;
  readonly createdAt: number;
  readonly expiresAt?: number;
  /** To within a minute. */
  lastUsedAt?: number;
  /** The first letters, by which its owner knows it again. */
  readonly begins: string;
}

/** What every key begins with, so that scanners of leaked secrets know one when they see it. */
export const KEY_PREFIX = "nxk_";

export const MAX_KEYS_PER_PERSON = 50;

/**
 * Milliseconds for which a key is believed without looking into the store: how long a key that was
 * revoked on another node still works.
 */
const CACHE_TTL_MS = 10_000;

const MAX_CACHED_KEYS = 10_000;

/** Milliseconds between two notes of a use. */
const LAST_USED_INTERVAL_MS = 60_000;

export class ApiKeys {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #cache = new Map<string, { key: ApiKey; hash: string; until: number }>();
  /** Milliseconds after its making at which every key ends. May change while running. */
  maxAge: number;

  constructor(parts: { store: Store; clock: Clock; observer: Observer }, maxAge = Infinity) {
    this.maxAge = maxAge;
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#observer = parts.observer;
  }

  /** Makes a key. `token` is told this once. Throws `conflict` when the person has too many. */
  async make(
    personId: string,
    fields: {
      name: string;
      scopes?: readonly ApiKeyScope[];
      bots?: readonly string[];
      history?: boolean;
      ttl?: number;
    },
  ): Promise<{ token: string; key: ApiKey }> {
    await this.#sweep(personId);
    if ((await this.of(personId)).length >= MAX_KEYS_PER_PERSON) {
      throw new NexusError("conflict", `at most ${MAX_KEYS_PER_PERSON} keys for one person`);
    }
    const token = KEY_PREFIX + randomToken(24);
    const now = this.#clock.now();
    const key: ApiKey = {
      id: randomToken(8),
      personId,
      name: fields.name,
      scopes: fields.scopes ?? ["chat", "read"],
      bots: fields.bots,
      history: fields.history === false ? false : undefined,
      createdAt: now,
      expiresAt: fields.ttl === undefined ? undefined : now + fields.ttl,
      begins: token.slice(0, KEY_PREFIX.length + 4),
    };
    const hash = await hashToken(token);
    await this.#store.set(`keyhash:${hash}`, keyOf(key), { ttl: fields.ttl });
    await this.#store.set(keyOf(key), { ...key, hash }, { ttl: fields.ttl, durable: true });
    return { token, key: this.#bounded(key) };
  }

  /** The key of a token if it was looked up a moment ago: no waiting. */
  peek(token: string): ApiKey | undefined {
    const cached = this.#cache.get(token);
    const now = this.#clock.now();
    if (!cached || cached.until <= now) return undefined;
    const key = this.#bounded(cached.key);
    return isOver(key, now) ? undefined : key;
  }

  async find(token: string): Promise<ApiKey | undefined> {
    const recalled = this.peek(token);
    if (recalled) return recalled;
    this.#cache.delete(token);
    if (!token.startsWith(KEY_PREFIX) || token.length > 100) return undefined;
    const hash = await hashToken(token);
    const at: string | undefined = await this.#store.get(`keyhash:${hash}`);
    const kept: (ApiKey & { hash: string }) | undefined = at === undefined
      ? undefined
      : await this.#store.get(at);
    const now = this.#clock.now();
    if (!kept || kept.hash !== hash || isOver(this.#bounded(kept), now)) return undefined;
    if (now - (kept.lastUsedAt ?? 0) >= LAST_USED_INTERVAL_MS) this.#note(kept, now);
    const { hash: _, ...key } = kept;
    if (this.#cache.size >= MAX_CACHED_KEYS) this.#cache.delete(this.#cache.keys().next().value!);
    this.#cache.set(token, { key, hash, until: now + CACHE_TTL_MS });
    return this.#bounded(key);
  }

  /** A person's keys, the newest first. */
  async of(personId: string): Promise<ApiKey[]> {
    const found = await this.#store.list(`key:${keyPart(personId)}:`);
    const now = this.#clock.now();
    return found.map(([, { hash: _, ...key }]) => this.#bounded(key as ApiKey)).filter((key) =>
      !isOver(key, now)
    )
      .sort((a, b) => b.createdAt - a.createdAt);
  }

  /** Lets go of a person's keys in memory, so that the store is asked for each. */
  invalidate(personId: string): void {
    for (const [token, { key }] of this.#cache) {
      if (key.personId === personId) this.#cache.delete(token);
    }
  }

  /** Revokes one of a person's keys, or all. Returns how many. */
  async revoke(personId: string, id?: string): Promise<number> {
    const prefix = `key:${keyPart(personId)}:`;
    let revoked = 0;
    for (
      const [at, { hash }] of await this.#store.list(
        id === undefined ? prefix : prefix + keyPart(id),
      )
    ) {
      if (id !== undefined && at !== prefix + keyPart(id)) continue;
      await this.#store.delete(at);
      await this.#store.delete(`keyhash:${hash}`);
      for (const [token, cached] of this.#cache) {
        if (cached.hash === hash) this.#cache.delete(token);
      }
      revoked++;
    }
    return revoked;
  }

  /** The key with the end that it has by now. */
  #bounded(key: ApiKey): ApiKey {
    const end = Math.min(key.expiresAt ?? Infinity, key.createdAt + this.maxAge);
    return end === (key.expiresAt ?? Infinity) ? key : { ...key, expiresAt: end };
  }

  /** Deletes the keys that ended by their age. */
  async #sweep(personId: string): Promise<void> {
    const now = this.#clock.now();
    for (const [at, { hash, ...key }] of await this.#store.list(`key:${keyPart(personId)}:`)) {
      if (!isOver(this.#bounded(key as ApiKey), now)) continue;
      await this.#store.delete(at);
      await this.#store.delete(`keyhash:${hash}`);
    }
  }

  #note(kept: ApiKey & { hash: string }, now: number): void {
    kept.lastUsedAt = now;
    const ttl = kept.expiresAt === undefined ? undefined : kept.expiresAt - now;
    this.#store.set(keyOf(kept), kept, { ttl })
      .catch((error) => this.#observer.tell({ type: "fault", where: "api key", error }));
  }
}

function keyOf({ personId, id }: Pick<ApiKey, "personId" | "id">): string {
  return `key:${keyPart(personId)}:${id}`;
}

function isOver(key: ApiKey, now: number): boolean {
  return key.expiresAt !== undefined && key.expiresAt <= now;
}
