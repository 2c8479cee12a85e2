/** Many tabs of one browser, one stream of news. */
import assert from "node:assert/strict";
import { until } from "../world.ts";
import { openScene, reply, type Visit } from "./harness.ts";
import { lacks } from "../needs.ts";

const options = { ignore: await lacks("chromium") };

/** A browser opens six connections to one server. */
const TABS = 8;

Deno.test(
  "eight tabs share one stream of news and all stay live, also when the one that reads it is closed",
  options,
  async () => {
    await using scene = await openScene();
    const { world } = scene;
    const { notices } = world.app.gateway;
    const first = await scene.visit();
    const tabs: Visit[] = [first];
    while (tabs.length < TABS) tabs.push(await scene.visit({ beside: first }));
    await until(() => notices.pages === 1, "one stream");

    const bot = await world.bot("parrot", { botName: "Parrot", protocol: 2 });
    for (const { tab } of tabs) await tab.locator(".card", { hasText: "Parrot" }).waitFor();
    const push = async (content: string) => {
      bot.send({ type: "push", to: "user:alice", content, id: content });
      assert.equal((await bot.next("pushed")).success, true);
    };
    /** Every tab counts the messages that came. */
    const sees = async (count: number) => {
      for (const { tab } of tabs) {
        await tab.locator(".sidebar .badge", { hasText: String(count) }).waitFor();
      }
    };
    await push("one");
    await sees(1);

    // The connections are free for what people do.
    for (const visit of tabs) {
      await visit.tab.locator(".sidebar .new").click();
      await visit.say("Are you there?");
      reply(bot, await bot.next("chat"), "I am", true, { seq: 1 });
      await visit.sees("I am", ".answer");
      await visit.tab.locator(".turn.last[data-state=done]").waitFor();
    }
    assert.equal(notices.pages, 1);

    // The next reader is kept from asking until something has happened that nobody heard.
    const gate = Promise.withResolvers<void>();
    await first.context.route("**/api/events", async (route) => {
      await gate.promise;
      await route.continue();
    });
    const asks = first.context.waitForEvent(
      "request",
      (request) => request.url().endsWith("/api/events"),
    );
    await first.tab.close();
    tabs.shift();
    await until(() => notices.pages === 0, "the reader's stream to end");
    await push("two");
    await asks;
    gate.resolve();
    await sees(2);
    await until(() => notices.pages === 1, "the next reader");

    // A tab that is opened later hears what the others know.
    const late = await scene.visit({ beside: tabs[0]! });
    await late.tab.locator(".card", { hasText: "Parrot" }).waitFor();
    bot.send({ type: "status", draining: true });
    for (const { tab } of [...tabs, late]) {
      await tab.getByText("takes nothing new").first().waitFor();
    }
    assert.equal(notices.pages, 1);
    for (const { faults } of [...tabs, late]) assert.deepEqual(faults, []);
  },
);

Deno.test(
  "a tab that its browser put to sleep does not keep the others from hearing",
  options,
  async () => {
    await using scene = await openScene();
    const { world } = scene;
    const sleeper = await scene.visit();
    await until(() => world.app.gateway.notices.pages === 1, "the first reader");
    // As a browser does to a tab in the background: nothing of it runs, and its lock stays.
    const debug = await sleeper.context.newCDPSession(sleeper.tab);
    await debug.send("Debugger.enable");
    await debug.send("Debugger.pause");
    sleeper.tab.evaluate(() => 1).catch(() => undefined);
    const visit = await scene.visit({ beside: sleeper });
    await world.bot("parrot", { botName: "Parrot" });
    await visit.tab.locator(".card", { hasText: "Parrot" }).waitFor();
    await debug.send("Debugger.disable");
    await sleeper.tab.locator(".card", { hasText: "Parrot" }).waitFor();
    await until(() => world.app.gateway.notices.pages === 1, "one reader again");
  },
);

Deno.test("signing out in one tab signs out the others", options, async () => {
  await using scene = await openScene();
  const visit = await scene.visit();
  const beside = await scene.visit({ beside: visit });
  const status = () => beside.tab.evaluate(async () => (await fetch("/api/conversations")).status);
  assert.equal(await status(), 200);
  await visit.tab.keyboard.press("Control+,");
  await visit.tab.locator("dialog").getByRole("button", { name: "Sign out" }).click();
  await visit.tab.waitForSelector("[name=username]");
  await beside.tab.waitForSelector("[name=username]");
  assert.equal(await status(), 401, "the session has ended as well");
});
