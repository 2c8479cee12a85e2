/**
 * The walk over the table of routes: every route by every kind of caller, and every route that
 * names something with the things of another person, of another bot and of another key.
 *
 * What is expected comes from the declaration of the route, by rules that are written here once
 * more.
 */
import assert from "node:assert/strict";
import type { Route } from "../../../src/channels/http/route.ts";
import { FakeUpstream } from "../../bots/upstream/fake_upstream.ts";
import { Events } from "../../world.ts";
import { type Caller, CALLERS, House, Things } from "./reach_house.ts";
import { type Ask, bustle, SCENES } from "./reach_scenes.ts";

const nameOf = ({ method, path }: Route) => `${method} ${path}`;

/** What the access check answers: the status of a rejection, or `in`. */
function accessOf(route: Route, { person, role, scopes, bots, out }: Caller): number | "in" {
  if (route.who !== "member" && route.who !== "admin") return "in";
  if (person === undefined || out) return 401;
  const isAdmin = role === "admin" && (scopes?.includes("admin") ?? true);
  if (route.who === "admin" && !isAdmin) return 404;
  if (!scopes) return "in";
  if (!route.keys.some((scope) => scopes.includes(scope))) return 403;
  return bots && "bots" in route && route.bots === "closed" ? 403 : "in";
}

/** Words that this caller must never see, whatever they ask. */
function secretsTo({ person, scopes, bots }: Caller): RegExp {
  if (person !== "alice") return /zebra-of-alice/;
  if (bots) return /zebra-of-alice-with-b|"b"|b on /;
  // Only what was asked with this key; its own questions say so.
  return scopes?.includes("read") === false ? /zebra-of-alice-with-b|push / : /zebra-of-bob/;
}

/** The whole answer, or of a stream what comes up to `says`. Fails where that does not come. */
async function textOf(response: Response, route: Route, ask: Ask): Promise<string> {
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  if (!isStream || route.path !== "/api/events" && !ask.params) return await response.text();
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "", begun = false;
  const late = setTimeout(() => void reader.cancel(), 20_000);
  while (true) {
    const { done, value } = await reader.read();
    if (done) {
      clearTimeout(late);
      return text;
    }
    text += value;
    if (!begun && ask.meanwhile) void ask.meanwhile();
    begun = true;
    if (!ask.says!.test(text)) continue;
    clearTimeout(late);
    await reader.cancel();
    return text;
  }
}

async function ask(
  house: House,
  route: Route,
  caller: Caller,
  asked: Ask,
): Promise<{ status: number; text: string }> {
  const path = route.path.replace(
    /\{(\w+)\}/g,
    (_, name) => encodeURIComponent(asked.params?.[name] ?? "none"),
  );
  const url = asked.query === undefined ? path : `${path}?${asked.query}`;
  const response = await house.send(
    await house.tokenOf(caller),
    route.method.toUpperCase(),
    url,
    asked.json,
  );
  const text = await textOf(response, route, asked);
  await asked.after?.();
  return { status: response.status, text };
}

/** Looks at one cell: the status, what the answer shows, and that it is what the route declares. */
function check(
  route: Route,
  caller: Caller,
  { status, text }: { status: number; text: string },
  expected: number,
): void {
  const cell = `${nameOf(route)} by ${caller.name}`;
  assert.equal(status, expected, `${cell}: ${text.slice(0, 300)}`);
  assert.doesNotMatch(text, secretsTo(caller), cell);
  if (status >= 300 || typeof route.ok === "string" || text.startsWith("data:")) return;
  const parsed = route.ok.safeParse(JSON.parse(text));
  assert.ok(parsed.success, `${cell} answers other than it declares: ${parsed.error}`);
}

Deno.test("every route lets in by what it declares, whoever calls", async () => {
  await using house = await House.open();
  let cells = 0;
  const { routes } = house.world.app;
  const missing = routes.map(nameOf).filter((name) => !SCENES[name]);
  assert.deepEqual(missing, [], "a new route needs a scene in reach_scenes.ts");
  for (const route of routes) {
    for (const caller of CALLERS) {
      const access = accessOf(route, caller);
      // Whoever is refused is refused with a request that would be answered.
      const owner = caller.person !== undefined && !caller.out
        ? caller
        : CALLERS.find(({ name }) => name === "bob")!;
      const asked = await SCENES[nameOf(route)]!(house, await Things.of(house, owner));
      const answer = await ask(house, route, caller, asked);
      const expected = access === "in" ? asked.status ?? route.status ?? 200 : access;
      check(route, caller, answer, expected);
      if (access === "in" && asked.says) {
        assert.match(answer.text, asked.says, `${nameOf(route)} by ${caller.name}`);
      }
      cells++;
    }
  }
  assert.ok(routes.length > 80 && cells === routes.length * CALLERS.length, `${cells} cells`);
  console.log(`${cells} cells walked: ${routes.length} routes, ${CALLERS.length} kinds of callers`);
  const faults = house.world.happenings.filter(({ type }) => type === "fault");
  assert.deepEqual(faults, []);
});

/** Whose things are reached for, and by whom. */
const REACHES: readonly { readonly owner: string; readonly by: readonly string[] }[] = [
  {
    owner: "alice",
    by: ["bob", "root", "bob's key", "root's key for everything", "alice's key to ask"],
  },
  { owner: "alice's key to ask", by: ["bob", "root", "bob's key"] },
  { owner: "bob", by: ["alice", "alice's key", "alice's key for a", "alice's key to ask a"] },
];

const callerOf = (name: string) => CALLERS.find((caller) => caller.name === name)!;

Deno.test("what is another person's, or was asked with another key, does not exist", async () => {
  await using house = await House.open();
  let cells = 0;
  const reached: Record<string, number> = {};
  for (const { path, method, who } of house.world.app.routes) {
    // A model is nobody's thing.
    if (who === "member" && path.includes("{") && !path.startsWith("/v1/models/")) {
      reached[`${method} ${path}`] = 0;
    }
  }
  for (const { owner, by } of REACHES) {
    const things = await Things.of(house, callerOf(owner));
    for (const route of house.world.app.routes) {
      for (const caller of by.map(callerOf)) {
        if (accessOf(route, caller) !== "in" || route.who !== "member") continue;
        // A session's things are not made by a key, and of one person a key reads its own account.
        if (caller.person === things.person && !("bots" in route)) continue;
        const asked = await SCENES[nameOf(route)]!(house, things);
        if (!asked.names) continue;
        reached[nameOf(route)] = (reached[nameOf(route)] ?? 0) + 1;
        const { status, text } = await ask(house, route, caller, {
          ...asked,
          says: asked.says ?? /$/,
        });
        const cell = `${nameOf(route)} with the things of ${owner} by ${caller.name}`;
        assert.equal(status, asked.foreign ?? 404, `${cell}: ${text.slice(0, 300)}`);
        assert.doesNotMatch(text, new RegExp(`zebra-of-${things.person}|"stopped":true`), cell);
        cells++;
      }
    }
  }
  const named = Object.entries(reached).filter(([, times]) => times === 0);
  assert.deepEqual(
    named,
    [],
    "every member's route that names something is tried with the things of others",
  );
  console.log(`${cells} cells walked with the things of others`);
  await house.world.app.audit.settled();
  const lines = await house.world.app.audit.entries(undefined, 1000);
  assert.ok(
    lines.some(({ did, who, whom }) =>
      did === "reached_for_another" && who === "bob" && whom === "alice"
    ),
  );
});

Deno.test("upon an admin's account no key does what a session does", async () => {
  await using house = await House.open();
  let cells = 0;
  for (const route of house.world.app.routes) {
    if (!("guarded" in route)) continue;
    const asked = await SCENES[nameOf(route)]!(house, await Things.of(house, callerOf("root")));
    const upon = { ...asked, ...asked.onAdmin };
    for (const name of ["root's key for admins", "root's key for everything"]) {
      const { status, text } = await ask(house, route, callerOf(name), upon);
      assert.equal(status, 403, `${nameOf(route)} upon an admin by ${name}: ${text}`);
      cells++;
    }
    const { status, text } = await ask(house, route, callerOf("root"), upon);
    assert.equal(
      status,
      route.status ?? 200,
      `${nameOf(route)} upon an admin by a session: ${text}`,
    );
  }
  assert.equal(cells, 2 * house.world.app.routes.filter((route) => "guarded" in route).length);
  assert.ok(cells > 10);
  console.log(`${cells} cells walked upon an admin's account`);
});

Deno.test("a key that is bound to a bot sees of a conversation what that bot answered, and cannot end the rest", async () => {
  await using house = await House.open();
  const alice = await Things.of(house, callerOf("alice"));
  const mixed = await alice.mixed(), other = await alice.conversation("b");
  const running = await alice.running("b", "shared-chat");
  await bustle(house, "alice");
  const caller = callerOf("alice's key for a"), token = await house.tokenOf(caller);
  const secret = secretsTo(caller);
  const by = async (method: string, path: string, json?: unknown) => {
    const response = await house.send(token, method, path, json);
    const text = await response.text();
    assert.doesNotMatch(text, secret, `${method} ${path}`);
    return { status: response.status, text };
  };
  const conversation = `/api/conversations/${mixed.conversation}`;
  const cells: [status: number, method: string, path: string, json?: unknown][] = [
    [200, "GET", conversation],
    [200, "GET", `${conversation}/turns`],
    [404, "GET", `${conversation}/turns?before=${mixed.other}`],
    [200, "GET", `${conversation}/export?format=md`],
    [200, "GET", `${conversation}/export?format=json`],
    [403, "PATCH", conversation, { title: "mine" }],
    [403, "DELETE", conversation],
    [404, "GET", `/api/turns/${mixed.other}/stream`],
    [404, "GET", `/api/turns/${other.turn}/stream`],
    [404, "GET", `/api/turns/${running.turn}/stream`],
    [404, "POST", `/api/turns/${running.turn}/cancel`],
    [404, "GET", `/api/conversations/${other.conversation}`],
    [404, "DELETE", `/api/conversations/${other.conversation}`],
    [404, "POST", "/api/chat", { message: "x", conversationId: other.conversation }],
    [404, "POST", "/api/chat", {
      message: "x",
      conversationId: mixed.conversation,
      parentTurnId: mixed.other,
    }],
    [200, "POST", "/api/chat", {
      message: "more",
      conversationId: mixed.conversation,
      parentTurnId: mixed.turn,
    }],
    [404, "POST", "/v1/responses", {
      model: "a",
      input: "x",
      previous_response_id: `resp_${mixed.other}`,
    }],
    [200, "POST", "/v1/responses", {
      model: "a",
      input: "more",
      previous_response_id: `resp_${mixed.turn}`,
    }],
    [404, "GET", `/v1/responses/resp_${mixed.other}`],
    [404, "GET", `/v1/responses/resp_${mixed.other}/input_items`],
    [404, "POST", `/v1/responses/resp_${running.turn}/cancel`],
    [404, "DELETE", `/v1/responses/resp_${other.turn}`],
    [200, "GET", `/v1/responses/resp_${mixed.turn}`],
    [409, "DELETE", `/v1/responses/resp_${mixed.turn}`],
    [404, "POST", "/v1/chat/completions", {
      model: "b",
      messages: [{ role: "user", content: "x" }],
    }],
    [404, "POST", "/api/conversations", { botId: "b" }],
    [204, "GET", "/api/ai/chat/shared-chat/stream"],
    [200, "DELETE", "/api/ai/chat/shared-chat/stream"],
    [200, "GET", "/api/conversations"],
    [200, "GET", "/api/search?q=zebra"],
    [200, "GET", "/api/export"],
    [200, "GET", "/api/export?format=md"],
    [200, "GET", "/v1/models"],
    [404, "GET", "/v1/models/b"],
    [200, "GET", "/api/bots"],
    [403, "GET", "/api/usage"],
  ];
  for (const [status, method, path, json] of cells) {
    const answer = await by(method, path, json);
    assert.equal(
      answer.status,
      status,
      `${method} ${path} ${JSON.stringify(json)}: ${answer.text}`,
    );
  }
  const { turns } = JSON.parse((await by("GET", `${conversation}/turns`)).text);
  assert.deepEqual(new Set(turns.map(({ botId }: { botId: string }) => botId)), new Set(["a"]));
  assert.match((await by("GET", "/api/search?q=zebra")).text, new RegExp(mixed.turn));
  assert.doesNotMatch((await by("GET", "/api/conversations")).text, new RegExp(other.conversation));
  const whole = await house.send(alice.token, "GET", `${conversation}/turns`);
  assert.ok((await whole.json()).turns.length > turns.length);
  const still = house.world.app.gateway.running().find(({ id }) => id === running.turn);
  assert.equal(still?.ending, undefined, "nothing of bot b's was stopped");
  console.log(`${cells.length} cells walked by a key that is bound to a bot`);
});

Deno.test("a name that a client gives its conversation leads a key to no conversation that it does not read", async () => {
  await using house = await House.open();
  const body = (name: string, content: string) => ({
    model: "a",
    messages: [{ role: "user", content }],
    metadata: { conversation_id: name },
  });
  const idBy = async (name: string, content: string) => {
    const token = await house.tokenOf(callerOf(name));
    const response = await house.send(
      token,
      "POST",
      "/v1/chat/completions",
      body("support", content),
    );
    await response.body?.cancel();
    assert.equal(response.status, 200);
    return response.headers.get("x-conversation-id")!;
  };
  const hers = await idBy("alice", "zebra-of-alice");
  assert.equal(await idBy("alice's key", "again"), hers, "a key that reads everything goes on");
  const asking = await idBy("alice's key to ask", "mine");
  assert.notEqual(asking, hers);
  assert.equal(await idBy("alice's key to ask", "mine again"), asking);
  assert.notEqual(await idBy("bob", "his"), hers);
  const { turns } = await (await house.send(
    await house.tokenOf(callerOf("alice")),
    "GET",
    `/api/conversations/${hers}/turns`,
  )).json();
  assert.equal(turns.length, 2, "nobody else has written into it");
});

Deno.test("a key's stream of events tells only what the key reads, while both bots answer and push", async () => {
  await using house = await House.open();
  const table: [caller: string, a: boolean, b: boolean][] = [
    ["alice", true, true],
    ["alice's key to read", true, true],
    ["alice's key for a", true, false],
    ["alice's key for the pool of a", true, false],
    ["alice's key to ask", false, false],
    ["alice's key to ask a", false, false],
    ["bob", false, false],
  ];
  for (const [name, a, b] of table) {
    const caller = callerOf(name);
    const events = new Events(await house.send(await house.tokenOf(caller), "GET", "/api/events"));
    await events.until(({ data }) => data.type === "bots");
    const done = await bustle(house, "alice");
    // The last that they are told is a turn of their own.
    const own = await (await Things.of(house, caller)).conversation();
    const heard = await events.until(({ data }) =>
      data.type === "turn_end" && data.turnId === own.turn
    );
    await events.hangUp();
    const text = JSON.stringify(heard.map(({ data }) => data));
    assert.deepEqual(
      [done.a.every((id) => text.includes(id)), done.b.every((id) => text.includes(id))],
      [a, b],
      `${name}: ${text}`,
    );
    for (const id of [...a ? [] : done.a, ...b ? [] : done.b]) {
      assert.ok(!text.includes(id), `${name} hears of ${id}`);
    }
    assert.equal(text.includes("push zebra-of-alice-with-a"), a, name);
    assert.equal(text.includes("push zebra-of-alice-with-b"), b, name);
  }
});

Deno.test("a model API is told no more of a conversation than the key reads by which it is asked", async () => {
  const api = new FakeUpstream("openai");
  await using house = await House.open({
    bots: { api: { type: "openai", baseUrl: api.url, model: "m" } },
  });
  const alice = await Things.of(house, callerOf("alice"));
  const { conversation } = await alice.mixed();
  const { key, token } = await house.world.app.keys.make("alice", {
    name: "k",
    bots: ["a", "api"],
  });
  const asked = async (token: string, conversationId?: string) => {
    const json = { message: "say all of it again", target: "api", conversationId };
    const response = await house.send(token, "POST", "/api/chat", json);
    assert.equal(response.status, 200, await response.text());
    return JSON.stringify(api.seen.at(-1)!.body);
  };
  const byKey = await asked(token, conversation);
  assert.match(byKey, /zebra-of-alice-with-a/);
  assert.doesNotMatch(byKey, /zebra-of-alice-with-b/);
  assert.match(await asked(alice.token, conversation), /zebra-of-alice-with-b/);
  // In the default conversation with this bot, where she has asked before.
  await (await house.send(alice.token, "POST", "/api/chat", { message: "zebra", target: "api" }))
    .body?.cancel();
  assert.match(await asked(alice.token), /zebra/);
  assert.doesNotMatch(await asked((await house.tokenOf(callerOf("alice's key to ask")))!), /zebra/);
  await house.world.app.keys.revoke("alice", key.id);
  await api.close();
});

Deno.test("the table keeps its rules: reading changes nothing, no key opens an account, admins' routes are admins'", async () => {
  await using house = await House.open();
  const { routes } = house.world.app;
  const isAdmins = ({ path }: Route) => path.startsWith("/api/admin/");
  const namesOf = (fits: (route: Route) => boolean) => routes.filter(fits).map(nameOf).sort();
  assert.deepEqual(namesOf((route) => (route.who === "admin") !== isAdmins(route)), []);
  assert.deepEqual(
    namesOf((route) =>
      "keys" in route && route.keys.some((key) => key === "read") && route.method !== "get"
    ),
    [],
  );
  assert.deepEqual(
    namesOf((route) =>
      isAdmins(route) &&
      !("bots" in route && `${route.keys}` === "admin" && route.bots === "closed")
    ),
    [],
  );
  assert.deepEqual(
    namesOf((route) => "guarded" in route),
    namesOf(({ method, path }) =>
      method !== "get" && /^\/api\/admin\/(people|pairings)/.test(path)
    ),
  );
  // Whoever takes a route from these lists or adds to them does so on purpose.
  assert.deepEqual(
    namesOf((route) => "keys" in route && route.keys.length === 0),
    [
      "delete /api/identities",
      "delete /api/keys/{id}",
      "delete /api/sessions/{id}",
      "delete /api/totp",
      "get /api/identities",
      "get /api/keys",
      "get /api/sessions",
      "get /api/totp",
      "post /api/keys",
      "post /api/logout",
      "post /api/pair",
      "post /api/password",
      "post /api/totp",
      "post /api/totp/confirm",
    ],
  );
  assert.deepEqual(
    namesOf(({ who }) => who === "anyone"),
    [
      "get /api/sign-in",
      "get /api/sign-in/{provider}",
      "get /api/sign-in/{provider}/callback",
      "get /config.schema.json",
      "get /health",
      "get /livez",
      "get /metrics",
      "get /openapi.json",
      "get /readyz",
      "post /api/login",
    ],
  );
});
