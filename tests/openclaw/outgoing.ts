/**
 * What the real OpenClaw says by itself: who is let in is told so, and what is sent while the
 * gateway is away arrives once.
 */
import assert from "node:assert/strict";
import { ourGateway, type Person, until } from "./lab.ts";
import { numbered } from "./fake_model.ts";
import { setStage, step } from "./stage.ts";
import { lacks } from "../needs.ts";

const options = { ignore: await lacks("npm"), sanitizeOps: false, sanitizeResources: false };

Deno.test(
  { ...options, name: "what OpenClaw says by itself reaches whom it is for, once" },
  async (t) => {
    const stage = await setStage();
    const { bob, claw } = stage;
    try {
      await step(
        t,
        "who is let in by a command of its own process is told so by the one that runs",
        async () => {
          const asked = await bob.ask("hello", { target: "paired" });
          const code = /\b[A-Z0-9]{8}\b/.exec(asked.text)?.[0];
          assert.ok(code, asked.text);
          const approve = ["pairing", "approve", "nexus", code, "--account", "paired", "--notify"];
          const { code: exit, text } = await claw.cli(approve);
          assert.equal(exit, 0, text);
          assert.match(text, /Approved nexus sender bob/);
          await until(
            "the word",
            async () =>
              (await pushesTo(bob)).includes("You were let in: write again and the bot answers."),
          );
          assert.equal(
            (await bob.ask("#model:words 2 1", { target: "paired" })).text,
            numbered(2).join(""),
          );
        },
      );

      await step(
        t,
        "a scheduled message whose gateway is away arrives when it is back, once",
        async () => {
          await bob.ask("#model:words 2 1", { target: "claw" });
          const { home, port } = stage.nexus;
          await stage.nexus.program.stop("SIGTERM");
          const { code, text } = await claw.cli([
            ..."cron add --name late --at 1s --session isolated --announce --channel nexus --to user:bob"
              .split(" "),
            ...["--account", "default", "--message", "#model:words 7 1"],
          ]);
          assert.equal(code, 0, text);
          await until(
            "a try in vain",
            () => claw.gateway!.output.includes("there is no line to the gateway just now"),
          );
          stage.nexus = await ourGateway({ home, port });
          await stage.online();
          const words = numbered(7).join("");
          await until("the message", async () => (await pushesTo(bob)).includes(words), 120_000);
          // Tries that are still on their way would bring it again.
          await until("OpenClaw to be through with it", async () => {
            const runs = await claw.cli(["cron", "list", "--json"]);
            return !runs.text.includes('"late"') || /"lastRunStatus": "ok"/.test(runs.text);
          });
          assert.equal((await pushesTo(bob)).filter((one) => one === words).length, 1);
        },
      );
    } catch (error) {
      console.error(claw.gateway?.output.slice(-3000));
      throw error;
    } finally {
      await stage.close();
    }
  },
);

/** What bots have said to a person unasked, over all conversations. */
async function pushesTo(person: Person): Promise<string[]> {
  const { conversations } = await (await person.call("/api/conversations")).json();
  const pages = await Promise.all(conversations.map(async ({ id }: { id: string }) => {
    const { turns } = await (await person.call(`/api/conversations/${id}/turns?limit=50`)).json();
    return turns.filter((turn: { message: { text: string } }) => turn.message.text === "").map((
      turn: { reply: { text: string } },
    ) => turn.reply.text);
  }));
  return pages.flat();
}
