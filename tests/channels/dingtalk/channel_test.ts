import assert from "node:assert/strict";
import vectors from "../../vectors/im_crypto.json" with { type: "json" };
import { textOf, trace } from "../im/stage.ts";
import { stage } from "./stage.ts";

Deno.test("a thirty-second answer costs four calls in the standard edition and ends whole", async () => {
  const script = trace(30, 30);
  await using s = await stage({ script: () => script });
  s.emulator.say({ chat: "cid1", text: "hi" });
  await s.settle();
  assert.deepEqual(s.finals("cid1"), [["AI card", textOf(script)]]);
  assert.equal(s.emulator.counts.counted, 4);
  assert.equal(s.channel.inbox.cost.calls, 4);
});

Deno.test("in free pace a card grows every 800 ms", async () => {
  await using s = await stage({
    script: () => trace(30, 30),
    settings: { edition: "professional", pace: "free" },
  });
  s.emulator.say({ chat: "cid1", text: "hi" });
  await s.settle();
  const [card] = s.emulator.log.finals("cid1");
  assert.ok(card!.edits > 20 && card!.edits < 38, String(card!.edits));
});

Deno.test("what a card cannot hold goes on as a message by the session's webhook, which costs no API call", async () => {
  const script = {
    pieces: Array.from(
      { length: 200 },
      (_, n): [number, string] => [20, `第${n}段，${"字".repeat(50)}。\n\n`],
    ),
  };
  await using s = await stage({ script: () => script });
  s.emulator.say({ chat: "cid1", text: "长" });
  await s.settle();
  const finals = s.emulator.log.finals("cid1");
  assert.deepEqual(
    finals.map((m) => m.kind),
    ["AI card", "markdown", "markdown", "markdown"].slice(0, finals.length),
  );
  assert.equal(finals.map((m) => m.text).join("").trimEnd(), textOf(script).trimEnd());
  assert.ok(s.emulator.counts.counted <= 4);
});

Deno.test("without a card template the answer is one message by the webhook, with a sign of life when it takes long", async () => {
  await using s = await stage({
    settings: { cardTemplateId: undefined },
    script: () => ({ pieces: [[20_000, "答案"]] }),
  });
  s.emulator.say({ chat: "cid1", text: "你好", type: "group", sender: "staff1" });
  await s.settle();
  assert.deepEqual(s.finals("cid1"), [["markdown", "思考中…"], ["markdown", "答案"]]);
  assert.equal(s.emulator.counts.counted, 0);
});

Deno.test("when the webhook has expired the robot's own message is sent", async () => {
  await using s = await stage({
    settings: { cardTemplateId: undefined, placeholderAfter: 9e6 },
    script: () => ({ pieces: [[60, "a"]] }),
  });
  s.channel.inbox.receive({
    id: "m1",
    chat: { id: "cid1", type: "direct" },
    sender: { id: "staff1" },
    text: "hi",
    images: [],
    files: [],
    at: s.clock.now(),
    address: {
      type: "direct",
      conversationId: "cid1",
      staffId: "staff1",
      webhook: "http://x/",
      webhookUntil: s.clock.now(),
    },
  });
  await s.settle();
  assert.deepEqual(s.finals("staff1"), [["sampleMarkdown", "a"]]);
});

Deno.test("the month's quota is never overdrawn: cards stop at the last tenth, finals go on by the webhook", async () => {
  await using s = await stage({
    script: () => trace(5, 20),
    settings: { limits: { month: 60 } },
    platform: { month: 60 },
  });
  for (let n = 0; n < 40; n++) {
    s.emulator.say({ chat: `cid${n}`, text: "hi" });
    await s.settle();
  }
  assert.ok(s.emulator.counts.counted <= 60, String(s.emulator.counts.counted));
  assert.ok(s.emulator.counts.counted >= 50, String(s.emulator.counts.counted));
  const finals = (chat: string) =>
    s.emulator.log.finals(chat).filter(({ text }) => text !== "Thinking…");
  for (let n = 0; n < 40; n++) assert.equal(finals(`cid${n}`).length, 1, `chat ${n}`);
  assert.equal(s.emulator.counts.throttled, 0);
});

Deno.test("a recipient who is flow-controlled inside a 200 is tried again until it is through", async () => {
  await using s = await stage({ settings: { cardTemplateId: undefined, placeholderAfter: 9e6 } });
  s.emulator.faults.flowControlled.add("staff1");
  s.clock.after(9000, () => s.emulator.faults.flowControlled.clear());
  s.channel.inbox.receive({
    id: "m1",
    chat: { id: "cid1", type: "direct" },
    sender: { id: "staff1" },
    text: "hi",
    images: [],
    files: [],
    at: s.clock.now(),
    address: { type: "direct", conversationId: "cid1", staffId: "staff1" },
  });
  await s.settle();
  assert.deepEqual(s.finals("staff1"), [["sampleMarkdown", "你好，世界。"]]);
});

Deno.test("a banned address waits its five minutes and loses nothing", async () => {
  await using s = await stage();
  for (let n = 0; n < 10_001; n++) await s.emulator.fetch(new Request("http://x/gettoken"));
  s.emulator.say({ chat: "cid1", text: "hi" });
  await s.settle();
  assert.equal(s.finals("cid1").length, 1);
});

Deno.test("throttling, failures and silences by lot lose no answer; cards are never doubled", async () => {
  let seed = 5;
  const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  await using s = await stage({
    settings: { edition: "professional" },
    platform: { perSecond: 40 },
    script: () => ({ pieces: [[300, "一。"], [1500, "二。"]] }),
    wire: { random, latency: [20, 400], faults: { throttled: 0.05, failing: 0.05, silent: 0.02 } },
  });
  for (let n = 0; n < 60; n++) {
    s.clock.after(n * 200, () => s.emulator.say({ chat: `cid${n}`, text: "hi" }));
  }
  await s.clock.advance(13_000);
  await s.settle();
  for (let n = 0; n < 60; n++) {
    assert.deepEqual(s.finals(`cid${n}`), [["AI card", "一。二。"]], `chat ${n}`);
  }
});

Deno.test("pictures come in by their download code and go out as uploads; speech and rich text are read", async () => {
  const png = "data:image/png;base64,iVBORw0KGgo=";
  await using s = await stage({ script: () => ({ pieces: [[10, "看"]], images: [png] }) });
  s.emulator.files.set("code1", { type: "image/png", bytes: new Uint8Array([1, 2, 3]) });
  s.emulator.say({
    chat: "cid1",
    message: {
      type: "richText",
      content: { richText: [{ text: "这是" }, { type: "picture", downloadCode: "code1" }] },
    },
  });
  s.emulator.say({
    chat: "cid2",
    message: { type: "audio", content: { recognition: "说的话", downloadCode: "c" } },
  });
  await s.settle();
  assert.deepEqual(s.gateway.asked.map((m) => [m.text, m.images]).sort(), [["说的话", []], [
    "这是",
    [
      "data:image/png;base64,AQID",
    ],
  ]]);
  assert.deepEqual(s.emulator.log.finals("cid1").map((m) => m.kind), ["AI card", "sampleImageMsg"]);
});

Deno.test("forged and stale callbacks are refused and audited, repeats dropped, strange ones ignored", async () => {
  await using s = await stage();
  const message = {
    msgId: "m1",
    msgtype: "text",
    conversationId: "c",
    conversationType: "1",
    senderId: "s",
    text: { content: "hi" },
  };
  const valid = s.emulator.callback(message);
  const old = s.emulator.callback(message, String(s.clock.now() - 3_700_000));
  const forged = new Request("http://x/", {
    method: "POST",
    body: "{}",
    headers: { timestamp: "1", sign: "x" },
  });
  const statuses: number[] = [];
  for (const request of [forged, old, valid.clone(), valid]) {
    statuses.push((await s.channel.fetch(request, "6.6.6.6")).status);
  }
  for (
    const odd of [
      { msgId: 3 },
      { ...message, msgId: "m2", msgtype: "unknown", text: undefined },
      [],
    ]
  ) {
    statuses.push((await s.channel.fetch(s.emulator.callback(odd))).status);
  }
  assert.deepEqual(statuses, [401, 401, 200, 200, 200, 200, 200]);
  assert.deepEqual(s.notes.of("callback_refused").map((n) => n.why), ["signature", "stale"]);
  await s.settle();
  assert.equal(s.gateway.asked.length, 1);
});

Deno.test("a sealed event subscription is answered with the sealed word the platform waits for", async () => {
  const { token, aes_key, owner_key, cases } = vectors.dingtalk.event_callback;
  await using s = await stage({ settings: { clientId: owner_key, token, aesKey: aes_key } });
  const [check] = cases;
  const url = (signature: string) =>
    `http://x/channels/dingtalk/main?signature=${signature}&timestamp=${check!.timestamp}&nonce=${
      check!.nonce
    }`;
  const body = JSON.stringify({ encrypt: check!.encrypt });
  const response = await s.channel.fetch(
    new Request(url(check!.signature), { method: "POST", body }),
  );
  const { Envelope } = await import("../../../src/channels/im/envelope.ts");
  const answer = await response.json();
  const envelope = new Envelope({ token, aesKey: aes_key, receiver: owner_key });
  assert.deepEqual(
    envelope.open(answer.msg_signature, answer.timeStamp, answer.nonce, answer.encrypt),
    {
      message: "success",
    },
  );
  assert.equal(
    (await s.channel.fetch(new Request(url("bad"), { method: "POST", body }))).status,
    401,
  );
});

Deno.test("files go out by their names; kinds that DingTalk shows no file of are a line in the answer", async () => {
  const files = [
    `data:application/pdf;name=${encodeURIComponent("报告.pdf")};base64,${btoa("%PDF a report")}`,
    "data:text/x-python;name=script.py;base64,AAAA",
  ];
  await using s = await stage({ script: () => ({ pieces: [[10, "给你"]], images: files }) });
  s.emulator.say({ chat: "cid1", text: "文件" });
  await s.settle();
  assert.deepEqual(s.finals("cid1"), [
    ["AI card", "给你\n\n📎 script.py（3 B）无法发送到这里。"],
    ["sampleFile", "报告.pdf"],
  ]);
});

Deno.test("a card that is refused in the middle of an answer is closed, and the answer is one message below it", async () => {
  await using s = await stage({
    settings: { edition: "professional", pace: "free" },
    platform: { perSecond: 40 },
    script: () => ({ pieces: [[500, "开头。"], [3000, "禁词。"], [3000, "结尾。"]] }),
  });
  s.emulator.faults.refusesContent = (text) => text.includes("禁词");
  s.emulator.say({ chat: "cid1", text: "问" });
  await s.settle();
  assert.deepEqual(
    s.emulator.log.in("cid1").filter((m) => m.from === "bot").map((m) => [m.kind, m.text, m.final]),
    [
      ["AI card", "回答见下方。", true],
      ["markdown", "开头。禁词。结尾。", true],
    ],
  );
});

Deno.test("a card that is refused at its last words is closed too", async () => {
  await using s = await stage({ script: () => ({ pieces: [[500, "开头。"], [200, "禁词。"]] }) });
  s.emulator.faults.refusesContent = (text) => text.includes("禁词");
  s.emulator.say({ chat: "cid1", text: "问" });
  await s.settle();
  assert.deepEqual(s.finals("cid1"), [["AI card", "回答见下方。"], ["markdown", "开头。禁词。"]]);
});
