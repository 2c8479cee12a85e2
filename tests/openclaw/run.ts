/**
 * This is `deno task test:openclaw`: the plugin on the real OpenClaw. `--all` adds every monthly
 * release that it serves. It takes minutes, and 650 MB of disk for each release of OpenClaw the
 * first time.
 *
 * `--figures` measures only, and prints what it found as JSON: times are milliseconds. Best on a
 * machine that is idle.
 */
const here = new URL("./", import.meta.url).pathname;
Deno.exit(Deno.args.includes("--figures") ? await figures() : await tests());

async function tests(): Promise<number> {
  const files = [
    "types.ts",
    "openclaw.ts",
    "endings.ts",
    "outgoing.ts",
    "neighbours.ts",
    ...(Deno.args.includes("--all") ? ["versions.ts"] : []),
  ];
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      new URL("../run.ts", import.meta.url).pathname,
      ...files.map((file) => here + file),
    ],
    stdin: "null",
  }).spawn().status;
  return code;
}

async function figures(): Promise<number> {
  const found = await Deno.makeTempFile({ prefix: "nexus-openclaw-figures-" });
  try {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", here + "openclaw.ts"],
      env: {
        OPENCLAW_FIGURES: found,
        OPENCLAW_STEPS:
          "median of ten|letter by letter|own part of a token|in the middle, and the person is told",
        NO_COLOR: "1",
      },
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).output();
    if (code === 0) console.log(await Deno.readTextFile(found));
    else await Deno.stdout.write(stdout);
    return code;
  } finally {
    await Deno.remove(found);
  }
}
