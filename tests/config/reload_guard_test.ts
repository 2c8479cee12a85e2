import assert from "node:assert/strict";
import { type Config, readConfig } from "../../src/config/config.ts";
import { lostSettings } from "../../src/config/reload_guard.ts";

function read(file: unknown): Config {
  const result = readConfig(JSON.stringify(file));
  assert.ok(result.ok, JSON.stringify(result));
  return result.config;
}

const FULL = {
  port: 1000,
  botToken: "secret",
  users: { alice: { password: "x" }, bob: { password: "y" } },
  bots: { gpt: { type: "openai", model: "m", baseUrl: "http://127.0.0.1:1/v1" } },
};

const lost = (before: unknown, after: unknown) =>
  lostSettings(read(before), read(after)).map(({ path }) => path);

Deno.test("an edit that takes everything away is refused", () => {
  assert.deepEqual(lost(FULL, {}), ["(file)", "users", "botToken"]);
  assert.deepEqual(lost(FULL, { $schema: "http://x/y", port: 7 }), ["(file)", "users", "botToken"]);
  assert.deepEqual(
    lost({ limits: { turnsAtOnce: 3 } }, {}),
    ["(file)"],
    "also where people live in the store",
  );
});

Deno.test("an edit neither takes away all people nor empties the bots' token", () => {
  assert.deepEqual(lost(FULL, { ...FULL, users: {} }), ["users"]);
  assert.deepEqual(lost(FULL, { ...FULL, users: undefined }), ["users"]);
  assert.deepEqual(lost(FULL, { ...FULL, botToken: "" }), ["botToken"]);
  assert.deepEqual(lost(FULL, { ...FULL, botToken: undefined }), ["botToken"]);
  assert.match(
    lostSettings(read(FULL), read({}))[2]!.message,
    /lets every bot in; restart the gateway if that is meant/,
  );
});

Deno.test("every other edit is taken", () => {
  assert.deepEqual(lost(FULL, { ...FULL, users: { carol: { password: "z" } } }), []);
  assert.deepEqual(lost(FULL, { ...FULL, botToken: "next", bots: {} }), []);
  assert.deepEqual(lost({}, FULL), []);
  assert.deepEqual(lost({}, {}), [], "a gateway that ran without settings goes on without");
  assert.deepEqual(lost({ demo: true }, { demo: true, users: {} }), []);
});
