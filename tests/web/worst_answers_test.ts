/** The worst Markdown in a browser: the page lives on while it is drawn, and shows the words. */
import assert from "node:assert/strict";
import {
  MAX_CODE_LENGTH as LONGEST_CODE,
  MAX_WORKER_TIMEOUTS,
  WORKER_TIMEOUT_MS,
} from "../../src/web/markdown/highlighter.ts";
import { MAX_FORMULA_LENGTH as LONGEST_FORMULA } from "../../src/web/markdown/math_renderer.ts";
import { RENDER_BUDGET_MS } from "../../src/web/markdown/markdown_view.ts";
import { lacks } from "../needs.ts";
import { fill } from "../worst_cases.ts";
import { openScene, reply } from "./harness.ts";

/**
 * Milliseconds for which nothing may hold the page, drawing included, on a machine that does six
 * other things meanwhile. Without the bounds it was held for minutes. What reading alone costs is
 * in `worst_inputs_test.ts`, in CPU.
 */
const MOST = 8_000;

const SIZE = 256 << 10;

const ANSWERS: Readonly<Record<string, string>> = {
  "nested quotes": fill(">", SIZE),
  "bold words": fill("**a** ", SIZE),
  "a list": fill("- a\n", SIZE),
  "tags in each other": fill("<b>", SIZE),
  "formulas": fill("$x^2$ a\n\n", 20_000),
  "code on one line": `\`\`\`js\n${fill("a ", SIZE)}\n\`\`\``,
  "code that is slow to colour": fill(`\`\`\`csharp\n${fill("a a ", 19_000)}\n\`\`\`\n\n`, 100_000),
  "marks of direction in code": `\`\`\`\n${fill("\u202e", SIZE)}\n\`\`\``,
};

Deno.test("no answer holds the page", {
  ignore: await lacks("chromium"),
}, async (test) => {
  await using scene = await openScene();
  const { world } = scene;
  const bot = await world.bot("parrot", { botName: "Parrot", protocol: 2 });
  bot.answerAll((chat) => {
    const text = ANSWERS[String(chat.content)] ?? String(chat.content);
    let seq = 0;
    for (let at = 0; at < text.length; at += 60_000) {
      reply(bot, chat, text.slice(at, at + 60_000), false, { seq: ++seq });
    }
    reply(bot, chat, "", true, { seq: ++seq });
  });
  for (const name of Object.keys(ANSWERS)) {
    await test.step(name, async () => {
      const visit = await scene.visit();
      const { tab } = visit;
      await tab.evaluate(() => {
        const held = { longest: 0 };
        Object.assign(globalThis, { held });
        new PerformanceObserver((list) => {
          for (const { duration } of list.getEntries()) {
            held.longest = Math.max(held.longest, duration);
          }
        }).observe({ type: "longtask" });
      });
      await visit.say(name);
      await tab.locator(".turn.last[data-state=done]").waitFor({ timeout: 60_000 });
      await tab.waitForFunction(() =>
        document.querySelector(".turn.last .prose")!.textContent !== ""
      );
      await tab.fill("#composer", "still here");
      const longest = await tab.evaluate(() =>
        (globalThis as unknown as { held: { longest: number } }).held.longest
      );
      assert.ok(longest <= MOST, `${longest} ms`);
      assert.deepEqual(visit.faults, []);
      await visit.close();
    });
  }
});

Deno.test("docs/security.md says of drawing, formulas and colours what the code does", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/security.md", import.meta.url));
  const row = (begins: string, figure: string) =>
    assert.ok(
      page.split("\n").some((line) =>
        line.startsWith(`| ${begins}`) && line.includes(`| ${figure} `)
      ),
      begins,
    );
  row("reading and drawing before", `${RENDER_BUDGET_MS} ms`);
  row("a formula", `${LONGEST_FORMULA.toLocaleString("en")} characters`);
  row(
    "colours of a block of code",
    `${LONGEST_CODE.toLocaleString("en")} characters, and ${
      WORKER_TIMEOUT_MS / 1000
    } s in a worker; ` +
      `after ${MAX_WORKER_TIMEOUTS} that took longer there are none`,
  );
});
