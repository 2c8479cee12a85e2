/**
 * esbuild plugins of the page: npm packages from Deno's cache, and KaTeX's styles with their fonts.
 */
import * as esbuild from "esbuild";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Package name → folder, for everything that `entry` reaches. */
export async function packagesOf(entry: string): Promise<Map<string, string>> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: fileURLToPath(new URL("../../../", import.meta.url)),
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
export function fromDenoCache(packages: Map<string, string>): esbuild.Plugin {
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
export function katexCss(
  packages: Map<string, string>,
  fonts: "file" | "dataurl",
  files: Map<string, Uint8Array>,
): esbuild.Plugin {
  return {
    name: "katex-css",
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
