import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import type { SetOptions } from "../../../src/core/store.ts";
import { Events, startWorld, textOf, until } from "../../world.ts";

Deno.test("a person signs in, asks and gets the answer in the shapes of Nexus 1.x", async () => {
  await using world = await startWorld();
  const bot = await world.bot("echo");
  bot.answerAll(({ id, content }) => {
    bot.reply(id, "you said: ");
    bot.reply(id, content, true);
  });
  const login = await fetch(`${world.url}/api/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: "alice", password: "alice-pass" }),
  });
  assert.equal(login.status, 200);
  const { token, user, expiresAt } = await login.json();
  assert.match(token, /^[0-9a-f]{64}$/);
  assert.equal(user.username, "alice");
  assert.equal(user.displayName, "Alice");
  assert.ok(expiresAt > Date.now());
  assert.match(login.headers.get("set-cookie")!, /nexus_session=.*HttpOnly; SameSite=Lax/);

  const answer = await (await world.as("alice", "/api/chat", { json: { message: "hi" } })).json();
  assert.equal(answer.botId, "echo");
  assert.equal(answer.content, "you said: hi");
  assert.equal(typeof answer.timestamp, "number");

  const bots = await (await world.as("alice", "/api/bots")).json();
  assert.equal(bots.bots[0].id, "echo");
  assert.equal(bots.bots[0].name, "ECHO");
  assert.ok(Date.parse(bots.bots[0].connectedAt) > 0);

  const health = await (await world.as("alice", "/health")).json();
  assert.deepEqual(health, { status: "ok", bots: 1, botIds: ["echo"] });
});

Deno.test("a version-1 bot gets exactly the chat frame of Nexus 1.x", async () => {
  await using world = await startWorld();
  const bot = await world.bot("one");
  const asked = world.as("alice", "/api/chat", {
    json: { message: "@one look", image: "aGVsbG8=" },
  });
  const chat = await bot.next("chat");
  assert.deepEqual(Object.keys(chat), ["type", "id", "content", "from", "image", "timestamp"]);
  assert.equal(chat.content, "look");
  assert.equal(chat.from, "Alice");
  assert.equal(chat.image, "aGVsbG8=");
  bot.reply(chat.id, "ok", true);
  assert.equal((await (await asked).json()).content, "ok");
});

Deno.test("an answer streams as start, chunks and end, with offsets to resume from", async () => {
  await using world = await startWorld();
  const bot = await world.bot("s");
  const response = await world.as("alice", "/api/chat/stream", { json: { message: "go" } });
  assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  const events = new Events(response);
  const start = (await events.next())!;
  assert.equal(start.data.type, "start");
  assert.equal(start.data.botId, "s");
  assert.equal(start.data.botName, "S");
  const { id } = await bot.next("chat");
  assert.equal(start.data.turnId, id);
  bot.reply(id, "one ");
  bot.reply(id, "two ");
  bot.reply(id, "three", true);
  const rest = await events.rest();
  assert.deepEqual(rest.map(({ data }) => data.type), ["chunk", "chunk", "chunk", "chunk", "end"]);
  assert.equal(textOf(rest), "one two three");
  assert.deepEqual(rest.slice(0, 3).map((event) => event.id), [`${id}:4`, `${id}:8`, `${id}:13`]);
  assert.equal(rest.at(-2)!.data.done, true);
  assert.equal(rest.at(-1)!.data.status, "done");
});

Deno.test("a reader resumes ten times and has every word once", async () => {
  await using world = await startWorld();
  const bot = await world.bot("s");
  const first = new Events(
    await world.as("alice", "/api/chat/stream", { json: { message: "go" } }),
  );
  const start = (await first.next())!;
  const { id } = await bot.next("chat");
  let last = start.id!;
  await first.hangUp();
  let have = "";
  for (let round = 0; round < 10; round++) {
    bot.reply(id, `w${round} `);
    const response = await world.as("alice", `/api/turns/${id}/stream`, {
      headers: { "last-event-id": last },
    });
    const events = new Events(response);
    const got = await events.until(({ data }) => data.type === "chunk");
    have += textOf(got);
    last = got.at(-1)!.id!;
    await events.hangUp();
  }
  bot.reply(id, "end", true);
  const events = new Events(
    await world.as("alice", `/api/turns/${id}/stream?after=${last.split(":")[1]}`),
  );
  const rest = await events.rest();
  assert.equal(have + textOf(rest), "w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 end");
  assert.equal(rest.at(-1)!.data.status, "done");
});

Deno.test("hanging up does not stop the bot on the stream, and does on /api/chat", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b", { protocol: 2 });
  const stream = new Events(
    await world.as("alice", "/api/chat/stream", { json: { message: "go" } }),
  );
  await stream.next();
  await stream.hangUp();
  const first = await bot.next("chat");
  bot.reply(first.id, "still here", true, { seq: 1 });
  const again = new Events(await world.as("alice", `/api/turns/${first.id}/stream`));
  assert.equal(textOf(await again.rest()), "still here");

  const gone = new AbortController();
  const asked = world.as("alice", "/api/chat", { json: { message: "go" }, signal: gone.signal });
  const second = await bot.next("chat");
  gone.abort();
  await assert.rejects(asked);
  assert.equal((await bot.next("cancel")).id, second.id);
  bot.send({ type: "cancelled", id: second.id });
});

Deno.test("stopping reaches the bot and tells whether it confirmed", async () => {
  await using world = await startWorld();
  const bot = await world.bot("two", { protocol: 2 });
  const stream = new Events(
    await world.as("alice", "/api/chat/stream", { json: { message: "go" } }),
  );
  await stream.next();
  const { id } = await bot.next("chat");
  bot.reply(id, "begun", false, { seq: 1 });
  await stream.next();
  const stopping = world.as("alice", `/api/turns/${id}/cancel`, { method: "POST" });
  assert.equal((await bot.next("cancel")).id, id);
  bot.send({ type: "cancelled", id });
  assert.deepEqual(await (await stopping).json(), { status: "cancelled", confirmed: true });
  const rest = await stream.rest();
  assert.deepEqual(rest.map(({ data }) => [data.type, data.status]), [["end", "cancelled"]]);
});

Deno.test("a version-1 bot cannot confirm, and stopping says so at once", async () => {
  await using world = await startWorld();
  const bot = await world.bot("one");
  const stream = new Events(
    await world.as("alice", "/api/chat/stream", { json: { message: "go" } }),
  );
  await stream.next();
  const { id } = await bot.next("chat");
  const stopped = await (await world.as("alice", `/api/turns/${id}/cancel`, { method: "POST" }))
    .json();
  assert.deepEqual(stopped, { status: "cancelled", confirmed: false });
  assert.equal((await stream.rest()).at(-1)!.data.status, "cancelled");
});

Deno.test("somebody else's turn does not exist: 404, not 403", async () => {
  await using world = await startWorld();
  const bot = await world.bot("s");
  const events = new Events(
    await world.as("alice", "/api/chat/stream", { json: { message: "secret" } }),
  );
  const { turnId, conversationId } = (await events.next())!.data;
  const { id } = await bot.next("chat");
  bot.reply(id, "for alice only", true);
  await events.rest();
  for (
    const [method, path] of [
      ["GET", `/api/turns/${turnId}/stream`],
      ["POST", `/api/turns/${turnId}/cancel`],
      ["GET", `/api/conversations/${conversationId}`],
      ["GET", `/api/conversations/${conversationId}/turns`],
      ["GET", `/api/conversations/${conversationId}/export`],
      ["DELETE", `/api/conversations/${conversationId}`],
    ] as const
  ) {
    const response = await world.as("bob", path, { method });
    assert.equal(response.status, 404, `${method} ${path}`);
    assert.equal((await response.json()).code, "not_found");
  }
  const asked = await world.as("bob", "/api/chat", { json: { message: "x", conversationId } });
  assert.equal(asked.status, 404);
  await asked.body?.cancel();
  assert.deepEqual((await (await world.as("bob", "/api/search?q=secret")).json()).results, []);
});

Deno.test("what is wrong with a request is said, with status and code", async () => {
  await using world = await startWorld({ maxBody: 2000 });
  const token = await world.token();
  const post = (body: BodyInit, type = "application/json", path = "/api/chat") =>
    fetch(world.url + path, {
      method: "POST",
      headers: { "content-type": type, authorization: `Bearer ${token}`, "accept-language": "en" },
      body,
    });
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(world.url + path, { headers: { "accept-language": "en", ...headers } });
  const expectations: [Promise<Response>, number, string, RegExp][] = [
    [post("{}"), 400, "invalid", /text or an image/],
    [post('{"message":""}'), 400, "invalid", /text or an image/],
    [post("not json"), 400, "invalid", /not JSON/],
    [post(""), 400, "invalid", /empty/],
    [post('{"message":5}'), 400, "invalid", /message: must be a text/],
    [post("[]"), 400, "invalid", /must be an object/],
    [post('{"message":"x","images":"y"}'), 400, "invalid", /images: must be a list/],
    [
      post("message=hi", "application/x-www-form-urlencoded"),
      415,
      "unsupported_type",
      /x-www-form/,
    ],
    [post(JSON.stringify({ message: "x".repeat(3000) })), 413, "too_large", /2000/],
    [post('{"message":"hi"}'), 503, "no_bot", /No bot/],
    [post('{"message":"hi","target":"nobody"}'), 503, "bot_offline", /nobody/],
    [post('{"message":"hi","conversationId":"none"}'), 404, "not_found", /conversation/],
    [get("/api/me"), 401, "unauthenticated", /Not signed in/],
    [
      get("/api/me", { authorization: "Bearer nonsense" }),
      401,
      "session_expired",
      /expired/,
    ],
    [get("/api/nothing"), 404, "not_found", /Not found/],
    [get("/bot-ws"), 400, "invalid", /WebSocket/],
  ];
  for (const [asked, status, code, words] of expectations) {
    const response = await asked;
    const { error, code: got } = await response.json();
    assert.deepEqual([response.status, got], [status, code], error);
    assert.match(error, words);
  }
});

Deno.test("the text of an error follows Accept-Language, its code does not", async () => {
  await using world = await startWorld();
  for (
    const [language, words] of [["en-GB,en;q=0.9", "Not signed in"], ["zh-CN", "未登录"], [
      "fr, zh;q=0.3, en;q=0.2",
      "未登录",
    ], [
      "fr",
      "Not signed in",
    ]] as const
  ) {
    const response = await fetch(`${world.url}/api/me`, {
      headers: { "accept-language": language },
    });
    assert.deepEqual(await response.json(), { error: words, code: "unauthenticated" });
  }
});

Deno.test("a repeat with the same Idempotency-Key gets the same turn", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b");
  let asked = 0;
  bot.answerAll(({ id }) => bot.reply(id, `answer ${++asked}`, true));
  const ask = () =>
    world.as("alice", "/api/chat", {
      json: { message: "once" },
      headers: { "idempotency-key": "k1" },
    });
  const [one, two] = await Promise.all([ask(), ask()]);
  const three = await ask();
  const answers = await Promise.all([one, two, three].map((response) => response.json()));
  assert.deepEqual(answers.map(({ content }) => content), ["answer 1", "answer 1", "answer 1"]);
  assert.equal(new Set(answers.map(({ turnId }) => turnId)).size, 1);
  const other = await world.as("bob", "/api/chat", {
    json: { message: "once" },
    headers: { "idempotency-key": "k1" },
  });
  assert.equal((await other.json()).content, "answer 2");
});

Deno.test("a request keeps the name that a proxy gave it, in the answer and in the log", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b");
  bot.answerAll(({ id }) => bot.reply(id, "ok", true));
  const named = await world.as("alice", "/api/chat", {
    json: { message: "x" },
    headers: { "x-request-id": "edge-42" },
  });
  const { turnId } = await named.json();
  assert.equal(named.headers.get("x-request-id"), "edge-42");
  const ended = world.happenings.find((one) => one.type === "turn_ended" && one.turn === turnId);
  assert.equal((ended as { request?: string }).request, "edge-42");
  const plain = await world.as("alice", "/api/chat/stream", {
    json: { message: "x" },
    headers: { "x-request-id": 'for"ged' },
  });
  assert.match(plain.headers.get("x-request-id")!, /^[0-9a-f]{8}-\w+$/);
  await plain.body?.cancel();
});

Deno.test("a reader of one kilobyte at a time gets every word, and holds up nobody", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b", { protocol: 2 });
  const { hostname, port } = new URL(world.url);
  const slow = await Deno.connect({ hostname, port: Number(port) });
  const body = '{"message":"go"}';
  await slow.write(new TextEncoder().encode(
    `POST /api/chat/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${await world
      .token()}\r\n` +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  ));
  const { id } = await bot.next("chat");
  const fast = new Events(await world.as("alice", `/api/turns/${id}/stream`));
  const words: string[] = [];
  for (let seq = 1; seq <= 900; seq++) {
    words.push(`${seq} ${"x".repeat(1000)} `);
    bot.reply(id, words.at(-1), false, { seq });
  }
  bot.reply(id, "", true, { seq: 901 });
  assert.equal(textOf(await fast.rest()), words.join(""), "the other reader has all of it already");
  let got = "";
  const decoder = new TextDecoder();
  const piece = new Uint8Array(1024);
  while (!got.includes('"type":"end"')) {
    const read = await slow.read(piece);
    if (read === null) break;
    got += decoder.decode(piece.subarray(0, read), { stream: true });
  }
  slow.close();
  // Chunked transfer coding: a size line before each piece.
  const events = got.split(/\r\n[0-9a-f]+\r\n/).slice(1).join("").replace(/\r\n/g, "").split("\n\n")
    .map((block) => /^data: (.*)$/m.exec(block)?.[1]).filter((text) => text !== undefined).map((
      text,
    ) => ({
      data: JSON.parse(text),
    }));
  assert.equal(textOf(events), words.join(""));
});

Deno.test("images go both ways on both chat routes", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b", { protocol: 2 });
  const png = "data:image/png;base64,iVBORw0KGgo=";
  const other = "data:image/png;base64,iVBORw0KGgw=";
  bot.answerAll(({ id, images, image }) => {
    assert.deepEqual(images, [png, other]);
    assert.equal(image, png);
    bot.reply(id, "seen", false, { seq: 1 });
    bot.reply(id, "", true, { seq: 2, image: "/9j/AAAA" });
  });
  const json = { message: "look", image: png, images: [other] };
  const whole = await (await world.as("alice", "/api/chat", { json })).json();
  assert.deepEqual([whole.content, whole.images], ["seen", ["data:image/jpeg;base64,/9j/AAAA"]]);
  const events = await new Events(await world.as("alice", "/api/chat/stream", { json })).rest();
  assert.deepEqual(events.map(({ data }) => data.type), [
    "start",
    "chunk",
    "image",
    "chunk",
    "end",
  ]);
  assert.equal(events[2]!.data.image, "data:image/jpeg;base64,/9j/AAAA");
});

Deno.test("a page hears of bots, of turns begun elsewhere and of pushes; a push waits for a page", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b", { protocol: 2 });
  bot.send({ type: "push", id: "p1", to: "user:alice", content: "before anybody listened" });
  assert.deepEqual(await bot.next("pushed"), { type: "pushed", id: "p1", success: true });
  const events = new Events(await world.as("alice", "/api/events"));
  assert.deepEqual((await events.next())!.data.bots.map(({ id }: { id: string }) => id), ["b"]);
  const early = (await events.next())!;
  assert.deepEqual([early.data.type, early.data.content, early.data.botId], [
    "push",
    "before anybody listened",
    "b",
  ]);

  const asked = world.as("alice", "/api/chat", { json: { message: "elsewhere" } });
  const { id } = await bot.next("chat");
  bot.reply(id, "ok", true, { seq: 1 });
  await (await asked).json();
  const heard = await events.until(({ data }) => data.type === "turn_end");
  assert.ok(heard.some(({ data }) => data.type === "turn" && data.turnId === id));

  bot.send({ type: "push", id: "p1", to: "user:alice", content: "before anybody listened" });
  await bot.next("pushed");
  bot.send({
    type: "push",
    id: "p2",
    to: `conversation:${early.data.conversationId}`,
    content: "again",
  });
  const second = (await events.until(({ data }) => data.type === "push")).at(-1)!;
  assert.equal(second.data.content, "again", "a repeat of p1 is dropped");
  bot.send({ type: "push", id: "p3", to: "user:nobody", content: "x" });
  const refused = await bot.next("pushed");
  await until(() => refused !== undefined);
  const third = refused.id === "p3" ? refused : await bot.next("pushed");
  assert.equal(third.success, false);
  await events.hangUp();

  const page =
    await (await world.as("alice", `/api/conversations/${early.data.conversationId}/turns`)).json();
  assert.ok(
    page.turns.some((turn: { reply: { text: string } }) => turn.reply.text === "again"),
    "and it is kept",
  );
});

Deno.test("conversations are made, listed, renamed, pinned, searched, exported and deleted", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b", { protocol: 2 });
  const seen: string[] = [];
  bot.answerAll(({ id, content, conversationId }) => {
    seen.push(conversationId);
    bot.reply(id, `about ${content}`, true, { seq: 1 });
  });
  const made = await (await world.as("alice", "/api/conversations", { json: { title: "Plans" } }))
    .json();
  const say = async (message: string, conversationId?: string) =>
    await (await world.as("alice", "/api/chat", { json: { message, conversationId } })).json();
  await say("北京的天气怎么样", made.id);
  const plain = await say("hello there");
  await say("hello again");
  assert.deepEqual(
    seen,
    [made.id, plain.conversationId, plain.conversationId],
    "without an id it is the default conversation",
  );

  const patch = (body: unknown) =>
    world.as("alice", `/api/conversations/${made.id}`, {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  assert.equal((await (await patch({ title: "Weather", pinned: true })).json()).title, "Weather");
  const { conversations } = await (await world.as("alice", "/api/conversations")).json();
  assert.deepEqual(conversations.map((one: { title: string }) => one.title), [
    "Weather",
    "hello there",
  ]);

  const { results } = await (await world.as("alice", `/api/search?q=${encodeURIComponent("天气")}`))
    .json();
  assert.deepEqual(results.map((one: { conversationId: string }) => one.conversationId), [made.id]);
  const { turns } = await (await world.as("alice", `/api/conversations/${made.id}/turns`)).json();
  assert.deepEqual(
    turns.map((
      turn: { message: { text: string }; reply: { text: string } },
    ) => [turn.message.text, turn.reply.text]),
    [[
      "北京的天气怎么样",
      "about 北京的天气怎么样",
    ]],
  );
  const markdown = await (await world.as("alice", `/api/conversations/${made.id}/export`)).text();
  assert.match(markdown, /# Weather[\s\S]*北京的天气怎么样[\s\S]*about/);

  assert.equal(
    (await (await world.as("alice", `/api/conversations/${made.id}`, { method: "DELETE" })).json())
      .success,
    true,
  );
  const gone = await world.as("alice", `/api/conversations/${made.id}`);
  assert.equal(gone.status, 404);
  await gone.body?.cancel();
  assert.deepEqual(
    (await (await world.as("alice", `/api/search?q=${encodeURIComponent("天气")}`)).json()).results,
    [],
  );
});

Deno.test("five thousand wrong passwords are refused without hashing five thousand times", async () => {
  await using world = await startWorld();
  const statuses = new Map<number, number>();
  const ask = async (index: number) => {
    const response = await fetch(`${world.url}/api/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username: "alice", password: `guess-${index}` }),
    });
    await response.body?.cancel();
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    if (response.status === 429) assert.ok(Number(response.headers.get("retry-after")) > 0);
  };
  for (let round = 0; round < 50; round++) {
    await Promise.all(Array.from({ length: 100 }, (_, index) => ask(round * 100 + index)));
  }
  assert.ok((statuses.get(401) ?? 0) <= 15, "few are even tried");
  assert.equal(
    (statuses.get(401) ?? 0) + (statuses.get(429) ?? 0),
    5000,
    "and nothing else comes back",
  );
});

Deno.test("another site's page cannot use a browser's cookie, our own can", async () => {
  await using world = await startWorld({ allowedOrigins: ["https://chat.example.com"] });
  const cookie = `nexus_session=${await world.token()}`;
  const logout = async (headers: Record<string, string>) => {
    const response = await fetch(`${world.url}/api/conversations`, {
      method: "POST",
      headers: { cookie, "content-type": "application/json", ...headers },
      body: "{}",
    });
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await logout({ origin: "https://evil.example" }), 403);
  assert.equal(await logout({}), 403, "a browser always says where a changing request comes from");
  assert.equal(await logout({ origin: world.url }), 201);
  assert.equal(await logout({ origin: "https://chat.example.com" }), 201);
  const read = await fetch(`${world.url}/api/me`, { headers: { cookie } });
  assert.equal((await read.json()).user.username, "alice");
});

Deno.test("CORS is off unless an origin is listed", async () => {
  await using world = await startWorld({ allowedOrigins: ["https://chat.example.com"] });
  const preflight = (origin: string) =>
    fetch(`${world.url}/api/chat`, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST" },
    });
  const listed = await preflight("https://chat.example.com");
  assert.equal(listed.status, 204);
  assert.equal(listed.headers.get("access-control-allow-origin"), "https://chat.example.com");
  const other = await preflight("https://evil.example");
  assert.equal(other.headers.get("access-control-allow-origin"), null);
  await other.body?.cancel();
});

Deno.test("metrics and health tell what happens and hold no word of it", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b");
  bot.answerAll(({ id }) => {
    bot.reply(id, "pineapple ");
    bot.reply(id, "juice", true);
  });
  await (await world.as("alice", "/api/chat", { json: { message: "mango" } })).json();
  const text = await (await fetch(`${world.url}/metrics`)).text();
  assert.match(text, /nexus_turns_total\{status="done",code="",channel="api"\} 1/);
  assert.match(text, /nexus_chunks_total 2/);
  assert.match(text, /nexus_chunk_gap_seconds_count 1/);
  assert.match(text, /nexus_first_chunk_seconds_count 1/);
  assert.match(text, /nexus_bots 1/);
  const all = text + JSON.stringify(world.happenings);
  for (const secret of ["pineapple", "mango", "alice-pass", "bot-secret", await world.token()]) {
    assert.ok(!all.includes(secret), secret);
  }
  assert.equal((await (await fetch(`${world.url}/livez`)).json()).status, "ok");
  assert.equal((await (await fetch(`${world.url}/readyz`)).json()).status, "ok");
});

Deno.test("a person who hung up before the turn began stops the bot too", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b", { protocol: 2 });
  const authorization = `Bearer ${await world.token()}`;
  const gone = new AbortController();
  const request = new Request(`${world.url}/api/chat`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: '{"message":"go"}',
    signal: gone.signal,
  });
  const answered = world.app.fetch(request);
  // The body is being read, the turn has not begun.
  gone.abort();
  const response = await answered;
  await response.body?.cancel();
  await until(() => world.app.gateway.answering === 0, "the turn's end");
  assert.ok(bot.frames.every(({ type }) => type !== "chat") || (await bot.next("cancel")));
});

Deno.test("who hangs up and asks again with the same Idempotency-Key gets the answer, not its cancellation", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b", { protocol: 2 });
  const ask = (signal?: AbortSignal) =>
    world.as("alice", "/api/chat", {
      json: { message: "go" },
      headers: { "idempotency-key": "k1" },
      signal,
    });
  const gone = new AbortController();
  const first = ask(gone.signal);
  const { id } = await bot.next("chat");
  gone.abort();
  await assert.rejects(first);
  const second = ask();
  await until(
    () => world.app.gateway.running().some(({ reply }) => reply.readers > 1),
    "the second reader",
  );
  bot.reply(id, "whole", true, { seq: 1 });
  assert.equal((await (await second).json()).content, "whole");
  assert.ok(bot.frames.every(({ type }) => type !== "cancel"));
});

Deno.test("a repeat whose answer is no longer in memory is answered from the archive", async () => {
  await using world = await startWorld();
  world.app.gateway.set({ keepEndedBytes: 0 });
  const bot = await world.bot("b");
  bot.answerAll(({ id }) => bot.reply(id, "kept", true));
  const ask = (path: string) =>
    world.as("alice", path, {
      json: { message: "go" },
      headers: { "idempotency-key": "k2", "x-request-id": "r7" },
    });
  const first = await (await ask("/api/chat")).json();
  const again = await ask("/api/chat");
  assert.equal(again.headers.get("x-request-id"), "r7");
  assert.deepEqual(await again.json(), first);
  const streamed = await ask("/api/chat/stream");
  assert.equal(streamed.headers.get("x-request-id"), "r7");
  assert.equal(textOf(await new Events(streamed).rest()), "kept");
});

Deno.test("HEAD on a stream holds nothing open", async () => {
  await using world = await startWorld();
  await world.bot("b");
  const response = await world.as("alice", "/api/events", { method: "HEAD" });
  assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  await until(() => world.app.gateway.notices.pages === 0, "the page to be gone");
});

Deno.test("a page that is given more than it may fall behind by is let go, and nothing of it stays", async () => {
  await using world = await startWorld();
  const bot = await world.bot("b", { protocol: 2 });
  for (let push = 0; push < 8; push++) {
    bot.send({ type: "push", id: `p${push}`, to: "user:alice", content: "x".repeat(900_000) });
    assert.equal((await bot.next("pushed")).success, true);
  }
  const events = new Events(await world.as("alice", "/api/events"));
  const heard = await events.rest();
  assert.ok(heard.length > 1, "what fits is told");
  assert.equal(world.app.gateway.notices.pages, 0);
});

Deno.test("a turn's stream ends with the session, says so, and is no end of the turn", async () => {
  const clock = new ManualClock();
  await using world = await startWorld({}, { clock });
  const bot = await world.bot("b");
  const other = await (await fetch(`${world.url}/api/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: "alice", password: "alice-pass" }),
  })).json();
  const headers = {
    authorization: `Bearer ${other.token}`,
    "content-type": "application/json",
    "accept-language": "en",
  };
  const body = JSON.stringify({ message: "go" });
  const elsewhere = new Events(
    await fetch(`${world.url}/api/chat/stream`, { method: "POST", headers, body }),
  );
  const [start] = await elsewhere.until(({ data }) => data.type === "start");
  const chat = await bot.next("chat");
  const here = new Events(await world.as("alice", `/api/turns/${start!.data.turnId}/stream`));
  bot.reply(chat.id, "half");
  await elsewhere.until(({ data }) => data.type === "chunk");
  await here.until(({ data }) => data.type === "chunk");

  await (await world.as("alice", "/api/sessions/others", { method: "DELETE" })).json();
  clock.pass(15_000);
  assert.deepEqual((await elsewhere.rest()).map(({ data }) => data), [
    { type: "error", error: "The session has expired", code: "session_expired" },
  ]);
  bot.reply(chat.id, " and half", true);
  const rest = await here.rest();
  assert.equal(textOf(rest), " and half");
  assert.equal(rest.at(-1)!.data.status, "done");
});

Deno.test("an OpenAI stream ends with its key, never as if it were whole, and the bot is told to stop", async () => {
  const clock = new ManualClock();
  await using world = await startWorld({}, { clock });
  const bot = await world.bot("b", { protocol: 2 });
  const made =
    await (await world.as("alice", "/api/keys", { json: { name: "k", scopes: ["chat"] } })).json();
  const asked = fetch(`${world.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${made.token}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "b", stream: true, messages: [{ role: "user", content: "go" }] }),
  });
  const chat = await bot.next("chat");
  bot.reply(chat.id, "half", false, { seq: 1 });
  const response = await asked;
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("half")) text += (await reader.read()).value;
  const revoked = await world.as("alice", `/api/keys/${made.key.id}`, { method: "DELETE" });
  assert.equal(revoked.status, 200, await revoked.text());
  clock.pass(15_000);
  for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
  assert.match(text, /"code":"invalid_api_key"/);
  assert.doesNotMatch(text, /\[DONE\]|"finish_reason":"stop"/);
  assert.equal((await bot.next("cancel")).id, chat.id);
});

Deno.test("a person has so many streams open and no more, whatever they read, and one that closes makes room", async () => {
  await using world = await startWorld({ limits: { streamsAtOnce: 2 } });
  const bot = await world.bot("b");
  const news = new Events(await world.as("alice", "/api/events"));
  await news.next();
  const turn = new Events(await world.as("alice", "/api/chat/stream", { json: { message: "go" } }));
  const [start] = await turn.until(({ data }) => data.type === "start");
  const headers = { "accept-language": "en" };
  for (
    const [path, json] of [
      ["/api/events"],
      ["/api/chat/stream", { message: "again" }],
      [`/api/turns/${start!.data.turnId}/stream`],
      ["/v1/chat/completions", {
        model: "b",
        stream: true,
        messages: [{ role: "user", content: "go" }],
      }],
    ] as [string, unknown?][]
  ) {
    const refused = await world.as("alice", path, { json, headers });
    assert.equal(refused.status, 429, path);
    assert.equal(refused.headers.get("retry-after"), "5");
    assert.match(await refused.text(), /2 streams are open; close one/);
  }
  assert.equal(
    bot.frames.filter(({ type }) => type === "chat").length,
    1,
    "what is refused is not asked",
  );
  const others = new Events(await world.as("bob", "/api/events"));
  await others.next();
  await others.hangUp();

  await news.hangUp();
  await until(async () => {
    const again = await world.as("alice", "/api/events");
    await again.body?.cancel();
    return again.status === 200;
  });
  await turn.hangUp();
  const whole = await world.as("alice", "/api/chat", { json: { message: "" } });
  assert.equal(whole.status, 400);
  await whole.body?.cancel();
});

Deno.test("a person keeps so many conversations and no more, and deleting one makes room", async () => {
  await using world = await startWorld({ limits: { conversations: 3 } });
  const bot = await world.bot("b");
  bot.answerAll(({ id }) => bot.reply(id, "ok", true));
  const make = () =>
    world.as("alice", "/api/conversations", { json: {}, headers: { "accept-language": "en" } });
  const first = await (await make()).json();
  await (await make()).json();
  const completion = { model: "b", messages: [{ role: "user", content: "go" }] };
  assert.equal(
    (await (await world.as("alice", "/v1/chat/completions", { json: completion })).json()).error,
    undefined,
  );
  const refused = await make();
  assert.equal(refused.status, 409);
  assert.deepEqual(await refused.json(), {
    error: "As many conversations as there may be; delete some first: 3",
    code: "conversations_full",
  });
  const program = await world.as("alice", "/v1/chat/completions", { json: completion });
  assert.deepEqual([program.status, (await program.json()).error.code], [
    409,
    "conversations_full",
  ]);
  const own = await world.as("alice", "/api/chat", { json: { message: "go" } });
  assert.equal((await own.json()).content, "ok", "the default conversation is always there");
  for (
    const { id } of (await (await world.as("alice", "/api/conversations")).json()).conversations
      .slice(0, 2)
  ) {
    await (await world.as("alice", `/api/conversations/${id}`, { method: "DELETE" })).body
      ?.cancel();
  }
  assert.equal((await (await make()).json()).title, first.title);
});

Deno.test("a stream of news ends with the session, and with the person", async () => {
  const clock = new ManualClock();
  await using world = await startWorld({}, { clock });
  const bot = await world.bot("b", { protocol: 2 });
  const other = await (await fetch(`${world.url}/api/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: "alice", password: "alice-pass" }),
  })).json();
  const open = async (token: string) => {
    const response = await fetch(`${world.url}/api/events`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const events = new Events(response);
    await events.next();
    return events;
  };
  const elsewhere = await open(other.token);
  const here = await open(await world.token());
  await (await world.as("alice", "/api/sessions/others", { method: "DELETE" })).json();
  clock.pass(15_000);
  assert.deepEqual(await elsewhere.rest(), [], "whoever was signed out hears nothing more");

  const { alice: _, ...users } = world.app.config.users;
  await world.app.reconfigure({ ...world.app.config, users });
  bot.send({ type: "status", busy: 1 });
  clock.pass(15_000);
  const last = await here.rest();
  assert.ok(last.every(({ data }) => data.type !== "push"));
});

Deno.test("a proxy's own Authorization header does not hide the browser's cookie", async () => {
  await using world = await startWorld();
  const response = await fetch(`${world.url}/api/me`, {
    headers: {
      authorization: "Basic bWU6c2VjcmV0",
      cookie: `nexus_session=${await world.token()}`,
    },
  });
  assert.equal((await response.json()).user?.username, "alice");
  const lower = await fetch(`${world.url}/api/me`, {
    headers: { authorization: `bearer ${await world.token()}` },
  });
  assert.equal(
    (await lower.json()).user?.username,
    "alice",
    "the scheme's case does not count (RFC 9110, 11.1)",
  );
});

/** A disk that takes its time for turns that run, or for those that have ended. */
class SlowDisk extends MemoryStore {
  override readonly volatile = false;

  constructor(readonly isSlow: "running" | "ended", readonly done: Promise<void>) {
    super();
  }

  override async set(key: string, value: unknown, options?: SetOptions): Promise<void> {
    await super.set(key, value, options);
    if (!options?.durable || !key.startsWith("turn:")) return;
    const { status } = value as { status: string };
    if ((status === "running") === (this.isSlow === "running")) await this.done;
  }
}

Deno.test("nobody hears that an answer has begun before the question would survive the end of the process", async () => {
  const disk = Promise.withResolvers<void>();
  const clock = new ManualClock();
  await using world = await startWorld({}, { store: new SlowDisk("running", disk.promise), clock });
  const bot = await world.bot("b");
  const page = new Events(await world.as("alice", "/api/events"));
  await page.until(({ data }) => data.type === "bots");
  const events = new Events(
    await world.as("alice", "/api/chat/stream", { json: { message: "hi" } }),
  );
  const { id } = await bot.next("chat");
  bot.send({ type: "reply", replyTo: id, content: "hello", done: false });
  let heard = 0;
  const first = events.next().then((event) => (heard++, event));
  const notice = page.next().then((event) => (heard++, event));
  // The bot's pong is behind all that it said.
  bot.send({ type: "ping" });
  await bot.next("pong");
  assert.equal(heard, 0);
  disk.resolve();
  assert.equal((await first)!.data.type, "start");
  assert.equal((await notice)!.data.type, "turn");
  assert.equal((await events.next())!.data.content, "hello");
  await events.hangUp();
  await page.hangUp();
});

Deno.test("nobody hears that an answer has ended before it would survive the end of the process", async () => {
  const disk = Promise.withResolvers<void>();
  await using world = await startWorld({}, { store: new SlowDisk("ended", disk.promise) });
  const bot = await world.bot("b");
  const events = new Events(
    await world.as("alice", "/api/chat/stream", { json: { message: "hi" } }),
  );
  const whole = world.as("alice", "/api/chat", { json: { message: "hi" } });
  for (let asked = 0; asked < 2; asked++) {
    const { id } = await bot.next("chat");
    bot.send({ type: "reply", replyTo: id, content: "hello", done: true });
  }
  assert.equal((await events.next())!.data.type, "start");
  assert.equal((await events.next())!.data.content, "hello");
  let over = false;
  const ended = events.rest().then(() => over = true);
  const answered = whole.then(() => over = true);
  // The bot's pong is behind all that it said.
  bot.send({ type: "ping" });
  await bot.next("pong");
  assert.equal(over, false);
  disk.resolve();
  await Promise.all([ended, answered]);
  assert.equal((await (await whole).json()).content, "hello");
});
