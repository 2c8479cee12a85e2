/** What a browser must load before the page is there. */
import assert from "node:assert/strict";
import { pageFiles } from "./harness.ts";

const BUILD = new URL("../../static/build/", import.meta.url);

Deno.test("the first load is at most 110 KB of script; settings' and admins' parts come when they are opened", async () => {
  await pageFiles();
  const { first, files } = JSON.parse(await Deno.readTextFile(new URL("manifest.json", BUILD)));
  const scripts = first.filter((name: string) => name.endsWith(".js"));
  let bytes = 0;
  for (const name of scripts) {
    bytes += files[name].gzip ?? files[name].bytes;
    const text = await Deno.readTextFile(new URL(name, BUILD));
    // Words that only those parts say.
    assert.doesNotMatch(text, /I have kept them|Used today \(UTC\)/);
  }
  assert.ok(bytes <= 110 * 1024, `${bytes} bytes`);
});
