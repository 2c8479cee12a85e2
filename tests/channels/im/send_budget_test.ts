import assert from "node:assert/strict";
import {
  type BudgetScope,
  type Permit,
  type Priority,
  SendBudget,
} from "../../../src/channels/im/send_budget.ts";
import { DrivenClock } from "../../clock.ts";
import { MemoryStore } from "../../../src/backends/memory.ts";

const chat = (limit: number, per = 1000): BudgetScope => ({ key: "chat", rates: [{ limit, per }] });

/**
 * A small generator of repeatable "random" numbers (mulberry32): a failing property can be run
 * again.
 */
function dice(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * The largest number of arrivals in any window of `per`, counted the way a strict platform would.
 */
function busiest(arrivals: number[], per: number): number {
  arrivals.sort((a, b) => a - b);
  let most = 0;
  for (let first = 0, last = 0; last < arrivals.length; last++) {
    while (arrivals[last]! - arrivals[first]! >= per) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

Deno.test("no spread of latencies puts more calls into any window than its limit", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const roll = dice(seed);
    const clock = new DrivenClock(0);
    const budget = new SendBudget({ clock });
    const rates = [{ limit: 3 + Math.floor(roll() * 60), per: 1000 }, {
      limit: 100 + Math.floor(roll() * 900),
      per: 60_000,
    }];
    const app: BudgetScope = { key: "app", rates };
    const arrivals: number[] = [];
    const priorities: Priority[] = ["final", "first", "edit", "push"];
    let open = 0;
    for (let n = 0; n < 600; n++) {
      clock.after(roll() * 40_000, async () => {
        open++;
        const own: BudgetScope = { key: `chat:${n % 7}`, rates: [{ limit: 4, per: 1000 }] };
        const permit = await budget.take([app, own], {
          priority: priorities[n % 4]!,
          chat: own.key,
        }) as Permit;
        const there = roll() * 800, back = roll() * 800;
        clock.after(there, () => arrivals.push(clock.now()));
        clock.after(there + back, () => {
          permit.done();
          open--;
        });
      });
    }
    assert.ok(
      await clock.until(() => arrivals.length === 600 && open === 0, 3_600_000),
      `seed ${seed} got stuck`,
    );
    for (const rate of rates) {
      assert.ok(busiest(arrivals, rate.per) <= rate.limit, `seed ${seed}: over ${rate.limit}`);
    }
    budget.stop();
  }
});

Deno.test("a permit is taken from every scope of the path or from none", async () => {
  const clock = new DrivenClock(0);
  const budget = new SendBudget({ clock });
  const app: BudgetScope = { key: "app", rates: [{ limit: 10, per: 1000 }] };
  const ask = { priority: "final", chat: "a" } as const;
  await budget.take([app, chat(1)], ask);
  const second = budget.take([app, chat(1)], ask);
  await clock.advance(10);
  const used = () =>
    Object.fromEntries(budget.snapshot().map((view) => [view.key, view.windows[0]!.used]));
  assert.deepEqual(used(), { app: 1, chat: 1 });
  budget.stop();
  assert.equal(await second, "dropped");
});

Deno.test("finals go before first frames, those before edits, those before pushes", async () => {
  const clock = new DrivenClock(0);
  const budget = new SendBudget({ clock });
  const scope = chat(1);
  const order: string[] = [];
  (await budget.take([scope], { priority: "final", chat: "x" }) as Permit).done();
  const asks = (["push", "edit", "first", "final"] as const).map(async (priority) => {
    const permit = await budget.take([scope], { priority, chat: priority }) as Permit;
    order.push(priority);
    permit.done();
  });
  await clock.advance(10_000);
  await Promise.all(asks);
  assert.deepEqual(order, ["final", "first", "edit", "push"]);
});

Deno.test("a chat with a hundred edits does not keep another chat's one edit waiting", async () => {
  const clock = new DrivenClock(0);
  const budget = new SendBudget({ clock });
  const app: BudgetScope = { key: "app", rates: [{ limit: 5, per: 1000 }] };
  const order: string[] = [];
  const ask = async (name: string) => {
    const permit = await budget.take([app], { priority: "edit", chat: name });
    if (typeof permit === "string") return;
    permit.done();
    order.push(name);
  };
  for (let n = 0; n < 100; n++) ask("loud");
  ask("quiet");
  await clock.advance(2100);
  assert.ok(
    order.indexOf("quiet") >= 0 && order.indexOf("quiet") <= 5,
    `quiet came at ${order.indexOf("quiet")}`,
  );
  budget.stop();
});

Deno.test("edits leave room in a minute's window for finals at every moment", async () => {
  const clock = new DrivenClock(0);
  const budget = new SendBudget({ clock });
  const scope = chat(28, 60_000);
  const waits: number[] = [];
  let stop = false;
  const edits = (async () => {
    while (!stop) {
      const permit = await budget.take([scope], { priority: "edit", chat: "a" });
      if (typeof permit !== "string") permit.done();
    }
  })();
  for (let minute = 0; minute < 5; minute++) {
    await clock.advance(60_000);
    const asked = clock.now();
    const final = budget.take([scope], { priority: "final", chat: "b" }).then((permit) => {
      waits.push(clock.now() - asked);
      if (typeof permit !== "string") permit.done();
    });
    await clock.advance(1);
    await final;
  }
  stop = true;
  await clock.advance(10_000);
  budget.stop();
  await edits;
  assert.deepEqual(waits, [0, 0, 0, 0, 0]);
});

Deno.test("a final paid for in advance keeps its slot from edits and pushes", async () => {
  const clock = new DrivenClock(0);
  const budget = new SendBudget({ clock });
  const scope = chat(2, 60_000);
  const reservation = await budget.reserve([scope]);
  (await budget.take([scope], { priority: "edit", chat: "a" }) as Permit).done();
  const edit = budget.take([scope], { priority: "edit", chat: "a" });
  await clock.advance(30_000);
  assert.equal(budget.snapshot()[0]!.windows[0]!.used, 1);
  const final = await budget.take([scope], { priority: "final", chat: "a", reservation }) as Permit;
  assert.ok(reservation!.used);
  final.done();
  budget.stop();
  assert.equal(await edit, "dropped");
});

Deno.test("a closed scope opens after the named time, and nothing that waited is lost", async () => {
  const clock = new DrivenClock(0);
  const budget = new SendBudget({ clock });
  const scope = chat(10);
  budget.close(scope, 60_000);
  const times: number[] = [];
  const all = [1, 2, 3].map(async () => {
    (await budget.take([scope], { priority: "final", chat: "a" }) as Permit).done();
    times.push(clock.now());
  });
  await clock.advance(59_999);
  assert.deepEqual(times, []);
  assert.equal(budget.snapshot()[0]!.waiting, 3);
  await clock.advance(1);
  await Promise.all(all);
  assert.deepEqual(times, [60_000, 60_000, 60_000]);
});

Deno.test("an edit that is withdrawn while it waits costs nothing", async () => {
  const clock = new DrivenClock(0);
  const store = new MemoryStore();
  const budget = new SendBudget({ clock, store });
  const scope: BudgetScope = {
    key: "s",
    rates: [{ limit: 1, per: 1000 }],
    quota: { limit: 10, period: "month" },
  };
  (await budget.take([scope], { priority: "edit", chat: "a" }) as Permit).done();
  const stop = new AbortController();
  const edit = budget.take([scope], { priority: "edit", chat: "a", signal: stop.signal });
  await clock.advance(1);
  stop.abort();
  assert.equal(await edit, "dropped");
  assert.equal(await budget.left(scope), 9);
  assert.equal(budget.waiting, 0);
});

Deno.test("a month's quota is never overdrawn, keeps its last tenth for finals, and survives a restart", async () => {
  const clock = new DrivenClock(Date.UTC(2026, 10, 15));
  const store = new MemoryStore();
  const scope: BudgetScope = {
    key: "ding:month",
    rates: [],
    quota: { limit: 50, period: "month" },
  };
  const spend = async (budget: SendBudget, priority: Priority, times: number) => {
    let given = 0;
    for (let n = 0; n < times; n++) {
      const permit = await budget.take([scope], { priority, chat: "a" });
      if (typeof permit === "string") continue;
      permit.done();
      given++;
    }
    return given;
  };
  assert.equal(await spend(new SendBudget({ clock, store }), "edit", 30), 30);
  const restarted = new SendBudget({ clock, store });
  assert.equal(await spend(restarted, "edit", 30), 15, "edits stop at 90 %");
  assert.equal(await spend(restarted, "final", 30), 5, "finals use the last tenth and no more");
  assert.equal(await restarted.left(scope), 0);
  // The month turns at midnight in China: sixteen hours into the last day of UTC's month.
  await clock.advance(Date.UTC(2026, 10, 30, 16) - clock.now());
  assert.equal(await spend(restarted, "edit", 1), 1);
});

Deno.test("a reservation charges the quota once, and a release gives it back", async () => {
  const clock = new DrivenClock(0);
  const store = new MemoryStore();
  const budget = new SendBudget({ clock, store });
  const scope: BudgetScope = { key: "m", rates: [], quota: { limit: 10, period: "month" } };
  const [used, released] = [await budget.reserve([scope]), await budget.reserve([scope])];
  assert.equal(await budget.left(scope), 8);
  (await budget.take([scope], { priority: "final", chat: "a", reservation: used }) as Permit)
    .done();
  assert.equal(await budget.left(scope), 8);
  released!.release();
  released!.release();
  assert.equal(await budget.left(scope), 9);
});

Deno.test("a call that the platform did not count comes back to the quota", async () => {
  const clock = new DrivenClock(0);
  const budget = new SendBudget({ clock, store: new MemoryStore() });
  const scope: BudgetScope = { key: "m", rates: [], quota: { limit: 10, period: "day" } };
  (await budget.take([scope], { priority: "edit", chat: "a" }) as Permit).done("uncounted");
  await clock.advance(1);
  assert.equal(await budget.left(scope), 10);
});

Deno.test("scopes of chats that went quiet are forgotten", async () => {
  const clock = new DrivenClock(0);
  const budget = new SendBudget({ clock });
  for (let n = 0; n < 5000; n++) {
    const scope: BudgetScope = { key: `chat:${n}`, rates: [{ limit: 4, per: 1000 }] };
    (await budget.take([scope], { priority: "edit", chat: scope.key }) as Permit).done();
    if (n % 100 === 0) await clock.advance(1000);
  }
  assert.ok(budget.snapshot().length < 2000, `${budget.snapshot().length} are still held`);
});

Deno.test("past the bound edits are dropped and finals still wait", async () => {
  const clock = new DrivenClock(0);
  const budget = new SendBudget({ clock, maxWaiting: 1 });
  const scope = chat(1);
  budget.close(scope, 1000);
  const final = budget.take([scope], { priority: "final", chat: "a" });
  await clock.advance(1);
  assert.equal(await budget.take([scope], { priority: "edit", chat: "a" }), "dropped");
  await clock.advance(1000);
  assert.notEqual(typeof await final, "string");
});
