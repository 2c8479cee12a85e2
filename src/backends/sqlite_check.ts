/**
 * Whether the file of a store is whole, asked before a gateway uses it: one that is damaged would
 * lose what was said page by page, or look empty. Where only what can be made again is damaged (the
 * indexes, the search index), the rest is copied into a new file; the damaged one stays beside it.
 *
 * It reads the file once: 6 ms for each MB of it.
 */
import { DatabaseSync } from "node:sqlite";
import { UNINDEXED } from "../core/store.ts";
import { sqliteFailure } from "./sqlite_error.ts";
import { damagedError, SqliteFile } from "./sqlite_file.ts";

/** Tables that hold what cannot be made again. */
const DATA = ["entries", "logs", "lines"];

/**
 * The search index, with the texts that it is made of. The table `words` itself would be compared
 * word by word, which takes ten times as long.
 */
const INDEX = ["texts", "words_data", "words_idx", "words_docsize", "words_config"];

/** Copies of each table, row by row: `SELECT *` would copy the indexes, too. */
const COPIES = [
  "INSERT INTO entries SELECT id, key, value, expires FROM old.entries NOT INDEXED",
  "INSERT INTO logs SELECT id, name, length, expires FROM old.logs NOT INDEXED",
  "INSERT INTO lines SELECT log, at, value FROM old.lines",
];
const TEXTS =
  "INSERT INTO texts SELECT id, entry, owner, text, 0 FROM old.texts NOT INDEXED WHERE state < 2";

/**
 * Checks a store's file, and repairs it where nothing is lost by that. Returns where the damaged
 * file is kept, or nothing where the file is whole or is none of ours.
 *
 * @throws NexusError("invalid") where what was said is damaged
 */
export function checkStore(path: string): string | undefined {
  let found: Damage;
  const db = new DatabaseSync(path);
  try {
    // Another process that is closing the file may be bringing it into order.
    db.exec("PRAGMA busy_timeout = 5000");
    if (!isOurs(db)) return undefined;
    found = damageOf(db);
  } catch (error) {
    throw sqliteFailure(error) === "damaged" ? damagedError(path, error) : error;
  } finally {
    db.close();
  }
  if (found.lost) throw damagedError(path, found.lost);
  return found.index === undefined ? undefined : repair(path, found.index);
}

interface Damage {
  /** The first complaint about what cannot be made again. */
  lost?: string;
  /** The first about what can. */
  index?: string;
}

/** A file of another program or version is refused elsewhere, in words of its own. */
function isOurs(db: DatabaseSync): boolean {
  const named = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
    .all() as unknown as {
      name: string;
    }[];
  return [...DATA, ...INDEX].every((table) => named.some(({ name }) => name === table));
}

function damageOf(db: DatabaseSync): Damage {
  const found: Damage = {};
  for (const table of DATA) {
    const indexes = db.prepare(
      "SELECT rootpage FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?",
    ).all(table);
    const trees = (indexes as unknown as { rootpage: number }[]).map(({ rootpage }) =>
      `Tree ${rootpage} `
    );
    for (const complaint of complaintsOf(db, table)) {
      const isOfIndex = trees.some((tree) => complaint.startsWith(tree)) ||
        /^wrong # of entries in index/.test(complaint);
      if (isOfIndex) found.index ??= complaint;
      else found.lost ??= complaint;
    }
  }
  for (const table of INDEX) found.index ??= complaintsOf(db, table)[0];
  return found;
}

function complaintsOf(db: DatabaseSync, table: string): string[] {
  try {
    const rows = db.prepare(`PRAGMA quick_check(${table})`).all() as unknown as {
      quick_check: string;
    }[];
    // Each row may hold several lines; the first names the database.
    return rows.flatMap(({ quick_check }) => quick_check.split("\n"))
      .filter((line) => line !== "ok" && !line.startsWith("***"));
  } catch (error) {
    if (sqliteFailure(error) !== "damaged") throw error;
    return [`${table}: ${(error as Error).message}`];
  }
}

/**
 * Puts a new file with everything but the indexes in the place of the damaged one. Returns where
 * that is kept.
 */
function repair(path: string, why: string): string {
  const part = `${path}.part`;
  remove(part);
  try {
    new SqliteFile(part).close();
    const db = new DatabaseSync(part);
    try {
      db.prepare("ATTACH ? AS old").run(path);
      db.exec(`BEGIN; ${COPIES.join("; ")}; COMMIT`);
      const isIndexed = copyTexts(db);
      db.exec("DETACH old");
      if (!isIndexed) {
        db.prepare("INSERT INTO entries (key, value) VALUES (?, ?)").run(
          UNINDEXED,
          JSON.stringify(why),
        );
      }
      db.exec("PRAGMA journal_mode = DELETE");
    } finally {
      db.close();
    }
    const kept = freeName(path);
    Deno.renameSync(path, kept);
    // What they held is in the copy.
    for (const suffix of ["-wal", "-shm"]) remove(path + suffix);
    Deno.renameSync(part, path);
    return kept;
  } catch (error) {
    throw sqliteFailure(error) === "damaged" ? damagedError(path, error) : error;
  } finally {
    for (const suffix of ["", "-wal", "-shm"]) remove(part + suffix);
  }
}

/** Copies the texts of the search index; whether all of them could be read. */
function copyTexts(db: DatabaseSync): boolean {
  try {
    db.exec(`BEGIN; ${TEXTS}; COMMIT`);
    return true;
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    if (sqliteFailure(error) !== "damaged") throw error;
    return false;
  }
}

function freeName(path: string): string {
  for (let n = 1;; n++) {
    const name = n === 1 ? `${path}.damaged` : `${path}.damaged-${n}`;
    try {
      Deno.lstatSync(name);
    } catch {
      return name;
    }
  }
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
