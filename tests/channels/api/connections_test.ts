import assert from "node:assert/strict";
import { systemClock } from "../../../src/core/clock.ts";
import { FeishuEmulator } from "../../../src/emulate/feishu/emulator.ts";
import { serveOn } from "../../../src/emulate/serve.ts";
import { FakeUpstream } from "../../bots/upstream/fake_upstream.ts";
import { startWorld, until, USERS } from "../../world.ts";

const KEYS = { appId: "cli_0123456789abcdef", appSecret: "feishu-app-secret" };

Deno.test("admins see every connection with what its check found, in the panel's list, /readyz?verbose and /metrics; nobody else does", async () => {
  const feishu = new FeishuEmulator({ ...KEYS, clock: systemClock });
  const served = serveOn(0, (request) => feishu.fetch(request));
  const model = new FakeUpstream("openai", { key: "sk-right", knows: ["first-model"] });
  try {
    await using world = await startWorld({
      metricsToken: "scrape",
      users: USERS,
      channels: {
        feishu: {
          main: {
            ...KEYS,
            appSecret: "wrong-secret",
            mode: "webhook",
            encryptKey: "k",
            baseUrl: served.url,
          },
        },
      },
      bots: {
        gpt: { type: "openai", baseUrl: model.url, model: "first-model", apiKey: "sk-right" },
      },
      signIn: { lark: { ...KEYS, api: served.url } },
    });
    const bot = await world.bot("alpha");
    const read = async (name: string) => (await world.as(name, "/api/admin/connections"));
    const before = await (await read("root")).json();
    assert.deepEqual([before.checkedAt, before.checking], [undefined, false]);
    for (const name of ["alice", "bob"]) {
      const refused = await read(name);
      assert.equal(refused.status, 404);
      await refused.body?.cancel();
      const pressed = await world.as(name, "/api/admin/connections/check", { method: "POST" });
      assert.equal(pressed.status, 404);
      await pressed.body?.cancel();
    }
    assert.equal(feishu.counts.calls, 0);

    const checked =
      await (await world.as("root", "/api/admin/connections/check", { method: "POST" })).json();
    const byId = new Map(checked.connections.map((one: { id: string }) => [one.id, one]));
    assert.deepEqual([...byId.keys()].sort(), [
      "alpha",
      "bots.gpt",
      "channels.feishu.main",
      "signIn.lark",
    ]);
    // deno-lint-ignore no-explicit-any -- JSON
    const of = (id: string) => byId.get(id) as any;
    assert.equal(of("channels.feishu.main").findings[0].path, "channels.feishu.main.appSecret");
    assert.equal(
      of("channels.feishu.main").connected,
      undefined,
      "an app that is called holds no connection",
    );
    assert.equal(of("channels.feishu.main").findings[0].what.zh, "App Secret 错误");
    assert.deepEqual([of("bots.gpt").findings, of("bots.gpt").kind, of("bots.gpt").connected], [
      [],
      "model",
      true,
    ]);
    assert.deepEqual([of("alpha").kind, of("alpha").connected], ["bot", true]);
    assert.ok(of("alpha").since > 0 && of("signIn.lark").checkedAt > 0);

    const calls = feishu.counts.calls;
    await (await world.as("root", "/api/admin/connections/check", { method: "POST" })).body
      ?.cancel();
    assert.equal(feishu.counts.calls, calls, "a second press right away tries nothing");
    await until(() =>
      world.happenings.some((one) => one.type === "acted" && one.act.did === "connections_checked")
    );

    await bot.close();
    await until(() => world.app.gateway.roster.size === 1);
    const gone = (await (await read("root")).json()).connections.find(({ id }: { id: string }) =>
      id === "alpha"
    );
    assert.deepEqual([gone.connected, gone.lastError], [false, {
      code: "offline",
      words: "the socket closed",
    }]);

    const scrape = { headers: { authorization: "Bearer scrape" } };
    const ready = await (await fetch(`${world.url}/readyz?verbose`, scrape)).json();
    assert.deepEqual(ready.connections, (await (await read("root")).json()).connections);
    const metrics = await (await fetch(`${world.url}/metrics`, scrape)).text();
    assert.match(metrics, /nexus_connection_mistakes\{target="channels\.feishu\.main"\} 1\n/);
    assert.match(metrics, /nexus_connection_mistakes\{target="bots\.gpt"\} 0\n/);
    assert.match(metrics, /nexus_connection_checked_timestamp_seconds\{target="signIn\.lark"\} 1/);
    for (const text of [JSON.stringify(checked), JSON.stringify(ready), metrics]) {
      for (const secret of ["wrong-secret", KEYS.appSecret, "sk-right"]) {
        assert.ok(!text.includes(secret));
      }
    }
  } finally {
    feishu.stop();
    await served.close();
    await model.close();
  }
});
