/**
 * What goes wrong in DingTalk's chats: pages in between, forged addresses, strange messages,
 * mentions, the month.
 */
import assert from "node:assert/strict";
import { judge } from "../../../src/channels/dingtalk/judge.ts";
import type { HttpResponse } from "../../../src/channels/im/http_call.ts";
import { wordsIn } from "../../../src/channels/im/words.ts";
import type { Script } from "../im/stage.ts";
import { stage } from "./stage.ts";

type Stage = Awaited<ReturnType<typeof stage>>;

const zh = wordsIn("zh");

async function asked(s: Stage, said: Parameters<Stage["emulator"]["say"]>[0]) {
  const before = s.finals(said.chat).length;
  s.emulator.say(said);
  await s.settle();
  return s.finals(said.chat).slice(before).map(([, text]) => text!);
}

function answer(status: number, text: string): HttpResponse {
  return { status, text, headers: new Headers(), bytes: new Uint8Array() };
}

Deno.test("a ban is known by its own words; a page of something in between is tried again", () => {
  const scope = (key: string) => ({ key, rates: [] });
  const read = (status: number, text: string) => {
    const verdict = judge(answer(status, text), scope("address"), scope("api"), scope("chat"));
    return verdict.kind === "throttled" ? [verdict.scope.key, verdict.ms] : verdict.kind;
  };
  assert.deepEqual(read(200, '{"status":1111,"wait":5,"source":"x5","punish":"deny"}'), [
    "address",
    300_000,
  ]);
  assert.deepEqual(read(200, "<html><script src=/_____tmd_____/punish></script></html>"), [
    "address",
    300_000,
  ]);
  for (const status of [403, 500, 502, 503, 504]) {
    assert.equal(read(status, "<html><h1>Bad Gateway</h1></html>"), "retry", String(status));
  }
});

Deno.test("one page with status 502 costs a second, not five minutes", async () => {
  await using s = await stage();
  s.answerOnce(
    new Response("<html>Bad Gateway</html>", {
      status: 502,
      headers: { "content-type": "text/html" },
    }),
  );
  s.emulator.say({ chat: "cid1", text: "你好" });
  await s.clock.advance(10_000);
  assert.equal(s.finals("cid1").length, 1);
});

Deno.test("a session's webhook is called at DingTalk's hosts only; the answer goes another way and the operator hears of it", async () => {
  await using s = await stage({ settings: { cardTemplateId: undefined } });
  const forged = [
    "http://169.254.169.254/latest",
    "http://oapi.dingtalk.com/robot/sendBySession?session=1",
    "https://oapi.dingtalk.com.evil.example/robot/sendBySession",
    "https://oapi.dingtalk.com@10.0.0.1/",
    "file:///etc/passwd",
    "nonsense",
  ];
  for (const [n, sessionWebhook] of forged.entries()) {
    const message = {
      msgId: `m${n}`,
      msgtype: "text",
      conversationId: "cid1",
      conversationType: "1",
      senderId: "s",
      senderStaffId: "cid1",
      text: { content: "hi" },
      sessionWebhook,
    };
    await s.channel.fetch(s.emulator.callback(message), "6.6.6.6");
    await s.settle();
  }
  assert.deepEqual(
    s.calls.filter((url) => !/^https:\/\/(api|oapi)\.dingtalk\.com\/(v1\.0|gettoken)/.test(url)),
    [],
  );
  assert.equal(s.finals("cid1").length, forged.length);
  assert.ok(s.finals("cid1").every(([kind]) => kind === "sampleMarkdown"));
  assert.match(s.channel.health.lastError!.words, /webhook that is not DingTalk's/);
  // What an earlier version stored in the outbox counts as little.
  s.channel.inbox.receive({
    id: "stored",
    chat: { id: "cid1", type: "direct" },
    sender: { id: "cid1" },
    text: "hi",
    images: [],
    files: [],
    at: s.clock.now(),
    address: {
      type: "direct",
      conversationId: "cid1",
      staffId: "cid1",
      webhook: "http://10.0.0.1/",
    },
  });
  await s.settle();
  assert.deepEqual(s.finals("cid1").at(-1), ["sampleMarkdown", "你好，世界。"]);
});

Deno.test("a redirect of the webhook is not followed", async () => {
  await using s = await stage({ settings: { cardTemplateId: undefined } });
  s.answerOnce(
    new Response(null, { status: 302, headers: { location: "http://10.0.0.1/" } }),
    /sendBySession/,
  );
  assert.deepEqual(await asked(s, { chat: "cid1", text: "你好" }), ["你好，世界。"]);
  assert.equal(s.calls.some((url) => url.includes("10.0.0.1")), false);
});

Deno.test("a private cloud's hosts are those of the configuration", async () => {
  await using s = await stage({
    settings: {
      cardTemplateId: undefined,
      baseUrl: "http://ding.corp.example",
      hosts: ["http://ding.corp.example:8080"],
    },
    platform: { origin: "http://ding.corp.example:8080" },
  });
  await asked(s, { chat: "cid1", text: "你好" });
  assert.deepEqual(s.finals("cid1"), [["markdown", "你好，世界。"]]);
});

Deno.test("a file is fetched from DingTalk's hosts, or from elsewhere by what refuses private addresses", async () => {
  await using s = await stage();
  s.emulator.files.set("code1", { type: "image/png", bytes: new Uint8Array([1]) });
  const picture = { type: "picture", content: { downloadCode: "code1" } };
  s.downloadsAt = "http://10.0.0.1/files/code1";
  assert.deepEqual(await asked(s, { chat: "cid1", message: picture }), [zh.pictureLost]);
  s.downloadsAt = "https://zjk-robot.oss-cn-zhangjiakou.aliyuncs.com/files/code1";
  await asked(s, { chat: "cid2", message: picture });
  assert.equal(s.gateway.asked[0]!.images.length, 1);
  assert.deepEqual(s.publicCalls, ["http://10.0.0.1/files/code1"]);
});

Deno.test("each kind of message that holds nothing for a bot is answered with what it is", async () => {
  await using s = await stage();
  const kinds: [type: string, content: unknown, kind: keyof typeof zh.kinds][] = [
    ["audio", { downloadCode: "c", duration: 4000 }, "voice"],
    ["video", { downloadCode: "c" }, "video"],
    ["interactiveCard", {}, "card"],
    ["chatRecord", { summary: "x" }, "forward"],
    ["location", { a: 1 }, "location"],
    ["something_new", {}, "unknown"],
  ];
  for (const [n, [type, content, kind]] of kinds.entries()) {
    const said = await asked(s, { chat: `cid${n}`, message: { type, content } });
    assert.deepEqual(said, [zh.notUnderstood([kind])], type);
  }
  assert.equal(s.gateway.asked.length, 0);
  assert.equal(s.emulator.counts.counted, 0);
});

Deno.test("speech that DingTalk has heard, a card's address and rich text as JSON are words", async () => {
  await using s = await stage();
  const cases: [type: string, content: unknown, text: string][] = [
    ["audio", { recognition: "说的话" }, "说的话"],
    [
      "interactiveCard",
      { biz_custom_action_url: "https://alidocs.dingtalk.com/i/1" },
      "https://alidocs.dingtalk.com/i/1",
    ],
    ["actionCard", { title: "通知", text: "正文" }, "通知\n正文"],
    ["richText", JSON.stringify({ richText: [{ text: "一" }, { text: "二" }] }), "一二"],
  ];
  for (const [n, [type, content, text]] of cases.entries()) {
    await asked(s, { chat: `cid${n}`, message: { type, content } });
    assert.equal(s.gateway.asked.at(-1)!.text, text);
  }
});

Deno.test("the mention alone gets the help, by the session's webhook, as every command does: no call of the month", async () => {
  await using s = await stage();
  for (const text of ["", "/help", "/new", "/bots", "/stop"]) {
    const said = await asked(s, { chat: "cid1", type: "group", sender: "staff1", text });
    assert.equal(said.length, 1, text);
  }
  assert.equal(s.finals("cid1")[0]![1], zh.help);
  assert.ok(s.finals("cid1").every(([kind]) => kind === "markdown"));
  assert.equal(s.emulator.counts.counted, 0);
});

Deno.test("the message that a text replies to reaches the bot, its picture and file too", async () => {
  await using s = await stage();
  s.emulator.files.set("code1", { type: "image/png", bytes: new Uint8Array([1]) });
  s.emulator.files.set("code2", { type: "text/plain", bytes: new TextEncoder().encode("内容") });
  const quotes: [replyTo: unknown, text: string][] = [
    [{ msgType: "text", content: { text: "报价 300 元" } }, "> 报价 300 元\n\n解释"],
    [
      { msgType: "richText", content: { richText: [{ text: "图：" }, { downloadCode: "code1" }] } },
      "> 图：\n> [1 张图片]\n\n解释",
    ],
    [{ msgType: "picture", content: { downloadCode: "code1" } }, "> [1 张图片]\n\n解释"],
    [
      { msgType: "file", content: { downloadCode: "code2", fileName: "a.txt" } },
      "解释\n\n[附件：a.txt]\n```\n内容\n```",
    ],
    [{ msgType: "audio", content: JSON.stringify({ recognition: "语音" }) }, "> 语音\n\n解释"],
    [{ msgType: "interactiveCard" }, "> [卡片]\n\n解释"],
  ];
  for (const [n, [replyTo, text]] of quotes.entries()) {
    await asked(s, { chat: `cid${n}`, text: "解释", replyTo });
    assert.equal(s.gateway.asked.at(-1)!.text, text);
  }
  assert.deepEqual(s.gateway.asked.map((m) => m.images.length), [0, 1, 1, 0, 0, 0]);
});

Deno.test("a person who is mentioned first is not taken for a bot", async () => {
  await using s = await stage();
  await asked(s, { chat: "cid1", type: "group", sender: "staff1", text: "@Alice 你看看" });
  await asked(s, { chat: "cid1", type: "group", sender: "staff1", text: "@beta 你看看" });
  assert.deepEqual(s.gateway.asked.map((m) => [m.target, m.text]), [[undefined, "@Alice 你看看"], [
    "beta",
    "你看看",
  ]]);
});

Deno.test("whatever a bot repeats, nobody is pinged: not in cards, webhook messages or robot messages", async () => {
  const words = '@所有人 @all @13800000000 @manager42 <a atId="manager42">x</a> ';
  for (const cardTemplateId of ["tpl", undefined]) {
    await using s = await stage({
      settings: { cardTemplateId },
      script: () => ({ pieces: [[500, words], [6000, words]] }),
    });
    const said = await asked(s, { chat: "cid1", type: "group", sender: "staff1", text: "说" });
    assert.equal(said.at(-1)!.replaceAll("\u200b", "").trim(), (words + words).trim());
    await asked(s, { chat: "cid1", type: "group", sender: "staff1", text: "/use @all" });
    assert.deepEqual(s.emulator.log.mentions, []);
  }
});

Deno.test("once DingTalk says that the month is used up, no card is tried for an hour", async () => {
  await using s = await stage();
  s.emulator.faults.monthIsUsedUp = true;
  for (let n = 0; n < 5; n++) {
    assert.deepEqual(await asked(s, { chat: `cid${n}`, text: "你好" }), ["你好，世界。"]);
  }
  assert.equal(s.calls.filter((url) => url.includes("createAndDeliver")).length, 1);
  assert.match(s.channel.health.lastError!.words, /API calls of this month are used up/);
  s.emulator.faults.monthIsUsedUp = false;
  await s.clock.advance(3_600_000);
  await asked(s, { chat: "cid9", text: "你好" });
  assert.deepEqual(s.finals("cid9"), [["AI card", "你好，世界。"]]);
});

Deno.test("a card's own state goes from inputing to finished, within the calls of an answer, or not at all", async () => {
  await using s = await stage();
  s.emulator.say({ chat: "cid1", text: "你好" });
  await s.clock.advance(500);
  assert.deepEqual(s.emulator.statuses("cid1"), ["2"]);
  await s.settle();
  assert.deepEqual(s.emulator.statuses("cid1"), ["3"]);
  await using plain = await stage({ settings: { cardStatus: false } });
  await asked(plain, { chat: "cid1", text: "你好" });
  assert.deepEqual(plain.emulator.statuses("cid1"), [undefined]);
});

Deno.test("a card that is opened with its last words is finished as well, and two calls for an answer leave none for its state", async () => {
  const long = { pieces: [[10, "一段话。\n\n".repeat(2000)]] } satisfies Script;
  await using s = await stage({ settings: { pace: "free" }, script: () => long });
  await asked(s, { chat: "cid1", text: "长" });
  const states = s.emulator.statuses("cid1");
  assert.ok(states.length > 1);
  assert.deepEqual(new Set(states), new Set(["3"]));
  await using two = await stage({ settings: { callsPerAnswer: 2 } });
  await asked(two, { chat: "cid1", text: "你好" });
  assert.deepEqual(two.emulator.statuses("cid1"), [undefined]);
  assert.equal(two.emulator.counts.counted, 2);
});

Deno.test("a rule by department works, and asks for departments once in ten minutes", async () => {
  await using s = await stage({ settings: { rules: [{ department: "42", bot: "beta" }] } });
  s.emulator.departments.set("cid1", [1, 42]);
  for (const chat of ["cid1", "cid1", "cid2"]) await asked(s, { chat, text: "你好" });
  assert.deepEqual(s.gateway.asked.map((m) => m.target), ["beta", "beta", undefined]);
  assert.equal(s.calls.filter((url) => url.includes("user/get")).length, 2);
});

Deno.test("a picture that takes long to come does not leave the chat silent, with a card and without", async () => {
  for (const cardTemplateId of ["tpl", undefined]) {
    await using s = await stage({ settings: { cardTemplateId } });
    s.emulator.files.set("code1", { type: "image/png", bytes: new Uint8Array([1]) });
    s.slow(/files/, 9000);
    s.emulator.say({
      chat: "cid1",
      message: { type: "picture", content: { downloadCode: "code1" } },
    });
    await s.clock.advance(3000);
    assert.deepEqual(s.emulator.log.in("cid1").filter((m) => m.from === "bot").map((m) => m.text), [
      zh.reading,
    ]);
    await s.settle();
    assert.equal(s.finals("cid1").at(-1)![1], "你好，世界。");
  }
});
