/**
 * This starts Nexus as people start it, as a process of its own, for tests of what is shipped.
 */

export interface Running {
  readonly port: number;
  readonly folder: string;
  /**
   * SIGTERM to the whole group: a launcher such as npx passes no signal on. Resolves with the exit
   * code.
   */
  stop(): Promise<number>;
}

export const BOT_TOKEN = "shipped-bot-token";
export const PASSWORD = "shipped-password";

/**
 * Starts a command with `--dir` and waits for `/livez`. Throws with what it said when that does not
 * come.
 */
export async function start(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<Running> {
  const folder = await Deno.makeTempDir({ prefix: "nexus-shipped-" });
  const port = freePort();
  await Deno.writeTextFile(
    `${folder}/config.json`,
    JSON.stringify({ port, botToken: BOT_TOKEN, users: { alice: { password: PASSWORD } } }),
  );
  const log = `${folder}/log`;
  // `setsid` gives it a group of its own, which can be told as a whole.
  const process = new Deno.Command("setsid", {
    args: [
      "--wait",
      "/bin/sh",
      "-c",
      `exec "$@" > '${log}' 2>&1`,
      "sh",
      command,
      ...args,
      "--dir",
      folder,
    ],
    env,
    stdin: "null",
  }).spawn();
  const stop = async () => {
    // `setsid --wait` forks where it leads a group itself, so the group is that of its child.
    const group = await groupOf(folder);
    if (group !== undefined) Deno.kill(-group, "SIGTERM");
    const { code } = await process.status;
    await Deno.remove(folder, { recursive: true });
    return code;
  };
  for (const until = Date.now() + 90_000; Date.now() < until;) {
    if (await answers(port)) return { port, folder, stop };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const said = await Deno.readTextFile(log);
  await stop();
  throw new Error(`${command} ${args.join(" ")} does not answer /livez:\n${said}`);
}

export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function answers(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/livez`);
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    // Not listening yet.
    return false;
  }
}

/** The process group of what was started with this folder. */
async function groupOf(folder: string): Promise<number | undefined> {
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const said = await Deno.readTextFile(`/proc/${name}/cmdline`);
      if (!said.includes(`\0--dir\0${folder}`) || said.startsWith("setsid")) continue;
      const stat = await Deno.readTextFile(`/proc/${name}/stat`);
      return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]);
    } catch (error) {
      // It ended while we looked.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}
