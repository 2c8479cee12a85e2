/**
 * This is `deno task bench:openai`: what the OpenAI face and the model APIs behind it cost, beside
 * the straight way to the model API, beside the least relay that can be written on this runtime
 * and, where it can be installed, beside the npm package `@portkey-ai/gateway`. All take turns in
 * the same run; CPU time is read from the operating system.
 *
 * ```sh
 * deno task bench:openai                       # every row
 * deno task bench:openai streams --rounds 5    # some: streams, held, whole
 * deno task bench:openai --json openai.json
 * ```
 *
 * The package and the Node that it needs (24 or later, the npm package `node`) are put into a
 * folder of their own below the system's cache.
 */
import { parseArgs } from "node:util";
import type { OpenAiOrder, OpenAiOutcome } from "./openai_load.ts";
import { DELTAS } from "./openai_load.ts";
import { cpuOf, freePort, startGateway } from "./server.ts";

const ROOT = new URL("../", import.meta.url);
const PACKAGES = ["@portkey-ai/gateway@1.15.2", "node@24"];

/**
 * Appends to immutable headers of a fetched Response; Node 24 refuses that, so the Response is made
 * anew.
 */
const PRELOAD = `const real = globalThis.fetch;
globalThis.fetch = async (...args) => {
  const { body, status, statusText, headers } = await real(...args);
  return new Response(body, { status, statusText, headers: new Headers(headers) });
};
`;

/** A way to the model API. */
interface Way {
  readonly name: "straight" | "floor" | "nexus" | "nexus+disk" | "portkey";
  readonly pid?: number;
  order(model: "bench" | "bench-now"): Pick<OpenAiOrder, "port" | "bearers" | "model" | "headers">;
  stop(): Promise<void>;
}

interface Sample extends OpenAiOutcome {
  /** Microseconds of CPU of the way itself; nothing for the straight one. */
  readonly cpu?: number;
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: { rounds: { type: "string", default: "3" }, json: { type: "string" } },
  });
  const rows = positionals.length > 0 ? positionals : ["streams", "held", "whole"];
  const unknown = rows.filter((row) => !["streams", "held", "whole"].includes(row));
  if (unknown.length > 0) {
    console.error(`a row is one of streams, held, whole; got ${unknown.join(", ")}`);
    Deno.exit(2);
  }
  Deno.exitCode = await run(rows, Number(values.rounds), values.json);
}

async function run(
  rows: readonly string[],
  rounds: number,
  json: string | undefined,
): Promise<number> {
  const upstream = await startUpstream();
  const ways: Way[] = [straight(upstream.port)];
  const lines: Record<string, unknown>[] = [];
  let missed = 0;
  const tell = (
    row: string,
    figures: Record<string, unknown>,
    target?: string,
    reached?: boolean,
  ) => {
    if (reached === false) missed++;
    lines.push({ row, ...figures, target, reached });
    const text = Object.entries(figures).map(([name, value]) => `${name} ${show(value)}`).join(
      "  ",
    );
    console.log(
      `${row.padEnd(44)}${text}${target ? `  → ${target} ${reached ? "reached" : "MISSED"}` : ""}`,
    );
  };
  try {
    ways.push(await startFloor(upstream.port));
    // Portkey keeps nothing, so it is compared with a Nexus that keeps its history in memory; the
    // default, on disk, stands beside.
    ways.push(
      await nexus("nexus", upstream.port, "memory:"),
      await nexus("nexus+disk", upstream.port, "nexus.db"),
    );
    const portkey = await startPortkey(upstream.port).catch((error) => {
      console.log(`without @portkey-ai/gateway: ${(error as Error).message}`);
      return undefined;
    });
    if (portkey) ways.push(portkey);
    for (const way of ways) {
      await measure(way, { model: "bench", connections: 32, turns: 64, stream: true });
      await measure(way, { model: "bench-now", connections: 32, turns: 2_000, stream: false });
    }
    if (rows.includes("streams")) await streams(ways, rounds, tell);
    if (rows.includes("held")) await held(ways, rounds, tell);
    if (rows.includes("whole")) await whole(ways, rounds, tell);
  } finally {
    for (const way of ways) await way.stop();
    await upstream.stop();
  }
  if (json) {
    const machine = {
      cores: navigator.hardwareConcurrency,
      deno: Deno.version.deno,
      date: new Date().toISOString(),
    };
    await Deno.writeTextFile(json, JSON.stringify({ machine, lines }, null, 2) + "\n");
  }
  return missed > 0 ? 1 : 0;
}

type Tell = (
  row: string,
  figures: Record<string, unknown>,
  target?: string,
  reached?: boolean,
) => void;

async function streams(ways: readonly Way[], rounds: number, tell: Tell): Promise<void> {
  const samples = await inTurns(ways, rounds, {
    model: "bench",
    connections: 128,
    turns: 512,
    stream: true,
  });
  const row = "128 streams";
  const first = (way: string, quantile: "p50" | "p99") =>
    median(samples[way]!.map((sample) => sample.first![quantile]));
  const cpu = (way: string) =>
    median(samples[way]!.map((sample) => sample.cpu! / sample.turns / DELTAS));
  tell(`${row}: first token, straight`, {
    p50: first("straight", "p50"),
    p99: first("straight", "p99"),
    unit: "ms",
  });
  for (const way of ["floor", "nexus", "nexus+disk", "portkey"]) {
    if (!samples[way]) continue;
    const p50 = first(way, "p50") - first("straight", "p50"),
      p99 = first(way, "p99") - first("straight", "p99");
    if (way === "nexus") {
      tell(`${row}: added to it, nexus`, { p50, p99 }, "≤ 2 and ≤ 8 ms", p50 <= 2 && p99 <= 8);
    } else tell(`${row}: added to it, ${way}`, { p50, p99 });
  }
  for (const way of Object.keys(samples)) {
    const gap = median(samples[way]!.map((sample) => sample.gap!.p99));
    tell(`${row}: gap p99, ${way}`, { ms: gap, wrong: wrongOf(samples[way]!) });
  }
  const nexus = cpu("nexus");
  tell(`${row}: CPU per chunk, floor`, { µs: cpu("floor"), "nexus / floor": nexus / cpu("floor") });
  tell(`${row}: CPU per chunk, nexus+disk`, { µs: cpu("nexus+disk") });
  if (!samples.portkey) return tell(`${row}: CPU per chunk, nexus`, { µs: nexus });
  const portkey = cpu("portkey");
  tell(
    `${row}: CPU per chunk`,
    { nexus, portkey, ratio: nexus / portkey },
    "≤ 0.35 ×",
    nexus / portkey <= 0.35,
  );
}

async function held(ways: readonly Way[], rounds: number, tell: Tell): Promise<void> {
  const samples = await inTurns(ways, rounds, {
    model: "bench",
    connections: 512,
    turns: 1_536,
    stream: true,
  });
  for (const way of Object.keys(samples)) {
    const all = samples[way]!;
    const gap = median(all.map((sample) => sample.gap!.p99));
    const first = median(all.map((sample) => sample.first!.p50));
    const wrong = wrongOf(all);
    const cpu = way === "straight"
      ? "–"
      : median(all.map((sample) => sample.cpu! / sample.turns / DELTAS));
    const figures = { "gap p99": gap, "first p50": first, wrong, "µs CPU / chunk": cpu };
    if (way === "nexus") {
      tell("512 streams: nexus", figures, "nothing lost, gap ≤ 25 ms", wrong === 0 && gap <= 25);
    } else tell(`512 streams: ${way}`, figures);
  }
}

async function whole(ways: readonly Way[], rounds: number, tell: Tell): Promise<void> {
  const samples = await inTurns(ways, rounds, {
    model: "bench-now",
    connections: 64,
    turns: 6_000,
    stream: false,
  });
  const rate = (way: string) =>
    median(samples[way]!.map((sample) => sample.turns / sample.seconds));
  for (const way of Object.keys(samples)) {
    const cpu = way === "straight"
      ? "–"
      : median(samples[way]!.map((sample) => sample.cpu! / sample.turns));
    const figures = {
      "requests/s": rate(way),
      "µs CPU / request": cpu,
      wrong: wrongOf(samples[way]!),
    };
    if (way !== "nexus" || !samples.portkey) tell(`whole answers, 64 connections: ${way}`, figures);
    else {
      const ratio = rate("nexus") / rate("portkey");
      tell(`whole answers, 64 connections: nexus`, { ...figures, ratio }, "≥ 4 ×", ratio >= 4);
    }
  }
}

async function inTurns(
  ways: readonly Way[],
  rounds: number,
  order: Omit<OpenAiOrder, "port" | "bearers" | "headers"> & { model: "bench" | "bench-now" },
): Promise<Record<string, Sample[]>> {
  const samples: Record<string, Sample[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const way of ways) (samples[way.name] ??= []).push(await measure(way, order));
  }
  return samples;
}

async function measure(
  way: Way,
  order: Omit<OpenAiOrder, "port" | "bearers" | "headers"> & { model: "bench" | "bench-now" },
): Promise<Sample> {
  const before = way.pid === undefined ? 0 : cpuOf(way.pid);
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      new URL("bench/openai_load.ts", ROOT).pathname,
      JSON.stringify({ ...order, ...way.order(order.model) }),
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`the load on ${way.name} failed`);
  const outcome: OpenAiOutcome = JSON.parse(new TextDecoder().decode(stdout));
  if (outcome.firstWrong) console.log(`${way.name}: ${outcome.firstWrong}`);
  return { ...outcome, cpu: way.pid === undefined ? undefined : cpuOf(way.pid) - before };
}

/*
 * ── the three ways
 * ──────────────────────────────────────────────────────────────────────────────────────────────────
 */

function straight(port: number): Way {
  return {
    name: "straight",
    order: (model) => ({ port, bearers: ["none"], model }),
    stop: () => Promise.resolve(),
  };
}

/** The least relay on this runtime: what nothing written for it can go below. */
async function startFloor(upstream: number): Promise<Way> {
  const port = freePort();
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      new URL("bench/openai_floor.ts", ROOT).pathname,
      `${port}`,
      `${upstream}`,
    ],
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  await answering(port, process);
  return {
    name: "floor",
    pid: process.pid,
    order: (model) => ({ port, bearers: ["none"], model }),
    stop: () => ended(process),
  };
}

async function nexus(name: "nexus" | "nexus+disk", upstream: number, store: string): Promise<Way> {
  const bot = (model: string) => ({
    type: "openai",
    baseUrl: `http://127.0.0.1:${upstream}/v1`,
    model,
    apiKey: "none",
  });
  const gateway = await startGateway({
    config: { store, bots: { bench: bot("bench"), "bench-now": bot("bench-now") } },
  });
  return {
    name,
    pid: gateway.pid,
    order: (model) => ({ port: gateway.port, bearers: gateway.bearers, model }),
    stop: () => gateway.stop(),
  };
}

async function startPortkey(upstream: number): Promise<Way> {
  const folder = await installed();
  const port = freePort();
  const preload = `${folder}/preload.cjs`;
  await Deno.writeTextFile(preload, PRELOAD);
  const server = `${folder}/node_modules/@portkey-ai/gateway/build/start-server.js`;
  const process = new Deno.Command(`${folder}/node_modules/node/bin/node`, {
    args: ["--require", preload, server, `--port=${port}`, "--headless"],
    env: { TRUSTED_CUSTOM_HOSTS: "127.0.0.1", NODE_ENV: "production" },
    stdout: "null",
    stderr: "null",
  }).spawn();
  await answering(port, process);
  const host =
    `x-portkey-provider: openai\r\nx-portkey-custom-host: http://127.0.0.1:${upstream}/v1\r\n`;
  return {
    name: "portkey",
    pid: process.pid,
    order: (model) => ({ port, bearers: ["none"], model, headers: host }),
    stop: () => ended(process),
  };
}

/** The folder with the package and its Node, installed where they are not yet. */
async function installed(): Promise<string> {
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/tmp"}/.cache`;
  const folder = `${cache}/nexus-bench/portkey-1.15.2`;
  const node = `${folder}/node_modules/node/bin/node`;
  const there = await Deno.stat(node).then(() => true, () => false);
  if (there) return folder;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/package.json`, '{"private":true}\n');
  console.log(`installing ${PACKAGES.join(" and ")} into ${folder} …`);
  const npm = (...args: string[]) =>
    new Deno.Command("npm", { args, cwd: folder, stdout: "null", stderr: "piped" }).output();
  const { success, stderr } = await npm("install", "--no-fund", "--no-audit", ...PACKAGES);
  if (!success) {
    throw new Error(`npm could not install it: ${new TextDecoder().decode(stderr).slice(-300)}`);
  }
  return folder;
}

async function startUpstream(): Promise<{ port: number; stop(): Promise<void> }> {
  const port = freePort();
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      new URL("bench/openai_upstream.ts", ROOT).pathname,
      `${port}`,
    ],
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  await answering(port, process);
  return { port, stop: () => ended(process) };
}

/** Waits until somebody listens; half a minute at most. */
async function answering(port: number, process: Deno.ChildProcess): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await ended(process);
  throw new Error("it did not begin to listen within half a minute");
}

async function ended(process: Deno.ChildProcess): Promise<void> {
  try {
    process.kill("SIGKILL");
  } catch { /* it had ended by itself */ }
  await process.status;
}

function wrongOf(samples: readonly Sample[]): number {
  return samples.reduce((sum, { wrong }) => sum + wrong, 0);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function show(value: unknown): string {
  return typeof value === "number"
    ? value.toFixed(Number.isInteger(value) ? 0 : value < 100 ? 2 : 0)
    : String(value);
}
