/**
 * The page as files: built at the first start where it is not built yet, and again where its
 * sources are not those it was built of (a `git pull`). Where there are no sources, as in what is
 * installed, the page comes built.
 */
import { servePage } from "../channels/api/page.ts";
import type { Observer } from "../core/observer.ts";
import { sourcesState } from "../web/build/sources.ts";

/** Where the page is, and what builds it; for tests. */
export interface PagePlace {
  /**
   * The folder of `static/` and `src/`: beside `main.ts`, or beside the one file that everything is
   * bundled into.
   */
  readonly root: URL;
  build(outDir: string): Promise<unknown>;
}

const OWN: PagePlace = {
  root: new URL(".", Deno.mainModule),
  async build(outDir) {
    // Only here, because the compiler is of no use once the page is built.
    const { buildPage } = await import("../web/build/build.ts");
    await buildPage({ outDir, minify: true });
  },
};

/** What answers requests for the page, or nothing where there is none. */
export async function openPage(
  observer: Observer,
  { root, build }: PagePlace = OWN,
): Promise<((request: Request) => Response | Promise<Response>) | undefined> {
  const read = (path: string) => readIn(new URL("static/", root), path);
  const built = await read("build/manifest.json") !== undefined;
  try {
    if (!built || await isStale(root, read)) await build(new URL("static/build", root).pathname);
  } catch (error) {
    observer.tell({ type: "fault", where: "building the page", error });
    // A gateway without its page still answers programs and bots, and the page of yesterday is a
    // page.
    if (await read("build/manifest.json") === undefined) return undefined;
  }
  return servePage({ read });
}

type Read = (path: string) => Promise<Uint8Array<ArrayBuffer> | undefined>;

async function isStale(root: URL, read: Read): Promise<boolean> {
  const now = await sourcesState(root);
  if (now === undefined) return false;
  const then = await read("build/sources");
  return then === undefined || new TextDecoder().decode(then) !== now;
}

async function readIn(folder: URL, path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await Deno.readFile(new URL(path, folder));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
