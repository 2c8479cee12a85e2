/**
 * A browser for tests: `CHROME_PATH`, else Debian's chromium, else the one inside the npm package
 * `@sparticuz/chromium`, which needs nothing installed. The packages are named here and not in
 * deno.json, so that nobody who only runs the gateway fetches a browser.
 */
import { tmpdir } from "node:os";
// deno-lint-ignore no-import-prefix -- see above
import type { Browser, Page as Tab } from "npm:playwright-core@1.63.0";

export type { Browser, BrowserContext, Page as Tab } from "npm:playwright-core@1.63.0";

/** What works without a user namespace, a GPU and a network. */
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];

/** Where a browser is, or `undefined` when none can be had. */
export async function findBrowser(): Promise<string | undefined> {
  const named = Deno.env.get("CHROME_PATH");
  for (
    const path of [
      named,
      "/usr/bin/chromium",
      "/usr/bin/google-chrome",
      "/usr/bin/chromium-browser",
    ]
  ) {
    if (path && await isFile(path)) return path;
  }
  return await unpackBrowser();
}

/**
 * Lets the package unpack its browser into the system's folder for temporary files, and says where.
 * In a process of its own, outside of the project: what that fetches is nobody's business who runs
 * the gateway, and must not enter its lock file.
 */
async function unpackBrowser(): Promise<string | undefined> {
  const script =
    `import packed from "npm:@sparticuz/chromium@153.0.0"; console.log(await packed.executablePath());`;
  const folder = await Deno.makeTempDir();
  try {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        "--quiet",
        "--no-lock",
        "--no-config",
        "--minimum-dependency-age=P60D",
        script,
      ],
      cwd: folder,
    }).output();
    const path = new TextDecoder().decode(stdout).trim();
    if (success && await isFile(path)) return path;
    console.warn(
      `no browser: none is installed, and none can be unpacked: ${
        new TextDecoder().decode(stderr).trim()
      }`,
    );
    return undefined;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * Whether it is the package's browser: the headless shell, which has no notifications (their
 * permission is always "denied").
 */
export function isHeadlessShell(path: string): boolean {
  return path.startsWith(`${tmpdir()}/`);
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}

/** Starts the browser; `await browser.close()` ends it. */
export async function openBrowser(path: string, extra: readonly string[] = []): Promise<Browser> {
  // deno-lint-ignore no-import-prefix -- see above
  const { chromium } = await import("npm:playwright-core@1.63.0");
  return await chromium.launch({
    executablePath: path,
    args: [...FLAGS, ...extra],
    headless: true,
  });
}

/** What a tab said that it should not: errors, requests to elsewhere, breaches of the policy. */
export function listen(tab: Tab, origin: string): { readonly faults: string[] } {
  const faults: string[] = [];
  tab.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  tab.on("console", (message) => {
    const text = message.text();
    // The browser reports each answer that is not a 2xx; those are tested by what the page makes of
    // them.
    if (message.type() === "error" && !/Failed to load resource/.test(text)) {
      faults.push(`console: ${text}`);
    } else if (/Content Security Policy|TrustedHTML|TrustedScript/.test(text)) {
      faults.push(`policy: ${text}`);
    }
  });
  tab.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !/^(?:data|blob):/.test(url)) {
      faults.push(`request: ${url.slice(0, 200)}`);
    }
  });
  return { faults };
}
