/**
 * Counters and histograms that cost an event one or two increments.
 */
import type { MetricFamily, Sample } from "./prometheus.ts";

/** A counter with a value for each combination of labels. */
export class Counter {
  /** The count of a counter without labels: the hot path increments it directly. */
  value = 0;
  readonly #counts = new Map<string, { values: readonly string[]; count: number }>();

  constructor(readonly name: string, readonly help: string, readonly labels: readonly string[]) {}

  /** Adds one. @param values of the labels, in their order */
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

  /** The counts of this moment. */
  family(): MetricFamily {
    const { name, help, labels } = this;
    const samples: Sample[] = labels.length === 0 ? [{ value: this.value }] : [];
    for (const { values, count } of this.#counts.values()) {
      samples.push({
        labels: Object.fromEntries(labels.map((label, index) => [label, values[index]!])),
        value: count,
      });
    }
    return { name, help, type: "counter", samples };
  }
}

/** A histogram without labels. */
export class Histogram {
  readonly #counts: Float64Array;
  #sum = 0;

  /** @param bounds the upper bounds of the buckets, rising; a last one takes the rest */
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

  /** The counts of this moment. */
  family(): MetricFamily {
    const { name, help, bounds } = this;
    const samples: Sample[] = [];
    let total = 0;
    this.#counts.forEach((count, index) => {
      total += count;
      samples.push({ suffix: "_bucket", labels: { le: bounds[index] ?? "+Inf" }, value: total });
    });
    samples.push({ suffix: "_sum", value: this.#sum }, { suffix: "_count", value: total });
    return { name, help, type: "histogram", samples };
  }
}
