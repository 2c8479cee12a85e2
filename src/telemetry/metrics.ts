/**
 * The metrics of the gateway, as an observer. An event costs increments; the text of `/metrics` is
 * made when it is requested.
 */
import type { GatewayEvent, Observer } from "../core/observer.ts";
import { anonymousFamilies, type Gauges, namedFamilies, processFamilies } from "./gauges.ts";
import { Counter, Histogram } from "./instruments.ts";
import { formatPrometheus } from "./prometheus.ts";

/** Upper bounds of buckets, in seconds. */
const GAP_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const FIRST_CHUNK_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const TURN_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

export class Metrics implements Observer {
  readonly turns = new Counter("nexus_turns_total", "Turns that ended, by how", [
    "status",
    "code",
    "channel",
  ]);
  readonly moved = new Counter("nexus_turns_moved_total", "Turns that moved to another bot", []);
  readonly refused = new Counter("nexus_refused_total", "What was refused", ["what"]);
  readonly pushes = new Counter("nexus_pushes_total", "Messages that bots sent by themselves", []);
  readonly faults = new Counter("nexus_faults_total", "Failures nobody waited for", []);
  readonly delivered = new Counter(
    "nexus_platform_answers_total",
    "Answers shown on chat platforms",
    [
      "channel",
      "app",
    ],
  );
  readonly platformCalls = new Counter(
    "nexus_platform_calls_total",
    "Calls to chat platforms that those answers cost",
    ["channel", "app"],
  );
  readonly throttled = new Counter(
    "nexus_platform_throttled_total",
    "Times that a chat platform said it was too much",
    ["platform"],
  );
  readonly chunks = new Counter("nexus_chunks_total", "Chunks that bots sent", []);
  readonly units = new Counter(
    "nexus_reply_characters_total",
    "Characters that bots sent (UTF-16 units)",
    [],
  );
  readonly first = new Histogram(
    "nexus_first_chunk_seconds",
    "Time from a question to the first chunk of its answer",
    FIRST_CHUNK_BUCKETS,
  );
  readonly took = new Histogram(
    "nexus_turn_seconds",
    "Time from a question to its ending",
    TURN_BUCKETS,
  );
  readonly gaps = new Histogram(
    "nexus_chunk_gap_seconds",
    "Time between two chunks of one reply",
    GAP_BUCKETS,
  );
  #gauges: Gauges | undefined;
  readonly #counters = [
    this.turns,
    this.moved,
    this.refused,
    this.pushes,
    this.faults,
    this.delivered,
    this.platformCalls,
    this.throttled,
    this.chunks,
    this.units,
  ];

  /** Adds the gauges, which are read at each scrape. */
  watch(gauges: Gauges): void {
    this.#gauges = gauges;
  }

  tell(happening: GatewayEvent): void {
    switch (happening.type) {
      case "turn_ended":
        this.turns.inc(happening.status, happening.code ?? "", happening.channel);
        this.took.observe(happening.took / 1000);
        if (happening.first !== undefined) this.first.observe(happening.first / 1000);
        return;
      case "turn_moved":
        return this.moved.inc();
      case "bot_refused":
      case "frame_refused":
      case "sign_in_refused":
      case "callback_refused":
        return this.refused.inc(happening.type.replace("_refused", ""));
      case "delivered": {
        const { channel, app, calls } = happening;
        this.delivered.inc(channel, app);
        return this.platformCalls.incBy(calls, channel, app);
      }
      case "throttled":
        return this.throttled.inc(happening.scope.split(":")[0]!);
      case "pushed":
        return this.pushes.inc();
      case "fault":
        return this.faults.inc();
    }
  }

  chunk(gap: number, units: number): void {
    this.chunks.value++;
    this.units.value += units;
    if (gap >= 0) this.gaps.observe(gap / 1000);
  }

  /**
   * Returns everything in the text format of Prometheus.
   *
   * @param names whether to include metrics whose labels name a bot, an app or an account
   */
  text(names = true): string {
    const gauges = this.#gauges;
    const counters = names ? this.#counters : this.#counters.filter(isAnonymous);
    return formatPrometheus([
      ...counters.map((counter) => counter.family()),
      ...[this.first, this.took, this.gaps].map((histogram) => histogram.family()),
      ...processFamilies(),
      ...(gauges ? anonymousFamilies(gauges) : []),
      ...(gauges && names ? namedFamilies(gauges) : []),
    ]);
  }
}

/** Labels whose values come from this program. All others may hold a name of the configuration. */
const ANONYMOUS_LABELS: readonly string[] = ["status", "code", "channel", "what", "platform"];

function isAnonymous({ labels }: Counter): boolean {
  return labels.every((label) => ANONYMOUS_LABELS.includes(label));
}
