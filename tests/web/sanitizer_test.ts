/** Nothing that a bot says runs, loads, covers or leaves; and the page can be used by everybody. */
import assert from "node:assert/strict";
import { openScene, reply } from "./harness.ts";
import { HOSTILE, HOSTILE_NAMES } from "./hostile.ts";
import type { Tab } from "./browser.ts";
import { lacks } from "../needs.ts";

const options = { ignore: await lacks("chromium") };

/** What must not stand in anything that a bot wrote, by the browser's own reading of it. */
function breaches(tab: Tab): Promise<string[]> {
  return tab.evaluate(() => {
    const found: string[] = [];
    if ((globalThis as unknown as { __pwned?: unknown }).__pwned !== undefined) {
      found.push("a script ran");
    }
    const tags =
      "script,iframe,object,embed,style,link,meta,base,form,button:not(.code-copy),textarea,select,video,audio,source,frame";
    for (const element of document.querySelectorAll(".prose")) {
      for (const bad of element.querySelectorAll(tags)) found.push(`<${bad.localName}> in a reply`);
      for (const bad of element.querySelectorAll("svg,math")) {
        if (!bad.closest(".katex, .katex-display")) found.push(`<${bad.localName}> in a reply`);
      }
      for (const node of element.querySelectorAll("*")) {
        if (node.closest(".katex, .katex-display")) continue;
        for (const { name, value } of node.attributes) {
          if (/^on|^style$|^id$|^name$|^srcset$|^ping$|^form|^popover/.test(name)) {
            found.push(`${name} in a reply`);
          }
          if (name === "href" && !/^(?:https?:\/\/|mailto:|tel:)/i.test(value)) {
            found.push(`href ${value}`);
          }
          if (
            name === "src" && !/^data:image\/(?:png|jpeg|gif|webp|avif|bmp);base64,/i.test(value)
          ) {
            found.push(`src ${value}`);
          }
          if (
            name === "class" &&
            !/^(?:math|code|code-head|code-copy|bidi|table-frame|hl-.*|plain-slice)$/.test(value)
          ) {
            found.push(`class ${value}`);
          }
        }
        if (
          node instanceof HTMLAnchorElement && node.href &&
          (node.target !== "_blank" || !/noopener/.test(node.rel))
        ) {
          found.push(`a link that keeps a hold: ${node.outerHTML.slice(0, 120)}`);
        }
        const look = getComputedStyle(node);
        if (look.position === "fixed") found.push("covers the page");
      }
    }
    for (const file of document.querySelectorAll(".answer .file")) {
      const inside = [...file.querySelectorAll("*")].map((node) => node.localName).join();
      if (inside !== "svg,path,bdi,span") found.push(`${inside} in a file`);
      const name = file.querySelector("bdi")!.textContent!;
      if (name === "" || /[\p{Cc}\p{Cf}\p{Cs}/\\]/u.test(name)) {
        found.push(`a file called ${JSON.stringify(name)}`);
      }
    }
    return found;
  });
}

Deno.test(`a corpus of ${HOSTILE.length} hostile answers does nothing`, options, async (test) => {
  assert.ok(HOSTILE.length >= 150);
  await using scene = await openScene({ limits: { messagesPerMinute: 100000 } });
  const { world } = scene;
  const bot = await world.bot("mallory", { botName: "Mallory", protocol: 2 });
  bot.answerAll((chat) => {
    const text = HOSTILE[Number(chat.content)] ??
      HOSTILE.filter((each) => each.length < 20_000).join("\n\n");
    const size = text.length > 20_000 ? text.length : Number(chat.content) >= 0 ? 7 : 301;
    let seq = 0;
    for (let at = 0; at < text.length; at += size) {
      reply(bot, chat, text.slice(at, at + size), false, { seq: ++seq });
    }
    // Names of files that are the same tricks, or paths.
    const names = [text.slice(0, 300), ...HOSTILE_NAMES, "../../etc/passwd", "a\u202Efdp.exe"];
    const images = names.map((name) =>
      `data:text/html;name=${encodeURIComponent(name.toWellFormed())};base64,PGI+`
    );
    images.push(...names.map((name) => `data:text/html;name=${name};base64,PGI+`));
    reply(bot, chat, "", true, { seq: ++seq, images });
  });

  await test.step("read from the history", async () => {
    const made = await (await world.as("alice", "/api/conversations", { json: {} })).json();
    const ask = async (index: number) => {
      const response = await world.as("alice", "/api/chat", {
        json: { message: String(index), conversationId: made.id },
      });
      assert.equal(response.status, 200, `case ${index}: ${await response.text()}`);
    };
    for (let index = 0; index < HOSTILE.length; index += 10) {
      await Promise.all(HOSTILE.slice(index, index + 10).map((_, offset) => ask(index + offset)));
    }
    const visit = await scene.visit();
    const { tab } = visit;
    const dialogs: string[] = [];
    tab.on("dialog", (dialog) => {
      dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    await tab.goto(`${world.url}/#/c/${made.id}`);
    await tab.waitForSelector(".turn");
    // Some answers move what is on the page, so the button is pressed without a pointer.
    await tab.waitForFunction((count) => {
      document.querySelector<HTMLElement>(".earlier")?.click();
      return document.querySelectorAll(".turn").length === count;
    }, HOSTILE.length);
    await tab.waitForTimeout(800);
    // Whatever waits for a pointer or the focus gets it.
    await tab.evaluate(() => {
      for (const element of document.querySelectorAll<HTMLElement>(".prose *")) {
        for (const type of ["mouseover", "pointerenter", "focus", "toggle"]) {
          element.dispatchEvent(new Event(type, { bubbles: true }));
        }
      }
    });
    assert.deepEqual(await breaches(tab), []);
    assert.deepEqual(dialogs, []);
    assert.deepEqual(visit.faults, []);
    assert.ok(await tab.locator("#composer").isVisible());
    await visit.close();
  });

  await test.step("as it streams, all in one answer", async () => {
    const visit = await scene.visit();
    await visit.say("all");
    await visit.tab.locator(".turn.last[data-state=done]").waitFor({ timeout: 30_000 });
    await visit.tab.waitForTimeout(500);
    assert.ok(await visit.tab.locator(".answer .file").count() > 10);
    assert.deepEqual(await breaches(visit.tab), []);
    assert.deepEqual(visit.faults, []);
    await visit.close();
  });

  await test.step("bots' names are only names", async () => {
    const bots = await Promise.all(
      HOSTILE_NAMES.map((name, index) => world.bot(`evil-${index}`, { botName: name })),
    );
    const visit = await scene.visit();
    await visit.tab.waitForFunction(
      (count) => document.querySelectorAll(".card").length >= count,
      HOSTILE_NAMES.length,
    );
    await visit.tab.locator(".chip").click();
    await visit.tab.keyboard.press("Escape");
    await visit.tab.locator("#composer").pressSequentially("@");
    await visit.tab.waitForSelector(".mention-list");
    for (const text of await visit.tab.locator(".bot-name").allTextContents()) {
      // deno-lint-ignore no-control-regex -- control characters are the attack
      assert.doesNotMatch(text, /[\u0000-\u001f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/);
      assert.ok(text.length <= 60);
    }
    assert.deepEqual(await breaches(visit.tab), []);
    assert.deepEqual(visit.faults, []);
    for (const bot of bots) await bot.close();
    await visit.close();
  });
});

Deno.test(
  "axe finds nothing on sign-in, chat, settings and administration, in both themes",
  options,
  async () => {
    await using scene = await openScene({
      signIn: { proxy: { header: "x-remote-user", from: ["127.0.0.1"] } },
      limits: { messagesPerDay: 10, imageBytesPerDay: 1000000, turnsAtOnce: 4 },
      bots: {
        model: {
          type: "openai",
          model: "m",
          baseUrl: "http://127.0.0.1:9/v1",
          budget: { requestsPerMinute: 10, spendPerMonth: 5 },
          price: { input: 1, output: 2 },
        },
      },
      channels: {
        feishu: {
          main: {
            appId: "cli_0123456789abcdef",
            appSecret: "s",
            encryptKey: "k",
            verificationToken: "t",
            mode: "webhook",
            baseUrl: "http://127.0.0.1:9",
          },
        },
      },
    });
    const bot = await scene.world.bot("parrot", {
      botName: "Parrot",
      description: "Says it again",
      capabilities: ["images"],
    });
    const found: string[] = [];
    for (const dark of [false, true]) {
      const look = async (tab: Tab, what: string) => {
        const source = await axe();
        // The page's policy lets no script in; the test's own comes through the debugger.
        await tab.evaluate(source);
        const { violations } = await tab.evaluate(() =>
          (globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }).axe
            .run()
        );
        for (const { id, nodes } of violations) {
          found.push(
            `${what}${dark ? ", dark" : ""}: ${id}: ${
              nodes.map((node) => node.html.slice(0, 160)).join(" | ")
            }`,
          );
        }
      };
      const first = await scene.open({ dark, path: "/?sign_in=forbidden" });
      await first.tab.waitForSelector(".providers");
      await look(first.tab, "sign-in");
      await first.close();
      const visit = await scene.visit({ user: "root", dark });
      const { tab } = visit;
      await tab.waitForSelector(".card");
      await look(tab, "first minute");
      await visit.say("@parrot Show me everything");
      const chat = await bot.next("chat");
      reply(
        bot,
        chat,
        "# Title\n\nText with `code` and [a link](https://example.com).\n\n> quote\n\n|a|b|\n|-|-|\n|1|2|\n\n- [x] done\n\n",
      );
      reply(
        bot,
        chat,
        "```js\n// note\nconst a = 'text' + 1; function f() { return /x/; }\n```\n\n$x^2$",
        true,
      );
      await tab.locator(".code .hl-keyword").first().waitFor();
      await tab.locator(".katex").waitFor();
      await tab.locator(".question").hover();
      await look(tab, "chat");
      await tab.locator(".chip").click();
      await look(tab, "bots");
      await tab.keyboard.press("Escape");
      await tab.keyboard.press("Control+,");
      await tab.locator("dialog").waitFor();
      await tab.getByRole("button", { name: "Make a key" }).click();
      await tab.getByLabel("only these").check();
      await tab.getByRole("button", { name: "Set up" }).click();
      await tab.waitForSelector(".qr");
      await tab.getByLabel("Code from the chat").waitFor();
      await look(tab, "settings");
      await tab.getByLabel("all that I may use").check();
      await tab.getByLabel("What it is for").fill(`a${dark}`);
      await tab.getByRole("button", { name: "Make a key" }).click();
      await tab.locator(".new-key code").waitFor();
      await look(tab, "a key");
      await tab.keyboard.press("Escape");
      await tab.getByRole("button", { name: "Administration" }).click();
      for (
        const name of [
          "Overview",
          "Bots",
          "In flight",
          "People",
          "API keys",
          "Bot tokens",
          "Budgets",
          "Chat apps",
          "Audit log",
        ]
      ) {
        await tab.getByRole("tab", { name, exact: true }).click();
        await tab.waitForTimeout(150);
        await look(tab, `admin ${name}`);
      }
      await visit.close();
    }
    assert.deepEqual(found, []);
  },
);

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

async function axe(): Promise<string> {
  // deno-lint-ignore no-import-prefix -- only this test needs it
  const { source } = await import("npm:axe-core@4.13.0").then((module) => module.default ?? module);
  return source;
}
