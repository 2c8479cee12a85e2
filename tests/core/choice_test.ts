import assert from "node:assert/strict";
import { pick } from "../../src/core/balance.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { RateLimiter } from "../../src/core/rate_limiter.ts";
import { Notices, type NumberedNotice } from "../../src/core/notice.ts";
import { FairQueue } from "../../src/core/fair_queue.ts";

/**
 * Numbers that look random and are the same in every run (a linear congruential generator,
 * Numerical Recipes' constants).
 */
function sequence(seed = 1): () => number {
  let state = seed;
  return () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 32;
}

const bot = (id: string, busy = 0, maxConcurrent = Infinity, weight = 1) => ({
  id,
  busy,
  maxConcurrent,
  weight,
});

Deno.test("the conversation's own bot answers if it is there and not full", () => {
  const random = sequence();
  assert.equal(pick([bot("a"), bot("b", 5), bot("c")], "b", random)!.id, "b");
  assert.notEqual(pick([bot("a"), bot("b", 5, 5), bot("c")], "b", random)!.id, "b");
  assert.equal(pick([bot("a")], "gone", random)!.id, "a");
  assert.equal(pick([bot("a", 1, 1), bot("b", 2, 2)], undefined, random), undefined);
});

Deno.test("the less busy of two gets the work: a thousand turns spread evenly over ten bots", () => {
  const random = sequence(7);
  const bots = Array.from({ length: 10 }, (_, index) => bot(`b${index}`));
  for (let turn = 0; turn < 1000; turn++) pick(bots, undefined, random)!.busy++;
  const loads = bots.map(({ busy }) => busy);
  assert.ok(Math.max(...loads) - Math.min(...loads) <= 5, String(loads));
});

Deno.test("a bot of weight three gets about three times the work", () => {
  const random = sequence(3);
  const bots = [bot("small"), bot("large", 0, Infinity, 3)];
  for (let turn = 0; turn < 400; turn++) pick(bots, undefined, random)!.busy++;
  assert.ok(
    Math.abs(bots[1]!.busy / bots[0]!.busy - 3) < 0.3,
    `${bots[1]!.busy} / ${bots[0]!.busy}`,
  );
});

Deno.test("people are served in turn, however much one of them asks", () => {
  const queue = new FairQueue<string>();
  for (const item of ["a1", "a2", "a3", "a4"]) queue.add("a", item);
  queue.add("b", "b1");
  queue.add("c", "c1");
  assert.deepEqual([...queue.positions()].map(([item]) => item), [
    "a1",
    "b1",
    "c1",
    "a2",
    "a3",
    "a4",
  ]);
  const served: string[] = [];
  for (let item = queue.next(() => true); item; item = queue.next(() => true)) served.push(item);
  assert.deepEqual(served, ["a1", "b1", "c1", "a2", "a3", "a4"]);
  assert.equal(queue.size, 0);
});

Deno.test("one who waits for a bot that is full holds up nobody who wants another", () => {
  const queue = new FairQueue<string>();
  queue.add("a", "full");
  queue.add("a", "free");
  assert.equal(queue.next((item) => item === "free"), "free");
  assert.equal(queue.next((item) => item === "free"), undefined);
  assert.equal(queue.size, 1);
  assert.equal(queue.remove("a", "full"), true);
  assert.equal(queue.remove("a", "full"), false);
});

Deno.test("the line has a bound for all and for each, and a moved turn goes to its head", () => {
  const queue = new FairQueue<string>({ total: 3, perPerson: 2 });
  queue.add("a", "1");
  queue.add("a", "2");
  assert.throws(() => queue.add("a", "3"), { code: "queue_full" });
  queue.add("b", "1");
  assert.throws(() => queue.add("c", "1"), { code: "queue_full" });
  queue.putBack("a", "moved");
  assert.equal(queue.next(() => true), "moved");
});

Deno.test("a limit lets a burst through, then one after each interval, for each key apart", () => {
  const clock = new ManualClock();
  const limit = new RateLimiter({ burst: 3, every: 1000 }, clock);
  assert.deepEqual([1, 2, 3, 4].map(() => limit.take("a")), [0, 0, 0, 1]);
  assert.equal(limit.take("b"), 0);
  clock.pass(1000);
  assert.equal(limit.take("a"), 0);
  assert.equal(limit.take("a"), 1);
  limit.giveBack("a");
  assert.equal(limit.take("a"), 0);
  clock.pass(60_000);
  assert.deepEqual([1, 2, 3, 4].map(() => limit.take("a")), [0, 0, 0, 1]);
});

Deno.test("a limit's memory is bounded however many keys come", () => {
  const limit = new RateLimiter({ burst: 1, every: 1e9 }, new ManualClock());
  for (let key = 0; key < 150_000; key++) limit.take(`k${key}`);
  assert.ok(limit.size <= 100_000);
});

Deno.test("a push waits until a page takes it, a page that comes back gets what it missed, and no other", () => {
  const notices = new Notices(1_000);
  const push = (content: string) =>
    ({
      type: "push",
      turnId: "t",
      conversationId: "c",
      botId: "b",
      botName: "B",
      content,
      images: [],
    }) as const;
  const seen: NumberedNotice[] = [];
  const read = (after?: number) => notices.subscribe("p", after, (notice) => seen.push(notice));
  const contents = () =>
    seen.splice(0).map(({ notice }) => "content" in notice ? notice.content : notice.type);
  notices.tell("p", push("one"), []);
  notices.tell("p", { type: "turn", turnId: "t", conversationId: "c" }, []);
  let close = read();
  assert.deepEqual(
    contents(),
    ["one"],
    "what is only news of the moment is not kept for a new page",
  );
  notices.tell("p", push("two"), []);
  const last = seen.at(-1)!.number;
  assert.deepEqual(contents(), ["two"]);
  close();
  notices.tell("p", push("three"), []);
  notices.tell("p", { type: "turn", turnId: "t2", conversationId: "c" }, []);
  close = read(last);
  assert.deepEqual(contents(), ["three", "turn"]);
  close();
  close = read();
  assert.deepEqual(contents(), [], "a page has taken them");
  close();
  const other: NumberedNotice[] = [];
  notices.subscribe("q", 0, (notice) => other.push(notice))();
  assert.deepEqual(other, []);
});

Deno.test("what comes between the page that closes and the one that opens is told to the second, whatever it is", () => {
  const notices = new Notices(1_000);
  const seen: NumberedNotice[] = [];
  notices.subscribe("p", undefined, () => {})();
  const { last } = notices;
  notices.tell("p", { type: "turn", turnId: "t", conversationId: "c" }, []);
  notices.subscribe("p", last, (notice) => seen.push(notice))();
  assert.deepEqual(seen.map(({ notice }) => notice.type), ["turn"]);
});

Deno.test("of many pushes that nobody takes the latest two hundred stay", () => {
  const notices = new Notices(0);
  for (let index = 0; index < 500; index++) {
    notices.tell("p", {
      type: "push",
      turnId: "t",
      conversationId: "c",
      botId: "b",
      botName: "B",
      content: String(index),
      images: [],
    }, []);
  }
  const seen: NumberedNotice[] = [];
  notices.subscribe("p", undefined, (notice) => seen.push(notice))();
  assert.equal(seen.length, 200);
  assert.equal((seen.at(-1)!.notice as { content: string }).content, "499");
});

Deno.test("what is kept for pages is bounded by its weight, for each person and for all; the latest push stays", () => {
  const notices = new Notices(0);
  const image = "x".repeat(1 << 20);
  const push = (person: string, content: string) =>
    notices.tell(person, {
      type: "push",
      turnId: "t",
      conversationId: "c",
      botId: "b",
      botName: "B",
      content,
      images: [image, image],
    }, []);
  for (let index = 0; index < 10; index++) push("p", String(index));
  assert.ok(notices.units <= 8 << 20, `${notices.units}`);
  for (let person = 0; person < 100; person++) push(`p${person}`, "hi");
  assert.ok(notices.units <= 64 << 20, `${notices.units}`);
  const seen: NumberedNotice[] = [];
  notices.subscribe("p99", undefined, (notice) => seen.push(notice))();
  assert.equal(seen.length, 1);
  notices.tell("p", {
    type: "push",
    turnId: "t",
    conversationId: "c",
    botId: "b",
    botName: "B",
    content: image.repeat(20),
    images: [],
  }, []);
  seen.length = 0;
  notices.subscribe("p", undefined, (notice) => seen.push(notice))();
  assert.equal(seen.length, 1, "one that is heavier than the bound is told, alone");
});
