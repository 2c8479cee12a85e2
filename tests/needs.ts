/**
 * What a test may need of the machine. Without it the test is ignored; with `REQUIRE_ALL=1`, as on
 * a build machine, it is an error instead, except for the needs in `MAY_LACK` (separated by
 * commas): those that the machine cannot have.
 *
 * Run as a program, it prints the needs that are not met, one a line.
 */
import { node, output } from "./conform/runtime.ts";
import { findBrowser, isHeadlessShell } from "./web/browser.ts";

/** Every need, and whether the machine meets it. */
const PROBES = {
  "linux": () => Deno.build.os === "linux",
  "a Unix": () => Deno.build.os !== "windows",
  "chromium": async () => await findBrowser() !== undefined,
  /** The headless shell of the npm package has none. */
  "chromium with notifications": async () => {
    const path = await findBrowser();
    return path !== undefined && !isHeadlessShell(path);
  },
  "nginx": async () => await has("nginx") || await has("/usr/sbin/nginx"),
  "node": () => has("node"),
  "npm": () => has("npm"),
  /** Version 20.10 or later. */
  "node with WebSocket": () => node() !== undefined,
  "python3": () => has("python3"),
  "python3 with websockets": () => output("python3", "-c", "import websockets") !== undefined,
  "openssl": () => has("openssl"),
  "setsid": () => has("setsid"),
  "systemd-analyze": () => has("systemd-analyze"),
  "tar": () => has("tar"),
  "gzip": () => has("gzip"),
  "mount": canMount,
};

export type Need = keyof typeof PROBES;

const met = new Map<Need, Promise<boolean>>();

/** For a test's `ignore`: whether one of its needs is not met. Throws where that is an error. */
export async function lacks(...needs: readonly Need[]): Promise<boolean> {
  let isIgnored = false;
  for (const need of needs) {
    if (await isMet(need)) continue;
    if (!mayLack(need, Deno.env.get("REQUIRE_ALL"), Deno.env.get("MAY_LACK"))) {
      throw new Error(`REQUIRE_ALL is set, and a test needs ${need}`);
    }
    isIgnored = true;
  }
  return isIgnored;
}

/** Whether a test may be ignored because this is not there. */
export function mayLack(need: string, requireAll = "", may = ""): boolean {
  return requireAll === "" || may.split(",").some((one) => one.trim() === need);
}

function isMet(need: Need): Promise<boolean> {
  const known = met.get(need);
  if (known) return known;
  const found = Promise.resolve(PROBES[need]());
  met.set(need, found);
  return found;
}

/** Whether a program is on the PATH, or at this path. */
export async function has(program: string): Promise<boolean> {
  if (Deno.build.os === "windows") return false;
  return (await new Deno.Command("sh", { args: ["-c", `command -v ${program}`] }).output()).success;
}

/** Only root may mount, and only where the machine lets it. */
function canMount(): boolean {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const dir = Deno.makeTempDirSync();
  const run = (command: string, ...args: string[]) =>
    new Deno.Command(command, { args, stderr: "null" }).outputSync();
  try {
    if (!run("mount", "-t", "tmpfs", "-o", "size=1m", "nexus-test", dir).success) return false;
    run("umount", dir);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  } finally {
    Deno.removeSync(dir);
  }
}

if (import.meta.main) {
  for (const need of Object.keys(PROBES) as Need[]) if (!await isMet(need)) console.log(need);
}
