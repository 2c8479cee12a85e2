/**
 * What strangers learn of a gateway by the routes that nobody signs in for.
 */
import assert from "node:assert/strict";
import { REMEMBERED_BOTS } from "../../../src/core/bot_monitor.ts";
import { MAX_NAMED_BOTS } from "../../../src/telemetry/gauges.ts";
import { FakeUpstream } from "../../bots/upstream/fake_upstream.ts";
import { startWorld, until, type World } from "../../world.ts";

async function ask(
  world: World,
  path: string,
  token?: string,
): Promise<{ status: number; text: string }> {
  const headers = new Headers();
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  const response = await fetch(world.url + path, { headers });
  return { status: response.status, text: await response.text() };
}

const USERS = {
  alice: { password: "alice-pass", bots: ["hers"] },
  root: { password: "root-pass", role: "admin" },
};

Deno.test("strangers are not told which bots there are, people are told of theirs, admins of all", async () => {
  await using world = await startWorld({ users: USERS });
  await world.bot("hers");
  await world.bot("secret-bot");
  const health = async (token?: string) => JSON.parse((await ask(world, "/health", token)).text);
  assert.deepEqual(await health(), { status: "ok", bots: 2 });
  assert.deepEqual(await health("wrong"), { status: "ok", bots: 2 });
  assert.deepEqual(await health(await world.token("alice")), {
    status: "ok",
    bots: 1,
    botIds: ["hers"],
  });
  assert.deepEqual(await health(await world.token("root")), {
    status: "ok",
    bots: 2,
    botIds: ["hers", "secret-bot"],
  });
  for (const token of [undefined, await world.token("alice")]) {
    const { status, text } = await ask(world, "/metrics", token);
    assert.equal(status, 200);
    assert.match(text, /nexus_bots 2/);
    assert.doesNotMatch(text, /secret-bot|hers/);
  }
  assert.match(
    (await ask(world, "/metrics", await world.token("root"))).text,
    /nexus_bot_busy\{bot="secret-bot"\} 0/,
  );
  for (
    const path of ["/livez", "/readyz", "/openapi.json", "/config.schema.json", "/api/sign-in"]
  ) {
    assert.doesNotMatch((await ask(world, path)).text, /secret-bot/, path);
  }
});

Deno.test("the token of the metrics opens what is counted, and nobody else reads it then but an admin", async () => {
  await using world = await startWorld({ metricsToken: "scrape", users: USERS });
  await world.bot("secret-bot");
  assert.equal((await ask(world, "/metrics")).status, 401);
  assert.equal((await ask(world, "/metrics", await world.token("alice"))).status, 401);
  for (const token of ["scrape", await world.token("root")]) {
    assert.match((await ask(world, "/metrics", token)).text, /secret-bot/);
    assert.match((await ask(world, "/health", token)).text, /secret-bot/);
  }
  assert.doesNotMatch((await ask(world, "/health")).text, /secret-bot/);
});

Deno.test("with publicBots anybody is told, as Nexus 1.x did", async () => {
  await using world = await startWorld({ publicBots: true });
  await world.bot("known");
  assert.deepEqual(JSON.parse((await ask(world, "/health")).text), {
    status: "ok",
    bots: 1,
    botIds: ["known"],
  });
  assert.match((await ask(world, "/metrics")).text, /nexus_bot_busy\{bot="known"\}/);
});

Deno.test("/readyz tells strangers whether it is well, and admins and the metrics' token each bot's connection", async () => {
  const fake = new FakeUpstream("openai", {});
  try {
    const bots = { gpt: { type: "openai", baseUrl: fake.url, model: "m", tries: 1 } };
    await using world = await startWorld({ metricsToken: "scrape", users: USERS, bots });
    const { app } = world;
    await app.botTokens.make("expected", "root");
    const bot = await world.bot("b", { protocol: 2, pool: "team" });
    bot.answerAll(({ id, content }) =>
      content === "fail"
        ? bot.send({ type: "fail", replyTo: id, message: "no" })
        : bot.reply(id, "yes", true, { seq: 1 })
    );
    const gone = await world.bot("gone");
    await gone.close();
    await until(() => app.gateway.roster.size === 2);
    const say = async (target: string, message = "hello") => {
      const response = await world.as("root", "/api/chat", { json: { message, target } });
      await response.body?.cancel();
    };
    const before = Date.now();
    for (const message of ["hello", "fail"]) await say("b", message);
    await say("gpt");
    fake.play({ status: 401 });
    await say("gpt");

    for (const token of [undefined, "wrong", await world.token("alice")]) {
      assert.deepEqual(JSON.parse((await ask(world, "/readyz?verbose", token)).text), {
        status: "ok",
      });
    }
    for (const token of ["scrape", await world.token("root")]) {
      assert.deepEqual(JSON.parse((await ask(world, "/readyz", token)).text), {
        status: "ok",
        troubles: [],
      });
      const report = JSON.parse((await ask(world, "/readyz?verbose", token)).text);
      const byId = new Map<string, Record<string, unknown>>(
        report.bots.map((one: { id: string }) => [one.id, one]),
      );
      assert.deepEqual([...byId.keys()].sort(), ["b", "expected", "gone", "gpt"]);
      const { since, succeededAt, failedAt, ...b } = byId.get("b")!;
      assert.deepEqual(b, {
        ...{
          id: "b",
          wire: "socket",
          protocol: 2,
          pool: "team",
          state: "online",
          busy: 0,
          failure: "bot_failed",
        },
      });
      for (const at of [succeededAt, failedAt]) assert.ok(Number(at) >= before);
      assert.ok(Number(since) <= before);
      const gpt = byId.get("gpt")!;
      assert.deepEqual([gpt.wire, gpt.state, gpt.failure], [
        "model",
        "online",
        "bot_misconfigured",
      ]);
      assert.match(String(gpt.note), /refuses the key/);
      assert.ok(Number(gpt.succeededAt) >= before);
      assert.deepEqual([byId.get("gone")!.state, byId.get("gone")!.why], [
        "offline",
        "the socket closed",
      ]);
      assert.deepEqual(byId.get("expected"), { id: "expected", state: "offline", busy: 0 });
      const { text } = await ask(world, "/metrics", token);
      for (
        const line of [
          'nexus_bot_up{bot="b",wire="socket"} 1',
          'nexus_bot_up{bot="gpt",wire="model"} 1',
          'nexus_bot_up{bot="gone",wire="socket"} 0',
          'nexus_bot_up{bot="expected",wire="socket"} 0',
          'nexus_bot_resting{bot="b"} 0',
          'nexus_bot_failure_seconds{bot="gpt",code="bot_misconfigured"} 1',
          'nexus_bot_success_seconds{bot="gpt"} 1',
        ]
      ) assert.ok(text.includes(line), line);
    }
  } finally {
    await fake.close();
  }
});

Deno.test("however many bots come and go, few are remembered and fewer are named in the metrics", async () => {
  await using world = await startWorld({ publicBots: true });
  await world.bot("here");
  for (let n = 0; n < 2 * REMEMBERED_BOTS; n++) {
    world.app.bots.tell({ type: "bot_joined", bot: `b${n}`, protocol: 1 });
    world.app.bots.tell({ type: "bot_left", bot: `b${n}`, why: "the socket closed" });
  }
  assert.ok(world.app.bots.reports().length <= REMEMBERED_BOTS + 1);
  const { text } = await ask(world, "/metrics");
  assert.equal(
    text.split("\n").filter((line) => line.startsWith("nexus_bot_up{")).length,
    MAX_NAMED_BOTS,
  );
  assert.match(text, /nexus_bot_up\{bot="here",wire="socket"\} 1/);
});
