/**
 * The neighbours: a new set-up by flags, two OpenClaws behind one gateway, the plugin at the
 * gateway 1.0.6, and plugin 1.0.2 at ours.
 */
import assert from "node:assert/strict";
import { buildPlugin } from "../../plugin/build.ts";
import { numbered, startFakeModel } from "./fake_model.ts";
import { modelAt, NEWEST, nexus1Gateway, OpenClaw, ourGateway, type Told, until } from "./lab.ts";
import { lacks } from "../needs.ts";

const options = { ignore: await lacks("npm"), sanitizeOps: false, sanitizeResources: false };
/** The last release that still loads plugin 1.0.2. */
const LAST_OF_THE_ORIGINAL = "2026.7.35";

async function tarball(): Promise<string> {
  return await buildPlugin(
    new URL(`file://${await Deno.makeTempDir({ prefix: "nexus-plugin-" })}/`),
  );
}

function nexusChannel(
  serverUrl: string,
  botId: string,
  more: object = {},
): Record<string, unknown> {
  return {
    channels: {
      nexus: {
        enabled: true,
        serverUrl,
        botId,
        botName: botId,
        token: "bot-token",
        reconnectInterval: 1000,
        dmPolicy: "open",
        allowFrom: ["*"],
        ...more,
      },
    },
  };
}

Deno.test(
  {
    ...options,
    name: "a new set-up by flags pairs strangers, and OpenClaw's audits have nothing against it",
  },
  async () => {
    const model = startFakeModel();
    const claw = await OpenClaw.open(NEWEST, () => ({ models: modelAt(model.url) }));
    try {
      await claw.install(await tarball());
      const add = await claw.cli([
        ..."channels add --channel nexus --server-url ws://127.0.0.1:9/bot-ws --bot-id my-bot --bot-name Mine --token hush-hush"
          .split(" "),
      ]);
      assert.equal(add.code, 0, add.text);
      const config = JSON.parse(await Deno.readTextFile(`${claw.home}/.openclaw/openclaw.json`));
      const { serverUrl, botId, botName, token, dmPolicy, enabled } = config.channels.nexus;
      assert.deepEqual({ serverUrl, botId, botName, token, dmPolicy, enabled }, {
        serverUrl: "ws://127.0.0.1:9/bot-ws",
        botId: "my-bot",
        botName: "Mine",
        token: "hush-hush",
        dmPolicy: "pairing",
        enabled: true,
      });
      const wrong = await claw.cli(
        "channels add --channel nexus --server-url nonsense --bot-id x".split(" "),
      );
      assert.notEqual(wrong.code, 0);
      assert.match(wrong.text, /must be a ws:\/\/ or wss:\/\/ address, got "nonsense"/);
      const inspect = JSON.parse(
        jsonOf((await claw.cli(["plugins", "inspect", "nexus", "--runtime", "--json"])).text),
      );
      const found = JSON.stringify(inspect);
      assert.match(found, /"status":"loaded"/);
      assert.match(found, /"diagnostics":\[\]/);
      const doctor = await claw.cli(["plugins", "doctor"]);
      assert.doesNotMatch(doctor.text, /nexus[^\n]*(?:error|failed|without)/i);
      const audit = await claw.cli(["security", "audit"]);
      assert.match(audit.text, /0 critical/, audit.text);
      // The way of setting up 1.x goes on working.
      const set = await claw.cli(["config", "set", "channels.nexus.botName", "Still Mine"]);
      assert.equal(set.code, 0, set.text);
    } finally {
      await claw.close();
      await model.close();
    }
  },
);

Deno.test(
  {
    ...options,
    name:
      "a home whose settings are older than the plugin is clear of upgrade warnings after doctor --fix",
  },
  async () => {
    const claw = await OpenClaw.open(NEWEST, () => ({ models: modelAt("http://127.0.0.1:9/v1") }));
    const unfinished = "upgrade is unfinished";
    const settings = nexusChannel("ws://127.0.0.1:9/bot-ws", "older");
    try {
      await claw.patch({ plugins: { entries: { nexus: { enabled: true } } }, ...settings });
      // OpenClaw writes down that this plugin's upgrade is unfinished, and removes what it takes
      // for stale settings.
      assert.match((await claw.cli(["doctor", "--fix"])).text, new RegExp(unfinished));
      assert.match(await claw.install(await tarball()), new RegExp(unfinished));
      await claw.patch(settings);
      await claw.cli(["doctor", "--fix"]);
      assert.doesNotMatch(await claw.install(await tarball()), new RegExp(unfinished));
    } finally {
      await claw.close();
    }
  },
);

const guided = {
  ...options,
  name: "a new set-up by the guided questions writes what was answered",
  ignore: await lacks("npm", "python3"),
};

Deno.test(guided, async () => {
  const claw = await OpenClaw.open(NEWEST, () => ({ models: modelAt("http://127.0.0.1:9/v1") }));
  try {
    await claw.install(await tarball());
    const clear = "\x15";
    const { code, text } = await claw.talk(["channels", "add", "nexus"], [
      [/Nexus account/, "\r"],
      [/WebSocket address of the gateway/, `${clear}ws://127.0.0.1:9/bot-ws\r`],
      [/Id of this bot on the gateway/, "asked-bot\r"],
      [/Name that people see/, "Asked\r"],
      [/How do you want to provide this bot token/, "\r"],
      [/Bot token of the gateway/, "hush-hush\r"],
      [/Configure DM access policies now/, "\r"],
      [/Set up administration from your own chat account/, "\r"],
    ]);
    assert.equal(code, 0, text);
    const { channels, session } = JSON.parse(
      await Deno.readTextFile(`${claw.home}/.openclaw/openclaw.json`),
    );
    const { serverUrl, botId, botName, token, dmPolicy, enabled } = channels.nexus;
    assert.deepEqual({ serverUrl, botId, botName, token, dmPolicy, enabled }, {
      serverUrl: "ws://127.0.0.1:9/bot-ws",
      botId: "asked-bot",
      botName: "Asked",
      token: "hush-hush",
      dmPolicy: "pairing",
      enabled: true,
    });
    assert.equal(session.dmScope, "per-account-channel-peer");
  } finally {
    await claw.close();
  }
});

Deno.test(
  {
    ...options,
    name: "the plugin at a gateway 1.x: streamed, with tools, commands and images in",
  },
  async () => {
    const model = startFakeModel();
    const gateway = await nexus1Gateway();
    const claw = await OpenClaw.open(NEWEST, () => ({ models: modelAt(model.url) }));
    try {
      await claw.install(await tarball());
      await claw.patch(nexusChannel(gateway.botUrl, "claw"));
      await claw.start();
      await until("the bot", async () => (await gateway.bots()).includes("claw"));
      const alice = await gateway.signIn("alice");
      await alice.ask("#model:words 2 1");
      const words = await alice.ask("#model:words 20 60");
      assert.equal(words.text, numbered(20).join(""));
      assert.ok(words.chunks.length >= 15, `${words.chunks.length} chunks`);
      assert.equal(
        (await alice.ask("#model:tool echo hi")).text,
        "Let me look that up.\n\nThe tool said: hi",
      );
      assert.match((await alice.ask("/status")).text, /OpenClaw/);
      const png =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
      assert.match(
        (await alice.ask("#model:history", { image: `data:image/png;base64,${png}` })).text,
        /^images=1 /,
      );
      const bob = await gateway.signIn("bob");
      await alice.ask("DELTA #model:words 1 1");
      assert.doesNotMatch((await bob.ask("#model:history")).text, /DELTA/);
      const push = await claw.cli(
        "message send --channel nexus --target user:bob --message hello".split(" "),
      );
      assert.notEqual(push.code, 0);
      assert.match(push.text, /no open question/);
    } finally {
      await claw.close();
      await gateway.close();
      await model.close();
    }
  },
);

Deno.test(
  {
    ...options,
    name: "plugin 1.0.2 on the last OpenClaw that loads it works at this gateway",
  },
  async () => {
    const model = startFakeModel();
    const gateway = await ourGateway();
    const claw = await OpenClaw.open(LAST_OF_THE_ORIGINAL, () => ({ models: modelAt(model.url) }));
    try {
      const refused = await claw.tryInstall(await tarball());
      assert.notEqual(refused.code, 0, "this plugin does not fit there");
      assert.match(refused.text, /requires OpenClaw >=2026\.8\.1, but this host is 2026\.7\.35/);
      // Installing it with npm would bring an OpenClaw along, as its peer.
      const { stdout } = await new Deno.Command("npm", {
        args: ["pack", "@houchenyang/nexus@1.0.2", "--json", "--pack-destination", claw.home],
        stderr: "null",
      }).output();
      const [{ filename }] = JSON.parse(new TextDecoder().decode(stdout));
      await claw.install(`${claw.home}/${filename}`);
      await claw.patch(nexusChannel(gateway.botUrl, "old", { allowFrom: undefined }));
      await claw.start();
      await until("the bot", async () => (await gateway.bots()).includes("old"));
      const alice = await gateway.signIn("alice");
      const told = await alice.ask("#model:words 12 20");
      assert.equal(told.text, numbered(12).join(""));
      assert.equal(told.events.at(-1)?.type, "end");
    } catch (error) {
      console.error(claw.gateway?.output.slice(-3000), gateway.program.output.slice(-1500));
      throw error;
    } finally {
      await claw.close();
      await gateway.close();
      await model.close();
    }
  },
);

Deno.test({
  ...options,
  name: "two OpenClaws behind one gateway: who may use one bot cannot reach the other by any route",
}, async () => {
  const model = startFakeModel();
  const gateway = await ourGateway({
    more: {
      users: {
        alice: { password: "alice-password", displayName: "alice" },
        bob: { password: "bob-password", displayName: "bob", role: "member", bots: ["first"] },
      },
    },
  });
  const claws: OpenClaw[] = [];
  try {
    const file = await tarball();
    for (const id of ["first", "second"]) {
      const claw = await OpenClaw.open(NEWEST, () => ({ models: modelAt(model.url) }));
      claws.push(claw);
      await claw.install(file);
      await claw.patch(nexusChannel(gateway.botUrl, id));
      await claw.start();
    }
    await until("both bots", async () => (await gateway.bots()).sort().join() === "first,second");
    const alice = await gateway.signIn("alice");
    const bob = await gateway.signIn("bob");
    for (const target of ["first", "second"]) {
      assert.equal((await alice.ask("#model:words 3 5", { target })).text, "w1 w2 w3");
    }
    assert.equal((await bob.ask("#model:words 3 5", { target: "first" })).text, "w1 w2 w3");
    assert.equal(
      (await bob.ask("#model:words 3 5")).text,
      "w1 w2 w3",
      "nobody in particular is the one that he may use",
    );
    const asked = model.requests.length;
    const { bots } = await (await bob.call("/api/bots")).json();
    assert.deepEqual(bots.map((bot: { id: string }) => bot.id), ["first"]);
    for (
      const told of [
        await bob.ask("#model:words 3 5", { target: "second" }),
        await bob.ask("@second #model:words 3 5"),
      ] as Told[]
    ) {
      assert.equal(told.text, "");
      assert.match(JSON.stringify(told.events), /40[34]|503/);
    }
    for (
      const [path, body] of [
        ["/api/chat", { message: "#model:words 3 5", target: "second" }],
        ["/v1/chat/completions", {
          model: "second",
          messages: [{ role: "user", content: "#model:words 3 5" }],
        }],
      ] as const
    ) {
      const response = await bob.call(path, { method: "POST", body: JSON.stringify(body) });
      assert.ok(response.status >= 400, `${path}: ${response.status}`);
      await response.body?.cancel();
    }
    assert.equal(model.requests.length, asked, "no model was asked");
  } catch (error) {
    for (const claw of claws) console.error(claw.gateway?.output.slice(-1500));
    console.error(gateway.program.output.slice(-1500));
    throw error;
  } finally {
    for (const claw of claws) await claw.close();
    await gateway.close();
    await model.close();
  }
});

/** The JSON in an output that may have notes before it. */
function jsonOf(text: string): string {
  const start = text.search(/^[[{]/m);
  const end = Math.max(text.lastIndexOf("}"), text.lastIndexOf("]"));
  return text.slice(start, end + 1);
}
