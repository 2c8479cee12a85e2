/**
 * The file of the SQLite store: its tables, its statements, and what brings an older file up to
 * date.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { NexusError } from "../core/error.ts";
import { sqliteFailure } from "./sqlite_error.ts";
import type { BufferedLog } from "./sqlite_write_buffer.ts";
import { SCHEMA as WORDS_SCHEMA, SearchIndex } from "./sqlite_search_index.ts";

/** Expired entries that go at once. */
const SWEEP_BATCH = 1000;

/** `nexus` in ASCII: tells our files from other people's (SQLite's application_id). */
const APPLICATION_ID = 0x6e657875;

/**
 * Each brings a file from the version before it to its own; they run in one transaction and are
 * never edited.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE entries (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,
    value TEXT NOT NULL, expires INTEGER);
  CREATE INDEX entries_expires ON entries (expires) WHERE expires IS NOT NULL;
  CREATE TABLE logs (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    length INTEGER NOT NULL, expires INTEGER);
  CREATE INDEX logs_expires ON logs (expires) WHERE expires IS NOT NULL;
  CREATE TABLE lines (log INTEGER NOT NULL, at INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (log, at)) WITHOUT ROWID;
  ${WORDS_SCHEMA}
  `,
];

/** A log of which this process knows all. */
interface OwnedLog {
  readonly id: number;
  length: number;
  readonly expires: number | undefined;
}

/** Logs known at once. */
const MAX_OWNED_LOGS = 10_000;

/** Whether an end is worth writing down anew: a hundredth of what is left is not. */
function isMuchLater(expires: number | undefined, known: number | undefined, now: number): boolean {
  if (expires === undefined) return false;
  return known === undefined || (expires - known) * 100 > expires - now;
}

export interface SqliteFileOptions {
  /** Bytes that the file may grow to. */
  readonly maxSize?: number;
  readonly readOnly?: boolean;
  /** Milliseconds for which opening it waits for another process's lock. Default 5,000. */
  readonly lockTimeout?: number;
}

/**
 * One open file: the statements, and nothing that waits. Every method is synchronous and throws
 * what SQLite throws.
 */
export class SqliteFile {
  readonly words: SearchIndex;
  readonly readOnly: boolean;
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
  /**
   * Logs that this process began, which nobody else writes: a reply in the making gets a line each
   * 100 ms.
   */
  readonly #owned = new Map<string, OwnedLog>();
  readonly #expired: StatementSync;
  readonly #expiredLogs: StatementSync;

  constructor(
    path: string,
    { maxSize, readOnly = false, lockTimeout = DEFAULT_LOCK_TIMEOUT_MS }: SqliteFileOptions = {},
  ) {
    this.readOnly = readOnly;
    if (!readOnly) makePrivate(path);
    const db = this.#db = readOnly
      ? new DatabaseSync(immutable(path), { readOnly })
      : new DatabaseSync(path);
    try {
      this.setLockTimeout(lockTimeout);
      if (!readOnly) prepare(db, path);
      if (maxSize) db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxSize / 4096))}`);
      const live = "(expires IS NULL OR expires > ?)";
      this.#get = db.prepare(`SELECT value, expires FROM entries WHERE key = ? AND ${live}`);
      this.#set = db.prepare(`INSERT INTO entries (key, value, expires) VALUES (?, ?, ?)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires RETURNING id`);
      this.#idOf = db.prepare("SELECT id FROM entries WHERE key = ?");
      this.#remove = db.prepare("DELETE FROM entries WHERE id = ?");
      const list = (order: string) =>
        db.prepare(
          `SELECT key, value FROM entries WHERE key >= ? AND key < ? AND ${live} ORDER BY key ${order} LIMIT ?`,
        );
      this.#lists = { up: list("ASC"), down: list("DESC") };
      this.#log = db.prepare(
        `SELECT id, (SELECT coalesce(max(at) + 1, 0) FROM lines WHERE log = logs.id) AS length FROM logs WHERE name = ? AND ${live}`,
      );
      this.#logSet = db.prepare(`INSERT INTO logs (name, length, expires) VALUES (?, ?, ?)
        ON CONFLICT (name) DO UPDATE SET length = excluded.length, expires = coalesce(excluded.expires, expires) RETURNING id`);
      this.#logRemove = db.prepare("DELETE FROM logs WHERE name = ? RETURNING id");
      this.#linesRemove = db.prepare("DELETE FROM lines WHERE log = ?");
      this.#lineAdd = db.prepare("INSERT INTO lines (log, at, value) VALUES (?, ?, ?)");
      this.#linesRead = db.prepare(
        "SELECT value FROM lines WHERE log = ? AND at >= ? ORDER BY at LIMIT ?",
      );
      this.#expired = db.prepare("SELECT key FROM entries WHERE expires <= ? LIMIT ?");
      this.#expiredLogs = db.prepare("SELECT name FROM logs WHERE expires <= ? LIMIT ?");
      this.words = new SearchIndex(db);
    } catch (error) {
      db.close();
      throw sqliteFailure(error) === "damaged" ? damagedError(path, error) : error;
    }
  }

  /**
   * For how many milliseconds each call waits, without doing anything else, for another process's
   * lock.
   */
  setLockTimeout(ms: number): void {
    // The option `timeout` is ignored by the runtime.
    this.#db.exec(`PRAGMA busy_timeout = ${ms}`);
  }

  transaction<T>(work: () => T): T {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      this.#owned.clear();
      // A full disk may have rolled back by itself.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  get(key: string, now: number): { value: string; expires?: number } | undefined {
    const row = this.#get.get(key, now) as { value: string; expires: number | null } | undefined;
    return row && { value: row.value, expires: row.expires ?? undefined };
  }

  /** Returns the number of the entry. */
  put(key: string, value: string, expires: number | undefined): number {
    return (this.#set.get(key, value, expires ?? null) as { id: number }).id;
  }

  /** Returns the number that the entry had, if it was there. */
  forget(key: string): number | undefined {
    const row = this.#idOf.get(key) as { id: number } | undefined;
    if (!row) return undefined;
    this.words.drop(row.id);
    this.#remove.run(row.id);
    return row.id;
  }

  list(
    prefix: string,
    after: string | undefined,
    reverse: boolean,
    limit: number,
    now: number,
  ): [string, string][] {
    // Keys are UTF-8 on disk; nothing that begins with the prefix sorts behind prefix + U+10FFFF.
    let low = prefix, high = `${prefix}\u{10FFFF}`;
    if (after !== undefined && !reverse && after >= low) low = `${after}\0`;
    if (after !== undefined && reverse && after < high) high = after;
    const rows = this.#lists[reverse ? "down" : "up"].all(low, high, now, limit);
    return (rows as unknown as { key: string; value: string }[]).map((
      { key, value },
    ) => [key, value]);
  }

  logLength(name: string, now: number): number | undefined {
    const begun = this.#owned.get(name);
    if (begun && (begun.expires === undefined || begun.expires > now)) return begun.length;
    return (this.#log.get(name, now) as { length: number } | undefined)?.length;
  }

  append(name: string, { fresh, before, lines, expires }: BufferedLog, now: number): void {
    if (fresh) {
      const gone = this.#logRemove.get(name) as { id: number } | undefined;
      if (gone) this.#linesRemove.run(gone.id);
      this.#owned.delete(name);
      if (lines.length === 0) return;
    }
    let begun = this.#owned.get(name);
    // Another process may have appended meanwhile: its lines stay, and these follow them.
    const at = fresh || begun
      ? before
      : (this.#log.get(name, now) as { length: number } | undefined)?.length ?? before;
    const length = at + lines.length;
    if (!begun || isMuchLater(expires, begun.expires, now)) {
      const { id } = this.#logSet.get(name, length, expires ?? null) as { id: number };
      const remembered = fresh || begun !== undefined;
      begun = { id, length, expires: expires ?? begun?.expires };
      if (this.#owned.size >= MAX_OWNED_LOGS) this.#owned.clear();
      if (remembered) this.#owned.set(name, begun);
    }
    lines.forEach((line, index) => this.#lineAdd.run(begun.id, at + index, line));
    begun.length = length;
  }

  lines(name: string, from: number, limit: number, now: number): string[] {
    const log = this.#log.get(name, now) as { id: number } | undefined;
    if (!log) return [];
    const rows = this.#linesRead.all(log.id, from, limit === Infinity ? -1 : limit);
    return (rows as unknown as { value: string }[]).map(({ value }) => value);
  }

  /** Removes what has expired; returns how many entries went. */
  sweep(now: number): number {
    let gone = 0;
    for (const { key } of this.#expired.all(now, SWEEP_BATCH) as unknown as { key: string }[]) {
      if (this.forget(key) !== undefined) gone++;
    }
    for (
      const { name } of this.#expiredLogs.all(now, SWEEP_BATCH) as unknown as { name: string }[]
    ) {
      this.append(name, { fresh: true, before: 0, lines: [] }, now);
    }
    return gone;
  }

  copyTo(path: string): void {
    this.#db.prepare("VACUUM INTO ?").run(path);
  }

  verify(): void {
    const { integrity_check: found } = this.#db.prepare("PRAGMA integrity_check").get() as {
      integrity_check: string;
    };
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

/** Milliseconds: the command line may be writing. */
const DEFAULT_LOCK_TIMEOUT_MS = 5_000;

/** What is said of a file that cannot be right, and what to do about it. */
export function damagedError(path: string, cause: unknown): NexusError {
  const what = cause instanceof Error ? cause.message : String(cause);
  const advice =
    "`nexus restore FILE` puts a backup in its place, and keeps the damaged file beside it";
  return new NexusError(
    "invalid",
    `${path} is not a store of Nexus, or it is damaged (${what}); ${advice}`,
    { cause },
  );
}

/**
 * A file on a disk that cannot be written, for its reading at least; `undefined` where even that
 * fails.
 */
export function openReadOnly(path: string): SqliteFile | undefined {
  if (!isThere(path)) return undefined;
  try {
    return new SqliteFile(path, { readOnly: true });
  } catch {
    // The trouble is known and said already: without this file the gateway serves from memory
    // alone.
    return undefined;
  }
}

/** WAL needs a file beside the file even for reading, unless SQLite is told that nobody writes. */
function immutable(path: string): URL {
  const url = globalThis.process.getBuiltinModule("node:url").pathToFileURL(path);
  url.searchParams.set("immutable", "1");
  return url;
}

/** A new file is made before SQLite would make it readable for everybody. */
function makePrivate(path: string): void {
  if (isThere(path)) return;
  // Loaded at the first start only: it would cost every start 6 ms.
  const { closeSync, openSync } = globalThis.process.getBuiltinModule("node:fs");
  closeSync(openSync(path, "a", 0o600));
}

function isThere(path: string): boolean {
  try {
    // Opens nothing that is not there, and reads nothing yet.
    new DatabaseSync(path, { readOnly: true }).close();
    return true;
  } catch {
    return false;
  }
}

function prepare(db: DatabaseSync, path: string): void {
  let version = (db.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;
  const application =
    (db.prepare("PRAGMA application_id").get() as { application_id: number }).application_id;
  const tables = (db.prepare("SELECT count(*) AS n FROM sqlite_schema").get() as { n: number }).n;
  if (tables > 0 && application !== APPLICATION_ID) {
    throw new NexusError("invalid", `${path} belongs to another program`);
  }
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
    db.exec(
      `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`,
    );
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}
