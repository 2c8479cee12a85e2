/**
 * What Prometheus reads at `/metrics`. The counts on the path of a chunk are array increments; prom-client only writes them down when asked.
 */
import { Counter, Gauge, type Histogram, Registry } from "./prometheus.ts";
import type { Happening, Observer } from "./core/observer.ts";

/** Upper bounds in seconds. */
const GAPS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const FIRST = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const TURN = [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

/** What is only known when somebody asks. */
export interface Gauges {
  bots(): readonly { readonly id: string; readonly busy: number }[];
  answering(): number;
  waiting(): number;
  /** Turns and bytes of ended turns in memory. */
  kept(): { readonly turns: number; readonly bytes: number };
  streams(): number;
  pages(): number;
  sockets(): number;
  sessions(): number;
  /** The budgets of chat platforms. */
  budgets?(): readonly {
    readonly key: string;
    readonly waiting: number;
    readonly closedFor: number;
    readonly quota?: { readonly left: number };
  }[];
}

export class Metrics implements Observer {
  readonly registry = new Registry();
  readonly #turns: Counter<"status" | "code" | "channel">;
  readonly #moved: Counter;
  readonly #refused: Counter<"what">;
  readonly #pushes: Counter;
  readonly #faults: Counter;
  readonly #delivered: Counter<"channel" | "app">;
  readonly #platformCalls: Counter<"channel" | "app">;
  readonly #throttled: Counter<"platform">;
  readonly #first = new Tally(
    "nexus_first_chunk_seconds",
    "Time from a question to the first chunk of its answer",
    FIRST,
  );
  readonly #took = new Tally("nexus_turn_seconds", "Time from a question to its ending", TURN);
  readonly #gaps = new Tally("nexus_chunk_gap_seconds", "Time between two chunks of one reply", GAPS);
  #chunks = 0;
  #units = 0;

  constructor() {
    const registers = [this.registry];
    this.#turns = new Counter({
      name: "nexus_turns_total",
      help: "Turns that ended, by how",
      labelNames: ["status", "code", "channel"],
      registers,
    });
    this.#moved = new Counter({ name: "nexus_turns_moved_total", help: "Turns that moved to another bot", registers });
    this.#refused = new Counter({
      name: "nexus_refused_total",
      help: "What was refused",
      labelNames: ["what"],
      registers,
    });
    this.#pushes = new Counter({
      name: "nexus_pushes_total",
      help: "Messages that bots sent by themselves",
      registers,
    });
    this.#faults = new Counter({ name: "nexus_faults_total", help: "Failures nobody waited for", registers });
    const app = ["channel", "app"] as const;
    this.#delivered = new Counter({
      name: "nexus_platform_answers_total",
      help: "Answers shown on chat platforms",
      labelNames: app,
      registers,
    });
    this.#platformCalls = new Counter({
      name: "nexus_platform_calls_total",
      help: "Calls to chat platforms that those answers cost",
      labelNames: app,
      registers,
    });
    this.#throttled = new Counter({
      name: "nexus_platform_throttled_total",
      help: "Times that a chat platform said it was too much",
      labelNames: ["platform"],
      registers,
    });
    for (const tally of [this.#first, this.#took, this.#gaps]) {
      this.registry.registerMetric(tally as unknown as Histogram);
    }
    // A counter that is read from our own: prom-client's `inc` on every chunk would cost more than the chunk's log entry.
    const read = <T extends string>(name: string, help: string, get: () => number) =>
      new Counter<T>({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(get());
        },
      });
    read("nexus_chunks_total", "Chunks that bots sent", () => this.#chunks);
    read("nexus_reply_characters_total", "Characters that bots sent (UTF-16 units)", () => this.#units);
    read("process_cpu_seconds_total", "User and system CPU time", () => {
      const { user, system } = processUsage();
      return (user + system) / 1e6;
    });
  }

  /** Adds what is read when asked. Call once. */
  watch(gauges: Gauges): void {
    const gauge = (name: string, help: string, get: () => number) =>
      new Gauge({
        name,
        help,
        registers: [this.registry],
        collect() {
          this.set(get());
        },
      });
    gauge("nexus_bots", "Bots present", () => gauges.bots().length);
    new Gauge({
      name: "nexus_bot_busy",
      help: "Turns a bot is busy with",
      labelNames: ["bot"],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { id, busy } of gauges.bots()) this.set({ bot: id }, busy);
      },
    });
    new Gauge({
      name: "nexus_platform_quota_left",
      help: "Calls that are left of a chat platform's month or day",
      labelNames: ["scope"],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { key, quota } of gauges.budgets?.() ?? []) if (quota) this.set({ scope: key }, quota.left);
      },
    });
    gauge(
      "nexus_platform_scopes_closed",
      "Budgets that a chat platform has closed for a while",
      () => (gauges.budgets?.() ?? []).filter((scope) => scope.closedFor > 0).length,
    );
    gauge("nexus_turns_answering", "Turns that a bot has", gauges.answering);
    gauge("nexus_queue", "Turns that wait in line", gauges.waiting);
    gauge("nexus_turns_kept", "Ended turns in memory", () => gauges.kept().turns);
    gauge("nexus_turns_kept_bytes", "Their weight by estimate", () => gauges.kept().bytes);
    gauge("nexus_open_streams", "Event streams that are open", gauges.streams);
    gauge("nexus_open_pages", "Pages that listen for news", gauges.pages);
    gauge("nexus_bot_sockets", "WebSockets that are open on the bots' side", gauges.sockets);
    gauge("nexus_sessions", "Sessions in use", gauges.sessions);
    gauge("process_resident_memory_bytes", "Resident memory", () => memory().rss);
    gauge("process_heap_bytes", "Heap in use", () => memory().heapUsed);
    gauge("process_start_time_seconds", "Start of the process since the epoch", () => performance.timeOrigin / 1000);
  }

  tell(happening: Happening): void {
    switch (happening.type) {
      case "turn_ended":
        this.#turns.inc({ status: happening.status, code: happening.code ?? "", channel: happening.channel });
        this.#took.add(happening.took / 1000);
        if (happening.first !== undefined) this.#first.add(happening.first / 1000);
        return;
      case "turn_moved":
        return this.#moved.inc();
      case "bot_refused":
      case "frame_refused":
      case "sign_in_refused":
      case "callback_refused":
        return this.#refused.inc({ what: happening.type.replace("_refused", "") });
      case "delivered": {
        const { channel, app, calls } = happening;
        this.#delivered.inc({ channel, app });
        return this.#platformCalls.inc({ channel, app }, calls);
      }
      case "throttled":
        return this.#throttled.inc({ platform: happening.scope.split(":")[0]! });
      case "pushed":
        return this.#pushes.inc();
      case "fault":
        return this.#faults.inc();
    }
  }

  chunk(gap: number, units: number): void {
    this.#chunks++;
    this.#units += units;
    if (gap >= 0) this.#gaps.add(gap / 1000);
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }
}

/** A histogram whose `add` is two increments, where prom-client's costs 1.5 µs. It has the shape that prom-client's registry asks of a metric. */
class Tally {
  readonly type = "histogram";
  readonly aggregator = "sum";
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(readonly name: string, readonly help: string, readonly bounds: readonly number[]) {
    this.#counts = new Float64Array(bounds.length + 1);
  }

  add(value: number): void {
    const { bounds } = this;
    let index = 0;
    while (index < bounds.length && value > bounds[index]!) index++;
    this.#counts[index]!++;
    this.#sum += value;
  }

  get() {
    const { name, help, type, aggregator } = this;
    let total = 0;
    const values: { labels: Record<string, string | number>; value: number; metricName: string }[] = [];
    this.#counts.forEach((count, index) => {
      total += count;
      values.push({ labels: { le: this.bounds[index] ?? "+Inf" }, value: total, metricName: `${name}_bucket` });
    });
    values.push({ labels: {}, value: this.#sum, metricName: `${name}_sum` });
    values.push({ labels: {}, value: total, metricName: `${name}_count` });
    return Promise.resolve({ name, help, type, aggregator, values });
  }

  reset(): void {
    this.#counts.fill(0);
    this.#sum = 0;
  }
}

function processUsage(): { user: number; system: number } {
  return globalThis.process?.cpuUsage?.() ?? { user: 0, system: 0 };
}

function memory(): { rss: number; heapUsed: number } {
  return globalThis.process?.memoryUsage?.() ?? { rss: 0, heapUsed: 0 };
}
