/**
 * This is how the plugin is built: one folder that OpenClaw loads on Node, and a tarball that it
 * installs. The sources are the same TypeScript as the gateway's; esbuild joins them, OpenClaw
 * itself stays outside, and nothing else is needed at run time.
 *
 * ```sh
 * deno task build:plugin     # plugin/dist/package/, plugin/dist/openclaw-nexus-2.0.0.tgz
 * deno task build:plugin --repository https://github.com/OWNER/NAME --npm --clawhub OWNER/NAME     # for a release
 * ```
 */
import { parseArgs } from "node:util";
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

const READMES = ["README.md", "README.zh.md"];

/**
 * Where a release is published. What is not given is left out of the package: a name that nobody
 * owns is a stranger's to take.
 */
export interface Release {
  /** The public repository, as people open it in a browser. */
  readonly repository?: string;
  /** Whether the package's name on npm is the project's. */
  readonly npm?: boolean;
  /** `owner/name` on OpenClaw's own hub. */
  readonly clawhub?: string;
}

/** Builds the package and packs it; returns the tarball's path. */
export async function buildPlugin(
  out: URL = new URL("dist/", HERE),
  release: Release = {},
): Promise<string> {
  return await pack(await buildPackage(out, release), out);
}

/** Builds the package's folder and returns it. */
export async function buildPackage(out: URL, release: Release = {}): Promise<URL> {
  const folder = new URL("package/", out);
  await Deno.remove(out, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(new URL("dist/", folder), { recursive: true });
  const { version } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  await bundle(folder);
  await declare(folder);
  const read = async (name: string) => JSON.parse(await Deno.readTextFile(new URL(name, HERE)));
  const write = (name: string, value: object) =>
    Deno.writeTextFile(new URL(name, folder), JSON.stringify(value, null, 2) + "\n");
  await write(
    "package.json",
    released({ ...await read("package.template.json"), version }, release),
  );
  await write("openclaw.plugin.json", { ...await read("openclaw.plugin.json"), version });
  for (const name of READMES) {
    const text = await Deno.readTextFile(new URL(name, HERE));
    await Deno.writeTextFile(new URL(name, folder), readme(text, version, release.repository));
  }
  for (const name of ["assets/icon.png", "assets/activity.svg"]) {
    await Deno.mkdir(new URL(name + "/..", folder), { recursive: true });
    await Deno.copyFile(new URL(name, HERE), new URL(name, folder));
  }
  await Deno.copyFile(new URL("LICENSE", ROOT), new URL("LICENSE", folder));
  return folder;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly openclaw: { readonly install: object };
}

/** What npm and OpenClaw's hub show and check of a release. */
function released(manifest: Manifest, { repository, npm = false, clawhub }: Release): object {
  const { name, version, openclaw } = manifest;
  const install = {
    ...(clawhub ? { clawhubSpec: `clawhub:${clawhub}` } : {}),
    ...(npm ? { npmSpec: name } : {}),
    ...(npm || clawhub ? { defaultChoice: npm ? "npm" : "clawhub" } : {}),
    ...openclaw.install,
  };
  const release = { publishToNpm: npm, publishToClawHub: clawhub !== undefined };
  return {
    ...manifest,
    ...(repository
      ? {
        homepage: `${repository}/blob/v${version}/plugin/README.md`,
        repository: { type: "git", url: `git+${repository}.git`, directory: "plugin" },
        bugs: { url: `${repository}/issues` },
      }
      : {}),
    ...(npm ? { publishConfig: { access: "public" } } : {}),
    openclaw: { ...openclaw, install, release },
  };
}

/**
 * The page as it reads outside of the repository: links that lead out of the package become
 * absolute, or plain words.
 */
function readme(text: string, version: string, repository: string | undefined): string {
  return text.replace(
    /\[([^\]\n]*)\]\(\.\.\/([^)\s]*)\)/g,
    (_, words: string, path: string) =>
      repository ? `[${words}](${repository}/blob/v${version}/${path})` : words,
  );
}

async function bundle(folder: URL): Promise<void> {
  try {
    await esbuild.build({
      entryPoints: Object.fromEntries(
        Object.entries(ENTRIES).map(([to, from]) => [to, new URL(from, HERE).pathname]),
      ),
      outdir: new URL("dist/", folder).pathname,
      bundle: true,
      splitting: true,
      chunkNames: "chunk-[hash]",
      format: "esm",
      platform: "node",
      // OpenClaw runs on 24.16 and later; nothing below 24 is tried.
      target: "node24",
      // Two thirds of the tarball, for code that is readable as it is.
      sourcemap: false,
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
    const { outputText, diagnostics } = ts.transpileDeclaration(
      await Deno.readTextFile(new URL(from, HERE)),
      {
        fileName: from,
        reportDiagnostics: true,
        compilerOptions: {
          isolatedDeclarations: true,
          declaration: true,
          module: ts.ModuleKind.NodeNext,
          strict: true,
        },
      },
    );
    const wrong = diagnostics?.map(({ messageText }) =>
      ts.flattenDiagnosticMessageText(messageText, "\n")
    ) ?? [];
    if (wrong.length > 0) {
      throw new Error(`${from} does not declare its types: ${wrong.join("; ")}`);
    }
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
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      repository: { type: "string" },
      npm: { type: "boolean" },
      clawhub: { type: "string" },
    },
  });
  const repository = values.repository?.replace(/(?:\.git)?\/*$/, "");
  const tarball = await buildPlugin(undefined, { ...values, repository });
  const { size } = await Deno.stat(tarball);
  console.log(`${tarball} (${(size / 1024).toFixed(0)} KiB)`);
}
