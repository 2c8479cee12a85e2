import assert from "node:assert/strict";
import { bundleClient } from "../../deploy/client.ts";
import { startWorld } from "../world.ts";

Deno.test("the bundled client imports nothing, has types, and connects a bot", async () => {
  const folder = new URL(`file://${await Deno.makeTempDir()}/`);
  try {
    await bundleClient(folder);
    const source = await Deno.readTextFile(new URL("nexus_client.js", folder));
    assert.doesNotMatch(source, /^import /m);
    const types = await Deno.readTextFile(new URL("nexus_client.d.ts", folder));
    assert.match(types, /function connect\(/);
    assert.match(types, /interface ChatFrame /);
    assert.doesNotMatch(types, /^import /m);
    const { connect } = await import(new URL("nexus_client.js", folder).href);
    await using world = await startWorld();
    const bot = connect({
      url: world.botUrl,
      botId: "parrot",
      token: "bot-secret",
      answer: ({ content }: { content: string }) => `${content}!`,
    });
    await bot.ready();
    const answer = await world.as("alice", "/api/chat", { json: { message: "hello" } });
    assert.equal((await answer.json()).content, "hello!");
    await bot.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
