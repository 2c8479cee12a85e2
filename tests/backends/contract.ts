/**
 * The suite that every {@linkcode Store} must pass, run by each implementation's own test file.
 * What an implementation does not keep is named by it, and is then a sentence of its own.
 */
import assert from "node:assert/strict";
import type { Json, Store } from "../../src/core/store.ts";

export interface Subject {
  readonly name: string;
  /** An empty store. */
  open(): Promise<Opened> | Opened;
  /**
   * It keeps no index: there is no {@linkcode Store.find}, and whoever searches looks at
   * everything.
   */
  readonly noIndex?: true;
}

export interface Opened {
  readonly store: Store;
  /** Lets time go by, by turning a clock or by waiting. */
  pass(ms: number): Promise<void> | void;
  /** Closes the store and removes what it left behind. */
  close(): Promise<void>;
}

/** Makes one test of every sentence for this implementation. */
export function storeContract(subject: Subject): void {
  const index = (sentence: string) => /\bfound\b|\bfinds\b/.test(sentence);
  const sentences = { ...SENTENCES };
  if (subject.noIndex) {
    for (const sentence of Object.keys(sentences).filter(index)) delete sentences[sentence];
    sentences["it keeps no index, and says so by having no find"] = (store) => {
      assert.equal(store.find, undefined);
      return Promise.resolve();
    };
  }
  for (const [sentence, check] of Object.entries(sentences)) {
    Deno.test(`${subject.name}: ${sentence}`, async () => {
      const opened = await subject.open();
      try {
        await check(opened.store, (ms) => Promise.resolve(opened.pass(ms)));
      } finally {
        await opened.close();
      }
    });
  }
}

type Check = (store: Store, pass: (ms: number) => Promise<void>) => Promise<void>;

const keysOf = (rows: [string, Json][]) => rows.map(([key]) => key);

const SENTENCES: Readonly<Record<string, Check>> = {
  "what was set is there, whatever JSON it is": async (store) => {
    const values = [
      { a: [1, null, { b: "ü天气😀" }] },
      "text",
      "",
      0,
      -1.5,
      true,
      false,
      null,
      [],
      "'; DROP TABLE entries; --",
      "\u0000nul",
    ];
    for (const [index, value] of values.entries()) await store.set(`kind:${index}`, value);
    for (const [index, value] of values.entries()) {
      assert.deepEqual(await store.get(`kind:${index}`), value);
    }
  },

  "what was never set is undefined": async (store) => {
    assert.equal(await store.get("nothing"), undefined);
    assert.deepEqual(await store.list("nothing:"), []);
    assert.deepEqual(await store.read("nothing"), []);
    await store.delete("nothing");
  },

  "setting again replaces, and deleting removes": async (store) => {
    await store.set("a", 1);
    await store.set("a", { two: 2 });
    assert.deepEqual(await store.get("a"), { two: 2 });
    await store.delete("a");
    assert.equal(await store.get("a"), undefined);
    await store.set("a", 3);
    assert.equal(await store.get("a"), 3);
  },

  "keys that only resemble each other are different keys": async (store) => {
    const keys = ["k:a", "K:A", "k:a:", "k:ä", "k:%", "k:_", "k:a*", "k:a\u0301"];
    for (const key of keys) await store.set(key, key);
    for (const key of keys) assert.equal(await store.get(key), key);
    assert.deepEqual(keysOf(await store.list("k:%")), ["k:%"]);
    assert.deepEqual(keysOf(await store.list("k:a*")), ["k:a*"]);
  },

  "prototype keys are plain keys": async (store) => {
    for (const key of ["__proto__", "constructor", "toString"]) {
      assert.equal(await store.get(key), undefined);
      await store.set(key, { [key]: 1 });
      await store.append(`log:${key}`, [key]);
      assert.deepEqual(await store.read(`log:${key}`), [key]);
    }
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  },

  "an entry with a ttl is gone when it has passed, from every verb": async (store, pass) => {
    await store.set("t:short", 1, { ttl: 1000 });
    await store.set("t:long", 2, { ttl: 100_000 });
    await store.set("t:ever", 3);
    await pass(400);
    assert.deepEqual(keysOf(await store.list("t:")), ["t:ever", "t:long", "t:short"]);
    await pass(700);
    assert.equal(await store.get("t:short"), undefined);
    assert.deepEqual(keysOf(await store.list("t:")), ["t:ever", "t:long"]);
    assert.equal(await store.get("t:long"), 2);
  },

  "setting again without a ttl takes the ttl away": async (store, pass) => {
    await store.set("t", 1, { ttl: 500 });
    await store.set("t", 2);
    await pass(1000);
    assert.equal(await store.get("t"), 2);
  },

  "a list holds the keys of a prefix in order, and nothing else": async (store) => {
    for (const key of ["p:b", "p:a", "p", "p:", "p:c:d", "q:a", "o:z", "p;"]) {
      await store.set(key, key);
    }
    assert.deepEqual(await store.list("p:"), [["p:", "p:"], ["p:a", "p:a"], ["p:b", "p:b"], [
      "p:c:d",
      "p:c:d",
    ]]);
  },

  "a list can be paged forwards and backwards without missing or repeating a key": async (
    store,
  ) => {
    const all = Array.from({ length: 57 }, (_, i) => `page:${String(i).padStart(3, "0")}`);
    for (const key of all.toReversed()) await store.set(key, 1);
    for (const reverse of [false, true]) {
      const seen: string[] = [];
      let after: string | undefined;
      while (true) {
        const rows = await store.list("page:", { after, limit: 10, reverse });
        if (rows.length === 0) break;
        seen.push(...keysOf(rows));
        after = rows.at(-1)![0];
      }
      assert.deepEqual(seen, reverse ? all.toReversed() : all);
    }
  },

  "a page is right while some of its keys are being changed": async (store, pass) => {
    for (const n of [1, 2, 3, 4, 5, 6]) await store.set(`mix:${n}`, n);
    await pass(1000);
    await store.delete("mix:2");
    await store.set("mix:3", "new");
    await store.set("mix:25", "between");
    assert.deepEqual(await store.list("mix:", { limit: 3 }), [["mix:1", 1], ["mix:25", "between"], [
      "mix:3",
      "new",
    ]]);
    assert.deepEqual(await store.list("mix:", { limit: 2, reverse: true, after: "mix:4" }), [[
      "mix:3",
      "new",
    ], [
      "mix:25",
      "between",
    ]]);
  },

  "counting adds up, from nothing and from both sides": async (store) => {
    assert.equal(await store.get("n"), undefined);
    assert.equal(await store.count("n", 1), 1);
    assert.equal(await store.count("n", 5), 6);
    assert.equal(await store.count("n", -2), 4);
    assert.equal(await store.get("n"), 4);
    assert.equal(await store.get("n"), 4);
  },

  "counts that race are all counted": async (store) => {
    const results = await Promise.all(Array.from({ length: 100 }, () => store.count("race", 1)));
    assert.equal(new Set(results).size, 100);
    assert.equal(await store.get("race"), 100);
  },

  "a counter's ttl counts from its first use": async (store, pass) => {
    await store.count("window", 1, 1000);
    await pass(600);
    assert.equal(await store.count("window", 1, 1000), 2);
    await pass(600);
    assert.equal(await store.count("window", 1, 1000), 1);
  },

  "a log gives back what was appended, in order, from any index": async (store) => {
    assert.equal(await store.append("log", ["a", { b: 1 }]), 2);
    assert.equal(await store.length("log"), 2);
    assert.equal(await store.append("log", [null, 4]), 4);
    assert.deepEqual(await store.read("log"), ["a", { b: 1 }, null, 4]);
    assert.deepEqual(await store.read("log", 1, 2), [{ b: 1 }, null]);
    assert.deepEqual(await store.read("log", 3), [4]);
    assert.deepEqual(await store.read("log", 9), []);
  },

  "a log reads the same across what is old and what is new": async (store, pass) => {
    await store.append("log", [0, 1, 2]);
    await pass(1000);
    assert.equal(await store.append("log", [3, 4]), 5);
    assert.deepEqual(await store.read("log"), [0, 1, 2, 3, 4]);
    assert.deepEqual(await store.read("log", 2, 2), [2, 3]);
    assert.deepEqual(await store.read("log", 4, 5), [4]);
    assert.deepEqual(await store.read("log", 0, 2), [0, 1]);
    assert.deepEqual(await store.read("log", 0, 0), []);
  },

  "appends that race keep each writer's order and lose nothing": async (store) => {
    await Promise.all(Array.from({ length: 20 }, (_, i) => store.append("race", [[i, 0], [i, 1]])));
    const all: [number, number][] = await store.read("race");
    assert.equal(all.length, 40);
    for (let i = 0; i < 20; i++) {
      assert.deepEqual(all.filter(([who]) => who === i).map(([, nth]) => nth), [0, 1]);
    }
  },

  "a deleted log is empty and begins again": async (store, pass) => {
    await store.append("log", [1, 2]);
    await pass(1000);
    await store.append("log", [3]);
    await store.delete("log");
    assert.deepEqual(await store.read("log"), []);
    assert.equal(await store.append("log", ["new"]), 1);
    await pass(1000);
    assert.deepEqual(await store.read("log"), ["new"]);
  },

  "a log with a ttl is gone when it has passed": async (store, pass) => {
    await store.append("log", [1], { ttl: 1000 });
    await pass(500);
    assert.deepEqual(await store.read("log"), [1]);
    await pass(700);
    assert.deepEqual(await store.read("log"), []);
    assert.equal(await store.append("log", ["again"]), 1);
  },

  "a value is what it was when it was set": async (store, pass) => {
    const value = { list: [1] };
    await store.set("v", value, { durable: true });
    await pass(1000);
    assert.deepEqual(await store.get("v"), { list: [1] });
  },

  "a megabyte is a value like any other": async (store) => {
    const value = { text: "界".repeat(1 << 20) };
    await store.set("big", value, { evictable: true });
    assert.equal((await store.get("big")).text.length, 1 << 20);
  },

  "a write that is awaited as sure is there": async (store) => {
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => store.set(`sure:${i}`, i, { durable: true })),
    );
    assert.equal((await store.list("sure:")).length, 50);
  },

  "words are found by their beginnings, and Chinese by any substring": async (store) => {
    const find = finder(store);
    await set(store, "m:1", "alice", "The quick brown Fox; naïve café, 今天天气怎么样？");
    await set(store, "m:2", "alice", "slow red fox 明天的会议改到下午三点 GPT模型");
    await set(store, "m:3", "alice", "「東京タワー」へ行きました 안녕하세요");
    const cases: [string, string[]][] = [
      ["fox", ["m:2", "m:1"]],
      ["FO", ["m:2", "m:1"]],
      ["quick fox", ["m:1"]],
      ["天气", ["m:1"]],
      ["天", ["m:2", "m:1"]],
      ["样", ["m:1"]],
      ["天天气", ["m:1"]],
      ["会议改到下午", ["m:2"]],
      ["会议 fox", ["m:2"]],
      ["GPT模型", ["m:2"]],
      ["gpt", ["m:2"]],
      ["东京", []],
      ["東京", ["m:3"]],
      ["タワー", ["m:3"]],
      ["녕하", ["m:3"]],
      ["cafe", ["m:1"]],
      ["气天", []],
      ["nothing", []],
    ];
    for (const [words, keys] of cases) {
      assert.deepEqual(keysOf(await find("alice", words, 10)), keys, words);
    }
    assert.deepEqual(keysOf(await find("alice", "fox", 1)), ["m:2"]);
  },

  "nobody finds what belongs to somebody else": async (store) => {
    const find = finder(store);
    await set(store, "m:1", "alice", "secret plan");
    await set(store, "m:2", "bob", "secret plan");
    await set(store, "m:3", "ali", "secret plan");
    assert.deepEqual(keysOf(await find("alice", "secret", 10)), ["m:1"]);
    assert.deepEqual(keysOf(await find("ali", "secret", 10)), ["m:3"]);
    for (const owner of ["", "*", "alice OR owner:bob", '" OR "', "a"]) {
      assert.deepEqual(await find(owner, "secret", 10), []);
    }
    for (
      const words of [
        'secret" OR owner:"bob',
        "secret OR bob",
        "owner:bob",
        "NEAR(secret",
        "sec*ret",
        "^",
        '"',
        "-",
        "* *",
        "",
        "secret\0",
        "\0",
        "\0secret",
      ]
    ) {
      for (const [key] of await find("alice", words, 10)) assert.equal(key, "m:1", words);
    }
  },

  "what was changed or deleted is found no longer": async (store, pass) => {
    const find = finder(store);
    await set(store, "m:1", "alice", "first words");
    await set(store, "m:2", "alice", "first words");
    assert.equal((await find("alice", "first", 10)).length, 2);
    await set(store, "m:1", "alice", "second words");
    await store.delete("m:2");
    assert.deepEqual(await find("alice", "first", 10), []);
    assert.deepEqual(keysOf(await find("alice", "second", 10)), ["m:1"]);
    await store.set("m:3", {}, { ttl: 1000, find: { owner: "alice", text: "passing" } });
    assert.equal((await find("alice", "passing", 10)).length, 1);
    await pass(1500);
    assert.equal((await find("alice", "passing", 10)).length, 0);
  },
};

function set(store: Store, key: string, owner: string, text: string): Promise<void> {
  return store.set(key, { text }, { find: { owner, text } });
}

function finder(store: Store): NonNullable<Store["find"]> {
  assert.ok(store.find, "this store has no find: name these sentences in `cannot`");
  return store.find.bind(store);
}
