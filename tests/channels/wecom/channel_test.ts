import assert from "node:assert/strict";
import { WecomApp } from "../../../src/channels/wecom/app.ts";
import { WecomAppSettings, WecomWebhookSettings } from "../../../src/channels/wecom/settings.ts";
import { WecomWebhook } from "../../../src/channels/wecom/webhook.ts";
import { readXml } from "../../../src/channels/wecom/xml.ts";
import { WecomEmulator } from "../../../src/emulate/wecom/emulator.ts";
import { textOf, trace } from "../im/stage.ts";
import { KEYS, stage } from "./stage.ts";

Deno.test("app: a member's question is answered in one message", async () => {
  await using s = await stage({ kind: "app" });
  s.emulator.sayToApp({ from: "zhangsan", text: "hi" });
  await s.settle();
  assert.deepEqual(s.finals("zhangsan"), [["markdown", "你好，世界。"]]);
  assert.equal(s.gateway.asked[0]!.person.id, "wecom:main:zhangsan");
});

Deno.test("app: a long answer is split by bytes, none is cut off and none is dropped", async () => {
  const script = trace(10, 50);
  await using s = await stage({
    kind: "app",
    script: () => script,
    settings: { placeholderAfter: 9e6 },
  });
  s.emulator.sayToApp({ from: "zhangsan", text: "长" });
  await s.settle();
  assert.equal(
    s.emulator.log.finals("zhangsan").map((m) => m.text).join("").trimEnd(),
    textOf(script).trimEnd(),
  );
  assert.equal(s.emulator.counts.dropped, 0);
});

Deno.test("app: the limit at which WeCom drops silently is never reached, however much is asked", async () => {
  await using s = await stage({
    kind: "app",
    script: (m) => ({ pieces: [[6000, `answer to ${m.text}`]] }),
  });
  for (let n = 0; n < 60; n++) {
    s.clock.after(n * 100, () => s.emulator.sayToApp({ from: "zhangsan", text: `q${n}` }));
  }
  await s.clock.advance(7000);
  await s.settle();
  assert.equal(s.emulator.counts.dropped, 0);
  const texts = new Set(s.emulator.log.finals("zhangsan").map((m) => m.text));
  for (let n = 0; n < 60; n++) assert.ok(texts.has(`answer to q${n}`), `q${n}`);
});

Deno.test("app: the same answer to two questions is shown twice", async () => {
  await using s = await stage({ kind: "app", script: () => ({ pieces: [[10, "好的"]] }) });
  s.emulator.sayToApp({ from: "zhangsan", text: "one" });
  await s.settle();
  s.emulator.sayToApp({ from: "zhangsan", text: "two" });
  await s.settle();
  assert.equal(s.emulator.log.finals("zhangsan").length, 2);
});

Deno.test("app: failures and silences by lot lose no answer and double none", async () => {
  let seed = 11;
  const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  await using s = await stage({
    kind: "app",
    script: (m) => ({ pieces: [[500, `for ${m.text}`]] }),
    wire: { random, latency: [20, 300], faults: { throttled: 0.05, failing: 0.05, silent: 0.05 } },
  });
  for (let n = 0; n < 80; n++) {
    s.clock.after(n * 100, () => s.emulator.sayToApp({ from: `u${n}`, text: `q${n}` }));
  }
  await s.clock.advance(9000);
  await s.settle();
  for (let n = 0; n < 80; n++) assert.deepEqual(s.finals(`u${n}`), [["markdown", `for q${n}`]]);
});

Deno.test("app: the address is proven, images come in and go out, departments name the bot", async () => {
  const png = "data:image/png;base64,iVBORw0KGgo=";
  await using s = await stage({
    kind: "app",
    script: () => ({ pieces: [[10, "看"]], images: [png] }),
    settings: { rules: [{ department: "7", bot: "seven" }] },
  });
  s.emulator.departments.set("lisi", [7]);
  assert.equal(await (await s.channel.fetch(s.emulator.proof("12345"))).text(), "12345");
  s.emulator.sayToApp({ from: "lisi", image: new Uint8Array([1, 2, 3]) });
  await s.settle();
  assert.deepEqual(s.gateway.asked[0]!.images, ["data:image/png;base64,AQID"]);
  assert.equal(s.gateway.asked[0]!.target, "seven");
  assert.deepEqual(s.emulator.log.finals("lisi").map((m) => m.kind), ["markdown", "image"]);
});

Deno.test("app: a token that was taken away is renewed, the call made again", async () => {
  await using s = await stage({ kind: "app" });
  s.emulator.sayToApp({ from: "a", text: "hi" });
  await s.settle();
  s.emulator.spoilTokens();
  s.emulator.sayToApp({ from: "b", text: "hi" });
  await s.settle();
  assert.equal(s.finals("b").length, 1);
});

Deno.test("app: forged, tampered, foreign and bloated callbacks are refused and audited; odd ones are ignored; never a 500", async () => {
  await using s = await stage({ kind: "app" });
  const statuses: number[] = [];
  const post = async (request: Request) =>
    statuses.push((await s.channel.fetch(request, "6.6.6.6")).status);
  const good = s.emulator.appCallback("<xml><MsgType>text</MsgType></xml>");
  const text = await good.clone().text();
  const post2 = (url: string, body: string) => post(new Request(url, { method: "POST", body }));
  await post2(good.url.replace(/msg_signature=\w{4}/, "msg_signature=0000"), text);
  await post2("http://x/", text);
  await post2(good.url, text.replace(/.{4}\]\]><\/Encrypt>/, "AAAA]]></Encrypt>"));
  const foreign = new WecomEmulator({ ...KEYS, corpId: "ww99", clock: s.clock });
  await post(foreign.appCallback("<xml></xml>"));
  assert.deepEqual(statuses, [401, 401, 401, 401]);
  assert.deepEqual(s.notes.of("callback_refused").map((n) => n.why), [
    "signature",
    "signature",
    "signature",
    "receiver",
  ]);
  statuses.length = 0;
  await post2(
    good.url,
    `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><xml><Encrypt>&b;</Encrypt></xml>`,
  );
  await post2(good.url, "x".repeat(2 << 20));
  await post2(good.url, "{}");
  await post(good);
  await post(
    s.emulator.appCallback(
      "<xml><MsgType>event</MsgType><Event>enter_agent</Event><FromUserName>a</FromUserName></xml>",
    ),
  );
  await post(s.emulator.appCallback("not xml"));
  await post(new Request("http://x/", { method: "PUT" }));
  assert.deepEqual(statuses, [400, 413, 400, 200, 200, 200, 405]);
  assert.equal(s.gateway.asked.length, 0);
});

Deno.test("app: a message that comes three times is one turn", async () => {
  await using s = await stage({ kind: "app" });
  for (let n = 0; n < 3; n++) {
    s.emulator.sayToApp({ from: "a", text: "hi", messageId: "42" });
    await s.clock.advance(400);
  }
  await s.settle();
  assert.equal(s.gateway.asked.length, 1);
});

Deno.test("xml: only the flat kind is read, entities are the five, and nothing nested explodes", () => {
  assert.deepEqual(readXml("<xml><A><![CDATA[<b>&amp;]]></A><B>1 &lt; 2 &bomb;</B></xml>"), {
    A: "<b>&amp;",
    B: "1 < 2 &bomb;",
  });
  assert.equal(readXml("<!DOCTYPE a><xml></xml>"), undefined);
  assert.equal(readXml("<xml>"), undefined);
});

Deno.test("bot, polled: a stream grows while WeCom asks, and is finished once", async () => {
  const script = trace(20, 20);
  await using s = await stage({ kind: "poll", script: () => script });
  s.emulator.sayToBot({ from: "zhangsan", text: "你好" });
  await s.clock.advance(200);
  assert.equal(s.emulator.log.in("zhangsan")[1]!.text, "思考中…");
  await s.settle();
  assert.deepEqual(s.finals("zhangsan"), [["stream", textOf(script)]]);
  assert.ok(s.emulator.counts.polls >= 18);
});

Deno.test("bot, polled: what is longer than six minutes goes on by the response_url, with nothing missing", async () => {
  const script = trace(8 * 60, 2);
  await using s = await stage({ kind: "poll", script: () => script });
  s.emulator.sayToBot({ from: "zhangsan", text: "长" });
  await s.settle();
  const finals = s.emulator.log.finals("zhangsan");
  assert.deepEqual(finals.map((m) => m.kind), ["stream", "markdown"]);
  assert.equal(finals.map((m) => m.text).join(""), textOf(script));
  assert.equal(s.emulator.counts.expired, 0);
});

Deno.test("bot, polled: in a group the mention is taken off, images ride with the last refresh, pictures are opened", async () => {
  const png = "data:image/png;base64,iVBORw0KGgo=";
  await using s = await stage({
    kind: "poll",
    script: () => ({ pieces: [[10, "看"]], images: [png] }),
  });
  s.emulator.sayToBot({ from: "a", group: "g1", text: "什么" });
  await s.settle();
  assert.deepEqual([s.gateway.asked[0]!.text, s.gateway.asked[0]!.chatType], ["什么", "group"]);
  assert.deepEqual(s.emulator.log.finals("g1").map((m) => m.kind).sort(), ["image", "stream"]);
  s.emulator.sayToBot({ from: "b", image: new TextEncoder().encode("picture") });
  await s.settle();
  assert.deepEqual(s.gateway.asked[1]!.images, [`data:image/png;base64,${btoa("picture")}`]);
  assert.equal(await (await s.channel.fetch(s.emulator.proof("777", true))).text(), "777");
});

Deno.test("bot, long connection: refreshes stay below thirty a minute and the last one is whole", async () => {
  const script = trace(120, 30);
  await using s = await stage({ kind: "socket", script: () => script });
  s.emulator.sayToBot({ from: "zhangsan", text: "hi" });
  await s.settle();
  assert.deepEqual(s.finals("zhangsan"), [["stream", textOf(script)]]);
  assert.equal(s.emulator.counts.throttled, 0);
  const edits = s.emulator.log.finals("zhangsan")[0]!.edits;
  assert.ok(edits >= 40 && edits <= 60, String(edits));
});

Deno.test("bot, long connection: after six minutes the rest is pushed, with nothing missing", async () => {
  const script = trace(9 * 60, 2);
  await using s = await stage({ kind: "socket", script: () => script });
  s.emulator.sayToBot({ from: "zhangsan", text: "长" });
  await s.settle();
  const finals = s.emulator.log.finals("zhangsan");
  assert.deepEqual(finals.map((m) => m.kind), ["stream", "markdown"]);
  assert.equal(finals.map((m) => m.text).join(""), textOf(script));
  assert.equal(s.emulator.counts.expired, 0);
});

Deno.test("bot, long connection: a request that the platform no longer knows is answered by a push", async () => {
  await using s = await stage({ kind: "socket" });
  s.emulator.sayToBot({ from: "a", text: "first" });
  await s.settle();
  s.channel.inbox.receive({
    id: "old",
    chat: { id: "a", type: "direct" },
    sender: { id: "a" },
    text: "hi",
    images: [],
    files: [],
    at: s.clock.now(),
    address: { request: "unknown" },
  });
  await s.settle();
  assert.deepEqual(s.finals("a").at(-1), ["markdown", "你好，世界。"]);
});

Deno.test("group webhook: what is said is split and paced below twenty a minute", async () => {
  await using s = await stage({ kind: "app" });
  const settings = WecomWebhookSettings.parse({ kind: "webhook", secret: "hook-key" });
  const webhook = new WecomWebhook("group", settings, s.parts);
  const text = "字".repeat(60_000);
  let done = false;
  const said = webhook.say("p1", text).then(() => done = true);
  assert.ok(await s.clock.until(() => done, 3_600_000));
  await said;
  assert.equal(s.emulator.log.finals("webhook hook-key").map((m) => m.text).join(""), text);
  assert.equal(s.emulator.counts.throttled, 0);
});

Deno.test("group webhook: what is said mentions nobody, unless the operator wants it to", async () => {
  await using s = await stage({ kind: "app" });
  const said = async (mentions: boolean) => {
    const settings = WecomWebhookSettings.parse({ kind: "webhook", secret: "hook-key", mentions });
    const saying = new WecomWebhook("group", settings, s.parts).say("p1", "<@zhangsan> @all 看");
    await s.clock.advance(1000);
    await saying;
    return s.emulator.log.mentions.splice(0).map(({ who }) => who);
  };
  assert.deepEqual(await said(false), []);
  assert.deepEqual(await said(true), ["zhangsan", "all"]);
});

Deno.test("group webhook: a wrong key is named to whoever says something", async () => {
  await using s = await stage({ kind: "app" });
  s.emulator.faults.webhookKeys = new Set(["another"]);
  const settings = WecomWebhookSettings.parse({ kind: "webhook", secret: "hook-key" });
  const webhook = new WecomWebhook("group", settings, s.parts);
  const refused = assert.rejects(webhook.say("p1", "看"), {
    code: "invalid",
    detail: /^the group robot's key is wrong/,
  });
  await s.clock.advance(1000);
  await refused;
  assert.match(webhook.health.lastError!.words, /key is wrong/);
});

const FILES = [
  "data:image/png;base64,iVBORw0KGgo=",
  `data:application/pdf;name=${encodeURIComponent("报告.pdf")};base64,${btoa("%PDF a report")}`,
];

Deno.test("app: images and files go out as uploads", async () => {
  await using s = await stage({
    kind: "app",
    script: () => ({ pieces: [[10, "给你"]], images: FILES }),
  });
  s.emulator.sayToApp({ from: "zhangsan", text: "文件" });
  await s.settle();
  assert.deepEqual(s.finals("zhangsan").map(([kind]) => kind), ["markdown", "image", "file"]);
  assert.equal(s.finals("zhangsan")[2]![1], "报告.pdf");
});

Deno.test("bot, long connection: the picture rides with the last refresh, the file is uploaded in pieces", async () => {
  const large = `data:application/zip;name=big.zip;base64,${"A".repeat(2_000_000)}`;
  await using s = await stage({
    kind: "socket",
    script: () => ({ pieces: [[10, "给你"]], images: [...FILES, large] }),
  });
  s.emulator.sayToBot({ from: "zhangsan", text: "文件" });
  await s.settle();
  assert.deepEqual(s.finals("zhangsan").map(([kind]) => kind).sort(), [
    "file",
    "file",
    "image",
    "stream",
  ]);
  const zip = [...s.emulator.media.values()].find((file) => file.name === "big.zip");
  assert.equal(zip!.bytes.length, 1_500_000);
});

Deno.test("bot, polled: the picture rides along, a file is a line, because there is nothing to send it with", async () => {
  await using s = await stage({
    kind: "poll",
    script: () => ({ pieces: [[10, "给你"]], images: FILES }),
  });
  s.emulator.sayToBot({ from: "zhangsan", text: "文件" });
  await s.settle();
  assert.deepEqual(s.finals("zhangsan"), [
    ["stream", "给你\n\n📎 报告.pdf（13 B）无法发送到这里。"],
    ["image", ""],
  ]);
});

Deno.test("bot, polled: what is said at once, as a command's answer is, finishes its stream", async () => {
  await using s = await stage({ kind: "poll" });
  s.emulator.sayToBot({ from: "zhangsan", text: "/help" });
  await s.settle(60_000);
  assert.match(s.finals("zhangsan")[0]![1]!, /\/stop/);
  assert.equal(s.emulator.counts.expired, 0);
});

Deno.test("app: a long answer comes piece by piece while the bot still speaks, and nothing is said twice", async () => {
  const pieces = Array.from(
    { length: 120 },
    (_, n): [number, string] => [1000, `第${n}段，${"字".repeat(20)}。\n\n`],
  );
  const script = { pieces };
  await using s = await stage({
    kind: "app",
    script: () => script,
    settings: { placeholderAfter: 9e6 },
  });
  s.emulator.sayToApp({ from: "zhangsan", text: "长" });
  await s.clock.advance(60_000);
  const halfway = s.emulator.log.finals("zhangsan").map((m) => m.text).join("");
  assert.ok(
    halfway.length > textOf(script).length / 3,
    `${halfway.length} of ${textOf(script).length}`,
  );
  await s.settle();
  const whole = s.emulator.log.finals("zhangsan").map((m) => m.text).join("");
  assert.ok(whole.trimEnd() === textOf(script).trimEnd());
  assert.deepEqual([s.emulator.counts.dropped, s.emulator.counts.repeats], [0, 0]);
});

Deno.test("bot, long connection: what is longer than the stream can hold goes on while the bot speaks", async () => {
  const script = trace(5 * 60, 40);
  await using s = await stage({ kind: "socket", script: () => script });
  s.emulator.sayToBot({ from: "zhangsan", text: "长" });
  await s.clock.advance(4 * 60_000);
  const shown = s.emulator.log.in("zhangsan").filter((m) => m.from === "bot").map((m) => m.text)
    .join("");
  assert.ok(
    shown.length > textOf(script).length * 0.7,
    `${shown.length} of ${textOf(script).length}`,
  );
  await s.settle();
  assert.ok(s.emulator.log.finals("zhangsan").map((m) => m.text).join("") === textOf(script));
  assert.equal(s.emulator.counts.throttled, 0);
});

Deno.test("bot, polled: what is longer than the stream and the response_url can hold ends with words that say so, once", async () => {
  const pieces = Array.from(
    { length: 1000 },
    (_, n): [number, string] => [20, `第${n}段，${"字".repeat(20)}。\n\n`],
  );
  await using s = await stage({ kind: "poll", script: () => ({ pieces }) });
  s.emulator.sayToBot({ from: "zhangsan", text: "长" });
  await s.settle();
  const finals = s.emulator.log.finals("zhangsan");
  assert.deepEqual(finals.map((m) => m.kind), ["stream", "markdown"]);
  assert.ok(
    finals[1]!.text.endsWith("⚠️ 内容太长，其余部分无法在这里显示。"),
    finals[1]!.text.slice(-60),
  );
  assert.ok(textOf({ pieces }).startsWith(finals[0]!.text.trimEnd()));
  assert.equal(s.notes.of("fault").length, 0);
});

Deno.test("bot, polled: when the six minutes end before the last words are fetched, they go by the response_url, cut where it ends", async () => {
  await using s = await stage({
    kind: "poll",
    script: () => ({ pieces: [[5000, "字".repeat(9000)]] }),
  });
  s.emulator.sayToBot({ from: "zhangsan", text: "长" });
  await s.clock.advance(2000);
  // WeCom stops asking.
  s.emulator.stop();
  await s.settle();
  const last = s.emulator.log.in("zhangsan").at(-1)!;
  assert.equal(last.kind, "markdown");
  assert.ok(
    last.text.startsWith("字".repeat(5000)) && last.text.endsWith("无法在这里显示。"),
    last.text.slice(-60),
  );
  assert.equal(s.notes.of("fault").length, 0);
});

Deno.test("app: what says that the bot is at work is a card with a button that stops it", async () => {
  await using s = await stage({ kind: "app", script: () => trace(60, 2) });
  const question = s.emulator.sayToApp({ from: "zhangsan", text: "写长文" });
  await s.clock.advance(8000);
  assert.deepEqual(s.finals("zhangsan"), [["template_card", "思考中…"]]);
  s.emulator.press(`stop-${question}`, "stop");
  s.emulator.press(`stop-${question}`, "stop");
  await s.settle(20_000);
  assert.equal(s.gateway.cancelled.length, 1);
  assert.match(s.finals("zhangsan").at(-1)![1]!, /⏹ 已停止。$/);
  // Pressed when all is over: nothing happens.
  s.emulator.press(`stop-${question}`, "stop");
  await s.settle();
  assert.equal(s.finals("zhangsan").length, 2);
});

Deno.test("app: in the format that the WeChat plugin shows it is a text", async () => {
  await using s = await stage({
    kind: "app",
    settings: { format: "text" },
    script: () => ({ pieces: [[9000, "好"]] }),
  });
  s.emulator.sayToApp({ from: "zhangsan", text: "问" });
  await s.settle();
  assert.deepEqual(s.finals("zhangsan"), [["text", "思考中…"], ["text", "好"]]);
});

Deno.test("app: a process that dies behind a piece leaves the next one to go on where it was, and no piece shows twice", async () => {
  const pieces = Array.from(
    { length: 60 },
    (_, n): [number, string] => [1000, `第${n}段，${"字".repeat(20)}。\n\n`],
  );
  await using s = await stage({
    kind: "app",
    script: () => ({ pieces }),
    settings: { placeholderAfter: 9e6 },
  });
  s.emulator.sayToApp({ from: "zhangsan", text: "长" });
  await s.clock.until(() => s.emulator.log.finals("zhangsan").length === 1, 60_000);
  // What is on the disk at the moment when the piece is shown and that is not yet written down.
  const [[key, job]] = structuredClone(await s.store.list("outbox:wecom:main:")) as [
    [string, { progress: { phase: string } }],
  ];
  assert.equal(job.progress.phase, "piece");
  await s.channel.stop();
  await s.store.set(key, job);
  const next = new WecomApp(
    "main",
    WecomAppSettings.parse({ kind: "app", ...KEYS, placeholderAfter: 9e6 }),
    s.parts,
  );
  await next.start();
  assert.ok(await s.clock.until(() => next.inbox.open === 0, 600_000));
  const whole = s.emulator.log.finals("zhangsan").map((m) => m.text).join("");
  assert.ok(
    whole.trimEnd() === textOf({ pieces }).trimEnd(),
    `${whole.length} of ${textOf({ pieces }).length}`,
  );
  // The one that is said to be dead still runs in this test: its sends are repeats too.
  assert.ok(s.emulator.counts.repeats >= 1);
  await next.stop();
});
