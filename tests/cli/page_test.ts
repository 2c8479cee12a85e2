/** When the page is built: not at all, at the first start, after its sources changed. */
import assert from "node:assert/strict";
import { openPage, type PagePlace } from "../../src/cli/page.ts";
import type { GatewayEvent } from "../../src/core/observer.ts";
import { sourcesState } from "../../src/web/build/sources.ts";

/** A folder with sources and a builder that counts. */
async function place() {
  const folder = await Deno.makeTempDir();
  const root = new URL(`file://${folder}/`);
  const write = async (path: string, text: string) => {
    await Deno.mkdir(new URL("./", new URL(path, root)), { recursive: true });
    await Deno.writeTextFile(new URL(path, root), text);
  };
  await write("src/web/main.tsx", "one");
  await write("src/web/view/app.tsx", "two");
  await write("static/index.html", "<!doctype html>");
  await write("deno.json", "{}");
  const told: GatewayEvent[] = [];
  let builds = 0;
  let fails = false;
  const parts: PagePlace = {
    root,
    async build() {
      if (fails) throw new Error("no compiler here");
      builds++;
      await write("static/build/index.html", `build ${builds}`);
      await write("static/build/manifest.json", "{}");
      await write("static/build/sources", await sourcesState(root) ?? "");
    },
  };
  return {
    root,
    write,
    told,
    fail: () => fails = true,
    /** What the first page says after another start. */
    async start(): Promise<string | undefined> {
      const answer = await openPage({ tell: (one) => told.push(one), chunk() {} }, parts);
      return answer && await (await answer(new Request("http://x/"))).text();
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test("the page is built at the first start, and again only when a source changed, came or went", async () => {
  await using p = await place();
  assert.equal(await p.start(), "build 1");
  assert.equal(await p.start(), "build 1");
  await p.write("src/web/view/app.tsx", "two and more");
  assert.equal(await p.start(), "build 2");
  await p.write("src/web/view/new.tsx", "three");
  assert.equal(await p.start(), "build 3");
  await Deno.remove(new URL("src/web/view/new.tsx", p.root));
  assert.equal(await p.start(), "build 4");
  await Deno.utime(new URL("src/web/main.tsx", p.root), 1_000_000, 1_000_000);
  assert.equal(await p.start(), "build 5");
  await p.write("deno.json", '{ "imports": {} }');
  assert.equal(await p.start(), "build 6");
  assert.equal(await p.start(), "build 6");
});

Deno.test("where there are no sources the page is served as it came", async () => {
  await using p = await place();
  await p.start();
  await Deno.remove(new URL("src", p.root), { recursive: true });
  await Deno.remove(new URL("static/build/sources", p.root));
  assert.equal(await p.start(), "build 1");
});

Deno.test("a page that cannot be built again is served as it was, and the reason is told", async () => {
  await using p = await place();
  await p.start();
  await p.write("src/web/main.tsx", "not TypeScript");
  p.fail();
  assert.equal(await p.start(), "build 1");
  assert.deepEqual(p.told.map(({ type }) => type), ["fault"]);
  await Deno.remove(new URL("static/build", p.root), { recursive: true });
  assert.equal(await p.start(), undefined);
});

Deno.test("looking at the real sources takes a few milliseconds", async () => {
  const root = new URL("../../", import.meta.url);
  let best = Infinity;
  for (let n = 0; n < 5; n++) {
    const began = performance.now();
    assert.match((await sourcesState(root))!, /^[0-9a-f]{32}$/);
    best = Math.min(best, performance.now() - began);
  }
  // Measured: 1.5 to 2 ms; what stands here only tells that nobody reads all the files.
  assert.ok(best < 20, `took ${best} ms`);
});
