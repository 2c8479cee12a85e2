import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { NexusError } from "../../../src/core/error.ts";
import { textOf, trace } from "../im/stage.ts";
import { KEYS, stage } from "./stage.ts";

Deno.test("a question in Feishu is answered in one card that grows and ends", async () => {
  await using s = await stage();
  s.emulator.say({ chat: "oc_1", text: "hi" });
  await s.clock.advance(500);
  const [, card] = s.emulator.log.in("oc_1");
  assert.equal(card?.final, false);
  assert.ok(card!.text.startsWith("你好，") || card!.text.includes("Thinking"), card!.text);
  await s.settle();
  assert.deepEqual(s.emulator.log.finals("oc_1").map((m) => [m.kind, m.text]), [[
    "streaming card",
    "你好，世界。",
  ]]);
  assert.equal(s.emulator.counts.throttled, 0);
  const [message] = s.gateway.asked;
  assert.deepEqual([message?.text, message?.channel, message?.chatType, message?.person.id], [
    "hi",
    "lark",
    "direct",
    "lark:main:ou_of_oc_1",
  ]);
});

Deno.test("an event that comes three times is one turn", async () => {
  await using s = await stage();
  s.emulator.say({ chat: "oc_1", text: "hi", messageId: "om_same" });
  await s.clock.advance(50);
  s.emulator.say({ chat: "oc_1", text: "hi", messageId: "om_same" });
  await s.settle();
  s.emulator.say({ chat: "oc_1", text: "hi", messageId: "om_same" });
  await s.settle();
  assert.equal(s.gateway.asked.length, 1);
  assert.equal(s.emulator.log.finals("oc_1").length, 1);
});

Deno.test("in a group only a mention is answered, without the mention, as a reply", async () => {
  await using s = await stage();
  s.emulator.say({ chat: "oc_g", text: "not for the bot", type: "group", mention: false });
  s.emulator.say({ chat: "oc_g", text: "for the bot", type: "group" });
  await s.clock.advance(1000);
  await s.settle();
  assert.deepEqual(s.gateway.asked.map((m) => [m.text, m.chatType]), [["for the bot", "group"]]);
  assert.equal(s.emulator.log.finals("oc_g").length, 1);
});

Deno.test("a long answer goes on in further cards, and nothing of it is missing", async () => {
  const script = {
    pieces: Array.from(
      { length: 300 },
      (_, n): [number, string] => [20, `第${n}段，${"字".repeat(50)}。\n\n`],
    ),
  };
  await using s = await stage({ script: () => script });
  s.emulator.say({ chat: "oc_1", text: "长" });
  await s.clock.advance(1000);
  await s.settle();
  const finals = s.emulator.log.finals("oc_1");
  assert.ok(finals.length >= 4);
  assert.equal(finals.map((m) => m.text).join("").trimEnd(), textOf(script).trimEnd());
});

Deno.test("an answer of more than ten minutes goes on in a new card before Feishu ends the old one", async () => {
  const script = trace(25 * 60, 1);
  await using s = await stage({ script: () => script });
  s.emulator.say({ chat: "oc_1", text: "长" });
  await s.clock.advance(1000);
  await s.settle();
  const finals = s.emulator.log.finals("oc_1");
  assert.equal(finals.length, 3);
  assert.equal(finals.map((m) => m.text).join(""), textOf(script));
});

Deno.test("a card that ends by itself too early is opened again for the final", async () => {
  await using s = await stage({ script: () => ({ pieces: [[1000, "a。"], [120_000, "b。"]] }) });
  s.emulator.faults.streamTtlMs = 30_000;
  s.emulator.say({ chat: "oc_1", text: "hi" });
  await s.clock.advance(1000);
  await s.settle();
  assert.deepEqual(s.emulator.log.finals("oc_1").map((m) => m.text), ["a。b。"]);
});

Deno.test("throttling, failures and silences by lot lose no answer and double none", async () => {
  let seed = 3;
  const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  await using s = await stage({
    script: () => ({ pieces: [[300, "一。"], [1500, "二。"], [1500, "三。"]] }),
    wire: { random, latency: [20, 400], faults: { throttled: 0.05, failing: 0.05, silent: 0.02 } },
  });
  for (let n = 0; n < 60; n++) {
    s.clock.after(n * 200, () => s.emulator.say({ chat: `oc_${n}`, text: "hi" }));
  }
  await s.clock.advance(13_000);
  await s.settle();
  for (let n = 0; n < 60; n++) {
    assert.deepEqual(
      s.emulator.log.finals(`oc_${n}`).map((m) => m.text),
      ["一。二。三。"],
      `chat ${n}`,
    );
  }
});

Deno.test("where cards are refused the answer comes as a text", async () => {
  await using s = await stage({
    settings: { show: "text" },
    script: () => ({ pieces: [[9000, "**done**"]] }),
  });
  s.emulator.say({ chat: "oc_1", text: "hi" });
  await s.clock.advance(1000);
  await s.settle();
  assert.deepEqual(s.emulator.log.finals("oc_1").map((m) => m.text), ["Thinking…", "done"]);
});

Deno.test("a patched card is edited at most once a second and ends with the whole answer", async () => {
  const script = trace(10, 20);
  await using s = await stage({ settings: { show: "patch" }, script: () => script });
  s.emulator.say({ chat: "oc_1", text: "hi" });
  await s.clock.advance(1000);
  await s.settle();
  const [message] = s.emulator.log.finals("oc_1");
  assert.equal(message!.text, textOf(script));
  assert.ok(message!.edits >= 5 && message!.edits <= 12, String(message!.edits));
});

Deno.test("/stop stops what is running, and the card says so", async () => {
  await using s = await stage({ script: () => trace(60, 20) });
  s.emulator.say({ chat: "oc_1", text: "写长文" });
  await s.clock.advance(5000);
  s.emulator.say({ chat: "oc_1", text: "/stop" });
  await s.settle(20_000);
  assert.equal(s.gateway.cancelled.length, 1);
  const texts = s.emulator.log.finals("oc_1").map((m) => m.text);
  assert.ok(texts.some((text) => text.includes("⏹ 已停止。")), texts.join("|"));
});

Deno.test("the card's stop button and a recalled question stop the answer too", async () => {
  await using s = await stage({ script: () => trace(60, 20) });
  const first = s.emulator.say({ chat: "oc_1", text: "one" });
  const second = s.emulator.say({ chat: "oc_2", text: "two" });
  await s.clock.advance(3000);
  s.emulator.press("any", { stop: first }, "ou_of_oc_1");
  s.emulator.recall(second);
  await s.settle(20_000);
  assert.equal(s.gateway.cancelled.length, 2);
});

Deno.test("/bots, /use, /new and /help do what they say, in the person's language", async () => {
  await using s = await stage();
  const say = async (text: string) => {
    s.emulator.say({ chat: "oc_1", text });
    await s.clock.advance(1000);
    await s.settle();
    return s.emulator.log.finals("oc_1").at(-1)!.text;
  };
  assert.match(await say("/bots"), /Alpha/);
  assert.match(await say("/使用 Beta"), /Beta/);
  await say("question");
  assert.equal(s.gateway.asked.at(-1)!.target, "beta");
  assert.match(await say("/use nobody"), /nobody/);
  const before = s.gateway.asked.at(-1)!.conversationId;
  await say("/新对话");
  await say("again");
  assert.notEqual(s.gateway.asked.at(-1)!.conversationId, before);
  await say("/use");
  await say("third");
  assert.equal(s.gateway.asked.at(-1)!.target, undefined);
  assert.match(await say("帮助"), /停止当前回答/);
});

Deno.test("who is not on the list hears so; who is gets an answer", async () => {
  await using s = await stage({ settings: { access: "allowlist", allow: ["ou_friend", "d_1"] } });
  s.emulator.departments.set("ou_colleague", ["d_1"]);
  for (const sender of ["ou_friend", "ou_colleague", "ou_stranger"]) {
    s.emulator.say({ chat: `oc_${sender}`, sender, text: "hi" });
  }
  await s.clock.advance(1000);
  await s.settle();
  assert.equal(s.gateway.asked.length, 2);
  assert.match(s.emulator.log.finals("oc_ou_stranger")[0]!.text, /may not use/);
});

Deno.test("pairing: a code from the chat binds the person to an account", async () => {
  await using s = await stage({ settings: { access: "pairing" } });
  s.emulator.say({ chat: "oc_1", sender: "ou_a", text: "你好" });
  await s.clock.advance(1000);
  await s.settle();
  const code = /\*\*(\w{8})\*\*/.exec(s.emulator.log.finals("oc_1")[0]!.text)![1]!;
  await assert.rejects(s.channel.inbox.pairing.confirm("WRONG234", "alice"), NexusError);
  await s.channel.inbox.pairing.confirm(code.toLowerCase(), "alice");
  s.emulator.say({ chat: "oc_1", sender: "ou_a", text: "again" });
  await s.clock.advance(1000);
  await s.settle();
  assert.equal(s.gateway.asked[0]!.person.id, "alice");
});

Deno.test("rules name who answers whom, and a shared group has one conversation", async () => {
  await using s = await stage({
    settings: {
      bot: "alpha",
      group: "shared",
      rules: [{ chat: "oc_g", bot: "beta" }, { department: "d_9", bot: "gamma" }],
    },
  });
  s.emulator.departments.set("ou_nine", ["d_9"]);
  s.emulator.say({ chat: "oc_g", type: "group", sender: "ou_1", text: "a" });
  s.emulator.say({ chat: "oc_g", type: "group", sender: "ou_2", text: "b" });
  s.emulator.say({ chat: "oc_9", sender: "ou_nine", text: "c" });
  s.emulator.say({ chat: "oc_x", sender: "ou_x", text: "d" });
  await s.clock.advance(2000);
  await s.settle();
  const by = Object.fromEntries(s.gateway.asked.map((m) => [m.text, m]));
  assert.deepEqual([by.a!.target, by.b!.target, by.c!.target, by.d!.target], [
    "beta",
    "beta",
    "gamma",
    "alpha",
  ]);
  assert.equal(by.a!.conversationId, by.b!.conversationId);
});

Deno.test("images come in as data URLs and go out as messages of their own; rich text and text files are read", async () => {
  const png = "data:image/png;base64,iVBORw0KGgo=";
  await using s = await stage({ script: () => ({ pieces: [[10, "看图"]], images: [png] }) });
  s.emulator.resources.set("img_1", { type: "image/png", bytes: new Uint8Array([1, 2, 3]) });
  s.emulator.resources.set("file_1", {
    type: "text/plain",
    bytes: new TextEncoder().encode("内容"),
  });
  s.emulator.say({
    chat: "oc_1",
    message: {
      type: "post",
      content: {
        title: "标题",
        content: [[{ tag: "text", text: "看 " }, { tag: "img", image_key: "img_1" }]],
      },
    },
  });
  s.emulator.say({
    chat: "oc_2",
    message: { type: "file", content: { file_key: "file_1", file_name: "a.txt" } },
  });
  await s.clock.advance(2000);
  await s.settle();
  const [post, file] = s.gateway.asked;
  assert.deepEqual([post!.text, post!.images], ["标题\n看", ["data:image/png;base64,AQID"]]);
  assert.match(file!.text, /内容/);
  assert.deepEqual(s.emulator.log.finals("oc_1").map((m) => m.kind), ["streaming card", "image"]);
});

Deno.test("failures are said in the person's language, and a cut answer is never shown as a whole one", async () => {
  await using s = await stage({
    script: (m) =>
      m.text === "none"
        ? new NexusError("no_bot")
        : { pieces: [[10, "half"]], ending: { status: "incomplete", code: "bot_gone" } },
  });
  s.emulator.say({ chat: "oc_1", text: "none" });
  s.emulator.say({ chat: "oc_2", text: "回答" });
  await s.clock.advance(1000);
  await s.settle();
  assert.match(s.emulator.log.finals("oc_1")[0]!.text, /No bot is online/);
  assert.match(s.emulator.log.finals("oc_2")[0]!.text, /^half\n\n⚠️ 回答中断/);
});

Deno.test("a token that is taken away early is renewed once for all calls", async () => {
  await using s = await stage({ script: () => trace(5, 20) });
  s.emulator.say({ chat: "oc_1", text: "hi" });
  await s.clock.advance(2000);
  s.emulator.spoilTokens();
  await s.settle();
  assert.equal(s.emulator.log.finals("oc_1").length, 1);
});

Deno.test("forged, tampered, plain and foreign callbacks are refused and audited; strange ones are ignored; never a 500", async () => {
  await using s = await stage();
  const event = (more: Record<string, unknown>) => ({
    schema: "2.0",
    header: {
      event_id: "e",
      event_type: "im.message.receive_v1",
      token: KEYS.verificationToken,
      app_id: KEYS.appId,
    },
    event: {},
    ...more,
  });
  const statuses: number[] = [];
  const post = async (request: Request) =>
    statuses.push((await s.channel.fetch(request, "6.6.6.6")).status);
  const valid = s.emulator.callback(event({}));
  const raw = await valid.clone().text();
  const again = (body: string, headers = valid.headers) =>
    new Request("http://x/", { method: "POST", body, headers });
  await post(again(raw + " "));
  await post(again(raw, new Headers()));
  await post(again(JSON.stringify(event({}))));
  await post(again(raw.replace(/.{4}"}$/, 'AAAA"}')));
  await post(
    s.emulator.callback(event({ header: { event_id: "e", event_type: "x", token: "wrong" } })),
  );
  await post(
    s.emulator.callback(
      event({ header: { event_id: "e", event_type: "x", token: "token", app_id: "cli_other" } }),
    ),
  );
  assert.deepEqual(statuses, [401, 401, 401, 401, 401, 401]);
  assert.equal(s.notes.of("callback_refused").length, 6);
  statuses.length = 0;
  await post(again("not json"));
  await post(again("[]", new Headers()));
  await post(valid);
  await post(
    s.emulator.callback(
      event({ header: { event_id: "e", event_type: "who.knows", token: "token" } }),
    ),
  );
  await post(s.emulator.callback({ odd: true }));
  await post(new Request("http://x/"));
  await post(again("x".repeat(2 << 20)));
  assert.deepEqual(statuses, [400, 401, 200, 200, 200, 405, 413]);
  const challenge = await s.channel.fetch(
    s.emulator.callback({ type: "url_verification", challenge: "abc", token: "token" }),
  );
  assert.deepEqual(await challenge.json(), { challenge: "abc" });
});

Deno.test("a message that cannot be stored is not acknowledged, and comes again", async () => {
  const store = new MemoryStore();
  await using s = await stage({ store });
  const { set } = store;
  store.set = () => Promise.reject(new Error("disk full"));
  s.emulator.say({ chat: "oc_1", text: "hi" });
  await s.clock.advance(5000);
  assert.equal(s.emulator.counts.unacknowledged, 1);
  store.set = set.bind(store);
  await s.clock.advance(20_000);
  await s.settle();
  assert.equal(s.emulator.log.finals("oc_1").length, 1);
});

Deno.test("files go out by their names, once each; one that Feishu does not take is a line in the answer", async () => {
  const files = [
    "data:image/png;base64,iVBORw0KGgo=",
    `data:application/pdf;name=${encodeURIComponent("报告.pdf")};base64,${btoa("%PDF a report")}`,
    "data:text/plain;name=empty.txt;base64,",
  ];
  await using s = await stage({ script: () => ({ pieces: [[10, "给你"]], images: files }) });
  s.emulator.say({ chat: "oc_1", text: "文件" });
  await s.settle();
  assert.deepEqual(s.emulator.log.finals("oc_1").map((m) => [m.kind, m.text]).slice(0, 1), [
    ["streaming card", "给你\n\n📎 empty.txt（0 B）无法发送到这里。"],
  ]);
  assert.deepEqual(s.emulator.log.finals("oc_1").map((m) => m.kind), [
    "streaming card",
    "image",
    "file",
  ]);
  assert.equal(s.emulator.log.finals("oc_1")[2]!.text, "报告.pdf");
  const sent = [...s.emulator.resources.values()].find((file) => file.name === "报告.pdf");
  assert.equal(new TextDecoder().decode(sent!.bytes), "%PDF a report");
});

Deno.test("a file that Feishu turns away in the end is said in a line of its own, and the answer stands", async () => {
  const files = ["data:application/pdf;name=a.pdf;base64,AAAA"];
  await using s = await stage({ script: () => ({ pieces: [[10, "给你"]], images: files }) });
  s.emulator.faults.refusesFiles = true;
  s.emulator.say({ chat: "oc_1", text: "文件" });
  await s.settle();
  assert.deepEqual(s.emulator.log.finals("oc_1").map((m) => m.text), [
    "给你",
    "📎 a.pdf（3 B）无法发送到这里。",
  ]);
});
