/**
 * What was counted as Prometheus' text, by prom-client. Only the parts of it that are used are
 * loaded: its front door also loads Node's cluster, performance hooks and a push gateway's HTTP
 * client.
 */
import type * as prom from "prom-client";
// @ts-types="prom-client"
import * as counter from "prom-client/lib/counter.js";
// @ts-types="prom-client"
import * as gauge from "prom-client/lib/gauge.js";
// @ts-types="prom-client"
import * as registry from "prom-client/lib/registry.js";
import type { BotReport } from "../core/bot_monitor.ts";
import type { Counter, Gauges, Histogram } from "./instruments.ts";

// Each of these files is CommonJS and exports its class; the types of the front door say what it
// is.
const PromCounter = classOf(counter) as typeof prom.Counter;
const Gauge = classOf(gauge) as typeof prom.Gauge;
const Registry = classOf(registry) as typeof prom.Registry;

/**
 * Labels whose values are words of this program. Any other may hold a name of the configuration.
 */
const OPEN_LABELS: readonly string[] = ["status", "code", "channel", "what", "platform"];

export interface Registries {
  /** Everything. */
  readonly all: prom.Registry;
  /** What names no bot, no app and no account. */
  readonly open: prom.Registry;
}

/** Registries that read the counts anew each time they are asked. */
export function registriesOf(
  counters: readonly Counter[],
  spreads: readonly Histogram[],
  gauges: Gauges | undefined,
): Registries {
  const all = new Registry(), open = new Registry();
  const registers = [all, open];
  for (const tallies of counters) {
    new PromCounter({
      name: tallies.name,
      help: tallies.help,
      labelNames: [...tallies.labels],
      registers: tallies.labels.every((label) => OPEN_LABELS.includes(label)) ? registers : [all],
      collect() {
        this.reset();
        for (const { labels, count } of tallies.samples()) this.inc(labels, count);
      },
    });
  }
  // They have the shape that the registry asks of a metric.
  for (const spread of spreads) {
    for (const registry of registers) registry.registerMetric(spread as unknown as prom.Histogram);
  }
  new PromCounter({
    name: "process_cpu_seconds_total",
    help: "User and system CPU time",
    registers,
    collect() {
      const { user, system } = processUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  const gauge = (name: string, help: string, get: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(get());
      },
    });
  gauge("process_resident_memory_bytes", "Resident memory", () => memory().rss);
  gauge("process_heap_bytes", "Heap in use", () => memory().heapUsed);
  gauge(
    "process_start_time_seconds",
    "Start of the process since the epoch",
    () => performance.timeOrigin / 1000,
  );
  if (gauges) addGauges(gauges, [all], gauge);
  return { all, open };
}

type AppGauge = ReturnType<NonNullable<Gauges["apps"]>>[number];

/** @param registers where a gauge goes that has names */
function addGauges(
  gauges: Gauges,
  registers: prom.Registry[],
  gauge: (name: string, help: string, get: () => number) => void,
): void {
  gauge("nexus_bots", "Bots present", () => gauges.bots().length);
  addBots(gauges, registers);
  new Gauge({
    name: "nexus_platform_quota_left",
    help: "Calls that are left of a chat platform's month or day",
    labelNames: ["scope"],
    registers,
    collect() {
      this.reset();
      for (const { key, quota } of gauges.budgets?.() ?? []) {
        if (quota) this.set({ scope: key }, quota.left);
      }
    },
  });
  gauge(
    "nexus_platform_scopes_closed",
    "Budgets that a chat platform has closed for a while",
    () => (gauges.budgets?.() ?? []).filter((scope) => scope.closedFor > 0).length,
  );
  const ofApps = (name: string, help: string, get: (app: AppGauge) => number | undefined) =>
    new Gauge({
      name,
      help,
      labelNames: ["platform", "app"],
      registers,
      collect() {
        this.reset();
        for (const app of gauges.apps?.() ?? []) {
          const value = get(app);
          if (value !== undefined) this.set({ platform: app.platform, app: app.name }, value);
        }
      },
    });
  const seconds = (ms: number | undefined) => ms === undefined ? undefined : ms / 1000;
  ofApps(
    "nexus_app_connected",
    "Whether an app on a chat platform is connected",
    ({ connected }) => connected ? 1 : 0,
  );
  ofApps(
    "nexus_app_last_event_timestamp_seconds",
    "When its platform last sent something",
    ({ lastEventAt }) => seconds(lastEventAt),
  );
  ofApps(
    "nexus_app_last_error_timestamp_seconds",
    "When something last went wrong with it",
    ({ lastError }) => seconds(lastError?.at),
  );
  ofApps(
    "nexus_app_refused_callbacks",
    "Callbacks since the start that were not its platform's",
    (app) => app.refusedCallbacks,
  );
  addChecks(gauges, registers);
  gauge("nexus_turns_answering", "Turns that a bot has", gauges.answering);
  gauge("nexus_queue", "Turns that wait in line", gauges.waiting);
  gauge("nexus_turns_kept", "Ended turns in memory", () => gauges.kept().turns);
  gauge("nexus_turns_kept_bytes", "Their weight by estimate", () => gauges.kept().bytes);
  gauge("nexus_open_streams", "Event streams that are open", gauges.streams);
  gauge("nexus_open_pages", "Pages that listen for news", gauges.pages);
  gauge("nexus_bot_sockets", "WebSockets that are open on the bots' side", gauges.sockets);
  gauge("nexus_sessions", "Sessions in use", gauges.sessions);
}

/** What the last check of each target found. */
function addChecks(gauges: Gauges, registers: prom.Registry[]): void {
  type Check = ReturnType<NonNullable<Gauges["checks"]>>[number];
  const perTarget = (name: string, help: string, get: (check: Check) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ["target"],
      registers,
      collect() {
        this.reset();
        for (const check of gauges.checks?.() ?? []) this.set({ target: check.target }, get(check));
      },
    });
  perTarget(
    "nexus_connection_mistakes",
    "What the last check found wrong with an app, a model API or a way to sign in",
    ({ findings }) => findings.filter(({ level }) => level === "error").length,
  );
  perTarget(
    "nexus_connection_checked_timestamp_seconds",
    "When that check ended",
    ({ at }) => at / 1000,
  );
}

/** Bots that are named at most, so that a scrape stays small; those that are there come first. */
export const NAMED_BOTS = 200;

/**
 * A series for each bot. The code of a failure is one of a closed list, and there is one of them
 * for each bot at a time.
 */
function addBots(gauges: Gauges, registers: prom.Registry[]): void {
  type Row = [labels: Record<string, string>, value: number];
  const perBot = (
    name: string,
    help: string,
    labelNames: string[],
    row: (report: BotReport) => Row | undefined,
  ) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const report of (gauges.reports?.() ?? []).slice(0, NAMED_BOTS)) {
          const found = row(report);
          if (found) this.set(...found);
        }
      },
    });
  perBot("nexus_bot_busy", "Turns a bot is busy with", ["bot"], ({ id, state, busy }) => (
    state === "offline" ? undefined : [{ bot: id }, busy]
  ));
  perBot(
    "nexus_bot_up",
    "Whether a bot is there",
    ["bot", "wire"],
    ({ id, wire = "socket", state }) => [{ bot: id, wire }, Number(state !== "offline")],
  );
  perBot(
    "nexus_bot_resting",
    "Whether a bot rests because it failed",
    ["bot"],
    ({ id, state }) => [{ bot: id }, Number(state === "resting")],
  );
  perBot(
    "nexus_bot_since_seconds",
    "Since when a bot is there or is not, since the epoch",
    ["bot"],
    ({ id, since }) => (
      since === undefined ? undefined : [{ bot: id }, since / 1000]
    ),
  );
  perBot("nexus_bot_success_seconds", "Last answer of a bot that went well, since the epoch", [
    "bot",
  ], (report) => (
    report.succeededAt === undefined ? undefined : [{ bot: report.id }, report.succeededAt / 1000]
  ));
  perBot(
    "nexus_bot_failure_seconds",
    "Last failure of a bot, since the epoch",
    ["bot", "code"],
    (report) => (
      report.failedAt === undefined
        ? undefined
        : [{ bot: report.id, code: report.failure! }, report.failedAt / 1000]
    ),
  );
}

function processUsage(): { user: number; system: number } {
  return globalThis.process?.cpuUsage?.() ?? { user: 0, system: 0 };
}

function memory(): { rss: number; heapUsed: number } {
  return globalThis.process?.memoryUsage?.() ?? { rss: 0, heapUsed: 0 };
}

function classOf(module: unknown): unknown {
  return (module as { default: unknown }).default;
}
