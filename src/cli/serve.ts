/**
 * `nexus serve`: the gateway itself. Makes a first configuration where there is none, listens,
 * follows changes of the file, and goes when told.
 */
import { type App, createApp } from "../app.ts";
import type { SqliteStore } from "../backends/sqlite.ts";
import { changedKeys, type Config } from "../config/config.ts";
import { lostSettings } from "../config/reload_guard.ts";
import { systemClock } from "../core/clock.ts";
import { asNexusError, NexusError } from "../core/error.ts";
import { checkAfterStart } from "../core/start_check.ts";
import { TrustedProxies } from "../channels/http/trusted_proxies.ts";
import { fetchHttp } from "../bots/upstream/http/fetch_client.ts";
import { Log } from "../telemetry/log.ts";
import { readOptions } from "./command.ts";
import { greet } from "./greeting.ts";
import {
  configPath,
  type FirstSecrets,
  formatProblems,
  loadConfig,
  readConfigText,
  writeFirstConfig,
} from "./config_file.ts";
import { StoreLock } from "./lock.ts";
import { LogStream } from "./log_stream.ts";
import { openPage } from "./page.ts";
import { Listener } from "./listen.ts";
import { fileStamp, openGatewayStore, storePath } from "./store.ts";
import { logUncaught } from "./uncaught.ts";
import { watchFile } from "./watch.ts";

const USAGE = `Usage: nexus [serve] [--dir DIR] [--port PORT] [--host ADDRESS]

Starts the gateway. If there is no config.json, a first one is written, and its secrets are printed
once.

  --dir DIR        the folder of config.json (default: the current one)
  --port PORT      overrides the configuration; 0 takes a free port
  --host ADDRESS   overrides the configuration

SIGTERM or SIGINT: rejects new work, lets turns finish within drainTimeout, then exits with 0. A
second signal exits at once.`;

const PROXY_VARIABLES = [
  "HTTPS_PROXY",
  "https_proxy",
  "HTTP_PROXY",
  "http_proxy",
  "ALL_PROXY",
  "all_proxy",
];

export async function serve(args: readonly string[]): Promise<number> {
  const read = readOptions(args, {
    dir: { type: "string", default: "." },
    port: { type: "string" },
    host: { type: "string" },
  }, USAGE);
  if (typeof read === "number") return read;
  const { dir, port, host } = read.values;
  if (port !== undefined && !/^\d{1,5}$/.test(port)) {
    console.error(
      `nexus: --port must be a whole number from 0 to 65535, got ${JSON.stringify(port)}`,
    );
    return 2;
  }
  const first = await makeFirstConfig(dir, port);
  if (first === "failed") return 1;
  const result = await loadConfig(dir);
  if (!result.ok) {
    console.error(
      `Cannot start: the configuration ${configPath(dir)} is not right:\n${
        formatProblems(result.problems)
      }`,
    );
    return 1;
  }
  const fixed: Partial<Config> = {
    ...(port ? { port: Number(port) } : {}),
    ...(host ? { host } : {}),
  };
  const config = { ...result.config, ...fixed };
  const stream: LogStream = new LogStream({
    write: (bytes) => Deno.stderr.write(bytes),
    onDropped: (lines) =>
      log.tell({ type: "warning", what: `${lines} lines of the log were dropped: nobody read it` }),
  });
  const log = new Log({
    level: config.log.level,
    pretty: isPretty(config),
    write: (text) => stream.write(text),
  });
  for (const { path, message } of result.warnings) {
    log.tell({ type: "warning", what: `${path} ${message}` });
  }
  if (config.botToken === "") {
    log.tell({ type: "warning", what: "botToken is empty: every bot is let in" });
  }
  try {
    return await run(dir, config, fixed, log, first);
  } finally {
    log.flush();
    await stream.settled(LOG_FLUSH_TIMEOUT_MS);
  }
}

/** Milliseconds that the end of the process waits for a reader of the log. */
const LOG_FLUSH_TIMEOUT_MS = 1_000;

/** @param port as the command line says */
async function makeFirstConfig(
  dir: string,
  port: string | undefined,
): Promise<FirstSecrets | "failed" | undefined> {
  try {
    if (await readConfigText(dir) !== undefined) return undefined;
    // What is wrong in the environment is said by whoever reads the configuration next.
    const told = await loadConfig(dir);
    // Port 0 is another one at every start: nothing to write down.
    return await writeFirstConfig(
      dir,
      Number(port ?? (told.ok ? told.config.port : 0)) || undefined,
    );
  } catch (error) {
    console.error(
      `Cannot start: ${configPath(dir)} cannot be written: ${(error as Error).message}`,
    );
    return "failed";
  }
}

async function run(
  dir: string,
  config: Config,
  fixed: Partial<Config>,
  log: Log,
  first: FirstSecrets | undefined,
): Promise<number> {
  const page = await openPage(log);
  const path = storePath(dir, config);
  let store: SqliteStore | undefined;
  let lock: StoreLock | undefined, app: App | undefined, server: Listener, stop: Promise<void>;
  try {
    lock = path === undefined ? undefined : await lockStore(path, log);
    store = lock && openGatewayStore(path!, lock, log);
    // A proxy is `fetch`'s business; without one, sockets of our own are three times as cheap.
    const http = PROXY_VARIABLES.some((name) => Deno.env.get(name)) ? fetchHttp(fetch) : undefined;
    app = await createApp(config, {
      store,
      observer: log,
      page,
      env: (name) => Deno.env.get(name),
      http,
    });
    // From here on there is something to end in order; before, a signal ends the process as it is.
    stop = stopSignal(() => Deno.exit(1));
    server = await listen(dir, app, log, lock);
    lock?.serving();
  } catch (error) {
    await app?.close();
    lock?.release();
    console.error(`Cannot start: ${asNexusError(error).detail ?? (error as Error).message}`);
    return 1;
  }
  greet(server.address, config, first);
  const stopCatching = logUncaught(log);
  const stopChecking = checkAfterStart({
    checkup: app.checkup,
    store,
    clock: systemClock,
    observer: log,
  });
  const stopWatching = watchFile(
    configPath(dir),
    () => reload(dir, app, fixed, log),
    // What cannot be taken over must not end a gateway that runs.
    (error) => log.tell({ type: "fault", where: "taking over the file", error }),
  );
  const lost = await Promise.race([stop, server.lost]);
  if (lost) {
    log.tell({
      type: "fault",
      where: `port ${server.address.port} cannot be opened again: the gateway ends`,
      error: lost,
    });
  }
  lock?.leaving(app.config.drainTimeout + CLOSE_TIMEOUT_MS);
  stopWatching();
  stopChecking();
  // A store that was in trouble is checked by the next start.
  const stamp = () => store?.trouble === undefined ? fileStamp(path!) : undefined;
  const isWell = await leave({ app, server, lock, stamp, log });
  stopCatching();
  log.tell({ type: "stopped" });
  return lost || !isWell ? 1 : 0;
}

interface Leaving {
  readonly app: App;
  readonly server: Listener;
  readonly lock: StoreLock | undefined;
  /** What the next process is told of the store. */
  readonly stamp: () => unknown;
  readonly log: Log;
}

/**
 * Goes in an order that loses nothing: turns, then streams, then sockets, then the port. A step
 * that fails is logged and the others are taken. Returns whether none failed.
 */
async function leave({ app, server, lock, stamp, log }: Leaving): Promise<boolean> {
  let isWell = true;
  const step = async (where: string, work: () => unknown) => {
    try {
      await work();
    } catch (error) {
      isWell = false;
      log.tell({ type: "fault", where, error });
    }
  };
  const patience = Math.min(LAST_ANSWERS_TIMEOUT_MS, app.config.drainTimeout);
  await step("letting turns finish", () => app.drain());
  const isFollowed = await lock?.isFollowed();
  const again = new NexusError("shutting_down", undefined, { retryAfter: 1 });
  // Whoever comes now is asked to come again: the next process listens on the same port in a
  // moment.
  await step(
    "the last answers",
    () => isFollowed ? server.refuse(again, patience) : shutDown(server, patience),
  );
  await step("closing", () => app.close());
  await step("letting the store go", () => lock?.release(isWell ? stamp() : undefined));
  if (isFollowed) {
    await lock?.followed();
    await step("closing the port", () => shutDown(server, patience));
  }
  return isWell;
}

/**
 * Milliseconds that leaving takes at most, besides the turns that end: answers to chat platforms,
 * connections, the store.
 */
const CLOSE_TIMEOUT_MS = 10_000;

/** Holds the store's file against other gateways. Throws `conflict` with who has it. */
async function lockStore(path: string, log: Log): Promise<StoreLock> {
  return await StoreLock.take(path, {
    onWait(holder, ms) {
      const who = holder ? `process ${holder.pid} on ${holder.host}` : "another process";
      const why = holder?.leavesBy === undefined ? "" : ", which is leaving";
      const what = `waits up to ${Math.ceil(ms / 1000)} s for ${path}: ${who} has it${why}`;
      log.tell({ type: "warning", what });
    },
    onUnavailable: (why) =>
      log.tell({ type: "warning", what: `nothing keeps other gateways off ${path}: ${why}` }),
  });
}

async function listen(
  dir: string,
  app: App,
  log: Log,
  lock: StoreLock | undefined,
): Promise<Listener> {
  const { host, port, tls } = app.config;
  const follows = lock?.hasFollowed;
  try {
    const server = await Listener.open({
      dir,
      config: app.config,
      follows,
      // A port that two cannot share is let go by the process before this one, once it knows.
      onTaken: () => lock?.serving(),
      answer: (request, address) => app.fetch(request, { address }),
      onNotice: (what) => log.tell({ type: "warning", what }),
      onFault: (error) => log.tell({ type: "fault", where: "answering", error }),
      trusts: trustedBy(() => app.config.trustProxy),
      silence: () => 2 * app.config.pingInterval + app.config.botTimeout,
    });
    const { address } = server;
    log.tell({
      type: "started",
      address: `${tls ? "https" : "http"}://${address.hostname}:${address.port}`,
    });
    return server;
  } catch (error) {
    throw new NexusError(
      "conflict",
      `port ${port} on ${host} cannot be opened: ${(error as Error).message}`,
    );
  }
}

/** Whether an address is one of the proxies that are trusted right now. */
function trustedBy(ranges: () => readonly string[]): (address: string) => boolean {
  let of: readonly string[] = ranges();
  let proxies = new TrustedProxies(of);
  return (address) => {
    if (of !== ranges()) proxies = new TrustedProxies(of = ranges());
    return proxies.trusts(address);
  };
}

/** Milliseconds to read the last answers: a request that hangs must not keep the process. */
const LAST_ANSWERS_TIMEOUT_MS = 2_000;

async function shutDown(server: Listener, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([
    server.shutdown(),
    new Promise<void>((resolve) => timer = setTimeout(resolve, ms)),
  ]);
  clearTimeout(timer);
}

/** Takes over a changed file, but for options of the command line; a wrong file changes nothing. */
async function reload(dir: string, app: App, fixed: Partial<Config>, log: Log): Promise<void> {
  const result = await loadConfig(dir);
  if (!result.ok) {
    const why = result.problems.map(({ path, message }) => `${path}: ${message}`);
    log.tell({ type: "config_refused", why });
    return;
  }
  const next = { ...result.config, ...fixed };
  const lost = lostSettings(app.config, next);
  if (lost.length > 0) {
    log.tell({
      type: "config_refused",
      why: lost.map(({ path, message }) => `${path}: ${message}`),
    });
    return;
  }
  for (const { path, message } of result.warnings) {
    log.tell({ type: "warning", what: `${path} ${message}` });
  }
  if (changedKeys(app.config, next).length === 0) return;
  const { changed, needRestart } = await app.reconfigure(next);
  log.level = next.log.level;
  log.pretty = isPretty(next);
  if (changed.length > 0) log.tell({ type: "config_changed", what: changed });
  if (needRestart.length > 0) {
    log.tell({
      type: "warning",
      what: `${needRestart.join(", ")}: changed in the file, counts after a restart`,
    });
  }
}

/**
 * Milliseconds within which a second signal counts as the first one: a supervisor that signals
 * every process of a group reaches this one twice, also through a launcher that passes signals on.
 */
const SAME_SIGNAL_MS = 300;

/** Resolves at the first SIGTERM or SIGINT; `again` is called at each later one. */
function stopSignal(again: () => void): Promise<void> {
  return new Promise((resolve) => {
    let first: number | undefined;
    const told = () => {
      if (first !== undefined && performance.now() - first > SAME_SIGNAL_MS) again();
      first ??= performance.now();
      resolve();
    };
    const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGTERM", "SIGINT"];
    for (const signal of signals) Deno.addSignalListener(signal, told);
  });
}

function isPretty(config: Config): boolean {
  return config.log.format === "pretty" ||
    (config.log.format === "auto" && Deno.stderr.isTerminal());
}
