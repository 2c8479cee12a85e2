/** Who is who in a chat, who may speak, and with which of the bots. */
import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { wordsIn } from "../../../src/channels/im/words.ts";
import type { Identity } from "../../../src/core/people/identity.ts";
import type { ExternalUser } from "../../../src/core/people/provisioning.ts";
import { until, USERS } from "../../world.ts";
import { type Chats, chats, type Kind, KINDS } from "./chats.ts";
import { DING, FEISHU, WECOM } from "./crash_keys.ts";

const zh = wordsIn("zh"), en = wordsIn("en");
const HERE = { address: "127.0.0.1" };

/** Whom a sign-in by the platform sees, when it is the person who writes in this chat. */
function signInOf(kind: Kind, chat: string): ExternalUser {
  if (kind === "feishu") {
    const union: Identity = {
      platform: "lark",
      kind: "union_id",
      scope: "tenant",
      value: `on_ou_of_${chat}`,
    };
    return {
      platform: "lark",
      identities: [union],
      ids: [`lark:${FEISHU.appId}:ou_of_${chat}`],
      displayName: "李雷",
    };
  }
  if (kind.startsWith("dingtalk")) {
    const union: Identity = {
      platform: "dingtalk",
      kind: "union_id",
      scope: "dingcorp",
      value: `union_of_${chat}`,
    };
    return {
      platform: "dingtalk",
      identities: [union],
      ids: [`dingtalk:${DING.clientId}:union_of_${chat}`],
    };
  }
  const member: Identity = { platform: "wecom", kind: "user_id", scope: WECOM.corpId, value: chat };
  return { platform: "wecom", identities: [member], ids: [`wecom:${WECOM.corpId}:${chat}`] };
}

function nameIn({ platform }: Chats, chat: string, name: string): void {
  if ("feishu" in platform) platform.feishu?.names.set(`ou_of_${chat}`, name);
  if ("ding" in platform) platform.ding?.names.set(chat, name);
  if ("wecom" in platform) platform.wecom?.names.set(chat, name);
}

/** Says something as a person of Feishu, and returns what came back. */
async function inFeishu(
  c: Chats,
  said: Parameters<NonNullable<FeishuOf>["say"]>[0],
): Promise<string> {
  const before = c.log.finals(said.chat).length;
  feishuOf(c).say(said);
  return (await c.finals(said.chat, before + 1)).at(-1)!;
}

type FeishuOf = Extract<Chats["platform"], { feishu?: unknown }>["feishu"];

function feishuOf({ platform }: Chats): NonNullable<FeishuOf> {
  assert.ok("feishu" in platform && platform.feishu);
  return platform.feishu;
}

for (const kind of KINDS.filter((kind) => kind !== "dingtalk card")) {
  Deno.test(`${kind}: who writes and signs in is one account, whichever comes first, without a code and by name`, async () => {
    await using c = await chats(kind);
    nameIn(c, "first", "韩梅梅");
    nameIn(c, "second", "李雷");
    await c.say("first", "hello");
    const { accounts } = c.w.app;
    const first = await accounts.provision(signInOf(kind, "first"), HERE);
    assert.equal(c.asked[0].userId, first.id);
    const names = await c.w.app.accounts.identities.of(first.id);
    assert.ok(
      names.some((one) => one.kind === "chat" && one.scope === "main"),
      JSON.stringify(names),
    );
    const { id } = await accounts.provision(signInOf(kind, "second"), HERE);
    await c.say("second", "hello too");
    assert.equal(c.asked[1].userId, id);
    if (kind !== "wecom bot") {
      assert.deepEqual(c.asked.map(({ senderName }) => senderName), ["韩梅梅", "李雷"]);
    }
    // What they asked in the chat is their history.
    assert.equal((await c.w.app.gateway.history.conversations({ id: first.id })).length, 1);
  });

  Deno.test(`${kind}: whose account is disabled is refused in the chat, and not written to`, async () => {
    await using c = await chats(kind);
    await c.say("chat1", "hello");
    const id = c.asked[0].userId;
    await c.w.app.accounts.editor.change(id, { disabled: true });
    await c.say("chat1", "hello again");
    await c.say("chat1", "/bots");
    const [, refused, again] = await c.finals("chat1", 3);
    // WeCom's app marks the second of two messages that say the same.
    assert.deepEqual([refused, again!.replace("\u200b", "")], [en.notAllowed, en.notAllowed]);
    if (kind !== "wecom app") {
      const before = c.log.finals("group1").length;
      // The same person in a group.
      if ("feishu" in c.platform) {
        feishuOf(c).say({
          chat: "group1",
          type: "group",
          text: "and here?",
          sender: "ou_of_chat1",
        });
      } else if ("ding" in c.platform) {
        c.platform.ding?.say({ chat: "group1", type: "group", text: "and here?", sender: "chat1" });
      } else if ("wecom" in c.platform) {
        c.platform.wecom?.sayToBot({ from: "chat1", group: "group1", text: "@Bot and here?" });
      }
      assert.deepEqual((await c.finals("group1", before + 1)).slice(-1), [en.notAllowed]);
    }
    assert.equal((await c.push(`user:${id}`, "psst")).success, false);
    assert.equal(c.asked.length, 1, "no bot hears of them");
    await c.w.app.accounts.editor.change(id, { disabled: false });
    await c.say("chat1", "and now?");
    assert.equal(c.asked[1].userId, id);
  });
}

Deno.test("people of other companies are strangers of the app, without an account", async () => {
  await using c = await chats("feishu");
  await inFeishu(c, { chat: "oc_1", sender: "ou_x", tenant: "another", text: "hello" });
  assert.equal(c.asked[0].userId, "lark:main:ou_x");
  assert.deepEqual(await c.w.app.accounts.identities.all(), []);
});

Deno.test("where DingTalk does not tell who somebody is they are a stranger, and it is not asked for each message", async () => {
  await using c = await chats("dingtalk");
  assert.ok("ding" in c.platform && c.platform.ding);
  c.platform.ding.faults.refusesPeople = true;
  await c.say("staff1", "hello");
  await c.say("staff1", "hello again");
  assert.deepEqual(c.asked.map(({ userId }) => userId), [
    "dingtalk:main:staff1",
    "dingtalk:main:staff1",
  ]);
  assert.match(c.w.app.apps.list()[0]!.lastError!.words, /permission/);
});

Deno.test("who had talked before there were accounts keeps the id and the history", async () => {
  const store = new MemoryStore();
  // As the version before wrote it.
  const conversation = {
    id: "c1",
    personId: "lark:main:ou_of_oc_1",
    title: "old",
    createdAt: 1,
    lastAt: 1,
  };
  await store.set("conv:lark%3Amain%3Aou_of_oc_1:c1", conversation);
  await store.set("im:conv:lark:main:oc_1:lark:main:ou_of_oc_1", { id: "c1" });
  await store.set("bind:lark:main:ou_of_oc_2", { account: "alice", name: "A", at: 5 });
  await using c = await chats("feishu", {}, store);
  await c.say("oc_1", "hello");
  await c.say("oc_2", "hello");
  assert.deepEqual(c.asked.map(({ userId }) => userId), ["lark:main:ou_of_oc_1", "alice"]);
  assert.equal(c.asked[0].conversationId, "c1");
  assert.equal(
    (await c.w.app.accounts.provision(signInOf("feishu", "oc_1"), HERE)).id,
    "lark:main:ou_of_oc_1",
  );
});

/*
 * ── which bots
 * ────────────────────────────────────────────────────────────────────────────────────────────────────────
 */

const CARL = { users: { ...USERS, carl: { password: "carl-pass", bots: ["alpha"] } } };

/** Another bot beside `alpha`. */
async function beta(
  c: Chats,
): Promise<
  { readonly asked: { userId: string; content: string }[]; push(to: string): Promise<boolean> }
> {
  const bot = await c.w.bot("beta", { protocol: 2 });
  const asked: { userId: string; content: string }[] = [];
  bot.answerAll((chat) => {
    asked.push(chat);
    bot.reply(chat.id, `beta to ${chat.content}`, true, { seq: 1 });
  });
  return {
    asked,
    async push(to) {
      bot.send({ type: "push", to, content: "from beta", id: crypto.randomUUID() });
      return (await bot.next("pushed")).success;
    },
  };
}

Deno.test("a bot that some person may not use is not offered to strangers and guests: by no word, rule or push", async () => {
  await using c = await chats(
    "feishu",
    { bot: "alpha", rules: [{ chat: "oc_rule", bot: "beta" }] },
    new MemoryStore(),
    CARL,
  );
  const other = await beta(c);
  for (const tenant of ["another", "tenant"]) {
    const say = (text: string, chat = "oc_1") =>
      inFeishu(c, { chat: chat + tenant, sender: `ou_${tenant}`, tenant, text });
    assert.ok(!(await say("/bots")).includes("beta"));
    assert.equal(await say("/use beta"), en.unknownBot("beta"));
    await say("@beta hello");
    await say("hello");
    assert.equal(
      await inFeishu(c, { chat: "oc_rule", sender: `ou_${tenant}`, tenant, text: "by the rule" }),
      en.failed("bot_offline"),
    );
    const id = c.asked.at(-1)!.userId;
    const before = c.log.finals(`oc_1${tenant}`).length;
    await other.push(`user:${id}`);
    assert.equal(c.log.finals(`oc_1${tenant}`).length, before);
  }
  assert.deepEqual(other.asked, []);
  // Whom the operator lets use everything gets it here too.
  await c.bind("oc_2", "alice");
  assert.ok((await inFeishu(c, { chat: "oc_2", text: "/bots" })).includes("beta"));
  await inFeishu(c, { chat: "oc_2", text: "/use beta" });
  assert.equal(await inFeishu(c, { chat: "oc_2", text: "hello" }), "beta to hello");
  await c.bind("oc_3", "carl");
  assert.equal(await inFeishu(c, { chat: "oc_3", text: "/use beta" }), en.unknownBot("beta"));
  // Who signs in by the platform may use all on the page, and so here.
  await c.w.app.accounts.provision(signInOf("feishu", "oc_4"), HERE);
  assert.ok((await inFeishu(c, { chat: "oc_4", text: "/bots" })).includes("beta"));
});

Deno.test("an app offers the bots that it lists, to an account no more than it may use, and nothing else by a push", async () => {
  await using c = await chats("feishu", { bots: ["beta"] }, new MemoryStore(), CARL);
  const other = await beta(c);
  assert.equal(await inFeishu(c, { chat: "oc_1", text: "hello" }), "beta to hello");
  assert.equal(await inFeishu(c, { chat: "oc_1", text: "/use alpha" }), en.unknownBot("alpha"));
  await c.bind("oc_2", "alice");
  assert.equal(await inFeishu(c, { chat: "oc_2", text: "hello" }), "beta to hello");
  assert.equal((await c.push("user:alice", "from alpha")).success, true, "the page has it");
  assert.equal(await other.push("user:alice"), true);
  assert.equal((await c.finals("oc_2", 2))[1], "from beta");
  await c.bind("oc_3", "carl");
  assert.equal(await inFeishu(c, { chat: "oc_3", text: "hello" }), en.failed("no_bot"));
});

Deno.test("a shared group gives each speaker their own rights", async () => {
  await using c = await chats("feishu", { group: "shared" }, new MemoryStore(), CARL);
  await beta(c);
  await c.bind("oc_carl", "carl");
  await c.bind("oc_alice", "alice");
  const ask = (sender: string, text: string) =>
    inFeishu(c, { chat: "oc_g", type: "group", sender, text });
  assert.ok(!(await ask("ou_of_oc_carl", "/bots")).includes("beta"));
  assert.ok((await ask("ou_of_oc_alice", "/bots")).includes("beta"));
  assert.ok(!(await ask("ou_stranger", "/bots")).includes("beta"));
});

Deno.test("a rule that locks is not got past, and a bot that is reserved answers nobody else", async () => {
  const rules = [
    { person: "ou_hr", bot: "beta", reserve: true },
    { chat: "oc_locked", bot: "alpha", lock: true },
  ];
  await using c = await chats("feishu", { rules });
  const other = await beta(c);
  const say = (sender: string, chat: string, text: string) => inFeishu(c, { chat, sender, text });
  assert.equal(await say("ou_hr", "oc_1", "hello"), "beta to hello");
  assert.equal(await say("ou_x", "oc_2", "/use beta"), en.unknownBot("beta"));
  assert.equal(await say("ou_x", "oc_2", "@beta hello"), "to @beta hello");
  assert.equal(await other.push(`user:${c.asked.at(-1)!.userId}`), true, "to the page");
  assert.equal(c.log.finals("oc_2").length, 2, "and not to the chat");
  assert.equal(await say("ou_y", "oc_locked", "/use beta"), en.unknownBot("beta"));
  assert.equal(await say("ou_y", "oc_locked", "hello"), "to hello");
});

Deno.test("who is named in the deny list may not speak, whatever else is said: people, chats, departments, accounts by hand", async () => {
  await using c = await chats("feishu", {
    access: "allowlist",
    allow: ["ou_a", "on_ou_b", "od-sales"],
    deny: ["ou_no", "oc_no", "od-interns"],
  });
  const feishu = feishuOf(c);
  feishu.departments.set("ou_intern", ["od-sales", "od-interns"]);
  feishu.departments.set("ou_sales", ["od-sales"]);
  const say = (sender: string, chat: string) => inFeishu(c, { chat, sender, text: "hello" });
  assert.equal(await say("ou_a", "oc_1"), "to hello");
  assert.equal(await say("ou_b", "oc_2"), "to hello", "by what the company knows them by");
  assert.equal(await say("ou_sales", "oc_3"), "to hello");
  for (
    const [sender, chat] of [["ou_no", "oc_4"], ["ou_a", "oc_no"], ["ou_intern", "oc_5"], [
      "ou_other",
      "oc_6",
    ]] as const
  ) {
    assert.equal(await say(sender, chat), en.notAllowed, sender);
  }
  const made = c.w.app.accounts.list().map(({ id }) => id).filter((id) => id.startsWith("lark:"));
  assert.equal(made.length, 3, "who is refused gets no account");
});

/*
 * ── linking by a code
 * ─────────────────────────────────────────────────────────────────────────────────────────────────
 */

async function call(c: Chats, who: string, method: string, path: string, json?: unknown) {
  const headers = { "content-type": "application/json" };
  const response = await c.w.as(who, path, {
    method,
    headers,
    body: json === undefined ? undefined : JSON.stringify(json),
  });
  return { status: response.status, body: await response.json() };
}

const codeIn = (text: string) => /\*\*(\w{8})\*\*/.exec(text)?.[1];

Deno.test("in a group there is no code, only the way to it", async () => {
  await using c = await chats("feishu", { access: "pairing" });
  for (const text of ["hello", "/pair"]) {
    const said = await inFeishu(c, { chat: "oc_g", type: "group", sender: "ou_1", text });
    assert.equal(said, en.pairPrivately);
  }
  assert.deepEqual((await call(c, "root", "GET", "/api/admin/pairings")).body.waiting, []);
  assert.ok(codeIn(await inFeishu(c, { chat: "oc_1", sender: "ou_1", text: "hello" })));
});

Deno.test("only the answer in the private chat links, to the account that is named there", async () => {
  await using c = await chats("feishu", { access: "pairing" });
  const code = codeIn(await inFeishu(c, { chat: "oc_1", sender: "ou_1", text: "hello" }))!;
  // Somebody has read it over their shoulder.
  assert.equal((await call(c, "bob", "POST", "/api/pair", { code })).body.asked, true);
  assert.equal((await c.finals("oc_1", 2))[1], en.pairAsk("bob"));
  assert.equal(
    (await call(c, "alice", "POST", "/api/pair", { code })).status,
    404,
    "a code is good once",
  );
  // An answer elsewhere counts for nothing, and neither does another's.
  assert.equal(
    await inFeishu(c, { chat: "oc_g", type: "group", sender: "ou_1", text: "yes" }),
    en.pairPrivately,
  );
  await inFeishu(c, { chat: "oc_2", sender: "ou_2", text: "yes" });
  assert.equal(
    await inFeishu(c, { chat: "oc_1", sender: "ou_1", text: "hello?" }),
    en.pairAsk("bob"),
  );
  assert.equal((await call(c, "bob", "GET", "/api/identities")).body.identities.length, 0);
  assert.equal(await inFeishu(c, { chat: "oc_1", sender: "ou_1", text: "no" }), en.pairRefused);
  const again = codeIn(await inFeishu(c, { chat: "oc_1", sender: "ou_1", text: "/pair" }))!;
  assert.notEqual(again, code);
  await call(c, "alice", "POST", "/api/pair", { code: again });
  await c.finals("oc_1", 6);
  assert.equal(await inFeishu(c, { chat: "oc_1", sender: "ou_1", text: "Yes" }), en.bound("alice"));
  assert.equal(await inFeishu(c, { chat: "oc_1", sender: "ou_1", text: "hello" }), "to hello");
  assert.equal(c.asked[0].userId, "alice");
  // And so does the sign-in by Feishu, and what they say in another app.
  const union: Identity = { platform: "lark", kind: "union_id", scope: "tenant", value: "on_ou_1" };
  assert.equal(
    (await c.w.app.accounts.provision({ platform: "lark", identities: [union], ids: ["x"] }, HERE))
      .id,
    "alice",
  );
  await c.w.app.audit.settled();
  const audit = JSON.stringify((await call(c, "root", "GET", "/api/admin/audit")).body);
  assert.match(audit, /identity_claimed/);
  assert.match(audit, /identity_refused/);
  assert.match(audit, /identity_linked/);
});

Deno.test("an identity that is unlinked is a stranger's with the next message; the platform's own word is not unlinked", async () => {
  await using c = await chats("feishu");
  await c.bind("oc_1", "alice");
  await c.say("oc_1", "hello");
  const identity = { channel: "lark", app: "main", id: "ou_of_oc_1" };
  assert.equal((await call(c, "bob", "DELETE", "/api/identities", identity)).status, 404);
  assert.equal((await call(c, "alice", "DELETE", "/api/identities", identity)).status, 200);
  await c.say("oc_1", "hello again");
  assert.deepEqual(c.asked.map(({ userId }) => userId), [
    "alice",
    `lark:${FEISHU.appId}:ou_of_oc_1`,
  ]);
  const { bound } = (await call(c, "root", "GET", "/api/admin/pairings")).body;
  assert.deepEqual(bound.map((one: { vouched: boolean }) => one.vouched), [true]);
  assert.equal((await call(c, "root", "DELETE", "/api/admin/pairings", identity)).status, 409);
});

Deno.test("who has signed in by the platform needs no code where accounts are needed; a guest of another app does", async () => {
  await using c = await chats("feishu", { access: "pairing" });
  await c.w.app.accounts.provision(signInOf("feishu", "oc_1"), HERE);
  assert.equal(await inFeishu(c, { chat: "oc_1", text: "hello" }), "to hello");
  await c.w.app.accounts.provision(signInOf("feishu", "oc_2"));
  assert.ok(codeIn(await inFeishu(c, { chat: "oc_2", text: "hello" })));
});

Deno.test("an account is spoken to in its language: by its last words in a chat, or as the page has set it", async () => {
  await using c = await chats("feishu");
  await c.bind("oc_1", "alice");
  assert.equal(
    await inFeishu(c, { chat: "oc_1", text: "/new" }),
    en.newBegun,
    "nothing is known yet",
  );
  await inFeishu(c, { chat: "oc_1", text: "你好" });
  assert.equal(await inFeishu(c, { chat: "oc_1", text: "/new" }), zh.newBegun);
  await inFeishu(c, { chat: "oc_1", text: "hello there" });
  assert.equal(await inFeishu(c, { chat: "oc_1", text: "/停止" }), en.stop.nothing);
  await until(async () => (await c.w.app.accounts.languages.of("alice")) === "en", "the language");
  const headers = { "accept-language": "zh-CN" };
  const page = await c.w.as("alice", "/api/chat/stream", {
    json: { message: "hello from the page" },
    headers,
  });
  await page.text();
  await until(
    async () => (await c.w.app.accounts.languages.of("alice")) === "zh",
    "the page's language",
  );
  assert.equal((await call(c, "alice", "GET", "/api/me")).body.user.language, "zh");
  assert.equal(await inFeishu(c, { chat: "oc_1", text: "/new" }), zh.newBegun);
});
