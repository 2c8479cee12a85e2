import assert from "node:assert/strict";
import { systemClock } from "../../src/core/clock.ts";
import type { Json } from "../../src/core/store.ts";
import { FeishuEmulator } from "../../src/emulate/feishu/emulator.ts";
import { serveOn } from "../../src/emulate/serve.ts";

const KEYS = { appId: "cli_1", appSecret: "secret" };

/** An emulated Feishu on a port, and the events that it has sent. */
function startPage() {
  const emulator = new FeishuEmulator({ ...KEYS, clock: systemClock });
  const events: Json[] = [];
  emulator.push = (event) => {
    events.push(event);
    return Promise.resolve(true);
  };
  const served = serveOn(0, (request) => emulator.fetch(request));
  const post = async (path: string, body: Json, token?: string): Promise<Json> => {
    const headers = { authorization: `Bearer ${token}` };
    const request = { method: "POST", body: JSON.stringify(body), headers };
    return await (await fetch(`${served.url}${path}`, request)).json();
  };
  return {
    events,
    url: served.url,
    post,
    async [Symbol.asyncDispose]() {
      emulator.stop();
      await served.close();
    },
  };
}

Deno.test("the page of an emulated platform says a message in a private chat and in a group", async () => {
  await using page = startPage();
  await page.post("/say", { chat: "alone", text: "hello" });
  await page.post("/say", { chat: "team", text: "hello all", group: true });
  const seen = page.events.map(({ event }) => [event.message.chat_type, event.message.chat_id]);
  assert.deepEqual(seen, [["p2p", "alone"], ["group", "team"]]);
  assert.equal(page.events[1].event.message.mentions[0].name, "Bot");
  const { chats } = await (await fetch(`${page.url}/chats`)).json();
  assert.deepEqual(chats.map((chat: Json) => chat.messages[0].text), ["hello", "hello all"]);
  const html = await (await fetch(page.url)).text();
  assert.match(html, /<title>Feishu, emulated<\/title>/);
});

Deno.test("the page of an emulated platform shows the buttons of a card and presses them", async () => {
  await using page = startPage();
  const { tenant_access_token: token } = await page.post(
    "/open-apis/auth/v3/tenant_access_token/internal",
    { app_id: KEYS.appId, app_secret: KEYS.appSecret },
  );
  const value = { stop: "om_1" };
  const elements = [
    { tag: "markdown", content: "**working**", element_id: "md" },
    {
      tag: "button",
      text: { tag: "plain_text", content: "Stop" },
      behaviors: [{ type: "callback", value }],
    },
  ];
  const data = JSON.stringify({ schema: "2.0", body: { elements } });
  const made = await page.post("/open-apis/cardkit/v1/cards", { type: "card_json", data }, token);
  const content = JSON.stringify({ type: "card", data: { card_id: made.data.card_id } });
  const message = { receive_id: "alone", msg_type: "interactive", content };
  await page.post("/open-apis/im/v1/messages", message, token);
  const { chats } = await (await fetch(`${page.url}/chats`)).json();
  const [shown] = chats[0].messages;
  assert.deepEqual([shown.text, shown.buttons], ["**working**", ["Stop"]]);
  await page.post("/press", { message: shown.id, button: 0 });
  assert.deepEqual(page.events[0].event.action, { tag: "button", value });
});
