/**
 * The store in one SQLite file: the default of the command line.
 *
 * Writing is behind: an entry waits in a Map for at most {@linkcode MAX_WRITE_DELAY_MS} ms and goes to the file
 * together with all that waited, so that a chunk or a question never waits for a disk. Reading
 * looks into the Map first. Whoever asks for it (`sure`) waits for the next commit, which takes
 * everything of the same turn of the event loop with it; commits reach the operating system at once
 * (WAL, synchronous = NORMAL), so that they survive `kill -9`, and the disk at a checkpoint.
 *
 * When the disk is full or cannot be written, the Map goes on as the memory of the gateway,
 * {@linkcode SqliteStore.trouble} says so, and every few seconds the file is tried again. The same
 * holds while another process locks the file: nothing here waits for a lock without doing anything
 * else.
 */
import { type Clock, systemClock } from "../core/clock.ts";
import { NexusError } from "../core/error.ts";
import type { Json, ListOptions, SetOptions, Store } from "../core/store.ts";
import { sqliteFailure } from "./sqlite_error.ts";
import { openReadOnly, SqliteFile } from "./sqlite_file.ts";
import { IndexScheduler } from "./sqlite_index_scheduler.ts";
import {
  type BufferedEntry,
  type BufferedLog,
  type EntryBatch,
  WriteBuffer,
} from "./sqlite_write_buffer.ts";
import { copyToNewFile, inodeOf } from "./sqlite_rescue.ts";
import { StoreHealth } from "./sqlite_health.ts";
import { matchExpression } from "./sqlite_search_index.ts";

/**
 * Milliseconds that a write may wait for its commit; the contract allows 200, a timer may be late.
 */
const MAX_WRITE_DELAY_MS = 150;

/**
 * Bytes that may wait in memory while the file cannot be written, unless {@linkcode
 * SqliteOptions.maxWaiting} says otherwise.
 */
export const MAX_BUFFERED_BYTES = 64 << 20;

/**
 * Milliseconds between two commits that somebody waits for: under load one commit then serves many,
 * which halves its cost, and where little happens nobody waits.
 */
const GROUP_COMMIT_MS = 5;
/**
 * Entries written in one transaction: about 20 ms; the rest follows when the event loop has been
 * round.
 */
const WRITE_BATCH = 1000;
/** Milliseconds between two looks for entries that have expired. */
const SWEEP_INTERVAL_MS = 60_000;
/** Milliseconds between two looks whether the file is still the one that was opened. */
const FILE_CHECK_INTERVAL_MS = 5_000;

export interface SqliteOptions {
  /** The file; made with mode 0600 if there is none. */
  readonly path: string;
  readonly clock?: Clock;
  /** Told when trouble begins, changes, and (with `undefined`) when it is over. */
  readonly onTrouble?: (trouble: string | undefined) => void;
  /**
   * Bytes that the file may grow to; past it the store behaves as on a full disk. Default: no
   * bound.
   */
  readonly maxSize?: number;
  /**
   * What may wait in memory while the file cannot be written, in bytes; past it the oldest weak
   * entries are lost. Default 64 MiB.
   */
  readonly maxBuffered?: number;
  /**
   * Called with what went wrong and is over: a row that could not be written, an index that was
   * made again.
   */
  readonly onFault?: (error: Error) => void;
  /**
   * Milliseconds for which a write waits for another process's lock, and everything with it.
   * Default 0; for commands that do one thing.
   */
  readonly lockTimeout?: number;
}

export class SqliteStore implements Store {
  readonly #options: SqliteOptions;
  readonly #clock: Clock;
  #file: SqliteFile | undefined;
  readonly #buffer: WriteBuffer;
  /**
   * Texts that will be in line for the index with the next late write, by the number of their
   * entry.
   */
  readonly #texts = new Map<number, { readonly owner: string; readonly text: string }>();
  readonly #health: StoreHealth;
  readonly #indexing: IndexScheduler;
  #sweptAt: number;
  #stopTimer: (() => void) | undefined;
  readonly #stopLooking: () => void;
  /** Which file it is, as the system numbers them. */
  #number: number | undefined;
  #soon: { promise: Promise<void>; resolve: () => void } | undefined;
  #company: ReturnType<typeof setTimeout> | undefined;
  #committedAt = -Infinity;
  #closed = false;

  /**
   * @throws NexusError("invalid") when the file is not ours, is damaged, or was written by a newer
   *   version; NexusError("conflict")
   * when another program keeps it locked. A file that cannot be opened for another reason is
   * trouble, not an error.
   */
  constructor(options: SqliteOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#buffer = new WriteBuffer(options.maxBuffered ?? MAX_BUFFERED_BYTES);
    this.#health = new StoreHealth(options.path, options.onTrouble, Boolean(options.lockTimeout));
    this.#indexing = new IndexScheduler({
      clock: this.#clock,
      file: () =>
        this.#closed || this.#health.isFailing || this.#file?.readOnly ? undefined : this.#file,
      onFail: (error) => this.#fail(error),
      onFault: (error) => options.onFault?.(error),
    });
    this.#sweptAt = this.#clock.now();
    try {
      this.#open();
    } catch (error) {
      if (error instanceof NexusError) throw error;
      if (sqliteFailure(error) === "locked") {
        throw new NexusError("conflict", `${options.path} is locked by another program`, {
          cause: error,
        });
      }
      this.#fail(error);
      this.#file = openReadOnly(options.path);
    }
    this.#stopLooking = this.#clock.every(FILE_CHECK_INTERVAL_MS, () => this.#checkFile());
  }

  /** @param patience milliseconds to wait for another process's lock; only a start has them */
  #open(patience?: number): SqliteFile {
    const { path, maxSize } = this.#options;
    const file = new SqliteFile(path, { maxSize, lockTimeout: patience });
    this.#file?.close();
    this.#file = file;
    file.setLockTimeout(this.#options.lockTimeout ?? 0);
    this.#number = inodeOf(path);
    return file;
  }

  get trouble(): string | undefined {
    return this.#health.text;
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
      evictable: Boolean(options?.evictable),
      lazy: options?.lazy,
      find: options?.find,
    });
    return options?.durable ? this.#commitSoon() : DONE;
  }

  delete(key: string): Promise<void> {
    this.#put(key, {});
    this.#buffer.putLog(key, { fresh: true, before: 0, lines: [] });
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
    for (const [key, entry] of this.#buffer.entries()) {
      if (!isIn(key)) continue;
      if (entry.value !== undefined && !isExpired(entry.expires, now)) {
        waiting.push([key, entry.value]);
      }
      hidden++;
    }
    const stored =
      this.#read((file) =>
        file.list(prefix, after, reverse, limit < 0 ? -1 : limit + hidden, now)
      ) ?? [];
    let rows: [string, string][] = stored;
    if (hidden > 0) {
      rows = stored.filter(([key]) => !this.#buffer.has(key)).concat(waiting);
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
    const lines = this.#logOf(log);
    this.#buffer.append(lines, entries.map((entry) => JSON.stringify(entry)));
    if (options?.ttl) lines.expires = this.#clock.now() + options.ttl;
    if (options?.evictable) lines.evictable = true;
    const length = lines.before + lines.lines.length;
    this.#makeRoom();
    this.#scheduleFlush();
    return options?.durable ? this.#commitSoon().then(() => length) : length;
  }

  // deno-lint-ignore require-await -- a failing read must be a rejection
  async length(log: string): Promise<number> {
    const now = this.#clock.now();
    const waiting = this.#buffer.log(log);
    if (waiting && !isExpired(waiting.expires, now)) return waiting.before + waiting.lines.length;
    return this.#read((file) => file.logLength(log, now)) ?? 0;
  }

  // deno-lint-ignore require-await -- a failing read must be a rejection
  async read(log: string, from = 0, limit = Infinity): Promise<Json[]> {
    const now = this.#clock.now();
    const waiting = this.#buffer.log(log);
    if (waiting && isExpired(waiting.expires, now)) return [];
    const rows = waiting?.fresh
      ? []
      : this.#read((file) => file.lines(log, from, limit, now)) ?? [];
    if (waiting && rows.length < limit) {
      const start = Math.max(0, from - waiting.before);
      rows.push(
        ...waiting.lines.slice(start, limit === Infinity ? undefined : start + limit - rows.length),
      );
    }
    return rows.map((row) => JSON.parse(row));
  }

  async find(owner: string, words: string, limit: number): Promise<[string, Json][]> {
    const match = matchExpression(owner, words);
    if (match === undefined) return [];
    this.flush();
    await this.#indexing.finish();
    const search = () => this.#search(matchExpression(owner, words, true)!, match, limit);
    let stored: [string, string][];
    try {
      stored = search();
    } catch (error) {
      if (!this.#indexing.renew(error)) throw this.#failedRead(error);
      await this.#indexing.finish();
      stored = search();
    }
    // What waits although everything was just written is what the file could not take: looked at
    // one by one.
    const needles = words.toLowerCase().split(/\s+/).filter(Boolean);
    const waiting: [string, string][] = [];
    for (const [key, { value, find }] of this.#buffer.entries()) {
      if (value === undefined || find?.owner !== owner) continue;
      const text = find.text.toLowerCase();
      if (needles.every((needle) => text.includes(needle))) waiting.push([key, value]);
    }
    const rows = waiting.reverse().concat(stored.filter(([key]) => !this.#buffer.has(key))).slice(
      0,
      limit,
    );
    return rows.map(([key, value]) => [key, JSON.parse(value)]);
  }

  /**
   * @param whole the words as whole ones @param begun as beginnings of words, which include the
   *   whole ones
   */
  #search(whole: string, begun: string, limit: number): [string, string][] {
    const search = (match: string) =>
      this.#file?.words.search(match, this.#clock.now(), limit) ?? [];
    const stored = search(whole);
    // Beginnings are looked for where whole words leave room.
    return stored.length < limit ? search(begun) : stored;
  }

  /**
   * Writes everything that waits. Failing is {@linkcode trouble}, not an error: what waits goes on
   * waiting.
   */
  flush(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    while (this.#write(true) && !this.#buffer.isEmpty);
    this.#committed();
  }

  /**
   * Writes what somebody waits for, and leaves the rest to its timer. While there is trouble the
   * timer alone tries.
   */
  #commit(): void {
    try {
      if (!this.#health.isFailing) { while (this.#buffer.hasUrgent && this.#write(false)); }
    } finally {
      // Whatever failed: nobody waits for ever. What is not written yet is the timer's.
      this.#committed();
    }
  }

  /** Whoever waits for a commit goes on, unless it is about to be tried again. */
  #committed(): void {
    if (this.#health.isLockedBriefly && !this.#closed) return;
    clearTimeout(this.#company);
    this.#committedAt = performance.now();
    this.#soon?.resolve();
    this.#soon = undefined;
  }

  /** Writes a part at a time, where nobody waits for it. */
  #flushBehind(): void {
    this.#stopTimer = undefined;
    let next = MAX_WRITE_DELAY_MS;
    try {
      if (!this.#write(true)) return;
      next = 0;
    } finally {
      if (!this.#buffer.isEmpty && !this.#closed) {
        this.#stopTimer ??= this.#clock.after(next, () => this.#flushBehind());
      }
    }
  }

  close(): Promise<void> {
    if (this.#closed) return DONE;
    this.#closed = true;
    this.#stopLooking();
    if (this.#file && !this.#file.readOnly) this.#file.setLockTimeout(CLOSE_LOCK_TIMEOUT_MS);
    this.flush();
    this.#stopTimer?.();
    this.#indexing.stop();
    this.#file?.close();
    this.#file = undefined;
    return DONE;
  }

  /** Writes the next part; whether that went well. @param all also what may be late */
  #write(all: boolean): boolean {
    const nothing = this.#buffer.isEmpty && this.#texts.size === 0;
    if (nothing && (!this.#health.isFailing || this.#closed)) return true;
    const { entries, logs } = this.#buffer.batch(WRITE_BATCH, all);
    try {
      this.#writePart(entries, logs, all);
    } catch (error) {
      if (sqliteFailure(error) !== "row") return this.#fail(error);
      if (!this.#writeApart(entries, logs)) return false;
    }
    this.#health.recovered(() => this.#buffer.takeEvicted());
    return true;
  }

  /**
   * One row of many cannot be written: the others are, each by itself, and that one is given up, or
   * all would wait for ever.
   */
  #writeApart(entries: EntryBatch, logs: readonly [string, BufferedLog][]): boolean {
    const tries: [name: string, entries: EntryBatch, logs: readonly [string, BufferedLog][]][] = [
      ...entries.map((entry) => [entry[0], [entry], []] as [string, EntryBatch, []]),
      ...logs.map((log) => [log[0], [], [log]] as [string, EntryBatch, [string, BufferedLog][]]),
    ];
    for (const [name, entries, logs] of tries) {
      try {
        // Texts for the index belong to rows that are written; they follow with the next part.
        this.#writePart(entries, logs, false);
      } catch (error) {
        if (sqliteFailure(error) !== "row") return this.#fail(error);
        this.#buffer.remove(entries, logs);
        const why = `${name.split(":")[0]}:… cannot be written and is lost: ${
          (error as Error).message
        }`;
        this.#options.onFault?.(new Error(why, { cause: error }));
      }
    }
    return true;
  }

  #writePart(entries: EntryBatch, logs: readonly [string, BufferedLog][], all: boolean): void {
    const now = this.#clock.now();
    const file = this.#file && !this.#file.readOnly ? this.#file : this.#open(0);
    // Numbers of entries hold only once the transaction does: one that is rolled back gives them to
    // others.
    const gone = new Set<number>(),
      added: [entry: number, find: NonNullable<BufferedEntry["find"]>][] = [];
    const isSweeping = now - this.#sweptAt >= SWEEP_INTERVAL_MS;
    const due = file.transaction(() => {
      let due = 0;
      for (const [key, { value, expires, find }] of entries) {
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
      for (const [log, lines] of logs) file.append(log, lines, now);
      if (isSweeping) due += file.sweep(now);
      if (!all) return due;
      for (const [id, { owner, text }] of this.#texts) {
        if (!gone.has(id)) file.words.put(id, owner, text);
      }
      for (const [id, { owner, text }] of added) file.words.put(id, owner, text);
      return due + this.#texts.size + added.length;
    });
    if (all) this.#texts.clear();
    else {
      for (const id of gone) this.#texts.delete(id);
      for (const [id, find] of added) this.#texts.set(id, find);
    }
    if (isSweeping) this.#sweptAt = now;
    this.#buffer.remove(entries, logs);
    this.#indexing.wrote(due > 0);
  }

  #fail(error: unknown): false {
    const ms = this.#health.failed(error, this.#clock.now());
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    if (!this.#closed) this.#stopTimer = this.#clock.after(ms, () => this.flush());
    this.#committed();
    return false;
  }

  /**
   * Whether the file is still there: a store that was deleted goes on in a file that nobody can
   * find any more.
   */
  #checkFile(): void {
    const file = this.#file, { path } = this.#options;
    if (!file || file.readOnly || this.#number === undefined) return;
    const number = inodeOf(path);
    if (number === this.#number) return;
    if (number !== undefined) {
      const what =
        "what is written since then goes to the old one, which ends with this process: restart it";
      return this.#health.failForGood(`${path} was replaced by another file; ${what}`);
    }
    try {
      const swap = copyToNewFile(file, path);
      this.#file = undefined;
      swap();
      this.#open(0);
      this.#options.onFault?.(
        new Error(`${path} was deleted; it was written anew from what was open`),
      );
    } catch (error) {
      this.#health.failForGood(
        `${path} was deleted, and could not be written anew: ${(error as Error).message}`,
      );
    }
  }

  /** What a key holds now, with its expiry. */
  #text(key: string): { value: string; expires?: number } | undefined {
    const now = this.#clock.now();
    const waiting = this.#buffer.get(key);
    if (!waiting) return this.#read((file) => file.get(key, now));
    if (waiting.value === undefined || isExpired(waiting.expires, now)) return undefined;
    return { value: waiting.value, expires: waiting.expires };
  }

  #read<T>(look: (file: SqliteFile) => T): T | undefined {
    if (this.#closed) {
      throw new NexusError("internal", undefined, { cause: new Error("the store is closed") });
    }
    if (!this.#file) return undefined;
    try {
      return look(this.#file);
    } catch (error) {
      throw this.#failedRead(error);
    }
  }

  #failedRead(cause: unknown): NexusError {
    const failure = sqliteFailure(cause);
    if (failure === "damaged") this.#health.damaged(cause);
    if (failure === "locked") {
      return new NexusError("unavailable", undefined, { retryAfter: 1, cause });
    }
    return new NexusError("internal", undefined, { cause });
  }

  #put(key: string, entry: BufferedEntry): void {
    this.#buffer.put(key, entry);
    this.#makeRoom();
    this.#scheduleFlush();
  }

  /**
   * Too much waits: either a flood between two commits, which is cured by a commit, or a file that
   * cannot be written.
   */
  #makeRoom(): void {
    if (!this.#buffer.isFull) return;
    if (!this.#health.isFailing) this.flush();
    if (this.#buffer.isFull) this.#buffer.makeRoom();
  }

  #logOf(name: string): BufferedLog {
    const now = this.#clock.now();
    const waiting = this.#buffer.log(name);
    if (waiting && !isExpired(waiting.expires, now)) return waiting;
    const before = this.#read((file) => file.logLength(name, now));
    const lines = { fresh: before === undefined, before: before ?? 0, lines: [] };
    this.#buffer.putLog(name, lines);
    return lines;
  }

  #scheduleFlush(): void {
    if (this.#closed) {
      throw new NexusError("internal", undefined, { cause: new Error("the store is closed") });
    }
    this.#stopTimer ??= this.#clock.after(MAX_WRITE_DELAY_MS, () => this.#flushBehind());
  }

  /**
   * A commit as soon as there is nothing else to do, or {@linkcode GROUP_COMMIT_MS} after the last one; all
   * who ask meanwhile share it.
   */
  #commitSoon(): Promise<void> {
    if (!this.#soon) {
      this.#soon = Promise.withResolvers<void>();
      const wait = GROUP_COMMIT_MS - (performance.now() - this.#committedAt);
      if (wait > 0) this.#company = setTimeout(() => this.#commit(), wait);
      else setImmediate(() => this.#commit());
    }
    return this.#soon.promise;
  }
}

/** Milliseconds that the last write of all waits for another process's lock. */
const CLOSE_LOCK_TIMEOUT_MS = 5_000;

const DONE: Promise<void> = Promise.resolve();

function isExpired(expires: number | undefined, now: number): boolean {
  return expires !== undefined && expires <= now;
}
