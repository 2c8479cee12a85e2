/**
 * This is `deno task shots`: pictures of the page in both themes, both languages and two sizes, to
 * be looked at. They go to `dist/shots`; with `--readme` the two for the README go to
 * `docs/images`.
 */
import { chrome, openScene, reply, type Scene, type Visit } from "./harness.ts";
import type { Frame, TestBot } from "../world.ts";

const OUT = new URL("../../dist/shots/", import.meta.url);
const README = new URL("../../docs/images/", import.meta.url);
const only = Deno.args.find((arg) => !arg.startsWith("--"));

async function shoot(
  scene: Scene,
  language: "zh" | "en",
  dark: boolean,
  width: number,
  height: number,
  name: string,
) {
  const touch = width < 600;
  const options = { locale: language === "zh" ? "zh-CN" : "en-US", dark, width, height, touch };
  const take = async (visit: Visit, what: string) => {
    await visit.tab.waitForTimeout(250);
    await visit.tab.screenshot({ path: new URL(`${name}-${what}.png`, OUT).pathname });
  };
  const first = await scene.open(options);
  await take(first, "1-sign-in");
  await first.close();

  const user = language === "zh" ? "alice" : "bob";
  const visit = await scene.visit({ ...options, user });
  await visit.tab.waitForSelector(".card");
  await take(visit, "2-first");
  const talk = TALK[language];
  for (const question of talk.slice(0, 3)) {
    await visit.tab.keyboard.press("Alt+n");
    await visit.tab.waitForSelector(".first");
    await send(visit, question);
    await visit.tab.locator(".turn.last[data-state=done]").waitFor();
  }
  await visit.tab.keyboard.press("Alt+n");
  await visit.tab.waitForSelector(".first");
  await send(visit, talk[3]!);
  await visit.tab.locator(".turn.last[data-state=done]").waitFor();
  await visit.tab.mouse.move(width / 2, 60);
  await visit.tab.waitForTimeout(400);
  await take(visit, "3-chat");
  if (Deno.args.includes("--readme") && ((name === "en-light-1440") || (name === "zh-dark-1440"))) {
    await Deno.mkdir(README, { recursive: true });
    await visit.tab.setViewportSize({ width: 1200, height: 980 });
    await visit.tab.waitForTimeout(300);
    await visit.tab.screenshot({ path: new URL(`chat-${language}.png`, README).pathname });
    await visit.tab.setViewportSize({ width, height });
  }
  await visit.tab.locator(".scroller").evaluate((element) => element.scrollTop = 0);
  await take(visit, "4-chat-top");
  await send(visit, language === "zh" ? "慢慢讲" : "Take your time");
  await visit.tab.locator(".turn.last[data-state=answering]").waitFor();
  await take(visit, "5-answering");
  await visit.tab.fill("#composer", "@");
  await take(visit, "6-mention");
  await visit.tab.fill("#composer", "");
  await visit.tab.locator(".send.stop").click();
  await visit.tab.locator(".turn.last[data-state=cancelled]").waitFor();
  await take(visit, "7-stopped");
  if (touch) await visit.tab.locator(".head .icon-button").first().click();
  await visit.tab.waitForTimeout(250);
  await take(visit, "8-list");
  await visit.tab.locator(".sidebar-foot .icon-button").nth(1).click();
  await take(visit, "9-settings");
  await visit.close();

  const admin = await scene.visit({ ...options, user: "root" });
  await admin.tab.waitForSelector(".card");
  await admin.tab.keyboard.press("Control+,");
  await admin.tab.waitForSelector("dialog .qr, dialog .section, dialog h3");
  await admin.tab.locator("dialog").evaluate((dialog) => dialog.scrollTop = dialog.scrollHeight);
  await take(admin, "10-keys");
  await admin.tab.keyboard.press("Escape");
  for (const place of ["overview", "connections", "bots", "people", "keys", "budgets", "apps"]) {
    await admin.tab.goto(`${scene.world.url}/#/admin/${place}`);
    await admin.tab.locator(`#tab-${place}[aria-selected=true]`).waitFor();
    await take(admin, `11-admin-${place}`);
  }
  await admin.close();
}

async function send(visit: Visit, text: string): Promise<void> {
  await visit.tab.fill("#composer", text);
  await visit.tab.locator(".send").click();
}

/** Bots with something to say. */
async function talkative({ world }: Scene): Promise<TestBot[]> {
  const bots = await Promise.all([
    world.bot("atlas", {
      botName: "Atlas",
      protocol: 2,
      capabilities: ["images", "tools", "cancel", "reasoning"],
      description: "Research and writing · 资料与写作",
    }),
    world.bot("ledger", {
      botName: "账房",
      protocol: 2,
      maxConcurrent: 4,
      capabilities: ["tools"],
      description: "Figures, tables, month-end · 数字与报表",
    }),
    world.bot("sketch", {
      botName: "Sketch",
      protocol: 2,
      capabilities: ["images"],
      description: "Draws what you say",
    }),
  ]);
  for (const bot of bots) bot.answerAll((chat) => answer(bot, chat));
  return bots;
}

function answer(bot: TestBot, chat: Frame): void {
  let seq = 0;
  const write = (content: string, done = false, kind?: string) =>
    reply(bot, chat, content, done, { seq: ++seq, kind });
  if (/Take your time|慢慢讲/.test(chat.content)) {
    const zh = /慢/.test(chat.content);
    write(
      zh
        ? "好。先说结论：**不必急着换**，先量清楚再动手。\n\n1. 记录一周的响应时间\n2. 找出最慢的百分之"
        : "Gladly. The short answer first: **measure before you move**.\n\n1. Record a week of response times\n2. Find the slowest ",
    );
    return;
  }
  const zh = /[\u4e00-\u9fff]/.test(chat.content);
  write(
    zh
      ? "先看用户要的是什么，再决定用表格还是代码。"
      : "The person wants a comparison and a runnable example.",
    false,
    "reasoning",
  );
  write(JSON.stringify({ name: "search", phase: "done", detail: "3 documents" }), false, "tool");
  for (const part of (zh ? ANSWER_ZH : ANSWER_EN).match(/[^]{1,60}/g)!) write(part);
  write("", true);
}

const TALK = {
  zh: [
    "帮我整理一下季度销售数据",
    "写一封给供应商的催货邮件",
    "三天的杭州行程怎么安排",
    "SSE 和 WebSocket 该怎么选？给个例子",
  ],
  en: [
    "Summarise the quarterly numbers",
    "Draft a reminder to our supplier",
    "Plan three days in Hangzhou",
    "SSE or WebSocket for streaming answers? Show me an example.",
  ],
};

const ANSWER_EN =
  `Use **SSE** when the server talks and the browser listens; use a **WebSocket** when both talk at once.

| | SSE | WebSocket |
|---|---|---|
| Direction | server → browser | both |
| Reconnects by itself | yes, with \`Last-Event-ID\` | no |
| Through proxies | plain HTTP | needs an upgrade |

Reading a stream takes a few lines:

\`\`\`ts
const response = await fetch("/api/chat/stream", { method: "POST", body });
for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
  show(piece); // append, never redraw
}
\`\`\`

The cost of a resume is one offset: $\\Delta = n - k$ characters are sent again, and nothing else.

- [x] survives a reload
- [x] works behind nginx
- [ ] binary frames
`;

const ANSWER_ZH = `服务器说、浏览器听，用 **SSE**；两边同时说话，用 **WebSocket**。

| | SSE | WebSocket |
|---|---|---|
| 方向 | 服务器 → 浏览器 | 双向 |
| 断线重连 | 自带，凭 \`Last-Event-ID\` | 要自己写 |
| 经过代理 | 普通 HTTP | 需要升级连接 |

读一个流只要几行：

\`\`\`ts
const response = await fetch("/api/chat/stream", { method: "POST", body });
for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
  show(piece); // 只追加，不重画
}
\`\`\`

恢复的代价只有一个偏移量：重发 $\\Delta = n - k$ 个字符，别的都不用再传。

- [x] 刷新页面也不丢
- [x] 在 nginx 后面能用
- [ ] 二进制帧
`;

if (!chrome) {
  console.error("No browser: set CHROME_PATH.");
  Deno.exit(1);
}
await Deno.mkdir(OUT, { recursive: true });
await using scene = await openScene();
const bots = await talkative(scene);
for (const language of ["zh", "en"] as const) {
  for (const dark of [false, true]) {
    for (const [width, height] of [[1440, 900], [390, 844]] as const) {
      const name = `${language}-${dark ? "dark" : "light"}-${width}`;
      if (only && !name.includes(only)) continue;
      await shoot(scene, language, dark, width, height, name);
    }
  }
}
for (const bot of bots) await bot.close();
console.log(`Pictures are in ${OUT.pathname}`);
Deno.exit(0);
