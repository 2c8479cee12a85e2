/**
 * This is `deno task test:openclaw`: the plugin on the real OpenClaw. `--all` adds every monthly release that it serves.
 * It takes minutes, and 650 MB of disk for each release of OpenClaw the first time.
 */
const here = new URL("./", import.meta.url).pathname;
const files = ["types.ts", "openclaw.ts", "neighbours.ts", ...(Deno.args.includes("--all") ? ["versions.ts"] : [])];
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["run", "-A", new URL("../run.ts", import.meta.url).pathname, ...files.map((file) => here + file)],
  stdin: "null",
}).spawn().status;
Deno.exit(code);
