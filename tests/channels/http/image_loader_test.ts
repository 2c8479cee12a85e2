import assert from "node:assert/strict";
import {
  CONCURRENT_LOADS,
  ImageLoader,
  REQUEST_IMAGE_LIMITS,
  WAITING_LOADS,
} from "../../../src/channels/http/image_loader.ts";
import { ManualClock } from "../../../src/core/clock.ts";

/** Loads that wait until they are let go, and what they were asked. */
function stage() {
  const clock = new ManualClock();
  const asked: { url: string; maxBytes: number; timeout: number }[] = [];
  const open: (() => void)[] = [];
  const loads = new ImageLoader({
    clock,
    async fetch(url, bounds) {
      asked.push({ url, ...bounds });
      await new Promise<void>((resolve) => open.push(resolve));
      return url;
    },
  });
  /** Lets one fetch end and waits for what follows from it. */
  const letGo = async () => {
    open.shift()!();
    await new Promise((resolve) => setTimeout(resolve));
  };
  const begin = (person: string, url = `https://x/${person}`) =>
    loads.withLoader(person, (load) => load(url));
  return { clock, asked, open, loads, letGo, begin };
}

Deno.test("so many requests load images at once, of one person and of all; the others wait for their turn", async () => {
  const { asked, letGo, begin, open } = stage();
  const running = [
    begin("a", "1"),
    begin("a", "2"),
    begin("a", "3"),
    begin("b"),
    begin("c"),
    begin("d"),
    begin("e"),
  ];
  await letGo().catch(() => {});
  // The third of `a` waits for another of `a`; everybody else had room.
  assert.deepEqual(asked.map(({ url }) => url).slice(0, CONCURRENT_LOADS.ofAll), [
    "1",
    "2",
    "https://x/b",
    "https://x/c",
    "https://x/d",
    "https://x/e",
  ]);
  while (open.length > 0) await letGo();
  assert.deepEqual(await Promise.all(running), [
    "1",
    "2",
    "3",
    "https://x/b",
    "https://x/c",
    "https://x/d",
    "https://x/e",
  ]);
  assert.equal(asked.length, 7);
});

Deno.test("who has too many waiting, or waits too long, is told to come again", async () => {
  const { clock, begin, letGo, open } = stage();
  const limited = { code: "limited", retryAfter: 5 };
  const running = Array.from(
    { length: CONCURRENT_LOADS.ofOne + WAITING_LOADS.ofOne },
    () => begin("a"),
  );
  const waiting = running.slice(CONCURRENT_LOADS.ofOne).map((one) => assert.rejects(one, limited));
  await assert.rejects(begin("a"), limited);
  clock.pass(WAITING_LOADS.time);
  await Promise.all(waiting);
  while (open.length > 0) await letGo();
  assert.deepEqual(await Promise.all(running.slice(0, CONCURRENT_LOADS.ofOne)), [
    "https://x/a",
    "https://x/a",
  ]);
  assert.equal(clock.waiting, 0);
});

Deno.test("an image that is named again in one request is loaded once, also where it could not be had", async () => {
  let asked = 0;
  const loads = new ImageLoader({
    clock: new ManualClock(),
    fetch: (url) => {
      asked++;
      return url === "bad" ? Promise.reject(new Error("bad")) : Promise.resolve(url);
    },
  });
  await loads.withLoader("a", async (load) => {
    assert.deepEqual([await load("1"), await load("1"), await load("2")], ["1", "1", "2"]);
    await assert.rejects(load("bad"));
    await assert.rejects(load("bad"));
  });
  assert.equal(asked, 3);
});

Deno.test("all images of a request share its bytes and its time", async () => {
  const clock = new ManualClock();
  const bounds: { maxBytes: number; timeout: number }[] = [];
  const loads = new ImageLoader({
    clock,
    fetch(_url, given) {
      bounds.push(given);
      clock.pass(6_000);
      return Promise.resolve("a".repeat(8 << 20));
    },
  });
  await loads.withLoader("a", async (load) => {
    for (let n = 0; n < 3; n++) await load(String(n));
    await assert.rejects(load("4"), /more than 20 MiB together/);
    clock.pass(1);
    await assert.rejects(load("5"), /did not all come within 20 s/);
  });
  assert.deepEqual(bounds.map(({ maxBytes }) => maxBytes >> 20), [10, 10, 10, 10]);
  assert.deepEqual(bounds.map(({ timeout }) => timeout), [20_000, 14_000, 8_000, 2_000]);
  assert.equal(REQUEST_IMAGE_LIMITS.together, 20 << 20);
});
