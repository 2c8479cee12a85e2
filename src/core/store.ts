/**
 * The contract for everything that outlives a request: five verbs on keys and three on logs. Values
 * are plain JSON.
 *
 * Keys are paths with `:` between the parts (`session:3f…`, `turn:…`). One suite,
 * `tests/backends/contract.ts`, runs against every implementation; what a given one cannot do is
 * data there, with a reason.
 */

/** Anything that JSON can hold. */
// deno-lint-ignore no-explicit-any -- the reader knows what it wrote under its own keys
export type Json = any;

export interface SetOptions {
  /** Milliseconds from now after which the entry expires. */
  readonly ttl?: number;
  /**
   * A store with a bound on its size may evict the entry, the oldest first: history where there is
   * no disk. Sessions, people and outbox entries are never evictable. A number is the entry's
   * approximate size in bytes, for writers that know it.
   */
  readonly evictable?: boolean | number;
  /**
   * The promise resolves when the entry, and every earlier write that is not `lazy`, would survive
   * the sudden end of the process. Without this a store may write up to 200 ms later.
   */
  readonly durable?: boolean;
  /**
   * A durable write does not take this entry along; it is written within the 200 ms by itself. For
   * entries that can be derived from others.
   */
  readonly lazy?: boolean;
  /**
   * Adds the entry to the search index of {@linkcode Store.find}, where the store has one. Indexing
   * is always `lazy`: after a crash, entries of the last moments have to be set again.
   */
  readonly find?: { readonly owner: string; readonly text: string };
}

export interface ListOptions {
  /** Only keys after this one (before it, when reversed). */
  readonly after?: string;
  readonly limit?: number;
  readonly reverse?: boolean;
}

/** Stores small values. Every method may reject with a `NexusError("internal")`. */
export interface Store {
  get(key: string): Promise<Json | undefined>;
  set(key: string, value: Json, options?: SetOptions): Promise<void>;
  /** Removes an entry or a log; no error where there is none. */
  delete(key: string): Promise<void>;
  /** Entries whose key begins with `prefix`, ordered by key (UTF-16 order for ASCII keys). */
  list(prefix: string, options?: ListOptions): Promise<[key: string, value: Json][]>;
  /**
   * Adds `by` to a counter atomically and returns the new value. `ttl` counts from the counter's
   * first use. A counter is an entry: {@linkcode get} reads it and changes nothing.
   */
  count(key: string, by: number, ttl?: number): Promise<number>;
  /** Appends entries to a log and returns its new length in entries. */
  append(log: string, entries: readonly Json[], options?: SetOptions): Promise<number>;
  /** How many entries a log has; 0 where there is none. */
  length(log: string): Promise<number>;
  /** Entries of a log from an index on. */
  read(log: string, from?: number, limit?: number): Promise<Json[]>;
  /**
   * The owner's entries that hold every one of the words, the newest first: whole words, or their
   * beginnings where whole words do not fill the limit, and any substring of scripts that are
   * written without spaces. Absent where the store keeps no index: look at everything then.
   */
  find?(owner: string, words: string, limit: number): Promise<[key: string, value: Json][]>;
  /**
   * What is wrong with the medium at the moment, in words for operators; the store then works from
   * memory.
   */
  readonly trouble?: string;
  /** Whether everything in it is lost with the process. */
  readonly volatile?: boolean;
  close(): Promise<void>;
}

/**
 * Present in a store that has lost its search index: the archive sets the entries again with
 * {@linkcode SetOptions.find} and deletes this key.
 */
export const UNINDEXED = "store:unindexed";

/**
 * A text as one part of a key: separators are escaped, so that no name reaches into another's keys.
 */
export function keyPart(text: string): string {
  return /^[\w.@-]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}

/** Entries that {@linkcode entries} reads at once, which takes some milliseconds. */
const PAGE_ENTRIES = 500;

/**
 * All entries whose key begins with `prefix`, page by page, so that other requests are answered in
 * between.
 */
export async function* entries(
  store: Store,
  prefix: string,
): AsyncGenerator<[key: string, value: Json]> {
  let after: string | undefined;
  while (true) {
    const page = await store.list(prefix, { after, limit: PAGE_ENTRIES });
    yield* page;
    if (page.length < PAGE_ENTRIES) return;
    after = page.at(-1)![0];
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
}
