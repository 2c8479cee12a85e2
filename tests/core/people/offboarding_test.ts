/** Who is out is out within ten seconds, on every surface and by whatever way it came about. */
import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { SqliteStore } from "../../../src/backends/sqlite.ts";
import { readConfig } from "../../../src/config/config.ts";
import { Accounts } from "../../../src/core/people/accounts.ts";
import { Allowances } from "../../../src/core/people/allowance.ts";
import { ApiKeys } from "../../../src/core/people/api_key.ts";
import { Archive } from "../../../src/core/archive.ts";
import { BotTokens } from "../../../src/core/people/bot_token.ts";
import { ManualClock, systemClock } from "../../../src/core/clock.ts";
import { silentObserver } from "../../../src/core/observer.ts";
import { Offboarding } from "../../../src/core/people/offboarding.ts";
import { Sessions } from "../../../src/core/people/session.ts";
import { FeishuEmulator } from "../../../src/emulate/feishu/emulator.ts";
import { serveOn } from "../../../src/emulate/serve.ts";
import { main } from "../../../main.ts";
import { Events, startWorld, type TestBot, until, USERS, type World } from "../../world.ts";
import { FEISHU } from "../../channels/im/crash_keys.ts";

/** Milliseconds within which somebody must be out. */
const OUT = 10_000;

const CONFIG = {
  botToken: "bot-secret",
  drainTimeout: 1000,
  users: { ...USERS, carl: { password: "carl-pass" } },
  signIn: { proxy: { from: ["127.0.0.1"] } },
};

/** A person who is in everywhere: what they hold, and what hangs on them. */
interface Everywhere {
  readonly id: string;
  readonly session: string;
  readonly key: string;
  /** A stream of an answer that runs, and one of news. */
  readonly streams: readonly Events[];
  /** Who answers them. */
  readonly helper: TestBot;
  /** The turn that runs. */
  readonly turn: string;
  /** The bot that belongs to them. */
  readonly own: TestBot;
  readonly ownToken: string;
  readonly chat: string;
}

interface Stage extends AsyncDisposable {
  readonly world: World;
  readonly dir: string;
  readonly feishu: FeishuEmulator;
  enter(username: string, id: string): Promise<Everywhere>;
  nexus(...args: string[]): Promise<void>;
  send(method: string, path: string, body?: unknown): Promise<void>;
}

async function stage(): Promise<Stage> {
  const dir = await Deno.makeTempDir();
  await Deno.writeTextFile(`${dir}/config.json`, JSON.stringify({ users: CONFIG.users }));
  const deliver: { to?: (request: Request) => Promise<Response> } = {};
  const feishu = new FeishuEmulator({
    ...FEISHU,
    clock: systemClock,
    callbackUrl: "http://nexus.test/channels/feishu/main",
    deliver: (request) => deliver.to!(request),
  });
  const served = serveOn(0, (request) => feishu.fetch(request));
  const channels = {
    feishu: { main: { ...FEISHU, mode: "webhook", baseUrl: served.url, access: "open" } },
  };
  const world = await startWorld({ ...CONFIG, channels }, {
    store: new SqliteStore({ path: `${dir}/nexus.db` }),
  });
  deliver.to = async (request) => await world.app.fetch(request, { address: "127.0.0.1" });
  const helper = await world.bot("helper", { protocol: 2 });
  const send = async (method: string, path: string, body?: unknown) => {
    const headers = { "content-type": "application/json" };
    const response = await world.as("root", path, { method, headers, body: JSON.stringify(body) });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${text}`);
  };
  return {
    world,
    dir,
    feishu,
    send,
    enter: (username, id) => enter(world, helper, feishu, username, id),
    async nexus(...args) {
      const { log, error } = console;
      console.log = console.error = () => {};
      try {
        assert.equal(await main([...args, "--dir", dir]), 0, args.join(" "));
      } finally {
        Object.assign(console, { log, error });
      }
    },
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      feishu.stop();
      await served.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

/** Signs somebody in and lets them do everything that has to end when they are out. */
async function enter(
  world: World,
  helper: TestBot,
  feishu: FeishuEmulator,
  username: string,
  id: string,
) {
  const session = await world.token(username, `${username}-pass`);
  const post = async (path: string, json: unknown, who = username) =>
    await (await world.as(who, path, { json })).json();
  const { token: key } = await post("/api/keys", { name: "k" });
  const { token: ownToken } = await post("/api/admin/bot-tokens", {
    botId: `bot-of-${username}`,
    owner: id,
  }, "root");
  const own = await world.bot(`bot-of-${username}`, { token: ownToken });
  const chat = `oc_${username}`;
  feishu.say({ chat, sender: `ou_${username}`, text: "/pair" });
  await until(() => feishu.log.finals(chat).length === 1, "the code");
  const code = /\*\*(\w{8})\*\*/.exec(feishu.log.finals(chat)[0]!.text)![1]!;
  await post("/api/pair", { code });
  await until(() => feishu.log.finals(chat).length === 2, "the question");
  feishu.say({ chat, sender: `ou_${username}`, text: "yes" });
  await until(() => feishu.log.finals(chat).length === 3, "the link");
  const news = new Events(await world.as(username, "/api/events"));
  const answer = new Events(
    await world.as(username, "/api/chat/stream", { json: { message: "go on", target: "helper" } }),
  );
  const { id: turn } = await helper.next("chat");
  helper.reply(turn, "and so ", false, { seq: 1 });
  await answer.until(({ data }) => data.type === "chunk");
  return { id, session, key, streams: [news, answer], helper, turn, own, ownToken, chat };
}

async function statusOf(
  world: World,
  token: string,
  path: string,
  body?: unknown,
): Promise<number> {
  const response = await fetch(world.url + path, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  await response.body?.cancel();
  return response.status;
}

/** That nothing of somebody works any more, nowhere, and that it all ended in time. */
async function isOut({ world, feishu }: Stage, who: Everywhere, since: number): Promise<void> {
  // What was open ends by itself.
  await Promise.all(who.streams.map((stream) => stream.rest()));
  const { id: cancelled } = await who.helper.next("cancel");
  assert.equal(cancelled, who.turn);
  assert.ok(await who.own.closed >= 4100, "the socket of their bot is closed, not to come back");
  const took = performance.now() - since;
  assert.ok(took < OUT, `${took} ms`);
  // And nothing opens.
  assert.equal(await statusOf(world, who.session, "/api/me"), 401);
  assert.equal(await statusOf(world, who.key, "/api/me"), 401);
  assert.equal(await statusOf(world, who.key, "/v1/models"), 401);
  const asked = { model: "helper", messages: [{ role: "user", content: "hello" }] };
  assert.equal(await statusOf(world, who.key, "/v1/chat/completions", asked), 401);
  const name = world.app.accounts.view(who.id)?.username ?? who.id;
  const again = await fetch(`${world.url}/api/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: name, password: `${name}-pass` }),
  });
  assert.equal((await again.json()).code, "wrong_credentials");
  await assert.rejects(world.bot(`bot-of-${name}`, { token: who.ownToken }), /Invalid token/);
  await assert.rejects(world.bot(`bot-of-${name}`), /Invalid token/);
  who.helper.send({ type: "push", to: `user:${who.id}`, content: "psst", id: `p-${who.id}` });
  assert.equal((await who.helper.next("pushed")).success, false);
  const before = feishu.log.finals(who.chat).length;
  feishu.say({ chat: who.chat, sender: `ou_${name}`, text: "hello?" });
  await until(() => feishu.log.finals(who.chat).length === before + 1, "an answer in the chat");
  assert.match(feishu.log.finals(who.chat).at(-1)!.text, /may not use|没有使用/);
  assert.ok(!who.helper.frames.some(({ type }) => type === "chat"), "no bot hears of them");
  assert.equal(
    world.app.gateway.running().filter(({ message }) => message.person.id === who.id).length,
    0,
  );
}

Deno.test("who is disabled is out everywhere at once, comes back when enabled, and with the keys that they had", async () => {
  await using on = await stage();
  await on.send("POST", "/api/admin/people", { username: "alex", password: "alex-pass" });
  const alex = await on.enter("alex", "alex");
  const since = performance.now();
  await on.send("PATCH", "/api/admin/people/alex", { disabled: true });
  await isOut(on, alex, since);
  await on.send("PATCH", "/api/admin/people/alex", { disabled: false });
  assert.equal(await statusOf(on.world, alex.key, "/api/me"), 200);
  assert.equal(
    await statusOf(on.world, alex.session, "/api/me"),
    401,
    "a session that has ended stays so",
  );
  await on.world.bot("bot-of-alex", { token: alex.ownToken });
});

Deno.test("who is removed is out everywhere at once", async () => {
  await using on = await stage();
  await on.send("POST", "/api/admin/people", { username: "alex", password: "alex-pass" });
  const alex = await on.enter("alex", "alex");
  const since = performance.now();
  await on.send("DELETE", "/api/admin/people/alex");
  await isOut(on, alex, since);
  // The next of that name inherits nothing.
  await on.send("POST", "/api/admin/people", { username: "alex", password: "next-pass" });
  assert.equal(await statusOf(on.world, alex.key, "/api/me"), 401);
  const next = await on.world.as("root", "/api/admin/people/alex~2");
  assert.equal((await next.json()).username, "alex");
  alex.helper.send({ type: "push", to: "user:alex", content: "for the one before", id: "p2" });
  assert.equal((await alex.helper.next("pushed")).success, false);
});

Deno.test("the command line disables and removes: a running gateway has them out within seconds", async () => {
  await using on = await stage();
  for (const [verb, name] of [["disable", "alex"], ["rm", "bert"]] as const) {
    await on.send("POST", "/api/admin/people", { username: name, password: `${name}-pass` });
    const who = await on.enter(name, name);
    const since = performance.now();
    await on.nexus("user", verb, name);
    await isOut(on, who, since);
  }
  await on.nexus("user", "enable", "alex");
  await until(() => on.world.app.accounts.person("alex") !== undefined, "alex");
});

Deno.test("who is taken out of config.json is out everywhere at once, and signs in anew when put back", async () => {
  await using on = await stage();
  const carl = await on.enter("carl", "carl");
  const configOf = (users: unknown) => {
    const read = readConfig(JSON.stringify({ ...on.world.app.config, users }));
    assert.ok(read.ok);
    return read.config;
  };
  const since = performance.now();
  await on.world.app.reconfigure(configOf(USERS));
  await isOut(on, carl, since);
  await on.world.app.reconfigure(configOf(CONFIG.users));
  assert.equal(await statusOf(on.world, carl.session, "/api/me"), 401);
  assert.equal(await statusOf(on.world, carl.key, "/api/me"), 200);
});

Deno.test("a password that is changed in config.json ends that person's sessions and streams, and leaves their keys", async () => {
  await using on = await stage();
  const carl = await on.enter("carl", "carl");
  const alice = await on.world.token("alice");
  const read = readConfig(
    JSON.stringify({
      ...on.world.app.config,
      users: { ...CONFIG.users, carl: { password: "another" } },
    }),
  );
  assert.ok(read.ok);
  const since = performance.now();
  await on.world.app.reconfigure(read.config);
  await Promise.all(carl.streams.map((stream) => stream.rest()));
  assert.ok(performance.now() - since < 3_000, "at once, not when streams are asked about anyway");
  assert.equal(await statusOf(on.world, carl.session, "/api/me"), 401);
  assert.equal(await statusOf(on.world, carl.key, "/api/me"), 200);
  assert.equal(await statusOf(on.world, alice, "/api/me"), 200);
  // The answer goes on: they may come back and read it.
  assert.equal(on.world.app.gateway.running().length, 1);
});

Deno.test("whom a provider vouches for comes back neither disabled nor removed, until an admin allows it", async () => {
  await using on = await stage();
  const signIn = async () => {
    const headers = { "x-remote-user": "frank" };
    const response = await fetch(`${on.world.url}/api/sign-in/proxy`, {
      headers,
      redirect: "manual",
    });
    await response.body?.cancel();
    return response.headers.get("location");
  };
  assert.equal(await signIn(), "/");
  await on.send("PATCH", "/api/admin/people/proxy%3Afrank", { disabled: true });
  assert.equal(await signIn(), "/?sign_in=forbidden");
  await on.send("PATCH", "/api/admin/people/proxy%3Afrank", { disabled: false });
  assert.equal(await signIn(), "/");
  await on.send("DELETE", "/api/admin/people/proxy%3Afrank");
  assert.equal(await signIn(), "/?sign_in=forbidden");
  const { removed } = await (await on.world.as("root", "/api/admin/removed")).json();
  assert.deepEqual(removed.map(({ username }: { username: string }) => username), ["proxy:frank"]);
  await on.send("DELETE", "/api/admin/removed/proxy%3Afrank");
  assert.equal(await signIn(), "/");
  assert.ok(on.world.app.accounts.person("proxy:frank~2"));
  // The command line can do it as well.
  await on.send("DELETE", "/api/admin/people/proxy%3Afrank~2");
  await on.nexus("user", "enable", "proxy:frank");
  await until(async () => await signIn() === "/", "frank");
});

Deno.test("an answer that runs on the OpenAI face ends, and a chat that was asked to link is linked no more", async () => {
  await using on = await stage();
  const { world, feishu } = on;
  const post = async (path: string, json: unknown) =>
    await (await world.as("carl", path, { json })).json();
  const { token } = await post("/api/keys", { name: "k" });
  const helper = await world.bot("talker", { protocol: 2 });
  const running = await fetch(`${world.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: "talker",
      stream: true,
      messages: [{ role: "user", content: "go on" }],
    }),
  });
  const { id } = await helper.next("chat");
  helper.reply(id, "and so ", false, { seq: 1 });
  feishu.say({ chat: "oc_x", sender: "ou_x", text: "/pair" });
  await until(() => feishu.log.finals("oc_x").length === 1, "the code");
  await post("/api/pair", { code: /\*\*(\w{8})\*\*/.exec(feishu.log.finals("oc_x")[0]!.text)![1] });
  await until(() => feishu.log.finals("oc_x").length === 2, "the question");
  const since = performance.now();
  const read = readConfig(JSON.stringify({ ...world.app.config, users: USERS }));
  assert.ok(read.ok);
  await world.app.reconfigure(read.config);
  await helper.next("cancel");
  await running.text();
  assert.ok(performance.now() - since < OUT);
  feishu.say({ chat: "oc_x", sender: "ou_x", text: "yes" });
  await until(() => feishu.log.finals("oc_x").length === 3, "the answer");
  assert.match(feishu.log.finals("oc_x")[2]!.text, /may not use/);
  assert.deepEqual(await world.app.accounts.identities.of("carl"), []);
});

Deno.test("whose provider is taken out of config.json is out, with the stream that is open, and in again when it is back", async () => {
  await using on = await stage();
  const { world } = on;
  const headers = { "x-remote-user": "frank" };
  const entered = await fetch(`${world.url}/api/sign-in/proxy`, { headers, redirect: "manual" });
  await entered.body?.cancel();
  const cookie = entered.headers.getSetCookie().find((line) =>
    /nexus/.test(line) && !/sign-in/.test(line)
  )!.split(
    ";",
  )[0]!;
  const status = async () => {
    const response = await fetch(`${world.url}/api/me`, { headers: { cookie } });
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await status(), 200);
  const news = new Events(await fetch(`${world.url}/api/events`, { headers: { cookie } }));
  const before = world.app.config;
  const read = readConfig(JSON.stringify({ ...before, signIn: {} }));
  assert.ok(read.ok);
  const since = performance.now();
  await world.app.reconfigure(read.config);
  await news.rest();
  assert.ok(performance.now() - since < OUT);
  assert.equal(await status(), 401);
  assert.equal(world.app.accounts.isDeactivated("proxy:frank"), true);
  await world.app.reconfigure(before);
  assert.equal(world.app.accounts.isDeactivated("proxy:frank"), false);
  assert.equal(await status(), 401, "they sign in anew");
});

Deno.test("whose group no longer lets them in is out, until a sign-in says that they are in another", async () => {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  const accounts = new Accounts({ clock, observer: silentObserver, store });
  await accounts.load();
  const changes: string[] = [];
  accounts.watch(({ type, id }) => changes.push(`${type} ${id}`));
  const letsIn = (...allowed: string[]) =>
    accounts.setProviderPolicy(({ source, groups }) =>
      source !== "oidc" || groups!.some((group) => allowed.includes(group))
    );
  const vouch = (...groups: string[]) =>
    accounts.provision({
      platform: "oidc",
      identities: [{ platform: "oidc", kind: "sub", scope: "https://issuer", value: "1" }],
      ids: ["oidc:1"],
      groups,
    }, { address: "127.0.0.1" });
  letsIn("staff");
  await vouch("staff");
  letsIn("board");
  assert.deepEqual(changes, ["activated oidc:1", "deactivated oidc:1"]);
  assert.equal(accounts.isDeactivated("oidc:1"), true);
  await assert.rejects(vouch("staff"));
  assert.equal((await vouch("board")).id, "oidc:1");
  assert.equal(accounts.isDeactivated("oidc:1"), false);
  accounts.close();
});

Deno.test("somebody who no longer stands in config.json is listed and can be forgotten, here and on the command line", async () => {
  await using on = await stage();
  const carl = await on.enter("carl", "carl");
  const read = readConfig(JSON.stringify({ ...on.world.app.config, users: USERS }));
  assert.ok(read.ok);
  await on.world.app.reconfigure(read.config);
  await Deno.writeTextFile(`${on.dir}/config.json`, JSON.stringify({ users: USERS }));
  const { people } = await (await on.world.as("root", "/api/admin/people")).json();
  assert.equal(people.find(({ id }: { id: string }) => id === "carl").source, "former");
  await until(() => on.world.app.gateway.running().length === 0);
  await on.nexus("user", "rm", "carl");
  await until(() => on.world.app.accounts.view("carl") === undefined, "the look");
  await until(
    async () => (await on.world.app.gateway.archive.conversations.list("carl")).length === 0,
    "the words",
  );
  assert.equal(await statusOf(on.world, carl.key, "/api/me"), 401);
  await Promise.all(carl.streams.map((stream) => stream.rest()));
});

Deno.test("a removal that was cut off is ended by the next start, and once more a little later", async () => {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  const open = async () => {
    const parts = { store, clock, observer: silentObserver };
    const accounts = new Accounts(parts);
    await accounts.load();
    const sessions = new Sessions(parts, { ttl: 1e9, maxAge: 1e9 });
    const data = {
      ...parts,
      accounts,
      sessions,
      keys: new ApiKeys(parts),
      allowances: new Allowances({ ...parts, of: () => ({}) }),
      botTokens: new BotTokens({ ...parts, sha256: (text) => text }),
      history: new Archive(parts),
      chatPrefixes: () => [],
    };
    const offboarding = new Offboarding(data);
    return { ...data, offboarding };
  };
  const first = await open();
  await first.accounts.editor.add("alice", { password: "correct horse" });
  await first.sessions.begin("alice");
  // The process dies between the tombstone and the rest.
  await first.accounts.editor.remove("alice");
  first.accounts.close();
  assert.equal((await store.list("session:alice:")).length, 1);

  const next = await open();
  next.offboarding.start();
  await until(async () => (await store.list("session:alice:")).length === 0, "the start");
  assert.deepEqual(next.accounts.tombstones.pending(), ["alice"]);
  const { waiting } = clock;
  // A request that had begun before it writes something behind.
  await next.sessions.begin("alice");
  const { removePerson } = next.history;
  let failed = 0;
  next.history.removePerson = () => {
    next.history.removePerson = removePerson;
    failed++;
    return Promise.reject(new Error("the disk is full"));
  };
  clock.pass(30_000);
  // One that fails is tried again.
  await until(() => failed === 1 && clock.waiting === waiting, "the next try");
  assert.deepEqual(next.accounts.tombstones.pending(), ["alice"]);
  clock.pass(30_000);
  await until(() => next.accounts.tombstones.pending().length === 0, "the second time");
  assert.deepEqual(await store.list("session:alice:"), []);
  next.offboarding.close();
  next.accounts.close();
  next.history.close();
  assert.equal(clock.waiting, 0);
});
