import assert from "node:assert/strict";
import { conformBot, scoreOf } from "../../src/conform/conform.ts";
import { lacks } from "../needs.ts";
import { node } from "./runtime.ts";

const ENTRY = `
import { connect } from "../src/bots/client.ts";
import { answer } from "./conform_bot.ts";
const { NEXUS_URL: url, NEXUS_TOKEN: token, NEXUS_BOT_ID: botId } = process.env;
const bot = connect({
  url, botId, token, reconnectInterval: 20, onProblem() {},
  answer: (chat, reply) => answer(chat, reply, () => bot),
});
`;

/**
 * The cases in which a runtime's WebSocket may differ: failed dials, cut lines, large and binary
 * messages, silence.
 */
const ONLY = [
  ...[
    "register-",
    "pong",
    "silence",
    "answers",
    "exact-text",
    "long-",
    "max-frame",
    "gap",
    "image-",
    "cancel",
    "push",
  ],
  ...[
    "bad-frames",
    "late-receipts",
    "drop-",
    "turned-away",
    "resume-",
    "version-1-g",
    "refused-for-good",
    "closed-for-good",
  ],
];

/**
 * In a process of its own: esbuild's service may outlive a test by a moment, and the sanitizers see
 * it.
 */
function bundle(options: unknown): void {
  const code = `import { build, stop } from "esbuild"; await build(${
    JSON.stringify(options)
  }); await stop();`;
  const config = decodeURIComponent(new URL("../../deno.json", import.meta.url).pathname);
  const { success, stderr } = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--config", config, code],
  })
    .outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
}

const runtime = node();

Deno.test({
  name: "our client passes on Node too, whose WebSocket is another",
  ignore: await lacks("node with WebSocket"),
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const resolveDir = decodeURIComponent(new URL("../../examples", import.meta.url).pathname);
      const outfile = `${folder}/bot.mjs`;
      bundle({
        stdin: { contents: ENTRY, resolveDir, loader: "ts" },
        ...{
          outfile,
          bundle: true,
          platform: "node",
          target: "node22",
          format: "esm",
          logLevel: "error",
        },
        // A bundle is the main module, but this one is not the example.
        define: { "import.meta.main": "false" },
      });
      const target = {
        command: [...runtime!, outfile],
        patience: 5000,
        redial: 10_000,
        stayAway: 300,
      };
      const results = await conformBot(target, { only: ONLY });
      assert.deepEqual(results.filter(({ result }) => result !== "pass"), []);
      assert.ok(scoreOf(results).passed >= 30);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
