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
import { closeSync, copyFileSync, existsSync, openSync, renameSync, rmSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setImmediate } from "node:timers";
import { pathToFileURL } from "node:url";
import { type Clock, systemClock } from "../core/clock.ts";
import { NexusError } from "../core/error.ts";
import type { Json, ListOptions, SetOptions, Store } from "../core/store.ts";
import { expression, SCHEMA as WORDS_SCHEMA, WordIndex } from "./sqlite_words.ts";

/** Milliseconds that a write may wait for its commit; the contract allows 200, a timer may be late. */
const LATE = 150;
/** Milliseconds between tries while the file cannot be written: doubled each time up to the second figure. */
const RETRY = [1000, 30_000] as const;
/** Entries written in one transaction: about 20 ms; the rest follows when the event loop has been round. */
const WRITE_STEP = 1000;
/** Milliseconds that texts wait for the index; whoever searches waits for them instead. */
const INDEX_LATE = 500;
/** Texts put into the search index in one go: about 5 ms. */
const INDEX_STEP = 500;
/** Milliseconds between two looks for entries that have expired, and how many go at once. */
const SWEEP = 60_000;
const SWEEP_STEP = 1000;

/** `nexus` in ASCII: tells our files from other people's (SQLite's application_id). */
const APPLICATION = 0x6e657875;

/** Each brings a file from the version before it to its own; they run in one transaction and are never edited. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE entries (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value TEXT NOT NULL, expires INTEGER);
  CREATE INDEX entries_expires ON entries (expires) WHERE expires IS NOT NULL;
  CREATE TABLE logs (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, length INTEGER NOT NULL, expires INTEGER);
  CREATE INDEX logs_expires ON logs (expires) WHERE expires IS NOT NULL;
  CREATE TABLE lines (log INTEGER NOT NULL, at INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (log, at)) WITHOUT ROWID;
  ${WORDS_SCHEMA}
  `,
];

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

/** What will be written under a key; no value means that the key is removed. */
interface Waiting {
  readonly value?: string;
  readonly expires?: number;
  readonly weak?: boolean;
  readonly find?: SetOptions["find"];
}

/** What will be appended to a log. */
interface WaitingLines {
  /** The log is emptied first. */
  fresh: boolean;
  /** How many entries the file holds of it. */
  before: number;
  readonly lines: string[];
  expires?: number;
  weak?: boolean;
}

export class SqliteStore implements Store {
  readonly #options: SqliteOptions;
  readonly #clock: Clock;
  readonly #maxWaiting: number;
  #file: File | undefined;
  #waiting = new Map<string, Waiting>();
  #lines = new Map<string, WaitingLines>();
  #weight = 0;
  /** Weak entries that found no room while the file could not be written. */
  #lost = 0;
  #trouble: string | undefined;
  #retryIn: number = RETRY[0];
  #sweptAt: number;
  #stopTimer: (() => void) | undefined;
  #soon: { promise: Promise<void>; resolve: () => void } | undefined;
  #stopIndexing: (() => void) | undefined;
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
    do this.#write(); while (this.#waiting.size > 0 && this.#trouble === undefined);
    this.#soon?.resolve();
    this.#soon = undefined;
  }

  /** Writes a part at a time, where nobody waits for it. */
  #flushBehind(): void {
    this.#stopTimer = undefined;
    this.#write();
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

  #write(): void {
    if (this.#waiting.size === 0 && this.#lines.size === 0 && (this.#trouble === undefined || this.#closed)) return;
    const now = this.#clock.now();
    const part = [...take(this.#waiting, WRITE_STEP)];
    try {
      const file = this.#writable();
      const due = file.transaction(() => {
        let due = 0;
        for (const [key, entry] of part) due += file.put(key, entry);
        for (const [log, lines] of this.#lines) file.append(log, lines);
        if (now - this.#sweptAt >= SWEEP) due += file.sweep(now);
        return due;
      });
      if (now - this.#sweptAt >= SWEEP) this.#sweptAt = now;
      if (part.length === this.#waiting.size) this.#waiting.clear();
      else for (const [key] of part) this.#waiting.delete(key);
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
      // The order of the Map is the order of age, for whatever must be forgotten.
      this.#waiting.delete(key);
    }
    this.#waiting.set(key, entry);
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

  /** A commit before the event loop looks at the network again; all who ask meanwhile share it. */
  #commitSoon(): Promise<void> {
    if (!this.#soon) {
      this.#soon = Promise.withResolvers<void>();
      setImmediate(() => this.flush());
    }
    return this.#soon.promise;
  }

  /** Waits for company the first time: each transaction with the index has a cost of its own. */
  #indexLater(wait = INDEX_LATE): void {
    this.#stopIndexing ??= this.#clock.after(wait, () => {
      this.#stopIndexing = undefined;
      if (this.#index()) this.#indexLater(0);
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

/** Copies a store into a new file while others use it. Words that were deleted before are not in the copy. */
export function backupStore(path: string, to: string): void {
  if (!existsSync(path)) throw new NexusError("not_found", `${path} does not exist`);
  if (existsSync(to)) throw new NexusError("conflict", `${to} exists already; a backup never overwrites`);
  const part = `${to}.part`;
  rmSync(part, { force: true });
  closeSync(openSync(part, "w", 0o600));
  try {
    const source = new File(path);
    try {
      source.copyTo(part);
    } finally {
      source.close();
    }
    // What waits to be taken out of the index would go into the backup with its words.
    const copy = new File(part);
    try {
      while (copy.transaction(() => copy.words.work(INDEX_STEP)) > 0);
      copy.settle();
    } finally {
      copy.close();
    }
    renameSync(part, to);
  } finally {
    rmSync(part, { force: true });
  }
}

/** Puts a backup in the place of a store that nobody has open; what was there is kept beside it. Returns where. */
export function restoreStore(path: string, from: string): string | undefined {
  if (!existsSync(from)) throw new NexusError("not_found", `${from} does not exist`);
  const part = `${path}.part`;
  rmSync(part, { force: true });
  copyFileSync(from, part);
  try {
    const copy = new File(part);
    try {
      copy.verify();
      copy.settle();
    } finally {
      copy.close();
    }
    let kept: string | undefined;
    if (existsSync(path)) {
      requireUnused(path);
      kept = `${path}.before-restore`;
      renameSync(path, kept);
      for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
    }
    renameSync(part, path);
    return kept;
  } finally {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(part + suffix, { force: true });
  }
}

/** Leaving WAL needs the file alone; afterwards everything is in the one file. */
function requireUnused(path: string): void {
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA journal_mode = DELETE");
  } catch (error) {
    throw new NexusError("conflict", `${path} is in use: stop the gateway first`, { cause: error });
  } finally {
    db.close();
  }
}

/** One open file: the statements, and nothing that waits. Every method is synchronous and throws what SQLite throws. */
class File {
  readonly words: WordIndex;
  readonly #db: DatabaseSync;
  readonly #get: StatementSync;
  readonly #set: StatementSync;
  readonly #idOf: StatementSync;
  readonly #remove: StatementSync;
  readonly #lists: { readonly [order in "up" | "down"]: StatementSync };
  readonly #log: StatementSync;
  readonly #logSet: StatementSync;
  readonly #logRemove: StatementSync;
  readonly #linesRemove: StatementSync;
  readonly #lineAdd: StatementSync;
  readonly #linesRead: StatementSync;
  readonly #expired: StatementSync;
  readonly #expiredLogs: StatementSync;

  constructor(path: string, maxSize?: number, readonly readOnly = false) {
    // SQLite would make it readable for everybody.
    if (!readOnly && !existsSync(path)) closeSync(openSync(path, "a", 0o600));
    const db = this.#db = readOnly ? new DatabaseSync(immutable(path), { readOnly }) : new DatabaseSync(path);
    try {
      if (!readOnly) prepare(db, path);
      if (maxSize) db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxSize / 4096))}`);
      const live = "(expires IS NULL OR expires > ?)";
      this.#get = db.prepare(`SELECT value, expires FROM entries WHERE key = ? AND ${live}`);
      this.#set = db.prepare(`INSERT INTO entries (key, value, expires) VALUES (?, ?, ?)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires`);
      this.#idOf = db.prepare("SELECT id FROM entries WHERE key = ?");
      this.#remove = db.prepare("DELETE FROM entries WHERE id = ?");
      const list = (order: string) =>
        db.prepare(
          `SELECT key, value FROM entries WHERE key >= ? AND key < ? AND ${live} ORDER BY key ${order} LIMIT ?`,
        );
      this.#lists = { up: list("ASC"), down: list("DESC") };
      this.#log = db.prepare(`SELECT id, length FROM logs WHERE name = ? AND ${live}`);
      this.#logSet = db.prepare(`INSERT INTO logs (name, length, expires) VALUES (?, ?, ?)
        ON CONFLICT (name) DO UPDATE SET length = excluded.length, expires = coalesce(excluded.expires, expires) RETURNING id`);
      this.#logRemove = db.prepare("DELETE FROM logs WHERE name = ? RETURNING id");
      this.#linesRemove = db.prepare("DELETE FROM lines WHERE log = ?");
      this.#lineAdd = db.prepare("INSERT INTO lines (log, at, value) VALUES (?, ?, ?)");
      this.#linesRead = db.prepare("SELECT value FROM lines WHERE log = ? AND at >= ? ORDER BY at LIMIT ?");
      this.#expired = db.prepare("SELECT key FROM entries WHERE expires <= ? LIMIT ?");
      this.#expiredLogs = db.prepare("SELECT name FROM logs WHERE expires <= ? LIMIT ?");
      this.words = new WordIndex(db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  transaction<T>(work: () => T): T {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      // A full disk may have rolled back by itself.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  get(key: string, now: number): { value: string; expires?: number } | undefined {
    const row = this.#get.get(key, now) as { value: string; expires: number | null } | undefined;
    return row && { value: row.value, expires: row.expires ?? undefined };
  }

  /** Returns how many texts now wait for the index. */
  put(key: string, entry: Waiting): number {
    if (entry.value === undefined) return this.#forget(key);
    this.#set.run(key, entry.value, entry.expires ?? null);
    if (!entry.find) return 0;
    this.words.put((this.#idOf.get(key) as { id: number }).id, entry.find.owner, entry.find.text);
    return 1;
  }

  #forget(key: string): number {
    const row = this.#idOf.get(key) as { id: number } | undefined;
    if (!row) return 0;
    this.words.drop(row.id);
    this.#remove.run(row.id);
    return 1;
  }

  list(prefix: string, after: string | undefined, reverse: boolean, limit: number, now: number): [string, string][] {
    // Keys are UTF-8 on disk; nothing that begins with the prefix sorts behind prefix + U+10FFFF.
    let low = prefix, high = `${prefix}\u{10FFFF}`;
    if (after !== undefined && !reverse && after >= low) low = `${after}\0`;
    if (after !== undefined && reverse && after < high) high = after;
    const rows = this.#lists[reverse ? "down" : "up"].all(low, high, now, limit);
    return (rows as unknown as { key: string; value: string }[]).map(({ key, value }) => [key, value]);
  }

  logLength(name: string, now: number): number | undefined {
    return (this.#log.get(name, now) as { length: number } | undefined)?.length;
  }

  append(name: string, { fresh, before, lines, expires }: WaitingLines): void {
    if (fresh) {
      const gone = this.#logRemove.get(name) as { id: number } | undefined;
      if (gone) this.#linesRemove.run(gone.id);
      if (lines.length === 0) return;
    }
    const { id } = this.#logSet.get(name, before + lines.length, expires ?? null) as { id: number };
    lines.forEach((line, index) => this.#lineAdd.run(id, before + index, line));
  }

  lines(name: string, from: number, limit: number, now: number): string[] {
    const log = this.#log.get(name, now) as { id: number } | undefined;
    if (!log) return [];
    const rows = this.#linesRead.all(log.id, from, limit === Infinity ? -1 : limit);
    return (rows as unknown as { value: string }[]).map(({ value }) => value);
  }

  /** Removes what has expired; returns how many texts now wait to be taken out. */
  sweep(now: number): number {
    let due = 0;
    for (const { key } of this.#expired.all(now, SWEEP_STEP) as unknown as { key: string }[]) due += this.#forget(key);
    for (const { name } of this.#expiredLogs.all(now, SWEEP_STEP) as unknown as { name: string }[]) {
      this.append(name, { fresh: true, before: 0, lines: [] });
    }
    return due;
  }

  copyTo(path: string): void {
    this.#db.prepare("VACUUM INTO ?").run(path);
  }

  verify(): void {
    const { integrity_check: found } = this.#db.prepare("PRAGMA integrity_check").get() as { integrity_check: string };
    if (found !== "ok") throw new NexusError("invalid", `the backup is damaged: ${found}`);
  }

  /** Brings everything into the one file. */
  settle(): void {
    this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE");
  }

  close(): void {
    this.#db.close();
  }
}

/** A file on a disk that cannot be written, for its reading at least; `undefined` where even that fails. */
function openReadOnly(path: string): File | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return new File(path, undefined, true);
  } catch {
    // The trouble is known and said already: without this file the gateway serves from memory alone.
    return undefined;
  }
}

/** WAL needs a file beside the file even for reading, unless SQLite is told that nobody writes. */
function immutable(path: string): URL {
  const url = pathToFileURL(path);
  url.searchParams.set("immutable", "1");
  return url;
}

function prepare(db: DatabaseSync, path: string): void {
  let version: number, application: number, tables: number;
  try {
    // The option `timeout` is ignored by the runtime; another process (the command line) may be writing.
    db.exec("PRAGMA busy_timeout = 5000");
    version = (db.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;
    application = (db.prepare("PRAGMA application_id").get() as { application_id: number }).application_id;
    tables = (db.prepare("SELECT count(*) AS n FROM sqlite_schema").get() as { n: number }).n;
  } catch (error) {
    if (/not a database|malformed/.test(String(error))) {
      throw new NexusError("invalid", `${path} is not a store of Nexus, or it is damaged`, { cause: error });
    }
    throw error;
  }
  if (tables > 0 && application !== APPLICATION) throw new NexusError("invalid", `${path} belongs to another program`);
  if (version > MIGRATIONS.length) {
    throw new NexusError(
      "invalid",
      `${path} was written by a newer Nexus (version ${version}, this one knows ${MIGRATIONS.length})`,
    );
  }
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON");
  if (version === MIGRATIONS.length) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    // Another process may have been first.
    version = (db.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;
    for (const migration of MIGRATIONS.slice(version)) db.exec(migration);
    db.exec(`PRAGMA application_id = ${APPLICATION}; PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`);
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

function* take<T>(from: Iterable<T>, most: number): Generator<T> {
  let taken = 0;
  for (const item of from) {
    if (taken++ >= most) return;
    yield item;
  }
}

function isOver(expires: number | undefined, now: number): boolean {
  return expires !== undefined && expires <= now;
}

/** About how many bytes an entry holds while it waits. */
function weigh(key: string, { value, find }: Waiting): number {
  return (key.length + (value?.length ?? 0) + (find?.text.length ?? 0)) * 2 + 100;
}
