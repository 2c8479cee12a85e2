import assert from "node:assert/strict";
import { ManualClock } from "../../../src/core/clock.ts";
import { Events, startWorld, TestBot, textOf, until, type World } from "../../world.ts";

const ask = { message: "go" };

Deno.test("a wrong token is refused in the words of Nexus 1.x and closed for good", async () => {
  await using world = await startWorld();
  const bot = await TestBot.connect(world.botUrl);
  bot.send({ type: "register", botId: "x", botName: "X", token: "wrong" });
  assert.deepEqual(await bot.next("registered"), {
    type: "registered",
    success: false,
    error: "Invalid token",
  });
  assert.equal(await bot.closed, 4100);
});

Deno.test("without a token in the configuration every bot may come in, as in Nexus 1.x", async () => {
  await using world = await startWorld({ botToken: "" });
  await world.bot("free", { token: undefined });
  assert.deepEqual(world.app.gateway.roster.list().map(({ bot }) => bot.id), ["free"]);
});

Deno.test("a version-1 bot is answered exactly as by Nexus 1.x", async () => {
  await using world = await startWorld();
  const bot = await TestBot.connect(world.botUrl);
  bot.send({ type: "register", botId: "x", botName: "X", token: "bot-secret" });
  assert.deepEqual(await bot.next("registered"), { type: "registered", success: true });
  await bot.close();
});

Deno.test("a version-2 bot is told the limits", async () => {
  await using world = await startWorld({ pingInterval: 5000, botTimeout: 9000, resumeGrace: 700 });
  const bot = await TestBot.connect(world.botUrl);
  bot.send({ type: "register", botId: "x", botName: "X", token: "bot-secret", protocol: 7 });
  const welcome = await bot.next("registered");
  assert.equal(welcome.protocol, 2);
  assert.deepEqual([welcome.pingInterval, welcome.botTimeout, welcome.grace], [5000, 9000, 700]);
  assert.ok(welcome.maxFrame > 20_000_000);
  assert.ok(welcome.features.includes("resume"));
  await bot.close();
});

Deno.test("a socket that has not registered may say nothing else", async () => {
  await using world = await startWorld();
  const bot = await TestBot.connect(world.botUrl);
  bot.send({ type: "reply", replyTo: "x", content: "y", done: true });
  assert.deepEqual(await bot.next("error"), {
    type: "error",
    message: "Not registered",
    code: "not_registered",
  });
  bot.send({ type: "pong" });
  bot.send({ type: "status", busy: 1 });
  assert.equal(await bot.closed, 4101);
});

Deno.test("a first frame above 64 KiB is refused and closed", async () => {
  await using world = await startWorld();
  const bot = await TestBot.connect(world.botUrl);
  bot.send({ type: "register", botId: "x", botName: "x".repeat(70_000), token: "bot-secret" });
  assert.equal((await bot.next("error")).code, "too_large");
  assert.equal(await bot.closed, 4102);
});

Deno.test("a bot that dies before the first chunk costs nobody an answer: another gives it", async () => {
  await using world = await startWorld();
  const one = await world.bot("one");
  const stream = new Events(await world.as("alice", "/api/chat/stream", { json: ask }));
  await one.next("chat");
  const two = await world.bot("two");
  two.answerAll(({ id }) => two.reply(id, "from two", true));
  await one.close();
  const events = await stream.rest();
  assert.deepEqual(
    events.filter(({ data }) => data.type === "start").map(({ data }) => data.botId),
    ["one", "two"],
  );
  assert.equal(textOf(events), "from two");
  assert.equal(events.at(-1)!.data.status, "done");
});

Deno.test("a bot that dies at the first chunk leaves an incomplete answer, and it is told", async () => {
  await using world = await startWorld();
  const one = await world.bot("one");
  const two = await world.bot("two");
  const stream = new Events(
    await world.as("alice", "/api/chat/stream", { json: { message: "@one go" } }),
  );
  const { id } = await one.next("chat");
  one.reply(id, "half");
  await stream.until(({ data }) => data.type === "chunk");
  await one.close();
  const events = await stream.rest();
  assert.deepEqual(events.map(({ data }) => [data.type, data.code, data.status]), [
    ["error", "bot_gone", "incomplete"],
    ["end", "bot_gone", "incomplete"],
  ]);
  assert.equal(two.frames.length, 0);
  const whole = await world.as("alice", `/api/turns/${id}/stream`);
  assert.equal(textOf(await new Events(whole).rest()), "half", "what was said is kept");
});

Deno.test("/api/chat never gives a cut answer out as a whole one", async () => {
  await using world = await startWorld();
  const one = await world.bot("one");
  const asked = world.as("alice", "/api/chat", { json: ask, headers: { "accept-language": "en" } });
  const { id } = await one.next("chat");
  one.reply(id, "half");
  await one.close();
  const response = await asked;
  assert.equal(response.status, 502);
  const { code, status, content } = await response.json();
  assert.deepEqual([code, status, content], ["bot_gone", "incomplete", "half"]);
});

Deno.test("a pool whose bots declare restart safe starts a begun answer over, and readers are told to redraw", async () => {
  await using world = await startWorld();
  const safe = { protocol: 1, pool: "p", restart: "safe" };
  const one = await world.bot("one", safe);
  const stream = new Events(
    await world.as("alice", "/api/chat/stream", { json: { message: "@p go" } }),
  );
  const { id } = await one.next("chat");
  one.reply(id, "half of one");
  await stream.until(({ data }) => data.type === "chunk");
  const two = await world.bot("two", safe);
  two.answerAll((chat) => two.reply(chat.id, "whole of two", true));
  await one.close();
  const events = await stream.rest();
  assert.deepEqual(events.map(({ data }) => data.type), [
    "start",
    "replace",
    "chunk",
    "chunk",
    "end",
  ]);
  assert.equal(textOf(events), "whole of two");
  const again = new Events(await world.as("alice", `/api/turns/${id}/stream`));
  assert.equal(
    textOf(await again.rest()),
    "whole of two",
    "a reader that begins at 0 is told the same",
  );
});

Deno.test("a version-2 bot that drops resumes where it stopped, and nothing is said twice", async () => {
  await using world = await startWorld();
  const first = await world.bot("b", { protocol: 2 });
  const stream = new Events(await world.as("alice", "/api/chat/stream", { json: ask }));
  const { id } = await first.next("chat");
  first.reply(id, "one ", false, { seq: 1 });
  first.reply(id, "two ", false, { seq: 2 });
  await stream.until(({ data }) => data.content === "two ");
  await first.close();

  const second = await TestBot.connect(world.botUrl);
  second.send({
    type: "register",
    botId: "b",
    botName: "B",
    token: "bot-secret",
    protocol: 2,
    resume: [{ replyTo: id, seq: 3 }, { replyTo: "long-gone", seq: 9 }],
  });
  assert.deepEqual((await second.next("registered")).resume, [{ replyTo: id, seq: 2 }]);
  second.reply(id, "two ", false, { seq: 2 });
  second.reply(id, "three", false, { seq: 3 });
  second.reply(id, "", true, { seq: 4 });
  const events = await stream.rest();
  assert.equal(textOf(events), "three");
  assert.equal(events.at(-1)!.data.status, "done");
  await second.close();
});

Deno.test("a dropped version-2 bot that does not come back ends its begun turns after the grace", async () => {
  await using world = await startWorld({ resumeGrace: 50 });
  const bot = await world.bot("b", { protocol: 2 });
  const stream = new Events(await world.as("alice", "/api/chat/stream", { json: ask }));
  const { id } = await bot.next("chat");
  bot.reply(id, "half", false, { seq: 1 });
  await stream.until(({ data }) => data.type === "chunk");
  await bot.close();
  assert.equal((await stream.rest()).at(-1)!.data.status, "incomplete");
  assert.equal(world.app.gateway.answering, 0);
});

Deno.test("a bot that says how soon it dials again is waited for no longer once its socket was closed", async () => {
  await using world = await startWorld({ resumeGrace: 60_000 });
  const { bot, stream } = await half(world, { redial: 50 });
  await bot.close();
  assert.equal((await stream.rest()).at(-1)!.data.status, "incomplete");
});

Deno.test("a bot whose line fell silent has the whole grace, for it may not know that the line is dead", async () => {
  await using world = await startWorld({
    resumeGrace: 60_000,
    pingInterval: 200,
    botTimeout: 2000,
  });
  await world.token("alice");
  const { bot, stream, id } = await half(world, { redial: 0 });
  assert.equal(await bot.closed, 4002);
  const back = await world.bot("b", { protocol: 2, resume: [{ replyTo: id, seq: 1 }] });
  back.reply(id, " and half", true, { seq: 2 });
  assert.equal(textOf(await stream.rest()), " and half");
});

/** A version-2 bot that has said the first half of an answer. */
async function half(world: World, register: Record<string, unknown>) {
  const bot = await world.bot("b", { protocol: 2, ...register });
  const stream = new Events(await world.as("alice", "/api/chat/stream", { json: ask }));
  const { id } = await bot.next("chat");
  bot.reply(id, "half", false, { seq: 1 });
  await stream.until(({ data }) => data.type === "chunk");
  return { bot, stream, id };
}

Deno.test("a repeat is dropped and acknowledged, a gap is answered with the seq that is expected", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b", { protocol: 2 });
  const asked = world.as("alice", "/api/chat", { json: ask });
  const { id } = await bot.next("chat");
  bot.reply(id, "a", false, { seq: 1 });
  bot.reply(id, "a", false, { seq: 1 });
  bot.reply(id, "c", false, { seq: 3 });
  const gap = await bot.next("error");
  assert.deepEqual([gap.code, gap.replyTo, gap.expected], ["gap", id, 2]);
  bot.reply(id, ["b", "c"], false, { seq: 2 });
  bot.reply(id, "d", true, { seq: 3 });
  assert.equal((await (await asked).json()).content, "abcd");
  await until(() => bot.frames.some((frame) => frame.type === "ack" && frame.seq === 3));
});

Deno.test("only the bot that was asked may answer, and only once", async () => {
  await using world = await startWorld();
  const one = await world.bot("one");
  const thief = await world.bot("thief", { protocol: 2 });
  const asked = world.as("alice", "/api/chat", { json: { message: "@one go" } });
  const { id } = await one.next("chat");
  thief.reply(id, "stolen", true, { seq: 1 });
  const refused = await thief.next("error");
  assert.equal(refused.code, "unknown_turn");
  one.reply(id, "mine", true);
  one.reply(id, " and more", true);
  assert.equal((await (await asked).json()).content, "mine");
  const kept = await new Events(await world.as("alice", `/api/turns/${id}/stream`)).rest();
  assert.equal(textOf(kept), "mine");
});

Deno.test("a bot that says it failed is believed: its turn moves where that is allowed, else it ends failed", async () => {
  await using world = await startWorld();
  const one = await world.bot("one", { protocol: 2 });
  const first = world.as("alice", "/api/chat", {
    json: { message: "@one go" },
    headers: { "accept-language": "en" },
  });
  const chat = await one.next("chat");
  one.send({
    type: "fail",
    replyTo: chat.id,
    code: "quota",
    message: "no money left",
    retryable: true,
  });
  const refused = await first;
  assert.equal(refused.status, 502);
  const { error, code } = await refused.json();
  assert.equal(code, "bot_failed");
  assert.match(error, /quota: no money left/);

  const second = world.as("bob", "/api/chat", { json: ask });
  const again = await one.next("chat");
  const two = await world.bot("two");
  two.answerAll(({ id }) => two.reply(id, "two helps", true));
  one.send({ type: "fail", replyTo: again.id, retryable: true });
  assert.equal((await (await second).json()).content, "two helps");
});

Deno.test("what a bot says about its failure is for the person, bounded, and does not stand in the log", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b", { protocol: 2 });
  const headers = { "accept-language": "en", "x-request-id": "r-1" };
  const logged = async (fields: Record<string, unknown>) => {
    const answer = world.as("alice", "/api/chat", { json: ask, headers });
    bot.send({ type: "fail", replyTo: (await bot.next("chat")).id, ...fields });
    const { error } = await (await answer).json();
    return {
      error,
      told: world.happenings.findLast(({ type }) => type === "turn_ended") as { detail?: string },
    };
  };
  const secret = await logged({
    code: "quota",
    message: `you said "my secret" ${"x".repeat(5000)}`,
  });
  assert.match(secret.error, /my secret/);
  assert.ok(secret.error.length < 600);
  assert.equal(secret.told.detail, "quota");
  assert.equal((await logged({ code: "my secret is", message: "out" })).told.detail, undefined);

  const answer = world.as("alice", "/api/chat", { json: ask, headers });
  const other = await world.bot("other");
  other.answerAll(({ id }) => other.reply(id, "ok", true));
  bot.send({
    type: "fail",
    replyTo: (await bot.next("chat")).id,
    code: "quota",
    message: "my secret",
    retryable: true,
  });
  assert.equal((await (await answer).json()).content, "ok");
  const lines = world.happenings.filter(({ type }) =>
    type === "turn_given" || type === "turn_moved"
  );
  assert.ok(
    lines.every((line) => "request" in line && line.request === "r-1"),
    "each line names the request",
  );
  assert.doesNotMatch(JSON.stringify(world.happenings), /my secret/);
});

Deno.test("a bot that stalls past replyTimeout ends its turn, and every frame resets the clock", async () => {
  const clock = new ManualClock();
  await using world = await startWorld({ replyTimeout: 10_000 }, { clock });
  const bot = await world.bot("b", { protocol: 2 });
  const stream = new Events(await world.as("alice", "/api/chat/stream", { json: ask }));
  const { id } = await bot.next("chat");
  for (let seq = 1; seq <= 4; seq++) {
    bot.reply(id, "x", false, { seq });
    await stream.until(({ data }) => data.type === "chunk");
    clock.pass(9_000);
    assert.equal(world.app.gateway.running().length, 1, "a frame came within the time");
  }
  clock.pass(2_000);
  const end = (await stream.rest()).at(-1)!.data;
  assert.deepEqual([end.status, end.code], ["incomplete", "reply_timeout"]);
  assert.equal((await bot.next("cancel")).id, id, "the bot is told to stop");
});

Deno.test("a silent bot is asked, and gone after botTimeout", async () => {
  const clock = new ManualClock();
  await using world = await startWorld({ pingInterval: 30, botTimeout: 90 }, { clock });
  const bot = await world.bot("quiet");
  clock.pass(90);
  await bot.next("ping");
  assert.equal(bot.socket.readyState, WebSocket.OPEN);
  clock.pass(30);
  assert.equal(await bot.closed, 4002);
  assert.equal(world.app.gateway.roster.size, 0);
});

Deno.test("a bot that answers pings stays", async () => {
  const clock = new ManualClock();
  await using world = await startWorld({ pingInterval: 30, botTimeout: 90 }, { clock });
  const bot = await world.bot("lively");
  for (let round = 0; round < 6; round++) {
    clock.pass(30);
    await bot.next("ping");
    bot.send({ type: "pong" });
    // The pong is there before time goes on.
    bot.send({ type: "ping" });
    await bot.next("pong");
  }
  assert.equal(world.app.gateway.roster.size, 1);
});

Deno.test("a second socket with the same bot id replaces the first", async () => {
  await using world = await startWorld();
  const first = await world.bot("b");
  const second = await world.bot("b");
  assert.equal(await first.closed, 4001);
  second.answerAll(({ id }) => second.reply(id, "second", true));
  assert.equal(
    (await (await world.as("alice", "/api/chat", { json: ask })).json()).content,
    "second",
  );
});

Deno.test("a reply past the cap ends its turn, and a flood harms nobody else", async () => {
  await using world = await startWorld();
  const bot = await world.bot("flood", { protocol: 2 });
  const other = await world.bot("other");
  const stream = new Events(
    await world.as("alice", "/api/chat/stream", { json: { message: "@flood go" } }),
  );
  const { id } = await bot.next("chat");
  const block = "x".repeat(64 * 1024);
  for (let seq = 1; seq <= 40; seq++) bot.reply(id, block, false, { seq });
  const events = await stream.rest();
  assert.deepEqual([events.at(-1)!.data.status, events.at(-1)!.data.code], [
    "failed",
    "reply_too_large",
  ]);
  assert.ok(textOf(events).length <= 1 << 20);
  other.answerAll((chat) => other.reply(chat.id, "fine", true));
  assert.equal(
    (await (await world.as("alice", "/api/chat", { json: { message: "@other go" } })).json())
      .content,
    "fine",
  );
});

Deno.test("a full house waits in line, is told its place and is served in turn; past the bound it is 429", async () => {
  await using world = await startWorld({ queue: { total: 2 } });
  const bot = await world.bot("b", { protocol: 2, maxConcurrent: 1 });
  const first = new Events(await world.as("alice", "/api/chat/stream", { json: { message: "1" } }));
  const one = await bot.next("chat");
  const second = new Events(
    await world.as("alice", "/api/chat/stream", { json: { message: "2" } }),
  );
  assert.equal((await second.next())!.data.place, 1);
  const third = new Events(await world.as("bob", "/api/chat/stream", { json: { message: "3" } }));
  assert.equal((await third.next())!.data.place, 2);
  const fourth = await world.as("bob", "/api/chat/stream", { json: { message: "4" } });
  assert.equal(fourth.status, 429);
  assert.ok(Number(fourth.headers.get("retry-after")) > 0);
  assert.equal((await fourth.json()).code, "queue_full");

  bot.reply(one.id, "done", true, { seq: 1 });
  await first.rest();
  const two = await bot.next("chat");
  assert.equal(two.content, "2");
  assert.equal((await third.next())!.data.place, 1);
  bot.reply(two.id, "done", true, { seq: 1 });
  const three = await bot.next("chat");
  assert.equal(three.content, "3");
  bot.reply(three.id, "done", true, { seq: 1 });
  assert.equal((await third.rest()).at(-1)!.data.status, "done");
  await second.rest();
});

Deno.test("a draining bot gets nothing new", async () => {
  await using world = await startWorld();
  const one = await world.bot("one", { protocol: 2 });
  const two = await world.bot("two");
  two.answerAll(({ id }) => two.reply(id, "two", true));
  one.send({ type: "status", draining: true });
  const token = await world.token();
  await until(async () => {
    const response = await fetch(`${world.url}/api/bots`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return (await response.json()).bots[0].state === "draining";
  });
  for (let round = 0; round < 5; round++) {
    assert.equal(
      (await (await world.as("alice", "/api/chat", { json: ask })).json()).content,
      "two",
    );
  }
});

Deno.test("no frame ends the process: binary, nonsense, deep, prototype keys, huge", async () => {
  await using world = await startWorld();
  const nasty: (string | Uint8Array<ArrayBuffer>)[] = [
    "",
    "null",
    "[]",
    '"register"',
    "{",
    new Uint8Array([0xff, 0xfe, 0]),
    `${"[".repeat(200_000)}`,
    `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`,
    '{"__proto__":{"type":"register"},"constructor":{"prototype":{}}}',
    '{"type":"__proto__"}',
    '{"type":"reply","replyTo":"__proto__","content":"x","done":true}',
    '{"type":"reply","replyTo":{"toString":null},"content":{}}',
    '{"type":"register","botId":"\\u0000\\u202e","botName":[]}',
    '{"type":"cancelled","id":"nothing"}',
    '{"type":"status","busy":1e999}',
    '{"type":"push","to":"user:","content":""}',
  ];
  for (const text of nasty) {
    const stranger = await TestBot.connect(world.botUrl);
    stranger.socket.send(text);
    await stranger.next("error");
    await stranger.close();
    const bot = await world.bot("victim", { protocol: 2 });
    bot.socket.send(text);
    bot.answerAll(({ id }) => bot.reply(id, "alive", true, { seq: 1 }));
    assert.equal(
      (await (await world.as("alice", "/api/chat", { json: ask })).json()).content,
      "alive",
    );
    await bot.close();
    await until(() => world.app.gateway.roster.size === 0);
  }
});

Deno.test("text that is not UTF-8 closes that socket and harms nobody else", async () => {
  await using world = await startWorld();
  const { hostname, port } = new URL(world.url);
  const socket = await Deno.connect({ hostname, port: Number(port) });
  await socket.write(new TextEncoder().encode(
    "GET /bot-ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n" +
      "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  ));
  const buffer = new Uint8Array(4096);
  let answer = new TextDecoder().decode(buffer.subarray(0, (await socket.read(buffer))!));
  assert.match(answer, /^HTTP\/1.1 101/);
  // A text frame of three bytes, masked with zeros: 0xff never stands in UTF-8.
  await socket.write(new Uint8Array([0x81, 0x83, 0, 0, 0, 0, 0x22, 0xff, 0x22]));
  answer = "";
  for (
    let read = await socket.read(buffer).catch(() => null);
    read !== null;
    read = await socket.read(buffer).catch(() => null)
  ) {
    answer += String.fromCharCode(...buffer.subarray(0, read));
  }
  socket.close();
  const bot = await world.bot("fine");
  bot.answerAll(({ id }) => bot.reply(id, "alive", true));
  assert.equal(
    (await (await world.as("alice", "/api/chat", { json: ask })).json()).content,
    "alive",
  );
});

Deno.test("a frame of 63 MiB is answered with an error and the bot stays", async () => {
  await using world = await startWorld();
  const bot = await world.bot("big", { protocol: 2 });
  bot.socket.send(
    `{"type":"reply","replyTo":"x","content":"${"x".repeat(63 * 1024 * 1024)}","done":true}`,
  );
  assert.equal((await bot.next("error")).code, "too_large");
  bot.answerAll(({ id }) => bot.reply(id, "still here", true, { seq: 1 }));
  assert.equal(
    (await (await world.as("alice", "/api/chat", { json: ask })).json()).content,
    "still here",
  );
});

Deno.test("sockets that do not register are closed in time, and few wait from one address", async () => {
  await using world = await startWorld();
  world.app.sockets.settings.registerTimeout = 100;
  const early = await Promise.all(Array.from({ length: 20 }, () => TestBot.connect(world.botUrl)));
  const late = await fetch(world.url + "/bot-ws", {
    headers: { upgrade: "websocket", connection: "upgrade" },
  });
  assert.equal(late.status, 429);
  await late.body?.cancel();
  assert.deepEqual(new Set(await Promise.all(early.map(({ closed }) => closed))), new Set([4005]));
  await world.bot("welcome");
});

Deno.test("told to stop in the middle, the gateway lets the turn finish and tells bots to come back", async () => {
  await using world = await startWorld({ drainTimeout: 5000 });
  const bot = await world.bot("b", { protocol: 2 });
  const stream = new Events(await world.as("alice", "/api/chat/stream", { json: ask }));
  const { id } = await bot.next("chat");
  bot.reply(id, "half ", false, { seq: 1 });
  await stream.until(({ data }) => data.type === "chunk");
  const drained = world.app.drain();
  const refused = await world.as("alice", "/api/chat", { json: ask });
  assert.equal(refused.status, 503);
  assert.equal((await refused.json()).code, "shutting_down");
  const ready = await world.as("alice", "/readyz");
  assert.deepEqual([ready.status, (await ready.json()).code], [503, "shutting_down"]);
  bot.reply(id, "and whole", true, { seq: 2 });
  const events = await stream.rest();
  assert.equal(textOf(events), "and whole");
  assert.equal(events.at(-1)!.data.status, "done");
  await drained;
  assert.equal(await bot.closed, 4000);
});

Deno.test("while the gateway waits for its last turns, a bot that was cut off comes back to end them, and no other comes in", async () => {
  await using world = await startWorld({ drainTimeout: 5000 });
  const first = await world.bot("b", { protocol: 2 });
  const stream = new Events(await world.as("alice", "/api/chat/stream", { json: ask }));
  const { id } = await first.next("chat");
  first.reply(id, "half ", false, { seq: 1 });
  await stream.until(({ data }) => data.type === "chunk");
  const drained = world.app.drain();
  await first.close();
  await until(() => world.app.gateway.roster.size === 0);
  const stranger = await TestBot.connect(world.botUrl);
  stranger.send({ type: "register", botId: "c", botName: "C", token: "bot-secret", protocol: 2 });
  assert.equal((await stranger.next("registered")).success, false);
  assert.equal(await stranger.closed, 4000);
  const second = await world.bot("b", { protocol: 2, resume: [{ replyTo: id, seq: 1 }] });
  second.reply(id, "and whole", true, { seq: 2 });
  const events = await stream.rest();
  assert.deepEqual([textOf(events), events.at(-1)!.data.status], ["and whole", "done"]);
  await drained;
  assert.equal(await second.closed, 4000);
});

for (const protocol of [1, 2]) {
  Deno.test(`a piece of a reply that is too large ends its turn, never as if it were whole: version ${protocol}`, async () => {
    await using world = await startWorld();
    world.app.sockets.set({ maxFrame: 1000 });
    const bot = await world.bot("b", { protocol });
    const answer = world.as("alice", "/api/chat", { json: ask });
    const other = world.as("bob", "/api/chat", { json: ask });
    const chats = [await bot.next("chat"), await bot.next("chat")];
    const [mine, his] = ["Alice", "Bob"].map((name) => chats.find(({ from }) => from === name).id);
    bot.reply(mine, "one ");
    bot.reply(mine, `"replyTo":"${his}" ${"x".repeat(2000)}`);
    bot.reply(mine, " three", true);
    bot.reply(his, "whole", true);
    const cut = await answer;
    assert.equal(cut.status, 502);
    const { status, code, content } = await cut.json();
    assert.deepEqual([status, code, content], ["failed", "reply_too_large", "one "]);
    assert.equal((await (await other).json()).content, "whole");
  });
}

Deno.test("a numbered piece of a reply that is too large is asked for again, and the turn goes on", async () => {
  await using world = await startWorld();
  world.app.sockets.set({ maxFrame: 1000 });
  const bot = await world.bot("b", { protocol: 2 });
  const answer = world.as("alice", "/api/chat", { json: ask });
  const { id } = await bot.next("chat");
  bot.reply(id, "x".repeat(2000), false, { seq: 1 });
  assert.equal((await bot.next("error")).code, "too_large");
  bot.reply(id, "b", true, { seq: 2 });
  assert.equal((await bot.next("error")).expected, 1);
  bot.reply(id, "a", false, { seq: 1 });
  bot.reply(id, "b", true, { seq: 2 });
  assert.equal((await (await answer).json()).content, "ab");
});

for (const protocol of [1, 2]) {
  Deno.test(`a bot that registers again on its socket goes on with its turns: version ${protocol}`, async () => {
    await using world = await startWorld();
    const bot = await world.bot("b", { protocol });
    const answer = world.as("alice", "/api/chat", { json: ask });
    const { id } = await bot.next("chat");
    bot.reply(id, "one ", false, { seq: 1 });
    const register = { type: "register", botName: "Again", token: "bot-secret", protocol };
    bot.send({ ...register, botId: "b" });
    assert.equal((await bot.next("registered")).success, true);
    bot.send({ ...register, botId: "c" });
    const refused = await bot.next("registered");
    assert.deepEqual([refused.success, refused.error], [
      false,
      'this socket answers as "b"; open another one',
    ]);
    bot.reply(id, "two", true, { seq: 2 });
    assert.equal((await (await answer).json()).content, "one two");
    assert.deepEqual(world.app.gateway.roster.list().map(({ bot: { id, name } }) => [id, name]), [[
      "b",
      "Again",
    ]]);
    bot.send({ ...register, botId: "c" });
    assert.equal(
      (await bot.next("registered")).success,
      true,
      "with nothing to end it may be somebody else",
    );
    assert.deepEqual(world.app.gateway.roster.list().map(({ id }) => id), ["c"]);
  });
}

Deno.test("a turn that does not finish while draining ends incomplete, not done", async () => {
  await using world = await startWorld({ drainTimeout: 50 });
  const bot = await world.bot("b", { protocol: 2 });
  const stream = new Events(await world.as("alice", "/api/chat/stream", { json: ask }));
  const { id } = await bot.next("chat");
  bot.reply(id, "half", false, { seq: 1 });
  await stream.until(({ data }) => data.type === "chunk");
  await world.app.drain();
  const end = (await stream.rest()).at(-1)!.data;
  assert.deepEqual([end.status, end.code], ["incomplete", "shutting_down"]);
});

Deno.test("the demo bot answers until the first real bot comes, and does not come back", async () => {
  await using world = await startWorld({ demo: true });
  const png = "data:image/png;base64,iVBORw0KGgo=";
  const first =
    await (await world.as("alice", "/api/chat", { json: { message: "hello", image: png } })).json();
  assert.equal(first.botId, "demo");
  assert.match(first.content, /> hello/);
  assert.deepEqual(first.images, [png]);
  const bot = await world.bot("real");
  assert.deepEqual(world.app.gateway.roster.list().map(({ id }) => id), ["real"]);
  await bot.close();
  await until(() => world.app.gateway.roster.size === 0);
  const none = await world.as("alice", "/api/chat", { json: ask });
  assert.equal(none.status, 503);
  await none.body?.cancel();
});

Deno.test("a browser page of another site cannot open a bot's socket", async () => {
  await using world = await startWorld();
  const response = await fetch(`${world.url}/bot-ws`, {
    headers: { origin: "https://evil.example", upgrade: "websocket", connection: "upgrade" },
  });
  assert.equal(response.status, 403);
  await response.body?.cancel();
});

Deno.test("a handshake that is none is a bad request", async () => {
  await using world = await startWorld();
  const { hostname, port } = new URL(world.url);
  const socket = await Deno.connect({ hostname, port: Number(port) });
  await socket.write(new TextEncoder().encode(
    "GET /bot-ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
  ));
  const buffer = new Uint8Array(4096);
  assert.match(
    new TextDecoder().decode(buffer.subarray(0, (await socket.read(buffer))!)),
    /^HTTP\/1.1 400/,
  );
  socket.close();
});

Deno.test("a changed bot token closes those whose own no longer opens, and nobody else", async () => {
  await using world = await startWorld();
  const { app } = world;
  const own = await app.botTokens.make("own", "root");
  const withOwn = await world.bot("own", { token: own });
  const common = await world.bot("common");
  const hashed = `sha256:${
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode("bot-secret")))
      .toHex()
  }`;
  await app.reconfigure({ ...app.config, botToken: hashed });
  assert.deepEqual(
    app.gateway.roster.list().map(({ id }) => id),
    ["own", "common"],
    "a hash of the same is the same",
  );
  await app.reconfigure({ ...app.config, botToken: "another" });
  assert.equal(await common.closed, 4100);
  assert.deepEqual(app.gateway.roster.list().map(({ id }) => id), ["own"]);
  assert.equal(withOwn.socket.readyState, WebSocket.OPEN);
});

Deno.test("the common token is rotated with an overlap, and no question stays unanswered", async () => {
  await using world = await startWorld({ botToken: "old" });
  const { app } = world;
  const connect = async (id: string, token: string) => {
    const bot = await world.bot(id, { token, protocol: 2 });
    bot.answerAll(({ id }) => bot.reply(id, "yes", true, { seq: 1 }));
    return bot;
  };
  const bots = await Promise.all(["a", "b", "c"].map((id) => connect(id, "old")));
  let asked = 0, answered = 0, over = false;
  const people = Array.from({ length: 4 }, async () => {
    while (!over) {
      asked++;
      const response = await world.as("alice", "/api/chat", { json: ask });
      if (response.status === 200 && (await response.json()).content === "yes") answered++;
    }
  });
  const someMore = async () => {
    const until50 = asked + 50;
    await until(() => asked >= until50);
  };

  await someMore();
  await app.reconfigure({ ...app.config, botToken: ["new", "old"] });
  await someMore();
  for (const id of ["a", "b"]) {
    await connect(id, "new");
    await someMore();
  }
  assert.deepEqual(await Promise.all(bots.slice(0, 2).map(({ closed }) => closed)), [4001, 4001]);
  const late = new Promise<string>((resolve) =>
    bots[2]!.socket.addEventListener("close", ({ reason }) => resolve(reason))
  );
  await app.reconfigure({ ...app.config, botToken: "new" });
  await someMore();
  over = true;
  await Promise.all(people);
  assert.deepEqual(
    [await bots[2]!.closed, await late],
    [4100, "Invalid token"],
    "one that was not changed over",
  );
  assert.ok(asked >= 200);
  assert.equal(asked - answered, 0, `${asked - answered} of ${asked} unanswered`);
});

Deno.test("a bot's token before the last opens until its overlap ends, and then its socket is closed", async () => {
  const clock = new ManualClock();
  await using world = await startWorld({}, { clock });
  const { app } = world;
  const first = await app.botTokens.make("own", "root");
  const bot = await world.bot("own", { token: first });
  await app.botTokens.make("own", "root", { overlap: 60_000 });
  clock.pass(59_000);
  await bot.next("ping");
  assert.equal(app.gateway.roster.size, 1);
  clock.pass(6_000);
  assert.equal(await bot.closed, 4100);
});

Deno.test("a bot that dials again before its old socket is seen to close goes on there, and the old one is not heard", async () => {
  await using world = await startWorld();
  const first = await world.bot("b", { protocol: 2 });
  const stream = new Events(await world.as("alice", "/api/chat/stream", { json: ask }));
  const { id } = await first.next("chat");
  first.reply(id, "one ", false, { seq: 1 });
  await stream.until(({ data }) => data.type === "chunk");
  const second = await world.bot("b", { protocol: 2, resume: [{ replyTo: id, seq: 1 }] });
  first.socket.send(
    JSON.stringify({ type: "reply", replyTo: id, content: "from the past", done: true, seq: 2 }),
  );
  assert.equal(await first.closed, 4001);
  second.reply(id, "two", true, { seq: 2 });
  const events = await stream.rest();
  assert.deepEqual([textOf(events), events.at(-1)!.data.status], ["two", "done"]);
  assert.equal(world.app.gateway.roster.size, 1);
});

Deno.test("a turn that is stopped while its bot is away is over, and the bot that comes back is told", async () => {
  await using world = await startWorld();
  const first = await world.bot("b", { protocol: 2 });
  const stream = new Events(await world.as("alice", "/api/chat/stream", { json: ask }));
  const { id } = await first.next("chat");
  first.reply(id, "half", false, { seq: 1 });
  await stream.until(({ data }) => data.type === "chunk");
  await first.close();
  await until(() => world.app.gateway.roster.size === 0);
  const stopped = await (await world.as("alice", `/api/turns/${id}/cancel`, { method: "POST" }))
    .json();
  assert.deepEqual(stopped, { status: "cancelled", confirmed: false });
  assert.equal((await stream.rest()).at(-1)!.data.status, "cancelled");

  const second = await TestBot.connect(world.botUrl);
  const resume = [{ replyTo: id, seq: 1 }];
  second.send({
    type: "register",
    botId: "b",
    botName: "B",
    token: "bot-secret",
    protocol: 2,
    resume,
  });
  assert.deepEqual((await second.next("registered")).resume, [], "what is missing here is over");
  second.reply(id, "more", true, { seq: 2 });
  assert.equal((await second.next("error")).code, "unknown_turn");
  await second.close();
});

Deno.test("a person limited to one bot sees and reaches no other", async () => {
  const users = { carol: { password: "carol-pass", bots: ["mine"] } };
  await using world = await startWorld({ users });
  const other = await world.bot("other");
  other.answerAll(({ id }) => other.reply(id, "leak", true));
  for (
    const json of [{ message: "hi" }, { message: "@other hi" }, { message: "hi", target: "other" }]
  ) {
    const response = await world.as("carol", "/api/chat", { json });
    assert.equal(response.status, 503);
    await response.body?.cancel();
  }
  const mine = await world.bot("mine");
  mine.answerAll(({ id }) => mine.reply(id, "yours", true));
  assert.equal(
    (await (await world.as("carol", "/api/chat", { json: ask })).json()).content,
    "yours",
  );
  const { bots } = await (await world.as("carol", "/api/bots")).json();
  assert.deepEqual(bots.map(({ id }: { id: string }) => id), ["mine"]);
});
