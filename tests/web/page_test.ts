/** The page in a browser: what a person does, step by step. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { openScene, reply } from "./harness.ts";
import { lacks } from "../needs.ts";

// The browser's own sockets and processes outlive a step; the scene closes all of them at the end.
const options = { ignore: await lacks("chromium") };

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
    reply(
      bot,
      chat,
      "ld**\n\n```js\nlet a = 1;\n```\n\n$$\\frac{a}{b}$$\n\n|a|b|\n|:-:|-:|\n|1|2|\n\n- [x] done\n",
    );
    reply(bot, chat, "", true);
    await visit.tab.locator(".answer strong", { hasText: "world" }).waitFor();
    await visit.tab.locator(".code .hl-keyword").waitFor();
    await visit.tab.locator(".katex-display").waitFor();
    assert.equal(
      await visit.tab.locator(".answer input[type=checkbox]:checked:disabled").count(),
      1,
    );
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
    const second = await world.bot("second", {
      botName: "Second",
      protocol: 2,
      capabilities: ["cancel"],
    });
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

  await test.step("conversations are listed, renamed, pinned, searched, exported, deleted and brought back", async () => {
    const visit = await scene.visit({ user: "bob" });
    const { tab } = visit;
    for (const text of ["Apples for breakfast", "Pears for lunch"]) {
      await tab.locator(".sidebar .new").click();
      await visit.say(text);
      reply(bot, await bot.next("chat"), `About ${text}`, true);
      await tab.locator(".turn.last[data-state=done]").waitFor();
    }
    await visit.sees("Apples for breakfast", ".sidebar");
    const apples = tab.locator(".conversation", { hasText: "Apples" });
    const act = async (name: string) => {
      await apples.hover();
      await apples.locator(".icon-button").click();
      await tab.getByRole("menuitem", { name, exact: true }).click();
    };
    await act("Rename");
    await tab.locator(".renaming input").fill("Apples and more");
    await tab.locator(".renaming input").press("Enter");
    await visit.sees("Apples and more", ".sidebar");
    await act("Pin");
    await visit.sees("Pinned", ".sidebar");
    const download = tab.waitForEvent("download");
    await act("Export as Markdown");
    assert.match((await download).suggestedFilename(), /Apples and more\.md/);
    await act("Delete");
    await apples.waitFor({ state: "detached" });
    await tab.getByRole("button", { name: "Undo" }).click();
    await apples.waitFor();
    await tab.fill("#search", "lunch");
    await tab.locator(".found-list a", { hasText: "Pears" }).first().click();
    await visit.sees("About Pears for lunch", ".answer");
    await tab.fill("#search", "");
    await tab.reload();
    await visit.sees("Apples and more", ".sidebar");
    assert.deepEqual(visit.faults, []);
    await visit.close();
  });

  await test.step("a draft outlives a reload, and Enter that confirms a candidate does not send", async () => {
    const visit = await scene.visit();
    const { tab } = visit;
    await tab.fill("#composer", "half a thought");
    await tab.reload();
    await tab.waitForSelector("#composer");
    assert.equal(await tab.inputValue("#composer"), "half a thought");
    for (const init of [{ isComposing: true, keyCode: 13 }, { isComposing: false, keyCode: 229 }]) {
      await tab.locator("#composer").evaluate((field, init) => {
        field.dispatchEvent(
          new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...init }),
        );
      }, init);
    }
    assert.equal(await tab.inputValue("#composer"), "half a thought");
    await tab.press("#composer", "Shift+Enter");
    assert.equal(await tab.inputValue("#composer"), "half a thought\n");
    await tab.fill("#composer", "");
    await visit.close();
  });

  await test.step("an edited question is a branch, and both stay to be read", async () => {
    const visit = await scene.visit();
    const { tab } = visit;
    await visit.say("first wording");
    reply(bot, await bot.next("chat"), "answer one", true);
    await visit.sees("answer one", ".answer");
    await tab.locator(".question").first().hover();
    await tab.getByRole("button", { name: "Edit" }).first().click();
    await tab.fill("#composer", "second wording");
    await tab.press("#composer", "Enter");
    reply(bot, await bot.next("chat"), "answer two", true);
    await visit.sees("answer two", ".answer");
    assert.equal(await tab.locator(".turn").count(), 1);
    await visit.sees("2/2", ".versions");
    await tab.getByRole("button", { name: "Earlier version" }).click();
    await visit.sees("answer one", ".answer");
    await tab.getByRole("button", { name: "Ask again" }).click();
    const again = await bot.next("chat");
    assert.equal(again.content, "first wording");
    reply(bot, again, "answer three", true);
    await visit.sees("answer three", ".answer");
    await visit.sees("3/3", ".versions");
    await tab.reload();
    await visit.sees("3/3", ".versions");
    assert.equal(await tab.locator(".turn").count(), 1);
    assert.deepEqual(visit.faults, []);
    await visit.close();
  });

  await test.step("what is sent offline waits visibly and goes out once", async () => {
    const visit = await scene.visit();
    await visit.context.setOffline(true);
    await visit.say("from the tunnel");
    await visit.sees("waits for the connection");
    await visit.context.setOffline(false);
    const chat = await bot.next("chat");
    assert.equal(chat.content, "from the tunnel");
    reply(bot, chat, "heard you", true);
    await visit.sees("heard you", ".answer");
    await visit.close();
  });

  await test.step("an answer goes on after the network was away, with nothing missing", async () => {
    const visit = await scene.visit();
    await visit.say("keep going");
    const chat = await bot.next("chat");
    reply(bot, chat, "before ");
    await visit.sees("before", ".answer");
    await visit.context.setOffline(true);
    reply(bot, chat, "during ");
    await visit.context.setOffline(false);
    reply(bot, chat, "after", true);
    await visit.tab.locator(".answer", { hasText: "before during after" }).waitFor({
      timeout: 20_000,
    });
    await visit.tab.locator(".turn.last[data-state=done]").waitFor();
    await visit.close();
  });

  await test.step("images go both ways", async () => {
    const visit = await scene.visit();
    const { tab } = visit;
    const png = await Deno.readFile(new URL("../../static/icons/icon-192.png", import.meta.url));
    const file = (name: string) => ({ name, mimeType: "image/png", buffer: Buffer.from(png) });
    await tab.locator("input[type=file]").setInputFiles([file("a.png"), file("b.png")]);
    await tab.locator(".composer-images li").nth(1).waitFor();
    await tab.getByRole("button", { name: "Remove image 2" }).click();
    assert.equal(await tab.locator(".composer-images li").count(), 1);
    await visit.say("what is this?");
    const chat = await bot.next("chat");
    assert.match(chat.image, /^data:image\/png;base64,/);
    reply(bot, chat, "This: ", false, { image: chat.image });
    reply(bot, chat, "", true);
    await tab.locator(".answer .picture").click();
    await tab.locator(".lightbox img").waitFor();
    const download = tab.waitForEvent("download");
    await tab.getByRole("button", { name: "Save image" }).click();
    assert.equal((await download).suggestedFilename(), "nexus-1.png");
    await tab.keyboard.press("Escape");
    await tab.locator(".lightbox").waitFor({ state: "detached" });
    assert.deepEqual(visit.faults, []);
    await visit.close();
  });

  await test.step("a bot's file is shown by its name and size, and only saved: in the stream, in the history, in the export", async () => {
    const visit = await scene.visit({ user: "bob" });
    const { tab } = visit;
    await tab.locator(".sidebar .new").click();
    await visit.say("a report, please");
    const chat = await bot.next("chat");
    const pdf = `data:application/pdf;name=${encodeURIComponent("报告 1.pdf")};base64,${
      btoa("%PDF-1.7 report")
    }`;
    reply(bot, chat, "Here:", false, { images: [pdf] });
    const file = tab.locator(".answer .file");
    await file.waitFor();
    assert.equal(
      await file.innerText().then((text) => text.replace(/\s+/g, " ")),
      "报告 1.pdf 15 B",
    );
    reply(bot, chat, "", true, {
      images: [
        `data:text/html;name=${encodeURIComponent("..\\..//a\u202Efdp.html")};base64,${
          btoa("<script>1</script>")
        }`,
        `data:image/svg+xml;base64,${btoa("<svg onload='1'/>")}`,
        "data:application/zip;name=broken.zip;base64,*",
      ],
    });
    await tab.locator(".turn.last[data-state=done]").waitFor();
    const save = async (index: number) => {
      const download = tab.waitForEvent("download");
      await file.nth(index).click();
      const saved = await download;
      return [
        saved.suggestedFilename(),
        await Deno.readTextFile(await saved.path()),
        saved.url().slice(0, 5),
      ];
    };
    for (let round = 0; round < 2; round++) {
      await file.nth(3).waitFor();
      assert.equal(await tab.locator(".answer .picture").count(), 0);
      assert.deepEqual(await save(0), ["报告 1.pdf", "%PDF-1.7 report", "blob:"]);
      assert.deepEqual(await save(1), ["afdp.html", "<script>1</script>", "blob:"]);
      assert.deepEqual(await save(2), ["file.svg", "<svg onload='1'/>", "blob:"]);
      await file.nth(3).click();
      await visit.sees("The file came broken");
      // The second time it is the history that tells.
      if (round === 0) await tab.reload();
    }
    const { conversations } = await (await world.as("bob", "/api/conversations")).json();
    const { id } = conversations.find((each: { title: string }) => each.title.includes("report"));
    const exported = async (format: string) =>
      await (await world.as("bob", `/api/conversations/${id}/export?format=${format}`)).text();
    const markdown = await exported("md");
    assert.ok(markdown.includes("\n\n📎 报告 1\\.pdf (15 B)\n\n📎 afdp\\.html (18 B)\n"), markdown);
    assert.ok(!markdown.includes("data:text/html"), markdown);
    assert.ok((await exported("json")).includes(pdf));
    assert.deepEqual(visit.faults, []);
    await visit.close();
  });

  await test.step("a bot's own message comes with a badge, in every tab", async () => {
    const visit = await scene.visit({ user: "bob" });
    const beside = await scene.visit({ beside: visit });
    const second = await world.bot("herald", { botName: "Herald", protocol: 2 });
    second.send({ type: "push", to: "user:bob", content: "The build is green", id: "p1" });
    await visit.tab.locator(".sidebar .badge").first().waitFor();
    await beside.tab.locator(".sidebar .badge").first().waitFor();
    await visit.tab.locator(".conversation", { has: visit.tab.locator(".badge") }).first().locator(
      "a",
    ).click();
    await visit.sees("The build is green", ".answer");
    await visit.tab.locator(".sidebar .badge").waitFor({ state: "detached" });
    await second.close();
    await visit.close();
  });

  await test.step("an @ opens the bots, and the chosen one answers", async () => {
    const visit = await scene.visit();
    const { tab } = visit;
    const second = await world.bot("owl", {
      botName: "Owl",
      protocol: 2,
      capabilities: ["tools"],
      description: "Knows",
    });
    await visit.sees("Owl", ".cards");
    await tab.locator("#composer").pressSequentially("@ow");
    await tab.locator("[role=option]", { hasText: "Owl" }).waitFor();
    await tab.press("#composer", "Enter");
    await tab.locator("#composer").pressSequentially("who are you?");
    await tab.press("#composer", "Enter");
    const chat = await second.next("chat");
    assert.equal(chat.content, "who are you?");
    let seq = 0;
    const write = (content: string, kind?: string, done = false) =>
      reply(second, chat, content, done, { seq: ++seq, kind });
    write("I should look it up.", "reasoning");
    write(JSON.stringify({ name: "search", phase: "start" }), "tool");
    write(JSON.stringify({ name: "search", phase: "done", detail: "two results" }), "tool");
    write("An owl.");
    write("", undefined, true);
    await visit.sees("An owl.", ".answer");
    assert.equal(await tab.getByText("I should look it up.").isVisible(), false);
    await tab.locator(".reasoning summary").click();
    await visit.sees("I should look it up.");
    await visit.sees("two results");
    assert.deepEqual(visit.faults, []);
    await second.close();
    await visit.close();
  });

  await test.step("every ending is told: failed with a way on, incomplete, queued", async () => {
    const visit = await scene.visit();
    const { tab } = visit;
    const second = await world.bot("weak", { botName: "Weak", protocol: 2, maxConcurrent: 1 });
    await visit.say("@weak fail");
    const chat = await second.next("chat");
    second.send({
      type: "fail",
      replyTo: chat.id,
      code: "bot_failed",
      message: "no more ink",
      retryable: false,
    });
    await tab.locator(".ending.danger").waitFor();
    await tab.locator(".ending .button", { hasText: "Try again" }).waitFor();
    await tab.locator(".sidebar .new").click();
    await visit.say("@weak begin");
    const begun = await second.next("chat");
    reply(second, begun, "I have beg", false, { seq: 1 });
    await visit.sees("I have beg", ".answer");
    const other = await scene.visit({ user: "bob" });
    await other.say("@weak me too");
    await other.sees("waiting, number 1 in line");
    second.send({
      type: "fail",
      replyTo: begun.id,
      code: "bot_gone",
      message: "line broke",
      retryable: false,
    });
    await tab.locator(".turn.last[data-state=incomplete], .turn.last[data-state=failed]").waitFor();
    await visit.sees("I have beg", ".answer");
    reply(second, await second.next("chat"), "your turn", true, { seq: 1 });
    await other.sees("your turn", ".answer");
    await second.close();
    await other.close();
    await visit.close();
  });

  await test.step("a session that ends keeps the draft", async () => {
    const visit = await scene.visit();
    const { tab } = visit;
    await tab.fill("#composer", "do not lose me");
    await tab.context().clearCookies();
    await tab.keyboard.press("Control+,");
    await visit.sees("Your session has ended");
    await tab.fill("[name=username]", "alice");
    await tab.fill("[name=password]", "alice-pass");
    await tab.press("[name=password]", "Enter");
    await tab.waitForSelector("#composer");
    assert.equal(await tab.inputValue("#composer"), "do not lose me");
    await tab.fill("#composer", "");
    await visit.close();
  });

  await test.step("language, theme, keys and sessions", async () => {
    const visit = await scene.visit({ locale: "zh-CN" });
    const { tab } = visit;
    await visit.sees("新对话", ".sidebar");
    assert.equal(await tab.locator("html").getAttribute("lang"), "zh-CN");
    await tab.locator(".head h1").click();
    await tab.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    await tab.keyboard.press("?");
    await visit.sees("键盘快捷键", "dialog");
    await tab.keyboard.press("Escape");
    await tab.keyboard.press("Control+,");
    await visit.sees("本浏览器", "dialog");
    await tab.getByRole("button", { name: "深色" }).click();
    assert.equal(await tab.locator("html").getAttribute("data-theme"), "dark");
    await tab.locator("dialog").getByRole("button", { name: "English" }).click();
    await visit.sees("Settings", "dialog");
    await tab.reload();
    await visit.sees("New conversation", ".sidebar");
    assert.equal(await tab.locator("html").getAttribute("data-theme"), "dark");
    assert.deepEqual(visit.faults, []);
    await visit.close();
    const spoken = await scene.visit({ user: "bob", locale: "zh-CN" });
    await spoken.say("你好");
    reply(bot, await bot.next("chat"), "你好！", true);
    await spoken.tab.locator(".turn.last[data-state=done]").waitFor();
    await spoken.close();
    const elsewhere = await scene.visit({ user: "bob", locale: "fr-FR" });
    await elsewhere.sees("新对话", ".sidebar");
    await elsewhere.close();
  });

  await test.step("an admin sees the gateway, adds a person and makes a bot's token; a member sees none of it", async () => {
    const visit = await scene.visit({ user: "root" });
    const { tab } = visit;
    await tab.getByRole("button", { name: "Administration" }).click();
    await visit.sees("Chunks per second");
    await tab.getByRole("tab", { name: "Bots", exact: true }).click();
    await visit.sees("Parrot", ".list");
    await tab.getByRole("tab", { name: "People" }).click();
    await visit.sees("alice", ".list");
    await tab.getByRole("button", { name: "Add a person" }).click();
    await tab.fill("[name=id]", "carol");
    await tab.getByRole("button", { name: "Make one" }).click();
    await tab.getByRole("button", { name: "Save" }).click();
    await visit.sees("carol", ".list");
    await tab.getByRole("tab", { name: "Bot tokens" }).click();
    await tab.fill("[name=botId]", "newcomer");
    await tab.getByRole("button", { name: "Make a token" }).click();
    await visit.sees("The token of newcomer");
    await tab.getByRole("tab", { name: "Audit log" }).click();
    await visit.sees("person added", ".list");
    await tab.getByRole("tab", { name: "In flight" }).click();
    await visit.sees("Nothing here.");
    assert.deepEqual(visit.faults, []);
    await visit.close();
    const member = await scene.visit();
    assert.equal(await member.tab.getByRole("button", { name: "Administration" }).count(), 0);
    await member.close();
  });

  await test.step("without a network the page still opens, and says so", async () => {
    const visit = await scene.visit();
    const { tab } = visit;
    await tab.evaluate(() => navigator.serviceWorker.ready);
    await tab.reload();
    await tab.waitForSelector("#composer");
    await visit.context.setOffline(true);
    await tab.reload();
    await visit.sees("The gateway cannot be reached.");
    await visit.context.setOffline(false);
    await tab.waitForSelector("#composer", { timeout: 10_000 });
    await visit.close();
  });
});
