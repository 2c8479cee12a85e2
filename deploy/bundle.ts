/**
 * This is the program as one file: `main.ts` with everything it imports, beside the built page.
 * What is shipped (the npm package, the self-extracting program, the image) is made of it.
 */

export const ROOT = new URL("../", import.meta.url);

/** Writes `nexus.js` and `static/` into a folder, which is emptied first. */
export async function bundleInto(folder: URL): Promise<void> {
  await deno(["task", "build"]);
  await remove(folder);
  await Deno.mkdir(folder, { recursive: true });
  // What builds the page is left out, and esbuild with it: what is shipped has a built page.
  const out = new URL("nexus.js", folder).pathname;
  await deno([
    "bundle",
    "--quiet",
    "--external",
    "../web/build/build.ts",
    "--output",
    out,
    "main.ts",
  ]);
  await copy(new URL("static/", ROOT), new URL("static/", folder));
}

/** Runs Deno in the project's folder, and says what it said when it fails. */
export async function deno(args: string[], env: Record<string, string> = {}): Promise<void> {
  const outcome = await tryDeno(args, env);
  if (!outcome.success) throw new Error(`deno ${args.join(" ")} failed:\n${outcome.said}`);
}

export async function tryDeno(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ success: boolean; said: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1", ...env },
  }).output();
  return { success, said: new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout) };
}

/** The version in `deno.json`. */
export async function version(): Promise<string> {
  return JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT))).version;
}

export async function remove(path: URL): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

export async function copy(from: URL, to: URL): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copy(new URL(`${name}/`, from), new URL(`${name}/`, to));
    else await Deno.copyFile(new URL(name, from), new URL(name, to));
  }
}
