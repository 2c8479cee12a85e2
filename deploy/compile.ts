/**
 * This is `deno task compile`: Nexus as one file that needs nothing installed, `dist/nexus`.
 *
 * `deno compile` makes it where `denort` (Deno without its tools) can be had: from dl.deno.land,
 * from Deno's cache, or from a file that `DENORT_BIN` names. Where it cannot, the same is made of
 * what is here: a shell script that carries Deno, the bundled program and the page, and unpacks
 * them once into the user's cache. It is larger in use (about 100 MB there) and needs `sh`, `tar`
 * and `gzip` where it runs.
 *
 * `--self-extracting` skips the first way.
 */
import { bundleInto, remove, ROOT, tryDeno, version } from "./bundle.ts";

const DIST = new URL("dist/", ROOT);

if (import.meta.main) {
  const output = new URL("nexus", DIST);
  const bundle = new URL("compile/", DIST);
  await bundleInto(bundle);
  if (Deno.args.includes("--self-extracting") || !await compile(bundle, output)) {
    await selfExtracting(bundle, output);
  }
  await remove(bundle);
  const { size } = await Deno.stat(output);
  console.log(`dist/nexus: ${(size / 1e6).toFixed(1)} MB, for ${Deno.build.target}`);
}

/** Returns whether it could. */
async function compile(bundle: URL, output: URL): Promise<boolean> {
  const denort = Deno.env.get("DENORT_BIN");
  const { success, said } = await tryDeno([
    "compile",
    "-A",
    "--no-check",
    "--include",
    new URL("static", bundle).pathname,
    "--output",
    output.pathname,
    new URL("nexus.js", bundle).pathname,
  ]);
  if (success) return true;
  // A denort that was named and does not work is a mistake to be told, not one to work around.
  if (denort) throw new Error(`deno compile with DENORT_BIN=${denort} failed:\n${said}`);
  console.error(
    `deno compile is not possible here, because denort cannot be had (${reasonIn(said)}). ` +
      "Name a denort of this Deno version by DENORT_BIN, or run this where dl.deno.land can be reached. " +
      "Making a self-extracting program instead.",
  );
  return false;
}

/** The last of the causes that Deno lists, which is the first one that happened. */
function reasonIn(said: string): string {
  const causes = [...said.matchAll(/^\s*(?:\d+: |error: |Caused by:\s*)(?!<unknown>)(\S.*)$/gm)]
    .map(([, cause]) => cause);
  return causes.at(-1)?.trim() ?? "no reason given";
}

/** @param level of gzip; 1 is quick, 9 is small */
export async function selfExtracting(bundle: URL, output: URL, level = 6): Promise<void> {
  const archive = new URL("nexus.tar.gz", bundle);
  await Deno.copyFile(Deno.execPath(), new URL("deno", bundle));
  await Deno.chmod(new URL("deno", bundle), 0o755);
  const files = ["deno", "nexus.js", "static"];
  await run("tar", [
    "-I",
    `gzip -${level}`,
    "-cf",
    archive.pathname,
    "-C",
    bundle.pathname,
    ...files,
  ]);
  const bytes = await Deno.readFile(archive);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex().slice(0, 16);
  const script = new TextEncoder().encode(scriptOf(`${await version()}-${digest}`));
  await remove(output);
  using file = await Deno.open(output, { write: true, create: true, mode: 0o755 });
  const writer = file.writable.getWriter();
  await writer.write(script);
  await writer.write(bytes);
  await writer.close();
}

/** The head of the program: unpacks what follows it, once per version and user, and runs it. */
function scriptOf(id: string): string {
  const lines = `#!/bin/sh
# Nexus ${id}: a shell script with an archive behind it. It unpacks itself into ~/.cache/nexus (or \$XDG_CACHE_HOME/nexus) once.
set -eu
umask 077
if [ -n "\${XDG_CACHE_HOME:-}" ]; then parent=$XDG_CACHE_HOME/nexus
elif [ -n "\${HOME:-}" ]; then parent=$HOME/.cache/nexus
else parent=\${TMPDIR:-/tmp}/nexus-$(id -u); fi
mkdir -p "$parent"
# In a shared folder somebody else could have put a program of theirs there.
if [ ! -O "$parent" ]; then echo "nexus: $parent belongs to somebody else; set XDG_CACHE_HOME" >&2; exit 1; fi
home=$parent/${id}
if [ ! -x "$home/deno" ]; then
  new=$(mktemp -d "$parent/.new.XXXXXX")
  trap 'rm -rf "$new"' EXIT
  tail -n +@LINES@ "$0" | tar -xzf - -C "$new"
  # Whoever is second of two first starts finds it done; the folder appears whole or not at all.
  mv "$new" "$home" 2>/dev/null || [ -x "$home/deno" ]
  rm -rf "$home/\${new##*/}" "$new"
  trap - EXIT
fi
export DENO_DIR="\${DENO_DIR:-$parent/deno}" DENO_NO_UPDATE_CHECK=1
exec "$home/deno" run -A --no-prompt --no-config --no-lock "$home/nexus.js" "$@"
`;
  return lines.replace("@LINES@", String(lines.split("\n").length));
}

async function run(command: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args }).output();
  if (!success) {
    throw new Error(`${command} ${args.join(" ")} failed:\n${new TextDecoder().decode(stderr)}`);
  }
}
