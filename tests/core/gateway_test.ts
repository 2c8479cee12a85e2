import assert from "node:assert/strict";
import { type Allowance, Allowances } from "../../src/core/people/allowance.ts";
import { MemoryStore } from "../../src/backends/memory.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { Gateway } from "../../src/core/gateway.ts";
import type { GatewaySettings } from "../../src/core/gateway_settings.ts";
import type { Bot } from "../../src/core/link.ts";
import type { Message, Person } from "../../src/core/message.ts";
import { silentObserver } from "../../src/core/observer.ts";
import { Puppet } from "./puppet.ts";

const alice: Person = { id: "alice", name: "Alice", role: "member" };
const bob: Person = { id: "bob", name: "Bob", role: "member" };

function start(settings: Partial<GatewaySettings> = {}) {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  let id = 0;
  const gateway = new Gateway(
    {
      store,
      clock,
      observer: silentObserver,
      newId: () => `id${++id}`,
      people: {
        isOut: () => false,
        find: (name) => [alice, bob].find((one) => one.id === name),
      },
    },
    settings,
  );
  const ask = (text: string, more: Partial<Message> = {}) =>
    gateway.ask({ person: alice, text, images: [], channel: "web", ...more });
  return {
    clock,
    store,
    gateway,
    ask,
    join: (id: string, more: Partial<Bot> = {}) => {
      const puppet = new Puppet(id, more);
      return { puppet, leave: gateway.roster.join(puppet) };
    },
    [Symbol.dispose]: () => gateway.close(),
  };
}

Deno.test("closing a gateway leaves no timer behind", () => {
  const world = start();
  world.gateway.close();
  assert.equal(world.clock.waiting, 0);
});

Deno.test("questions one after the other stay with one bot; at the same time they spread", async () => {
  using world = start();
  const bots = ["a", "b", "c"].map((id) => world.join(id).puppet);
  const answered = new Set<string>();
  for (let round = 0; round < 10; round++) {
    const turn = await world.ask("go");
    answered.add(turn.bot!.id);
    bots.find(({ bot }) => bot.id === turn.bot!.id)!.done("ok");
  }
  assert.equal(answered.size, 1, "the default conversation keeps its bot, and so its memory");
  for (let round = 0; round < 30; round++) await world.ask("go");
  for (const { busy } of bots) assert.ok(busy >= 7, "thirty at once are thirty things to do");
});

Deno.test("a conversation goes back to its own bot, and to another while that one is away", async () => {
  using world = start();
  const { puppet: a, leave } = world.join("a");
  const conversation = world.gateway.archive.conversations.create("alice");
  const in_ = { conversationId: conversation.id };
  const first = await world.ask("1", in_);
  a.done("one");
  assert.equal(first.bot!.id, "a");
  const { puppet: b } = world.join("b");
  for (let round = 0; round < 5; round++) {
    assert.equal((await world.ask("2", in_)).bot!.id, "a");
    a.done("two");
  }
  leave();
  assert.equal((await world.ask("3", in_)).bot!.id, "b");
  b.done("three");
});

Deno.test("a target names a bot or a pool, and nothing else answers", async () => {
  using world = start();
  world.join("a", { pool: "p" });
  world.join("b", { pool: "p" });
  const { puppet: c } = world.join("c");
  assert.notEqual((await world.ask("@p hi")).bot!.id, "c");
  assert.equal((await world.ask("hi", { target: "c" })).bot!.id, "c");
  assert.equal(c.asked[0]!.message.text, "hi");
  await assert.rejects(world.ask("hi", { target: "d" }), { code: "bot_offline" });
});

Deno.test("three failures running give a bot a rest of five seconds, unless it is the only one", async () => {
  using world = start();
  const { puppet: bad } = world.join("bad");
  const fail = async () => {
    const turn = await world.ask("go", { target: "bad" });
    bad.sink.fail("bot_failed", undefined, false);
    return turn;
  };
  for (let round = 0; round < 3; round++) assert.equal((await fail()).ending!.status, "failed");
  assert.equal(world.gateway.roster.state(world.gateway.roster.get("bad")!), "resting");
  assert.equal((await fail()).bot!.id, "bad", "a tired bot is better than none");
  const { puppet: good } = world.join("good");
  for (let round = 0; round < 5; round++) {
    assert.equal((await world.ask("go", { person: bob })).bot!.id, "good");
    good.done("ok");
  }
  world.clock.pass(5000);
  assert.equal(world.gateway.roster.state(world.gateway.roster.get("bad")!), "online");
});

Deno.test("questions that cannot be answered as they are put give no bot a rest, however many come", async () => {
  using world = start();
  const { puppet } = world.join("model");
  world.join("other");
  for (const code of ["question_refused", "context_too_long", "too_large"] as const) {
    for (let round = 0; round < 4; round++) {
      const turn = await world.ask("go", { target: "model" });
      puppet.sink.fail(code, "no", code === "context_too_long");
      assert.deepEqual([turn.ending!.status, turn.ending!.code], ["failed", code]);
    }
  }
  assert.equal(world.gateway.roster.state(world.gateway.roster.get("model")!), "online");
});

Deno.test("a bot that is lost before the first chunk is replaced by one that was not tried, and each only once", async () => {
  using world = start();
  const a = world.join("a"), b = world.join("b"), c = world.join("c");
  const turn = await world.ask("go");
  const order: string[] = [];
  for (let round = 0; round < 3; round++) {
    const current = [a, b, c].find(({ puppet }) => puppet.bot.id === turn.bot!.id)!;
    order.push(current.puppet.bot.id);
    const { sink } = current.puppet;
    current.leave();
    current.puppet.tasks.clear();
    sink.lost();
  }
  assert.deepEqual(order.toSorted(), ["a", "b", "c"]);
  assert.deepEqual([turn.ending!.status, turn.ending!.code], ["failed", "bot_gone"]);
});

for (const late of [false, true]) {
  Deno.test(`a turn that moves belongs to the default conversation with the bot that answers: ${late ? "written down already" : "at once"}`, async () => {
    const clock = new ManualClock();
    // A store that lasts, as far as the archive can see: then turns are written down while they
    // run.
    const store = Object.defineProperty(new MemoryStore({ now: () => clock.now() }), "volatile", {
      value: false,
    });
    const gateway = new Gateway({ store, clock, observer: silentObserver });
    const ask = (text: string, target?: string) =>
      gateway.ask({ person: alice, text, images: [], channel: "web", target });
    const a = new Puppet("a", { pool: "p" }), b = new Puppet("b", { pool: "p" });
    gateway.roster.join(a);
    const own = (await ask("before")).conversationId;
    a.done("yes");
    const turn = await ask("go");
    assert.equal(turn.conversationId, own);
    if (late) {
      clock.pass(1000);
      await new Promise((resolve) => setTimeout(resolve));
    }
    gateway.roster.join(b);
    a.sink.fail("bot_failed", undefined, true);
    assert.equal(turn.bot!.id, "b");
    b.done("from b");
    await new Promise((resolve) => setTimeout(resolve));
    assert.notEqual(turn.conversationId, own);
    assert.equal(b.asked[0]!.conversationId, turn.conversationId);
    const texts = async (id: string) =>
      (await gateway.history.turns({ id: "alice" }, id, undefined, 10)).turns.map(({ text }) =>
        text
      );
    assert.deepEqual([await texts(own), await texts(turn.conversationId)], [["before"], ["go"]]);
    assert.equal((await gateway.archive.conversations.get("alice", own))!.botId, "a");
    assert.equal((await ask("and", "b")).conversationId, turn.conversationId);
    gateway.close();
  });
}

Deno.test("what the old bot still says after a turn has moved is not heard", async () => {
  using world = start();
  const a = world.join("a").puppet;
  const turn = await world.ask("go");
  const old = a.sink;
  const b = world.join("b").puppet;
  a.tasks.clear();
  old.lost();
  assert.equal(old.write("text", "ghost"), false);
  old.done();
  b.done("real");
  assert.deepEqual([turn.reply.text, turn.ending!.status], ["real", "done"]);
});

Deno.test("silence ends a turn, and any sign of life resets the clock", async () => {
  using world = start({ replyTimeout: 1000 });
  const { puppet } = world.join("a");
  const turn = await world.ask("go");
  for (let round = 0; round < 5; round++) {
    world.clock.pass(900);
    puppet.sink.alive();
  }
  assert.equal(turn.ending, undefined);
  world.clock.pass(1300);
  assert.deepEqual([turn.ending!.status, turn.ending!.code], ["failed", "reply_timeout"]);
  assert.deepEqual(puppet.cancelled, [turn.id]);
});

Deno.test("a turn that waits too long is told, and one for which no bot is left is told sooner", async () => {
  using world = start({ queueTimeout: 60_000 });
  const busy = world.join("a", { maxConcurrent: 1 });
  await world.ask("first");
  const long = await world.ask("second", { person: bob });
  assert.equal(long.state, "queued");
  world.clock.pass(61_000);
  assert.equal(long.ending!.code, "queue_timeout");
  const orphan = await world.ask("third", { person: bob });
  busy.leave();
  world.clock.pass(10_000);
  assert.equal(orphan.ending, undefined, "a bot that restarts is back by then");
  world.clock.pass(8_000);
  assert.equal(orphan.ending!.code, "bot_offline");
});

Deno.test("stopping a turn that waits needs no bot, and the next in line moves up", async () => {
  using world = start();
  const { puppet } = world.join("a", { maxConcurrent: 1 });
  await world.ask("first");
  const second = await world.ask("second");
  const third = await world.ask("third");
  assert.deepEqual([second.queuePosition, third.queuePosition], [1, 2]);
  assert.equal(await world.gateway.cancel(second), true);
  assert.deepEqual([second.ending!.status, third.queuePosition], ["cancelled", 1]);
  puppet.done("ok");
  assert.equal(third.state, "waiting");
});

Deno.test("a turn that ended an hour ago is read from the archive, from any offset", async () => {
  using world = start();
  const { puppet } = world.join("a");
  const turn = await world.ask("go");
  puppet.sink.write("text", ["one ", "two "]);
  puppet.sink.write("reasoning", "why");
  puppet.done("three");
  world.clock.pass(3_600_000);
  assert.equal(world.gateway.recentTurns.usage.turns, 0, "it is not in memory any more");
  const again = (await world.gateway.history.turn(turn.id, { id: "alice" }))!;
  assert.deepEqual([again.reply.text, again.ending!.status, again.bot!.id], [
    "one two three",
    "done",
    "a",
  ]);
  assert.equal(again.reply.since(4).map(({ content }) => content).join("|"), "two |why|three");
  assert.equal(again.reply.length, turn.reply.length);
  assert.equal(await world.gateway.history.turn(turn.id, { id: "bob" }), undefined);
});

Deno.test("ended turns stay within their share of memory, the oldest go first", async () => {
  using world = start({ keepEndedBytes: 100_000 });
  const { puppet } = world.join("a");
  for (let round = 0; round < 200; round++) {
    await world.ask("go");
    puppet.done("x".repeat(1000));
  }
  const { turns, bytes } = world.gateway.recentTurns.usage;
  assert.ok(bytes <= 100_000 && turns > 10, `${turns} turns, ${bytes} bytes`);
});

Deno.test("a person's id that looks like part of a key opens nobody else's", async () => {
  using world = start();
  const { puppet } = world.join("a");
  const turn = await world.ask("secret");
  puppet.done("word");
  for (const id of ["alice:", "", "alice:" + turn.conversationId, "%61lice"]) {
    assert.equal(
      await world.gateway.archive.conversations.get(id, turn.conversationId),
      undefined,
      id,
    );
    assert.deepEqual(await world.gateway.archive.conversations.list(id), [], id);
  }
  assert.equal(
    await world.gateway.archive.conversations.get("alice", `../${turn.conversationId}`),
    undefined,
  );
});

Deno.test("nothing is asked while the gateway drains, and who waits is told", async () => {
  using world = start();
  const { puppet } = world.join("a", { maxConcurrent: 1 });
  const running = await world.ask("first");
  const waiting = await world.ask("second");
  const drained = world.gateway.drain(1000);
  assert.deepEqual([waiting.ending!.status, waiting.ending!.code], ["failed", "shutting_down"]);
  await assert.rejects(world.ask("third"), { code: "shutting_down" });
  puppet.done("whole");
  await drained;
  assert.equal(running.ending!.status, "done");
});

Deno.test("a question that is being let in when the gateway begins to drain is refused", async () => {
  using world = start();
  world.join("a");
  const asked = world.ask("first");
  const drained = world.gateway.drain(0);
  await assert.rejects(asked, { code: "shutting_down" });
  await drained;
  assert.equal(world.gateway.answering + world.gateway.waiting, 0);
});

Deno.test("a bot that can take work again, and told nobody, is given what waits within a second", async () => {
  using world = start();
  const { puppet: a } = world.join("a", { maxConcurrent: 1 });
  await world.ask("first");
  const second = await world.ask("second");
  // Its socket is stuck, which no event tells, and so is its being free again.
  a.draining = true;
  a.done("ok");
  assert.equal(second.state, "queued");
  a.draining = false;
  world.clock.pass(1000);
  assert.equal(second.state, "waiting");
});

Deno.test("a question that waits stands in its conversation, and one that never got a bot is kept too", async () => {
  using world = start({ queueTimeout: 60_000 });
  world.join("a", { maxConcurrent: 1 });
  await world.ask("first");
  const { id: conversationId } = world.gateway.archive.conversations.create("alice");
  const there = await world.ask("second", { conversationId });
  const nowhere = await world.ask("third");
  const { turns } = await world.gateway.history.turns(
    { id: "alice" },
    conversationId,
    undefined,
    10,
  );
  assert.deepEqual(turns.map(({ id, text, status }) => [id, text, status]), [[
    there.id,
    "second",
    "running",
  ]]);
  world.clock.pass(61_000);
  assert.equal(nowhere.ending!.code, "queue_timeout");
  world.clock.pass(3_600_000);
  assert.equal(world.gateway.recentTurns.usage.turns, 0, "none is in memory any more");
  for (const turn of [there, nowhere]) {
    const again = await world.gateway.history.turn(turn.id, { id: "alice" });
    assert.equal(again!.ending!.code, "queue_timeout", turn.message.text);
    const kept = await world.gateway.history.turns(
      { id: "alice" },
      again!.conversationId,
      undefined,
      10,
    );
    assert.ok(kept.turns.some(({ id }) => id === turn.id), turn.message.text);
  }
});

Deno.test("deleting a conversation stops what runs in it, and no word of it stays", async () => {
  using world = start();
  const { puppet } = world.join("a");
  const { id: conversationId } = world.gateway.archive.conversations.create("alice");
  const turn = await world.ask("go", { conversationId });
  puppet.sink.write("text", "half");
  assert.equal(await world.gateway.conversations.remove({ id: "alice" }, conversationId), true);
  assert.equal(turn.ending!.status, "cancelled");
  assert.deepEqual(puppet.cancelled, [turn.id]);
  assert.equal(await world.gateway.history.turn(turn.id, { id: "alice" }), undefined);
  for (const prefix of ["turn:", "turns:", "conv:", "owner:"]) {
    assert.deepEqual(await world.store.list(prefix), []);
  }
});

Deno.test("a question to a conversation that is deleted meanwhile is refused, and not kept", async () => {
  using world = start();
  world.join("a");
  const { id: conversationId } = world.gateway.archive.conversations.create("alice");
  const asked = world.ask("go", { conversationId });
  const removed = world.gateway.conversations.remove({ id: "alice" }, conversationId);
  await assert.rejects(asked, { code: "not_found" });
  await removed;
  for (const prefix of ["turn:", "turns:", "conv:"]) {
    assert.deepEqual(await world.store.list(prefix), []);
  }
});

Deno.test("a conversation that was deleted does not come back because somebody still renames it", async () => {
  using world = start();
  const conversation = world.gateway.archive.conversations.create("alice");
  await world.gateway.conversations.remove({ id: "alice" }, conversation.id);
  conversation.title = "still here";
  world.gateway.archive.conversations.save(conversation);
  assert.deepEqual(await world.gateway.archive.conversations.list("alice"), []);
});

Deno.test("a repeat gets the turn from the archive when it is no longer in memory", async () => {
  using world = start({ keepEndedBytes: 0 });
  const { puppet } = world.join("a");
  const key = { idempotencyKey: "k" };
  const first = await world.ask("go", key);
  assert.equal(await world.ask("go", key), first);
  puppet.done("word");
  const again = await world.ask("go", key);
  assert.deepEqual([again.id, again.reply.text], [first.id, "word"]);
  assert.notEqual(again, first, "a key must not hold the words in memory");
  assert.equal(puppet.asked.length, 1);
});

Deno.test("one push sent twice at the same time is told once, and one that failed may be tried again", async () => {
  using world = start({ replyCap: { text: 10, total: 10 } });
  const told: string[] = [];
  world.gateway.notices.subscribe("alice", undefined, ({ notice }) => told.push(notice.type));
  const bot = { id: "a", name: "A" };
  const push = (content: string) =>
    world.gateway.push(bot, { to: "user:alice", content, images: [], id: "p1" });
  await assert.rejects(push("too long for the cap"), { code: "reply_too_large" });
  await assert.rejects(push("too long for the cap"), { code: "reply_too_large" });
  await Promise.all([push("hi"), push("hi")]);
  await push("hi");
  assert.deepEqual(told, ["push"]);
});

/** A gateway where each person may ask only so much. */
function limited(limits: Allowance, settings: Partial<GatewaySettings> = {}) {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  const allowances = new Allowances({ store, clock, observer: silentObserver, of: () => limits });
  const gateway = new Gateway({
    store,
    clock,
    observer: allowances,
    admission: allowances,
  }, settings);
  return {
    gateway,
    allowances,
    ask: (more: Partial<Message> = {}) =>
      gateway.ask({ person: alice, text: "go", images: [], channel: "web", ...more }),
    async [Symbol.asyncDispose]() {
      gateway.close();
      await allowances.close();
    },
  };
}

for (const limits of [{ turnsAtOnce: 1 }, { turnsAtOnce: 1, messagesPerMinute: 100 }]) {
  Deno.test(`nobody passes a bound on turns at once by asking together: ${JSON.stringify(limits)}`, async () => {
    await using world = limited(limits);
    const bot = new Puppet("a");
    world.gateway.roster.join(bot);
    const outcomes = await Promise.allSettled([world.ask(), world.ask(), world.ask()]);
    assert.deepEqual(outcomes.map(({ status }) => status), ["fulfilled", "rejected", "rejected"]);
    bot.done("ok");
    await world.ask();
  });
}

for (
  const limits of [{ turnsAtOnce: 2 }, { messagesPerMinute: 2 }, {
    messagesPerDay: 2,
    imageBytesPerDay: 200,
  }]
) {
  Deno.test(`a question that became no turn does not count: ${JSON.stringify(limits)}`, async () => {
    await using world = limited(limits, { queue: { total: 1, perPerson: 1 } });
    const images = ["A".repeat(100)];
    for (let i = 0; i < 5; i++) await assert.rejects(world.ask({ images }), { code: "no_bot" });
    const bot = new Puppet("a", { maxConcurrent: 1 });
    world.gateway.roster.join(bot);
    await world.ask({ images });
    for (let i = 0; i < 5; i++) {
      await assert.rejects(world.ask({ images, target: "b" }), { code: "bot_offline" });
    }
    await world.ask({ images });
    assert.deepEqual(
      (await world.allowances.usage("alice")).map((
        { messages, imageBytes },
      ) => [messages, imageBytes]),
      [[2, 150]],
    );
    await assert.rejects(world.ask(), { code: "limited" });
  });
}

Deno.test("a question that finds the line full does not count", async () => {
  await using world = limited({ messagesPerMinute: 3 }, { queue: { total: 1, perPerson: 1 } });
  const bot = new Puppet("a", { maxConcurrent: 1 });
  world.gateway.roster.join(bot);
  await world.ask();
  await world.ask();
  for (let i = 0; i < 5; i++) await assert.rejects(world.ask(), { code: "queue_full" });
  bot.done("ok");
  await world.ask();
  await assert.rejects(world.ask(), { code: "limited" });
});

Deno.test("stopping twice tells both the bot's receipt", async () => {
  using world = start();
  world.join("a");
  const turn = await world.ask("go");
  assert.deepEqual(await Promise.all([world.gateway.cancel(turn), world.gateway.cancel(turn)]), [
    true,
    true,
  ]);
});

Deno.test("a temporary turn leaves no trace in the store and on no page, and its answer can be read for a while", async () => {
  const { clock, store, gateway, ask } = start();
  const bot = new Puppet("b");
  gateway.roster.join(bot);
  const told: string[] = [];
  gateway.notices.subscribe("alice", undefined, ({ notice }) => told.push(notice.type));
  await ask("kept");
  bot.done("kept, too");
  const keys = async () => (await store.list("")).map(([key]) => key);
  clock.pass(1000);
  const before = await keys();
  assert.ok(before.some((key) => key.startsWith("turn:")));
  told.length = 0;

  const [kept] = await gateway.archive.conversations.list("alice");
  const turns = [];
  for (
    const named of [{}, { conversationId: kept!.id, parentTurnId: "id1" }, {
      conversationId: "nobody's",
    }]
  ) {
    const turn = await ask("secret", { temporary: true, ...named });
    bot.done("answer");
    turns.push(turn);
  }
  clock.pass(1000);
  assert.deepEqual(await keys(), before);
  assert.deepEqual(told, []);
  const ids = new Set([
    kept!.id,
    ...bot.asked.slice(1).map(({ conversationId }) => conversationId),
  ]);
  assert.equal(ids.size, 4, "a bot with a memory mixes it with nothing");
  assert.equal((await gateway.history.turn(turns[0]!.id, { id: "alice" }))?.reply.text, "answer");
  clock.pass(gateway.settings.keepEnded + 2000);
  assert.equal(await gateway.history.turn(turns[0]!.id, { id: "alice" }), undefined);
  gateway.close();
});

Deno.test("a temporary turn that moves to another bot goes into no default conversation either", async () => {
  const { gateway, ask } = start();
  const [first, second] = [new Puppet("a", { pool: "p" }), new Puppet("b", { pool: "p" })];
  gateway.roster.join(first);
  const turn = await ask("secret", { temporary: true, target: "p" });
  gateway.roster.join(second);
  first.sink.lost();
  second.done("answer");
  assert.equal(turn.reply.text, "answer");
  assert.deepEqual(await gateway.archive.conversations.list("alice"), []);
  gateway.close();
});
