import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { TIMEOUTS } from "../../src/channels/im/http_call.ts";
import { MAX_FILE_BYTES, MAX_QUOTE } from "../../src/channels/im/question.ts";
import { configJsonSchema } from "../../src/config/config.ts";
import { routeTables } from "../channels/api/route_table.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PAGES = ["README.md", "README.zh.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

Deno.test("both READMEs name every setting, and no setting that is none", async () => {
  const keys = Object.keys(configJsonSchema().properties as object).filter((key) =>
    key !== "$schema"
  );
  for (const page of ["README.md", "README.zh.md"]) {
    const text = await Deno.readTextFile(join(ROOT, page));
    const table = text.slice(text.search(/\| (key|键) /)).split("\n\n")[0]!;
    const named = table.split("\n").slice(2).flatMap((row) =>
      [...row.split("|")[1]!.matchAll(/`(\w+)`/g)].map((match) => match[1]!)
    );
    assert.deepEqual(named.toSorted(), keys.toSorted(), page);
  }
});

Deno.test("no page of the project points at a file that is not there", async () => {
  for (const page of PAGES) {
    const text = await Deno.readTextFile(join(ROOT, page));
    for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
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
