/**
 * The write buffer of the SQLite store: entries and log lines that are not in the file yet, oldest
 * first, within a bound on their size.
 */
import type { SetOptions } from "../core/store.ts";

/** A write of one key. No value: the key is removed. */
export interface BufferedEntry {
  readonly value?: string;
  readonly expires?: number;
  readonly evictable?: boolean;
  readonly lazy?: boolean;
  readonly find?: SetOptions["find"];
}

/** Lines to append to a log. */
export interface BufferedLog {
  /** Whether the log is emptied first. */
  fresh: boolean;
  /** How many lines the file holds. */
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
  /** How many entries are lazy. */
  #lazy = 0;
  /** The estimated size in bytes. */
  #weight = 0;
  /** Evictable entries and lines that were dropped. */
  #evicted = 0;

  /** @param max the size in bytes beyond which {@linkcode isFull} is true */
  constructor(max: number) {
    this.#max = max;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0 && this.#logs.size === 0;
  }

  /** Whether anything but lazy entries waits. */
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

  /**
   * The entries whose keys match, and how many there are with those that are removed or expired:
   * that many rows of the file may be hidden by the buffer.
   */
  list(matches: (key: string) => boolean, now: number) {
    const rows: [key: string, value: string][] = [];
    let hidden = 0;
    for (const [key, { value, expires }] of this.#entries) {
      if (!matches(key)) continue;
      if (value !== undefined && !isExpired(expires, now)) rows.push([key, value]);
      hidden++;
    }
    return { rows, hidden };
  }

  /** The entries of an owner whose texts contain all words, the newest first. */
  find(owner: string, words: string): [key: string, value: string][] {
    const needles = words.toLowerCase().split(/\s+/).filter(Boolean);
    const found: [key: string, value: string][] = [];
    for (const [key, { value, find }] of this.#entries) {
      if (value === undefined || find?.owner !== owner) continue;
      const text = find.text.toLowerCase();
      if (needles.every((needle) => text.includes(needle))) found.push([key, value]);
    }
    return found.reverse();
  }

  put(key: string, entry: BufferedEntry): void {
    // The Map stays in the order of age, for eviction.
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
   * The oldest entries, at most `most`, and all logs. @param all whether lazy entries are included
   */
  batch(most: number, all: boolean): { entries: EntryBatch; logs: [string, BufferedLog][] } {
    const entries: [string, BufferedEntry][] = [];
    for (const entry of this.#entries) {
      if (entries.length === most) break;
      if (all || !entry[1].lazy) entries.push(entry);
    }
    return { entries, logs: [...this.#logs] };
  }

  /** Removes entries and logs that were written or given up. */
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

  /** Drops evictable entries, oldest first, and then evictable logs, until the rest fits. */
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
      // A log with a gap would be wrong, so the whole log goes.
      this.putLog(name, { fresh: true, before: 0, lines: [], evictable });
      this.#evicted += lines.length;
    }
  }

  /** How many were dropped since the last call. */
  takeEvicted(): number {
    const lost = this.#evicted;
    this.#evicted = 0;
    return lost;
  }
}

export function isExpired(expires: number | undefined, now: number): boolean {
  return expires !== undefined && expires <= now;
}

/** The estimated bytes of an entry in memory. */
function weigh(key: string, { value, find }: BufferedEntry): number {
  return (key.length + (value?.length ?? 0) + (find?.text.length ?? 0)) * 2 + 100;
}

function weighLines({ lines }: BufferedLog): number {
  return lines.reduce((sum, line) => sum + line.length * 2, 0);
}
