/**
 * The store that a folder's configuration names, for every command that reads or writes what is kept.
 */
import { isAbsolute, join } from "node:path";
import { SqliteStore } from "../backends/sqlite.ts";
import type { Config } from "../config.ts";
import { asNexusError, NexusError } from "../core/error.ts";
import { configPath, listed, loadConfig } from "./files.ts";
import { StoreLock } from "./lock.ts";

/** The file of the store; nothing where it is in memory. */
export function storePath(dir: string, config: Config): string | undefined {
  if (config.store === "memory:") return undefined;
  return isAbsolute(config.store) ? config.store : join(dir, config.store);
}

/** Opens it, or nothing for the store in memory, which every app has. Throws `NexusError("invalid")` where it is not ours. */
export function openStore(
  dir: string,
  config: Config,
  onTrouble?: (trouble: string | undefined) => void,
): SqliteStore | undefined {
  const path = storePath(dir, config);
  return path === undefined ? undefined : new SqliteStore({ path, onTrouble });
}

/**
 * Does something with a folder's store, for a command. What goes wrong is printed; returns the exit code.
 *
 * @param work returns what to print: a text for people, or an object that `--json` prints as it is
 * @param alone no other command runs meanwhile, so that each finds the audit log as the one before it left it; for those
 * that only read it is false
 */
export async function withStore(
  dir: string,
  asJson: boolean | undefined,
  work: (store: SqliteStore, config: Config) => Promise<{ text: string; json: unknown; code?: number }>,
  alone = true,
): Promise<number> {
  const result = await loadConfig(dir);
  if (!result.ok) {
    console.error(`nexus: the configuration ${configPath(dir)} is not right:\n${listed(result.problems)}`);
    return 1;
  }
  let store: SqliteStore | undefined, lock: StoreLock | undefined;
  try {
    const path = storePath(dir, result.config);
    if (path && alone) lock = await StoreLock.take(path, { of: "commands", patience: COMMANDS });
    store = openStore(dir, result.config);
    if (!store) throw new NexusError("invalid", `the store is ${result.config.store}, which no command can open`);
    if (store.trouble !== undefined) throw new NexusError("invalid", store.trouble);
    const { text, json, code = 0 } = await work(store, result.config);
    store.flush();
    if (store.trouble !== undefined) throw new NexusError("invalid", `nothing was written: ${store.trouble}`);
    console.log(asJson ? JSON.stringify(json) : text);
    return code;
  } catch (error) {
    return failed(error);
  } finally {
    await store?.close();
    lock?.release();
  }
}

/** Milliseconds to wait for other commands. */
const COMMANDS = 10_000;

/** Prints what went wrong; what is not ours is shown as it is, because whoever stands at the terminal is who can mend it. */
export function failed(thrown: unknown): number {
  const error = asNexusError(thrown);
  console.error(`nexus: ${error.code === "internal" ? (thrown as Error).message : error.detail ?? error.code}`);
  return 1;
}
