import assert from "node:assert/strict";
import { changedKeys, type Config, configJsonSchema, readConfig } from "../src/config.ts";

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

Deno.test("the original's file works unchanged", () => {
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
  assert.match(all, /users\.alice\.password: must be a password or its argon2id hash, got a string/);
  assert.match(all, /users\.bob: must be an object such as .*, got 7/);
  assert.match(all, /allowedOrigins: must be a list of origins, got "x"/);
  assert.match(all, /queue\.total: must be a whole number/);
});

Deno.test("a secret never stands in an error text", () => {
  const all = problems({ botToken: ["hunter2"], users: { a: { password: { hunter2: 1 } } } }, { NEXUS_BOT_TOKEN: "" })
    .join("\n");
  assert.doesNotMatch(all, /hunter2/);
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
  assert.deepEqual([config.port, config.sessionTTL, config.botToken, config.queue.total, config.queue.perPerson], [
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
  assert.match(problems({}, { PORT: "99999" })[0]!, /^PORT: must be a whole number from 0 to 65535/);
  assert.match(problems({}, { NEXUS_PROT: "1" })[0]!, /^NEXUS_PROT: is not a setting/);
});

Deno.test("a key that no setting has is told, not refused", () => {
  const result = readConfig('{"prot":1,"queue":{"totel":2},"users":{"a":{"password":"x","name":"y"}}}');
  assert.ok(result.ok);
  assert.deepEqual(result.warnings.map(({ path }) => path), ["prot", "queue.totel", "users.a.name"]);
});

Deno.test("what changed between two configurations is told by key", () => {
  assert.deepEqual(changedKeys(read({}), read({ port: 5, users: { a: { password: "x" } } })), ["port", "users"]);
});

Deno.test("the JSON Schema in docs is the one that the program makes", async () => {
  const kept = JSON.parse(await Deno.readTextFile(new URL("../docs/config.schema.json", import.meta.url)));
  assert.deepEqual(
    kept,
    JSON.parse(JSON.stringify(configJsonSchema())),
    "run: deno run -A main.ts check --schema > docs/config.schema.json",
  );
});
