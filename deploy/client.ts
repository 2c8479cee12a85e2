/**
 * This is `deno task bundle:client`: the client for bots as one JavaScript file without imports,
 * `dist/nexus_client.js`, with its types in `dist/nexus_client.d.ts`. Bots in other repositories
 * copy both files.
 */
import { deno, ROOT } from "./bundle.ts";

/** Writes both files into a folder. */
export async function bundleClient(folder: URL): Promise<void> {
  const frames = new URL("frames.js", folder), types = new URL("nexus_client.d.ts", folder);
  await bundle("src/bots/client.ts", new URL("nexus_client.js", folder));
  await bundle("src/bots/wire/frame.ts", frames);
  // The declarations import those of the frames from the sources, which the other repository lacks.
  const declarations = [types, new URL("frames.d.ts", folder)].map((file) =>
    Deno.readTextFileSync(file).replace(/^import type .*\n/gm, "")
  );
  await Deno.writeTextFile(types, declarations.join("\n"));
  await Deno.remove(frames);
  await Deno.remove(new URL("frames.d.ts", folder));
}

async function bundle(entry: string, output: URL): Promise<void> {
  await deno(["bundle", "--quiet", "--declaration", "--output", output.pathname, entry]);
}

if (import.meta.main) {
  await bundleClient(new URL("dist/", ROOT));
  console.log("dist/nexus_client.js, dist/nexus_client.d.ts");
}
