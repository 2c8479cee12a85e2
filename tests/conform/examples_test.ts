import assert from "node:assert/strict";
import { node } from "./runtime.ts";
import { conformBot, scoreOf } from "../../src/conform/conform.ts";
import { lacks, type Need } from "../needs.ts";

const path = (name: string) =>
  decodeURIComponent(new URL(`../../examples/${name}`, import.meta.url).pathname);

const BOTS: [name: string, runtime: string[] | undefined, ...needs: Need[]][] = [
  ["bot.ts", [Deno.execPath(), "run", "-A"]],
  ["bot.mjs", node(), "node with WebSocket"],
  ["bot.py", ["python3"], "python3 with websockets"],
];

// Those that need neither directives nor more than one dial, so that the examples' honest back-off
// costs no time here.
const ONLY = [
  "register-f",
  "pong",
  "answers",
  "nothing-after",
  "reply-fields",
  "image-alone",
  "bad-frames",
  "unknown-fields",
];

for (const [name, runtime, ...needs] of BOTS) {
  Deno.test({
    name: `examples/${name} registers, answers, survives bad frames and comes back`,
    ignore: await lacks(...needs),
    async fn() {
      const command = [...runtime!, path(name)];
      const results = await conformBot({ command, redial: 20_000, stayAway: 1500 }, {
        only: [...ONLY, "drop-idle", "refused-for-good"],
      });
      assert.deepEqual(results.filter(({ result }) => result === "fail"), []);
      assert.ok(scoreOf(results).passed >= 10, JSON.stringify(scoreOf(results)));
    },
  });
}
