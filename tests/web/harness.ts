/**
 * The real page in a real browser against a real gateway with bots on real sockets: what every
 * browser test starts with.
 */
import { servePage } from "../../src/channels/api/page.ts";
import type { BuildOptions } from "../../src/web/build/build.ts";
import { sourcesState } from "../../src/web/build/sources.ts";
import { type Frame, startWorld, type TestBot, type World } from "../world.ts";
import {
  type Browser,
  type BrowserContext,
  findBrowser,
  listen,
  openBrowser,
  type Tab,
} from "./browser.ts";

const STATIC = new URL("../../static/", import.meta.url);

/** The path of the browser; tests are ignored without one. */
export const chrome = await findBrowser();

/** Answers for the page's files, built anew when a source is not what it was. */
export async function pageFiles(): Promise<(request: Request) => Promise<Response>> {
  if (await isStale()) {
    await buildApart({ outDir: new URL("build", STATIC).pathname, minify: true });
  }
  return servePage({
    read: async (path) => {
      try {
        return await Deno.readFile(new URL(path, STATIC));
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    },
  });
}

/**
 * Builds in a process of its own: the compiler's may outlive the build by a moment, and the
 * sanitizers see it.
 */
export async function buildApart(options: BuildOptions): Promise<void> {
  const module = new URL("../../src/web/build/build.ts", import.meta.url).href;
  const code = `import { buildPage } from "${module}"; await buildPage(${
    JSON.stringify(options)
  });`;
  const config = decodeURIComponent(new URL("../../deno.json", import.meta.url).pathname);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--config", config, code],
  })
    .output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

async function isStale(): Promise<boolean> {
  try {
    return await Deno.readTextFile(new URL("build/sources", STATIC)) !==
      await sourcesState(new URL("../", STATIC));
  } catch {
    return true;
  }
}

export interface Scene extends AsyncDisposable {
  readonly world: World;
  readonly browser: Browser;
  /** A tab of a browser of its own, at the page, not signed in. */
  open(options?: OpenOptions): Promise<Visit>;
  /** The same, signed in. */
  visit(options?: OpenOptions): Promise<Visit>;
}

export interface OpenOptions {
  readonly user?: string;
  readonly locale?: string;
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  readonly touch?: boolean;
  readonly path?: string;
  /** Another tab of the same browser. */
  readonly beside?: Visit;
}

export interface Visit {
  readonly tab: Tab;
  readonly context: BrowserContext;
  /** Must be empty at the end. */
  readonly faults: string[];
  /** Types into the composer and presses Enter. */
  say(text: string): Promise<void>;
  /** Waits until the page shows this text. */
  sees(text: string | RegExp, within?: string): Promise<void>;
  close(): Promise<void>;
}

/** Opens the scene; `await using` closes browser, bots and gateway. */
export async function openScene(settings: Record<string, unknown> = {}): Promise<Scene> {
  const files = await pageFiles();
  const world = await startWorld({ demo: false, ...settings }, { page: files });
  const browser = await openBrowser(chrome!);
  const open = async (options: OpenOptions = {}): Promise<Visit> => {
    const context = options.beside?.context ?? await browser.newContext({
      viewport: { width: options.width ?? 1280, height: options.height ?? 800 },
      locale: options.locale ?? "en-US",
      colorScheme: options.dark ? "dark" : "light",
      hasTouch: options.touch ?? false,
      isMobile: options.touch ?? false,
      reducedMotion: "reduce",
    });
    // Long enough for a machine that does six other things; nothing waits for it when all is well.
    context.setDefaultTimeout(30_000);
    const tab = await context.newPage();
    const { faults } = listen(tab, world.url);
    await tab.goto(world.url + (options.path ?? "/"));
    return {
      tab,
      context,
      faults,
      async say(text) {
        await tab.fill("#composer", text);
        await tab.press("#composer", "Enter");
      },
      async sees(text, within = "body") {
        await tab.locator(within).getByText(text).first().waitFor();
      },
      close: () => options.beside ? tab.close() : context.close(),
    };
  };
  return {
    world,
    browser,
    open,
    async visit(options = {}) {
      const visit = await open(options);
      const { tab } = visit;
      if (options.beside) {
        await tab.waitForSelector("#composer");
        return visit;
      }
      const user = options.user ?? "alice";
      await tab.fill("[name=username]", user);
      await tab.fill("[name=password]", `${user}-pass`);
      await tab.press("[name=password]", "Enter");
      await tab.waitForSelector("#composer");
      return visit;
    },
    async [Symbol.asyncDispose]() {
      await browser.close();
      await world[Symbol.asyncDispose]();
    },
  };
}

/** A reply's frames in the words of protocol version 1. */
export function reply(
  bot: TestBot,
  chat: Frame,
  content: string,
  done = false,
  more: Record<string, unknown> = {},
): void {
  bot.send({
    type: "reply",
    id: crypto.randomUUID(),
    replyTo: chat.id,
    content,
    done,
    timestamp: Date.now(),
    ...more,
  });
}
