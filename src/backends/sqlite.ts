/**
 * The store in one SQLite file: the default of the command line.
 *
 * Writes are buffered for at most {@linkcode MAX_WRITE_DELAY_MS} and committed together, so that no
 * chunk and no question waits for a disk. Reads look into the buffer first. A durable write waits
 * for the next commit and shares it with all other writes. A commit reaches the operating system at
 * once (WAL, synchronous = NORMAL), so it survives `kill -9`; it reaches the disk at a checkpoint.
 *
 * If the file cannot be written (a full disk, a lock of another process), the gateway goes on with
 * the buffer as its memory, {@linkcode SqliteStore.trouble} says why, and the store retries every
 * few seconds. It blocks on a lock only if {@linkcode SqliteOptions.lockTimeout} is set.
 */
import { type Clock, systemClock } from "../core/clock.ts";
import { NexusError } from "../core/error.ts";
import type { Json, ListOptions, SetOptions, Store } from "../core/store.ts";
import { sqliteFailure } from "./sqlite_error.ts";
import { openReadOnly, SqliteFile } from "./sqlite_file.ts";
import { GroupCommit } from "./sqlite_group_commit.ts";
import { StoreHealth } from "./sqlite_health.ts";
import { IndexScheduler } from "./sqlite_index_scheduler.ts";
import {
  CLOSE_LOCK_TIMEOUT_MS,
  FILE_CHECK_INTERVAL_MS,
  MAX_BUFFERED_BYTES,
  MAX_WRITE_DELAY_MS,
  type SqliteOptions,
} from "./sqlite_options.ts";
import { copyToNewFile, inodeOf, REPLACED } from "./sqlite_rescue.ts";
import { matchExpression } from "./sqlite_search_index.ts";
import {
  type BufferedEntry,
  type BufferedLog,
  isExpired,
  WriteBuffer,
} from "./sqlite_write_buffer.ts";
import { SqliteWriter } from "./sqlite_writer.ts";

export class SqliteStore implements Store {
  readonly #options: SqliteOptions;
  readonly #clock: Clock;
  #file: SqliteFile | undefined;
  readonly #buffer: WriteBuffer;
  readonly #health: StoreHealth;
  readonly #indexing: IndexScheduler;
  #stopTimer: (() => void) | undefined;
  readonly #stopChecking: () => void;
  /** The inode of the open file. */
  #inode: number | undefined;
  readonly #commits = new GroupCommit(() => this.#commit());
  readonly #writer: SqliteWriter;
  #closed = false;

  /**
   * Throws `invalid` if the file belongs to another program, is damaged, or was written by a newer
   * version, and `conflict` if another program keeps it locked. Any other failure to open it is
   * {@linkcode trouble}, not an error.
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
    this.#writer = new SqliteWriter({
      clock: this.#clock,
      buffer: this.#buffer,
      indexing: this.#indexing,
      file: () => this.#file && !this.#file.readOnly ? this.#file : this.#open(0),
      onFault: (error) => options.onFault?.(error),
    });
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
    this.#stopChecking = this.#clock.every(FILE_CHECK_INTERVAL_MS, () => this.#checkFile());
  }

  /** @param lockTimeout milliseconds to block on another process's lock; only at a start */
  #open(lockTimeout?: number): SqliteFile {
    const { path, maxSize } = this.#options;
    const file = new SqliteFile(path, { maxSize, lockTimeout });
    this.#file?.close();
    this.#file = file;
    file.setLockTimeout(this.#options.lockTimeout ?? 0);
    this.#inode = inodeOf(path);
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
    return options?.durable ? this.#commits.wait() : DONE;
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
    const { rows: waiting, hidden } = this.#buffer.list(isIn, now);
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
    return options?.durable ? this.#commits.wait().then(() => length) : length;
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
    // Everything was just flushed, so entries that still wait could not be written. They are
    // searched one by one.
    const waiting = this.#buffer.find(owner, words);
    const rows = waiting.concat(stored.filter(([key]) => !this.#buffer.has(key))).slice(
      0,
      limit,
    );
    return rows.map(([key, value]) => [key, JSON.parse(value)]);
  }

  /**
   * @param whole an expression for whole words
   * @param begun an expression for beginnings of words, which include the whole ones
   */
  #search(whole: string, begun: string, limit: number): [string, string][] {
    const search = (match: string) =>
      this.#file?.words.search(match, this.#clock.now(), limit) ?? [];
    const stored = search(whole);
    // Beginnings are searched only if whole words leave room.
    return stored.length < limit ? search(begun) : stored;
  }

  /**
   * Writes the whole buffer. A failure is {@linkcode trouble}, not an error, and the rest stays in
   * the buffer.
   */
  flush(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    while (this.#write(true) && !this.#buffer.isEmpty);
    this.#committed();
  }

  /**
   * Writes the urgent entries, and leaves the rest to the timer. While there is trouble, only the
   * timer retries.
   */
  #commit(): void {
    try {
      if (!this.#health.isFailing) { while (this.#buffer.hasUrgent && this.#write(false)); }
    } finally {
      // Nobody waits for ever, whatever failed. The timer writes the rest.
      this.#committed();
    }
  }

  /** Releases the callers that wait for a commit, unless a retry is due in a moment. */
  #committed(): void {
    if (this.#health.isLockedBriefly && !this.#closed) return;
    this.#commits.done();
  }

  /** Writes one batch after the other in the background. */
  #flushInBackground(): void {
    this.#stopTimer = undefined;
    let next = MAX_WRITE_DELAY_MS;
    try {
      if (!this.#write(true)) return;
      next = 0;
    } finally {
      if (!this.#buffer.isEmpty && !this.#closed) {
        this.#stopTimer ??= this.#clock.after(next, () => this.#flushInBackground());
      }
    }
  }

  close(): Promise<void> {
    if (this.#closed) return DONE;
    this.#closed = true;
    this.#stopChecking();
    if (this.#file && !this.#file.readOnly) this.#file.setLockTimeout(CLOSE_LOCK_TIMEOUT_MS);
    this.flush();
    this.#stopTimer?.();
    this.#indexing.stop();
    this.#file?.close();
    this.#file = undefined;
    return DONE;
  }

  /** Writes the next batch; whether that succeeded. @param all whether lazy entries go too */
  #write(all: boolean): boolean {
    const nothing = this.#buffer.isEmpty && !this.#writer.hasTexts;
    if (nothing && (!this.#health.isFailing || this.#closed)) return true;
    const failed = this.#writer.write(all);
    if (failed) return this.#fail(failed.error);
    this.#health.recovered(() => this.#buffer.takeEvicted());
    return true;
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
   * Checks that the file is still there: after a deletion the store would go on in a file that
   * nobody can find any more.
   */
  #checkFile(): void {
    const file = this.#file, { path } = this.#options;
    if (!file || file.readOnly || this.#inode === undefined) return;
    const inode = inodeOf(path);
    if (inode === this.#inode) return;
    if (inode !== undefined) {
      return this.#health.failForGood(`${path} ${REPLACED}`);
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

  /** The current JSON of a key. */
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
   * Keeps the buffer within its bound. A flood between two commits is cured by a commit; if the
   * file cannot be written, the oldest evictable entries are dropped.
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
    this.#stopTimer ??= this.#clock.after(MAX_WRITE_DELAY_MS, () => this.#flushInBackground());
  }
}

const DONE: Promise<void> = Promise.resolve();
