/**
 * These are the processes that are measured: the gateway and the floor, each in a process of its
 * own, with what the operating system says of them (Linux: /proc).
 */

const ROOT = new URL("../", import.meta.url);

/** The bot token and the people of the benchmark's gateway. */
const BOT_TOKEN = "bench-bot-token";
const PASSWORD = "bench-password";
const PEOPLE = 20;

export interface Server {
  readonly name: "floor" | "gateway";
  readonly pid: number;
  readonly port: number;
  readonly token: string;
  /** Sessions of several people, so that no bound per person is measured. */
  readonly bearers: readonly string[];
  /** From the start of the process to the first answer of /livez, milliseconds. */
  readonly startedIn: number;
  stop(): Promise<void>;
}

export async function startFloor(): Promise<Server> {
  const port = freePort();
  const { process, startedIn } = await start([
    "run",
    "-A",
    "--no-check",
    new URL("bench/floor.ts", ROOT).pathname,
    `${port}`,
  ], {
    port,
  });
  return server("floor", process, port, startedIn, []);
}

/**
 * Starts the gateway in a new folder with its default configuration, apart from the names and
 * bounds that the load needs.
 */
export async function startGateway(
  { signIn = true, config = {} }: { signIn?: boolean; config?: Record<string, unknown> } = {},
): Promise<Server> {
  const port = freePort();
  const folder = await Deno.makeTempDir({ prefix: "nexus-bench-" });
  const users = Object.fromEntries(
    Array.from(
      { length: PEOPLE },
      (_, index) => [`person${index}`, { password: PASSWORD, displayName: `Person ${index}` }],
    ),
  );
  await Deno.writeTextFile(
    `${folder}/config.json`,
    JSON.stringify({ port, botToken: BOT_TOKEN, users, ...config }),
  );
  const { process, startedIn } = await start([
    "run",
    "-A",
    "--no-check",
    new URL("main.ts", ROOT).pathname,
    "--dir",
    folder,
  ], {
    port,
    log: `${folder}/log`,
  });
  const cleanUp = () => Deno.remove(folder, { recursive: true });
  const bearers: string[] = [];
  try {
    for (let index = 0; signIn && index < PEOPLE; index++) {
      bearers.push(await signInAs(port, `person${index}`));
    }
  } catch (error) {
    console.error(await Deno.readTextFile(`${folder}/log`));
    process.kill("SIGKILL");
    await process.status;
    await cleanUp();
    throw error;
  }
  return server("gateway", process, port, startedIn, bearers, cleanUp);
}

/** A process of the load. `input.close()` ends those that stay. */
export async function load<T>(part: string, order: unknown): Promise<T> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      new URL("bench/load.ts", ROOT).pathname,
      part,
      JSON.stringify(order),
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`the load ${part} ${JSON.stringify(order)} failed`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** A part of the load that stays (`bots`, `silent`) until `stop`. Resolves once it has begun. */
export async function stay(
  part: "bots" | "silent",
  order: unknown,
): Promise<{ stop(): Promise<void> }> {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      new URL("bench/load.ts", ROOT).pathname,
      part,
      JSON.stringify(order),
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = process.stdout.getReader();
  const { done } = await reader.read();
  if (done) throw new Error(`the load ${part} did not begin`);
  return {
    async stop() {
      await process.stdin.close();
      await reader.cancel();
      await process.status;
    },
  };
}

/** CPU time of a process in microseconds, of all its threads, in user and kernel mode. */
export function cpuOf(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The name (second field) may hold spaces; fields 14 and 15 are counted from behind its bracket,
  // in ticks of 10 ms.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** Resident memory of a process in KiB. */
export function rssOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]);
}

/** Open file descriptors of a process: sockets, files, pipes. */
export function descriptorsOf(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

function server(
  name: Server["name"],
  process: Deno.ChildProcess,
  port: number,
  startedIn: number,
  bearers: readonly string[],
  cleanUp: () => Promise<void> = () => Promise.resolve(),
): Server {
  return {
    name,
    pid: process.pid,
    port,
    token: BOT_TOKEN,
    startedIn,
    bearers,
    async stop() {
      // Nothing of value is in it, and a drain would wait for the load's silent streams.
      process.kill("SIGKILL");
      await process.status;
      await cleanUp();
    },
  };
}

async function start(
  args: string[],
  { port, log }: { port: number; log?: string },
): Promise<{ process: Deno.ChildProcess; startedIn: number }> {
  const began = performance.now();
  const command = log === undefined
    ? new Deno.Command(Deno.execPath(), { args, stdout: "null", stderr: "inherit" })
    // The log goes to a file, as it does in production; a pipe that nobody empties would stop the
    // server.
    : new Deno.Command("/bin/sh", {
      args: ["-c", `exec "$0" "$@" > '${log}' 2>&1`, Deno.execPath(), ...args],
    });
  const process = command.spawn();
  while (!await alive(port)) {
    if (performance.now() - began > 60_000) {
      process.kill("SIGKILL");
      await process.status;
      throw new Error(
        `no answer of /livez within a minute: ${
          log ? await Deno.readTextFile(log) : args.join(" ")
        }`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return { process, startedIn: performance.now() - began };
}

async function alive(port: number): Promise<boolean> {
  let conn: Deno.TcpConn;
  try {
    conn = await Deno.connect({ hostname: "127.0.0.1", port });
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
  await conn.write(new TextEncoder().encode("GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"));
  const buffer = new Uint8Array(1024);
  const count = await conn.read(buffer);
  conn.close();
  return new TextDecoder().decode(buffer.subarray(0, count ?? 0)).startsWith("HTTP/1.1 200");
}

async function signInAs(port: number, username: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/api/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username, password: PASSWORD }),
  });
  const { token } = await response.json();
  if (typeof token !== "string") {
    throw new Error(`sign-in of ${username} answered ${response.status}`);
  }
  return token;
}

export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}
