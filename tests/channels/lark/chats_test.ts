/**
 * What goes wrong in Feishu's chats: slow platforms, strange messages, mentions, cards that are
 * refused, buttons.
 */
import assert from "node:assert/strict";
import { wordsIn } from "../../../src/channels/im/words.ts";
import type { GatewayEvent } from "../../../src/core/observer.ts";
import { stage } from "./stage.ts";

type Stage = Awaited<ReturnType<typeof stage>>;

/** Says something and waits for the answer to it. */
async function asked(s: Stage, said: Parameters<Stage["emulator"]["say"]>[0]) {
  const before = s.emulator.log.finals(said.chat).length;
  s.emulator.say(said);
  await s.clock.advance(1000);
  await s.settle();
  return s.emulator.log.finals(said.chat).slice(before).map((m) => m.text);
}

const zh = wordsIn("zh");

Deno.test("where each call takes ten seconds there is one card, and the answer in it", async () => {
  await using s = await stage({ wire: { latency: [10_000, 10_000] } });
  s.emulator.say({ chat: "oc_1", text: "你好" });
  await s.clock.advance(60_000);
  await s.settle();
  assert.deepEqual(s.emulator.log.finals("oc_1").map((m) => m.text), ["你好，世界。"]);
  assert.equal(s.emulator.counts.cards, 1);
});

Deno.test("a platform that is slower than what is set gets more time at each try", async () => {
  await using s = await stage({
    settings: { timeouts: { token: 1, send: 1, edit: 1 }, show: "text" },
    wire: { latency: [3000, 3000] },
  });
  s.emulator.say({ chat: "oc_1", text: "你好" });
  await s.clock.advance(60_000);
  await s.settle();
  assert.deepEqual(s.emulator.log.finals("oc_1").map((m) => m.text).slice(-1), ["你好，世界。"]);
});

Deno.test("a picture that takes nine seconds to come does not leave the chat silent", async () => {
  await using s = await stage();
  s.emulator.resources.set("img_1", { type: "image/png", bytes: new Uint8Array([1]) });
  s.slow(/resources/, 9000);
  s.emulator.say({ chat: "oc_1", message: { type: "image", content: { image_key: "img_1" } } });
  await s.clock.advance(3000);
  const shown = s.emulator.log.in("oc_1").filter((m) => m.from === "bot");
  assert.deepEqual(shown.map((m) => m.text), [zh.reading]);
  await s.settle();
  assert.equal(s.gateway.asked[0]!.images.length, 1);
  assert.deepEqual(s.emulator.log.finals("oc_1").map((m) => m.text), ["你好，世界。"]);
});

Deno.test("a picture that cannot be fetched is said, and the operator hears of it", async () => {
  await using s = await stage();
  const said = await asked(s, {
    chat: "oc_1",
    message: { type: "image", content: { image_key: "img_none" } },
  });
  assert.deepEqual(said, [zh.pictureLost]);
  assert.equal(s.gateway.asked.length, 0);
  assert.match(JSON.stringify(s.notes.of("warning")), /234003/);
});

Deno.test("a question that waits in line says its place, and that it is being thought about when it is", async () => {
  await using s = await stage({ script: () => ({ pieces: [[20_000, "答案"]] }) });
  s.emulator.say({ chat: "oc_1", text: "问" });
  await s.clock.advance(400);
  const turn = [...s.gateway.turns.values()][0]!;
  const shown = () => s.emulator.log.in("oc_1").at(-1)!.text;
  for (
    const [place, words] of [[3, zh.queued(3)], [1, zh.queued(1)], [
      undefined,
      zh.thinking,
    ]] as const
  ) {
    turn.queuePosition = place;
    turn.reply.wake();
    await s.clock.advance(1000);
    assert.equal(shown(), words);
  }
  await s.settle();
});

Deno.test("each kind of message that holds nothing for a bot is answered with what it is", async () => {
  await using s = await stage();
  const kinds: [type: string, content: unknown, kind: keyof typeof zh.kinds][] = [
    ["sticker", { file_key: "f" }, "sticker"],
    ["merge_forward", { content: "Merged and Forwarded Message" }, "forward"],
    ["share_chat", { chat_id: "oc_2" }, "chat_card"],
    ["share_user", { user_id: "ou_2" }, "name_card"],
    ["share_calendar_event", { summary: "x" }, "calendar"],
    ["audio", { file_key: "f", duration: 2000 }, "voice"],
    ["media", { file_key: "f", image_key: "i", file_name: "a.mp4" }, "video"],
    ["video_chat", { topic: "x" }, "call"],
    ["todo", { task_id: "t" }, "task"],
    ["vote", { topic: "x" }, "vote"],
    ["hongbao", { text: "x" }, "red_packet"],
    ["folder", { file_key: "f", file_name: "x" }, "folder"],
    ["interactive", { elements: [] }, "card"],
    ["something_new", { a: 1 }, "unknown"],
  ];
  for (const [n, [type, content, kind]] of kinds.entries()) {
    const said = await asked(s, { chat: `oc_${n}`, message: { type, content } });
    assert.deepEqual(said, [zh.notUnderstood([kind])], type);
  }
  assert.equal(s.gateway.asked.length, 0);
});

Deno.test("a location, a card's words and an emoji are words", async () => {
  await using s = await stage();
  const cases: [type: string, content: unknown, text: string][] = [
    [
      "location",
      { name: "北京站", longitude: "116.4", latitude: "39.9" },
      "📍 北京站 (39.9, 116.4)",
    ],
    [
      "interactive",
      { title: "周报", elements: [[{ tag: "text", text: "完成了" }, { tag: "a", text: "三项" }]] },
      "周报\n完成了\n三项",
    ],
    ["post", {
      title: "",
      content: [[{ tag: "text", text: "好" }, { tag: "emotion", emoji_type: "OK" }]],
    }, "好[OK]"],
  ];
  for (const [n, [type, content, text]] of cases.entries()) {
    await asked(s, { chat: `oc_${n}`, message: { type, content } });
    assert.equal(s.gateway.asked.at(-1)!.text, text);
  }
});

Deno.test("the mention alone is answered with what one can do", async () => {
  await using s = await stage();
  assert.deepEqual(await asked(s, { chat: "oc_g", type: "group", text: "" }), [zh.help]);
});

Deno.test("a person who is mentioned first is not taken for a bot; a bot's name is", async () => {
  await using s = await stage();
  s.gateway.bots_.push({ id: "helper", name: "Team Helper" });
  const cases: [text: string, target: string | undefined, asked: string][] = [
    ["@_user_2 你看看", undefined, "@Alice 你看看"],
    ["@beta 你看看", "beta", "你看看"],
    ["@Team Helper 你看看", "helper", "你看看"],
    ["@nobody 你看看", undefined, "@nobody 你看看"],
  ];
  for (const [text, target, question] of cases) {
    await asked(s, { chat: "oc_g", type: "group", text, others: ["Alice"] });
    const message = s.gateway.asked.at(-1)!;
    assert.deepEqual([message.target, message.text], [target, question]);
  }
});

Deno.test("of twelve people who are mentioned each has their name", async () => {
  await using s = await stage();
  const others = Array.from({ length: 11 }, (_, n) => `P${n + 2}`);
  await asked(s, { chat: "oc_g", type: "group", text: "@_user_2 @_user_10 @_user_12 来", others });
  assert.equal(s.gateway.asked[0]!.text, "@P2 @P10 @P12 来");
});

Deno.test("code keeps its indentation, and everybody is called so", async () => {
  await using s = await stage();
  await asked(s, { chat: "oc_g", type: "group", text: "if x:\n    y()\n@_all 看" });
  assert.equal(s.gateway.asked[0]!.text, "if x:\n    y()\n@所有人 看");
});

Deno.test("the message that a question replies to reaches the bot, its picture too", async () => {
  await using s = await stage();
  const earlier = s.emulator.say({
    chat: "oc_g",
    type: "group",
    mention: false,
    text: "报价 300 元",
  });
  await asked(s, { chat: "oc_g", type: "group", text: "贵吗", replyTo: earlier });
  assert.equal(s.gateway.asked[0]!.text, "> 报价 300 元\n\n贵吗");
  s.emulator.resources.set("img_9", { type: "image/png", bytes: new Uint8Array([9]) });
  const message = { type: "image", content: { image_key: "img_9" } };
  const picture = s.emulator.say({ chat: "oc_g", type: "group", mention: false, message });
  await asked(s, { chat: "oc_g", type: "group", text: "这是什么", replyTo: picture });
  assert.deepEqual(s.gateway.asked[1]!.images, ["data:image/png;base64,CQ=="]);
  // What the app itself said streams in a card that nobody can read back; that is no trouble.
  const answer = s.emulator.log.in("oc_g").findLast((m) => m.from === "bot")!;
  await asked(s, { chat: "oc_g", type: "group", text: "再说一次", replyTo: answer.id });
  assert.equal(s.gateway.asked[2]!.text, "再说一次");
});

Deno.test("a quoted message that is gone is said below the answer", async () => {
  await using s = await stage();
  const [said] = await asked(s, { chat: "oc_1", text: "解释", replyTo: "om_gone" });
  assert.equal(said, `你好，世界。\n\n${zh.quoteLost}`);
});

Deno.test("whatever a bot repeats, nobody is pinged: not in cards, patched cards or texts, not by a command", async () => {
  const words = '看 <at id=all></at> <at user_id="ou_1">Tom</at> <person id="ou_2"></person>';
  for (const show of ["card", "patch", "text"]) {
    await using s = await stage({
      settings: { show },
      script: () => ({ pieces: [[500, words], [3000, words]] }),
    });
    const said = await asked(s, { chat: "oc_g", type: "group", text: "说" });
    await asked(s, { chat: "oc_g", type: "group", text: "/use <at id=all></at>" });
    assert.deepEqual(s.emulator.log.mentions, [], show);
    assert.equal(said.at(-1)!.replaceAll("\u200b", ""), words + words);
  }
});

Deno.test("a first frame of 60 KB and an answer of twelve tables go on in further cards, and keep growing", async () => {
  const table = "| 项 | 值 |\n|---|---|\n| a | 1 |\n\n";
  const long = "字".repeat(20_000);
  for (
    const pieces of [[[50, long], [5000, "还有。"]], [[500, table.repeat(12)], [
      5000,
      "还有。",
    ]]] as const
  ) {
    await using s = await stage({ script: () => ({ pieces: [...pieces] }) });
    s.emulator.say({ chat: "oc_1", text: "长" });
    await s.clock.advance(4000);
    const cards = s.emulator.log.in("oc_1").filter((m) => m.from === "bot");
    assert.ok(
      cards.length > 1 && cards.every((m) => m.kind === "streaming card"),
      String(cards.length),
    );
    await s.settle();
    const finals = s.emulator.log.finals("oc_1");
    assert.equal(
      finals.map((m) => m.text).join("").replaceAll("\n", ""),
      pieces.map(([, t]) => t).join("").replaceAll("\n", ""),
    );
    assert.ok(finals.every((m) => m.kind === "streaming card"));
    for (const { id } of finals) assert.equal(s.emulator.hasButton(id), false);
    assert.deepEqual(s.notes.of("warning"), []);
  }
});

Deno.test("where the last card is not taken as a whole, its dead button is taken away all the same", async () => {
  await using s = await stage();
  s.emulator.faults.refusesCardReplacements = true;
  s.emulator.say({ chat: "oc_1", text: "问" });
  await s.clock.advance(500);
  assert.equal(s.emulator.hasButton(s.emulator.log.in("oc_1")[1]!.id), true);
  await s.settle();
  const [card] = s.emulator.log.finals("oc_1");
  assert.deepEqual([card!.text, s.emulator.hasButton(card!.id)], ["你好，世界。", false]);
});

Deno.test("only who asked, or an admin, stops an answer, and the button says what it did in either language", async () => {
  await using s = await stage({
    script: () => ({ pieces: [[1000, "开头。"], [60_000, "结尾。"]] }),
  });
  const { pairing } = s.channel.inbox;
  await pairing.confirm(
    (await pairing.code({ channel: "lark", app: "main", id: "ou_boss" }))!,
    "boss",
  );
  const press = async (question: string, by: string) => {
    const before = s.emulator.toasts.length;
    s.emulator.press("any", { stop: question }, by);
    await s.clock.until(() => s.emulator.toasts.length > before, 3000);
    return s.emulator.toasts.at(-1);
  };
  const toast = (what: "stopped" | "nothing" | "not_yours") => {
    const [zh, en] = [wordsIn("zh").stop[what], wordsIn("en").stop[what]];
    return {
      type: what === "stopped" ? "success" : "info",
      content: zh,
      i18n: { zh_cn: zh, en_us: en },
    };
  };
  const question = s.emulator.say({ chat: "oc_g", type: "group", sender: "ou_asker", text: "问" });
  await s.clock.advance(3000);
  assert.deepEqual(await press(question, "ou_other"), toast("not_yours"));
  assert.equal(s.gateway.cancelled.length, 0);
  assert.deepEqual(await press(question, "ou_asker"), toast("stopped"));
  await s.settle();
  assert.deepEqual(await press(question, "ou_asker"), toast("nothing"));
  const second = s.emulator.say({ chat: "oc_g", type: "group", sender: "ou_asker", text: "再问" });
  await s.clock.advance(3000);
  assert.deepEqual(await press(second, "ou_boss"), toast("stopped"));
  await s.settle();
  assert.equal(s.gateway.cancelled.length, 2);
});

Deno.test("/stop stops one's own answers in a shared group, and says so where only others' run", async () => {
  await using s = await stage({
    settings: { group: "shared" },
    script: () => ({ pieces: [[1000, "开头。"], [60_000, "结尾。"]] }),
  });
  s.emulator.say({ chat: "oc_g", type: "group", sender: "ou_a", text: "问" });
  await s.clock.advance(2000);
  const command = async (sender: string) => {
    s.emulator.say({ chat: "oc_g", type: "group", sender, text: "/停止" });
    await s.clock.advance(1500);
    return s.emulator.log.finals("oc_g").findLast((m) => m.from === "bot")!.text;
  };
  assert.equal(await command("ou_b"), zh.stop.not_yours);
  assert.equal(s.gateway.cancelled.length, 0);
  s.emulator.say({ chat: "oc_g", type: "group", sender: "ou_a", text: "/停止" });
  await s.settle();
  assert.equal(s.gateway.cancelled.length, 1);
  assert.equal(await command("ou_b"), zh.stop.nothing);
});

Deno.test("what is stopped while its picture is still fetched is never asked", async () => {
  await using s = await stage();
  s.emulator.resources.set("img_1", { type: "image/png", bytes: new Uint8Array([1]) });
  s.slow(/resources/, 9000);
  const question = s.emulator.say({
    chat: "oc_1",
    message: { type: "image", content: { image_key: "img_1" } },
  });
  await s.clock.advance(3000);
  s.emulator.press("any", { stop: question }, "ou_of_oc_1");
  await s.settle();
  assert.deepEqual([s.gateway.asked.length, s.emulator.log.finals("oc_1").map((m) => m.text)], [0, [
    zh.cancelled,
  ]]);
});

Deno.test("/bots marks the bot that answers: the chosen one, the conversation's own, or none", async () => {
  await using s = await stage();
  s.gateway.bots_ = [{ id: "alpha", name: "Alpha" }, { id: "b1", name: "B1", pool: "bees" }, {
    id: "b2",
    name: "B2",
    pool: "bees",
  }];
  const marked = async () => {
    const [list] = await asked(s, { chat: "oc_1", text: "/机器人" });
    return [...list!.matchAll(/\(`(\w+)`\) ← 当前/g)].map(([, id]) => id);
  };
  assert.deepEqual(await marked(), []);
  await asked(s, { chat: "oc_1", text: "问" });
  assert.deepEqual(await marked(), ["alpha"]);
  await asked(s, { chat: "oc_1", text: "/使用 b1" });
  assert.deepEqual(await marked(), ["b1"]);
  await asked(s, { chat: "oc_1", text: "/使用 bees" });
  assert.deepEqual(await marked(), ["b1", "b2"]);
});

Deno.test("an answer that the platform shows in no way is said to be so", async () => {
  await using s = await stage({ script: () => ({ pieces: [[100, "禁词"]] }) });
  s.refuse((body) => body.includes("禁词"), 230028);
  const said = await asked(s, { chat: "oc_1", text: "问" });
  assert.equal(said.at(-1), zh.notShown);
  assert.match(JSON.stringify(s.notes.of("warning")), /organisation's audit/);
});

Deno.test("where departments cannot be asked for, nobody is let in or given to another bot, and that is said", async () => {
  await using s = await stage({ settings: { rules: [{ department: "d_1", bot: "beta" }] } });
  s.refuse((_body, url) => url.includes("/contact/"), 99991672);
  assert.deepEqual(await asked(s, { chat: "oc_1", text: "问" }), [zh.notChecked]);
  assert.match(JSON.stringify(s.notes.of("warning")), /a permission of the app is missing/);
});

Deno.test("departments are asked for once in ten minutes", async () => {
  await using s = await stage({ settings: { rules: [{ department: "d_1", bot: "beta" }] } });
  s.emulator.departments.set("ou_of_oc_1", ["d_1"]);
  for (let n = 0; n < 3; n++) await asked(s, { chat: "oc_1", text: `问 ${n}` });
  assert.deepEqual(s.gateway.asked.map((m) => m.target), ["beta", "beta", "beta"]);
  assert.equal(s.calls(/contact/), 1);
  await s.clock.advance(600_000);
  await asked(s, { chat: "oc_1", text: "问" });
  assert.equal(s.calls(/contact/), 2);
});

Deno.test("how an app is doing is there to be read: what was heard, refused, and went wrong, in words", async () => {
  await using s = await stage();
  assert.deepEqual([s.channel.health.connected, s.channel.health.lastEventAt], [true, undefined]);
  await asked(s, { chat: "oc_1", text: "hi" });
  assert.ok(s.channel.health.lastEventAt! > 0);
  await s.channel.fetch(new Request("http://x/", { method: "POST", body: "{}" }), "6.6.6.6");
  assert.deepEqual([s.channel.health.refusedCallbacks, s.channel.health.lastRefused?.why], [
    1,
    "not encrypted",
  ]);
  s.refuse((_body, url) => url.includes("tenant_access_token"), 10014);
  s.emulator.spoilTokens();
  await asked(s, { chat: "oc_1", text: "hi" });
  assert.match(s.channel.health.lastError!.words, /the App Secret is wrong/);
  const warnings: GatewayEvent[] = s.notes.of("warning");
  assert.equal(warnings.filter((w) => JSON.stringify(w).includes("10014")).length, 1);
});
