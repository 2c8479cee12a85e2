import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { SqliteStore } from "../../src/backends/sqlite.ts";
import { checkStore } from "../../src/backends/sqlite_check.ts";
import { UNINDEXED } from "../../src/core/store.ts";

const PAGE = 4096;

/** A store with something of everything in it, as bytes, and which page belongs to what. */
async function someStore(
  dir: string,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; pages: Map<string, number[]> }> {
  const path = `${dir}/some.db`;
  const store = new SqliteStore({ path });
  let seed = 1;
  const word = () => ((seed = (seed * 48271) % 2147483647) % 1_000_000).toString(36);
  for (let i = 0; i < 400; i++) {
    const text = Array.from({ length: 60 }, word).join(" ");
    await store.set(`turn:${i}`, { text }, { find: { owner: "alice", text: `${text} needle` } });
    await store.append(`log:${i % 5}`, [text]);
  }
  await store.set("passing", 1, { ttl: 1_000_000 });
  await store.find("alice", "needle", 1);
  await store.close();
  const db = new DatabaseSync(path, { readOnly: true });
  const rows = db.prepare("SELECT name, pageno FROM dbstat ORDER BY pageno").all();
  db.close();
  const pages = new Map<string, number[]>();
  for (const { name, pageno } of rows as unknown as { name: string; pageno: number }[]) {
    pages.set(name, [...pages.get(name) ?? [], pageno]);
  }
  return { bytes: Deno.readFileSync(path), pages };
}

function withDamage(bytes: Uint8Array<ArrayBuffer>, page: number): Uint8Array<ArrayBuffer> {
  const damaged = bytes.slice();
  damaged.fill(0xa5, (page - 1) * PAGE, page * PAGE);
  return damaged;
}

Deno.test("a page that is damaged: what was said is never taken for empty, and what can be made again is", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const { bytes, pages } = await someStore(dir);
    const path = `${dir}/nexus.db`;
    const outcomes: Record<string, string> = {};
    for (const [name, numbers] of pages) {
      const page = numbers[Math.floor(numbers.length / 2)]!;
      Deno.writeFileSync(path, withDamage(bytes, page));
      try {
        const kept = checkStore(path);
        outcomes[name] = kept === undefined ? "whole" : "made again";
        if (kept === undefined) continue;
        assert.equal(kept, `${path}.damaged`);
        assert.deepEqual(
          Deno.readFileSync(kept),
          withDamage(bytes, page),
          "the damaged file is left as it was",
        );
        Deno.removeSync(kept);
        const store = new SqliteStore({ path });
        assert.equal((await store.list("turn:")).length, 400, name);
        assert.equal((await store.read("log:3")).length, 80, name);
        if (await store.get(UNINDEXED) !== undefined) outcomes[name] = "to be given again";
        else assert.equal((await store.find("alice", "needle", 500)).length, 400, name);
        await store.set("new", 1, { durable: true, find: { owner: "alice", text: "thread" } });
        assert.equal((await store.find("alice", "thread", 5)).length, 1, name);
        assert.equal(store.trouble, undefined, name);
        await store.close();
        assert.equal(checkStore(path), undefined, name);
      } catch (error) {
        outcomes[name] = "refused";
        const { message } = error as Error;
        assert.match(
          message,
          /nexus\.db is not a store of Nexus, or it is damaged .*`nexus restore FILE`/,
          name,
        );
        assert.deepEqual(Deno.readFileSync(path), withDamage(bytes, page), "nothing was touched");
      }
    }
    assert.deepEqual(outcomes, {
      sqlite_schema: "refused",
      entries: "refused",
      logs: "refused",
      lines: "refused",
      sqlite_autoindex_entries_1: "made again",
      sqlite_autoindex_logs_1: "made again",
      entries_expires: "made again",
      logs_expires: "made again",
      texts: "to be given again",
      texts_entry: "made again",
      texts_state: "made again",
      words_data: "made again",
      words_idx: "made again",
      words_docsize: "made again",
      words_config: "made again",
      sqlite_sequence: "whole",
    });
    assert.deepEqual(
      [...Deno.readDirSync(dir)].map(({ name }) => name).filter((name) => !name.startsWith("some")),
      [
        "nexus.db",
      ],
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("an index that proves damaged while it is used is made again at once", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/nexus.db`;
  try {
    const { bytes } = await someStore(dir);
    Deno.writeFileSync(path, bytes);
    const db = new DatabaseSync(path) as DatabaseSync & { enableDefensive(on: boolean): void };
    db.enableDefensive(false);
    // SQLite finds nothing wrong with these rows; only the index itself does.
    db.exec("UPDATE words_data SET block = x'00' WHERE id > 10");
    db.close();
    const faults: string[] = [];
    const store = new SqliteStore({ path, onFault: ({ message }) => faults.push(message) });
    assert.equal((await store.find("alice", "needle", 500)).length, 400);
    assert.deepEqual(faults, ["the search index was damaged and is made again"]);
    assert.equal(store.trouble, undefined);
    await store.close();
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a page that proves damaged while it is used is trouble that stays, with what to do", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/nexus.db`;
  try {
    const { bytes, pages } = await someStore(dir);
    Deno.writeFileSync(path, withDamage(bytes, pages.get("entries")!.at(-1)!));
    const store = new SqliteStore({ path });
    await assert.rejects(async () => {
      for (let i = 0; i < 400; i++) await store.get(`turn:${i}`);
    }, { code: "internal" });
    assert.match(store.trouble!, /is damaged .*; restart the gateway/);
    await store.set("new", 1, { durable: true });
    assert.match(store.trouble!, /is damaged/);
    await store.close();
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a file of another program, or one that is empty, is left to whoever opens it", async () => {
  const dir = await Deno.makeTempDir();
  try {
    Deno.writeTextFileSync(`${dir}/empty.db`, "");
    assert.equal(checkStore(`${dir}/empty.db`), undefined);
    const foreign = new DatabaseSync(`${dir}/foreign.db`);
    foreign.exec("CREATE TABLE theirs (a)");
    foreign.close();
    assert.equal(checkStore(`${dir}/foreign.db`), undefined);
    Deno.writeTextFileSync(`${dir}/text.db`, "hello ".repeat(1000));
    assert.throws(() => checkStore(`${dir}/text.db`), /not a store of Nexus/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
