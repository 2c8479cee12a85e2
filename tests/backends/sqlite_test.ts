import assert from "node:assert/strict";
import { SqliteStore } from "../../src/backends/sqlite.ts";
import { splitText } from "../../src/backends/sqlite_search_index.ts";
import { backupStore, restoreStore } from "../../src/backends/sqlite_backup.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { storeContract } from "./contract.ts";
import { lacks } from "../needs.ts";

storeContract({
  name: "sqlite",
  open() {
    const dir = Deno.makeTempDirSync();
    const clock = new ManualClock();
    const store = new SqliteStore({ path: `${dir}/nexus.db`, clock });
    return {
      store,
      pass: (ms) => clock.pass(ms),
      async close() {
        await store.close();
        assert.equal(store.trouble, undefined);
        assert.equal(clock.waiting, 0);
        Deno.removeSync(dir, { recursive: true });
      },
    };
  },
});

/** A folder of its own for one test. */
async function inFolder(test: (dir: string) => Promise<void> | void): Promise<void> {
  const dir = Deno.makeTempDirSync();
  try {
    await test(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

/** Whether a file (with its write-ahead log) holds some bytes anywhere, deleted or not. */
function holds(path: string, words: string): boolean {
  return [path, `${path}-wal`].some((file) => {
    try {
      const bytes = Deno.readFileSync(file);
      return new TextDecoder("latin1").decode(bytes).includes(words);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  });
}

Deno.test("sqlite: everything is there again after a restart", () =>
  inFolder(async (dir) => {
    const path = `${dir}/nexus.db`;
    const first = new SqliteStore({ path });
    await first.set("a", { deep: [1] }, { find: { owner: "alice", text: "hello 天气" } });
    await first.count("n", 3);
    await first.append("log", [1, 2]);
    await first.close();
    const second = new SqliteStore({ path });
    assert.deepEqual(await second.get("a"), { deep: [1] });
    assert.equal(await second.count("n", 1), 4);
    assert.equal(await second.append("log", [3]), 3);
    assert.deepEqual(await second.read("log"), [1, 2, 3]);
    assert.equal((await second.find("alice", "天气", 5)).length, 1);
    await second.close();
    if (Deno.build.os !== "windows") assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  }));

Deno.test("sqlite: a long text is found by words anywhere in it, once, and goes out of the index whole", () =>
  inFolder(async (dir) => {
    const store = new SqliteStore({ path: `${dir}/nexus.db` });
    const filling = (unit: string) => unit.repeat(30_000);
    const long = `begins ${filling("word ")} quokka ${filling("长文")}袋鼠${
      filling("字")
    } xylophone`;
    await store.set("short", 1, { find: { owner: "alice", text: "word 长文" } });
    await store.set("long", 2, { find: { owner: "alice", text: long } });
    for (const words of ["begins", "quokka", "袋鼠", "xylophone", "xylo"]) {
      assert.deepEqual(await store.find("alice", words, 5), [["long", 2]], words);
    }
    assert.deepEqual(await store.find("alice", "word", 2), [["long", 2], ["short", 1]]);
    await store.set("long", 3, { find: { owner: "alice", text: `${long} platypus` } });
    assert.deepEqual(await store.find("alice", "platypus", 5), [["long", 3]]);
    assert.deepEqual(await store.find("alice", "quokka", 5), [["long", 3]]);
    await store.delete("long");
    for (const words of ["quokka", "袋鼠", "platypus"]) {
      assert.deepEqual(await store.find("alice", words, 5), [], words);
    }
    await store.close();
    assert.equal(holds(`${dir}/nexus.db`, "quokka"), false);
  }));

Deno.test("sqlite: a text's parts hold each of its words whole, and no part is longer than it may be", () => {
  const sentence = Array.from({ length: 3_000 }, (_, at) => `word${at}`).join(" ");
  const words = new Set(splitText(sentence).flatMap((part) => part.split(" ")));
  assert.deepEqual(sentence.split(" ").filter((word) => !words.has(word)), []);
  for (
    const text of [
      "",
      "a",
      sentence,
      "a".repeat(9_000),
      "字".repeat(9_000),
      "😀".repeat(5_000),
      "a" + "😀".repeat(5_000),
    ]
  ) {
    const parts = splitText(text);
    assert.ok(parts.every((part) => part.length <= 4_000 && part.isWellFormed()));
    let end = 0;
    for (const part of parts) {
      const at = text.indexOf(part, Math.max(0, end - 50));
      assert.ok(at >= 0 && at <= end, "nothing is left out");
      end = Math.max(end, at + part.length);
    }
  }
});

Deno.test("sqlite: a write reaches the file within 200 ms, a sure one before it resolves", () =>
  inFolder(async (dir) => {
    const path = `${dir}/nexus.db`;
    const clock = new ManualClock();
    const store = new SqliteStore({ path, clock });
    const other = new SqliteStore({ path, clock });
    await store.set("late", 1);
    assert.equal(await other.get("late"), undefined);
    clock.pass(200);
    assert.equal(await other.get("late"), 1);
    await store.set("behind", 1);
    await store.set("sure", 1, { durable: true });
    assert.equal(await other.get("sure"), 1);
    assert.equal(await other.get("behind"), 1);
    await store.close();
    await other.close();
  }));

Deno.test("sqlite: deleted words are nowhere in the file any more", () =>
  inFolder(async (dir) => {
    const path = `${dir}/nexus.db`;
    const store = new SqliteStore({ path });
    for (let i = 0; i < 300; i++) {
      await store.set(`m:${i}`, { text: `xylophone ${i}` }, {
        find: { owner: "alice", text: `xylophone quokka ${i}` },
      });
    }
    await store.append("log", ["xylophone"]);
    assert.equal((await store.find("alice", "quokka", 500)).length, 300);
    for (let i = 0; i < 300; i++) await store.delete(`m:${i}`);
    await store.delete("log");
    assert.deepEqual(await store.find("alice", "quokka", 500), []);
    await store.close();
    for (const word of ["xylophone", "quokka", "ylophon"]) {
      assert.equal(holds(path, word), false, word);
    }
  }));

Deno.test("sqlite: a backup made while the store is in use is whole, and holds nothing that was deleted", () =>
  inFolder(async (dir) => {
    const path = `${dir}/nexus.db`;
    const store = new SqliteStore({ path });
    for (let i = 0; i < 200; i++) {
      await store.set(`m:${i}`, i, {
        find: { owner: "alice", text: i < 100 ? `stays ${i}` : `xylophone ${i}` },
      });
    }
    await store.find("alice", "stays", 1);
    for (let i = 100; i < 200; i++) await store.delete(`m:${i}`);
    store.flush();
    backupStore(path, `${dir}/backup.db`);
    await store.set("later", 1);
    assert.throws(() => backupStore(path, `${dir}/backup.db`), /exists already/);
    assert.throws(() => restoreStore(path, `${dir}/backup.db`), /in use/);
    await store.close();
    assert.equal(holds(`${dir}/backup.db`, "xylophone"), false);

    const kept = restoreStore(path, `${dir}/backup.db`);
    const restored = new SqliteStore({ path });
    assert.equal((await restored.list("m:")).length, 100);
    assert.equal(await restored.get("later"), undefined);
    assert.equal((await restored.find("alice", "stays 42", 5)).length, 1);
    await restored.close();
    const before = new SqliteStore({ path: kept! });
    assert.equal(await before.get("later"), 1);
    await before.close();
  }));

Deno.test({
  name:
    "sqlite: a backup and what is restored from it can be read by their owner only, whatever the copy was",
  ignore: await lacks("a Unix"),
  fn: () =>
    inFolder(async (dir) => {
      const path = `${dir}/nexus.db`, backup = `${dir}/backup.db`;
      const mode = (file: string) => Deno.statSync(file).mode! & 0o777;
      await new SqliteStore({ path }).close();
      backupStore(path, backup);
      assert.equal(mode(backup), 0o600);
      Deno.chmodSync(backup, 0o644);
      restoreStore(path, backup);
      assert.equal(mode(path), 0o600);
      const store = new SqliteStore({ path });
      await store.set("a", 1, { durable: true });
      for (const file of [path, `${path}-wal`, `${path}-shm`]) {
        assert.equal(mode(file), 0o600, file);
      }
      await store.close();
    }),
});

Deno.test("sqlite: a backup that is damaged or not ours is refused and the store stays as it was", () =>
  inFolder(async (dir) => {
    const path = `${dir}/nexus.db`;
    const store = new SqliteStore({ path });
    await store.set("a", "x".repeat(100_000));
    await store.close();
    const whole = Deno.readFileSync(path);
    const damaged = whole.slice();
    damaged.fill(7, 4096 * 3, 4096 * 14);
    Deno.writeFileSync(`${dir}/damaged`, damaged);
    Deno.writeTextFileSync(`${dir}/text`, "not a database at all ".repeat(500));
    for (const file of ["damaged", "text", "missing"]) {
      assert.throws(() => restoreStore(path, `${dir}/${file}`));
    }
    assert.deepEqual(Deno.readFileSync(path), whole);
    assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => name).sort(), [
      "damaged",
      "nexus.db",
      "text",
    ]);
  }));

Deno.test("sqlite: a file of another program or of a newer version is refused, not touched", () =>
  inFolder(async (dir) => {
    const { DatabaseSync } = await import("node:sqlite");
    const foreign = new DatabaseSync(`${dir}/foreign.db`);
    foreign.exec("CREATE TABLE theirs (a)");
    foreign.close();
    await new SqliteStore({ path: `${dir}/newer.db` }).close();
    const newer = new DatabaseSync(`${dir}/newer.db`);
    newer.exec("PRAGMA user_version = 99");
    newer.close();
    Deno.writeTextFileSync(`${dir}/text.db`, "hello ".repeat(1000));
    assert.throws(() => new SqliteStore({ path: `${dir}/foreign.db` }), /another program/);
    assert.throws(() => new SqliteStore({ path: `${dir}/newer.db` }), /newer Nexus/);
    assert.throws(() => new SqliteStore({ path: `${dir}/text.db` }), /not a store of Nexus/);
  }));

Deno.test("sqlite: on a full disk the gateway goes on from memory, says so, and catches up when there is room", () =>
  inFolder(async (dir) => {
    const clock = new ManualClock();
    const said: (string | undefined)[] = [];
    const path = `${dir}/nexus.db`;
    const store = new SqliteStore({
      path,
      clock,
      maxSize: 200 << 10,
      onTrouble: (trouble) => said.push(trouble),
    });
    for (let i = 0; i < 100; i++) {
      await store.set(`fill:${String(i).padStart(3, "0")}`, "x".repeat(5000), { evictable: true });
    }
    await store.set("session:1", { person: "alice" }, { durable: true });
    await store.append("log", [1]);
    clock.pass(200);
    assert.match(store.trouble!, /full/);
    assert.equal(said.length, 1);
    assert.deepEqual(await store.get("session:1"), { person: "alice" });
    assert.equal((await store.list("fill:")).length, 100);
    assert.equal(await store.append("log", [2]), 2);
    assert.deepEqual(await store.read("log"), [1, 2]);
    assert.equal(await store.count("n", 1), 1);
    await store.set("m", "told", { find: { owner: "alice", text: "what was told" } });
    assert.equal((await store.find("alice", "told", 5)).length, 1);
    for (let i = 10; i < 100; i++) await store.delete(`fill:${String(i).padStart(3, "0")}`);
    clock.pass(60_000);
    assert.equal(store.trouble, undefined);
    assert.equal(said.at(-1), undefined);
    await store.close();
    assert.equal(clock.waiting, 0);
    const again = new SqliteStore({ path });
    assert.deepEqual(await again.get("session:1"), { person: "alice" });
    assert.deepEqual(await again.read("log"), [1, 2]);
    assert.equal((await again.list("fill:")).length, 10);
    await again.close();
  }));

Deno.test("sqlite: where nothing can be written it serves from memory, and weak entries make room for others", async () => {
  const clock = new ManualClock();
  const said: (string | undefined)[] = [];
  const store = new SqliteStore({
    path: "/proc/nexus-cannot-be-here.db",
    clock,
    maxBuffered: 100_000,
    onTrouble: (trouble) => said.push(trouble),
  });
  assert.ok(store.trouble);
  await store.set("session:1", 1, { durable: true });
  for (let i = 0; i < 100; i++) await store.set(`turn:${i}`, "x".repeat(1000), { evictable: true });
  await store.append("chunks", ["x".repeat(60_000)], { evictable: true });
  assert.equal(await store.get("session:1"), 1);
  assert.equal(await store.get("turn:0"), undefined);
  assert.ok(store.trouble);
  clock.pass(100_000);
  assert.equal(said.length, 1);
  await store.close();
  assert.equal(clock.waiting, 0);
});

Deno.test({
  name:
    "sqlite: a disk that becomes read-only is trouble until it is writable again, and reading goes on",
  ignore: await lacks("mount"),
  fn: () =>
    inFolder(async (dir) => {
      const disk = `${dir}/disk`;
      Deno.mkdirSync(disk);
      mount("-t", "tmpfs", "-o", "size=2m", "nexus-test", disk);
      try {
        const clock = new ManualClock();
        const path = `${disk}/nexus.db`;
        const first = new SqliteStore({ path, clock });
        await first.set("old", 1);
        await first.close();
        mount("-o", "remount,ro", disk);
        const store = new SqliteStore({ path, clock });
        await store.set("new", 2, { durable: true });
        assert.ok(store.trouble);
        assert.equal(await store.get("new"), 2);
        assert.equal(await store.get("old"), 1);
        mount("-o", "remount,rw", disk);
        clock.pass(60_000);
        assert.equal(store.trouble, undefined);
        // Filled up by somebody else.
        Deno.writeFileSync(`${disk}/other`, new Uint8Array(1 << 20));
        try {
          Deno.writeFileSync(`${disk}/other2`, new Uint8Array(1 << 20));
        } catch { /* full, as wanted */ }
        await store.set("big", "x".repeat(300_000), { durable: true });
        assert.ok(store.trouble);
        assert.equal((await store.get("big")).length, 300_000);
        Deno.removeSync(`${disk}/other`);
        clock.pass(60_000);
        assert.equal(store.trouble, undefined);
        await store.close();
        const again = new SqliteStore({ path, clock });
        assert.equal(await again.get("new"), 2);
        assert.equal((await again.get("big")).length, 300_000);
        await again.close();
      } finally {
        new Deno.Command("umount", { args: [disk] }).outputSync();
      }
    }),
});

function mount(...args: string[]): void {
  const { success, stderr } = new Deno.Command("mount", { args }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

Deno.test({
  name:
    "sqlite: words of an entry that found no room are not found under another that took its number",
  ignore: await lacks("mount"),
  fn: () =>
    inFolder(async (dir) => {
      const disk = `${dir}/disk`;
      Deno.mkdirSync(disk);
      mount("-t", "tmpfs", "-o", "size=2m", "nexus-test", disk);
      try {
        const clock = new ManualClock();
        const store = new SqliteStore({ path: `${disk}/nexus.db`, clock });
        await store.set("first", 1, { durable: true });
        for (const name of ["other", "other2"]) {
          try {
            Deno.writeFileSync(`${disk}/${name}`, new Uint8Array(1 << 20));
          } catch { /* full, as wanted */ }
        }
        void store.set("big", "x".repeat(300_000));
        await store.set("turn:1", { said: 1 }, {
          durable: true,
          find: { owner: "alice", text: "needle" },
        });
        assert.ok(store.trouble);
        void store.set("secret", "of somebody else");
        void store.set("turn:1", { said: 2 }, { find: { owner: "alice", text: "thread" } });
        Deno.removeSync(`${disk}/other`);
        clock.pass(60_000);
        assert.equal(store.trouble, undefined);
        assert.deepEqual(await store.find("alice", "needle", 5), []);
        assert.deepEqual(await store.find("alice", "thread", 5), [["turn:1", { said: 2 }]]);
        await store.close();
      } finally {
        new Deno.Command("umount", { args: [disk] }).outputSync();
      }
    }),
});

/** Another process's connection, which may lock the file. */
async function foreign(path: string): Promise<{ exec(sql: string): void; close(): void }> {
  const { DatabaseSync } = await import("node:sqlite");
  const db = new DatabaseSync(path);
  return { exec: (sql) => db.exec(sql), close: () => db.close() };
}

Deno.test("sqlite: a lock of another program is waited for a moment without holding anybody up, and nothing is wrong then", () =>
  inFolder(async (dir) => {
    const clock = new ManualClock();
    const said: (string | undefined)[] = [];
    const store = new SqliteStore({
      path: `${dir}/nexus.db`,
      clock,
      onTrouble: (trouble) => said.push(trouble),
    });
    const other = await foreign(`${dir}/nexus.db`);
    other.exec("BEGIN EXCLUSIVE");
    let isKept = false;
    const kept = store.set("a", 1, { durable: true }).then(() => isKept = true);
    const began = performance.now();
    store.flush();
    // SQLite itself would wait for five seconds; the bound leaves room for a machine that does much
    // else.
    assert.ok(performance.now() - began < 2_000, "nobody waits for the lock");
    clock.pass(50);
    assert.equal(await store.get("a"), 1);
    assert.equal(isKept, false, "what was to be sure is not");
    other.exec("COMMIT");
    clock.pass(10);
    await kept;
    assert.deepEqual(said, []);
    const again = new SqliteStore({ path: `${dir}/nexus.db`, clock });
    assert.equal(await again.get("a"), 1);
    for (const one of [store, again, other]) await one.close();
    assert.equal(clock.waiting, 0);
  }));

Deno.test("sqlite: a lock that stays is trouble, memory stands in, and it is over within a second of the lock", () =>
  inFolder(async (dir) => {
    const clock = new ManualClock();
    const said: (string | undefined)[] = [];
    const path = `${dir}/nexus.db`;
    const store = new SqliteStore({ path, clock, onTrouble: (trouble) => said.push(trouble) });
    await store.set("before", 1, { durable: true });
    const other = await foreign(path);
    other.exec("BEGIN EXCLUSIVE");
    const kept = store.set("a", 1, { durable: true, find: { owner: "alice", text: "needle" } });
    store.flush();
    clock.pass(200);
    await kept;
    assert.match(store.trouble!, /another program keeps it locked/);
    const began = performance.now();
    for (let i = 0; i < 50; i++) {
      await store.set(`b:${i}`, i, { durable: true });
      assert.equal(await store.get("before"), 1);
    }
    assert.equal((await store.list("b:")).length, 50);
    assert.equal((await store.find("alice", "needle", 5)).length, 1);
    assert.ok(performance.now() - began < 4_000, "reading and writing go on from memory");
    clock.pass(20_000);
    other.exec("ROLLBACK");
    clock.pass(1_000);
    assert.equal(store.trouble, undefined);
    assert.deepEqual(said, [`${path}: another program keeps it locked`, undefined]);
    await store.close();
    await other.close();
    const again = new SqliteStore({ path, clock });
    assert.equal((await again.list("b:")).length, 50);
    await again.close();
  }));

Deno.test("sqlite: a row that cannot be written is given up and told, and the rest of its batch is kept", () =>
  inFolder(async (dir) => {
    const path = `${dir}/nexus.db`;
    const faults: string[] = [];
    const store = new SqliteStore({ path, onFault: ({ message }) => faults.push(message) });
    const other = await foreign(path);
    other.exec(
      "CREATE TRIGGER no BEFORE INSERT ON entries WHEN new.key = 'bad:1' BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    await store.set("good:1", 1, { find: { owner: "alice", text: "needle" } });
    await store.set("bad:1", 1);
    await store.append("log", [1, 2]);
    await store.set("good:2", 2, { durable: true });
    assert.deepEqual(faults, ["bad:… cannot be written and is lost: no"]);
    assert.equal(store.trouble, undefined);
    assert.deepEqual(await store.list("good:"), [["good:1", 1], ["good:2", 2]]);
    assert.equal(await store.get("bad:1"), undefined);
    assert.equal((await store.find("alice", "needle", 5)).length, 1);
    await store.close();
    other.close();
    const again = new SqliteStore({ path });
    assert.deepEqual(await again.read("log"), [1, 2]);
    await again.close();
  }));

Deno.test("sqlite: whatever fails while it writes, nobody waits for ever, and what waits is written by the next try", () =>
  inFolder(async (dir) => {
    const path = `${dir}/nexus.db`;
    const clock = new ManualClock();
    let faults = 0;
    const onFault = () => {
      faults++;
      throw new Error("the fault cannot be told either");
    };
    const caught: string[] = [];
    const onError = (event: ErrorEvent) => {
      event.preventDefault();
      caught.push(event.error.message);
    };
    globalThis.addEventListener("error", onError);
    try {
      const store = new SqliteStore({ path, clock, onFault });
      const other = await foreign(path);
      other.exec(
        "CREATE TRIGGER no BEFORE INSERT ON entries WHEN new.key = 'bad:1' BEGIN SELECT RAISE(ABORT, 'no'); END",
      );
      await store.set("bad:1", 1);
      await store.set("late", 1);
      await store.set("sure", 1, { durable: true });
      assert.deepEqual([faults, caught], [1, ["the fault cannot be told either"]]);
      clock.pass(1_000);
      other.close();
      const again = new SqliteStore({ path, clock });
      assert.deepEqual([await again.get("late"), await again.get("sure")], [1, 1]);
      await again.close();
      await store.close();
    } finally {
      globalThis.removeEventListener("error", onError);
    }
    assert.equal(clock.waiting, 0);
  }));

Deno.test("sqlite: two processes that append to one log lose nothing", () =>
  inFolder(async (dir) => {
    const path = `${dir}/nexus.db`;
    const faults: string[] = [];
    const onFault = ({ message }: Error) => faults.push(message);
    const first = new SqliteStore({ path, onFault }), second = new SqliteStore({ path, onFault });
    await first.append("log", ["a"], { durable: true });
    assert.equal(await second.append("log", ["b"]), 2);
    assert.equal(await first.append("log", ["c"]), 2);
    first.flush();
    second.flush();
    assert.deepEqual(await first.read("log"), ["a", "c", "b"]);
    assert.deepEqual(faults, []);
    await first.close();
    await second.close();
  }));

Deno.test("sqlite: a file that is deleted while it is open is written anew, whole", () =>
  inFolder(async (dir) => {
    const path = `${dir}/nexus.db`;
    const clock = new ManualClock();
    const faults: string[] = [];
    const store = new SqliteStore({ path, clock, onFault: ({ message }) => faults.push(message) });
    await store.set("a", 1, { durable: true, find: { owner: "alice", text: "needle" } });
    Deno.removeSync(path);
    await store.set("b", 2, { durable: true });
    clock.pass(5_000);
    assert.match(faults[0]!, /nexus.db was deleted; it was written anew/);
    assert.equal(store.trouble, undefined);
    await store.set("c", 3, { durable: true });
    await store.close();
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    const again = new SqliteStore({ path, clock });
    assert.deepEqual([await again.get("a"), await again.get("b"), await again.get("c")], [1, 2, 3]);
    assert.equal((await again.find("alice", "needle", 5)).length, 1);
    await again.close();
  }));

Deno.test("sqlite: a file that another took the place of is trouble until the next start", () =>
  inFolder(async (dir) => {
    const path = `${dir}/nexus.db`;
    const clock = new ManualClock();
    const said: (string | undefined)[] = [];
    const store = new SqliteStore({ path, clock, onTrouble: (trouble) => said.push(trouble) });
    await store.set("a", 1, { durable: true });
    Deno.renameSync(path, `${dir}/away.db`);
    Deno.writeTextFileSync(path, "");
    clock.pass(5_000);
    assert.match(store.trouble!, /was replaced by another file.*restart it/);
    await store.set("b", 1, { durable: true });
    clock.pass(5_000);
    assert.match(store.trouble!, /was replaced/, "a write that goes well does not mend it");
    assert.equal(said.length, 1);
    await store.close();
  }));
