/**
 * The gauges of `/metrics`: values that other parts hold and that are read at each scrape.
 */
import type { BotReport } from "../core/bot_monitor.ts";
import type { MetricFamily, Sample } from "./prometheus.ts";

/** Where the values come from. */
export interface Gauges {
  bots(): readonly { readonly id: string; readonly busy: number }[];
  answering(): number;
  waiting(): number;
  /** Ended turns in memory and their bytes. */
  kept(): { readonly turns: number; readonly bytes: number };
  streams(): number;
  pages(): number;
  sockets(): number;
  sessions(): number;
  reports?(): readonly BotReport[];
  /** The apps on chat platforms; times in milliseconds since the epoch. */
  apps?(): readonly AppStatus[];
  /**
   * The last check of each app, model API and identity provider; times in milliseconds since the
   * epoch.
   */
  checks?(): readonly CheckStatus[];
  /** The budgets of chat platforms. */
  budgets?(): readonly {
    readonly key: string;
    readonly waiting: number;
    readonly closedFor: number;
    readonly quota?: { readonly left: number };
  }[];
}

interface AppStatus {
  readonly platform: string;
  readonly name: string;
  readonly connected: boolean;
  readonly lastEventAt?: number;
  readonly lastError?: { readonly at: number };
  readonly refusedCallbacks: number;
}

interface CheckStatus {
  readonly target: string;
  readonly at: number;
  readonly findings: readonly { readonly level: string }[];
}

/** The process itself: CPU, memory, start. */
export function processFamilies(): MetricFamily[] {
  const { user, system } = globalThis.process?.cpuUsage?.() ?? { user: 0, system: 0 };
  const { rss, heapUsed } = globalThis.process?.memoryUsage?.() ?? { rss: 0, heapUsed: 0 };
  return [
    {
      name: "process_cpu_seconds_total",
      help: "User and system CPU time",
      type: "counter",
      samples: [{ value: (user + system) / 1e6 }],
    },
    gauge("process_resident_memory_bytes", "Resident memory", rss),
    gauge("process_heap_bytes", "Heap in use", heapUsed),
    gauge(
      "process_start_time_seconds",
      "Start of the process since the epoch",
      performance.timeOrigin / 1000,
    ),
  ];
}

/** The gauges that name no bot, app or account. */
export function anonymousFamilies(gauges: Gauges): MetricFamily[] {
  const { turns, bytes } = gauges.kept();
  return [
    gauge("nexus_bots", "Bots present", gauges.bots().length),
    gauge(
      "nexus_platform_scopes_closed",
      "Budgets that a chat platform has closed for a while",
      (gauges.budgets?.() ?? []).filter(({ closedFor }) => closedFor > 0).length,
    ),
    gauge("nexus_turns_answering", "Turns that a bot has", gauges.answering()),
    gauge("nexus_queue", "Turns that wait in line", gauges.waiting()),
    gauge("nexus_turns_kept", "Ended turns in memory", turns),
    gauge("nexus_turns_kept_bytes", "Their weight by estimate", bytes),
    gauge("nexus_open_streams", "Event streams that are open", gauges.streams()),
    gauge("nexus_open_pages", "Pages that listen for news", gauges.pages()),
    gauge("nexus_bot_sockets", "WebSockets that are open on the bots' side", gauges.sockets()),
    gauge("nexus_sessions", "Sessions in use", gauges.sessions()),
  ];
}

/** The gauges whose labels name bots, apps and what was checked. */
export function namedFamilies(gauges: Gauges): MetricFamily[] {
  return [
    ...botFamilies(gauges.reports?.() ?? []),
    gaugeOf(
      gauges.budgets?.() ?? [],
      "nexus_platform_quota_left",
      "Calls that are left of a chat platform's month or day",
      ({ key, quota }) => quota && { labels: { scope: key }, value: quota.left },
    ),
    ...appFamilies(gauges.apps?.() ?? []),
    ...checkFamilies(gauges.checks?.() ?? []),
  ];
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: "gauge", samples: [{ value }] };
}

/** A gauge with a sample for each row that has one. */
function gaugeOf<Row>(
  rows: readonly Row[],
  name: string,
  help: string,
  sampleOf: (row: Row) => Sample | undefined,
): MetricFamily {
  const samples = rows.map(sampleOf).filter((sample) => sample !== undefined);
  return { name, help, type: "gauge", samples };
}

function appFamilies(apps: readonly AppStatus[]): MetricFamily[] {
  const perApp = (name: string, help: string, valueOf: (app: AppStatus) => number | undefined) =>
    gaugeOf(apps, name, help, (app) => {
      const value = valueOf(app);
      return value === undefined
        ? undefined
        : { labels: { platform: app.platform, app: app.name }, value };
    });
  return [
    perApp(
      "nexus_app_connected",
      "Whether an app on a chat platform is connected",
      ({ connected }) => connected ? 1 : 0,
    ),
    perApp(
      "nexus_app_last_event_timestamp_seconds",
      "When its platform last sent something",
      ({ lastEventAt }) => seconds(lastEventAt),
    ),
    perApp(
      "nexus_app_last_error_timestamp_seconds",
      "When something last went wrong with it",
      ({ lastError }) => seconds(lastError?.at),
    ),
    perApp(
      "nexus_app_refused_callbacks",
      "Callbacks since the start that were not its platform's",
      ({ refusedCallbacks }) => refusedCallbacks,
    ),
  ];
}

function checkFamilies(checks: readonly CheckStatus[]): MetricFamily[] {
  return [
    gaugeOf(
      checks,
      "nexus_connection_mistakes",
      "What the last check found wrong with an app, a model API or a way to sign in",
      ({ target, findings }) => ({
        labels: { target },
        value: findings.filter(({ level }) => level === "error").length,
      }),
    ),
    gaugeOf(
      checks,
      "nexus_connection_checked_timestamp_seconds",
      "When that check ended",
      ({ target, at }) => ({ labels: { target }, value: at / 1000 }),
    ),
  ];
}

/** The most bots that are named, so that a scrape stays small. Connected bots come first. */
export const MAX_NAMED_BOTS = 200;

/** A series for each bot. A bot has one failure code at a time, out of a closed list. */
function botFamilies(reports: readonly BotReport[]): MetricFamily[] {
  const perBot = (
    name: string,
    help: string,
    valueOf: (report: BotReport) => number | undefined,
    labelsOf: (report: BotReport) => Record<string, string> = () => ({}),
  ) =>
    gaugeOf(reports.slice(0, MAX_NAMED_BOTS), name, help, (report) => {
      const value = valueOf(report);
      return value === undefined
        ? undefined
        : { labels: { bot: report.id, ...labelsOf(report) }, value };
    });
  return [
    perBot(
      "nexus_bot_busy",
      "Turns a bot is busy with",
      ({ state, busy }) => state === "offline" ? undefined : busy,
    ),
    perBot(
      "nexus_bot_up",
      "Whether a bot is there",
      ({ state }) => Number(state !== "offline"),
      ({ wire = "socket" }) => ({ wire }),
    ),
    perBot(
      "nexus_bot_resting",
      "Whether a bot rests because it failed",
      ({ state }) => Number(state === "resting"),
    ),
    perBot(
      "nexus_bot_since_seconds",
      "Since when a bot is there or is not, since the epoch",
      ({ since }) => seconds(since),
    ),
    perBot(
      "nexus_bot_success_seconds",
      "Last answer of a bot that went well, since the epoch",
      ({ succeededAt }) => seconds(succeededAt),
    ),
    perBot(
      "nexus_bot_failure_seconds",
      "Last failure of a bot, since the epoch",
      ({ failedAt }) => seconds(failedAt),
      ({ failure }) => ({ code: failure! }),
    ),
  ];
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}
