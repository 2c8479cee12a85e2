/**
 * This is `deno task figures:page`: the page's figures, measured in the browser against a real
 * gateway: bytes and time of the first load, and the longest task of the main thread while a long
 * conversation gets a fast answer. Exit code 1 when a bound is missed.
 */
import { chrome, openScene, reply, type Scene, type Visit } from "./harness.ts";
import type { Frame, TestBot } from "../world.ts";

if (!chrome) {
  console.error("No browser: set CHROME_PATH.");
  Deno.exit(1);
}
let missed = 0;
{
  await using scene = await openScene({
    limits: { messagesPerMinute: 100_000, messagesPerDay: 1_000_000 },
  });
  const bot = await scene.world.bot("quick", { botName: "Quick", protocol: 2 });
  bot.answerAll((chat) => void answer(bot, chat));
  await firstLoad(scene);
  await conversation(scene, "500 messages, then 200 chunks/s for 20 s", "fast");
  await conversation(scene, "500 messages, then 100 KB with 50 code blocks", "code");
}
Deno.exit(missed > 0 ? 1 : 0);

function tell(what: string, value: number, unit: string, bound: number): void {
  const good = value <= bound;
  if (!good) missed++;
  console.log(
    `${good ? "ok  " : "MISS"} ${what}: ${value.toFixed(1)} ${unit} (must be ≤ ${bound} ${unit})`,
  );
}

/** Script before the first answer as it travels, and the time until a person can type. */
async function firstLoad(scene: Scene): Promise<void> {
  const manifest = JSON.parse(
    await Deno.readTextFile(new URL("../../static/build/manifest.json", import.meta.url)),
  );
  const bytes = (manifest.first as string[]).filter((name) => name.endsWith(".js"))
    .reduce((sum, name) => sum + (manifest.files[name].gzip ?? manifest.files[name].bytes), 0);
  tell("first load, script, gzip", bytes / 1024, "KB", 110);
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const visit = await scene.open();
    await visit.tab.waitForSelector("[name=username]");
    times.push(
      await visit.tab.evaluate(() => {
        const paint = performance.getEntriesByName("first-contentful-paint")[0];
        const [load] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
        return Math.max(paint?.startTime ?? 0, load!.domContentLoadedEventEnd);
      }),
    );
    await visit.close();
  }
  times.sort((a, b) => a - b);
  tell("interactive, median of 5", times[2]!, "ms", 1000);
}

async function conversation(scene: Scene, what: string, how: "fast" | "code"): Promise<void> {
  const { world } = scene;
  const made = await (await world.as("alice", "/api/conversations", { json: {} })).json();
  for (let turn = 0; turn < 250; turn++) {
    const response = await world.as("alice", "/api/chat", {
      json: { message: `question ${turn}`, conversationId: made.id },
    });
    await response.body?.cancel();
  }
  const visit = await scene.visit();
  const { tab } = visit;
  await tab.goto(`${world.url}/#/c/${made.id}`);
  await tab.waitForSelector(".turn");
  while (await tab.locator(".earlier").count() > 0) {
    await tab.locator(".earlier").click();
    await tab.waitForTimeout(120);
  }
  await tab.waitForFunction(() => document.querySelectorAll(".turn").length === 250);
  await tab.waitForTimeout(1500);
  // A reader in the middle: the view must stay.
  await tab.locator(".scroller").hover();
  await tab.mouse.wheel(0, -4000);
  await tab.waitForTimeout(500);
  await tab.evaluate(() => {
    const held = globalThis as unknown as { longest: number; tasks: number };
    held.longest = 0;
    held.tasks = 0;
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) {
        held.longest = Math.max(held.longest, duration);
        held.tasks++;
      }
    }).observe({ type: "longtask" });
  });
  await scene.browser.startTracing(tab, { categories: ["toplevel", "__metadata"] });
  await visit.say(how);
  await tab.waitForSelector(".turn.last[data-state=answering]");
  await tab.locator(".scroller").hover();
  await tab.mouse.wheel(0, -3000);
  await tab.waitForTimeout(800);
  const before = await place(visit);
  await tab.locator(".turn.last[data-state=done]").waitFor({ timeout: 120_000, state: "attached" });
  await tab.waitForTimeout(1000);
  const { longest, tasks } = await tab.evaluate(() => {
    const held = globalThis as unknown as { longest: number; tasks: number };
    return { longest: held.longest, tasks: held.tasks };
  });
  const cpu = longestCpu(await scene.browser.stopTracing());
  // By the thread's own clock, which does not run while other programs have the processor; the
  // wall's clock is said beside it.
  tell(
    `${what}: longest task, CPU (by the wall's clock ${
      longest.toFixed(0)
    } ms, ${tasks} of 50 or more)`,
    cpu,
    "ms",
    50,
  );
  tell(`${what}: the reader's place moved by`, Math.abs(await place(visit) - before), "px", 1);
  const text = await tab.evaluate(() =>
    document.querySelector(".turn.last .prose")!.textContent ?? ""
  );
  const expected = how === "fast" ? 4000 : 50;
  const came = how === "fast"
    ? (text.match(/w\d+;/g) ?? []).length
    : (text.match(/block \d+/g) ?? []).length;
  tell(`${what}: missing pieces`, expected - came, "", 0);
  await visit.close();
}

/** The longest task of a page's main thread in a trace, in milliseconds of that thread's CPU. */
function longestCpu(trace: Uint8Array): number {
  interface Entry {
    readonly name: string;
    readonly pid: number;
    readonly tid: number;
    readonly tdur?: number;
    readonly args?: { readonly name?: string };
  }
  const { traceEvents } = JSON.parse(new TextDecoder().decode(trace)) as { traceEvents: Entry[] };
  const mains = new Set<string>();
  for (const { name, pid, tid, args } of traceEvents) {
    if (name === "thread_name" && args?.name === "CrRendererMain") mains.add(`${pid}:${tid}`);
  }
  let longest = 0;
  for (const { pid, tid, tdur } of traceEvents) {
    if (tdur !== undefined && mains.has(`${pid}:${tid}`)) longest = Math.max(longest, tdur / 1000);
  }
  return longest;
}

/** Where a turn in the middle of the view stands. */
function place(visit: Visit): Promise<number> {
  return visit.tab.evaluate(() => {
    const held = globalThis as unknown as { anchor?: Element };
    held.anchor ??= document.elementFromPoint(innerWidth / 2 + 100, innerHeight / 2)!.closest(
      ".turn",
    )!;
    return held.anchor.getBoundingClientRect().top;
  });
}

async function answer(bot: TestBot, chat: Frame): Promise<void> {
  let seq = 0;
  const write = (content: string, done = false) => reply(bot, chat, content, done, { seq: ++seq });
  if (chat.content === "fast") {
    const begun = performance.now();
    for (let word = 0; word < 4000; word++) {
      write(`w${word}; ${word % 40 === 39 ? "\n\n" : word % 13 === 0 ? "**bold** " : ""}`);
      const wait = begun + word * 5 - performance.now();
      if (wait > 4) await new Promise((resolve) => setTimeout(resolve, wait));
    }
    return write("", true);
  }
  if (chat.content === "code") {
    for (let block = 0; block < 50; block++) {
      const lines = Array.from(
        { length: 38 },
        (_, line) => `const value${line} = compute("text ${line}", ${line}); // note`,
      );
      const text = `Text about block ${block}.\n\n\`\`\`js\n${lines.join("\n")}\n\`\`\`\n\n`;
      for (const part of text.match(/[^]{1,25}/g)!) write(part);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return write("", true);
  }
  write(
    `An answer with **some** words to ${chat.content}, a list:\n\n- one\n- two\n\nand \`code\`.`,
    true,
  );
}
