/**
 * This is `deno task bench`: what the gateway costs, beside what the least possible relay
 * (`floor.ts`) costs in the same run on the same machine. CPU time is read from the operating
 * system, because it stays true on a busy machine where wall time does not. Floor and gateway take
 * turns, and each figure is the median of several rounds. A figure that misses its target is named,
 * and the exit code is 1.
 *
 * The floor speaks version 1 only: it passes a frame on for each chunk. A bot of version 2 puts
 * chunks that wait together into one frame, so its rows show what a person's stream costs, not the
 * same work done twice.
 *
 * ```sh
 * deno task bench                    # every row but the soak, some minutes
 * deno task bench chat paced         # some rows: chat, burst, paced, held, idle, start
 * deno task bench --rounds 9 --json bench.json
 * deno task bench --write            # every row, and the figures into docs/performance.md
 * deno task bench:soak               # ten minutes of mixed load
 * ```
 */
import { parseArgs } from "node:util";
import { type Figure, heading, lineOf } from "./figure.ts";
import type { Outcome } from "./load_people.ts";
import { describeMachine, writePages } from "./performance_page.ts";
import { cpuOf, load, rssOf, type Server, startFloor, startGateway, stay } from "./server.ts";
import { soak } from "./soak.ts";
import { ADDED_P99, RATIOS, START } from "./targets.ts";

const ROWS: Record<string, (rounds: number) => Promise<Figure[]>> = {
  chat: chatRow,
  burst: burstRows,
  paced: pacedRows,
  held: heldRow,
  idle: idleRows,
  start: startRow,
};

/** The history in SQLite is the default; in memory it shows what the rest costs. */
const STARTS = {
  "floor": startFloor,
  "gateway": () => startGateway(),
  "gateway, store in memory": () => startGateway({ config: { store: "memory:" } }),
};

/**
 * Milliseconds after which the engine has given back what opening the streams left behind; before
 * that the figure is one of its last collection.
 */
const IDLE = 26_000;

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      rounds: { type: "string", default: "5" },
      json: { type: "string" },
      write: { type: "boolean", default: false },
      minutes: { type: "string", default: "10" },
    },
  });
  const names = positionals.length > 0 ? positionals : Object.keys(ROWS);
  const unknown = names.filter((name) => !(name in ROWS) && name !== "soak");
  if (unknown.length > 0) {
    console.error(
      `a row is one of ${[...Object.keys(ROWS), "soak"].join(", ")}; got ${unknown.join(", ")}`,
    );
    Deno.exit(2);
  }
  const figures: Figure[] = [];
  console.log(heading());
  for (const name of names) {
    const found = name === "soak"
      ? await soak(Number(values.minutes))
      : await ROWS[name]!(Number(values.rounds));
    for (const figure of found) {
      console.log(lineOf(figure));
      figures.push(figure);
    }
  }
  if (values.write) {
    await writePages({
      date: new Date().toISOString(),
      commit: await commit(),
      machine: await describeMachine(),
      deno: Deno.version.deno,
    }, figures);
  }
  if (values.json) {
    const machine = {
      cores: navigator.hardwareConcurrency,
      deno: Deno.version.deno,
      date: new Date().toISOString(),
    };
    await Deno.writeTextFile(
      values.json,
      JSON.stringify({ machine, commit: await commit(), figures }, null, 2) + "\n",
    );
  }
  const missed = figures.filter(({ reached }) => reached === false);
  for (const { row, target } of missed) console.error(`MISSED: ${row}, whose target is ${target}`);
  if (missed.length > 0) Deno.exitCode = 1;
}

/*
 * ── rows
 * ────────────────────────────────────────────────────────────────────────────────────────────────────────────
 */

async function chatRow(rounds: number): Promise<Figure[]> {
  const order = { connections: 64, turns: 10_000, ask: "say" };
  const samples = await sideBySide(rounds, [
    { server: "floor", protocol: 1, part: "chat", order },
    { server: "gateway", protocol: 1, part: "chat", order },
    { server: "gateway", protocol: 2, part: "chat", order },
    { server: "gateway, store in memory", protocol: 1, part: "chat", order },
  ]);
  return [
    compare("/api/chat, 64 connections", "µs CPU / request", samples[0]!, samples[1]!, RATIOS.chat),
    compare(
      "/api/chat, 64 connections, version-2 bot",
      "µs CPU / request",
      samples[0]!,
      samples[2]!,
    ),
    compare(
      "/api/chat, 64 connections, store in memory",
      "µs CPU / request",
      samples[0]!,
      samples[3]!,
    ),
  ];
}

async function burstRows(rounds: number): Promise<Figure[]> {
  const order = { connections: 64, turns: 1_000, ask: "burst 200" };
  const samples = await sideBySide(rounds, [
    { server: "floor", protocol: 1, part: "streams", order },
    { server: "gateway", protocol: 1, part: "streams", order },
    { server: "gateway", protocol: 2, part: "streams", order },
  ]);
  return [
    compare(
      "bursts of 200 chunks, 64 connections, version 1",
      "µs CPU / chunk",
      samples[0]!,
      samples[1]!,
      RATIOS["bursts, version 1"],
    ),
    compare(
      "bursts of 200 chunks, 64 connections, version 2",
      "µs CPU / chunk",
      samples[0]!,
      samples[2]!,
      RATIOS["bursts, version 2"],
    ),
  ];
}

async function pacedRows(rounds: number): Promise<Figure[]> {
  const order = { connections: 300, turns: 300, ask: "paced 250 20", spread: 1000 };
  const [floor, first, second] = await sideBySide(Math.max(3, Math.ceil(rounds / 2)), [
    { server: "floor", protocol: 1, part: "streams", order },
    { server: "gateway", protocol: 1, part: "streams", order },
    { server: "gateway", protocol: 2, part: "streams", order },
  ]);
  const added = (samples: readonly Sample[]): Figure => {
    const rounds = samples.map((sample, round) => sample.p99! - floor![round]!.p99!);
    return {
      row: `added p99 latency of the same, version ${samples === first ? 1 : 2}`,
      unit: "ms",
      floor: median(floor!.map((sample) => sample.p99!)),
      gateway: median(samples.map((sample) => sample.p99!)),
      target: `+ ≤ ${ADDED_P99} ms`,
      reached: median(rounds) <= ADDED_P99,
      note: `+${median(rounds).toFixed(2)} ms`,
    };
  };
  return [
    compare(
      "300 streams, a chunk each 20 ms, version 1",
      "µs CPU / chunk",
      floor!,
      first!,
      RATIOS.paced,
    ),
    added(first!),
    compare(
      "300 streams, a chunk each 20 ms, version 2",
      "µs CPU / chunk",
      floor!,
      second!,
      RATIOS.paced,
    ),
    added(second!),
  ];
}

async function heldRow(): Promise<Figure[]> {
  const gateway = await startGateway();
  const figures: Figure[] = [];
  for (const protocol of [1, 2] as const) {
    const bots = await stay("bots", { port: gateway.port, token: gateway.token, protocol });
    const outcome = await load<Outcome>("streams", {
      ...{ port: gateway.port, bearers: gateway.bearers, connections: 512, turns: 512 },
      ask: "paced 64 100",
    });
    await bots.stop();
    figures.push({
      row: `512 streams of 64 chunks held at once, version ${protocol}`,
      unit: "answers not whole",
      gateway: outcome.wrong,
      target: "0",
      reached: outcome.wrong === 0,
      note: outcome.firstWrong,
    });
  }
  await gateway.stop();
  return figures;
}

async function idleRows(): Promise<Figure[]> {
  const STREAMS = 2_000, SOCKETS = 1_000;
  const perStream = async (server: Server): Promise<number> => {
    const bots = await stay("bots", { port: server.port, token: server.token, protocol: 1 });
    // A first use of every path, so that loading code does not count as memory of the streams.
    await load("streams", {
      port: server.port,
      bearers: server.bearers,
      connections: 64,
      turns: 128,
      ask: "burst 5",
    });
    const before = await settledRss(server.pid, IDLE);
    const people = await stay("silent", {
      port: server.port,
      bearers: server.bearers,
      connections: STREAMS,
    });
    const after = await settledRss(server.pid, IDLE);
    await people.stop();
    await bots.stop();
    return (after - before) / STREAMS;
  };
  const perSocket = async (server: Server): Promise<number> => {
    await (await stay("bots", { port: server.port, token: server.token, protocol: 1, bots: 20 }))
      .stop();
    const before = await settledRss(server.pid);
    const bots = await stay("bots", {
      port: server.port,
      token: server.token,
      protocol: 1,
      bots: SOCKETS,
    });
    const after = await settledRss(server.pid);
    await bots.stop();
    return (after - before) / SOCKETS;
  };
  const on = async <T>(
    start: () => Promise<Server>,
    read: (server: Server) => Promise<T>,
  ): Promise<T> => {
    const server = await start();
    try {
      return await read(server);
    } finally {
      await server.stop();
    }
  };
  const samples: Sample[][] = [[], [], [], []];
  for (let round = 0; round < 3; round++) {
    for (const [at, start] of [[0, startFloor], [1, () => startGateway()]] as const) {
      samples[at]!.push({ value: await on(start, perStream) });
      samples[at + 2]!.push({ value: await on(start, perSocket) });
    }
  }
  return [
    compare(
      `open SSE stream, of ${STREAMS}`,
      "KiB RSS",
      samples[0]!,
      samples[1]!,
      RATIOS["open stream"],
    ),
    compare(`idle bot socket, of ${SOCKETS}`, "KiB RSS", samples[2]!, samples[3]!),
  ];
}

async function startRow(rounds: number): Promise<Figure[]> {
  const floor: number[] = [], gateway: number[] = [];
  // The first start compiles; it is not the one that a restart sees.
  await (await startGateway({ signIn: false })).stop();
  for (let round = 0; round < Math.max(7, rounds); round++) {
    for (
      const [start, times] of [[startFloor, floor], [
        () => startGateway({ signIn: false }),
        gateway,
      ]] as const
    ) {
      const server = await start();
      times.push(server.startedIn);
      await server.stop();
    }
  }
  return [{
    row: "from process start to /livez",
    unit: "ms",
    floor: median(floor),
    gateway: median(gateway),
    target: `≤ ${START} ms`,
    reached: median(gateway) <= START,
    spread: [Math.min(...gateway), Math.max(...gateway)],
  }];
}

/*
 * ── measuring
 * ───────────────────────────────────────────────────────────────────────────────────────────────────────
 */

interface Work {
  readonly server: keyof typeof STARTS;
  readonly protocol: 1 | 2;
  readonly part: "chat" | "streams";
  readonly order: { connections: number; turns: number; ask: string; spread?: number };
}

interface Sample {
  /** Microseconds of CPU per unit, or whatever the row counts. */
  readonly value: number;
  readonly p99?: number;
}

/**
 * Runs the works in turn, round by round, after one round that warms up and does not count. Samples
 * per work.
 */
async function sideBySide(rounds: number, works: readonly Work[]): Promise<Sample[][]> {
  const servers = new Map<string, Server>();
  const samples: Sample[][] = works.map(() => []);
  try {
    for (const { server } of works) {
      if (!servers.has(server)) servers.set(server, await STARTS[server]());
    }
    for (let round = 0; round <= rounds; round++) {
      for (const [index, work] of works.entries()) {
        const sample = await measure(servers.get(work.server)!, work);
        if (round > 0) samples[index]!.push(sample);
      }
    }
  } finally {
    for (const server of servers.values()) await server.stop();
  }
  return samples;
}

async function measure(server: Server, { protocol, part, order }: Work): Promise<Sample> {
  const bots = await stay("bots", { port: server.port, token: server.token, protocol });
  const before = cpuOf(server.pid);
  const outcome = await load<Outcome>(part, {
    port: server.port,
    bearers: server.bearers,
    ...order,
  });
  const spent = cpuOf(server.pid) - before;
  await bots.stop();
  // A figure for work that was not done is worth nothing.
  if (outcome.wrong > 0) {
    throw new Error(`${server.name}: ${outcome.wrong} answers were wrong: ${outcome.firstWrong}`);
  }
  return { value: spent / (outcome.chunks || outcome.turns), p99: outcome.latency?.p99 };
}

async function settledRss(pid: number, wait = 1_500): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, wait));
  return rssOf(pid);
}

function compare(
  row: string,
  unit: string,
  floor: Sample[],
  gateway: Sample[],
  atMost?: number,
): Figure {
  const ratios = gateway.map(({ value }, round) => value / floor[round]!.value);
  const ratio = median(ratios);
  return {
    row,
    unit,
    floor: median(floor.map(({ value }) => value)),
    gateway: median(gateway.map(({ value }) => value)),
    ratio,
    target: atMost === undefined ? undefined : `≤ ${atMost} ×`,
    // Two decimals, as it is shown.
    reached: atMost === undefined ? undefined : Number(ratio.toFixed(2)) <= atMost,
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
}

async function commit(): Promise<string> {
  const { stdout } = await new Deno.Command("git", { args: ["rev-parse", "--short", "HEAD"] })
    .output();
  return new TextDecoder().decode(stdout).trim();
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
