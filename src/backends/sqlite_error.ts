/**
 * What a failure of SQLite means for the store: whether to wait, to go on without one row, or to
 * say that the file is damaged.
 */

export type SqliteFailure =
  /** Another process holds the file's lock; it passes. */
  | "locked"
  /** What stands in the file cannot be right. */
  | "damaged"
  /** This one row cannot be written; the others can. */
  | "row"
  /** The disk: full, read-only, gone, out of reach. */
  | "medium";

/** SQLite's primary result codes, by what they mean here. */
const CODES: Readonly<Record<number, SqliteFailure>> = {
  5: "locked", // SQLITE_BUSY
  6: "locked", // SQLITE_LOCKED
  11: "damaged", // SQLITE_CORRUPT
  18: "row", // SQLITE_TOOBIG
  19: "row", // SQLITE_CONSTRAINT
  20: "row", // SQLITE_MISMATCH
  26: "damaged", // SQLITE_NOTADB
};

/** The runtime gives no code for what `exec` throws. */
const WORDS: readonly [RegExp, SqliteFailure][] = [
  [/^database (table )?is locked/, "locked"],
  [/malformed|not a database/, "damaged"],
  [/constraint failed|string or blob too big|datatype mismatch/, "row"],
];

export function sqliteFailure(error: unknown): SqliteFailure {
  const { errcode, message } = error as { errcode?: number; message?: string };
  // An extended code has the primary one in its low byte.
  if (errcode !== undefined) return CODES[errcode & 0xff] ?? "medium";
  return WORDS.find(([words]) => words.test(message ?? ""))?.[1] ?? "medium";
}
