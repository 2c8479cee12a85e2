import assert from "node:assert/strict";
import { MemoryStore } from "../../src/backends/memory.ts";
import { SqliteStore } from "../../src/backends/sqlite.ts";
import { Archive } from "../../src/core/archive.ts";
import { ManualClock } from "../../src/core/clock.ts";
import type { Person } from "../../src/core/message.ts";
import { type GatewayEvent, silentObserver } from "../../src/core/observer.ts";
import { Reply } from "../../src/core/reply.ts";
import type { Store } from "../../src/core/store.ts";
import { Turn } from "../../src/core/turn.ts";

interface House {
  readonly clock: ManualClock;
  readonly store: Store;
  readonly archive: Archive;
  /** Another process over the same file, after this one died without a word. */
  reopen(): Archive;
}

const KINDS: Readonly<Record<string, (path: string, clock: ManualClock) => Store>> = {
  memory: (_, clock) => new MemoryStore({ now: () => clock.now() }),
  sqlite: (path, clock) => new SqliteStore({ path, clock }),
};

/** One test for each store that keeps an archive on one node. */
function onEach(
  sentence: string,
  kinds: readonly string[],
  test: (house: House) => Promise<void>,
): void {
  for (const kind of kinds) {
    Deno.test(`${sentence} (${kind})`, async () => {
      const dir = Deno.makeTempDirSync();
      const clock = new ManualClock();
      const stores: Store[] = [], archives: Archive[] = [];
      const observer = {
        ...silentObserver,
        tell(happening: GatewayEvent) {
          if (happening.type === "fault") throw happening.error;
        },
      };
      const open = () => {
        const store = KINDS[kind]!(`${dir}/nexus.db`, clock);
        const archive = new Archive({ store, clock, observer });
        stores.push(store);
        archives.push(archive);
        return { store, archive };
      };
      try {
        const first = open();
        await test({ clock, ...first, reopen: () => open().archive });
      } finally {
        for (const archive of archives) archive.close();
        for (const store of stores) await store.close();
        Deno.removeSync(dir, { recursive: true });
      }
      assert.equal(clock.waiting, 0);
    });
  }
}

const BOTH = ["memory", "sqlite"];
const ALICE: Person = { id: "alice", name: "Alice", role: "member" };
const BOB: Person = { id: "bob", name: "Bob", role: "member" };

function turnOf(house: House, person: Person, conversationId: string, text: string): Turn {
  const message = { person, text, images: [], channel: "web", conversationId } as const;
  const turn = new Turn(
    crypto.randomUUID(),
    { kind: "named", id: conversationId },
    message,
    new Reply(),
    house.clock.now(),
  );
  turn.bot = { id: "bot", name: "Bot" };
  return turn;
}

function say(
  house: House,
  person: Person,
  conversationId: string,
  text: string,
  answer: string,
): Turn {
  const turn = turnOf(house, person, conversationId, text);
  house.archive.keep(turn);
  turn.reply.append("text", answer);
  turn.reply.end({ status: "done" });
  turn.endedAt = house.clock.now();
  house.archive.keep(turn);
  return turn;
}

onEach(
  "words are found in questions and answers, by their own person only",
  BOTH,
  async (house) => {
    const mine = house.archive.conversations.create("alice", { title: "Weather" });
    const his = house.archive.conversations.create("bob");
    say(house, ALICE, mine.id, "今天天气怎么样", "Sunny, 25 degrees");
    house.clock.pass(10);
    say(house, ALICE, mine.id, "And tomorrow?", "明天有雨 rain");
    say(house, BOB, his.id, "secret 天气", "nothing");
    assert.deepEqual((await house.archive.search("alice", "天气")).map(({ snippet }) => snippet), [
      "今天天气怎么样 Sunny, 25 degrees",
    ]);
    assert.equal((await house.archive.search("alice", "TOMORROW 有雨"))[0]!.title, "Weather");
    assert.deepEqual(await house.archive.search("alice", "secret"), []);
    assert.equal((await house.archive.search("bob", "secret")).length, 1);
  },
);

onEach("a deleted conversation is gone with every word, also from search", BOTH, async (house) => {
  const conversation = house.archive.conversations.create("alice");
  const turn = say(house, ALICE, conversation.id, "pineapple", "on pizza");
  await house.archive.remove(conversation);
  assert.deepEqual(await house.archive.search("alice", "pineapple"), []);
  assert.equal(await house.archive.turn(turn.id), undefined);
  assert.deepEqual((await house.archive.turns(conversation.id, undefined, 10)).turns, []);
  assert.deepEqual(await house.store.list("turn"), []);
});

onEach(
  "what is older than the retention goes, and a pinned conversation stays whole",
  BOTH,
  async (house) => {
    const old = house.archive.conversations.create("alice"),
      pinned = house.archive.conversations.create("alice"),
      used = house.archive.conversations.create("bob");
    pinned.pinned = true;
    await house.archive.conversations.save(pinned);
    for (const [person, { id }] of [[ALICE, old], [ALICE, pinned], [BOB, used]] as const) {
      say(house, person, id, "long ago", "yes");
    }
    house.clock.pass(10 * 86_400_000);
    const kept = say(house, BOB, used.id, "today", "yes");
    house.clock.pass(1000);
    assert.equal(await house.archive.forget(house.clock.now() - 86_400_000), 2);
    assert.deepEqual((await house.archive.conversations.list("alice")).map(({ id }) => id), [
      pinned.id,
    ]);
    assert.deepEqual(
      (await house.archive.turns(used.id, undefined, 10)).turns.map(({ id }) => id),
      [kept.id],
    );
    assert.equal((await house.archive.turns(pinned.id, undefined, 10)).turns.length, 1);
    assert.deepEqual(await house.archive.search("bob", "long"), []);
  },
);

onEach(
  "a turn that was running when the process died is there, incomplete, with what it had said",
  ["sqlite"],
  async (house) => {
    const conversation = house.archive.conversations.create("alice");
    const turn = turnOf(house, ALICE, conversation.id, "count for me");
    house.archive.keep(turn);
    for (let i = 0; i < 40; i++) {
      turn.reply.append(i % 10 === 9 ? "reasoning" : "text", `${i} `);
      house.clock.pass(50);
    }
    house.clock.pass(200);
    // Commits are in order: what was asked for before is on disk with this.
    await house.store.set("anything", 1, { durable: true });
    turn.reply.append("text", "too late");

    const again = house.reopen();
    assert.equal(await again.recover(), 1);
    const record = (await again.turns(conversation.id, undefined, 5)).turns[0]!;
    assert.equal(record.status, "incomplete");
    const expected = Reply.restore(record.chunks, { status: "incomplete" });
    assert.equal(
      expected.text,
      Array.from({ length: 40 }, (_, i) => i).filter((i) => i % 10 !== 9).map((i) => `${i} `).join(
        "",
      ),
    );
    assert.equal(expected.length, turn.reply.length - "too late".length);
    assert.equal((await again.search("alice", "count")).length, 1);
    assert.equal(await again.recover(), 0);
  },
);

onEach("a turn that ended leaves no draft behind", ["sqlite"], async (house) => {
  const conversation = house.archive.conversations.create("alice");
  const turn = turnOf(house, ALICE, conversation.id, "hello");
  house.archive.keep(turn);
  turn.reply.append("text", "some");
  house.clock.pass(500);
  const [mark] = (await house.store.list("drafts:"))[0]!;
  const name = mark.replace("drafts:", "draft:");
  assert.deepEqual(await house.store.read(name), [{
    [turn.id]: [{ at: 0, kind: "text", content: "some" }],
  }]);
  turn.reply.end({ status: "done" });
  house.archive.keep(turn);
  assert.deepEqual(await house.store.read(name), []);
  assert.deepEqual(await house.store.list("drafts:"), []);
  assert.equal((await house.archive.turn(turn.id))!.status, "done");
  house.clock.pass(500);
});

onEach(
  "drafts of many turns go over into a new log as time passes, and none is lost by a crash",
  ["sqlite"],
  async (house) => {
    const { id } = house.archive.conversations.create("alice");
    const turns = [0, 1, 2].map((number) => turnOf(house, ALICE, id, `question ${number}`));
    for (const turn of turns) house.archive.keep(turn);
    let said = "";
    for (let second = 0; second < 100; second++) {
      said += `${second} `;
      for (const turn of turns.slice(0, 2)) turn.reply.append("text", `${second} `);
      if (second === 50) {
        turns[2]!.reply.append("text", "short");
        turns[2]!.reply.end({ status: "done" });
        house.archive.keep(turns[2]!);
      }
      house.clock.pass(1_000);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await house.store.set("anything", 1, { durable: true });
    const logs = await house.store.list("drafts:");
    assert.equal(logs.length, 1);
    assert.ok(
      (await house.store.read(logs[0]![0].replace("drafts:", "draft:"))).length < 70,
      "the log was begun anew",
    );

    const again = house.reopen();
    assert.equal(await again.recover(), 2);
    for (const turn of turns.slice(0, 2)) {
      const record = (await again.turn(turn.id))!;
      assert.equal(record.status, "incomplete");
      assert.deepEqual(record.chunks.map(({ content }) => content), [said]);
    }
    assert.equal((await again.turn(turns[2]!.id))!.status, "done");
    assert.equal(await again.recover(), 0);
  },
);

onEach(
  "a crash in the moment after an ending loses neither its place nor its words",
  ["sqlite"],
  async (house) => {
    await house.archive.recover();
    const { id } = house.archive.conversations.create("alice");
    const turn = say(house, ALICE, id, "and tomorrow?", "sunny spells");
    // The clock stands still, so nothing that is late has been written.
    await house.archive.keep(turn);

    const again = house.reopen();
    assert.equal((await again.turn(turn.id))!.status, "done");
    assert.deepEqual((await again.turns(id, undefined, 10)).turns, []);
    await again.recover();
    assert.deepEqual((await again.turns(id, undefined, 10)).turns.map((one) => one.id), [turn.id]);
    assert.deepEqual((await again.search("alice", "sunny")).map((one) => one.turnId), [turn.id]);
  },
);
