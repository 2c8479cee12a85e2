/**
 * End to end: the real OpenClaw with the built plugin, in front of it this project's gateway,
 * behind it a fake model. `deno task test:openclaw`; with `--all` also every monthly release of
 * OpenClaw that the plugin serves.
 */
import assert from "node:assert/strict";
import * as esbuild from "esbuild";
import { buildPlugin } from "../../plugin/build.ts";
import { longText, numbered, startFakeModel } from "./fake_model.ts";
import {
  type Event,
  modelAt,
  NEWEST,
  nodeFolder,
  OpenClaw,
  ourGateway,
  type Person,
  Program,
  read,
  Relay,
  type Told,
  until,
} from "./lab.ts";
import { lacks } from "../needs.ts";

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const GRACE = 3000;

const options = { ignore: await lacks("npm"), sanitizeOps: false, sanitizeResources: false };

Deno.test({ ...options, name: "OpenClaw with the plugin behind this gateway" }, async (t) => {
  const figures: Record<string, unknown> = {};
  const tarball = await buildPlugin(
    new URL(`file://${await Deno.makeTempDir({ prefix: "nexus-plugin-" })}/`),
  );
  figures.tarballKiB = Math.round((await Deno.stat(tarball)).size / 1024);
  const model = startFakeModel();
  let nexus = await ourGateway({ more: { resumeGrace: GRACE, allowedOrigins: [] } });
  const relay = new Relay(nexus.port);
  const botUrl = `ws://127.0.0.1:${relay.port}/bot-ws`;
  const claw = await OpenClaw.open(NEWEST, () => ({ models: modelAt(model.url) }));
  let events: { stop(): void; seen: Event[] } | undefined;
  const step = (name: string, run: () => Promise<void>) => oneStep(t, name, run);
  try {
    await step("the tarball installs with one command", async () => {
      const text = await claw.install(tarball);
      assert.match(text, /Installed plugin: nexus/);
      await claw.patch({
        approvals: { exec: { enabled: true, mode: "session" } },
        commands: { ownerAllowFrom: ["nexus:alice"] },
        // With many tools OpenClaw hides most of them behind a search, of which the fake model
        // knows nothing.
        tools: { toolSearch: false },
        channels: {
          nexus: {
            enabled: true,
            serverUrl: botUrl,
            botId: "claw",
            botName: "Claw",
            token: "bot-token",
            reconnectInterval: 300,
            dmPolicy: "open",
            allowFrom: ["*"],
            showTools: true,
            showReasoning: true,
            accounts: {
              paired: { botId: "paired", dmPolicy: "pairing" },
              listed: {
                botId: "listed",
                dmPolicy: "allowlist",
                allowFrom: ["alice"],
                token: { source: "env", provider: "default", id: "NEXUS_TOKEN" },
              },
            },
          },
        },
      });
    });

    await step(
      "three accounts come online, one with its token from a secret reference",
      async () => {
        const began = performance.now();
        await claw.start({ NEXUS_TOKEN: "bot-token" });
        await until(
          "the bots",
          async () => (await nexus.bots()).sort().join() === "claw,listed,paired",
        );
        figures.startMs = Math.round(performance.now() - began);
        figures.pluginStartMs = startOf(claw.gateway!.output);
      },
    );

    const alice = await nexus.signIn("alice");
    const bob = await nexus.signIn("bob");

    await step("a first answer, while OpenClaw warms up", async () => {
      const told = await alice.ask("#model:words 3 5", { target: "claw" });
      assert.equal(told.text, "w1 w2 w3");
    });

    await step("20 words at 60 ms arrive as at least 15 chunks, spread over the time", async () => {
      const told = await alice.ask("#model:words 20 60", { target: "claw" });
      assert.equal(told.text, numbered(20).join(""));
      assert.ok(told.chunks.length >= 15, `${told.chunks.length} chunks`);
      const spread = told.chunks.at(-1)!.at - told.chunks[0]!.at;
      assert.ok(spread >= 900, `all within ${spread} ms`);
      assert.equal(endOf(told), "done");
    });

    await step(
      "the first chunk comes within 300 ms of the model's first token, median of ten",
      async () => {
        const delays: number[] = [];
        const every: number[] = [];
        for (let i = 0; i < 10; i++) {
          const told = await alice.ask("#model:words 30 15", { target: "claw" });
          delays.push(told.chunks[0]!.at - model.deltas[0]!.at);
          every.push(...latencies(told, model.deltas));
        }
        const median = quantile(delays, 0.5);
        figures.firstChunkMs = { median: round(median), worst: round(quantile(delays, 1)) };
        figures.tokenMs = {
          p50: round(quantile(every, 0.5)),
          p99: round(quantile(every, 0.99)),
          tokens: every.length,
        };
        assert.ok(median <= 300, `${median} ms`);
      },
    );

    // Twenty seconds for a figure that tells nothing of whether it works.
    if (Deno.env.has("OPENCLAW_FIGURES")) {
      await step("the plugin's own part of a token", async () => {
        figures.pluginCpuMsPer1000Tokens = await pluginCpu(nexus, alice);
      });
    }

    await step("12,000 characters in 1,500 deltas arrive letter by letter", async () => {
      const cpu = await cpuOf(claw.gateway!.pid);
      const told = await alice.ask("#model:long 12000 1500", { target: "claw" });
      assert.ok(told.text === longText(12_000), "it differs");
      figures.longMs = Math.round(told.events.at(-1)!.at - told.started);
      figures.openclawCpuMsPer1000Tokens = Math.round(
        ((await cpuOf(claw.gateway!.pid)) - cpu) / 1.5,
      );
    });

    await step(
      "two people at once have sessions of their own, and neither sees a word of the other's",
      async () => {
        const [a, b] = await Promise.all([
          alice.ask("my secret is ALPHA #model:words 10 20", { target: "claw" }),
          bob.ask("my secret is BETA #model:words 12 20", { target: "claw" }),
        ]);
        assert.equal(a.text, numbered(10).join(""));
        assert.equal(b.text, numbered(12).join(""));
        const [ofAlice, ofBob] = await Promise.all([
          alice.ask("#model:history", { target: "claw" }),
          bob.ask("#model:history", { target: "claw" }),
        ]);
        assert.match(ofAlice.text, /ALPHA/);
        assert.doesNotMatch(ofAlice.text, /BETA/);
        assert.match(ofBob.text, /BETA/);
        assert.doesNotMatch(ofBob.text, /ALPHA/);
      },
    );

    await step(
      "two messages of one person at once are answered one after the other, each with its own answer",
      async () => {
        const [first, second] = await Promise.all([
          bob.ask("#model:words 8 30", { target: "claw" }),
          bob.ask("#model:words 4 30", { target: "claw" }),
        ]);
        assert.deepEqual([first.text, second.text], [numbered(8).join(""), numbered(4).join("")]);
      },
    );

    await step("a further conversation of the same person is a fresh session", async () => {
      const response = await alice.call("/api/conversations", {
        method: "POST",
        body: JSON.stringify({ bot: "claw", title: "fresh" }),
      });
      const made = await response.json();
      assert.equal(response.ok, true, JSON.stringify(made));
      const conversationId = made.id ?? made.conversation?.id;
      const told = await alice.ask("#model:history", { target: "claw", conversationId });
      assert.match(told.text, /heard:/);
      assert.doesNotMatch(told.text, /ALPHA/);
    });

    await step("all images of a message reach the model", async () => {
      const one = await alice.ask("what is this? #model:history", {
        target: "claw",
        image: `data:image/png;base64,${PNG}`,
      });
      assert.match(one.text, /^images=1 /);
      const two = await alice.ask("and these? #model:history", {
        target: "claw",
        images: [PNG, PNG],
      });
      assert.match(two.text, /^images=2 /);
    });

    await step("an image of the answer is shown once, its text once", async () => {
      await Deno.mkdir(`${claw.home}/ws`, { recursive: true });
      await Deno.writeFile(
        `${claw.home}/ws/picture.png`,
        Uint8Array.from(atob(PNG), (char) => char.charCodeAt(0)),
      );
      const told = await alice.ask(`#model:media ${claw.home}/ws/picture.png`, { target: "claw" });
      const images = told.events.filter((event) => event.type === "image");
      assert.equal(images.length, 1, told.text);
      assert.match(JSON.stringify(images[0]), /data:image\/png;base64/);
      assert.equal(told.text, "Here is the picture.");
    });

    await step("a file outside of the agent's folders is not sent", async () => {
      const told = await alice.ask("#model:media /etc/hostname", { target: "claw" });
      assert.equal(told.events.some((event) => event.type === "image"), false);
      assert.doesNotMatch(told.text, new RegExp(Deno.hostname()));
    });

    await step(
      "a tool call keeps its preamble, and its steps are a kind of their own",
      async () => {
        const told = await alice.ask("#model:tool echo forty-two", { target: "claw" });
        assert.equal(told.text, "Let me look that up.\n\nThe tool said: forty-two");
        assert.ok(
          told.events.some((event) => event.type === "tool"),
          told.events.map((event) => event.type).join(),
        );
      },
    );

    await step(
      "a model that breaks off is asked again by the host, and its text is told once",
      async () => {
        const told = await alice.ask("#model:cut 6 14", { target: "claw" });
        assert.equal(told.text, numbered(14).join(""));
      },
    );

    await step("a model that refuses is an answer in words, not a silence", async () => {
      const told = await alice.ask("#model:refuse", { target: "claw" });
      assert.ok(told.text.length > 0 || told.events.some((event) => event.type === "error"));
    });

    await step("reasoning is a kind of its own", async () => {
      await alice.ask("/model fake/thinker-1", { target: "claw" });
      const told = await alice.ask("#model:reason 6 20", { target: "claw" });
      await alice.ask("/model fake/fake-1", { target: "claw" });
      assert.equal(told.text, numbered(6).join(""));
      const thoughts = told.events.filter((event) => event.type === "reasoning").map((event) =>
        event.content
      ).join("");
      assert.match(thoughts, /thought1 .*thought6/);
      // OpenClaw holds the text back until it is complete: plugin/README.md names the place. A
      // change there would show here.
      assert.equal(told.chunks.length, 1);
    });

    await step("/stop stops the turn that runs", async () => {
      const began = performance.now();
      const [stopped] = await Promise.all([
        alice.ask("#model:words 200 50", { target: "claw" }),
        later(700, () => alice.ask("/stop", { target: "claw" })),
      ]);
      assert.ok(performance.now() - began < 7000, "it ran to its end");
      assert.ok(stopped.chunks.length < 120, `${stopped.chunks.length} chunks`);
    });

    await step("Stop on the page stops the run, and the bot confirms", async () => {
      const { aborted } = model;
      let turnId = "";
      let chunks = 0;
      const telling = alice.ask("#model:words 200 50", { target: "claw" }, (event) => {
        if (event.type === "start") turnId = String(event.turnId);
        if (event.type === "chunk") chunks++;
      });
      await until("some words", () => chunks > 5);
      const response = await alice.call(`/api/turns/${turnId}/cancel`, { method: "POST" });
      const answer = await response.json();
      assert.equal(response.status, 200, JSON.stringify(answer));
      assert.equal(answer.confirmed, true, JSON.stringify(answer));
      assert.equal(endOf(await telling), "cancelled");
      await until("the model's stream to be hung up", () => model.aborted > aborted, 5000);
    });

    await step("commands answer: /status and /new", async () => {
      assert.match((await alice.ask("/status", { target: "claw" })).text, /OpenClaw/);
      await alice.ask("remember GAMMA #model:words 2 1", { target: "claw" });
      await alice.ask("/new", { target: "claw" });
      assert.doesNotMatch((await alice.ask("#model:history", { target: "claw" })).text, /GAMMA/);
    });

    await step("what the agent asks is answered by the next message", async () => {
      let asked!: () => void;
      const question = new Promise<void>((resolve) => asked = resolve);
      const telling = alice.ask("#model:ask", { target: "claw" }, (event) => {
        if (event.type === "chunk" && /colour/i.test(event.content ?? "")) asked();
      });
      await Promise.race([
        question,
        telling.then((told) => assert.fail(`no question came: ${told.text}`)),
      ]);
      await alice.ask("blue", { target: "claw" });
      assert.match((await telling).text, /They answered: .*blue/s);
    });

    await step("a stranger is given a code, is let in by it, and then talks", async () => {
      const first = await bob.ask("hello", { target: "paired" });
      const code = /\b[A-Z0-9]{8}\b/.exec(first.text)?.[0];
      assert.ok(code, first.text);
      const { code: exit, text } = await claw.cli([
        "pairing",
        "approve",
        "nexus",
        code,
        "--account",
        "paired",
      ]);
      assert.equal(exit, 0, text);
      const second = await until("bob to be let in", async () => {
        const told = await bob.ask("#model:words 3 1", { target: "paired" });
        return told.text === "w1 w2 w3" && told;
      }, 20_000);
      assert.equal(second.text, "w1 w2 w3");
    });

    await step("a list admits whom it names and refuses the others in words", async () => {
      assert.equal((await alice.ask("#model:words 3 1", { target: "listed" })).text, "w1 w2 w3");
      const asked = model.requests.length;
      const told = await bob.ask("#model:words 3 1", { target: "listed" });
      assert.equal(told.text, "");
      assert.ok(told.events.some((event) => event.type === "error"), JSON.stringify(told.events));
      assert.equal(model.requests.length, asked);
    });

    await step("a message that nobody asked for reaches its person, and no other", async () => {
      events = listen(bob);
      const others = listen(alice);
      await until(
        "the event stream",
        () => events!.seen.length > 0 || others.seen.length > 0 || undefined,
        1500,
      ).catch(
        () => {},
      );
      const { code, text } = await claw.cli([
        ..."message send --channel nexus --target user:bob --message".split(" "),
        "good morning, bob",
        "--media",
        `${claw.home}/ws/picture.png`,
      ]);
      assert.equal(code, 0, text);
      await until(
        "the push",
        () => JSON.stringify(events!.seen).includes("good morning, bob"),
        10_000,
      );
      await until("its picture", () => JSON.stringify(events!.seen).includes(PNG), 10_000);
      assert.equal(JSON.stringify(others.seen).includes("good morning, bob"), false);
      others.stop();
      events.stop();
    });

    await step("the line is cut in the middle of a reply, and the reply is complete", async () => {
      let chunks = 0;
      const telling = alice.ask("#model:words 60 40", { target: "claw" }, (event) => {
        if (event.type === "chunk") chunks++;
      });
      await until("some words", () => chunks > 15);
      relay.cut();
      const told = await telling;
      assert.equal(told.text, numbered(60).join(""));
      assert.equal(endOf(told), "done");
    });

    await step(
      "the gateway is restarted in the middle of a reply, and the reply is complete",
      async () => {
        let chunks = 0;
        let turnId = "";
        const telling = alice.ask("#model:words 80 40", { target: "claw" }, (event) => {
          if (event.type === "start") turnId = String(event.turnId);
          if (event.type === "chunk") chunks++;
        });
        await until("some words", () => chunks > 15);
        const { home, port } = nexus;
        await nexus.program.stop("SIGTERM");
        await telling;
        nexus = await ourGateway({ home, port });
        const again = await alice.call(`/api/turns/${turnId}/stream`);
        const told = await read(again, performance.now());
        assert.equal(told.text, numbered(80).join(""));
        assert.equal(endOf(told), "done");
        await until("the bots to come back", async () => (await nexus.bots()).length === 3);
        assert.equal((await alice.ask("#model:words 3 5", { target: "claw" })).text, "w1 w2 w3");
      },
    );

    await step(
      "the gateway is killed in the middle of a reply: that turn ends as incomplete, and the next question is answered",
      async () => {
        const { aborted } = model;
        let chunks = 0;
        let turnId = "";
        const telling = alice.ask("#model:words 400 50", { target: "claw" }, (event) => {
          if (event.type === "start") turnId = String(event.turnId);
          if (event.type === "chunk") chunks++;
        }).catch(() => "the line broke");
        await until("some words", () => chunks > 30);
        const { home, port } = nexus;
        await nexus.program.stop("SIGKILL");
        assert.equal(await telling, "the line broke");
        nexus = await ourGateway({ home, port });
        const turn = async () =>
          await read(await alice.call(`/api/turns/${turnId}/stream`), performance.now());
        const told = await turn();
        // No process is left that could go on with the turn, so what was kept of it is all there
        // is.
        assert.equal(endOf(told), "incomplete", JSON.stringify(told.events.at(-1)));
        assert.ok(told.text !== "" && numbered(400).join("").startsWith(told.text), told.text);
        await until("the bots to come back", async () => (await nexus.bots()).length === 3);
        await until("the model's stream to be hung up", () => model.aborted > aborted, 10_000);
        assert.equal((await alice.ask("#model:words 3 5", { target: "claw" })).text, "w1 w2 w3");
        assert.equal((await turn()).text, told.text);
      },
    );

    await step("a name that is changed in the configuration is changed live", async () => {
      const { pid } = claw.gateway!;
      await claw.patch({ channels: { nexus: { botName: "Claw the Second" } } });
      await until("the new name", async () => {
        const { bots } = await (await alice.call("/api/bots")).json();
        return JSON.stringify(bots).includes("Claw the Second");
      }, 30_000);
      assert.equal(claw.gateway!.pid, pid);
    });

    await step("streaming in blocks, and off: the whole text in few pieces", async () => {
      const mode = async (streaming: string) => {
        await claw.patch({ channels: { nexus: { streaming, botName: `Claw by ${streaming}` } } });
        await until("the new way", async () => {
          const { bots } = await (await alice.call("/api/bots")).json();
          return JSON.stringify(bots).includes(`Claw by ${streaming}`);
        }, 30_000);
      };
      const oneLine = (text: string) => text.replace(/\s+/g, " ");
      await mode("block");
      const block = await alice.ask("#model:long 6000 300", { target: "claw" });
      assert.equal(oneLine(block.text), oneLine(longText(6000)));
      figures.chunksOf300Deltas = { block: block.chunks.length };
      assert.ok(
        block.chunks.length >= 2 && block.chunks.length <= 30,
        `${block.chunks.length} blocks`,
      );
      await mode("off");
      const off = await alice.ask("#model:long 6000 300", { target: "claw" });
      assert.equal(off.text, longText(6000));
      assert.equal(off.chunks.length, 1);
      await mode("token");
      assert.ok((await alice.ask("#model:words 20 30", { target: "claw" })).chunks.length >= 15);
    });

    await step("/approve lets a tool go on for which the turn waits", async () => {
      await claw.patch({
        tools: { exec: { security: "allowlist", ask: "always" } },
        commands: { ownerAllowFrom: ["nexus:alice"] },
      });
      // The policy is in force some moments after the log says so: until then the tool runs without
      // a question.
      const text = await until("a question for approval", async () => {
        let told = "";
        let over = false;
        const telling = alice.ask(
          "#model:tool echo approved-output",
          { target: "claw" },
          (event) => {
            if (event.type === "chunk") told += event.content;
          },
        ).finally(() => over = true);
        const id = await until(
          "a question or an end",
          () => /\/approve\s+([\w-]+)/.exec(told)?.[1] ?? (over && "none"),
        );
        if (id === "none") return undefined;
        await alice.ask(`/approve ${id} allow-once`, { target: "claw" });
        return (await telling).text;
      });
      assert.match(text, /^Let me look that up\.\n\n[^]*The tool said: .*approved-output/);
      assert.doesNotMatch(text, /^- (?:Allow Once|Deny)$/m, "the buttons only repeat the commands");
    });

    await step("who is not an owner can neither approve nor see the configuration", async () => {
      let told = "";
      const telling = bob.ask("#model:tool echo forbidden-output", { target: "claw" }, (event) => {
        if (event.type === "chunk") told += event.content;
      });
      const id = await until("the question", () => /\/approve\s+([\w-]+)/.exec(told)?.[1]);
      const refused = await bob.ask(`/approve ${id} allow-once`, { target: "claw" });
      assert.match(refused.text, /Only the owner|for its owner only/);
      await bob.ask("/stop", { target: "claw" });
      await telling;
      assert.doesNotMatch(told, /The tool said: forbidden-output/);
      assert.doesNotMatch(
        (await bob.ask("/config show", { target: "claw" })).text,
        /bot-token|lab-token/,
      );
    });

    await step(
      "the status advises against one session for all people while OpenClaw is set so",
      async () => {
        const shown = async () => (await claw.cli(["channels", "status"])).text;
        assert.match(await shown(), /session\.dmScope is main/);
        await claw.patch({ session: { dmScope: "per-account-channel-peer" } });
        await until("the advice to be gone", async () => {
          const text = await shown();
          return /Nexus.*connected/.test(text) && !text.includes("session.dmScope");
        });
      },
    );

    await step("OpenClaw finds nothing to complain about", async () => {
      const inspect = await claw.cli(["plugins", "inspect", "nexus", "--runtime"]);
      assert.match(inspect.text, /Status:?\s+loaded/i);
      assert.doesNotMatch(inspect.text, /Failure phase|ERROR/);
      const doctor = await claw.cli(["plugins", "doctor"]);
      assert.doesNotMatch(doctor.text, /nexus.*(?:error|warn)/i);
      const status = await claw.cli(["channels", "status", "--probe"]);
      assert.match(status.text, /Nexus.*connected.*works/);
      const audit = await claw.cli(["security", "audit"]);
      figures.audit = /Summary:.*$/m.exec(audit.text)?.[0];
      figures.auditCritical = /^CRITICAL\n([^]*?)^(?:WARN|INFO)$/m.exec(audit.text)?.[1]?.match(
        /^[\w-]+(?:\.[\w-]+)+ [A-Z].*$/gm,
      );
    });

    await step(
      "OpenClaw is killed in the middle, and the person is told within 3 s of the grace",
      async () => {
        let chunks = 0;
        const telling = alice.ask("#model:words 400 50", { target: "claw" }, (event) => {
          if (event.type === "chunk") chunks++;
        });
        await until("some words", () => chunks > 10);
        const killed = performance.now();
        await claw.stop("SIGKILL");
        const told = await telling;
        const after = told.events.at(-1)!.at - killed;
        assert.equal(endOf(told), "incomplete", JSON.stringify(told.events.at(-1)));
        assert.ok(after <= GRACE + 3000, `${after} ms`);
        figures.toldAfterKillMs = Math.round(after);
      },
    );
  } catch (error) {
    console.error(claw.gateway?.output.slice(-4000));
    throw error;
  } finally {
    events?.stop();
    console.log("figures", JSON.stringify(figures, null, 2));
    const wanted = Deno.env.get("OPENCLAW_FIGURES");
    if (wanted) await Deno.writeTextFile(wanted, JSON.stringify(figures, null, 2));
    await claw.close();
    await relay.close();
    await nexus.close();
    await model.close();
  }
});

/**
 * One step. Its failure is printed at once, because the others take minutes. `OPENCLAW_STEPS`, a
 * regular expression, picks steps while one works on them; those that set the scene have no choice.
 */
async function oneStep(t: Deno.TestContext, name: string, run: () => Promise<void>): Promise<void> {
  const chosen = Deno.env.get("OPENCLAW_STEPS");
  const scene = /installs|online|warms up/.test(name);
  const fine = await t.step({
    name,
    ignore: !scene && chosen !== undefined && !new RegExp(chosen).test(name),
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      try {
        await bounded(run(), scene || /complain/.test(name) ? 300_000 : 90_000);
      } catch (error) {
        console.error(`${name}: ${error instanceof Error ? error.stack : error}`);
        throw error;
      }
    },
  });
  if (scene && !fine) throw new Error(`nothing else can be tried: ${name}`);
}

async function bounded<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) =>
    timer = setTimeout(() => reject(new Error(`not done within ${ms} ms`)), ms)
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function endOf(told: Told): string | undefined {
  return told.events.findLast((event) => event.type === "end" || event.type === "error")?.status;
}

function later<T>(ms: number, run: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => setTimeout(() => run().then(resolve, reject), ms));
}

/** How long each delta of the model took to the person, by the position of its last letter. */
function latencies(told: Told, deltas: readonly { at: number; text: string }[]): number[] {
  const arrivals: { to: number; at: number }[] = [];
  let length = 0;
  for (const chunk of told.chunks) {
    arrivals.push({ to: length += chunk.content!.length, at: chunk.at });
  }
  let position = 0;
  return deltas.map(({ at, text }) => {
    position += text.length;
    return (arrivals.find(({ to }) => to >= position)?.at ?? NaN) - at;
  }).filter((ms) => !Number.isNaN(ms));
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/** CPU milliseconds of a process so far. */
async function cpuOf(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/**
 * CPU milliseconds for 1,000 tokens of what the plugin adds to OpenClaw: `plugin_cpu.ts` on the
 * same Node, at the same gateway.
 */
async function pluginCpu(
  nexus: { readonly botUrl: string; bots(): Promise<string[]> },
  person: Person,
) {
  const folder = await Deno.makeTempDir({ prefix: "nexus-plugin-cpu-" });
  try {
    const outfile = `${folder}/plugin_cpu.mjs`;
    const source = new URL("plugin_cpu.ts", import.meta.url).pathname;
    await esbuild.build({
      entryPoints: [source],
      outfile,
      bundle: true,
      format: "esm",
      platform: "node",
      tsconfigRaw: {},
    });
    await esbuild.stop();
    const program = new Program(`${await nodeFolder()}/node`, {
      args: [outfile, nexus.botUrl, "bot-token"],
    });
    try {
      await until("the program", async () => {
        if (program.ended) throw new Error(`it ended at once:\n${program.output}`);
        return (await nexus.bots()).includes("cpu");
      });
      const costs: number[] = [];
      for (let i = 0; i < 5; i++) {
        assert.equal((await person.ask(String(i), { target: "cpu" })).text, longText(12_000));
        costs.push(
          await until(
            "the cost",
            () => Number(new RegExp(`^${i} (\\S+)$`, "m").exec(program.output)?.[1]),
          ),
        );
      }
      return round(quantile(costs.slice(1), 0.5));
    } finally {
      await program.stop();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Milliseconds from `starting channels` to the first registration, by OpenClaw's own log. */
function startOf(output: string): number | undefined {
  const at = (pattern: RegExp) => Date.parse(pattern.exec(output)?.[1] ?? "");
  const from = at(/(\S+) \[gateway\] starting channels/);
  const to = at(/(\S+) \[nexus\].*registered as/);
  return Number.isNaN(to - from) ? undefined : to - from;
}

/** What a page is told while it is open. */
function listen(person: Person): { stop(): void; seen: Event[] } {
  const seen: Event[] = [];
  const controller = new AbortController();
  fetch(`${person.url}/api/events`, {
    headers: { authorization: `Bearer ${person.token}` },
    signal: controller.signal,
  }).then((response) => read(response, performance.now(), (event) => seen.push(event))).catch(
    (error) => {
      if (!controller.signal.aborted) throw error;
    },
  );
  return { stop: () => controller.abort(), seen };
}
