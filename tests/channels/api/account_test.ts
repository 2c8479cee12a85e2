import assert from "node:assert/strict";
import { readConfig } from "../../../src/config/config.ts";
import { totpCode } from "../../../src/core/people/totp.ts";
import { startWorld, until, type World } from "../../world.ts";

async function withAlex(world: World): Promise<void> {
  const made = await world.as("root", "/api/admin/people", {
    json: { id: "alex", password: "alex-pass" },
  });
  assert.equal(made.status, 201, await made.clone().text());
  await made.body?.cancel();
}

async function login(
  world: World,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, string> }> {
  const response = await fetch(`${world.url}/api/login`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

async function send(world: World, who: string, method: string, path: string, body?: unknown) {
  const response = await world.as(who, path, {
    method,
    headers: { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

Deno.test("a person changes the password: the old one and the other sessions end, this one goes on", async () => {
  await using world = await startWorld();
  await withAlex(world);
  const other = (await login(world, { username: "alex", password: "alex-pass" })).body.token!;
  await world.token("alex");
  assert.equal(
    (await send(world, "alex", "POST", "/api/password", {
      current: "wrong",
      password: "a new one",
    })).status,
    401,
  );
  assert.equal(
    (await send(world, "alex", "POST", "/api/password", {
      current: "alex-pass",
      password: "short",
    })).status,
    400,
  );
  assert.equal(
    (await send(world, "alex", "POST", "/api/password", {
      current: "alex-pass",
      password: "a new one",
    })).status,
    200,
  );
  assert.equal((await send(world, "alex", "GET", "/api/me")).status, 200);
  const gone = await fetch(`${world.url}/api/me`, {
    headers: { authorization: `Bearer ${other}` },
  });
  assert.equal((await gone.json()).code, "session_expired");
  assert.equal((await login(world, { username: "alex", password: "alex-pass" })).status, 401);
  assert.equal((await login(world, { username: "alex", password: "a new one" })).status, 200);
  const fixed = await send(world, "alice", "POST", "/api/password", {
    current: "alice-pass",
    password: "a new one",
  });
  assert.deepEqual([fixed.status, fixed.body.code], [409, "conflict"]);
});

Deno.test("a second factor is set up, asked for at sign-in, and taken away with the password", async () => {
  await using world = await startWorld();
  await withAlex(world);
  const { body: { secret, uri } } = await send(world, "alex", "POST", "/api/totp");
  assert.match(uri, /^otpauth:\/\/totp\/Nexus:alex\?secret=/);
  const code = await totpCode(secret, Math.floor(Date.now() / 30_000));
  assert.equal(
    (await send(world, "alex", "POST", "/api/totp/confirm", { code: "000000" })).body.code,
    "second_factor",
  );
  const { body: { recoveryCodes } } = await send(world, "alex", "POST", "/api/totp/confirm", {
    code,
  });
  assert.equal(recoveryCodes.length, 10);
  const asked = await login(world, { username: "alex", password: "alex-pass" });
  assert.deepEqual([asked.status, asked.body.code], [401, "second_factor"]);
  assert.equal(
    (await login(world, { username: "alex", password: "alex-pass", code: recoveryCodes[0] }))
      .status,
    200,
  );
  assert.equal(
    (await login(world, { username: "alex", password: "alex-pass", code: recoveryCodes[0] }))
      .status,
    401,
  );
  assert.deepEqual((await send(world, "alex", "GET", "/api/totp")).body, { enabled: true });
  assert.equal(
    (await send(world, "alex", "DELETE", "/api/totp", { password: "wrong" })).status,
    401,
  );
  assert.equal(
    (await send(world, "alex", "DELETE", "/api/totp", { password: "alex-pass" })).status,
    200,
  );
  assert.equal((await login(world, { username: "alex", password: "alex-pass" })).status, 200);
});

Deno.test("a key does what its scopes say and nothing more", async () => {
  await using world = await startWorld();
  const bot = await world.bot("echo");
  bot.answerAll(({ id, content }) => bot.reply(id, content, true));
  const make = async (who: string, fields: unknown) =>
    (await send(world, who, "POST", "/api/keys", fields)).body;
  const chat = await make("alice", { name: "chat", scopes: ["chat"], expiresInDays: 1 });
  const read = await make("alice", { name: "read", scopes: ["read"] });
  const admin = await make("root", { name: "admin", scopes: ["admin"] });
  assert.equal((await make("alice", { name: "x", scopes: ["admin"] })).code, "forbidden");
  const status = async (
    token: string,
    path: string,
    json?: unknown,
    method = json ? "POST" : "GET",
  ) => {
    const response = await fetch(world.url + path, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: json ? JSON.stringify(json) : undefined,
    });
    await response.body?.cancel();
    return response.status;
  };
  for (let i = 0; i < 2; i++) {
    assert.equal(await status(chat.token, "/api/chat", { message: "hi" }), 200);
    assert.equal(await status(read.token, "/api/chat", { message: "hi" }), 403);
  }
  assert.equal(await status(chat.token, "/api/me"), 200);
  assert.equal(await status(chat.token, "/api/conversations"), 403);
  assert.equal(await status(read.token, "/api/conversations"), 200);
  assert.equal(await status(read.token, "/api/usage"), 200);
  assert.equal(await status(read.token, "/api/conversations", {}), 403, "reading is not writing");
  const { conversations: [{ id }] } =
    (await send(world, "alice", "GET", "/api/conversations")).body;
  assert.equal(
    await status(read.token, `/api/conversations/${id}`, { title: "mine" }, "PATCH"),
    403,
  );
  assert.equal(await status(read.token, `/api/conversations/${id}`, undefined, "DELETE"), 403);
  assert.equal(
    await status(chat.token, `/api/conversations/${id}`, { title: "mine" }, "PATCH"),
    200,
  );
  assert.equal(await status(admin.token, "/api/admin/state"), 200);
  for (const path of ["/api/keys", "/api/sessions", "/api/totp"]) {
    assert.equal(await status(chat.token, path), 403);
  }
  assert.equal(await status("nxk_" + "0".repeat(48), "/api/me"), 401);
  const { keys } = (await send(world, "alice", "GET", "/api/keys")).body;
  assert.deepEqual(keys.map(({ name, begins }: Record<string, string>) => [name, begins]).sort(), [
    ["chat", chat.token.slice(0, 8)],
    ["read", read.token.slice(0, 8)],
  ]);
  assert.equal((await send(world, "bob", "DELETE", `/api/keys/${chat.key.id}`)).status, 404);
  assert.equal((await send(world, "alice", "DELETE", `/api/keys/${chat.key.id}`)).status, 200);
  assert.equal(await status(chat.token, "/api/chat", { message: "hi" }), 401);
});

Deno.test("limits refuse with what and until when, and usage can be read", async () => {
  await using world = await startWorld({
    limits: { messagesPerMinute: 2 },
    users: {
      alice: { password: "alice-pass" },
      root: { password: "root-pass", role: "admin", limits: { messagesPerMinute: 100 } },
    },
  });
  const bot = await world.bot("echo");
  bot.answerAll(({ id, content }) => bot.reply(id, content, true));
  const ask = (who: string) => world.as(who, "/api/chat", { json: { message: "hi" } });
  // The window may turn between two of them, so three are not always too many; ten are.
  let refused: Response | undefined;
  for (let i = 0; i < 10 && !refused; i++) {
    const response = await ask("alice");
    if (response.status === 429) refused = response;
    else await response.body?.cancel();
  }
  assert.ok(Number(refused!.headers.get("retry-after")) > 0);
  assert.match((await refused!.json()).error, /2 messages per minute; again at \d{4}-/);
  for (let i = 0; i < 4; i++) assert.equal((await (await ask("root")).json()).content, "hi");
  assert.equal((await send(world, "root", "GET", "/api/usage")).body.days[0].messages, 4);
  const seen = (await send(world, "root", "GET", "/api/admin/people/alice/usage")).body.days[0];
  assert.ok(
    seen.messages >= 2 && seen.turns === seen.messages && seen.units === 2 * seen.turns,
    JSON.stringify(seen),
  );
});

Deno.test("everything a person said can be taken along", async () => {
  await using world = await startWorld();
  const bot = await world.bot("echo");
  bot.answerAll(({ id, content }) => bot.reply(id, `re: ${content}`, true));
  for (const message of ["one", "two"]) {
    await (await world.as("alice", "/api/chat", { json: { message } })).body?.cancel();
  }
  await (await world.as("bob", "/api/chat", { json: { message: "not hers" } })).body?.cancel();
  const all = await (await world.as("alice", "/api/export")).json();
  assert.equal(all.person.id, "alice");
  assert.deepEqual(
    all.conversations[0].turns.map((turn: { reply: { text: string } }) => turn.reply.text),
    [
      "re: one",
      "re: two",
    ],
  );
  const markdown = await (await world.as("alice", "/api/export?format=md")).text();
  assert.match(markdown, /re: two/);
  assert.doesNotMatch(markdown, /not hers/);
});

Deno.test("another site's page can use neither the cookie nor the sign-in", async () => {
  await using world = await startWorld({ allowedOrigins: ["https://friend.example"] });
  const token = await world.token("alice");
  const post = async (headers: Record<string, string>, path = "/api/conversations") => {
    const response = await fetch(world.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ username: "alice", password: "alice-pass" }),
    });
    await response.body?.cancel();
    return response.status;
  };
  const cookie = `nexus_session=${token}`;
  const own = new URL(world.url).origin;
  assert.equal(await post({ cookie }), 403);
  assert.equal(await post({ cookie, origin: "https://evil.example" }), 403);
  assert.equal(await post({ cookie, origin: "null" }), 403);
  assert.equal(await post({ cookie, "sec-fetch-site": "cross-site" }), 403);
  assert.equal(await post({ cookie, "sec-fetch-site": "same-site" }), 403);
  assert.equal(await post({ cookie, "sec-fetch-site": "same-origin" }), 201);
  assert.equal(await post({ cookie, origin: own }), 201);
  assert.equal(await post({ cookie, origin: "https://friend.example" }), 201);
  assert.equal(await post({ origin: "https://evil.example" }, "/api/login"), 403);
  assert.equal(await post({ "sec-fetch-site": "cross-site" }, "/api/login"), 403);
  assert.equal(await post({ origin: own }, "/api/login"), 200);
  assert.equal(await post({}, "/api/login"), 200);
  const bot = await fetch(`${world.url}/bot-ws`, {
    headers: { upgrade: "websocket", connection: "upgrade", origin: "https://evil.example" },
  });
  assert.equal(bot.status, 403);
  await bot.body?.cancel();
});

Deno.test("the cookie is out of reach of scripts and other sites, and of plain HTTP behind TLS", async () => {
  await using world = await startWorld({ hsts: 3600 });
  const cookieOf = async (headers: Record<string, string>) => {
    const response = await fetch(`${world.url}/api/login`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ username: "alice", password: "alice-pass" }),
    });
    await response.body?.cancel();
    return [
      response.headers.get("set-cookie")!,
      response.headers.get("strict-transport-security"),
    ] as const;
  };
  const [plain, none] = await cookieOf({});
  assert.match(plain, /HttpOnly; SameSite=Lax/);
  assert.doesNotMatch(plain, /Secure/);
  assert.equal(none, null);
  const [secure, hsts] = await cookieOf({ "x-forwarded-proto": "https" });
  assert.match(secure, /; Secure/);
  assert.equal(hsts, "max-age=3600");
});

Deno.test("a member's new password that looks like a hash is refused; an admin's may be one, within the bounds", async () => {
  await using world = await startWorld();
  const phc = (memory: number, passes: number) =>
    `$argon2id$v=19$m=${memory},t=${passes},p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY`;
  const people = async (method: string, path: string, body: unknown) => {
    const headers = { "content-type": "application/json" };
    const response = await world.as("root", `/api/admin/people${path}`, {
      method,
      headers,
      body: JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  };
  assert.equal((await people("POST", "", { username: "eve", password: "eve-pass" })).status, 201);
  for (const password of [phc(2_000_000, 1), phc(8, 100), phc(19_456, 2)]) {
    const response = await world.as("eve", "/api/password", {
      json: { current: "eve-pass", password },
    });
    const { code } = await response.json();
    assert.deepEqual([response.status, code], [400, "invalid"]);
  }
  assert.equal((await people("PATCH", "/eve", { password: phc(2_000_000, 1) })).status, 400);
  assert.equal((await people("POST", "", { username: "dear", password: phc(8, 100) })).status, 400);
  assert.equal((await people("PATCH", "/eve", { password: phc(19_456, 2) })).status, 200);
});

Deno.test("a sign-in gives the browser what counts its tries apart, for the sign-in only", async () => {
  await using world = await startWorld();
  const login = (password: string, address: string, cookie?: string) =>
    world.app.fetch(
      new Request(`${world.url}/api/login`, {
        method: "POST",
        headers: { "content-type": "application/json", ...(cookie ? { cookie } : {}) },
        body: JSON.stringify({ username: "alice", password }),
      }),
      { address },
    );
  const first = await login("alice-pass", "192.0.2.1");
  const device = first.headers.getSetCookie().find((line) => line.startsWith("nexus_device="))!;
  for (const attribute of ["HttpOnly", "SameSite=Strict", "Path=/api/login"]) {
    assert.ok(device.split("; ").includes(attribute), attribute);
  }
  // Somebody with many addresses uses up what strangers may try.
  const codes = new Set<string>();
  for (let n = 0; n < 15; n++) codes.add((await (await login("wrong", `10.0.0.${n}`)).json()).code);
  assert.deepEqual([...codes], ["wrong_credentials", "limited"]);
  assert.equal((await login("alice-pass", "203.0.113.1")).status, 429);
  assert.equal((await login("alice-pass", "192.0.2.1")).status, 200);
  assert.equal((await login("alice-pass", "203.0.113.1", device.split(";")[0])).status, 200);
});

Deno.test("keys end at the age that the operator set, also those that were there, and a session at its own", async () => {
  await using world = await startWorld({ sessionMaxAge: 1_500 });
  const from = Date.now();
  const session = await world.token("alice");
  const me = async () => {
    const response = await fetch(`${world.url}/api/me`, {
      headers: { authorization: `Bearer ${session}` },
    });
    return { status: response.status, body: await response.json() };
  };
  const made = await (await world.as("alice", "/api/keys", { json: { name: "k" } })).json();
  assert.equal(made.key.expiresAt, undefined);
  const read = readConfig(JSON.stringify({ ...world.app.config, keyMaxDays: 7 }));
  assert.ok(read.ok);
  await world.app.reconfigure(read.config);
  const { keys } = await (await world.as("alice", "/api/keys")).json();
  assert.equal(keys[0].expiresAt, made.key.createdAt + 7 * 86_400_000);
  const { expiresAt } = (await me()).body;
  assert.ok(expiresAt - from < 3_000, "the end is told to whoever asks");
  // It is used all the time.
  await until(async () => (await me()).status === 401, "the session's end");
  assert.ok(Date.now() >= expiresAt);
});
