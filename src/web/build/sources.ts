/**
 * Whether the built page is up to date: a hash over the names, sizes and modification times of its
 * sources. It takes one millisecond; hashing the contents would add tens of milliseconds to the
 * start.
 */

/**
 * The state of the files in `root/src/web/`, of `root/static/index.html` and of `root/deno.json`,
 * which names the libraries' versions. `undefined` where there are no sources: in what is
 * installed, the page comes built.
 */
export async function sourcesState(root: URL): Promise<string | undefined> {
  const lines: string[] = [];
  const add = (name: string) => {
    const { size, mtime } = Deno.statSync(new URL(name, root));
    lines.push(`${name} ${size} ${mtime?.getTime()}`);
  };
  // At once and not one after the other: some fifty files that the system has in memory.
  const walk = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, root))) {
      if (isDirectory) walk(`${folder}${name}/`);
      else add(folder + name);
    }
  };
  try {
    walk("src/web/");
    add("static/index.html");
    add("deno.json");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const hash = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(lines.sort().join("\n")),
  );
  return new Uint8Array(hash).toHex().slice(0, 32);
}
