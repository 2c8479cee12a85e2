/**
 * The store that a folder's configuration names, for every command that reads or writes what is
 * kept.
 */
import { isAbsolute, join } from "node:path";
import { SqliteStore } from "../backends/sqlite.ts";
import { checkStore } from "../backends/sqlite_check.ts";
import type { Config } from "../config/config.ts";
import { asNexusError, NexusError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import { configPath, formatProblems, loadConfig } from "./config_file.ts";
import { StoreLock } from "./lock.ts";

/** The file of the store; nothing where it is in memory. */
export function storePath(dir: string, config: Config): string | undefined {
  if (config.store === "memory:") return undefined;
  return isAbsolute(config.store) ? config.store : join(dir, config.store);
}

/**
 * Opens the store of a gateway, after a look whether it is whole. That reads all of it, and is left
 * out where the file is as the gateway before this one left it.
 *
 * @throws NexusError("invalid") where it is damaged or not ours, NexusError("conflict") where
 *   another program locks it
 */
export function openGatewayStore(
  path: string,
  lock: StoreLock,
  log: Pick<Observer, "tell">,
): SqliteStore {
  const warn = (what: string) => log.tell({ type: "warning", what });
  const stamp = fileStamp(path);
  if (stamp && JSON.stringify(stamp) !== JSON.stringify(lock.left)) {
    const began = performance.now();
    const kept = checkStore(path);
    const took = Math.round(performance.now() - began);
    if (kept) {
      warn(
        `${path}: the search index was damaged and is made again; nothing else is lost. The damaged file is ${kept}`,
      );
    }
    if (took > LONG_CHECK_MS) {
      warn(
        `${path}: checked for damage in ${took} ms, because it was not closed in order or was changed since`,
      );
    }
  }
  return new SqliteStore({
    path,
    onTrouble: (trouble) =>
      warn(
        trouble === undefined ? "the store is well again" : `the store is in trouble: ${trouble}`,
      ),
    onFault: (error) => log.tell({ type: "fault", where: "store", error }),
  });
}

/** Milliseconds from which on a check of the store is worth a line. */
const LONG_CHECK_MS = 1_000;

/**
 * What a gateway that leaves tells the next one of its store: whoever changes the file changes
 * this.
 */
export function fileStamp(
  path: string,
): { ino: number | null; size: number; mtime?: number } | undefined {
  try {
    const { ino, size, mtime } = Deno.statSync(path);
    return { ino, size, mtime: mtime?.getTime() };
  } catch {
    return undefined;
  }
}

/**
 * Does something with a folder's store, for a command. What goes wrong is printed; returns the exit
 * code.
 *
 * @param work returns what to print: a text for people, or an object that `--json` prints as it is
 * @param alone no other command runs meanwhile, so that each finds the audit log as the one before
 *   it left it; for those
 * that only read it is false
 */
export async function withStore(
  dir: string,
  asJson: boolean | undefined,
  work: (
    store: SqliteStore,
    config: Config,
  ) => Promise<{ text: string; json: unknown; code?: number }>,
  alone = true,
): Promise<number> {
  const result = await loadConfig(dir);
  if (!result.ok) {
    console.error(
      `nexus: the configuration ${configPath(dir)} is not right:\n${
        formatProblems(result.problems)
      }`,
    );
    return 1;
  }
  let store: SqliteStore | undefined, lock: StoreLock | undefined;
  try {
    const path = storePath(dir, result.config);
    if (path && alone) {
      lock = await StoreLock.take(path, { of: "commands", timeout: COMMAND_LOCK_TIMEOUT_MS });
    }
    if (path === undefined) {
      throw new NexusError(
        "invalid",
        `the store is ${result.config.store}, which no command can open`,
      );
    }
    store = new SqliteStore({ path, lockTimeout: STORE_LOCK_TIMEOUT_MS });
    if (store.trouble !== undefined) throw new NexusError("invalid", store.trouble);
    const { text, json, code = 0 } = await work(store, result.config);
    store.flush();
    if (store.trouble !== undefined) {
      throw new NexusError("invalid", `nothing was written: ${store.trouble}`);
    }
    console.log(asJson ? JSON.stringify(json) : text);
    return code;
  } catch (error) {
    return printFailure(error);
  } finally {
    await store?.close();
    lock?.release();
  }
}

/** Milliseconds to wait for the gateway to be done writing. */
const STORE_LOCK_TIMEOUT_MS = 5_000;

/** Milliseconds to wait for other commands. */
const COMMAND_LOCK_TIMEOUT_MS = 10_000;

/**
 * Prints what went wrong; what is not ours is shown as it is, because whoever stands at the
 * terminal is who can mend it.
 */
export function printFailure(thrown: unknown): number {
  const error = asNexusError(thrown);
  console.error(
    `nexus: ${error.code === "internal" ? (thrown as Error).message : error.detail ?? error.code}`,
  );
  return 1;
}
