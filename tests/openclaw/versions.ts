/**
 * The versions: the newest OpenClaw and one earlier release of every month, back to the first whose
 * SDK has what the plugin uses. Each is installed, loads the plugin, and streams an answer.
 */
import assert from "node:assert/strict";
import { buildPlugin } from "../../plugin/build.ts";
import { numbered, startFakeModel } from "./fake_model.ts";
import { modelAt, NEWEST, OpenClaw, ourGateway, until } from "./lab.ts";
import { lacks } from "../needs.ts";

const VERSIONS = [NEWEST, "2026.8.2", "2026.8.1"];

for (const version of VERSIONS) {
  Deno.test({
    name: `OpenClaw ${version} installs the plugin, loads it, and streams an answer`,
    ignore: await lacks("npm"),
    sanitizeOps: false,
    sanitizeResources: false,
  }, async () => {
    const model = startFakeModel();
    const gateway = await ourGateway();
    const claw = await OpenClaw.open(version, () => ({ models: modelAt(model.url) }));
    try {
      await claw.install(
        await buildPlugin(
          new URL(`file://${await Deno.makeTempDir({ prefix: "nexus-plugin-" })}/`),
        ),
      );
      await claw.patch({
        channels: {
          nexus: {
            enabled: true,
            serverUrl: gateway.botUrl,
            botId: "claw",
            token: "bot-token",
            dmPolicy: "open",
            allowFrom: ["*"],
          },
        },
      });
      const began = performance.now();
      await claw.start();
      await until("the bot", async () => (await gateway.bots()).includes("claw"));
      const online = performance.now() - began;
      const alice = await gateway.signIn("alice");
      await alice.ask("#model:words 2 1");
      const told = await alice.ask("#model:words 20 60");
      assert.equal(told.text, numbered(20).join(""));
      assert.ok(told.chunks.length >= 15, `${told.chunks.length} chunks`);
      const first = told.chunks[0]!.at - model.deltas[0]!.at;
      console.log(
        `| ${version} | yes | ${told.chunks.length} of 20 | ${Math.round(first)} ms | ${
          (online / 1000).toFixed(0)
        } s |`,
      );
    } catch (error) {
      console.error(claw.gateway?.output.slice(-3000));
      throw error;
    } finally {
      await claw.close();
      await gateway.close();
      await model.close();
    }
  });
}
