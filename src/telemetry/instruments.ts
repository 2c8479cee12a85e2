/**
 * Counts that cost an increment: what `metrics.ts` keeps, and what `prometheus.ts` writes down when
 * asked.
 */
import type { BotReport } from "../core/bot_monitor.ts";

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
  /** How each bot hangs on the gateway. */
  reports?(): readonly BotReport[];
  /** The apps on chat platforms; times in milliseconds since the epoch. */
  apps?(): readonly {
    readonly platform: string;
    readonly name: string;
    readonly connected: boolean;
    readonly lastEventAt?: number;
    readonly lastError?: { readonly at: number };
    readonly refusedCallbacks: number;
  }[];
  /**
   * What the last check of each app, model API and way to sign in found; times in milliseconds
   * since the epoch.
   */
  checks?(): readonly {
    readonly target: string;
    readonly at: number;
    readonly findings: readonly { readonly level: string }[];
  }[];
  /** The budgets of chat platforms. */
  budgets?(): readonly {
    readonly key: string;
    readonly waiting: number;
    readonly closedFor: number;
    readonly quota?: { readonly left: number };
  }[];
}

/** Counts by the values of some labels. */
export class Counter {
  /** The count where there are no labels: an increment is all that a chunk costs. */
  value = 0;
  readonly #counts = new Map<string, { values: readonly string[]; count: number }>();

  constructor(readonly name: string, readonly help: string, readonly labels: readonly string[]) {}

  inc(...values: string[]): void {
    this.incBy(1, ...values);
  }

  incBy(by: number, ...values: string[]): void {
    if (values.length === 0) {
      this.value += by;
      return;
    }
    const key = values.join("\n");
    const known = this.#counts.get(key);
    if (known) known.count += by;
    else this.#counts.set(key, { values, count: by });
  }

  *samples(): Iterable<{ labels: Record<string, string>; count: number }> {
    if (this.labels.length === 0) yield { labels: {}, count: this.value };
    for (const { values, count } of this.#counts.values()) {
      yield {
        labels: Object.fromEntries(this.labels.map((label, index) => [label, values[index]!])),
        count,
      };
    }
  }
}

/**
 * A histogram whose `add` is two increments, where prom-client's costs 1.5 µs. It has the shape
 * that prom-client's registry asks of a metric.
 */
export class Histogram {
  readonly type = "histogram";
  readonly aggregator = "sum";
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(readonly name: string, readonly help: string, readonly bounds: readonly number[]) {
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds } = this;
    let index = 0;
    while (index < bounds.length && value > bounds[index]!) index++;
    this.#counts[index]!++;
    this.#sum += value;
  }

  get() {
    const { name, help, type, aggregator } = this;
    let total = 0;
    const values: { labels: Record<string, string | number>; value: number; metricName: string }[] =
      [];
    this.#counts.forEach((count, index) => {
      total += count;
      values.push({
        labels: { le: this.bounds[index] ?? "+Inf" },
        value: total,
        metricName: `${name}_bucket`,
      });
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
