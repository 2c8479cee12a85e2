/**
 * Follows a file that people edit: editors write in several steps or put a new file in place of the old one, so its folder is watched and a
 * change counts once things are quiet.
 */
import { basename, dirname } from "node:path";

/** Quiet after which a change counts, in milliseconds. */
const QUIET = 150;

/** Calls back after each change, one call at a time. Returns the way to stop. */
export function watchFile(path: string, changed: () => Promise<void>): () => void {
  const name = basename(path);
  const watcher = Deno.watchFs(dirname(path) || ".", { recursive: false });
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running = Promise.resolve();
  (async () => {
    for await (const event of watcher) {
      if (event.kind === "access" || !event.paths.some((one) => basename(one) === name)) continue;
      clearTimeout(timer);
      timer = setTimeout(() => running = running.then(changed), QUIET);
    }
  })();
  return () => {
    clearTimeout(timer);
    watcher.close();
  };
}
