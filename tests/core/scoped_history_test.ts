/**
 * What a key reads that reads less than its person.
 */
import assert from "node:assert/strict";
import { MemoryStore } from "../../src/backends/memory.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { Gateway } from "../../src/core/gateway.ts";
import type { Message, Person } from "../../src/core/message.ts";
import type { NumberedNotice } from "../../src/core/notice.ts";
import { silentObserver } from "../../src/core/observer.ts";
import type { KeyScope, Trace } from "../../src/core/key_scope.ts";
import type { Store } from "../../src/core/store.ts";
import type { Turn } from "../../src/core/turn.ts";
import { Puppet } from "./puppet.ts";

const alice: Person = { id: "alice", name: "Alice", role: "member" };

/** Alice as a key lets her in. */
function by(reach: Partial<KeyScope>): Person {
  return { ...alice, bots: reach.bots, keyScope: { key: "key", own: false, ...reach } };
}

const toA = by({ bots: ["a"] });
const asking = by({ key: "asks", own: true });

function start(store: Store = new MemoryStore()) {
  const gateway = new Gateway({
    store,
    clock: new ManualClock(),
    observer: silentObserver,
    people: { isOut: () => false, find: () => alice },
  });
  const bots = {
    a: new Puppet("a"),
    b: new Puppet("b"),
    c: new Puppet("c", { pool: "p", restart: "safe" }),
  };
  for (const bot of Object.values(bots)) gateway.roster.join(bot);
  const ask = async (
    bot: keyof typeof bots,
    text: string,
    more: Partial<Message> = {},
  ): Promise<Turn> => {
    const turn = await gateway.ask({
      person: alice,
      text,
      images: [],
      channel: "web",
      target: bot,
      ...more,
    });
    bots[bot].done(`${bot} on ${text}`);
    await turn.stored;
    return turn;
  };
  return { gateway, reading: gateway.history, bots, ask, [Symbol.dispose]: () => gateway.close() };
}

Deno.test("a key that is bound to a bot reads what that bot answered, and nothing says that there is more", async () => {
  using world = start();
  const { reading, ask } = world;
  const mixed = (await world.gateway.conversations.begin(alice, { title: "about b" })).id;
  const only = (await world.gateway.conversations.begin(alice, { title: "about a" })).id;
  const other = (await world.gateway.conversations.begin(alice)).id;
  const first = await ask("a", "apples", { conversationId: mixed });
  const second = await ask("b", "pears", { conversationId: mixed });
  await ask("a", "apples too", { conversationId: mixed });
  await ask("a", "apples alone", { conversationId: only });
  await ask("b", "pears alone", { conversationId: other });

  assert.equal((await reading.turn(first.id, toA))?.id, first.id);
  assert.equal(await reading.turn(second.id, toA), undefined);
  const listed = await reading.conversations(toA);
  assert.deepEqual(
    listed.map(({ id, title }) => [id, title]).sort(),
    [[only, "about a"], [mixed, ""]].sort(),
  );
  assert.equal((await reading.conversation(toA, mixed))!.botId, undefined);
  assert.equal(await reading.conversation(toA, other), undefined);
  const { turns } = await reading.turns(toA, mixed, undefined, 10);
  assert.deepEqual(turns.map(({ text }) => text), ["apples", "apples too"]);
  assert.deepEqual((await reading.search(toA, "pears")).length, 0);
  assert.deepEqual((await reading.search(toA, "too")).map(({ title }) => title), [""]);
  assert.deepEqual((await reading.search(toA, "alone")).map(({ title }) => title), ["about a"]);
  await assert.rejects(reading.turns(toA, mixed, second.id, 10), { code: "not_found" });
  // The person reads all of it.
  assert.equal((await reading.turns(alice, mixed, undefined, 10)).turns.length, 3);
});

Deno.test("a page of a key's turns is full although most turns are not for it", async () => {
  using world = start();
  const { id } = await world.gateway.conversations.begin(alice);
  for (let n = 0; n < 30; n++) {
    await world.ask(n % 10 === 0 ? "a" : "b", `${n}`, { conversationId: id });
  }
  const page = await world.reading.turns(toA, id, undefined, 2);
  assert.deepEqual([page.turns.map(({ text }) => text), page.more], [["10", "20"], true]);
  const rest = await world.reading.turns(toA, id, page.turns[0]!.id, 2);
  assert.deepEqual([rest.turns.map(({ text }) => text), rest.more], [["0"], false]);
});

Deno.test("a key changes and deletes only a conversation that it reads whole, also one in which another bot answers now", async () => {
  using world = start();
  const { gateway, bots } = world;
  const mixed = await gateway.conversations.begin(alice),
    own = await gateway.conversations.begin(alice);
  await world.ask("a", "1", { conversationId: mixed.id });
  await world.ask("a", "2", { conversationId: own.id });
  const running = await gateway.ask({
    ...{ person: alice, text: "3", images: [], channel: "web", target: "b" },
    conversationId: mixed.id,
  });
  await assert.rejects(gateway.conversations.remove(toA, mixed.id), { code: "forbidden" });
  await assert.rejects(gateway.history.changeable(toA, mixed.id), { code: "forbidden" });
  assert.equal(running.ending, undefined);
  bots.b.done("done");
  await assert.rejects(gateway.conversations.remove(toA, mixed.id), { code: "forbidden" });
  assert.equal(await gateway.conversations.remove(toA, own.id), true);
  assert.equal(await gateway.conversations.remove(by({ bots: ["c"] }), mixed.id), false);
  assert.equal(await gateway.conversations.remove(alice, mixed.id), true);
});

Deno.test("an empty conversation is for whoever began it, or for the bot that it was begun for", async () => {
  using world = start();
  const { gateway, reading } = world;
  const mine = await gateway.conversations.begin(toA),
    named = await gateway.conversations.begin(alice, { botId: "a" });
  const hers = await gateway.conversations.begin(alice, { title: "secret" });
  assert.deepEqual(
    (await reading.conversations(toA)).map(({ id }) => id).sort(),
    [mine.id, named.id].sort(),
  );
  assert.equal(await reading.conversation(toA, hers.id), undefined);
  const ask = gateway.ask({
    person: toA,
    text: "x",
    images: [],
    channel: "api",
    conversationId: hers.id,
  });
  await assert.rejects(ask, { code: "not_found" });
  assert.deepEqual((await reading.conversations(asking)).length, 0);
});

Deno.test("a key that may ask and not read reads what was asked with it, and a bot is told no more of the conversation", async () => {
  using world = start();
  const { gateway, reading, ask } = world;
  const before = await ask("a", "her own");
  const own = await ask("a", "asked by the key", { person: asking });
  assert.equal(before.conversationId, own.conversationId, "the default conversation with this bot");
  assert.equal(await reading.turn(before.id, asking), undefined);
  assert.equal((await reading.turn(own.id, asking))?.id, own.id);
  assert.equal(await reading.turn(own.id, by({ key: "another", own: true })), undefined);
  const { turns } = await reading.turns(asking, own.conversationId, undefined, 10);
  assert.deepEqual(turns.map(({ text }) => text), ["asked by the key"]);
  const refused = ask("a", "x", {
    person: asking,
    conversationId: own.conversationId,
    parentTurnId: before.id,
  });
  await assert.rejects(refused, { code: "not_found" });
  const [repeat, same] = [
    await ask("a", "one", { idempotencyKey: "k" }),
    await ask("a", "two", { idempotencyKey: "k", person: asking }),
  ];
  assert.notEqual(repeat.id, same.id, "an idempotency key of the person's gives a key no answer");
  assert.equal(gateway.running().length, 0);
});

Deno.test("a turn that moved is for those who may read every bot that spoke in it, and for a pool by its name", async () => {
  using world = start();
  const { gateway, reading, bots } = world;
  gateway.roster.join(new Puppet("d", { pool: "p", restart: "safe" }));
  const turn = await gateway.ask({
    person: alice,
    text: "x",
    images: [],
    channel: "web",
    target: "p",
  });
  const first = turn.bot!.id;
  const puppet = gateway.roster.get(first)!.link as Puppet;
  puppet.sink.write("text", "half");
  puppet.sink.fail("bot_failed", undefined, true);
  const second = turn.bot!.id;
  assert.notEqual(first, second);
  for (
    const [open, may] of [[["p"], true], [[first, second], true], [[first], false], [
      [second],
      false,
    ]] as const
  ) {
    assert.equal(await reading.turn(turn.id, by({ bots: open })) !== undefined, may, `${open}`);
  }
  (gateway.roster.get(second)!.link as Puppet).done("whole");
  await turn.stored;
  const found = await gateway.archive.turn(turn.id);
  assert.deepEqual([found!.pool, found!.earlier?.map(({ id }) => id)], ["p", [first]]);
  assert.equal(bots.a.asked.length, 0);
});

Deno.test("a key hears of its bots' turns and pushes only, and takes no push away from a page", async () => {
  using world = start();
  const { gateway, reading, ask } = world;
  const heard: NumberedNotice[] = [];
  const stop = gateway.notices.subscribe(
    "alice",
    undefined,
    (one) => reading.receives(toA, one) && heard.push(one),
    false,
  );
  await ask("b", "pears");
  await gateway.push({ id: "b", name: "b" }, { to: "user:alice", content: "a pear", images: [] });
  await gateway.conversations.remove(
    alice,
    (await ask("b", "x", {
      conversationId: (await gateway.conversations.begin(alice)).id,
    })).conversationId,
  );
  assert.equal(heard.length, 0);
  await ask("a", "apples");
  await gateway.push({ id: "a", name: "a" }, { to: "user:alice", content: "an apple", images: [] });
  assert.deepEqual(heard.map(({ notice }) => notice.type), ["turn", "turn_end", "push"]);
  stop();
  const page: NumberedNotice[] = [];
  gateway.notices.subscribe("alice", undefined, (one) => page.push(one));
  assert.deepEqual(page.map(({ notice }) => notice.type === "push" && notice.content), [
    "a pear",
    "an apple",
  ]);
});

Deno.test("of a conversation older than the traces its turns are looked at, once", async () => {
  const store = new MemoryStore();
  using world = start(store);
  const mixed = await world.gateway.conversations.begin(alice),
    own = await world.gateway.conversations.begin(alice);
  await world.ask("a", "1", { conversationId: mixed.id });
  await world.ask("b", "2", { conversationId: mixed.id });
  await world.ask("a", "3", { conversationId: own.id });
  for (const [key, { traces: _, ...old }] of await store.list("conv:")) await store.set(key, old);
  using again = start(store);
  assert.deepEqual((await again.reading.conversations(toA)).map(({ title }) => title).sort(), [
    "",
    "3",
  ]);
  await assert.rejects(again.reading.changeable(toA, mixed.id), { code: "forbidden" });
  assert.equal((await again.reading.changeable(toA, own.id))?.id, own.id);
  assert.equal((await store.get(`conv:alice:${mixed.id}`)).traces.length, 2);
});

Deno.test("what a bot had begun to say when the process died is no key's to read that the bot is closed to", async () => {
  const store = Object.assign(new MemoryStore(), { volatile: false });
  const world = start(store);
  const { id } = await world.gateway.conversations.begin(alice);
  await world.ask("a", "1", { conversationId: id });
  await world.gateway.ask({
    ...{ person: alice, text: "2", images: [], channel: "web", target: "b" },
    conversationId: id,
  });
  // It dies here: nothing is closed.
  using again = start(store);
  await again.gateway.archive.recover();
  assert.equal((await again.reading.conversation(toA, id))?.title, "");
  await assert.rejects(again.gateway.conversations.remove(toA, id), { code: "forbidden" });
});

Deno.test("keys that ask at once look at an old conversation once, and none reads it whole while a turn ends in it", async () => {
  const store = new MemoryStore();
  using world = start(store);
  const { id } = await world.gateway.conversations.begin(alice);
  await world.ask("a", "1", { conversationId: id });
  for (const [key, { traces: _, ...old }] of await store.list("conv:")) await store.set(key, old);
  using again = start(store);
  let reads = 0;
  const { list } = store;
  store.list = (prefix, options) => {
    if (prefix === `turns:${id}:`) reads++;
    return list.call(store, prefix, options);
  };
  const asked = Array.from({ length: 20 }, () => again.reading.conversation(toA, id));
  const turn = again.ask("b", "2", { conversationId: id });
  await Promise.all([...asked, turn]);
  assert.ok(reads <= 2, `${reads} reads`);
  assert.equal((await again.reading.conversation(toA, id))?.title, "");
  assert.deepEqual(
    (await store.get(`conv:alice:${id}`)).traces.map(({ bots }: Trace) => bots[0]!.id).sort(),
    [
      "a",
      "b",
    ],
  );
});
