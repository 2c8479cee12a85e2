import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { InvalidFrame } from "../../../src/bots/wire/fields.ts";
import { readBotFrame } from "../../../src/bots/wire/read_bot_frame.ts";
import { isBotName } from "../../../src/core/bot_name.ts";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { BotTokens } from "../../../src/core/people/bot_token.ts";
import { ManualClock } from "../../../src/core/clock.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

function rig() {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  return { clock, store, tokens: new BotTokens({ store, clock, sha256 }) };
}

Deno.test("the common token opens for every bot that has none of its own", async () => {
  const { tokens } = rig();
  for (const common of ["common", `sha256:${sha256("common")}`]) {
    assert.equal(tokens.accepts("bot", "common", common), true);
    assert.equal(tokens.accepts("bot", "other", common), false);
    assert.equal(tokens.accepts("bot", "", common), false);
  }
  assert.equal(tokens.accepts("bot", "anything", ""), true);
  const own = await tokens.make("mine", "admin");
  assert.equal(tokens.accepts("mine", own, "common"), true);
  assert.equal(tokens.accepts("mine", "common", "common"), false);
  assert.equal(tokens.accepts("mine", "", ""), false);
  assert.equal(tokens.accepts("bot", own, "common"), false);
});

Deno.test("a rotated token stays good for as long as was asked, and no longer", async () => {
  const { tokens, clock } = rig();
  const first = await tokens.make("bot", "admin");
  const second = await tokens.make("bot", "admin", { overlap: 60_000 });
  assert.equal(tokens.accepts("bot", first, ""), true);
  assert.equal(tokens.accepts("bot", second, ""), true);
  clock.pass(60_001);
  assert.equal(tokens.accepts("bot", first, ""), false);
  assert.equal(tokens.accepts("bot", second, ""), true);
  const third = await tokens.make("bot", "admin");
  assert.equal(tokens.accepts("bot", second, ""), false);
  assert.equal(await tokens.revoke("bot"), true);
  assert.equal(tokens.accepts("bot", third, "common"), false);
  assert.equal(await tokens.revoke("bot"), false);
});

Deno.test("at the upgrade any token that could open is known, and nothing else", async () => {
  const { tokens, store, clock } = rig();
  const own = await tokens.make("bot", "admin");
  assert.equal(tokens.isKnown(own, "common"), true);
  assert.equal(tokens.isKnown("common", "common"), true);
  assert.equal(tokens.isKnown("", "common"), false);
  assert.equal(tokens.isKnown("", ""), false);
  assert.equal(tokens.isKnown("guess", "common"), false);
  const other = new BotTokens({ store, clock, sha256 });
  assert.equal(other.isKnown(own, "common"), false);
  await other.load();
  assert.equal(other.isKnown(own, "common"), true);
  assert.ok(!JSON.stringify(tokens.list()).includes("sha256"));
});

Deno.test("a bot id that could not be addressed gets no token", async () => {
  const { tokens } = rig();
  for (const id of ["", "a b", "a@b", "x".repeat(129)]) {
    await assert.rejects(tokens.make(id, "admin"), /invalid/);
  }
});

Deno.test("while the common token is changed over each of the list opens, and nothing else", () => {
  const { tokens } = rig();
  const both = ["new", `sha256:${sha256("old").toUpperCase()}`];
  for (const token of ["new", "old"]) {
    assert.ok(tokens.accepts("bot", token, both) && tokens.isKnown(token, both), token);
  }
  for (const token of ["", "other", both[1]!]) {
    assert.ok(!tokens.accepts("bot", token, both), token);
  }
});

Deno.test("pools are named when a token is made, stay when it is rotated, and are nobody's id", async () => {
  const { tokens } = rig();
  await tokens.make("a", "admin", { pools: ["crew", "crew"] });
  assert.deepEqual(tokens.byBot.get("a")!.pools, ["crew"]);
  await tokens.make("a", "admin");
  assert.deepEqual(tokens.byBot.get("a")!.pools, ["crew"]);
  await tokens.make("b", "admin", { pools: ["crew"] });
  await tokens.make("a", "admin", { pools: [] });
  assert.equal(tokens.byBot.get("a")!.pools, undefined);
  const refused: [string, string[]][] = [
    ["crew", []],
    ["c", ["a"]],
    ["c", ["c"]],
    ["c", ["demo"]],
    ["B", []],
    ["c", ["Ａ"]],
    ["c", ["C"]],
    ["c", ["a b"]],
  ];
  for (const [botId, pools] of refused) {
    await assert.rejects(tokens.make(botId, "admin", { pools }), /invalid/, `${botId} ${pools}`);
  }
  await assert.rejects(tokens.make("demo", "admin"), /invalid/);
});

Deno.test("the bot's wire and the tokens agree on what can be a name", () => {
  const names = [
    "a",
    "a b",
    "a@b",
    "a\u200b",
    "\u00a0",
    "机器人",
    "a\u0000",
    "\ufeff",
    "a:b/c",
    "x".repeat(128),
    "x".repeat(129),
    "",
  ];
  for (const botId of names) {
    const frame = readBotFrame(JSON.stringify({ type: "register", botId, botName: "B" }));
    assert.equal(isBotName(botId), !(frame instanceof InvalidFrame), JSON.stringify(botId));
  }
});
