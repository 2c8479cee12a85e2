/**
 * The build of the page: `src/web/` becomes `static/build/` with hashed file names and with `.br`
 * and `.gz` copies. Code languages, formulas, account and admin pages are split off and loaded
 * when they are needed.
 *
 * npm packages come from Deno's cache: `deno info` names the folder of each package (and downloads
 * what is missing). So the build needs no `node_modules`, and the second build needs no network.
 *
 * ```ts
 * await buildPage({ outDir: "static/build", minify: true });
 * ```
 */
import * as esbuild from "esbuild";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { fromDenoCache, katexCss, packagesOf } from "./plugins.ts";
import { sourcesState } from "./sources.ts";
import { standalonePage } from "./standalone.ts";

/** What to build, and how. */
export interface BuildOptions {
  /** Where the files go; emptied first. */
  readonly outDir: string;
  readonly minify: boolean;
  /** Builds again whenever a source changes, until {@linkcode PageBuild.stop}. */
  readonly watch?: boolean;
  /** Called after each build while watching. */
  readonly onBuild?: (manifest: Manifest) => void;
  /**
   * Also writes the page as one file that can be hosted anywhere (`web-chat.html`) into this
   * folder.
   */
  readonly standaloneDir?: string;
}

/** A finished build. */
export interface PageBuild {
  /** File name → sizes in bytes; the same as `manifest.json` in the output. */
  readonly manifest: Manifest;
  /** Ends watching. The compiler's process ends with the last build. */
  stop(): Promise<void>;
}

/** `manifest.json`: what the build wrote. */
export interface Manifest {
  /** Changes with any byte of the page. */
  readonly version: string;
  /** The scripts of the first load, entry first. */
  readonly first: readonly string[];
  readonly files: Readonly<
    Record<string, { readonly bytes: number; readonly gzip?: number; readonly br?: number }>
  >;
}

/** `src/web/`. */
const here = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const staticDir = resolve(here, "../../static");

/** The folder of `src/` and `static/`. */
const root = new URL("../../../", import.meta.url);

/** Below this a compressed copy saves less than its headers cost. */
const WORTH_COMPRESSING = 600;

/** Builds the page. Throws esbuild's own errors when a source does not compile. */
export async function buildPage(options: BuildOptions): Promise<PageBuild> {
  const builder = new PageBuilder(options, await packagesOf(join(here, "main.tsx")));
  return options.watch ? await builder.watch() : await builder.once();
}

class PageBuilder {
  readonly #options: BuildOptions;
  readonly #packages: Map<string, string>;
  readonly #outDir: string;
  readonly #shared;
  /** The fonts of formulas: file name → bytes. */
  readonly #fonts = new Map<string, Uint8Array>();
  #highlightWorker: readonly esbuild.OutputFile[] = [];

  constructor(options: BuildOptions, packages: Map<string, string>) {
    this.#options = options;
    this.#packages = packages;
    this.#outDir = resolve(options.outDir);
    this.#shared = {
      bundle: true,
      minify: options.minify,
      target: ["es2022", "chrome111", "firefox115", "safari16.4"],
      jsx: "automatic",
      jsxImportSource: "preact",
      legalComments: "none",
      charset: "utf8",
      logLevel: "silent",
      write: false,
      outdir: this.#outDir,
      define: { __STANDALONE__: "false", __DEV__: String(!options.minify) },
    } satisfies esbuild.BuildOptions;
  }

  async once(): Promise<PageBuild> {
    try {
      // Read before the sources: a change during the build is noticed at the next start.
      const state = await sourcesState(root);
      const manifest = await this.#write(await esbuild.build(await this.#pageOptions()));
      if (state) await Deno.writeTextFile(join(this.#outDir, "sources"), state);
      if (this.#options.standaloneDir) await this.#writeStandalone(this.#options.standaloneDir);
      return { manifest, stop: () => Promise.resolve() };
    } finally {
      await esbuild.stop();
    }
  }

  async watch(): Promise<PageBuild> {
    const first = Promise.withResolvers<Manifest>();
    const pageOptions = await this.#pageOptions();
    const onEnd = async (result: esbuild.BuildResult) => {
      if (result.errors.length > 0) {
        return console.error(result.errors.map(({ text }) => text).join("\n"));
      }
      const manifest = await this.#write(result as PageResult);
      first.resolve(manifest);
      this.#options.onBuild?.(manifest);
    };
    const context = await esbuild.context({
      ...pageOptions,
      plugins: [...pageOptions.plugins, { name: "write", setup: (build) => build.onEnd(onEnd) }],
    });
    await context.watch();
    return {
      manifest: await first.promise,
      async stop() {
        await context.dispose();
        await esbuild.stop();
      },
    };
  }

  /** The options of the page itself. The worker is built first, because the page names its file. */
  async #pageOptions() {
    const names = { entryNames: "[name]-[hash]", chunkNames: "[name]-[hash]" };
    const worker = await esbuild.build({
      ...this.#shared,
      ...names,
      entryPoints: { highlight_worker: join(here, "markdown/highlight_worker.ts") },
      format: "esm",
      splitting: true,
      plugins: [fromDenoCache(this.#packages)],
    });
    this.#highlightWorker = worker.outputFiles;
    const workerName = worker.outputFiles.map((file) => this.#nameOf(file))
      .find((name) => name.startsWith("highlight_worker-"))!;
    return {
      ...this.#shared,
      ...names,
      entryPoints: {
        app: join(here, "main.tsx"),
        theme: join(here, "initial_theme.ts"),
        page: join(here, "style/page.css"),
      },
      format: "esm",
      splitting: true,
      metafile: true,
      define: {
        ...this.#shared.define,
        __HIGHLIGHT_WORKER__: JSON.stringify(`/build/${workerName}`),
      },
      plugins: [fromDenoCache(this.#packages), katexCss(this.#packages, "file", this.#fonts)],
    } satisfies esbuild.BuildOptions;
  }

  /** Writes the scripts, the styles, `index.html` and the service worker. */
  async #write(result: PageResult): Promise<Manifest> {
    const files = new Map<string, Uint8Array>(this.#fonts);
    for (const file of [...this.#highlightWorker, ...result.outputFiles]) {
      files.set(this.#nameOf(file), file.contents);
    }
    const first = firstLoad(result.metafile, this.#outDir);
    const template = await Deno.readTextFile(join(staticDir, "index.html"));
    files.set("index.html", encode(fillTemplate(template, first)));
    const version = await digest(files);
    files.set("sw.js", await this.#serviceWorker(version, first));
    return await writeAll(this.#outDir, files, { version, first });
  }

  /** The service worker. It stores the first load, which can start and say that it is offline. */
  async #serviceWorker(version: string, first: readonly string[]): Promise<Uint8Array> {
    const { outputFiles } = await esbuild.build({
      ...this.#shared,
      entryPoints: [join(here, "service_worker.ts")],
      format: "iife",
      define: {
        ...this.#shared.define,
        __VERSION__: JSON.stringify(version),
        __SHELL__: JSON.stringify(first.map((name) => `/build/${name}`)),
      },
    });
    return outputFiles[0]!.contents;
  }

  async #writeStandalone(folder: string): Promise<void> {
    const { outputFiles } = await esbuild.build({
      ...this.#shared,
      entryPoints: { app: join(here, "main.tsx"), page: join(here, "style/page.css") },
      format: "iife",
      define: { ...this.#shared.define, __STANDALONE__: "true", __HIGHLIGHT_WORKER__: '""' },
      plugins: [
        fromDenoCache(this.#packages),
        katexCss(this.#packages, "dataurl", new Map()),
      ],
    });
    const textOf = (end: string) =>
      outputFiles.filter(({ path }) => path.endsWith(end)).map(({ text }) => text).join("\n");
    const icon = await Deno.readTextFile(join(staticDir, "icons/icon.svg"));
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(
      join(folder, "web-chat.html"),
      await standalonePage(textOf(".js"), textOf(".css"), icon),
    );
  }

  #nameOf({ path }: esbuild.OutputFile): string {
    return path.slice(this.#outDir.length + 1);
  }
}

type PageResult = esbuild.BuildResult<{ write: false; metafile: true }>;

/** The scripts and styles of the first load: the entries and everything they import statically. */
function firstLoad(metafile: esbuild.Metafile, outDir: string): string[] {
  const cwd = Deno.cwd();
  const nameOf = (path: string) => resolve(cwd, path).slice(outDir.length + 1);
  const names: string[] = [];
  const add = (path: string) => {
    const name = nameOf(path);
    if (names.includes(name)) return;
    names.push(name);
    const output = metafile.outputs[path];
    if (output?.cssBundle) add(output.cssBundle);
    for (const used of output?.imports ?? []) if (used.kind === "import-statement") add(used.path);
  };
  for (const [path, output] of Object.entries(metafile.outputs)) {
    if (
      output.entryPoint?.endsWith("page.css") || output.entryPoint?.endsWith("initial_theme.ts")
    ) {
      add(path);
    }
  }
  for (const [path, output] of Object.entries(metafile.outputs)) {
    if (output.entryPoint?.endsWith("main.tsx")) add(path);
  }
  return names;
}

/** `static/index.html` with the hashed names in the place of its one comment. */
function fillTemplate(template: string, first: readonly string[]): string {
  const tags = first.map((name) => {
    if (name.endsWith(".css")) return `<link rel="stylesheet" href="/build/${name}">`;
    // Blocking and tiny: the stored theme is set before the first paint.
    if (name.startsWith("theme-")) return `<script src="/build/${name}"></script>`;
    if (name.startsWith("app-")) return `<script type="module" src="/build/${name}"></script>`;
    return `<link rel="modulepreload" href="/build/${name}">`;
  });
  return template.replace("<!-- build -->", () => tags.join("\n    "));
}

async function digest(files: Map<string, Uint8Array>): Promise<string> {
  const names = encode(
    [...files].map(([name, bytes]) => `${name}:${bytes.length}`).sort().join("\n"),
  );
  const index = files.get("index.html")!;
  const all = new Uint8Array(names.length + index.length);
  all.set(names);
  all.set(index, names.length);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", all)).toHex().slice(0, 16);
}

async function writeAll(
  outDir: string,
  files: Map<string, Uint8Array>,
  head: Pick<Manifest, "version" | "first">,
): Promise<Manifest> {
  await Deno.remove(outDir, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(outDir, { recursive: true });
  const sizes: Record<string, { bytes: number; gzip?: number; br?: number }> = {};
  for (const [name, bytes] of [...files].sort(([a], [b]) => a < b ? -1 : 1)) {
    await Deno.writeFile(join(outDir, name), bytes);
    sizes[name] = { bytes: bytes.length };
    if (!/\.(js|css|html|svg|json)$/.test(name) || bytes.length < WORTH_COMPRESSING) continue;
    const gzip = gzipSync(bytes, { level: 9 });
    const br = brotliCompressSync(bytes, {
      params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    });
    await Deno.writeFile(join(outDir, `${name}.gz`), gzip);
    await Deno.writeFile(join(outDir, `${name}.br`), br);
    sizes[name] = { bytes: bytes.length, gzip: gzip.length, br: br.length };
  }
  const manifest: Manifest = { ...head, files: sizes };
  await Deno.writeTextFile(join(outDir, "manifest.json"), JSON.stringify(manifest, null, 1) + "\n");
  return manifest;
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

if (import.meta.main) {
  const watch = Deno.args.includes("--watch");
  const build = await buildPage({
    outDir: join(staticDir, "build"),
    minify: !watch,
    watch,
    standaloneDir: watch ? undefined : resolve(here, "../../dist"),
  });
  const gzip = build.manifest.first
    .filter((name) => name.endsWith(".js"))
    .reduce(
      (sum, name) =>
        sum + (build.manifest.files[name]?.gzip ?? build.manifest.files[name]?.bytes ?? 0),
      0,
    );
  console.log(
    `The page is built: ${(gzip / 1024).toFixed(1)} KB of script (gzip) in the first load.`,
  );
}
