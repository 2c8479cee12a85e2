/**
 * A connector on the whole gateway with a bot on a real socket: what the scripted gateway of
 * `stage.ts` only plays, that is waiting in line, being stopped there and while answering, and a
 * conversation that is gone.
 */
import assert from "node:assert/strict";
import { wordsIn } from "../../../src/channels/im/words.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { FeishuEmulator } from "../../../src/emulate/feishu/emulator.ts";
import { serveOn } from "../../../src/emulate/serve.ts";
import { startWorld, type TestBot, until, type World } from "../../world.ts";
import { FEISHU } from "./crash_keys.ts";

const en = wordsIn("en");

interface Office {
  readonly world: World;
  readonly bot: TestBot;
  say(chat: string, text: string, sender?: string): void;
  /** Waits until the app shows this in a chat. */
  shows(chat: string, text: string): Promise<void>;
}

/**
 * A gateway with one bot that takes one question at a time, and a Feishu app that is open to all.
 */
async function inOffice(run: (office: Office) => Promise<void>): Promise<void> {
  const deliver: { to?: (request: Request) => Promise<Response> } = {};
  const feishu = new FeishuEmulator({
    ...FEISHU,
    clock: systemClock,
    callbackUrl: "http://nexus.test/channels/feishu/main",
    deliver: (request) => deliver.to!(request),
  });
  const served = serveOn(0, (request) => feishu.fetch(request));
  try {
    await using world = await startWorld({
      channels: {
        feishu: { main: { ...FEISHU, mode: "webhook", baseUrl: served.url, access: "open" } },
      },
    });
    deliver.to = async (request) => await world.app.fetch(request, { address: "127.0.0.1" });
    const bot = await world.bot("one", { protocol: 2, maxConcurrent: 1 });
    await run({
      world,
      bot,
      say: (chat, text, sender = "ou_zoe") => void feishu.say({ chat, text, sender }),
      async shows(chat, text) {
        const shown = () =>
          feishu.log.in(chat).filter(({ from }) => from === "bot").map(({ text }) => text);
        await until(() => shown().some((one) => one.includes(text)), text)
          .catch((error) => {
            throw new Error(`${error.message}, and read: ${shown().join(" | ")}`);
          });
      },
    });
    await until(() => world.app.apps.list()[0]!.open === 0, "the chats");
  } finally {
    feishu.stop();
    await served.close();
  }
}

Deno.test("while the bot is busy a question in a chat waits in the gateway's line, says its place, and is then answered", () =>
  inOffice(async ({ world, bot, say, shows }) => {
    const page = world.as("alice", "/api/chat", { json: { message: "long" } });
    const first = await bot.next("chat");
    say("oc_1", "second");
    await shows("oc_1", en.queued(1));
    say("oc_2", "third", "ou_yan");
    await shows("oc_2", en.queued(2));
    bot.reply(first.id, "done", true, { seq: 1 });
    assert.equal((await (await page).json()).content, "done");
    const second = await bot.next("chat");
    assert.equal(second.content, "second");
    await shows("oc_2", en.queued(1));
    bot.reply(second.id, "for the second", true, { seq: 1 });
    await shows("oc_1", "for the second");
    const third = await bot.next("chat");
    bot.reply(third.id, "for the third", true, { seq: 1 });
    await shows("oc_2", "for the third");
  }));

Deno.test("/stop takes a question out of the line, and ends one that is being answered when the bot has confirmed it", () =>
  inOffice(async ({ world, bot, say, shows }) => {
    say("oc_1", "begun");
    const begun = await bot.next("chat");
    bot.reply(begun.id, "so far", false, { seq: 1 });
    await shows("oc_1", "so far");
    say("oc_2", "in line", "ou_yan");
    await shows("oc_2", en.queued(1));
    say("oc_2", "/stop", "ou_yan");
    await until(() => world.app.gateway.running().length === 1, "the line to be empty");
    say("oc_1", "/stop");
    assert.equal((await bot.next("cancel")).id, begun.id);
    bot.send({ type: "cancelled", id: begun.id });
    await until(() => world.app.gateway.running().length === 0, "the end");
    // Nobody was asked what was taken out of the line.
    say("oc_1", "next");
    const next = await bot.next("chat");
    assert.equal(next.content, "next");
    bot.reply(next.id, "for the next", true, { seq: 1 });
    await shows("oc_1", "for the next");
  }));

Deno.test("a chat whose conversation was deleted goes on in a new one", () =>
  inOffice(async ({ world, bot, say, shows }) => {
    const ask = async (text: string) => {
      say("oc_1", text);
      const chat = await bot.next("chat");
      bot.reply(chat.id, `re: ${text}`, true, { seq: 1 });
      await shows("oc_1", `re: ${text}`);
      return chat;
    };
    const one = await ask("one");
    assert.equal((await ask("two")).conversationId, one.conversationId);
    assert.equal(
      await world.app.gateway.conversations.remove({ id: one.userId }, one.conversationId),
      true,
    );
    const three = await ask("three");
    assert.notEqual(three.conversationId, one.conversationId);
    assert.equal((await ask("four")).conversationId, three.conversationId);
  }));
