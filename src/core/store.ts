/**
 * The contract for everything that outlives a request. Five verbs on keys, two on logs. Values are plain JSON.
 *
 * Keys are paths with `:` between the parts (`session:3f…`, `turn:…`). One suite, `tests/backends/contract.ts`, runs against every
 * implementation; what a given one cannot do is data there, with a reason.
 */

/** Anything that JSON can hold. */
// deno-lint-ignore no-explicit-any -- the reader knows what it wrote under its own keys
export type Json = any;

export interface SetOptions {
  /** Milliseconds from now after which the entry is gone. */
  readonly ttl?: number;
  /**
   * May be forgotten, oldest first, when the store has a bound on its size: history where there is no disk. Sessions, people
   * and outbox entries are never weak.
   */
  readonly weak?: boolean;
}

export interface ListOptions {
  /** Only keys behind this one (in front of it, when reversed). */
  readonly after?: string;
  readonly limit?: number;
  readonly reverse?: boolean;
}

/** Remembers small things. Every method may reject with a `NexusError`("internal") when the medium fails. */
export interface Store {
  get(key: string): Promise<Json | undefined>;
  set(key: string, value: Json, options?: SetOptions): Promise<void>;
  /** Removes an entry or a log; no error where there is none. */
  delete(key: string): Promise<void>;
  /** Entries whose key begins with `prefix`, ordered by key (UTF-16 order for ASCII keys). */
  list(prefix: string, options?: ListOptions): Promise<[key: string, value: Json][]>;
  /** Adds `by` to a counter atomically and returns the new value. `ttl` counts from the counter's first use. */
  count(key: string, by: number, ttl?: number): Promise<number>;
  /** Appends entries to a log and returns its new length in entries. */
  append(log: string, entries: readonly Json[], options?: SetOptions): Promise<number>;
  /** Entries of a log from an index on. */
  read(log: string, from?: number, limit?: number): Promise<Json[]>;
  close(): Promise<void>;
}

/** Tells other nodes. In one process: tells whoever subscribed. Best effort; a subscriber that throws harms nobody else. */
export interface Bus {
  publish(topic: string, message: Json): void;
  /** Returns the way to unsubscribe. */
  subscribe(topic: string, receive: (message: Json) => void): () => void;
  close(): Promise<void>;
}

/** A text as one part of a key: whatever could be taken for a separator is escaped, so that no name reaches into another's keys. */
export function keyPart(text: string): string {
  return /^[\w.@-]*$/.test(text) ? text : encodeURIComponent(text);
}
