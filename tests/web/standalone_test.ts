/** The page as one file, hosted anywhere. */
import assert from "node:assert/strict";
import { startWorld } from "../world.ts";
import { listen, openBrowser } from "./browser.ts";
import { buildApart, chrome, reply } from "./harness.ts";
import { lacks } from "../needs.ts";

Deno.test("the one-file page asks for a gateway, signs in there and talks", {
  ignore: await lacks("chromium"),
}, async () => {
  const folder = await Deno.makeTempDir();
  await buildApart({ outDir: `${folder}/build`, minify: true, standaloneDir: folder });
  const html = await Deno.readTextFile(`${folder}/web-chat.html`);
  const host = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response(html, { headers: { "content-type": "text/html; charset=utf-8" } }),
  );
  const origin = `http://127.0.0.1:${host.addr.port}`;
  const browser = await openBrowser(chrome!);
  {
    await using world = await startWorld({ demo: false, allowedOrigins: [origin] });
    const bot = await world.bot("parrot");
    const tab = await browser.newPage();
    const { faults } = listen(tab, origin);
    await tab.goto(origin);
    await tab.fill("[name=address]", world.url);
    await tab.fill("[name=username]", "alice");
    await tab.fill("[name=password]", "alice-pass");
    await tab.press("[name=password]", "Enter");
    await tab.waitForSelector("#composer");
    await tab.fill("#composer", "from afar");
    await tab.press("#composer", "Enter");
    reply(bot, await bot.next("chat"), "**heard** $x^2$", true);
    await tab.locator(".answer strong", { hasText: "heard" }).waitFor();
    await tab.locator(".katex").waitFor();
    await tab.reload();
    await tab.locator(".answer strong", { hasText: "heard" }).waitFor();
    // It speaks to its gateway and to nobody else.
    assert.deepEqual(faults.filter((fault) => !fault.startsWith(`request: ${world.url}`)), []);
    await browser.close();
  }
  await host.shutdown();
  await Deno.remove(folder, { recursive: true });
});
