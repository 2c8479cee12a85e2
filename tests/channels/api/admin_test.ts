import assert from "node:assert/strict";
import { verifyAudit } from "../../../src/core/people/audit.ts";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { startWorld, TestBot, until, type World } from "../../world.ts";

async function send(world: World, method: string, path: string, body?: unknown, who = "root") {
  const response = await world.as(who, path, {
    method,
    headers: { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

Deno.test("an admin adds, changes, disables and removes people, and everything of theirs goes", async () => {
  const store = new MemoryStore();
  await using world = await startWorld({}, { store });
  const bot = await world.bot("echo");
  bot.answerAll(({ id, content }) => bot.reply(id, content, true));
  assert.equal(
    (await send(world, "POST", "/api/admin/people", {
      id: "alex",
      password: "alex-pass",
      bots: ["other"],
    })).status,
    201,
  );
  assert.equal(
    (await send(world, "POST", "/api/admin/people", { id: "alex", password: "alex-pass" })).status,
    409,
  );
  assert.equal(
    (await send(world, "POST", "/api/admin/people", { id: "a b", password: "alex-pass" })).status,
    400,
  );
  const ask = () => world.as("alex", "/api/chat", { json: { message: "unforgettable" } });
  assert.equal((await (await ask()).json()).code, "no_bot");
  assert.equal((await send(world, "PATCH", "/api/admin/people/alex", { bots: null })).status, 200);
  assert.equal((await (await ask()).json()).content, "unforgettable");
  await (await world.as("alex", "/api/keys", { json: { name: "k" } })).body?.cancel();
  assert.equal(
    (await send(world, "GET", "/api/admin/people/alex/sessions")).body.sessions.length,
    1,
  );
  assert.equal((await send(world, "GET", "/api/admin/people/alex/keys")).body.keys.length, 1);

  assert.equal(
    (await send(world, "PATCH", "/api/admin/people/alex", { disabled: true })).body.disabled,
    true,
  );
  assert.equal((await (await ask()).json()).code, "session_expired");
  assert.equal((await send(world, "DELETE", "/api/admin/people/alex")).status, 200);
  assert.equal((await send(world, "GET", "/api/admin/people/alex")).status, 404);
  assert.equal((await send(world, "DELETE", "/api/admin/people/root")).status, 409);
  const { body: next } = await send(world, "POST", "/api/admin/people", {
    username: "alex",
    password: "alex-next",
  });
  assert.deepEqual([next.id, next.username], ["alex~2", "alex"]);
  assert.equal(
    (await send(world, "POST", "/api/admin/people", { id: "a~2", password: "alex-pass" })).status,
    400,
  );
  await world.app.audit.settled();
  assert.equal((await verifyAudit(store))["1"]!.broken, undefined);
  const did = (await send(world, "GET", "/api/admin/audit?limit=1000")).body.lines.map((
    line: { did: string },
  ) => line.did);
  for (const each of ["person_added", "person_changed", "person_removed", "sign_in", "key_made"]) {
    assert.ok(did.includes(each), each);
  }
});

Deno.test("a bot's own token fixes its id, is rotated, and revoked with the socket closed", async () => {
  await using world = await startWorld();
  const plain = await world.bot("helper");
  const { body: { token } } = await send(world, "POST", "/api/admin/bot-tokens", {
    botId: "helper",
  });
  assert.ok(await plain.closed >= 4000);
  await assert.rejects(world.bot("helper"), /refused: Invalid token/);
  await assert.rejects(world.bot("other", { token }), /refused: Invalid token/);
  const own = await world.bot("helper", { token });
  const { body: rotated } = await send(world, "POST", "/api/admin/bot-tokens", {
    botId: "helper",
    overlapMinutes: 5,
  });
  assert.equal(own.socket.readyState, WebSocket.OPEN);
  assert.deepEqual(
    (await send(world, "GET", "/api/admin/bot-tokens")).body.tokens.map((one: { botId: string }) =>
      one.botId
    ),
    ["helper"],
  );
  await (await world.bot("helper", { token })).close();
  const last = await world.bot("helper", { token: rotated.token });
  assert.equal((await send(world, "DELETE", "/api/admin/bot-tokens/helper")).status, 200);
  assert.ok(await last.closed >= 4000);
  await assert.rejects(world.bot("helper", { token: rotated.token }), /refused/);
  await world.bot("helper");
  assert.equal((await send(world, "POST", "/api/admin/bots/helper/disconnect")).status, 200);
  assert.equal((await send(world, "POST", "/api/admin/bots/helper/disconnect")).status, 404);
});

Deno.test("where a token is wanted at the upgrade, a socket without one is refused before a byte is read", async () => {
  await using world = await startWorld({ requireTokenAtUpgrade: true });
  const { body: { token } } = await send(world, "POST", "/api/admin/bot-tokens", {
    botId: "helper",
  });
  const refused = await fetch(`${world.url}/bot-ws`, {
    headers: { upgrade: "websocket", connection: "upgrade" },
  });
  assert.equal(refused.status, 401);
  await refused.body?.cancel();
  await assert.rejects(TestBot.connect(world.botUrl));
  for (
    const [protocols, id] of [[["nexus", `nexus.token.${token}`], "helper"], [
      ["nexus.token.bot-secret"],
      "any",
    ]] as const
  ) {
    const socket = new WebSocket(world.botUrl, [...protocols]);
    const bot = new TestBot(socket);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = (event) => reject(new Error((event as ErrorEvent).message));
    });
    assert.equal(socket.protocol, protocols[0]);
    // The token was shown already: it need not stand in the frame.
    bot.send({ type: "register", botId: id, botName: "Helper" });
    assert.equal((await bot.next("registered")).success, true);
    await bot.close();
  }
  const guess = new WebSocket(world.botUrl, ["nexus.token.guess"]);
  await new Promise((resolve) => guess.onclose = resolve);
});

Deno.test("turns in flight are seen without their words, and stopped", async () => {
  await using world = await startWorld();
  const bot = await world.bot("slow");
  const asked = world.as("alice", "/api/chat", { json: { message: "between us" } });
  const chat = await bot.next("chat");
  bot.reply(chat.id, "just so");
  await until(
    () => world.app.gateway.running().some(({ reply }) => reply.length > 0),
    "the bot's first words",
  );
  const { body } = await send(world, "GET", "/api/admin/turns");
  assert.equal(body.turns[0].personId, "alice");
  assert.equal(body.turns[0].units, 7);
  assert.doesNotMatch(JSON.stringify(body), /between us|just so/);
  assert.equal((await send(world, "GET", "/api/admin/state")).body.answering, 1);
  assert.equal(
    (await send(world, "POST", `/api/admin/turns/${chat.id}/cancel`)).body.status,
    "cancelled",
  );
  assert.equal((await asked).status, 409);
  await (await asked).body?.cancel();
  assert.equal((await send(world, "POST", `/api/admin/turns/${chat.id}/cancel`)).status, 404);
});

Deno.test("a person who was given the role sees what an admin sees, and loses it with the role", async () => {
  await using world = await startWorld();
  await send(world, "POST", "/api/admin/people", {
    id: "alex",
    password: "alex-pass",
    role: "admin",
  });
  assert.equal((await send(world, "GET", "/api/admin/state", undefined, "alex")).status, 200);
  await send(world, "PATCH", "/api/admin/people/alex", { role: "member" });
  assert.equal((await send(world, "GET", "/api/admin/state", undefined, "alex")).status, 404);
});

Deno.test("an admin sees everybody's keys and revokes one of them", async () => {
  await using world = await startWorld();
  const made = await Promise.all(
    ["one", "two"].map((name) => send(world, "POST", "/api/keys", { name }, "alice")),
  );
  const [one, two] = made.map(({ body }) => body);
  assert.equal(
    (await send(world, "DELETE", `/api/admin/people/alice/keys/${one.key.id}`, undefined, "bob"))
      .status,
    404,
  );
  assert.equal(
    (await send(world, "DELETE", `/api/admin/people/bob/keys/${one.key.id}`)).status,
    404,
  );
  assert.equal(
    (await send(world, "DELETE", `/api/admin/people/alice/keys/${one.key.id}`)).status,
    200,
  );
  const statusOf = async (token: string) => {
    const response = await fetch(`${world.url}/api/me`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await response.body?.cancel();
    return response.status;
  };
  assert.deepEqual([await statusOf(one.token), await statusOf(two.token)], [401, 200]);
  await world.app.audit.settled();
  const { lines } = (await send(world, "GET", "/api/admin/audit")).body;
  assert.ok(
    lines.some(({ did, who, whom }: Record<string, string>) =>
      did === "key_revoked" && who === "root" && whom === "alice"
    ),
  );
});

Deno.test("an admin sees what model APIs used of their budgets", async () => {
  const bounded = { type: "openai", model: "m", baseUrl: "http://127.0.0.1:9/v1", tries: 1 };
  await using world = await startWorld({
    bots: {
      free: bounded,
      bounded: {
        ...bounded,
        budget: { requestsPerMinute: 10, tokensPerMinute: 1000, spendPerMonth: 5 },
        price: { input: 1, output: 2 },
      },
    },
  });
  await (await world.as("alice", "/api/chat", { json: { message: "hi", target: "bounded" } })).body
    ?.cancel();
  assert.equal((await send(world, "GET", "/api/admin/models", undefined, "alice")).status, 404);
  const { models } = (await send(world, "GET", "/api/admin/models")).body;
  const [free, costly] = models;
  assert.deepEqual([free.botId, free.requests, free.spend], ["free", undefined, undefined]);
  assert.equal(costly.requests.limit, 10);
  assert.ok(costly.requests.used <= 1, "one, unless the minute has just turned");
  assert.equal(costly.spend.limit, 5);
  assert.ok(costly.spend.used < 0.01, "no answer came, but the question may have cost");
  assert.equal(costly.tokens.limit, 1000);
});

Deno.test("no key changes an admin's account, makes an admin, or links a chat to one; a session does", async () => {
  await using world = await startWorld();
  const people = [["boss", "admin"], ["alex", "member"]] as const;
  for (const [username, role] of people) {
    const made = await send(world, "POST", "/api/admin/people", {
      username,
      role,
      password: `${username}-pass`,
    });
    assert.equal(made.status, 201);
  }
  const { body: { token } } = await send(world, "POST", "/api/keys", {
    name: "k",
    scopes: ["admin"],
  }, "boss");
  const byKey = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(world.url + path, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    await response.body?.cancel();
    return response.status;
  };
  const acts: [method: string, path: string, body?: unknown][] = [
    ["PATCH", "", { password: "another one" }],
    ["PATCH", "", { disabled: true }],
    ["PATCH", "", { displayName: "X" }],
    ["DELETE", "/sessions"],
    ["DELETE", "/keys"],
    ["DELETE", "/keys/x"],
    ["DELETE", "/totp"],
    ["DELETE", ""],
  ];
  for (const who of ["boss", "root"]) {
    for (const [method, path, body] of acts) {
      assert.equal(
        await byKey(method, `/api/admin/people/${who}${path}`, body),
        403,
        `${method} ${who}${path}`,
      );
    }
  }
  assert.equal(await byKey("PATCH", "/api/admin/people/alex", { role: "admin" }), 403);
  const eve = { username: "eve", password: "long enough" };
  assert.equal(await byKey("POST", "/api/admin/people", { ...eve, role: "admin" }), 403);
  assert.equal(
    await byKey("POST", "/api/admin/pairings", { code: "AAAAAAAA", account: "boss" }),
    403,
  );
  assert.equal(
    await byKey("POST", "/api/admin/pairings", { code: "AAAAAAAA", account: "alex" }),
    404,
  );
  for (const path of ["/api/password", "/api/keys", "/api/totp", "/api/sessions"]) {
    assert.equal(await byKey(path === "/api/password" ? "POST" : "GET", path), 403, path);
  }
  assert.equal(await byKey("POST", "/api/admin/people", eve), 201);
  assert.equal(await byKey("PATCH", "/api/admin/people/alex", { password: "another one" }), 200);
  assert.equal(await byKey("DELETE", "/api/admin/people/alex"), 200);
  assert.equal(
    (await send(world, "PATCH", "/api/admin/people/boss", { displayName: "The boss" })).status,
    200,
  );
});

Deno.test("an admin's key without the scope admin is a member's, and one with it is bound to no bots", async () => {
  await using world = await startWorld();
  const { body: { token } } = await send(world, "POST", "/api/keys", { name: "k" });
  const headers = { authorization: `Bearer ${token}` };
  const me = await (await fetch(`${world.url}/api/me`, { headers })).json();
  assert.deepEqual([me.user.username, me.user.role], ["root", "member"]);
  const state = await fetch(`${world.url}/api/admin/state`, { headers });
  assert.deepEqual([state.status, (await state.json()).code], [404, "not_found"]);
  const refused = await send(world, "POST", "/api/keys", {
    name: "k",
    scopes: ["admin"],
    bots: ["b"],
  });
  assert.deepEqual([refused.status, refused.body.code], [400, "invalid"]);
});
