/**
 * This is the build of the page: `src/web/` becomes `static/build/`, with hashed names, split where
 * a part is only needed later (code languages, maths, admin pages), and with `.br` and `.gz` beside
 * every text.
 *
 * npm packages are taken from where Deno keeps them: `deno info` names the folder of each package
 * in the page's graph (and fetches what is missing), so no `node_modules` is needed and the second
 * build works without a network.
 *
 * ```ts
 * await buildPage({ outDir: "static/build", minify: true });
 * ```
 */
import * as esbuild from "esbuild";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { sourcesState } from "./sources.ts";

/** What to build, and how. */
export interface BuildOptions {
  /** Where the files go; emptied first. */
  readonly outDir: string;
  readonly minify: boolean;
  /** Builds again whenever a source changes, until {@linkcode PageBuild.stop}. */
  readonly watch?: boolean;
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

/** Builds the page. Throws with esbuild's own words when a source does not compile. */
export async function buildPage(options: BuildOptions): Promise<PageBuild> {
  const packages = await packagesOf(join(here, "main.tsx"));
  const outDir = resolve(options.outDir);
  const shared = {
    bundle: true,
    minify: options.minify,
    target: ["es2022", "chrome111", "firefox115", "safari16.4"],
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    charset: "utf8",
    logLevel: "silent",
    write: false,
    define: { __STANDALONE__: "false", __DEV__: String(!options.minify) },
  } satisfies esbuild.BuildOptions;

  const highlightWorker = await esbuild.build({
    ...shared,
    entryPoints: { highlight_worker: join(here, "markdown/highlight_worker.ts") },
    outdir: outDir,
    format: "esm",
    splitting: true,
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    plugins: [fromDenoCache(packages)],
  });
  const nameOf = ({ path }: esbuild.OutputFile) => path.slice(outDir.length + 1);
  const highlightWorkerName = highlightWorker.outputFiles.map(nameOf).find((name) =>
    name.startsWith("highlight_worker-")
  )!;

  const fonts = new Map<string, Uint8Array>();
  const pageOptions = {
    ...shared,
    entryPoints: {
      app: join(here, "main.tsx"),
      theme: join(here, "initial_theme.ts"),
      page: join(here, "style/page.css"),
    },
    outdir: outDir,
    format: "esm",
    splitting: true,
    metafile: true,
    define: {
      ...shared.define,
      __HIGHLIGHT_WORKER__: JSON.stringify(`/build/${highlightWorkerName}`),
    },
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    plugins: [fromDenoCache(packages), katexSheet(packages, "file", fonts)],
  } satisfies esbuild.BuildOptions;

  const writePage = async (result: esbuild.BuildResult<typeof pageOptions>): Promise<Manifest> => {
    const files = new Map<string, Uint8Array>(fonts);
    for (const file of [...highlightWorker.outputFiles, ...result.outputFiles]) {
      files.set(nameOf(file), file.contents);
    }
    const first = firstLoad(result.metafile, outDir);
    const template = await Deno.readTextFile(join(staticDir, "index.html"));
    files.set("index.html", encode(fillTemplate(template, first)));
    const version = await digest(files);
    const worker = await esbuild.build({
      ...shared,
      entryPoints: [join(here, "service_worker.ts")],
      format: "iife",
      define: {
        ...shared.define,
        __VERSION__: JSON.stringify(version),
        // The shell: what must be there for the page to start and to say that it is offline. The
        // rest is kept as it is used.
        __SHELL__: JSON.stringify(first.map((name) => `/build/${name}`)),
      },
    });
    files.set("sw.js", worker.outputFiles[0]!.contents);
    return await writeAll(outDir, files, { version, first });
  };

  const writeStandalone = async () => {
    if (!options.standaloneDir) return;
    const result = await esbuild.build({
      ...shared,
      entryPoints: { app: join(here, "main.tsx"), page: join(here, "style/page.css") },
      outdir: outDir,
      format: "iife",
      define: { ...shared.define, __STANDALONE__: "true", __HIGHLIGHT_WORKER__: '""' },
      plugins: [fromDenoCache(packages), katexSheet(packages, "dataurl", new Map())],
    });
    const of = (end: string) =>
      result.outputFiles.filter((file) => file.path.endsWith(end)).map((file) => file.text).join(
        "\n",
      );
    const css = of(".css");
    const icon = await Deno.readTextFile(join(staticDir, "icons/icon.svg"));
    await Deno.mkdir(options.standaloneDir, { recursive: true });
    await Deno.writeTextFile(
      join(options.standaloneDir, "web-chat.html"),
      await oneFile(of(".js"), css, icon),
    );
  };

  if (!options.watch) {
    try {
      // Looked at before they are read: a change in between is seen at the next start.
      const state = await sourcesState(root);
      const manifest = await writePage(await esbuild.build(pageOptions));
      if (state) await Deno.writeTextFile(join(outDir, "sources"), state);
      await writeStandalone();
      return { manifest, stop: () => Promise.resolve() };
    } finally {
      await esbuild.stop();
    }
  }

  let built!: (manifest: Manifest) => void;
  const firstBuild = new Promise<Manifest>((resolve) => built = resolve);
  const context = await esbuild.context({
    ...pageOptions,
    plugins: [...pageOptions.plugins, {
      name: "write",
      setup: (build) =>
        build.onEnd(async (result) => {
          if (result.errors.length) {
            return console.error(result.errors.map((error) => error.text).join("\n"));
          }
          built(await writePage(result as esbuild.BuildResult<typeof pageOptions>));
        }),
    }],
  });
  await context.watch();
  return {
    manifest: await firstBuild,
    async stop() {
      await context.dispose();
      await esbuild.stop();
    },
  };
}

/** Package name → folder, for everything that `entry` reaches. */
async function packagesOf(entry: string): Promise<Map<string, string>> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: resolve(here, "../.."),
  }).output();
  if (code !== 0) {
    throw new Error(`Cannot list the page's packages: ${new TextDecoder().decode(stderr)}`);
  }
  const graph = JSON.parse(new TextDecoder().decode(stdout)) as {
    npmPackages: Record<string, { name: string; localPath: string }>;
  };
  return new Map(Object.values(graph.npmPackages).map((found) => [found.name, found.localPath]));
}

/** Lets esbuild find bare imports in the folders that Deno downloaded to. */
function fromDenoCache(packages: Map<string, string>): esbuild.Plugin {
  const self = Symbol("asked by this plugin");
  return {
    name: "from-deno-cache",
    setup(build) {
      build.onResolve({ filter: /^[@a-z]/i }, async (args) => {
        if (args.pluginData === self || args.kind === "entry-point" || args.kind === "url-token") {
          return undefined;
        }
        // linear: only imports of our own are read.
        const [, name, rest] = /^((?:@[^/]+\/)?[^/]+)(\/.*)?$/.exec(args.path)!;
        const folder = packages.get(name!);
        if (!folder) {
          return {
            errors: [{ text: `"${args.path}" is not in the page's graph; is it in deno.json?` }],
          };
        }
        // A package may name itself inside its own folder: this applies its "exports" without a
        // node_modules above it.
        const found = await build.resolve(args.path, {
          resolveDir: folder,
          kind: args.kind,
          pluginData: self,
        });
        if (found.errors.length === 0) return found;
        return await build.resolve(`.${rest ?? ""}`, {
          resolveDir: folder,
          kind: args.kind,
          pluginData: self,
        });
      });
    },
  };
}

/**
 * Fills `katex_css.ts`: the styles as text, and the fonts as files beside the page or inside of
 * the text.
 */
function katexSheet(
  packages: Map<string, string>,
  fonts: "file" | "dataurl",
  files: Map<string, Uint8Array>,
): esbuild.Plugin {
  return {
    name: "katex-sheet",
    setup(build) {
      build.onLoad({ filter: /katex_css\.ts$/ }, async () => {
        const outdir = "/fonts";
        const result = await esbuild.build({
          entryPoints: [join(packages.get("katex")!, "dist/katex.min.css")],
          bundle: true,
          minify: true,
          write: false,
          outdir,
          publicPath: "/build",
          assetNames: "[name]-[hash]",
          // Every browser the page runs in reads woff2.
          loader: { ".woff2": fonts, ".woff": "empty", ".ttf": "empty" },
        });
        let css = "";
        for (const file of result.outputFiles) {
          if (file.path.endsWith(".css")) css = file.text;
          else if (file.path.endsWith(".woff2")) {
            files.set(file.path.slice(outdir.length + 1), file.contents);
          }
        }
        return { contents: `export const css = ${JSON.stringify(css)};`, loader: "ts" };
      });
    },
  };
}

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

async function oneFile(script: string, css: string, icon: string): Promise<string> {
  const code = script.replaceAll("</script", "<\\/script");
  const hash = async (text: string) =>
    `'sha256-${new Uint8Array(await crypto.subtle.digest("SHA-256", encode(text))).toBase64()}'`;
  const policy = [
    "default-src 'none'",
    `script-src ${await hash(code)}`,
    `style-src ${await hash(css)}`,
    "img-src data: blob:",
    "font-src data:",
    "connect-src http: https:",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types dompurify nexus",
  ].join("; ");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover, interactive-widget=resizes-content">
<meta name="referrer" content="no-referrer">
<title>Nexus</title>
<link rel="icon" href="data:image/svg+xml,${encodeURIComponent(icon)}">
<style>${css}</style>
</head>
<body>
<div id="page"></div>
<script>${code}</script>
</body>
</html>
`;
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
