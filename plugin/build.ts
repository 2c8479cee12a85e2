/**
 * This is how the plugin is built: one folder that OpenClaw loads on Node, and a tarball that it installs. The sources are the
 * same TypeScript as the gateway's; esbuild joins them, OpenClaw itself stays outside, and nothing else is needed at run time.
 *
 * ```sh
 * deno task build:plugin     # plugin/dist/package/, plugin/dist/openclaw-nexus-2.0.0.tgz
 * ```
 */
import * as esbuild from "esbuild";
import ts from "typescript";

const HERE = new URL("./", import.meta.url);
const ROOT = new URL("../", import.meta.url);

/** Source → built name. OpenClaw finds the two contracts by their names. */
const ENTRIES = {
  "index": "src/index.ts",
  "setup-entry": "src/setup_entry.ts",
  "secret-contract-api": "src/secret_contract_api.ts",
  "doctor-contract-api": "src/doctor_contract_api.ts",
};

/** Builds the package and packs it; returns the tarball's path. */
export async function buildPlugin(out: URL = new URL("dist/", HERE)): Promise<string> {
  const folder = new URL("package/", out);
  await Deno.remove(out, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(new URL("dist/", folder), { recursive: true });
  const { version } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  await bundle(folder);
  await declare(folder);
  for (
    const [from, to] of [["package.template.json", "package.json"], ["openclaw.plugin.json", "openclaw.plugin.json"]]
  ) {
    const json = JSON.parse(await Deno.readTextFile(new URL(from!, HERE)));
    await Deno.writeTextFile(new URL(to!, folder), JSON.stringify({ ...json, version }, null, 2) + "\n");
  }
  for (const name of ["README.md", "README.zh.md", "assets/icon.png", "assets/activity.svg"]) {
    await Deno.mkdir(new URL(name + "/..", folder), { recursive: true });
    await Deno.copyFile(new URL(name, HERE), new URL(name, folder));
  }
  await Deno.copyFile(new URL("LICENSE", ROOT), new URL("LICENSE", folder));
  return await pack(folder, out);
}

async function bundle(folder: URL): Promise<void> {
  try {
    await esbuild.build({
      entryPoints: Object.fromEntries(Object.entries(ENTRIES).map(([to, from]) => [to, new URL(from, HERE).pathname])),
      outdir: new URL("dist/", folder).pathname,
      bundle: true,
      splitting: true,
      chunkNames: "chunk-[hash]",
      format: "esm",
      platform: "node",
      // OpenClaw runs on 24.16 and later; nothing below 24 is tried.
      target: "node24",
      sourcemap: true,
      sourcesContent: true,
      legalComments: "none",
      external: ["openclaw", "openclaw/*"],
      logLevel: "warning",
      // Deno's own deno.json is of no interest to esbuild, and its import map must not leak in.
      tsconfigRaw: {},
    });
  } finally {
    await esbuild.stop();
  }
}

/** The declarations of the entries, file by file: each says its types itself. */
async function declare(folder: URL): Promise<void> {
  for (const [to, from] of Object.entries(ENTRIES)) {
    const { outputText, diagnostics } = ts.transpileDeclaration(await Deno.readTextFile(new URL(from, HERE)), {
      fileName: from,
      reportDiagnostics: true,
      compilerOptions: { isolatedDeclarations: true, declaration: true, module: ts.ModuleKind.NodeNext, strict: true },
    });
    const wrong = diagnostics?.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n")) ?? [];
    if (wrong.length > 0) throw new Error(`${from} does not declare its types: ${wrong.join("; ")}`);
    await Deno.writeTextFile(new URL(`dist/${to}.d.ts`, folder), outputText);
  }
}

async function pack(folder: URL, out: URL): Promise<string> {
  const { stdout, stderr, success } = await new Deno.Command("npm", {
    args: ["pack", "--json", "--ignore-scripts", "--pack-destination", out.pathname],
    cwd: folder,
  }).output();
  if (!success) throw new Error(`npm pack failed: ${new TextDecoder().decode(stderr)}`);
  const [{ filename }] = JSON.parse(new TextDecoder().decode(stdout));
  return new URL(filename, out).pathname;
}

if (import.meta.main) {
  const tarball = await buildPlugin();
  const { size } = await Deno.stat(tarball);
  console.log(`${tarball} (${(size / 1024).toFixed(0)} KiB)`);
}
