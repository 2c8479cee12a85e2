/**
 * This is the soak: ten minutes of mixed load at half of what the gateway can do, with people who
 * hang up and cancel and bots whose lines are cut. Afterwards nothing may be left over, and memory
 * may not have grown.
 */
import type { Figure } from "./figure.ts";
import type { MixedOutcome } from "./load_mixed.ts";
import { descriptorsOf, load, rssOf, type Server, startGateway, stay } from "./server.ts";

/** After this long the caches are full and the code is compiled. */
const WARM = 2 * 60_000;

export async function soak(minutes: number): Promise<Figure[]> {
  const gateway = await startGateway();
  try {
    return await run(gateway, minutes);
  } finally {
    await gateway.stop();
  }
}

async function run(gateway: Server, minutes: number): Promise<Figure[]> {
  const before = { descriptors: descriptorsOf(gateway.pid), gauges: await gauges(gateway) };
  const order = { port: gateway.port, token: gateway.token };
  const first = await stay("bots", { ...order, protocol: 1, bots: 4, dropEvery: 10_000 });
  const second = await stay("bots", { ...order, protocol: 2, bots: 4, dropEvery: 10_000 });
  const people = { port: gateway.port, bearers: gateway.bearers };

  const most = await load<MixedOutcome>("mixed", { ...people, connections: 128, seconds: 10 });
  const rate = most.begun / 10 / 2;
  console.error(
    `capacity of this mix ${(most.begun / 10).toFixed(0)} turns/s; ${minutes} minutes at ${
      rate.toFixed(0)
    }`,
  );

  const samples: { at: number; rss: number }[] = [];
  const start = performance.now();
  const sampling = setInterval(
    () => samples.push({ at: performance.now() - start, rss: rssOf(gateway.pid) }),
    2_000,
  );
  const outcome = await load<MixedOutcome>("mixed", {
    ...people,
    connections: 1_000,
    seconds: minutes * 60,
    rate,
  });
  clearInterval(sampling);
  await first.stop();
  await second.stop();
  // Longer than the grace in which a dropped version-2 bot may come back.
  await new Promise((resolve) => setTimeout(resolve, 20_000));

  const after = { descriptors: descriptorsOf(gateway.pid), gauges: await gauges(gateway) };
  const late = samples.filter(({ at }) => at > Math.min(WARM, minutes * 60_000 / 2));
  const { begun, whole, broken, hungUp, cancelled, leftOut, wrong, firstWrong } = outcome;
  const left = Object.entries(after.gauges)
    .filter(([name, value]) => value > (before.gauges[name] ?? 0))
    .map(([name, value]) => `${name} ${value}`);
  return [
    {
      row: `soak: ${begun} turns in ${minutes} min`,
      unit: "answers wrong",
      gateway: wrong,
      target: "0",
      reached: wrong === 0,
      note: firstWrong ??
        `${whole} whole, ${hungUp} hung up, ${cancelled} cancelled, ${broken} broken by bot drops, ${leftOut} left out`,
    },
    {
      row: "soak: growth of RSS after the first two minutes",
      unit: "KiB / min",
      gateway: slope(late) * 60_000,
      target: "flat: ≤ 1 % / min",
      reached: slope(late) * 60_000 <= (late[0]?.rss ?? 0) / 100,
      note: `${mib(late[0]?.rss)} then, ${mib(late.at(-1)?.rss)} at the end, ${
        mib(Math.max(...samples.map(({ rss }) => rss)))
      } at most`,
    },
    {
      row: "soak: turns, streams, bots and sockets left over",
      unit: "left",
      gateway: left.length + Math.max(0, after.descriptors - before.descriptors),
      target: "0",
      reached: left.length === 0 && after.descriptors <= before.descriptors,
      note: left.join(", ") || `descriptors ${before.descriptors} → ${after.descriptors}`,
    },
  ];
}

/** What the gateway itself says is open: turns running, places in line, streams, bots. */
async function gauges(gateway: Server): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${gateway.port}/metrics`)).text();
  const found: Record<string, number> = {};
  for (const [, name] of text.matchAll(/^# TYPE (nexus_\w+) gauge$/gm)) {
    // What is kept for readers who come back is no leftover; it shows in the memory.
    if (!/turn|queue|busy|stream|bot|socket|timer/.test(name!) || name!.includes("_kept")) continue;
    for (
      const match of text.matchAll(new RegExp(`^(${name}(?:\\{[^}]*\\})?) ([0-9.e+-]+)$`, "gm"))
    ) {
      found[match[1]!] = Number(match[2]);
    }
  }
  return found;
}

/** KiB per millisecond, by least squares. */
function slope(samples: readonly { at: number; rss: number }[]): number {
  const count = samples.length;
  const meanAt = samples.reduce((sum, { at }) => sum + at, 0) / count;
  const meanRss = samples.reduce((sum, { rss }) => sum + rss, 0) / count;
  let above = 0, below = 0;
  for (const { at, rss } of samples) {
    above += (at - meanAt) * (rss - meanRss);
    below += (at - meanAt) ** 2;
  }
  return below === 0 ? 0 : above / below;
}

function mib(kib: number | undefined): string {
  return kib === undefined ? "?" : `${(kib / 1024).toFixed(0)} MiB`;
}
