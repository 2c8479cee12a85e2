/** The page in a browser: what a person does, step by step. */
import assert from "node:assert/strict";
import { chrome, openScene, reply } from "./harness.ts";

// The browser's own sockets and processes outlive a step; the scene closes all of them at the end.
const options = { ignore: !chrome, sanitizeOps: false, sanitizeResources: false };

Deno.test("the page", options, async (test) => {
  await using scene = await openScene();
  const { world } = scene;
  const bot = await world.bot("parrot", { botName: "Parrot" });

  await test.step("a person signs in, asks, and sees the answer as it streams", async () => {
    const visit = await scene.visit();
    await visit.say("Say hello");
    const chat = await bot.next("chat");
    assert.equal(chat.content, "Say hello");
    reply(bot, chat, "Hello **wor");
    await visit.sees("answering");
    await visit.sees("Hello", ".answer");
    reply(bot, chat, "ld**\n\n```js\nlet a = 1;\n```\n\n$$\\frac{a}{b}$$\n\n|a|b|\n|:-:|-:|\n|1|2|\n\n- [x] done\n");
    reply(bot, chat, "", true);
    await visit.tab.locator(".answer strong", { hasText: "world" }).waitFor();
    await visit.tab.locator(".code .hl-keyword").waitFor();
    await visit.tab.locator(".katex-display").waitFor();
    assert.equal(await visit.tab.locator(".answer input[type=checkbox]:checked:disabled").count(), 1);
    assert.deepEqual(visit.faults, []);
    await visit.close();
  });

  await test.step("a reload in the middle of an answer goes on where it was", async () => {
    const visit = await scene.visit();
    await visit.say("Count");
    const chat = await bot.next("chat");
    reply(bot, chat, "one two ");
    await visit.sees("one two", ".answer");
    await visit.tab.reload();
    reply(bot, chat, "three ");
    await visit.sees("one two three", ".answer");
    reply(bot, chat, "four", true);
    await visit.sees("one two three four", ".answer");
    await visit.tab.locator("[data-state=done]").waitFor();
    assert.deepEqual(visit.faults, []);
    await visit.close();
  });

  await test.step("stop reaches the bot, and the receipt is shown", async () => {
    const visit = await scene.visit();
    const second = await world.bot("second", { botName: "Second", protocol: 2, capabilities: ["cancel"] });
    await visit.tab.fill("#composer", "@second go on for ever");
    await visit.tab.press("#composer", "Enter");
    const chat = await second.next("chat");
    reply(second, chat, "I go on ", false, { seq: 1 });
    await visit.sees("I go on", ".answer");
    await visit.tab.getByRole("button", { name: "Stop", exact: true }).click();
    const cancel = await second.next("cancel");
    second.send({ type: "cancelled", id: cancel.id });
    await visit.sees("The bot has confirmed it.", ".answer");
    assert.deepEqual(visit.faults, []);
    await second.close();
    await visit.close();
  });
});
