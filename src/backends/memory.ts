/**
 * A store in a Map and a bus in a Set: the default where there is no disk, and what tests use in
 * place of mocks.
 *
 * The store has a bound: past it the oldest weak entries are forgotten, so that a gateway without a
 * disk can run for months.
 */
import type { Json, ListOptions, SetOptions, Store } from "../core/store.ts";

/** What weak entries may weigh together: 64 MiB by the estimate of {@linkcode weigh}. */
const MAX_EVICTABLE_BYTES = 64 << 20;

interface Entry {
  value: Json;
  /** Milliseconds since the epoch; 0 for never. */
  expires: number;
}

export class MemoryStore implements Store {
  readonly volatile: boolean = true;
  /**
   * Entries by everything up to the last `:` of their key, so that listing does not look at the
   * whole store.
   */
  readonly #groups = new Map<string, Map<string, Entry>>();
  /** What weak keys weigh, the oldest first. */
  readonly #evictable = new Map<string, number>();
  #evictableBytes = 0;
  #written = 0;

  constructor(
    readonly options: { readonly maxEvictable?: number; readonly now?: () => number } = {},
  ) {}

  get(key: string): Promise<Json | undefined> {
    return Promise.resolve(this.#entry(key)?.value);
  }

  set(key: string, value: Json, options?: SetOptions): Promise<void> {
    this.#put(key, value, options);
    return DONE;
  }

  delete(key: string): Promise<void> {
    this.#remove(key);
    return DONE;
  }

  list(prefix: string, options: ListOptions = {}): Promise<[string, Json][]> {
    const found: [string, Json][] = [];
    const whole = groupOf(prefix);
    const exact = whole === prefix ? this.#groups.get(whole) : undefined;
    for (const [group, entries] of this.#groups) {
      if (!group.startsWith(whole)) continue;
      for (const key of entries.keys()) {
        if (entries !== exact && !key.startsWith(prefix)) continue;
        if (
          options.after !== undefined &&
          (options.reverse ? key >= options.after : key <= options.after)
        ) continue;
        const entry = this.#entry(key);
        if (entry) found.push([key, entry.value]);
      }
    }
    found.sort(
      options.reverse ? (a, b) => (a[0] < b[0] ? 1 : -1) : (a, b) => (a[0] < b[0] ? -1 : 1),
    );
    return Promise.resolve(options.limit === undefined ? found : found.slice(0, options.limit));
  }

  count(key: string, by: number, ttl?: number): Promise<number> {
    const entry = this.#entry(key);
    if (entry) return Promise.resolve(entry.value += by);
    this.#put(key, by, { ttl });
    return Promise.resolve(by);
  }

  append(log: string, entries: readonly Json[], options?: SetOptions): Promise<number> {
    const list: Json[] = this.#entry(log)?.value ?? [];
    list.push(...entries);
    this.#put(log, list, options);
    return Promise.resolve(list.length);
  }

  length(log: string): Promise<number> {
    return Promise.resolve(this.#entry(log)?.value.length ?? 0);
  }

  read(log: string, from = 0, limit = Infinity): Promise<Json[]> {
    const list: Json[] = this.#entry(log)?.value ?? [];
    return Promise.resolve(list.slice(from, limit === Infinity ? undefined : from + limit));
  }

  close(): Promise<void> {
    return DONE;
  }

  #now(): number {
    return this.options.now?.() ?? Date.now();
  }

  #entry(key: string): Entry | undefined {
    const entry = this.#groups.get(groupOf(key))?.get(key);
    if (!entry || entry.expires === 0 || entry.expires > this.#now()) return entry;
    this.#remove(key);
    return undefined;
  }

  #put(key: string, value: Json, options?: SetOptions): void {
    const group = groupOf(key);
    let entries = this.#groups.get(group);
    if (!entries) this.#groups.set(group, entries = new Map());
    if (entries.has(key)) this.#forgetWeight(key);
    entries.set(key, { value, expires: options?.ttl ? this.#now() + options.ttl : 0 });
    if (options?.evictable) {
      this.#bound(
        key,
        (options.evictable === true ? weigh(value) : options.evictable) + key.length * 2 + 200,
      );
    }
    // Entries that expire and are never asked for again would stay: every so often all are looked
    // at.
    if (++this.#written % 10_000 === 0) this.#sweep();
  }

  #bound(key: string, weight: number): void {
    this.#evictable.set(key, weight);
    this.#evictableBytes += weight;
    const max = this.options.maxEvictable ?? MAX_EVICTABLE_BYTES;
    // Looking at the first key costs as much as keys were deleted before it, so only where
    // something must go.
    if (this.#evictableBytes <= max) return;
    for (const oldest of this.#evictable.keys()) {
      if (this.#evictableBytes <= max) break;
      this.#remove(oldest);
    }
  }

  #remove(key: string): void {
    const group = groupOf(key);
    const entries = this.#groups.get(group);
    if (!entries?.delete(key)) return;
    if (entries.size === 0) this.#groups.delete(group);
    this.#forgetWeight(key);
  }

  #forgetWeight(key: string): void {
    const weight = this.#evictable.get(key);
    if (weight === undefined) return;
    this.#evictable.delete(key);
    this.#evictableBytes -= weight;
  }

  #sweep(): void {
    const now = this.#now();
    for (const entries of this.#groups.values()) {
      for (const [key, entry] of entries) {
        if (entry.expires !== 0 && entry.expires <= now) this.#remove(key);
      }
    }
  }
}

const DONE: Promise<void> = Promise.resolve();

function groupOf(key: string): string {
  return key.slice(0, key.lastIndexOf(":") + 1);
}

/**
 * About how many bytes a value holds: strings at two bytes a unit, and what objects cost around
 * them.
 */
function weigh(value: Json): number {
  if (typeof value === "string") return value.length * 2 + 16;
  if (typeof value !== "object" || value === null) return 8;
  let total = 48;
  for (const key in value) total += 16 + weigh(value[key]);
  return total;
}
