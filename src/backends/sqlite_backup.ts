/**
 * Copies of the SQLite store: taken while others use it, and put in its place while nobody does.
 */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  renameSync,
  rmSync,
} from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { NexusError } from "../core/error.ts";
import { SqliteFile } from "./sqlite_file.ts";

/** Texts taken out of the index in one go. */
const CLEANUP_BATCH = 500;

/**
 * Copies a store into a new file while others use it. Words that were deleted before are not in the
 * copy.
 */
export function backupStore(path: string, to: string): void {
  if (!existsSync(path)) throw new NexusError("not_found", `${path} does not exist`);
  if (existsSync(to)) {
    throw new NexusError("conflict", `${to} exists already; a backup never overwrites`);
  }
  const part = `${to}.part`;
  rmSync(part, { force: true });
  closeSync(openSync(part, "w", 0o600));
  try {
    const source = new SqliteFile(path);
    try {
      source.copyTo(part);
    } finally {
      source.close();
    }
    // What waits to be taken out of the index would go into the backup with its words.
    const copy = new SqliteFile(part);
    try {
      while (copy.transaction(() => copy.words.work(CLEANUP_BATCH)) > 0);
      copy.settle();
    } finally {
      copy.close();
    }
    renameSync(part, to);
  } finally {
    rmSync(part, { force: true });
  }
}

/**
 * Puts a backup in the place of a store that nobody has open; what was there is kept beside it.
 * Returns where.
 */
export function restoreStore(path: string, from: string): string | undefined {
  if (!existsSync(from)) throw new NexusError("not_found", `${from} does not exist`);
  const part = `${path}.part`;
  rmSync(part, { force: true });
  // A copy takes the mode of what it is a copy of, and a backup may have been readable for
  // everybody.
  closeSync(openSync(part, "w", 0o600));
  copyFileSync(from, part);
  chmodSync(part, 0o600);
  try {
    const copy = new SqliteFile(part);
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
