/**
 * The store in one SQLite file: the default of the command line.
 *
 * Writing is behind: an entry waits in a Map for at most {@linkcode LATE} ms and goes to the file together with all that
 * waited, so that a chunk or a question never waits for a disk. Reading looks into the Map first. Whoever asks for it
 * (`sure`) waits for the next commit, which takes everything of the same turn of the event loop with it; commits reach the
 * operating system at once (WAL, synchronous = NORMAL), so that they survive `kill -9`, and the disk at a checkpoint.
 *
 * When the disk is full or cannot be written, the Map goes on as the memory of the gateway, {@linkcode SqliteStore.trouble}
 * says so, and every few seconds the file is tried again.
 */
import { type Clock, systemClock } from "../core/clock.ts";
import { NexusError } from "../core/error.ts";
import type { Json, ListOptions, SetOptions, Store } from "../core/store.ts";
import { File, openReadOnly, type Waiting, type WaitingLines } from "./sqlite_file.ts";
import { expression } from "./sqlite_words.ts";

/** Milliseconds that a write may wait for its commit; the contract allows 200, a timer may be late. */
const LATE = 150;
/** Milliseconds between tries while the file cannot be written: doubled each time up to the second figure. */
const RETRY = [1000, 30_000] as const;
/**
 * Milliseconds between two commits that somebody waits for: under load one commit then serves many, which halves its cost, and where little
 * happens nobody waits.
 */
const COMPANY = 5;
/** Entries written in one transaction: about 20 ms; the rest follows when the event loop has been round. */
const WRITE_STEP = 1000;
/**
 * Milliseconds without a write after which texts go into the search index: that costs as much as writing them did, and nobody needs it while
 * answers are being made. Whoever searches waits for it instead.
 */
const INDEX_QUIET = 1_000;
/** Milliseconds after which they go there however busy it is, so that a search never finds more than this to do first. */
const INDEX_LATEST = 10_000;
/** Put into the index in one go, in the units of {@linkcode WordIndex.work}: about 10 ms. */
const INDEX_STEP = 1000;
/** Milliseconds between two looks for entries that have expired. */
const SWEEP = 60_000;

export interface SqliteOptions {
  /** The file; made with mode 0600 if there is none. */
  readonly path: string;
  readonly clock?: Clock;
  /** Told when trouble begins, changes, and (with `undefined`) when it is over. */
  readonly onTrouble?: (trouble: string | undefined) => void;
  /** Bytes that the file may grow to; past it the store behaves as on a full disk. Default: no bound. */
  readonly maxSize?: number;
  /** What may wait in memory while the file cannot be written, in bytes; past it the oldest weak entries are lost. Default 64 MiB. */
  readonly maxWaiting?: number;
}

export class SqliteStore implements Store {
  readonly #options: SqliteOptions;
  readonly #clock: Clock;
  readonly #maxWaiting: number;
  #file: File | undefined;
  #waiting = new Map<string, Waiting>();
  /** How many of them are late. */
  #late = 0;
  /** Texts that will be in line for the index with the next late write, by the number of their entry. */
  readonly #texts = new Map<number, { readonly owner: string; readonly text: string }>();
  #lines = new Map<string, WaitingLines>();
  #weight = 0;
  /** Weak entries that found no room while the file could not be written. */
  #lost = 0;
  #trouble: string | undefined;
  #retryIn: number = RETRY[0];
  #sweptAt: number;
  #stopTimer: (() => void) | undefined;
  #soon: { promise: Promise<void>; resolve: () => void } | undefined;
  #company: ReturnType<typeof setTimeout> | undefined;
  #committedAt = -Infinity;
  #stopIndexing: (() => void) | undefined;
  /** Since when texts wait for the index. */
  #dueSince: number | undefined;
  #wroteAt = 0;
  #closed = false;

  /**
   * @throws NexusError("invalid") when the file is not ours, is damaged, or was written by a newer version. A file that
   * cannot be opened for another reason is trouble, not an error.
   */
  constructor(options: SqliteOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#maxWaiting = options.maxWaiting ?? 64 << 20;
    this.#sweptAt = this.#clock.now();
    try {
      this.#file = new File(options.path, options.maxSize);
    } catch (error) {
      if (error instanceof NexusError) throw error;
      this.#fail(error);
      this.#file = openReadOnly(options.path);
    }
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  // deno-lint-ignore require-await -- a failing read must be a rejection
  async get(key: string): Promise<Json | undefined> {
    const text = this.#text(key)?.value;
    return text === undefined ? undefined : JSON.parse(text);
  }

  set(key: string, value: Json, options?: SetOptions): Promise<void> {
    this.#put(key, {
      value: JSON.stringify(value),
      expires: options?.ttl ? this.#clock.now() + options.ttl : undefined,
      weak: Boolean(options?.weak),
      late: options?.late,
      find: options?.find,
    });
    return options?.sure ? this.#commitSoon() : DONE;
  }

  delete(key: string): Promise<void> {
    this.#put(key, {});
    this.#lines.set(key, { fresh: true, before: 0, lines: [] });
    return DONE;
  }

  // deno-lint-ignore require-await -- a failing read must be a rejection
  async list(prefix: string, options: ListOptions = {}): Promise<[string, Json][]> {
    const { after, limit = -1, reverse = false } = options;
    const now = this.#clock.now();
    const isIn = (key: string) =>
      key.startsWith(prefix) && (after === undefined || (reverse ? key < after : key > after));
    const waiting: [string, string][] = [];
    let hidden = 0;
    for (const [key, entry] of this.#waiting) {
      if (!isIn(key)) continue;
      if (entry.value !== undefined && !isOver(entry.expires, now)) waiting.push([key, entry.value]);
      hidden++;
    }
    const stored = this.#read((file) => file.list(prefix, after, reverse, limit < 0 ? -1 : limit + hidden, now)) ?? [];
    let rows: [string, string][] = stored;
    if (hidden > 0) {
      rows = stored.filter(([key]) => !this.#waiting.has(key)).concat(waiting);
      rows.sort(reverse ? (a, b) => (a[0] < b[0] ? 1 : -1) : (a, b) => (a[0] < b[0] ? -1 : 1));
      if (limit >= 0 && rows.length > limit) rows.length = limit;
    }
    return rows.map(([key, value]) => [key, JSON.parse(value)]);
  }

  // deno-lint-ignore require-await -- a failing read must be a rejection
  async count(key: string, by: number, ttl?: number): Promise<number> {
    const entry = this.#text(key);
    const value = (entry ? JSON.parse(entry.value) as number : 0) + by;
    const expires = entry ? entry.expires : ttl ? this.#clock.now() + ttl : undefined;
    this.#put(key, { value: String(value), expires });
    return value;
  }

  // deno-lint-ignore require-await -- a failing read must be a rejection
  async append(log: string, entries: readonly Json[], options?: SetOptions): Promise<number> {
    const lines = this.#open(log);
    for (const entry of entries) {
      const text = JSON.stringify(entry);
      lines.lines.push(text);
      this.#weight += text.length * 2;
    }
    if (options?.ttl) lines.expires = this.#clock.now() + options.ttl;
    if (options?.weak) lines.weak = true;
    const length = lines.before + lines.lines.length;
    if (this.#weight > this.#maxWaiting) this.#makeRoom();
    this.#scheduleFlush();
    return options?.sure ? this.#commitSoon().then(() => length) : length;
  }

  // deno-lint-ignore require-await -- a failing read must be a rejection
  async read(log: string, from = 0, limit = Infinity): Promise<Json[]> {
    const now = this.#clock.now();
    const waiting = this.#lines.get(log);
    if (waiting && isOver(waiting.expires, now)) return [];
    const rows = waiting?.fresh ? [] : this.#read((file) => file.lines(log, from, limit, now)) ?? [];
    if (waiting && rows.length < limit) {
      const start = Math.max(0, from - waiting.before);
      rows.push(...waiting.lines.slice(start, limit === Infinity ? undefined : start + limit - rows.length));
    }
    return rows.map((row) => JSON.parse(row));
  }

  async find(owner: string, words: string, limit: number): Promise<[string, Json][]> {
    const match = expression(owner, words);
    if (match === undefined) return [];
    this.flush();
    while (this.#index()) await new Promise<void>((resolve) => setImmediate(resolve));
    const search = (match: string) => this.#read((file) => file.words.search(match, this.#clock.now(), limit)) ?? [];
    let stored = search(expression(owner, words, true)!);
    // Beginnings of words are looked for where whole words leave room; they include the whole ones.
    if (stored.length < limit) stored = search(match);
    // What waits although everything was just written is what the file could not take: looked at one by one.
    const needles = words.toLowerCase().split(/\s+/).filter(Boolean);
    const waiting: [string, string][] = [];
    for (const [key, { value, find }] of this.#waiting) {
      if (value === undefined || find?.owner !== owner) continue;
      const text = find.text.toLowerCase();
      if (needles.every((needle) => text.includes(needle))) waiting.push([key, value]);
    }
    const rows = waiting.reverse().concat(stored.filter(([key]) => !this.#waiting.has(key))).slice(0, limit);
    return rows.map(([key, value]) => [key, JSON.parse(value)]);
  }

  /** Writes everything that waits. Failing is {@linkcode trouble}, not an error: what waits goes on waiting. */
  flush(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    do this.#write(true); while (this.#waiting.size > 0 && this.#trouble === undefined);
    this.#committed();
  }

  /** Writes what somebody waits for, and leaves the rest to its timer. */
  #commit(): void {
    while (this.#waiting.size > this.#late || this.#lines.size > 0) {
      this.#write(false);
      if (this.#trouble !== undefined) break;
    }
    this.#committed();
  }

  #committed(): void {
    clearTimeout(this.#company);
    this.#committedAt = performance.now();
    this.#soon?.resolve();
    this.#soon = undefined;
  }

  /** Writes a part at a time, where nobody waits for it. */
  #flushBehind(): void {
    this.#stopTimer = undefined;
    this.#write(true);
    if (this.#waiting.size > 0 && this.#trouble === undefined) {
      this.#stopTimer = this.#clock.after(0, () => this.#flushBehind());
    }
  }

  close(): Promise<void> {
    if (this.#closed) return DONE;
    this.#closed = true;
    this.flush();
    this.#stopTimer?.();
    this.#stopIndexing?.();
    this.#file?.close();
    this.#file = undefined;
    return DONE;
  }

  /** @param all also what is late */
  #write(all: boolean): void {
    const nothing = this.#waiting.size === 0 && this.#lines.size === 0 && this.#texts.size === 0;
    if (nothing && (this.#trouble === undefined || this.#closed)) return;
    const now = this.#clock.now();
    const part = [...take(this.#waiting, WRITE_STEP, all ? undefined : isPrompt)];
    try {
      const file = this.#writable();
      // Numbers of entries hold only once the transaction does: one that is rolled back gives them to others.
      const gone = new Set<number>(), added: [entry: number, find: NonNullable<Waiting["find"]>][] = [];
      const due = file.transaction(() => {
        let due = 0;
        for (const [key, { value, expires, find }] of part) {
          if (value !== undefined) {
            const id = file.put(key, value, expires);
            if (find) added.push([id, find]);
            continue;
          }
          const forgotten = file.forget(key);
          if (forgotten === undefined) continue;
          gone.add(forgotten);
          due++;
        }
        for (const [log, lines] of this.#lines) file.append(log, lines, now);
        if (now - this.#sweptAt >= SWEEP) due += file.sweep(now);
        if (!all) return due;
        for (const [id, { owner, text }] of this.#texts) if (!gone.has(id)) file.words.put(id, owner, text);
        for (const [id, { owner, text }] of added) file.words.put(id, owner, text);
        return due + this.#texts.size + added.length;
      });
      if (all) this.#texts.clear();
      else {
        for (const id of gone) this.#texts.delete(id);
        for (const [id, find] of added) this.#texts.set(id, find);
      }
      if (now - this.#sweptAt >= SWEEP) this.#sweptAt = now;
      if (part.length === this.#waiting.size) this.#waiting.clear();
      else for (const [key] of part) this.#waiting.delete(key);
      if (all) { for (const [, { late }] of part) if (late) this.#late--; }
      this.#lines.clear();
      this.#weight = this.#waiting.size === 0
        ? 0
        : this.#weight - part.reduce((sum, [key, entry]) => sum + weigh(key, entry), 0);
      this.#retryIn = RETRY[0];
      if (this.#trouble !== undefined) {
        if (this.#lost > 0) this.#options.onTrouble?.(`${this.#lost} older entries found no room and are lost`);
        this.#lost = 0;
        this.#trouble = undefined;
        this.#options.onTrouble?.(undefined);
      }
      this.#wroteAt = now;
      if (due > 0) this.#indexLater();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The file, opened anew where it could not be opened or only be read. */
  #writable(): File {
    if (this.#file && !this.#file.readOnly) return this.#file;
    const file = new File(this.#options.path, this.#options.maxSize);
    this.#file?.close();
    return this.#file = file;
  }

  #fail(error: unknown): void {
    const trouble = `${this.#options.path}: ${error instanceof Error ? error.message : String(error)}`;
    if (trouble !== this.#trouble) {
      this.#trouble = trouble;
      this.#options.onTrouble?.(trouble);
    }
    if (this.#closed) return;
    this.#stopTimer?.();
    this.#stopTimer = this.#clock.after(this.#retryIn, () => this.flush());
    this.#retryIn = Math.min(this.#retryIn * 2, RETRY[1]);
  }

  /** What a key holds now, with its expiry. */
  #text(key: string): { value: string; expires?: number } | undefined {
    const now = this.#clock.now();
    const waiting = this.#waiting.get(key);
    if (!waiting) return this.#read((file) => file.get(key, now));
    if (waiting.value === undefined || isOver(waiting.expires, now)) return undefined;
    return { value: waiting.value, expires: waiting.expires };
  }

  #read<T>(look: (file: File) => T): T | undefined {
    if (this.#closed) throw new NexusError("internal", undefined, { cause: new Error("the store is closed") });
    if (!this.#file) return undefined;
    try {
      return look(this.#file);
    } catch (error) {
      throw new NexusError("internal", undefined, { cause: error });
    }
  }

  #put(key: string, entry: Waiting): void {
    const old = this.#waiting.get(key);
    if (old) {
      this.#weight -= weigh(key, old);
      if (old.late) this.#late--;
      // The order of the Map is the order of age, for whatever must be forgotten.
      this.#waiting.delete(key);
    }
    this.#waiting.set(key, entry);
    if (entry.late) this.#late++;
    this.#weight += weigh(key, entry);
    if (this.#weight > this.#maxWaiting) this.#makeRoom();
    this.#scheduleFlush();
  }

  /** Too much waits: either a flood between two commits, which is cured by a commit, or a file that cannot be written. */
  #makeRoom(): void {
    if (this.#trouble === undefined) this.flush();
    for (const [key, entry] of this.#waiting) {
      if (this.#weight <= this.#maxWaiting) return;
      if (!entry.weak) continue;
      this.#waiting.delete(key);
      if (entry.late) this.#late--;
      this.#weight -= weigh(key, entry);
      this.#lost++;
    }
    for (const [log, { weak, lines }] of this.#lines) {
      if (this.#weight <= this.#maxWaiting) return;
      if (!weak) continue;
      // A log with a hole would be a lie: it goes whole.
      this.#lines.set(log, { fresh: true, before: 0, lines: [], weak });
      this.#weight -= lines.reduce((sum, line) => sum + line.length * 2, 0);
      this.#lost += lines.length;
    }
  }

  #open(log: string): WaitingLines {
    let lines = this.#lines.get(log);
    const now = this.#clock.now();
    if (lines && isOver(lines.expires, now)) lines = undefined;
    if (lines) return lines;
    const before = this.#read((file) => file.logLength(log, now));
    lines = { fresh: before === undefined, before: before ?? 0, lines: [] };
    this.#lines.set(log, lines);
    return lines;
  }

  #scheduleFlush(): void {
    if (this.#closed) throw new NexusError("internal", undefined, { cause: new Error("the store is closed") });
    this.#stopTimer ??= this.#clock.after(LATE, () => this.#flushBehind());
  }

  /** A commit as soon as there is nothing else to do, or {@linkcode COMPANY} after the last one; all who ask meanwhile share it. */
  #commitSoon(): Promise<void> {
    if (!this.#soon) {
      this.#soon = Promise.withResolvers<void>();
      const wait = COMPANY - (performance.now() - this.#committedAt);
      if (wait > 0) this.#company = setTimeout(() => this.#commit(), wait);
      else setImmediate(() => this.#commit());
    }
    return this.#soon.promise;
  }

  /** Waits for a quiet moment; what has waited for long enough goes at once, a part at a time. */
  #indexLater(wait = INDEX_QUIET): void {
    this.#dueSince ??= this.#clock.now();
    this.#stopIndexing ??= this.#clock.after(wait, () => {
      this.#stopIndexing = undefined;
      const now = this.#clock.now();
      const isBusy = now - this.#wroteAt < INDEX_QUIET && now - this.#dueSince! < INDEX_LATEST;
      if (isBusy) this.#indexLater();
      else if (this.#index()) this.#indexLater(0);
      else this.#dueSince = undefined;
    });
  }

  /** Does a part of what waits for the index; whether there may be more. */
  #index(): boolean {
    const file = this.#file;
    if (!file || file.readOnly || this.#closed || this.#trouble !== undefined) return false;
    try {
      return file.transaction(() => file.words.work(INDEX_STEP)) > 0;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }
}

const DONE: Promise<void> = Promise.resolve();

function* take<T>(from: Iterable<T>, most: number, which?: (item: T) => boolean): Generator<T> {
  let taken = 0;
  for (const item of from) {
    if (which && !which(item)) continue;
    if (taken++ >= most) return;
    yield item;
  }
}

function isPrompt([, { late }]: [string, Waiting]): boolean {
  return !late;
}

function isOver(expires: number | undefined, now: number): boolean {
  return expires !== undefined && expires <= now;
}

/** About how many bytes an entry holds while it waits. */
function weigh(key: string, { value, find }: Waiting): number {
  return (key.length + (value?.length ?? 0) + (find?.text.length ?? 0)) * 2 + 100;
}
