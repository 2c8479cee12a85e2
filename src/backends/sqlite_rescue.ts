/**
 * A store's file that was deleted while it is open: everything is still there for who has it open,
 * and for nobody else.
 */
import type { SqliteFile } from "./sqlite_file.ts";

/** What is wrong with a path that leads to another file than the open one. */
export const REPLACED = "was replaced by another file; what is written since then goes to the " +
  "old one, which ends with this process: restart it";

/** Which file stands under a path, as the system numbers them; nothing where there is none. */
export function inodeOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).ino ?? undefined;
  } catch {
    return undefined;
  }
}

/**
 * Copies an open file to beside its path. Returns the way to put the copy there, which closes the
 * file.
 */
export function copyToNewFile(file: SqliteFile, path: string): () => void {
  const part = `${path}.part`;
  remove(part);
  try {
    Deno.openSync(part, { write: true, createNew: true, mode: 0o600 }).close();
    file.copyTo(part);
  } catch (error) {
    remove(part);
    throw error;
  }
  return () => {
    file.close();
    // What they hold is in the copy; who opens the new file would take them for its own.
    for (const suffix of ["-wal", "-shm"]) remove(path + suffix);
    Deno.renameSync(part, path);
  };
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
