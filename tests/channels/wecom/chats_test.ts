/**
 * What goes wrong in WeCom's chats: files without names, strange messages, mentions, buttons,
 * foreign addresses.
 */
import assert from "node:assert/strict";
import { wordsIn } from "../../../src/channels/im/words.ts";
import { NexusError } from "../../../src/core/error.ts";
import { unseal } from "../../../src/emulate/wecom/envelope.ts";
import { KEYS, type Setting, stage } from "./stage.ts";

type Stage = Awaited<ReturnType<typeof stage>>;

const zh = wordsIn("zh");
const BOTS: Setting["kind"][] = ["poll", "socket"];

async function asked(s: Stage, said: Parameters<Stage["emulator"]["sayToBot"]>[0], app = false) {
  const chat = said.group ?? said.from;
  const before = s.finals(chat).length;
  if (app) s.emulator.sayToApp(said);
  else s.emulator.sayToBot(said);
  await s.settle();
  return s.finals(chat).slice(before).map(([, text]) => text!);
}

Deno.test("bot: a text file is read by the name that its download has, another is said not to be", async () => {
  for (const kind of BOTS) {
    await using s = await stage({ kind });
    const bytes = new TextEncoder().encode("内容");
    await asked(s, { from: "a", file: { name: "报告.txt", bytes } });
    assert.equal(s.gateway.asked[0]!.text, "[附件：报告.txt]\n```\n内容\n```");
    const [said] = await asked(s, { from: "a", file: { name: "报告.pdf", bytes } });
    assert.equal(said, zh.fileNotRead("报告.pdf", "kind"));
    const [large] = await asked(s, {
      from: "a",
      file: { name: "a.txt", bytes: new Uint8Array(70_000) },
    });
    assert.match(large!, /超过 64 KB/);
    assert.equal(s.gateway.asked.length, 1);
  }
});

Deno.test("bot: each kind of message that holds nothing for a bot is answered with what it is", async () => {
  for (const kind of BOTS) {
    await using s = await stage({ kind });
    const kinds: [type: string, fields: unknown, kind: keyof typeof zh.kinds][] = [
      ["video", { video: { url: "https://x/" } }, "video"],
      ["voice", { voice: { content: "" } }, "voice"],
      ["location", { location: {} }, "location"],
      ["something_new", {}, "unknown"],
    ];
    for (const [n, [type, fields, what]] of kinds.entries()) {
      assert.deepEqual(await asked(s, { from: `u${n}`, message: { type, fields } }), [
        zh.notUnderstood([what]),
      ], type);
    }
    await asked(s, {
      from: "u9",
      message: { type: "voice", fields: { voice: { content: "说的话" } } },
    });
    assert.deepEqual(s.gateway.asked.map((m) => m.text), ["说的话"]);
  }
});

Deno.test("app: each kind of message that holds nothing for a bot is answered with what it is", async () => {
  await using s = await stage({ kind: "app" });
  const kinds: [type: string, fields: string, kind: keyof typeof zh.kinds][] = [
    ["voice", "<MediaId>m</MediaId><Format>amr</Format>", "voice"],
    ["video", "<MediaId>m</MediaId>", "video"],
    ["something_new", "", "unknown"],
  ];
  for (const [n, [type, fields, what]] of kinds.entries()) {
    const said = await asked(s, { from: `u${n}`, message: { type, fields } }, true);
    assert.deepEqual(said, [zh.notUnderstood([what])], type);
  }
  const words: [type: string, fields: string, text: string][] = [
    ["voice", "<MediaId>m</MediaId><Recognition><![CDATA[说的话]]></Recognition>", "说的话"],
    [
      "location",
      "<Location_X>39.9</Location_X><Location_Y>116.4</Location_Y><Label>北京站</Label>",
      "北京站",
    ],
    ["location", "<Location_X>39.9</Location_X><Location_Y>116.4</Location_Y>", "📍 39.9, 116.4"],
    ["link", "<Title>标题</Title><Url>https://x/</Url>", "标题 https://x/"],
  ];
  for (const [n, [type, fields, text]] of words.entries()) {
    await asked(s, { from: `w${n}`, message: { type, fields } }, true);
    assert.equal(s.gateway.asked.at(-1)!.text, text);
  }
});

Deno.test("bot: what a question quotes reaches the bot, the picture too", async () => {
  for (const kind of BOTS) {
    await using s = await stage({ kind });
    await asked(s, { from: "a", group: "g", text: "贵吗", quote: { text: "报价 300 元" } });
    assert.equal(s.gateway.asked[0]!.text, "> 报价 300 元\n\n贵吗");
    await asked(s, {
      from: "a",
      group: "g",
      text: "这是什么",
      quote: { image: new Uint8Array([1, 2, 3]) },
    });
    assert.deepEqual([s.gateway.asked[1]!.text, s.gateway.asked[1]!.images.length], [
      "> [1 张图片]\n\n这是什么",
      1,
    ]);
  }
});

Deno.test("bot: a name with spaces is taken off the question where it is known, and before a command in any case", async () => {
  const cases: [name: string | undefined, text: string, question: string | undefined][] = [
    ["Robot A", "hello", "hello"],
    ["Robot A", "A is a letter", "A is a letter"],
    [undefined, "hello", "A hello"],
    ["Robot A", "@Alice 你看看", "@Alice 你看看"],
  ];
  for (const [name, text, question] of cases) {
    await using s = await stage({ kind: "poll", settings: { name } });
    await asked(s, { from: "a", group: "g", botName: "Robot A", text });
    assert.equal(s.gateway.asked[0]?.text, question);
  }
  for (const name of ["Robot A", undefined]) {
    await using s = await stage({ kind: "poll", settings: { name } });
    assert.match(
      (await asked(s, { from: "a", group: "g", botName: "Robot A", text: "/help" }))[0]!,
      /\/stop/,
    );
    assert.match(
      (await asked(s, { from: "a", group: "g", botName: "Robot", text: "" }))[0]!,
      /\/stop/,
    );
  }
});

Deno.test("bot: a person who is mentioned first is not taken for a bot", async () => {
  await using s = await stage({ kind: "poll" });
  await asked(s, { from: "a", group: "g", text: "@Alice 你看看" });
  await asked(s, { from: "a", group: "g", text: "@beta 你看看" });
  assert.deepEqual(s.gateway.asked.map((m) => [m.target, m.text]), [[undefined, "@Alice 你看看"], [
    "beta",
    "你看看",
  ]]);
});

Deno.test("whatever a bot repeats, nobody is pinged: not in streams, messages of the app, or texts", async () => {
  const words = "看 <@zhangsan> @all @所有人 ";
  const script = () => ({ pieces: [[500, words], [3000, words]] as const });
  const stages: [Setting["kind"], Setting["settings"]][] = [
    ["poll", {}],
    ["socket", {}],
    ["app", {}],
    ["app", { format: "text" }],
  ];
  for (const [kind, settings] of stages) {
    await using s = await stage({ kind, settings, script });
    const said = await asked(s, { from: "a", text: "说" }, kind === "app");
    assert.equal(said.at(-1)!.replaceAll("\u200b", "").trim(), (words + words).trim(), kind);
    await asked(s, { from: "a", text: "/use <@all>" }, kind === "app");
    assert.deepEqual(s.emulator.log.mentions, [], kind);
  }
});

Deno.test("bot: a response_url or a picture at another address is not called, nor one inside the network", async () => {
  await using s = await stage({ kind: "poll", script: () => ({ pieces: [[7 * 60_000, "晚"]] }) });
  const body = (more: Record<string, unknown>) => ({
    msgid: "m1",
    chattype: "single",
    from: { userid: "a" },
    msgtype: "text",
    text: { content: "问" },
    ...more,
  });
  for (
    const response_url of [
      "http://10.0.0.1/",
      "https://evil.example/cgi-bin/aibot/response",
      "nonsense",
    ]
  ) {
    await s.channel.fetch(
      s.emulator.botCallback(body({ msgid: response_url, response_url })),
      "6.6.6.6",
    );
  }
  await s.settle();
  await s.channel.fetch(
    s.emulator.botCallback(
      body({ msgid: "m2", msgtype: "image", text: undefined, image: { url: "http://10.0.0.1/x" } }),
    ),
  );
  await s.settle();
  assert.deepEqual(s.calls, []);
  assert.deepEqual(s.publicCalls, ["http://10.0.0.1/x"]);
});

Deno.test("app: the button beside 'thinking' says what it did, and does not outlive the answer", async () => {
  await using s = await stage({ kind: "app", script: () => ({ pieces: [[9000, "答案"]] }) });
  const first = s.emulator.sayToApp({ from: "a", text: "问" });
  await s.settle();
  assert.equal(s.emulator.buttons.get(`stop-${first}`), zh.ended);
  const second = s.emulator.sayToApp({ from: "a", text: "再问" });
  await s.clock.advance(4000);
  s.emulator.press(`stop-${second}`, "stop");
  await s.clock.advance(200);
  assert.equal(s.emulator.buttons.get(`stop-${second}`), zh.stopLabels.stopped);
  await s.settle();
  s.emulator.press(`stop-${first}`, "stop");
  await s.settle();
  assert.equal(s.emulator.buttons.get(`stop-${first}`), zh.stopLabels.nothing);
});

Deno.test("app: somebody hears within three seconds that the bot is at work", async () => {
  await using s = await stage({ kind: "app", script: () => ({ pieces: [[60_000, "答案"]] }) });
  s.emulator.sayToApp({ from: "a", text: "问" });
  await s.clock.advance(3000);
  assert.deepEqual(s.finals("a"), [["template_card", zh.thinking]]);
});

Deno.test("bot: somebody hears within three seconds that the bot is at work, also while a picture is still fetched", async () => {
  for (const kind of ["poll", "socket"] as const) {
    await using s = await stage({ kind, script: () => ({ pieces: [[60_000, "答案"]] }) });
    const shown = () => s.emulator.log.in("a").filter((m) => m.from === "bot").map((m) => m.text);
    s.emulator.sayToBot({ from: "a", text: "问" });
    await s.clock.advance(3000);
    assert.deepEqual(shown(), [zh.thinking], kind);
    await s.settle();
    s.slow(/files/, 20_000);
    s.emulator.sayToBot({ from: "a", image: new Uint8Array([1]) });
    await s.clock.advance(3000);
    assert.equal(shown().length, 2, kind);
    assert.ok([zh.thinking, zh.reading].includes(shown()[1]!), shown().join("|"));
    await s.settle();
    assert.equal(s.gateway.asked[1]!.images.length, 1);
  }
});

Deno.test("bot, long connection: a message that cannot be stored does not come again, so its person hears of it", async () => {
  await using s = await stage({ kind: "socket" });
  s.store.set = () => Promise.reject(new NexusError("internal", "disk full"));
  s.emulator.sayToBot({ from: "a", text: "问" });
  await s.clock.advance(3000);
  assert.deepEqual(s.finals("a"), [["stream", zh.failed("internal")]]);
  assert.equal(s.notes.of("fault").length, 1);
});

Deno.test("bot, polled: a stream that a new process still resumes is not ended by what the old one had written down", async () => {
  await using s = await stage({ kind: "poll" });
  await s.store.set("im:stream:main:nexus-m1", { text: "答案" });
  const keys = { token: KEYS.token, aesKey: KEYS.encodingAesKey, receiver: "" };
  const poll = async () => {
    const request = s.emulator.botCallback({
      msgid: "p",
      msgtype: "stream",
      stream: { id: "nexus-m1" },
    });
    const { encrypt } = await (await s.channel.fetch(request)).json();
    return JSON.parse(unseal(keys, encrypt)).stream;
  };
  await s.store.set("outbox:wecom:main:m1", {});
  assert.deepEqual(await poll(), { id: "nexus-m1", finish: false, content: "答案" });
  await s.store.delete("outbox:wecom:main:m1");
  assert.deepEqual(await poll(), { id: "nexus-m1", finish: true, content: "答案" });
});
