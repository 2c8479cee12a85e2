/**
 * This is `deno task pack`: the npm package, for `npm install -g` and `npx`. It makes `dist/npm/`
 * (the bundled program, the page, a launcher) and a tarball of it in `dist/`.
 *
 * The launcher is Node; the program runs under Deno, the one on the PATH or the one from npm.
 */
import { bundleInto, ROOT, version } from "./bundle.ts";

const DIST = new URL("dist/", ROOT);

const README = `# Nexus

A gateway between people and the AI bots that answer them. \`npx nexus-gateway\` starts it in the current folder;
\`nexus --help\` tells the rest. It runs under Deno: the one on the PATH (2.9 or later), else the npm package \`deno\`.
`;

if (import.meta.main) {
  if (Deno.args.includes("--no-tarball")) await writePackage(new URL("npm/", DIST));
  else console.log(await packInto(DIST));
}

/** Makes `npm/` and a tarball of it in a folder. Returns the path of the tarball. */
export async function packInto(folder: URL): Promise<string> {
  const source = new URL("npm/", folder);
  await writePackage(source);
  const { success, stdout, stderr } = await new Deno.Command("npm", {
    args: ["pack", "--silent", "--pack-destination", folder.pathname],
    cwd: source,
  }).output();
  if (!success) throw new Error(`npm pack failed:\n${new TextDecoder().decode(stderr)}`);
  return new URL(new TextDecoder().decode(stdout).trim(), folder).pathname;
}

async function writePackage(folder: URL): Promise<void> {
  await bundleInto(folder);
  await Deno.copyFile(new URL("deploy/npm/nexus.mjs", ROOT), new URL("launch.mjs", folder));
  await Deno.chmod(new URL("launch.mjs", folder), 0o755);
  await Deno.copyFile(new URL("LICENSE", ROOT), new URL("LICENSE", folder));
  await Deno.writeTextFile(new URL("README.md", folder), README);
  await Deno.writeTextFile(
    new URL("package.json", folder),
    JSON.stringify(manifest(await version()), null, 2) + "\n",
  );
}

function manifest(version: string) {
  return {
    name: "nexus-gateway",
    version,
    description: "A gateway between people and the AI bots that answer them",
    license: "MIT",
    type: "module",
    // `nexus-gateway` is the name of Nexus 1.x, and the one that npx takes because the package is
    // called so.
    bin: { "nexus": "launch.mjs", "nexus-gateway": "launch.mjs" },
    files: ["launch.mjs", "nexus.js", "static/"],
    engines: { node: ">=18" },
  };
}
