import assert from "node:assert/strict";
import { watchFile } from "../../src/cli/watch.ts";

/** Runs with a file that is watched, looked at every 10 ms; `heard` waits for the next call. */
async function withWatched(
  run: (path: string, heard: () => Promise<string>, calls: () => number) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/config.json`;
  await Deno.writeTextFile(path, "first");
  let calls = 0;
  let wake = () => {};
  const stop = watchFile(path, () => {
    calls++;
    wake();
    return Promise.resolve();
  }, 10);
  try {
    // The first look must have been before the test changes anything.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await run(path, async () => {
      await new Promise<void>((resolve) => wake = resolve);
      return await Deno.readTextFile(path);
    }, () => calls);
  } finally {
    stop();
    // A look that is under way ends before the sanitizer counts.
    await new Promise((resolve) => setTimeout(resolve, 30));
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a file that is written anew is told once", () =>
  withWatched(async (path, heard, calls) => {
    const told = heard();
    await Deno.writeTextFile(path, "the second text");
    assert.equal(await told, "the second text");
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(calls(), 1);
  }));

Deno.test("a file put in the place of the old one is told, as editors do it", () =>
  withWatched(async (path, heard) => {
    const told = heard();
    await Deno.writeTextFile(`${path}~`, "other");
    await Deno.rename(`${path}~`, path);
    assert.equal(await told, "other");
  }));

Deno.test("a file that goes away and comes back changed is told when it is back", () =>
  withWatched(async (path, heard, calls) => {
    await Deno.remove(path);
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(calls(), 0);
    const told = heard();
    await Deno.writeTextFile(path, "back again");
    assert.equal(await told, "back again");
  }));

Deno.test("what others write beside the file is not told", () =>
  withWatched(async (path, _heard, calls) => {
    await Deno.writeTextFile(`${path}.db`, "noise");
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(calls(), 0);
  }));
