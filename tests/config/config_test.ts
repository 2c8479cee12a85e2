import assert from "node:assert/strict";
import { changedKeys, type Config, configJsonSchema, readConfig } from "../../src/config/config.ts";

function read(file: unknown, env: Record<string, string> = {}): Config {
  const result = readConfig(typeof file === "string" ? file : JSON.stringify(file), env);
  assert.ok(result.ok, JSON.stringify(result));
  return result.config;
}

function problems(file: unknown, env: Record<string, string> = {}): string[] {
  const result = readConfig(typeof file === "string" ? file : JSON.stringify(file), env);
  assert.ok(!result.ok);
  return result.problems.map(({ path, message }) => `${path}: ${message}`);
}

Deno.test("the file of Nexus 1.x works unchanged", () => {
  const config = read({
    port: 17392,
    sessionTTL: 86400000,
    pingInterval: 30000,
    botTimeout: 90000,
    botToken: "your-secret-token",
    users: { admin: { password: "your-password", displayName: "管理员" } },
  });
  assert.deepEqual([config.port, config.botToken, config.users.admin!.displayName], [
    17392,
    "your-secret-token",
    "管理员",
  ]);
});

Deno.test("a user who is not in the file does not exist: admin is not merged back", () => {
  assert.deepEqual(Object.keys(read({ users: { alice: { password: "x" } } }).users), ["alice"]);
});

Deno.test("everything wrong is said at once, with path, value and what would be right", () => {
  const said = problems({
    port: "abc",
    sessionTTL: -5,
    users: { alice: { password: "" }, bob: 7 },
    allowedOrigins: "x",
    queue: { total: 1.5 },
  });
  assert.equal(said.length, 6, said.join("\n"));
  const all = said.join("\n");
  assert.match(all, /port: must be a whole number from 0 to 65535, got "abc"/);
  assert.match(all, /sessionTTL: must be a whole number from 1000 to \d+ \(milliseconds\), got -5/);
  assert.match(
    all,
    /users\.alice\.password: must be a password or its argon2id hash, got a string/,
  );
  assert.match(all, /users\.bob: must be an object such as .*, got 7/);
  assert.match(all, /allowedOrigins: must be a list of origins, got "x"/);
  assert.match(all, /queue\.total: must be a whole number/);
});

Deno.test("a secret never stands in an error text", () => {
  const all = problems({ botToken: ["hunter2"], users: { a: { password: { hunter2: 1 } } } }, {
    NEXUS_BOT_TOKEN: "",
  })
    .join("\n");
  assert.doesNotMatch(all, /hunter2/);
});

Deno.test("a store that does not exist is refused, and its password stands in no error text", () => {
  for (
    const store of [
      "redis://:hunter2@host:6379",
      "rediss://host",
      "postgres://me:hunter2@host/db",
      "file://x",
    ]
  ) {
    const [problem, ...rest] = problems({ store });
    assert.match(problem!, /^store: must be a file name or "memory:"/);
    assert.doesNotMatch(problem!, /hunter2/);
    assert.deepEqual(rest, []);
  }
  assert.match(
    problems({}, { NEXUS_STORE: "redis://host" })[0]!,
    /^NEXUS_STORE: must be a file name or "memory:"/,
  );
  for (const store of ["memory:", "nexus.db", "/var/lib/nexus/a.db", "C:\\nexus\\a.db"]) {
    assert.equal(read({ store }).store, store);
  }
});

Deno.test("what is no JSON, and what is no object, is said plainly", () => {
  assert.match(problems("{")[0]!, /^\(file\): must be JSON: /);
  assert.match(problems("[]")[0]!, /must be a JSON object, got \[\]/);
  assert.equal(read("\ufeff{}").port, 17392, "a byte order mark harms nobody");
});

Deno.test("PORT and NEXUS_* override the file", () => {
  const config = read({ port: 1, users: {} }, {
    PORT: "8080",
    NEXUS_SESSION_TTL: "60000",
    NEXUS_BOT_TOKEN: "12345",
    NEXUS_QUEUE__TOTAL: "7",
    NEXUS_ALLOWED_ORIGINS: '["https://a.example"]',
    NEXUS_USERS: '{"eve":{"password":"x"}}',
    HOME: "/",
  });
  assert.deepEqual([
    config.port,
    config.sessionTTL,
    config.botToken,
    config.queue.total,
    config.queue.perPerson,
  ], [
    8080,
    60000,
    "12345",
    7,
    20,
  ]);
  assert.deepEqual(config.allowedOrigins, ["https://a.example"]);
  assert.deepEqual(Object.keys(config.users), ["eve"]);
});

Deno.test("a variable that is wrong is named, and so is one that is no setting", () => {
  assert.match(
    problems({}, { PORT: "99999" })[0]!,
    /^PORT: must be a whole number from 0 to 65535/,
  );
  assert.match(problems({}, { NEXUS_PROT: "1" })[0]!, /^NEXUS_PROT: is not a setting/);
});

Deno.test("the variables that Kubernetes sets for a service called nexus are none of ours", () => {
  const config = read({}, {
    NEXUS_SERVICE_HOST: "10.0.0.1",
    NEXUS_SERVICE_PORT_HTTP: "80",
    NEXUS_PORT: "tcp://10.0.0.1:80",
    NEXUS_PORT_80_TCP_ADDR: "10.0.0.1",
  });
  assert.equal(config.port, 17392);
  assert.equal(read({}, { NEXUS_PORT: "8080" }).port, 8080);
});

Deno.test("what only fails when it is used is found before: ranges of proxies, hashes that were cut", () => {
  const hash =
    "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
  const said = problems({
    trustProxy: ["10.0.0.0/8", "loopback", "10.0.0.0/33", "::1/128", "1.2.3.4/8/8"],
    users: {
      a: { password: hash.slice(0, -2) },
      b: { password: hash },
      c: { password: "$argon2id$" },
    },
  });
  assert.deepEqual(said.map((one) => one.split(":")[0]), [
    "users.a.password",
    "users.c.password",
    "trustProxy.1",
    "trustProxy.2",
    "trustProxy.4",
  ]);
  assert.match(said[2]!, /must be an address or a range such as 10\.0\.0\.0\/8, got "loopback"/);
});

Deno.test("a key that no setting has is told, not refused", () => {
  const result = readConfig(
    '{"prot":1,"queue":{"totel":2},"users":{"a":{"password":"x","name":"y"}}}',
  );
  assert.ok(result.ok);
  assert.deepEqual(result.warnings.map(({ path }) => path), [
    "prot",
    "queue.totel",
    "users.a.name",
  ]);
});

Deno.test("what changed between two configurations is told by key", () => {
  assert.deepEqual(changedKeys(read({}), read({ port: 5, users: { a: { password: "x" } } })), [
    "port",
    "users",
  ]);
});

Deno.test("the JSON Schema in docs is the one that the program makes", async () => {
  const kept = JSON.parse(
    await Deno.readTextFile(new URL("../../docs/config.schema.json", import.meta.url)),
  );
  assert.deepEqual(
    kept,
    JSON.parse(JSON.stringify(configJsonSchema())),
    "run: deno task docs",
  );
});

Deno.test("the bots' token is a text, or a list while it is changed over, in the file and in the environment", () => {
  assert.deepEqual(read({ botToken: ["new", "old"] }).botToken, ["new", "old"]);
  assert.deepEqual(read({}, { NEXUS_BOT_TOKEN: '["new","old"]' }).botToken, ["new", "old"]);
  assert.equal(read({}, { NEXUS_BOT_TOKEN: "[plain" }).botToken, "[plain");
  assert.equal(read({}, { NEXUS_BOT_TOKEN: "17" }).botToken, "17");
  for (const botToken of [[], [""], ["a", ""], [7], { a: 1 }]) {
    assert.match(
      problems({ botToken }).join(),
      /botToken.*: must be a text/,
      JSON.stringify(botToken),
    );
  }
});

Deno.test("a pool that is named like a bot is refused, and names that look alike are warned about", () => {
  const model = { type: "openai", model: "m" };
  assert.deepEqual(
    problems({ bots: { gpt: { ...model, pool: "models" }, mini: { ...model, pool: "gpt" } } }),
    [
      'bots.mini.pool: must not be the id of a bot, got "gpt"',
    ],
  );
  assert.deepEqual(problems({ bots: { gpt: { ...model, pool: "demo" } } }), [
    'bots.gpt.pool: must not be the id of a bot, got "demo"',
  ]);
  const bots = { gpt: { ...model, pool: "ＧＰＴ" }, mini: { ...model, pool: "a b" }, GPT: model };
  const result = readConfig(JSON.stringify({ bots }));
  assert.ok(result.ok);
  assert.deepEqual(result.warnings.map(({ path, message }) => `${path}: ${message}`), [
    'bots.GPT: looks like "gpt"',
    'bots.gpt.pool: looks like "gpt"',
    "bots.mini.pool: nobody can ask for this pool: its name has white space, @ or hidden characters",
  ]);
});

Deno.test("an app that could believe no callback, that has no keys, or has a rule that never fits is refused with what is missing", () => {
  const app = {
    kind: "app",
    corpId: "ww1",
    agentId: 1,
    secret: "s",
    token: "t",
    encodingAesKey: "a".repeat(43),
    rules: [{ department: "7", bot: "b" }],
  };
  const fine = {
    feishu: {
      webhook: { appId: "cli_1", appSecret: "s", mode: "webhook", verificationToken: "t" },
      socket: { appId: "cli_1", appSecret: "s" },
    },
    dingtalk: {
      main: { clientId: "c", clientSecret: "s", rules: [{ department: "7", bot: "b" }] },
    },
    wecom: {
      app,
      bot: { kind: "aibot", botId: "b", secret: "s" },
      keys: { ...app, encodingAesKey: "env:KEY" },
    },
  };
  assert.equal(readConfig(JSON.stringify({ channels: fine })).ok, true);
  const wrong = {
    feishu: { main: { appId: "cli_1", appSecret: "s", mode: "webhook" } },
    dingtalk: {
      main: { clientId: "c", clientSecret: "s", token: "t" },
      short: { clientId: "c", clientSecret: "s", token: "t", aesKey: "short" },
    },
    wecom: {
      hook: { kind: "aibot", mode: "webhook" },
      line: { kind: "aibot", botId: "b" },
      rule: {
        kind: "aibot",
        botId: "b",
        secret: "s",
        rules: [{ bot: "a", person: "p" }, { department: "7", bot: "b" }],
      },
    },
  };
  const read = readConfig(JSON.stringify({ channels: wrong }));
  assert.ok(!read.ok);
  assert.deepEqual(read.problems.map(({ path }) => path).sort(), [
    "channels.dingtalk.main.aesKey",
    "channels.dingtalk.short.aesKey",
    "channels.feishu.main.encryptKey",
    "channels.wecom.hook.encodingAesKey",
    "channels.wecom.hook.token",
    "channels.wecom.line.secret",
    "channels.wecom.rule.rules.1.department",
  ]);
  assert.match(
    read.problems.find(({ path }) => path.endsWith("department"))!.message,
    /never fits/,
  );
});
