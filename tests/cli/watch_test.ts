import assert from "node:assert/strict";
import { watchFile } from "../../src/cli/watch.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { until } from "../world.ts";

/** A file that is watched by a clock that the test drives. */
interface Watched {
  readonly path: string;
  /** What was in the file at each call. */
  readonly heard: string[];
  /** What was thrown by those. */
  readonly faults: string[];
  /** Lets one look come and end. */
  look(): Promise<void>;
}

async function withWatched(run: (watched: Watched) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/config.json`;
  const clock = new ManualClock();
  const heard: string[] = [], faults: string[] = [];
  await Deno.writeTextFile(path, "first");
  const stop = watchFile(
    path,
    async () => {
      const text = await Deno.readTextFile(path);
      heard.push(text);
      if (text === "bad") throw new Error("it cannot be taken over");
    },
    (error) => faults.push(String(error)),
    1_000,
    clock,
  );
  // A look that has ended leaves the timer of the next one.
  const ended = () => until(() => clock.waiting === 1, "the end of a look");
  try {
    await ended();
    await run({
      path,
      heard,
      faults,
      look: () => {
        clock.pass(1_000);
        return ended();
      },
    });
  } finally {
    stop();
    assert.equal(clock.waiting, 0);
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a file that is written anew is reported once, when two looks saw the same", () =>
  withWatched(async ({ path, heard, look }) => {
    await Deno.writeTextFile(path, "the second text");
    await look();
    assert.deepEqual(heard, [], "it may be half written");
    await look();
    assert.deepEqual(heard, ["the second text"]);
    for (let n = 0; n < 5; n++) await look();
    assert.equal(heard.length, 1);
  }));

Deno.test("a file that is still being written is not reported before its end", () =>
  withWatched(async ({ path, heard, look }) => {
    for (let size = 10; size < 15; size++) {
      await Deno.writeTextFile(path, "x".repeat(size));
      await look();
    }
    assert.deepEqual(heard, []);
    await look();
    assert.deepEqual(heard, ["x".repeat(14)]);
  }));

Deno.test("a file put in the place of the old one is reported, as editors do it", () =>
  withWatched(async ({ path, heard, look }) => {
    await Deno.writeTextFile(`${path}~`, "other");
    await Deno.rename(`${path}~`, path);
    await look();
    await look();
    assert.deepEqual(heard, ["other"]);
  }));

Deno.test("a file that goes away and comes back changed is reported when it is back", () =>
  withWatched(async ({ path, heard, look }) => {
    await Deno.remove(path);
    for (let n = 0; n < 3; n++) await look();
    assert.deepEqual(heard, []);
    await Deno.writeTextFile(path, "back again");
    await look();
    await look();
    assert.deepEqual(heard, ["back again"]);
  }));

Deno.test("what others write beside the file is not reported", () =>
  withWatched(async ({ path, heard, look }) => {
    await Deno.writeTextFile(`${path}.db`, "noise");
    for (let n = 0; n < 3; n++) await look();
    assert.deepEqual(heard, []);
  }));

Deno.test("a change that cannot be taken over is told, and the file is followed on", () =>
  withWatched(async ({ path, heard, faults, look }) => {
    for (const text of ["bad", "good, and longer"]) {
      await Deno.writeTextFile(path, text);
      for (let n = 0; n < 2; n++) await look();
    }
    assert.deepEqual(heard, ["bad", "good, and longer"]);
    assert.deepEqual(faults, ["Error: it cannot be taken over"]);
  }));
