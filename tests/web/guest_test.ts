/** The page as a guest of the system: notifications, being installed, and every width of window. */
import assert from "node:assert/strict";
import { openScene, reply, type Visit } from "./harness.ts";
import { lacks } from "../needs.ts";

const options = { ignore: await lacks("chromium") };
const notifying = { ...options, ignore: await lacks("chromium with notifications") };

Deno.test(
  "a bot's own message is a notification of the system while the page is in the background",
  notifying,
  async () => {
    await using scene = await openScene();
    const { world } = scene;
    const bot = await world.bot("herald", { botName: "Herald", protocol: 2 });
    const visit = await scene.visit();
    const { tab, context } = visit;
    await context.grantPermissions(["notifications"], { origin: world.url });
    await tab.evaluate(() => navigator.serviceWorker.ready);
    await tab.reload();
    await tab.waitForSelector(".card");
    await tab.keyboard.press("Control+,");
    await tab.getByRole("button", { name: "Turn on" }).click();
    await tab.getByRole("button", { name: "Turn off" }).waitFor();
    await tab.keyboard.press("Escape");

    const shown = () =>
      tab.evaluate(async () => {
        const worker = await navigator.serviceWorker.ready;
        return (await worker.getNotifications()).map(({ title, body, data }) => ({
          title,
          body,
          place: data.place,
        }));
      });
    const push = async (content: string) => {
      bot.send({ type: "push", to: "user:alice", content, id: content });
      assert.equal((await bot.next("pushed")).success, true);
    };
    await push("while you look");
    await tab.locator(".sidebar .badge", { hasText: "1" }).waitFor();
    assert.deepEqual(await shown(), [], "who looks at the page needs no notification");

    // A tab without a window cannot be put behind another one: it is told that it is.
    await tab.evaluate(() => {
      Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await push("The build is green");
    await tab.locator(".sidebar .badge", { hasText: "2" }).waitFor();
    let notes = await shown();
    for (let tries = 0; notes.length === 0 && tries < 100; tries++) {
      await tab.waitForTimeout(50);
      notes = await shown();
    }
    assert.deepEqual(notes.map(({ title, body }) => [title, body]), [[
      "Herald",
      "The build is green",
    ]]);
    assert.match(notes[0]!.place, /^#\/c\//);
    assert.deepEqual(visit.faults, []);
  },
);

Deno.test(
  "the page offers to be installed where the browser does, and only once",
  options,
  async () => {
    await using scene = await openScene();
    const visit = await scene.visit();
    const { tab } = visit;
    await tab.keyboard.press("Control+,");
    await visit.sees("Notifications", "dialog");
    assert.equal(await tab.getByRole("button", { name: "Install" }).count(), 0);
    await tab.evaluate(() => {
      const offer = new Event("beforeinstallprompt", { cancelable: true });
      Object.assign(offer, {
        prompt: () => {
          document.title = `asked${offer.defaultPrevented ? ", in its own time" : ""}`;
          return Promise.resolve({ outcome: "accepted" });
        },
      });
      dispatchEvent(offer);
    });
    await tab.getByRole("button", { name: "Install" }).click();
    assert.equal(await tab.title(), "asked, in its own time");
    await tab.getByRole("button", { name: "Install" }).waitFor({ state: "detached" });
    assert.deepEqual(visit.faults, []);
  },
);

/** What is wider than the window: nothing may be. What scrolls inside of its own frame is not. */
function overflow({ tab }: Visit): Promise<string[]> {
  return tab.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const found: string[] = [];
    if (document.documentElement.scrollWidth > width) {
      found.push(`the page is ${document.documentElement.scrollWidth}`);
    }
    const framed = (element: Element): boolean => {
      for (let at = element.parentElement; at && at !== document.body; at = at.parentElement) {
        if (/auto|scroll/.test(getComputedStyle(at).overflowX) && at.scrollWidth > at.clientWidth) {
          return !at.matches(".admin, .scroller, dialog, .sidebar");
        }
      }
      return false;
    };
    for (const element of document.querySelectorAll("body *")) {
      const { left, right, width: own } = element.getBoundingClientRect();
      if (own === 0 || element.closest(".off-screen, .skip, svg, .katex")) continue;
      if ((right > width + 1 || left < -1) && !framed(element)) {
        found.push(
          `${element.tagName} .${element.getAttribute("class")} ${Math.round(left)}–${
            Math.round(right)
          }`,
        );
      }
    }
    return found.slice(0, 5);
  });
}

const LONG = "# A title\n\nA word that is very long: " + "Donaudampfschifffahrt".repeat(8) +
  "\n\n|a|b|c|d|e|f|\n|-|-|-|-|-|-|\n|" + "some cell text|".repeat(6) + "\n\n```\n" +
  "x".repeat(300) +
  "\n```\n\n$$" + "a+b+c+d+e+f+g+h+".repeat(8) + "z$$\n\nhttps://example.com/" + "path/".repeat(40);

/** Admin pages, and what is there when they have been told what they show. */
const ADMIN = {
  overview: ".figures",
  bots: ".list",
  turns: ".muted",
  people: ".list",
  keys: ".muted",
  tokens: ".muted",
  budgets: ".meters",
  apps: ".list",
  audit: ".list",
};

for (const [width, height] of [[360, 640], [390, 844], [1440, 900], [2560, 1440]] as const) {
  Deno.test(`at ${width} pixels nothing is wider than the window`, options, async () => {
    await using scene = await openScene({
      signIn: { proxy: { header: "x-remote-user", from: ["127.0.0.1"] } },
      limits: { messagesPerDay: 100, imageBytesPerDay: 1000000 },
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
    const { world } = scene;
    const bot = await world.bot("parrot", {
      botName: "Parrot of a rather long name",
      description: "Says it again",
    });
    const touch = width < 600;
    const first = await scene.open({ width, height, touch, path: "/?sign_in=forbidden" });
    await first.tab.waitForSelector(".providers");
    assert.deepEqual(await overflow(first), [], "sign-in");
    await first.close();
    const visit = await scene.visit({ user: "root", width, height, touch });
    const { tab } = visit;
    await tab.locator(".card").first().waitFor();
    assert.deepEqual(await overflow(visit), [], "first minute");
    await tab.fill("#composer", "@parrot a question " + "withoutanyspace".repeat(20));
    await tab.locator(".send").click();
    reply(bot, await bot.next("chat"), LONG, true);
    await tab.locator(".katex-display").waitFor();
    assert.deepEqual(await overflow(visit), [], "chat");
    if (width >= 2560) {
      const column = await tab.locator(".answer .prose").first().boundingBox();
      assert.ok(column!.width <= 46 * 16 + 1, `the reading column is ${column!.width} wide`);
    }
    await tab.keyboard.press("Control+,");
    await tab.getByRole("button", { name: "Set up" }).click();
    await tab.getByRole("button", { name: "Make a key" }).click();
    await tab.waitForSelector(".qr");
    assert.deepEqual(await overflow(visit), [], "settings");
    await tab.keyboard.press("Escape");
    for (const [place, ready] of Object.entries(ADMIN)) {
      await tab.goto(`${world.url}/#/admin/${place}`);
      await tab.locator(`#tab-${place}[aria-selected=true]`).waitFor();
      await tab.locator(`#admin-panel ${ready}`).first().waitFor();
      assert.deepEqual(await overflow(visit), [], `admin ${place}`);
    }
    assert.deepEqual(visit.faults, []);
  });
}
