/**
 * What waits to be written to the SQLite store: entries and lines of logs, the oldest first, within
 * a bound on their size.
 */
import type { SetOptions } from "../core/store.ts";

/** What will be written under a key; no value means that the key is removed. */
export interface Waiting {
  readonly value?: string;
  readonly expires?: number;
  readonly evictable?: boolean;
  readonly lazy?: boolean;
  readonly find?: SetOptions["find"];
}

/** What will be appended to a log. */
export interface WaitingLines {
  /** The log is emptied first. */
  fresh: boolean;
  /** How many entries the file holds of it. */
  before: number;
  readonly lines: string[];
  expires?: number;
  evictable?: boolean;
}

export type Part = readonly (readonly [key: string, entry: Waiting])[];

export class Pending {
  readonly #entries = new Map<string, Waiting>();
  readonly #logs = new Map<string, WaitingLines>();
  readonly #max: number;
  /** How many entries are late. */
  #late = 0;
  /** About how many bytes wait. */
  #weight = 0;
  /** Weak entries and lines that found no room. */
  #lost = 0;

  /** @param max bytes that may wait; past it {@linkcode isOver} is true */
  constructor(max: number) {
    this.#max = max;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0 && this.#logs.size === 0;
  }

  /** Whether more waits than what may be late. */
  get isPrompt(): boolean {
    return this.#entries.size > this.#late || this.#logs.size > 0;
  }

  get isOver(): boolean {
    return this.#weight > this.#max;
  }

  get(key: string): Waiting | undefined {
    return this.#entries.get(key);
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  log(name: string): WaitingLines | undefined {
    return this.#logs.get(name);
  }

  entries(): IterableIterator<[string, Waiting]> {
    return this.#entries.entries();
  }

  put(key: string, entry: Waiting): void {
    // The order of the Map is the order of age, for whatever must be forgotten.
    this.#take(key);
    this.#entries.set(key, entry);
    if (entry.lazy) this.#late++;
    this.#weight += weigh(key, entry);
  }

  putLog(name: string, lines: WaitingLines): void {
    this.dropLog(name);
    this.#logs.set(name, lines);
    this.#weight += weighLines(lines);
  }

  append(lines: WaitingLines, texts: readonly string[]): void {
    for (const text of texts) {
      lines.lines.push(text);
      this.#weight += text.length * 2;
    }
  }

  /**
   * The oldest entries that are to be written next, and all logs. @param all also what may be late
   */
  part(most: number, all: boolean): { entries: Part; logs: [string, WaitingLines][] } {
    const entries: [string, Waiting][] = [];
    for (const entry of this.#entries) {
      if (entries.length === most) break;
      if (all || !entry[1].lazy) entries.push(entry);
    }
    return { entries, logs: [...this.#logs] };
  }

  /** They are written, or given up. */
  remove(entries: Part, logs: readonly (readonly [string, WaitingLines])[]): void {
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
    if (entry.lazy) this.#late--;
    this.#weight -= weigh(key, entry);
  }

  /** Forgets weak entries, the oldest first, and then weak logs, until the rest fits. */
  makeRoom(): void {
    for (const [key, { evictable }] of this.#entries) {
      if (!this.isOver) return;
      if (!evictable) continue;
      this.#take(key);
      this.#lost++;
    }
    for (const [name, { evictable, lines }] of this.#logs) {
      if (!this.isOver) return;
      if (!evictable || lines.length === 0) continue;
      // A log with a hole would be a lie: it goes whole.
      this.putLog(name, { fresh: true, before: 0, lines: [], evictable });
      this.#lost += lines.length;
    }
  }

  /** How many were forgotten since the last call. */
  takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }
}

/** About how many bytes an entry holds while it waits. */
function weigh(key: string, { value, find }: Waiting): number {
  return (key.length + (value?.length ?? 0) + (find?.text.length ?? 0)) * 2 + 100;
}

function weighLines({ lines }: WaitingLines): number {
  return lines.reduce((sum, line) => sum + line.length * 2, 0);
}
