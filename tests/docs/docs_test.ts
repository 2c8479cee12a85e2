import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { TIMEOUTS } from "../../src/channels/im/http_call.ts";
import { MAX_FILE_BYTES, MAX_QUOTE } from "../../src/channels/im/question.ts";
import { routeTables } from "../channels/api/route_table.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const FOLDERS = ["", "docs/", "docs/platforms/", "plugin/"];

Deno.test("no page of the project points at a file that is not there", async () => {
  for (const page of await pages()) {
    const text = await Deno.readTextFile(join(ROOT, page));
    for (const [, target] of text.matchAll(/\]\((?!https?:|data:|#)([^)#\s]+)/g)) {
      await assert.doesNotReject(
        Deno.stat(join(ROOT, dirname(page), target!)),
        `${page} → ${target}`,
      );
    }
  }
});

Deno.test("docs/security.md says of every route who may take it, as it is declared", async () => {
  const { inPage, declared } = await routeTables();
  assert.equal(
    inPage,
    declared,
    "run: deno run -A tests/channels/api/route_table.ts && deno fmt docs/security.md",
  );
});

Deno.test("the limits of chat apps that their pages name are those of the code", async () => {
  const thousands = (n: number) => n.toLocaleString("en");
  for (
    const [name, figures] of [["README.md", [thousands(MAX_QUOTE)]], ["README.zh.md", [
      `${MAX_QUOTE} 字`,
    ]]] as const
  ) {
    const page = (await Deno.readTextFile(join(ROOT, "docs/platforms", name))).replace(/\s+/g, " ");
    assert.deepEqual(JSON.parse(/\{ "timeouts": .*\}/.exec(page)![0]).timeouts, TIMEOUTS);
    for (const figure of [...figures, `${MAX_FILE_BYTES / 1024} KB`]) {
      assert.ok(page.includes(figure), `${name}: ${figure}`);
    }
  }
});

async function pages(): Promise<string[]> {
  const found: string[] = [];
  for (const folder of FOLDERS) {
    for await (const { name } of Deno.readDir(join(ROOT, folder))) {
      if (name.endsWith(".md")) found.push(folder + name);
    }
  }
  return found;
}
