/**
 * The program as people start it, for tests: a process of its own in a folder.
 */
import { join } from "node:path";
import { TestBot, until } from "../world.ts";

export const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** How a program is started. */
export interface Start {
  readonly args?: readonly string[];
  /** For the runtime, such as `--deny-ffi`. */
  readonly flags?: readonly string[];
  readonly env?: Record<string, string>;
  /** Bytes that the shell says first, such as `ulimit -n 300`. */
  readonly shell?: string;
  /** Its log is left in the pipe until {@linkcode Program.readLog}. */
  readonly holdLog?: boolean;
  /** Resolves as soon as the process is there, not when it has said its address. */
  readonly early?: boolean;
}

export class Program implements AsyncDisposable {
  out = "";
  log = "";
  readonly #reading: Promise<unknown>[] = [];

  private constructor(readonly dir: string, readonly child: Deno.ChildProcess) {
    this.#read(child.stdout, (text) => this.out += text);
  }

  static async start(
    dir: string,
    { args = ["--port", "0"], flags = [], env, shell, holdLog, early }: Start = {},
  ): Promise<Program> {
    const call = [Deno.execPath(), "run", "-A", ...flags, MAIN, "--dir", dir, ...args];
    const [command, ...rest] = shell === undefined
      ? call
      : ["sh", "-c", `${shell} && exec "$0" "$@"`, ...call];
    const child = new Deno.Command(command!, { args: rest, env, stdout: "piped", stderr: "piped" })
      .spawn();
    const program = new Program(dir, child);
    if (!holdLog) program.readLog();
    if (early) return program;
    // A process of its own starts slowly on a machine that runs many tests at once.
    await until(() => program.isUp || program.log.includes("Cannot start"), "the address", 60);
    return program;
  }

  #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>, take: (text: string) => void): void {
    this.#reading.push((async () => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) take(text);
    })());
  }

  readLog(): void {
    this.#read(this.child.stderr, (text) => this.log += text);
  }

  get isUp(): boolean {
    return /Open {6}http:\S+/.test(this.out);
  }

  get url(): string {
    return /Open {6}(http:\S+)/.exec(this.out)![1]!;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** A session's token. */
  async signIn(username = "alice", password = "x"): Promise<string> {
    const response = await fetch(`${this.url}/api/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username, password }),
    });
    const { token, error } = await response.json();
    if (!token) throw new Error(`${response.status}: ${error}`);
    return token;
  }

  /** A signed-in person's request. */
  async as(token: string, path: string, json?: unknown): Promise<Response> {
    const headers: Record<string, string> = { authorization: `Bearer ${token}` };
    if (json !== undefined) headers["content-type"] = "application/json";
    return await fetch(this.url + path, {
      headers,
      ...(json === undefined ? {} : { method: "POST", body: JSON.stringify(json) }),
    });
  }

  /** Connects a bot that has registered. */
  async bot(id: string, register: Record<string, unknown> = {}): Promise<TestBot> {
    const bot = await TestBot.connect(`${this.url.replace("http", "ws")}/bot-ws`);
    bot.send({ type: "register", botId: id, botName: id.toUpperCase(), token: "t", ...register });
    const answer = await bot.next("registered");
    if (answer.success !== true) throw new Error(`refused: ${answer.error}`);
    return bot;
  }

  /** Ends the process and resolves to its exit code. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    try {
      this.child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    return await this.ended();
  }

  /** Resolves to the exit code when the process has ended and all that it said is read. */
  async ended(): Promise<number> {
    const { code } = await this.child.status;
    if (this.#reading.length === 1) this.readLog();
    await Promise.all(this.#reading);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}

/** A folder that is gone with the test. */
export async function emptyFolder(): Promise<{ dir: string } & AsyncDisposable> {
  const dir = await Deno.makeTempDir({ prefix: "nexus-" });
  return { dir, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

/** A folder with a configuration: alice signs in with x, bots register with t. */
export async function folderWith(
  config: Record<string, unknown> = {},
): Promise<{ dir: string } & AsyncDisposable> {
  const folder = await emptyFolder();
  const file = { botToken: "t", users: { alice: { password: "x" } }, ...config };
  await Deno.writeTextFile(join(folder.dir, "config.json"), JSON.stringify(file));
  return folder;
}
