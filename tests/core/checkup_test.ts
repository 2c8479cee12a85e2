import assert from "node:assert/strict";
import { MemoryStore } from "../../src/backends/memory.ts";
import {
  CHECK_TIMEOUT_MS,
  Checkup,
  type Probe,
  type Thoroughness,
} from "../../src/core/checkup.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { FindingReport, resolveSettings } from "../../src/core/finding.ts";
import type { GatewayEvent } from "../../src/core/observer.ts";
import {
  checkAfterStart,
  checkAtStart,
  FULL_CHECK_INTERVAL_MS,
} from "../../src/core/start_check.ts";

const words = (en: string) => ({ en, zh: en });

function probe(target: string, run: Probe["run"]): Probe {
  return { target, run };
}

Deno.test("a checkup reports every target, also one whose check fails or does not end, and never a secret", async () => {
  const clock = new ManualClock();
  const checkup = new Checkup({
    clock,
    probes: () => [
      probe("bots.quoting", (report) => {
        report.wrong("apiKey", words("refused: sk-secret"), words("change sk-secret"), {
          said: "sk-secret is wrong",
        });
        return Promise.resolve(["sk-secret"]);
      }),
      probe("bots.failing", () => Promise.reject(new Error("sk-secret"))),
      probe("bots.slow", () => new Promise(() => {})),
      probe("bots.right", () => Promise.resolve([])),
    ],
  });
  const running = checkup.run();
  assert.equal(checkup.running, true);
  assert.equal(checkup.run(), running, "a second one joins the first");
  for (let n = 0; n < 20; n++) await Promise.resolve();
  clock.pass(CHECK_TIMEOUT_MS);
  const results = await running;
  assert.equal(checkup.at, clock.now());
  assert.deepEqual(results.map(({ target, findings }) => [target, findings[0]?.what.en]), [
    ["bots.quoting", "refused: …"],
    ["bots.failing", "the check itself failed"],
    ["bots.slow", "the check did not end within 30 s"],
    ["bots.right", undefined],
  ]);
  assert.ok(!JSON.stringify(results).includes("sk-secret"));
});

Deno.test("a press of the button right after a check begins no other one", async () => {
  const clock = new ManualClock();
  let runs = 0;
  const count = () => {
    runs++;
    return Promise.resolve([]);
  };
  const checkup = new Checkup({ clock, probes: () => [probe("bots.a", count)] });
  assert.equal(await checkup.again(), true);
  assert.equal(await checkup.again(), false);
  assert.equal(runs, 1);
  clock.pass(10_000);
  assert.equal(await checkup.again(), true);
  assert.equal(runs, 2);
});

Deno.test("results of targets that are not configured any more are not shown", async () => {
  let targets = ["bots.a", "bots.b"];
  const checkup = new Checkup({
    clock: new ManualClock(),
    probes: () => targets.map((target) => probe(target, () => Promise.resolve([]))),
  });
  await checkup.run();
  targets = ["bots.b"];
  assert.deepEqual(checkup.results.map(({ target }) => target), ["bots.b"]);
});

Deno.test("after a start what is wrong is a warning; what counts against a quota is tried once an hour at most", async () => {
  const clock = new ManualClock(), store = new MemoryStore();
  const how: Thoroughness[] = [], told: GatewayEvent[] = [];
  const observer = { tell: (one: GatewayEvent) => void told.push(one), chunk() {} };
  const checkup = new Checkup({
    clock,
    probes: () => [probe("channels.dingtalk.main", (report, thoroughness) => {
      how.push(thoroughness);
      report.wrong("clientSecret", words("the Client Secret is wrong"), words("copy it again"), {
        said: "40089",
      });
      report.hint("", words("could not be asked"), words("look"));
      return Promise.resolve([]);
    })],
  });
  const parts = { checkup, store, clock, observer };
  for (const pass of [0, FULL_CHECK_INTERVAL_MS - 1, 1]) {
    clock.pass(pass);
    await checkAtStart(parts);
  }
  assert.deepEqual(how, ["full", "thrifty", "full"]);
  assert.deepEqual(told[0], {
    type: "warning",
    what: "channels.dingtalk.main.clientSecret: the Client Secret is wrong (40089); copy it again",
  });
  assert.equal(told.length, 3, "a hint is no warning");
  checkAfterStart(parts)();
  clock.pass(60_000);
  assert.equal(how.length, 3, "called off");
  await store.close();
});

Deno.test("env:NAME is filled in, in headers too; a variable that is not set is named with its setting", () => {
  const report = new FindingReport("bots.gpt");
  const env = (name: string) => name === "KEY" ? "sk-from-env" : undefined;
  const settings = { apiKey: "env:KEY", model: "m", headers: { "x-org": "env:KEY" } };
  assert.deepEqual(resolveSettings(report, settings, env), {
    settings: { apiKey: "sk-from-env", model: "m", headers: { "x-org": "sk-from-env" } },
    secrets: ["sk-from-env", "sk-from-env"],
  });
  assert.equal(resolveSettings(report, { headers: { "x-org": "env:GONE" } }, env), undefined);
  assert.deepEqual(report.found.map(({ path, what }) => [path, what.en]), [
    ["bots.gpt.headers.x-org", "the environment variable GONE is not set"],
  ]);
});
