import assert from "node:assert/strict";
import { node, output } from "./runtime.ts";
import { conformBot, scoreOf } from "../../src/conform/conform.ts";

const path = (name: string) => decodeURIComponent(new URL(`../../examples/${name}`, import.meta.url).pathname);

const PYTHON = output("python3", "-c", "import websockets") === undefined ? undefined : ["python3"];

const BOTS: [name: string, runtime: string[] | undefined][] = [
  ["bot.ts", [Deno.execPath(), "run", "-A"]],
  ["bot.mjs", node()],
  ["bot.py", PYTHON],
];

// Those that need neither directives nor more than one dial, so that the examples' honest back-off costs no time here.
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

for (const [name, runtime] of BOTS) {
  Deno.test({
    name: `examples/${name} registers, answers, survives bad frames and comes back`,
    ignore: runtime === undefined,
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
