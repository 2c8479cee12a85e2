/**
 * What waits to be written to the SQLite store: entries and lines of logs, the oldest first, within
 * a bound on their size.
 */
import type { SetOptions } from "../core/store.ts";

/** What will be written under a key; no value means that the key is removed. */
export interface BufferedEntry {
  readonly value?: string;
  readonly expires?: number;
  readonly evictable?: boolean;
  readonly lazy?: boolean;
  readonly find?: SetOptions["find"];
}

/** What will be appended to a log. */
export interface BufferedLog {
  /** The log is emptied first. */
  fresh: boolean;
  /** How many entries the file holds of it. */
  before: number;
  readonly lines: string[];
  expires?: number;
  evictable?: boolean;
}

export type EntryBatch = readonly (readonly [key: string, entry: BufferedEntry])[];

export class WriteBuffer {
  readonly #entries = new Map<string, BufferedEntry>();
  readonly #logs = new Map<string, BufferedLog>();
  readonly #max: number;
  /** How many entries are late. */
  #lazy = 0;
  /** About how many bytes wait. */
  #weight = 0;
  /** Weak entries and lines that found no room. */
  #evicted = 0;

  /** @param max bytes that may wait; past it {@linkcode isFull} is true */
  constructor(max: number) {
    this.#max = max;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0 && this.#logs.size === 0;
  }

  /** Whether more waits than what may be late. */
  get hasUrgent(): boolean {
    return this.#entries.size > this.#lazy || this.#logs.size > 0;
  }

  get isFull(): boolean {
    return this.#weight > this.#max;
  }

  get(key: string): BufferedEntry | undefined {
    return this.#entries.get(key);
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  log(name: string): BufferedLog | undefined {
    return this.#logs.get(name);
  }

  entries(): IterableIterator<[string, BufferedEntry]> {
    return this.#entries.entries();
  }

  put(key: string, entry: BufferedEntry): void {
    // The order of the Map is the order of age, for whatever must be forgotten.
    this.#take(key);
    this.#entries.set(key, entry);
    if (entry.lazy) this.#lazy++;
    this.#weight += weigh(key, entry);
  }

  putLog(name: string, lines: BufferedLog): void {
    this.dropLog(name);
    this.#logs.set(name, lines);
    this.#weight += weighLines(lines);
  }

  append(lines: BufferedLog, texts: readonly string[]): void {
    for (const text of texts) {
      lines.lines.push(text);
      this.#weight += text.length * 2;
    }
  }

  /**
   * The oldest entries that are to be written next, and all logs. @param all also what may be late
   */
  batch(most: number, all: boolean): { entries: EntryBatch; logs: [string, BufferedLog][] } {
    const entries: [string, BufferedEntry][] = [];
    for (const entry of this.#entries) {
      if (entries.length === most) break;
      if (all || !entry[1].lazy) entries.push(entry);
    }
    return { entries, logs: [...this.#logs] };
  }

  /** They are written, or given up. */
  remove(entries: EntryBatch, logs: readonly (readonly [string, BufferedLog])[]): void {
    for (const [key] of entries) this.#take(key);
    for (const [name] of logs) this.dropLog(name);
  }

  dropLog(name: string): void {
    const lines = this.#logs.get(name);
    if (!lines) return;
    this.#logs.delete(name);
    this.#weight -= weighLines(lines);
  }

  #take(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    if (entry.lazy) this.#lazy--;
    this.#weight -= weigh(key, entry);
  }

  /** Forgets weak entries, the oldest first, and then weak logs, until the rest fits. */
  makeRoom(): void {
    for (const [key, { evictable }] of this.#entries) {
      if (!this.isFull) return;
      if (!evictable) continue;
      this.#take(key);
      this.#evicted++;
    }
    for (const [name, { evictable, lines }] of this.#logs) {
      if (!this.isFull) return;
      if (!evictable || lines.length === 0) continue;
      // A log with a hole would be a lie: it goes whole.
      this.putLog(name, { fresh: true, before: 0, lines: [], evictable });
      this.#evicted += lines.length;
    }
  }

  /** How many were forgotten since the last call. */
  takeEvicted(): number {
    const lost = this.#evicted;
    this.#evicted = 0;
    return lost;
  }
}

/** About how many bytes an entry holds while it waits. */
function weigh(key: string, { value, find }: BufferedEntry): number {
  return (key.length + (value?.length ?? 0) + (find?.text.length ?? 0)) * 2 + 100;
}

function weighLines({ lines }: BufferedLog): number {
  return lines.reduce((sum, line) => sum + line.length * 2, 0);
}
