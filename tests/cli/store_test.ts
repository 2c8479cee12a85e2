import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { until } from "../world.ts";
import { folderWith, Program } from "./program.ts";

const PAGE = 4096;

/** Fills a store with what a bot said, closes it, and returns its pages by what they belong to. */
async function used(dir: string): Promise<(name: string) => number> {
  await using program = await Program.start(dir);
  const token = await program.signIn();
  const bot = await program.bot("b");
  bot.answerAll(({ id, content }) => bot.reply(id, `${content} `.repeat(50), true));
  for (let n = 0; n < 60; n++) {
    const response = await program.as(token, "/api/chat", { message: `needle number ${n}` });
    assert.equal(response.status, 200, await response.text());
  }
  const search = await program.as(token, "/api/search?q=needle");
  assert.equal(search.status, 200, await search.text());
  await bot.close();
  assert.equal(await program.stop(), 0);
  const db = new DatabaseSync(join(dir, "nexus.db"), { readOnly: true });
  const rows = db.prepare("SELECT name, pageno FROM dbstat ORDER BY pageno").all();
  db.close();
  for (const suffix of ["-wal", "-shm"]) {
    await Deno.remove(join(dir, `nexus.db${suffix}`)).catch(() => {});
  }
  return (name) => {
    const pages = (rows as unknown as { name: string; pageno: number }[]).filter((row) =>
      row.name === name
    );
    return pages[Math.floor(pages.length / 2)]!.pageno;
  };
}

async function damage(path: string, page: number): Promise<void> {
  const bytes = await Deno.readFile(path);
  bytes.fill(0xa5, (page - 1) * PAGE, page * PAGE);
  await Deno.writeFile(path, bytes);
}

Deno.test("a store that is damaged in its middle stops the start, with what to do; restoring a backup starts again", async () => {
  await using folder = await folderWith();
  const path = join(folder.dir, "nexus.db"), copy = join(folder.dir, "copy.db");
  const page = await used(folder.dir);
  await Deno.copyFile(path, copy);
  await damage(path, page("entries"));
  await using refused = await Program.start(folder.dir);
  assert.equal(await refused.ended(), 1);
  assert.match(
    refused.log,
    /Cannot start: .*nexus\.db is not a store of Nexus, or it is damaged .*`nexus restore FILE`/,
  );
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      new URL("../../main.ts", import.meta.url).pathname,
      "restore",
      copy,
      "--dir",
      folder.dir,
    ],
  }).output();
  assert.ok(success);
  await using again = await Program.start(folder.dir);
  const found = await again.as(await again.signIn(), "/api/search?q=needle");
  assert.ok((await found.json()).results.length > 0);
});

Deno.test("a search index that is damaged is made again at the start, and nothing is lost", async () => {
  for (const name of ["words_data", "texts"]) {
    await using folder = await folderWith();
    const page = await used(folder.dir);
    await damage(join(folder.dir, "nexus.db"), page(name));
    await using program = await Program.start(folder.dir);
    await until(
      () => program.log.includes("search index was damaged and is made again"),
      "the warning",
    );
    const token = await program.signIn();
    for (const words of ["needle", "number 59"]) {
      const found = await program.as(token, `/api/search?q=${encodeURIComponent(words)}`);
      assert.ok((await found.json()).results.length > 0, `${name}: ${words}`);
    }
    const ready = await program.as(token, "/readyz");
    assert.equal((await ready.json()).status, "ok");
    assert.equal(await program.stop(), 0);
    await using next = await Program.start(folder.dir);
    assert.doesNotMatch(next.log, /damaged/);
  }
});

Deno.test("a store that is deleted or replaced while the gateway runs is told and seen at /readyz", async () => {
  await using folder = await folderWith();
  const path = join(folder.dir, "nexus.db");
  await using program = await Program.start(folder.dir);
  const token = await program.signIn();
  await Deno.remove(path);
  await until(
    () => program.log.includes("nexus.db was deleted; it was written anew"),
    "the store to be written anew",
  );
  await Deno.rename(path, `${path}.away`);
  await Deno.writeTextFile(path, "");
  await until(() => program.log.includes("was replaced by another file"), "the warning");
  const ready = await program.as(token, "/readyz");
  assert.match((await ready.json()).status, /degraded/);
});

Deno.test("a lock that another program keeps holds up no request; /readyz says degraded, and it is over with the lock", async () => {
  await using folder = await folderWith();
  await using program = await Program.start(folder.dir);
  const token = await program.signIn();
  const bot = await program.bot("b");
  bot.answerAll(({ id }) => bot.reply(id, "well", true));
  const other = new DatabaseSync(join(folder.dir, "nexus.db"));
  try {
    other.exec("BEGIN EXCLUSIVE");
    let worst = 0;
    for (let n = 0; n < 20; n++) {
      for (
        const [path, body] of [["/api/chat", { message: `${n}` }], ["/api/conversations"], [
          "/livez",
        ]] as const
      ) {
        const began = performance.now();
        const response = await program.as(token, path, body);
        await response.text();
        assert.equal(response.status, 200, path);
        worst = Math.max(worst, performance.now() - began);
      }
    }
    // A write waited five seconds for the lock, and everything with it.
    assert.ok(worst < 2_500, `the slowest request took ${worst} ms`);
    const degraded = await program.as(token, "/readyz");
    assert.match((await degraded.json()).status, /degraded/);
    other.exec("ROLLBACK");
    await until(
      async () => (await (await program.as(token, "/readyz")).json()).status === "ok",
      "it to be over",
    );
    assert.equal(
      other.prepare("SELECT count(*) AS n FROM entries WHERE key >= 'turn:' AND key < 'turn;'")
        .get()!.n,
      20,
    );
  } finally {
    other.close();
    await bot.close();
  }
});

Deno.test("a store that another program keeps locked stops the start", async () => {
  await using folder = await folderWith();
  await used(folder.dir);
  const other = new DatabaseSync(join(folder.dir, "nexus.db"));
  other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  try {
    await using program = await Program.start(folder.dir);
    assert.equal(await program.ended(), 1);
    assert.match(program.log, /Cannot start: .*nexus\.db is locked by another program/);
  } finally {
    other.close();
  }
});
