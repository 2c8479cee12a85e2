/**
 * This is the laboratory: the real OpenClaw on the real Node, with a home of its own, next to a
 * gateway and a fake model.
 *
 * OpenClaw is 650 MB, so it is installed once into a folder that outlives the run (`OPENCLAW_LAB`,
 * default `nexus-openclaw-lab` in the system's temporary folder). Everything else is made for a run
 * and removed after it.
 */

export const NEWEST = "2026.9.6";
const NODE = "24.21.0";

const LAB = Deno.env.get("OPENCLAW_LAB") ??
  `${Deno.env.get("TMPDIR") ?? "/tmp"}/nexus-openclaw-lab`;
const ROOT = new URL("../../", import.meta.url);

/** The folder that holds the package, installed there with npm if it was not yet. */
export async function installed(name: string, version: string, nodePath?: string): Promise<string> {
  const folder = `${LAB}/v/${name.replace("/", "_")}-${version}`;
  const done = `${folder}/.complete`;
  if (!(await exists(done))) {
    await Deno.remove(folder, { recursive: true }).catch(ignoreMissing);
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(`${folder}/package.json`, '{"private":true}');
    // OpenClaw's own check refuses to be installed by an older Node, so it is installed with the
    // one that will run it.
    const path = [...(nodePath ? [nodePath] : []), Deno.env.get("PATH")].join(":");
    const { success, stderr } = await new Deno.Command("npm", {
      args: ["install", `${name}@${version}`, "--no-audit", "--no-fund", "--loglevel=error"],
      cwd: folder,
      env: { PATH: path },
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) {
      throw new Error(`npm install ${name}@${version} failed: ${new TextDecoder().decode(stderr)}`);
    }
    await Deno.writeTextFile(done, "");
  }
  return `${folder}/node_modules/${name}`;
}

/** The folder that holds the `node` to run OpenClaw with. */
export async function nodeFolder(): Promise<string> {
  const folder = `${await installed("node", NODE)}/bin`;
  if (!(await exists(`${folder}/node`))) {
    throw new Error(`npm did not unpack node ${NODE}: its install scripts are blocked`);
  }
  return folder;
}

/** A started program, its output so far, and the way to end it. */
export class Program {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;
  output = "";
  ended = false;

  constructor(command: string, options: Deno.CommandOptions) {
    this.#child = new Deno.Command(command, {
      ...options,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#reading = Promise.all([this.#read(this.#child.stdout), this.#read(this.#child.stderr)]);
    this.#child.status.then(() => this.ended = true);
  }

  get pid(): number {
    return this.#child.pid;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.output = (this.output + text).slice(-200_000);
    }
  }

  /** Ends it; `SIGKILL` leaves it no time for goodbyes. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    if (!this.ended) this.#child.kill(signal);
    const late = setTimeout(() => this.ended || this.#child.kill("SIGKILL"), 8000);
    await this.#child.status;
    clearTimeout(late);
    // A grandchild may hold on to the pipe; what it says is of no interest any more.
    await Promise.race([this.#reading, new Promise((resolve) => setTimeout(resolve, 1000))]);
  }
}

/** Waits until `look` finds something. The bound only turns a hang into a failure. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | null | Promise<T | undefined | false | null>,
  ms = 80_000,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found as T;
    if (performance.now() > end) throw new Error(`waited ${ms} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function freePort(): Promise<number> {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return await Promise.resolve(port);
}

/** One OpenClaw with a home of its own. */
export class OpenClaw {
  gateway: Program | undefined;
  #node: string;
  #package: string;

  private constructor(
    readonly home: string,
    readonly port: number,
    node: string,
    folder: string,
    readonly version: string,
  ) {
    this.#node = node;
    this.#package = folder;
  }

  static async open(
    version: string,
    config: (parts: { home: string }) => Record<string, unknown>,
  ): Promise<OpenClaw> {
    const node = await nodeFolder();
    const folder = await installed("openclaw", version, node);
    const home = await Deno.makeTempDir({ prefix: "nexus-openclaw-" });
    await Deno.mkdir(`${home}/.openclaw`);
    const port = await freePort();
    const openclaw = new OpenClaw(home, port, node, folder, version);
    const full = merge({
      gateway: {
        mode: "local",
        port,
        bind: "loopback",
        auth: { mode: "token", token: "lab-token" },
      },
      logging: { file: `${home}/openclaw.log` },
      update: { checkOnStart: false },
      agents: {
        defaults: {
          workspace: `${home}/ws`,
          skipBootstrap: true,
          model: { primary: "fake/fake-1" },
        },
      },
      plugins: { slots: { memory: "none" } },
    }, config({ home }));
    await openclaw.configure(full);
    return openclaw;
  }

  async configure(config: object): Promise<void> {
    await Deno.writeTextFile(
      `${this.home}/.openclaw/openclaw.json`,
      JSON.stringify(config, null, 2),
    );
  }

  /** Adds to the configuration; a running gateway notices by itself. */
  async patch(config: Record<string, unknown>): Promise<void> {
    const now = JSON.parse(await Deno.readTextFile(`${this.home}/.openclaw/openclaw.json`));
    await this.configure(merge(now, config));
  }

  /** Installs a plugin from a tarball, without questions. */
  async install(tarball: string): Promise<string> {
    const { code, text } = await this.tryInstall(tarball);
    if (code !== 0) throw new Error(`plugins install ended with ${code}:\n${text}`);
    return text;
  }

  /** Capabilities have to be accepted since 2026.9; before that the option is unknown. */
  async tryInstall(tarball: string): Promise<{ code: number; text: string }> {
    const install = ["plugins", "install", tarball, "--force"];
    const first = await this.cli([...install, "--accept-capabilities"]);
    return first.text.includes("does not recognize option") ? await this.cli(install) : first;
  }

  #options(env: Record<string, string> = {}): Deno.CommandOptions {
    const path = `${this.#node}:${Deno.env.get("PATH")}`;
    const proxies = Object.fromEntries(
      ["NODE_EXTRA_CA_CERTS", "npm_config_registry", "LANG"].flatMap((name) => {
        const value = Deno.env.get(name);
        return value === undefined ? [] : [[name, value]];
      }),
    );
    return {
      cwd: this.home,
      clearEnv: true,
      env: {
        PATH: path,
        HOME: this.home,
        TMPDIR: this.home,
        OPENCLAW_GATEWAY_PORT: String(this.port),
        ...proxies,
        ...env,
      },
    };
  }

  /** Runs a command to its end. */
  async cli(
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<{ code: number; text: string }> {
    const { code, stdout, stderr } = await new Deno.Command(`${this.#node}/node`, {
      args: [`${this.#package}/openclaw.mjs`, ...args],
      ...this.#options(env),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    const decoder = new TextDecoder();
    return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
  }

  /**
   * Runs a command on a terminal. As each question appears its answer is typed; when one does not,
   * the command is ended and the error tells what was on the screen. Needs `python3`, for the
   * terminal.
   */
  async talk(
    args: readonly string[],
    answers: readonly (readonly [question: RegExp, typed: string])[],
  ): Promise<{ code: number; text: string }> {
    const wide = ["sh", "-c", 'stty cols 200 rows 50; exec "$@"', "sh"];
    const child = new Deno.Command("python3", {
      args: [
        "-c",
        "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))",
        ...wide,
        `${this.#node}/node`,
        `${this.#package}/openclaw.mjs`,
        ...args,
      ],
      ...this.#options({ TERM: "xterm-256color" }),
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let text = "";
    const reading = (async () => {
      for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
        // deno-lint-ignore no-control-regex -- colours and cursor movements are control characters
        text = (text + part).replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "");
      }
    })();
    let ended: { code: number } | undefined;
    const status = child.status.then((how) => ended = how);
    const keys = child.stdin.getWriter();
    try {
      let from = 0;
      for (const [question, typed] of answers) {
        const found = await until(`the question ${question}`, () => {
          if (ended) throw new Error(`it ended before it asked ${question}`);
          return question.exec(text.slice(from));
        }, 30_000);
        from += found.index + found[0].length;
        await keys.write(new TextEncoder().encode(typed));
      }
      const { code } = await until("its end", () => ended, 60_000);
      await reading;
      return { code, text };
    } catch (error) {
      if (!ended) child.kill("SIGKILL");
      throw new Error(`the screen showed:\n${text}`, { cause: error });
    } finally {
      await keys.close().catch(() => {});
      await status;
    }
  }

  /** Starts the gateway; resolves when it answers. */
  async start(env: Record<string, string> = {}): Promise<void> {
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#startOnce(env);
      } catch (error) {
        // OpenClaw gives its own start 5 s to say that it lives, which a busy machine does not.
        const late = this.gateway?.output.includes("state lease heartbeat did not become ready");
        if (!late || attempt === 5) throw error;
      }
    }
  }

  async #startOnce(env: Record<string, string>): Promise<void> {
    const gateway = this.gateway = new Program(`${this.#node}/node`, {
      args: [`${this.#package}/openclaw.mjs`, "gateway", "run"],
      ...this.#options(env),
    });
    await until(`OpenClaw ${this.version} to start`, async () => {
      if (gateway.ended) throw new Error(`OpenClaw ended at once:\n${gateway.output}`);
      return await fetch(`http://127.0.0.1:${this.port}/healthz`).then(async (response) => {
        await response.body?.cancel();
        return response.ok;
      }, () => false);
    }, 240_000);
  }

  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    await this.gateway?.stop(signal);
    this.gateway = undefined;
  }

  async close(): Promise<void> {
    await this.stop();
    await Deno.remove(this.home, { recursive: true }).catch(ignoreMissing);
  }
}

/** The models section that points at a fake model. */
export function modelAt(url: string): Record<string, unknown> {
  const model = {
    id: "fake-1",
    name: "Fake 1",
    reasoning: false,
    input: ["text", "image"],
    contextWindow: 128000,
    maxTokens: 8192,
  };
  return {
    mode: "replace",
    providers: {
      fake: {
        baseUrl: url,
        apiKey: "fake-key",
        api: "openai-completions",
        models: [model, { ...model, id: "thinker-1", name: "Thinker 1", reasoning: true }],
      },
    },
  };
}

/** A gateway, as a person's program sees it. */
export interface Front {
  /** Where bots dial. */
  readonly botUrl: string;
  readonly program: Program;
  bots(): Promise<string[]>;
  signIn(name: string): Promise<Person>;
  close(): Promise<void>;
}

export interface Event {
  /** `performance.now()`. */
  readonly at: number;
  readonly type: string;
  readonly content?: string;
  readonly error?: string;
  readonly status?: string;
  readonly [field: string]: unknown;
}

export interface Told {
  readonly events: Event[];
  /** All chunks together. */
  readonly text: string;
  readonly chunks: readonly Event[];
  readonly started: number;
}

/** A signed-in person. */
export class Person {
  constructor(readonly url: string, readonly token: string, readonly name: string) {}

  call(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${this.token}`, "content-type": "application/json" };
    return fetch(this.url + path, { ...init, headers });
  }

  /** Asks, and reads the answer to its end; `onEvent` sees each event as it comes. */
  async ask(
    message: string,
    more: Record<string, unknown> = {},
    onEvent: (event: Event) => void = () => {},
  ): Promise<Told> {
    const started = performance.now();
    const response = await this.call("/api/chat/stream", {
      method: "POST",
      body: JSON.stringify({ message, ...more }),
    });
    return await read(response, started, onEvent);
  }
}

/** Reads a stream of server-sent events to its end. */
export async function read(
  response: Response,
  started: number,
  onEvent: (event: Event) => void = () => {},
): Promise<Told> {
  const events: Event[] = [];
  if (!response.ok || !response.body) {
    events.push({
      at: performance.now(),
      type: "status",
      status: String(response.status),
      error: await response.text(),
    });
  } else {
    let buffer = "";
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      const at = performance.now();
      buffer += text;
      for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
        const block = buffer.slice(0, end);
        buffer = buffer.slice(end + 2);
        const data = block.split("\n").filter((line) => line.startsWith("data: ")).map((line) =>
          line.slice(6)
        ).join(
          "\n",
        );
        if (!data) continue;
        const id = /^id: (.*)$/m.exec(block)?.[1];
        const event: Event = { at, sseId: id, ...JSON.parse(data) };
        events.push(event);
        onEvent(event);
      }
    }
  }
  const chunks = events.filter((event) => event.type === "chunk" && event.content);
  return { events, chunks, text: chunks.map((chunk) => chunk.content).join(""), started };
}

/** gateway 1.0.6, which listens on every address by itself, bound to loopback. */
export async function nexus1Gateway(token = "bot-token"): Promise<Front> {
  const node = await nodeFolder();
  const folder = await installed("@houchenyang/nexus-gateway", "1.0.6");
  const home = await Deno.makeTempDir({ prefix: "nexus-original-" });
  const port = await freePort();
  const users = Object.fromEntries(
    PEOPLE.map((name) => [name, { password: `${name}-password`, displayName: name }]),
  );
  await Deno.writeTextFile(`${home}/config.json`, JSON.stringify({ port, botToken: token, users }));
  await Deno.writeTextFile(
    `${home}/loopback.mjs`,
    `import net from "node:net";
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  return typeof port === "number" ? listen.call(this, port, "127.0.0.1", ...rest) : listen.call(this, port, ...rest);
};`,
  );
  const program = new Program(`${node}/node`, {
    args: ["--import", `${home}/loopback.mjs`, `${folder}/dist/index.js`],
    cwd: home,
  });
  return await front(program, port, home);
}

/** This project's gateway, as people start it. */
export async function ourGateway(
  options: {
    readonly port?: number;
    readonly home?: string;
    readonly token?: string;
    readonly more?: object;
  } = {},
): Promise<Front & { readonly home: string; readonly port: number }> {
  const home = options.home ?? await Deno.makeTempDir({ prefix: "nexus-gateway-" });
  const port = options.port ?? await freePort();
  if (!(await exists(`${home}/config.json`))) {
    const users = Object.fromEntries(
      PEOPLE.map((name) => [name, { password: `${name}-password`, displayName: name }]),
    );
    const config = {
      port,
      host: "127.0.0.1",
      botToken: options.token ?? "bot-token",
      users,
      publicBots: true,
      ...options.more,
    };
    await Deno.writeTextFile(`${home}/config.json`, JSON.stringify(config));
  }
  const program = new Program(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--config",
      new URL("deno.json", ROOT).pathname,
      new URL("main.ts", ROOT).pathname,
    ],
    cwd: home,
  });
  return { ...await front(program, port, home), home, port };
}

/** A line that can be cut: a TCP relay in front of a port. */
export class Relay {
  readonly #listener: Deno.TcpListener;
  readonly #pairs = new Set<Deno.TcpConn>();
  readonly #done: Promise<void>;

  constructor(readonly target: number) {
    this.#listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    this.#done = this.#accept();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async #accept(): Promise<void> {
    for await (const near of this.#listener) {
      const far = await Deno.connect({ port: this.target, hostname: "127.0.0.1" }).catch(() =>
        undefined
      );
      if (!far) {
        near.close();
        continue;
      }
      for (const [from, to] of [[near, far], [far, near]] as const) {
        this.#pairs.add(from);
        from.readable.pipeTo(to.writable).catch(() => {}).finally(() => this.#pairs.delete(from));
      }
    }
  }

  /** Cuts every line that runs through it; new ones may be opened at once. */
  cut(): void {
    for (const conn of this.#pairs) {
      try {
        conn.close();
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
    }
    this.#pairs.clear();
  }

  async close(): Promise<void> {
    this.#listener.close();
    this.cut();
    await this.#done;
  }
}

export const PEOPLE = ["alice", "bob", "carol"];

async function front(program: Program, port: number, home: string): Promise<Front> {
  const url = `http://127.0.0.1:${port}`;
  const health = () =>
    fetch(`${url}/health`).then(
      (response) => response.json() as Promise<{ botIds: string[] }>,
      () => undefined,
    );
  await until("the gateway to start", async () => {
    if (program.ended) throw new Error(`the gateway ended at once:\n${program.output}`);
    return await health();
  });
  return {
    botUrl: `ws://127.0.0.1:${port}/bot-ws`,
    program,
    bots: async () => (await health())?.botIds ?? [],
    async signIn(name) {
      const response = await fetch(`${url}/api/login`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ username: name, password: `${name}-password` }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${name} cannot sign in: ${text}`);
      return new Person(url, JSON.parse(text).token, name);
    },
    async close() {
      await program.stop();
      await Deno.remove(home, { recursive: true }).catch(ignoreMissing);
    },
  };
}

export function merge(
  base: Record<string, unknown>,
  over: Record<string, unknown>,
): Record<string, unknown> {
  const out: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = out[key];
    out[key] = isObject(before) && isObject(value) ? merge(before, value) : value;
  }
  return out;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, (error) => {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  });
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
