import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { SqliteStore } from "../../../src/backends/sqlite.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { totpCode } from "../../../src/core/people/totp.ts";
import { FeishuEmulator } from "../../../src/emulate/feishu/emulator.ts";
import { serveOn } from "../../../src/emulate/serve.ts";
import { startWorld, until, type World } from "../../world.ts";
import { FEISHU } from "../../channels/im/crash_keys.ts";

/** Nothing of her may be found: her name, her ids, her words, and what she was answered. */
const TRACES = /zoe|unforgettable/i;

/**
 * Where she is found among all keys, values, logs and search words of a file; the tombstone, bars
 * and the audit log stay.
 */
function traces(path: string): string[] {
  const db = new DatabaseSync(path, { readOnly: true });
  const tables = db.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '%_config'",
  ).all();
  const found: string[] = [];
  for (const { name } of tables as { name: string }[]) {
    const audit = name === "lines"
      ? "WHERE log NOT IN (SELECT id FROM logs WHERE name LIKE 'audit:%')"
      : "";
    for (const row of db.prepare(`SELECT * FROM "${name}" ${audit}`).all()) {
      const text = Object.values(row).map((value) =>
        value instanceof Uint8Array ? new TextDecoder().decode(value) : value
      )
        .join(" ");
      if (TRACES.test(text) && !/^\d+ (gone|barred):/.test(text)) found.push(`${name}: ${text}`);
    }
  }
  db.close();
  return found;
}

async function send(world: World, who: string, method: string, path: string, body?: unknown) {
  const response = await world.as(who, path, {
    method,
    headers: { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json();
  assert.ok(response.ok, `${method} ${path}: ${JSON.stringify(answer)}`);
  return answer;
}

Deno.test("a person who is forgotten is in no key and no value, whatever the program had stored of them", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/nexus.db`;
  const store = new SqliteStore({ path });
  const deliver: { to?: (request: Request) => Promise<Response> } = {};
  const feishu = new FeishuEmulator({
    ...FEISHU,
    clock: systemClock,
    callbackUrl: "http://nexus.test/channels/feishu/main",
    deliver: (request) => deliver.to!(request),
  });
  const served = serveOn(0, (request) => feishu.fetch(request));
  try {
    await using world = await startWorld({
      channels: {
        feishu: { main: { ...FEISHU, mode: "webhook", baseUrl: served.url, access: "open" } },
      },
      limits: { messagesPerMinute: 1000, messagesPerDay: 1000, imageBytesPerDay: 1_000_000 },
    }, { store });
    deliver.to = async (request) => await world.app.fetch(request, { address: "127.0.0.1" });
    await leaveTraces(world, feishu, store, path);
    store.flush();
    const kinds = new Set(
      traces(path).map((text) => /\d+ ([a-z]+):/.exec(text)?.[1]).filter(Boolean),
    );
    for (
      const kind of [
        ...[
          "person",
          "totp",
          "session",
          "token",
          "key",
          "keyhash",
          "use",
          "conv",
          "turn",
          "default",
          "owner",
          "talk",
        ],
        ...["networks", "identity", "identities", "bottoken", "im", "outbox", "pair"],
      ]
    ) assert.ok(kinds.has(kind), `the test writes no ${kind}: ${[...kinds]}`);

    const drafts = JSON.stringify(await store.list("drafts:"));
    await send(world, "root", "DELETE", "/api/admin/people/zoe");
    await until(() => world.app.apps.list()[0]!.open === 0, "the chats");
    await until(async () => {
      const [first, ...more] = (await store.list("drafts:")).map(([key]) => key);
      return more.length === 0 && !drafts.includes(first!);
    }, "the next log of drafts");
    store.flush();
    assert.deepEqual(traces(path), []);
    assert.equal(world.app.gateway.notices.units, 0);
    assert.ok(world.app.gateway.running().every(({ message }) => message.person.id !== "zoe"));
    // Her bot's id is not free for whoever knows the common token.
    await assert.rejects(world.bot("her-bot"), /Invalid token/);
    // Whatever was on its way meanwhile is deleted a second time.
    assert.deepEqual(world.app.accounts.tombstones.pending(), [
      "zoe",
      `lark:${FEISHU.appId}:ou_zoe`,
    ]);
  } finally {
    feishu.stop();
    await served.close();
  }
  // Nor in the bytes of the file: deleted words are overwritten. The audit log has her name.
  for (const name of ["nexus.db", "nexus.db-wal"]) {
    const bytes = await Deno.readFile(`${dir}/${name}`).catch(() => new Uint8Array());
    assert.ok(!new TextDecoder().decode(bytes).includes("unforgettable"), name);
  }
  await Deno.remove(dir, { recursive: true });
});

/** Zoe does whatever leaves something behind, and asks more than is answered. */
async function leaveTraces(
  world: World,
  feishu: FeishuEmulator,
  store: SqliteStore,
  path: string,
): Promise<void> {
  const helper = await world.bot("helper", { protocol: 2 });
  helper.answerAll(({ id, content }) => {
    if (content.includes("slowly")) helper.reply(id, `so far: ${content}`, false, { seq: 1 });
    else helper.reply(id, `unforgettable: ${content}`, true, { seq: 1 });
  });
  await send(world, "root", "POST", "/api/admin/people", {
    username: "zoe",
    password: "zoe-pass",
    displayName: "Zoe",
    role: "admin",
  });
  await send(world, "zoe", "POST", "/api/chat", {
    message: "unforgettable",
    images: ["iVBORw0KGgo="],
  });
  const { id } = await send(world, "zoe", "POST", "/api/conversations", {
    title: "unforgettable talk",
  });
  await send(world, "zoe", "POST", "/api/chat", { message: "unforgettable", conversationId: id });
  const { token } = await send(world, "zoe", "POST", "/api/keys", { name: "zoe's key" });
  const completion = await fetch(`${world.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: "helper",
      messages: [{ role: "user", content: "unforgettable" }],
    }),
  });
  assert.equal(completion.status, 200);
  await completion.body?.cancel();
  const { secret } = await send(world, "zoe", "POST", "/api/totp");
  const code = await totpCode(secret, Math.floor(Date.now() / 30_000));
  await send(world, "zoe", "POST", "/api/totp/confirm", { code });
  await send(world, "root", "POST", "/api/admin/bot-tokens", { botId: "her-bot", owner: "zoe" });
  await send(world, "zoe", "POST", "/api/admin/bot-tokens", { botId: "other-bot" });

  // In Feishu: first as somebody unknown, then linked, alone and in a group; a question that nobody
  // answered.
  const said = async (chat: string, count: number) => {
    await until(() => feishu.log.finals(chat).length >= count, `message ${count} in ${chat}`);
    return feishu.log.finals(chat).at(-1)!.text;
  };
  feishu.say({ chat: "oc_1", sender: "ou_zoe", text: "unforgettable, unknown" });
  await said("oc_1", 1);
  feishu.say({ chat: "oc_1", sender: "ou_zoe", text: "/use helper" });
  await said("oc_1", 2);
  feishu.say({ chat: "oc_1", sender: "ou_zoe", text: "/pair" });
  const pairing = /\*\*(\w{8})\*\*/.exec(await said("oc_1", 3))![1]!;
  await send(world, "zoe", "POST", "/api/pair", { code: pairing });
  await said("oc_1", 4);
  feishu.say({ chat: "oc_1", sender: "ou_zoe", text: "yes" });
  await said("oc_1", 5);
  feishu.say({ chat: "oc_1", sender: "ou_zoe", text: "unforgettable, known" });
  await said("oc_1", 6);
  // A chat that was asked and has not answered.
  feishu.say({ chat: "oc_2", sender: "ou_other", text: "/pair" });
  const unanswered = /\*\*(\w{8})\*\*/.exec(await said("oc_2", 1))![1]!;
  await send(world, "zoe", "POST", "/api/pair", { code: unanswered });
  await said("oc_2", 2);

  // What waits for a page, and what runs when she is removed.
  helper.send({ type: "push", to: "user:zoe", content: "unforgettable push", id: "p1" });
  await helper.next("pushed");
  await said("oc_1", 7);
  feishu.say({ chat: "oc_1", sender: "ou_zoe", text: "slowly, unforgettable" });
  const stream = await world.as("zoe", "/api/chat/stream", {
    json: { message: "slowly, unforgettable" },
  });
  await stream.body?.cancel();
  const other = await world.as("alice", "/api/chat/stream", { json: { message: "slowly" } });
  await other.body?.cancel();
  await until(
    () => world.app.gateway.running().filter(({ reply }) => reply.length > 0).length === 3,
    "three answers",
  );
  await until(() => {
    store.flush();
    return traces(path).some((text) => text.startsWith("lines:") && text.includes("slowly"));
  }, "a stored draft of what is being said");
}
