import assert from "node:assert/strict";
import client from "prom-client";
import { Counter, Histogram } from "../../src/telemetry/instruments.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { formatPrometheus } from "../../src/telemetry/prometheus.ts";

Deno.test("counters, gauges and histograms are written as prom-client writes them", async () => {
  const registry = new client.Registry();
  const registers = [registry];
  const answers = new client.Counter({
    name: "answers_total",
    help: "Answers\nby bot \\ app",
    labelNames: ["bot", "code"],
    registers,
  });
  const plain = new client.Counter({ name: "plain_total", help: "Plain", registers });
  const size = new client.Gauge({ name: "size", help: "Size", labelNames: ["of"], registers });
  const took = new client.Histogram({ name: "took", help: "T", buckets: [0.1, 1], registers });
  const ownAnswers = new Counter("answers_total", "Answers\nby bot \\ app", ["bot", "code"]);
  const ownPlain = new Counter("plain_total", "Plain", []);
  const ownTook = new Histogram("took", "T", [0.1, 1]);
  for (const bot of ["a", 'with "quotes"', "with\nline \\ slash", "中文"]) {
    answers.inc({ bot, code: "" }, 2);
    ownAnswers.incBy(2, bot, "");
  }
  plain.inc(1.5);
  ownPlain.value += 1.5;
  size.set({ of: "much" }, Infinity);
  for (const value of [0.05, 0.1, 0.5, 7]) {
    took.observe(value);
    ownTook.observe(value);
  }
  assert.equal(
    formatPrometheus([
      ownAnswers.family(),
      ownPlain.family(),
      {
        name: "size",
        help: "Size",
        type: "gauge",
        samples: [{ labels: { of: "much" }, value: Infinity }],
      },
      ownTook.family(),
    ]),
    await registry.metrics(),
  );
});

Deno.test("without names, /metrics has no label that could name a bot, an app or an account", () => {
  const metrics = new Metrics();
  metrics.tell({ type: "delivered", channel: "lark", app: "secret-app", calls: 2 } as never);
  assert.match(metrics.text(true), /secret-app/);
  assert.doesNotMatch(metrics.text(false), /secret-app|nexus_platform_answers_total/);
  assert.match(metrics.text(false), /nexus_turns_total/);
});
