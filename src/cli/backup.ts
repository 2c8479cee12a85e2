/**
 * `nexus backup` and `nexus restore`: the store as one file, taken while the gateway runs, and put
 * back while it does not.
 */
import { backupStore, restoreStore } from "../backends/sqlite_backup.ts";
import { NexusError } from "../core/error.ts";
import { readOptions } from "./command.ts";
import { configPath, formatProblems, loadConfig } from "./config_file.ts";
import { StoreLock } from "./lock.ts";
import { printFailure, storePath } from "./store.ts";

const OPTIONS = { dir: { type: "string", default: "." } } as const;

export function backup(args: readonly string[]): Promise<number> {
  return onFile(
    args,
    `Usage: nexus backup FILE [--dir DIR]

Copies the store into FILE (created with mode 0600, never overwritten), also while the gateway runs.
Deleted data is not in the copy. Secrets in it: hashes of passwords, tokens and keys, and the secrets of second factors.`,
    (path, file) => {
      backupStore(path, file);
      return `${file}: ${Deno.statSync(file).size} bytes`;
    },
  );
}

export function restore(args: readonly string[]): Promise<number> {
  return onFile(
    args,
    `Usage: nexus restore FILE [--dir DIR]

Puts a backup in the place of the store. The gateway must not run. The backup is checked first. The
previous store stays beside it, with \`.before-restore\` at the end of its name.`,
    async (path, file) => {
      const lock = await StoreLock.take(path, { timeout: 0 });
      try {
        const kept = restoreStore(path, file);
        return `${path}: restored from ${file}${kept ? `; what was there is ${kept}` : ""}`;
      } finally {
        lock.release();
      }
    },
  );
}

async function onFile(
  args: readonly string[],
  usage: string,
  work: (path: string, file: string) => string | Promise<string>,
): Promise<number> {
  const read = readOptions(args, OPTIONS, usage, 1);
  if (typeof read === "number") return read;
  const { values: { dir }, positionals: [file] } = read;
  if (file === undefined) {
    console.error(usage);
    return 2;
  }
  const result = await loadConfig(dir);
  if (!result.ok) {
    console.error(
      `nexus: the configuration ${configPath(dir)} is not right:\n${
        formatProblems(result.problems)
      }`,
    );
    return 1;
  }
  try {
    const path = storePath(dir, result.config);
    if (path === undefined) {
      throw new NexusError("invalid", `the store is ${result.config.store}, which is no file`);
    }
    console.log(await work(path, file));
    return 0;
  } catch (error) {
    return printFailure(error);
  }
}
