/**
 * The page as files: built at the first start where it is not built yet.
 */
import { page } from "../channels/page.ts";
import type { Observer } from "../core/observer.ts";

/** Beside the program: beside `main.ts`, or beside the one file that everything is bundled into. */
const STATIC = new URL("static/", Deno.mainModule);

/** What answers requests for the page, or nothing where there is none. */
export async function openPage(
  observer: Observer,
): Promise<((request: Request) => Response | Promise<Response>) | undefined> {
  if (!await read("build/manifest.json")) {
    try {
      // Only here, because the compiler is of no use once the page is built.
      const { buildPage } = await import("../web/build.ts");
      await buildPage({ outDir: new URL("build", STATIC).pathname, minify: true });
    } catch (error) {
      // A gateway without its page still answers programs and bots.
      observer.tell({ type: "fault", where: "building the page", error });
      return undefined;
    }
  }
  return page({ read });
}

async function read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await Deno.readFile(new URL(path, STATIC));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
