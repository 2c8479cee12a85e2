import assert from "node:assert/strict";
import { join } from "node:path";
import { TestBot, until } from "../world.ts";
import { emptyFolder, MAIN, Program } from "./program.ts";

Deno.test("a first start makes a configuration that only its owner can read, and tells its secrets once", async () => {
  await using folder = await emptyFolder();
  await using program = await Program.start(folder.dir);
  const file = join(folder.dir, "config.json");
  assert.equal((await Deno.stat(file)).mode! & 0o777, 0o600);
  const text = await Deno.readTextFile(file);
  const password = /Sign in {3}admin \/ (\S+)/.exec(program.out)![1]!;
  const token = /"token":"(\w+)"/.exec(program.out)![1]!;
  assert.ok(!text.includes(password) && !text.includes(token), "the file keeps hashes");
  assert.ok(!program.log.includes(password) && !program.log.includes(token), "and the log nothing");

  const login = await fetch(`${program.url}/api/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: "admin", password }),
  });
  const { token: session } = await login.json();
  const ask = async () => {
    const response = await fetch(`${program.url}/api/chat`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${session}` },
      body: JSON.stringify({ message: "hello" }),
    });
    return await response.json();
  };
  assert.equal((await ask()).botId, "demo", "the first minute shows a conversation already");
  const bot = await TestBot.connect(`${program.url.replace("http", "ws")}/bot-ws`);
  bot.send(/\{"type":"register".*\}/.exec(program.out)![0]);
  assert.equal((await bot.next("registered")).success, true, "the printed line is all a bot needs");
  bot.answerAll(({ id }) => bot.reply(id, "real", true));
  assert.equal((await ask()).content, "real");
  assert.equal(await program.stop(), 0, "and it stops well");
  assert.equal(await bot.closed, 4000, "telling its bots to come back");
});

Deno.test("a first start on another port writes that port down", async () => {
  const free = () => {
    const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    listener.close();
    return listener.addr.port;
  };
  for (
    const [args, env, expected] of [[[], "env", free()], [["--port", "free"], undefined, free()], [
      ["--port", "0"],
      undefined,
      17_392,
    ]] as const
  ) {
    await using folder = await emptyFolder();
    const given = args.map((arg) => arg === "free" ? String(expected) : arg);
    await using program = await Program.start(folder.dir, {
      args: given,
      env: env ? { PORT: String(expected) } : {},
    });
    const config = JSON.parse(await Deno.readTextFile(join(folder.dir, "config.json")));
    assert.equal(config.port, expected);
    assert.equal(config.$schema, `http://localhost:${expected}/config.schema.json`);
    if (expected !== 17_392) assert.equal(new URL(program.url).port, String(expected));
  }
});

Deno.test("a second start keeps the configuration and makes up nothing", async () => {
  await using folder = await emptyFolder();
  await Deno.writeTextFile(join(folder.dir, "config.json"), '{"users":{"alice":{"password":"x"}}}');
  await using program = await Program.start(folder.dir);
  assert.doesNotMatch(program.out, /admin|token/);
  await until(() => program.log.includes("plain text"), "the warning");
  assert.equal(
    await Deno.readTextFile(join(folder.dir, "config.json")),
    '{"users":{"alice":{"password":"x"}}}',
  );
});

Deno.test("a configuration that is wrong stops the start with all reasons and code 1", async () => {
  await using folder = await emptyFolder();
  await Deno.writeTextFile(join(folder.dir, "config.json"), '{"port":"abc","sessionTTL":0}');
  await using program = await Program.start(folder.dir, { args: [] });
  assert.equal((await program.child.status).code, 1);
  await program.stop();
  assert.match(program.log, /port: must be .* got "abc"[\s\S]*sessionTTL: must be .* got 0/);
});

Deno.test("a port that is taken is said", async () => {
  await using folder = await emptyFolder();
  const taken = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  try {
    await using program = await Program.start(folder.dir, {
      args: ["--host", "127.0.0.1", "--port", String(taken.addr.port)],
    });
    assert.equal((await program.child.status).code, 1);
    await program.stop();
    assert.match(program.log, new RegExp(`port ${taken.addr.port} on 127.0.0.1 cannot be opened`));
  } finally {
    taken.close();
  }
});

Deno.test("the file is followed: people come and go, a broken edit changes nothing and is told", async () => {
  await using folder = await emptyFolder();
  const file = join(folder.dir, "config.json");
  const write = (config: unknown) =>
    Deno.writeTextFile(file, typeof config === "string" ? config : JSON.stringify(config));
  await write({ users: { alice: { password: "one" } } });
  await using program = await Program.start(folder.dir);
  const signIn = async (username: string, password: string) => {
    const response = await fetch(`${program.url}/api/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username, password }),
    });
    const { token } = await response.json();
    return token as string | undefined;
  };
  const alice = await signIn("alice", "one");
  assert.ok(alice);
  await write({ users: { bob: { password: "two" } } });
  await until(() => program.log.includes("config_changed"), "the change");
  assert.ok(await signIn("bob", "two"));
  const me = await fetch(`${program.url}/api/me`, {
    headers: { authorization: `Bearer ${alice}` },
  });
  assert.equal(me.status, 401, "who is gone from the file is gone");
  await me.body?.cancel();
  await write('{"users":');
  await until(() => program.log.includes("config_refused"), "the refusal");
  assert.ok(await signIn("bob", "two"), "the old one still holds");
  await write({ users: { bob: { password: "two" } }, trustProxy: ["nonsense"] });
  await until(() => program.log.includes("trustProxy.0: must be an address"), "the second refusal");
  assert.ok(await signIn("bob", "two"), "what could not be used was not taken over");
  const refusals = () => program.log.match(/config_refused/g)?.length ?? 0;
  let before = refusals();
  await write({});
  await until(() => refusals() > before, "the refusal of an empty file");
  assert.match(program.log, /users: would lose all people; restart the gateway if that is meant/);
  assert.ok(await signIn("bob", "two"), "everybody is still there");
  await write({ users: { bob: { password: "two" } }, botToken: "secret", misspelt: 1 });
  await until(
    () => program.log.includes("misspelt is not a setting"),
    "the warning about a key that nobody knows",
  );
  before = refusals();
  await write({ users: { bob: { password: "two" } }, botToken: "" });
  await until(() => refusals() > before, "the refusal of an empty token");
  const stranger = await TestBot.connect(`${program.url.replace("http", "ws")}/bot-ws`);
  stranger.send({ type: "register", botId: "b", botName: "B", token: "any" });
  assert.equal((await stranger.next("registered")).success, false, "the token still holds");
  await stranger.close();
  await write({
    users: { bob: { password: "two" } },
    botToken: "secret",
    log: { level: "debug", format: "pretty" },
  });
  await until(() => program.log.includes("config changed"), "the log to change its form");
  await write({ users: { bob: { password: "two" } }, botToken: "secret", demo: true });
  await until(() => program.log.includes("counts after a restart"), "the hint");
});

Deno.test("nexus check tells without starting, version and help answer, a wrong call is code 2", async () => {
  await using folder = await emptyFolder();
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", MAIN, ...args],
    })
      .output();
    return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
  };
  assert.equal((await run("check", "--dir", folder.dir)).code, 0);
  await Deno.writeTextFile(join(folder.dir, "config.json"), '{"port":-1}');
  const wrong = await run("check", "--dir", folder.dir, "--json");
  assert.equal(wrong.code, 1);
  assert.deepEqual(JSON.parse(wrong.out).problems.map(({ path }: { path: string }) => path), [
    "port",
  ]);
  const version = await run("version");
  const { version: expected } = JSON.parse(
    await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
  );
  assert.equal(version.out.trim(), expected);
  assert.match((await run("--help")).out, /serve[\s\S]*check/);
  const unknown = await run("srve");
  assert.equal(unknown.code, 2);
  assert.match(unknown.err, /there is no command "srve"/);
  assert.equal((await run("check", "--bogus")).code, 2);
});

Deno.test("a second signal exits at once", async () => {
  await using folder = await emptyFolder();
  await Deno.writeTextFile(
    join(folder.dir, "config.json"),
    '{"botToken":"t","users":{"alice":{"password":"x"}}}',
  );
  await using program = await Program.start(folder.dir);
  const bot = await TestBot.connect(`${program.url.replace("http", "ws")}/bot-ws`);
  bot.send({ type: "register", botId: "b", botName: "B", token: "t" });
  await bot.next("registered");
  const login = await fetch(`${program.url}/api/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: "alice", password: "x" }),
  });
  const { token } = await login.json();
  const asked = fetch(`${program.url}/api/chat`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ message: "never answered" }),
  }).then((response) => response.body?.cancel(), () => {});
  await bot.next("chat");
  program.child.kill("SIGTERM");
  await until(() => program.log.includes("draining"), "the first signal");
  // The same signal by way of a launcher: no second one.
  program.child.kill("SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 400));
  program.child.kill("SIGTERM");
  assert.equal((await program.child.status).code, 1);
  await asked;
  await bot.close();
});
