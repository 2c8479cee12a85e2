/**
 * The contract for everything that outlives a request. Five verbs on keys, two on logs. Values are
 * plain JSON.
 *
 * Keys are paths with `:` between the parts (`session:3f…`, `turn:…`). One suite,
 * `tests/backends/contract.ts`, runs against every implementation; what a given one cannot do is
 * data there, with a reason.
 */

/** Anything that JSON can hold. */
// deno-lint-ignore no-explicit-any -- the reader knows what it wrote under its own keys
export type Json = any;

export interface SetOptions {
  /** Milliseconds from now after which the entry is gone. */
  readonly ttl?: number;
  /**
   * May be forgotten, oldest first, when the store has a bound on its size: history where there is
   * no disk. Sessions, people and outbox entries are never weak. A number says about how many bytes
   * it holds, where the writer knows and counting would cost more.
   */
  readonly weak?: boolean | number;
  /**
   * The promise resolves only when the entry (and all that was written before it, but for what is
   * `late`) would survive the sudden end of the process. Without it a store may be up to 200 ms
   * late.
   */
  readonly sure?: boolean;
  /**
   * A sure write need not take it along: it may be those 200 ms late by itself. For what can be
   * made again from other entries.
   */
  readonly late?: boolean;
  /**
   * Makes the entry findable by {@linkcode Store.find}, where the store knows that; it stops being
   * so with the entry. This is always `late`: after a crash an entry of the last moments may have
   * to be set again to be found.
   */
  readonly find?: { readonly owner: string; readonly text: string };
}

export interface ListOptions {
  /** Only keys behind this one (in front of it, when reversed). */
  readonly after?: string;
  readonly limit?: number;
  readonly reverse?: boolean;
}

/**
 * Remembers small things. Every method may reject with a `NexusError`("internal") when the medium
 * fails.
 */
export interface Store {
  get(key: string): Promise<Json | undefined>;
  set(key: string, value: Json, options?: SetOptions): Promise<void>;
  /** Removes an entry or a log; no error where there is none. */
  delete(key: string): Promise<void>;
  /** Entries whose key begins with `prefix`, ordered by key (UTF-16 order for ASCII keys). */
  list(prefix: string, options?: ListOptions): Promise<[key: string, value: Json][]>;
  /**
   * Adds `by` to a counter atomically and returns the new value. `ttl` counts from the counter's
   * first use.
   */
  count(key: string, by: number, ttl?: number): Promise<number>;
  /** Appends entries to a log and returns its new length in entries. */
  append(log: string, entries: readonly Json[], options?: SetOptions): Promise<number>;
  /** Entries of a log from an index on. */
  read(log: string, from?: number, limit?: number): Promise<Json[]>;
  /**
   * The owner's entries that hold every one of the words, the newest first: whole words, or their
   * beginnings where whole words do not fill the limit, and any substring of scripts that are
   * written without spaces. Absent where the store keeps no index: look at everything then.
   */
  find?(owner: string, words: string, limit: number): Promise<[key: string, value: Json][]>;
  /**
   * What is wrong with the medium right now, in words for the operator; the store then goes on from
   * memory.
   */
  readonly trouble?: string;
  /** Everything in it is gone with the process. */
  readonly volatile?: boolean;
  close(): Promise<void>;
}

/**
 * Stands in a store that lost what {@linkcode SetOptions.find} gave it: whoever gave it gives it
 * again and deletes this.
 */
export const UNINDEXED = "store:unindexed";

/**
 * Tells other nodes. In one process: tells whoever subscribed. Best effort; a subscriber that
 * throws harms nobody else.
 */
export interface Bus {
  publish(topic: string, message: Json): void;
  /** Returns the way to unsubscribe. */
  subscribe(topic: string, receive: (message: Json) => void): () => void;
  close(): Promise<void>;
}

/**
 * A text as one part of a key: whatever could be taken for a separator is escaped, so that no name
 * reaches into another's keys.
 */
export function keyPart(text: string): string {
  return /^[\w.@-]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}

/** Entries that {@linkcode entries} reads at once: some milliseconds. */
const PAGE = 500;

/**
 * All entries whose key begins with `prefix`, page by page: there may be many, and others are
 * answered meanwhile.
 */
export async function* entries(
  store: Store,
  prefix: string,
): AsyncGenerator<[key: string, value: Json]> {
  let after: string | undefined;
  while (true) {
    const page = await store.list(prefix, { after, limit: PAGE });
    yield* page;
    if (page.length < PAGE) return;
    after = page.at(-1)![0];
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
}
