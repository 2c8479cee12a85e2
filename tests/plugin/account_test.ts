/** Accounts: what `openclaw.json` says, the form of Nexus 1.x included. */
import assert from "node:assert/strict";
import {
  describeAccount,
  effectiveAllowFrom,
  listAccounts,
  normalizeEntry,
  readAccount,
  whatIsMissing,
  withAccount,
} from "../../plugin/src/account.ts";
import manifest from "../../plugin/openclaw.plugin.json" with { type: "json" };
import template from "../../plugin/package.template.json" with { type: "json" };

const settings = (nexus: unknown) => ({ channels: { nexus } });
const ORIGINAL = {
  enabled: true,
  serverUrl: "ws://gateway:17392/bot-ws",
  botId: "my-bot",
  botName: "My Bot",
  token: "",
  reconnectInterval: 5000,
  dmPolicy: "open",
  allowFrom: ["alice", 7],
};

Deno.test("the block of Nexus 1.x reads as it was meant", () => {
  const account = readAccount(settings(ORIGINAL));
  assert.deepEqual(account, {
    accountId: "default",
    name: "My Bot",
    enabled: true,
    configured: true,
    serverUrl: "ws://gateway:17392/bot-ws",
    botId: "my-bot",
    botName: "My Bot",
    token: undefined,
    tokenStatus: "missing",
    reconnectInterval: 5000,
    dmPolicy: "open",
    allowFrom: ["alice", "7"],
    mediaMaxMb: 15,
    streaming: "token",
    showReasoning: false,
    showTools: false,
  });
  assert.deepEqual(effectiveAllowFrom(account), ["*"]);
});

Deno.test("who says nothing about strangers pairs them", () => {
  assert.equal(readAccount(settings({ serverUrl: "ws://g", botId: "b" })).dmPolicy, "pairing");
});

Deno.test("an empty configuration has one account that is not configured, and says what it needs", () => {
  assert.deepEqual(listAccounts({}), ["default"]);
  const account = readAccount({});
  assert.equal(account.configured, false);
  assert.equal(whatIsMissing(account), "set serverUrl and botId in channels.nexus");
  assert.equal(
    whatIsMissing(readAccount(settings({ accounts: { two: {} } }), "two")),
    "set serverUrl and botId in channels.nexus.accounts.two",
  );
});

Deno.test("named accounts share the top level, except for who they are", () => {
  const config = settings({
    ...ORIGINAL,
    token: "shared",
    accounts: { second: { botId: "second-bot", streaming: "off" }, third: {} },
  });
  assert.deepEqual(listAccounts(config), ["default", "second", "third"]);
  const second = readAccount(config, "Second");
  assert.equal(second.serverUrl, ORIGINAL.serverUrl);
  assert.equal(second.token, "shared");
  assert.equal(second.botId, "second-bot");
  assert.equal(second.botName, "second-bot");
  assert.equal(second.streaming, "off");
  assert.equal(
    readAccount(config, "third").configured,
    false,
    "it must not push the default bot out",
  );
});

Deno.test("an account with a policy of its own does not inherit the list of another policy", () => {
  const config = settings({
    ...ORIGINAL,
    allowFrom: ["*"],
    accounts: { strict: { botId: "s", dmPolicy: "pairing" }, same: { botId: "t" } },
  });
  assert.deepEqual(readAccount(config, "strict").allowFrom, []);
  assert.deepEqual(readAccount(config, "same").allowFrom, ["*"]);
});

Deno.test("without a bot at the top level only the named accounts exist", () => {
  assert.deepEqual(
    listAccounts(
      settings({ serverUrl: "ws://g", accounts: { b: { botId: "b" }, a: { botId: "a" } } }),
    ),
    ["a", "b"],
  );
});

Deno.test("switching the section off switches every account off", () => {
  assert.equal(
    readAccount(settings({ enabled: false, accounts: { a: { enabled: true, botId: "a" } } }), "a")
      .enabled,
    false,
  );
});

Deno.test("a secret reference that was not resolved is known as such and never shown as a token", () => {
  const account = readAccount(
    settings({ ...ORIGINAL, token: { source: "env", provider: "default", id: "NEXUS_TOKEN" } }),
  );
  assert.equal(account.token, undefined);
  assert.equal(account.tokenStatus, "configured_unavailable");
});

Deno.test("what is shown of an account has no token in it", () => {
  const shown = describeAccount(readAccount(settings({ ...ORIGINAL, token: "hush-hush" })));
  assert.equal(JSON.stringify(shown).includes("hush-hush"), false);
});

Deno.test("nonsense in the configuration reads as the default, never as an exception", () => {
  const account = readAccount(
    settings({
      serverUrl: 7,
      botId: null,
      reconnectInterval: "x",
      mediaMaxMb: 1e9,
      allowFrom: "a",
      accounts: [],
    }),
  );
  assert.equal(account.configured, false);
  assert.equal(account.reconnectInterval, 5000);
  assert.equal(account.mediaMaxMb, 100);
  assert.deepEqual(account.allowFrom, []);
});

Deno.test("allow entries may be written as people and as OpenClaw write them", () => {
  assert.deepEqual(["bob", " user:bob", "nexus:bob", "nexus:user:Bob"].map(normalizeEntry), [
    "bob",
    "bob",
    "bob",
    "Bob",
  ]);
});

Deno.test("a patch of an account lands where the account is", () => {
  assert.deepEqual(withAccount({}, "default", { botId: "a" }), settings({ botId: "a" }));
  assert.deepEqual(
    withAccount(settings({ botId: "a", accounts: { x: { botId: "x" } } }), "x", { botName: "X" }),
    settings({ botId: "a", accounts: { x: { botId: "x", botName: "X" } } }),
  );
});

Deno.test("the manifest's schema allows exactly what an account reads", () => {
  const { properties } = manifest.channelConfigs.nexus.schema;
  const { accounts, ...shared } = properties;
  const fields = [
    ...Object.keys(describeAccount(readAccount({}))).filter((key) =>
      !["accountId", "configured", "tokenStatus"].includes(key)
    ),
    "token",
  ].sort();
  assert.deepEqual(Object.keys(shared).sort(), fields);
  assert.deepEqual(Object.keys(accounts.additionalProperties.properties).sort(), fields);
});

Deno.test("nothing has to be installed with the plugin", () => {
  assert.equal("dependencies" in template, false);
  assert.equal(template.peerDependenciesMeta.openclaw.optional, true);
});
