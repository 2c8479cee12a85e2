/**
 * Talks that end with other words than the user's, and talks in which tools were called before.
 */
import assert from "node:assert/strict";
import { Agent, says, withFace } from "./bench.ts";

type Told = { role: string; content: unknown }[];

const asked = { role: "user", content: "Tell a story" };
const begun = { role: "assistant", content: "Once upon a time" };

/**
 * A talk, what a model API is told of it, and what a bot with a memory is asked, with what it has
 * not heard.
 */
const talks: [name: string, messages: Told, api: Told, agent: string][] = [
  [
    "the bot's own words",
    [asked, begun],
    [asked, begun],
    "[User] Tell a story\n\n[Assistant] Once upon a time\n\n[User] Please go on.",
  ],
  [
    "the system's words behind the question",
    [asked, { role: "system", content: "Be short." }],
    [asked, { role: "system", content: "Be short." }],
    "Tell a story\n\nBe short.",
  ],
  [
    "the system's words behind an answer",
    [asked, begun, { role: "developer", content: "Stop rhyming." }],
    [asked, begun, { role: "system", content: "Stop rhyming." }],
    "[User] Tell a story\n\n[Assistant] Once upon a time\n\n[User] Stop rhyming.",
  ],
  [
    "nobody's words but the system's",
    [{ role: "system", content: "You greet." }, { role: "system", content: "Greet Ada." }],
    [{ role: "system", content: "You greet." }, { role: "system", content: "Greet Ada." }],
    "[System] You greet.\n\n[User] Greet Ada.",
  ],
];

for (const [name, messages, api, agent] of talks) {
  Deno.test(`a talk that ends with ${name} is answered`, async () => {
    await withFace([{}], async ({ app, chat, fake }) => {
      const whole = await chat({ messages });
      assert.equal(whole.status, 200, await whole.text());
      assert.deepEqual(fake.seen[0]!.body.messages, api);
      const bot = new Agent("agent", says("ok"));
      app.gateway.roster.join(bot);
      await (await chat({ model: "agent", messages })).body?.cancel();
      const { text, contextPrefix = "" } = bot.asked[0]!.message;
      assert.equal(contextPrefix + text, agent);
    });
  });
}

Deno.test("a bot that was asked to go on is found again by both parts of what it said", async () => {
  await withFace([], async ({ app, chat }) => {
    const bot = new Agent("agent", (task, sink) => {
      says(task.message.text === "Please go on." ? " there was a king." : begun.content)(
        task,
        sink,
      );
    });
    app.gateway.roster.join(bot);
    const ask = async (messages: Told) =>
      await (await chat({ model: "agent", messages })).body?.cancel();
    await ask([asked]);
    await ask([asked, begun]);
    await ask([asked, { role: "assistant", content: "Once upon a time there was a king." }, asked]);
    assert.deepEqual(bot.asked.map(({ message }) => message.contextPrefix), [
      undefined,
      undefined,
      undefined,
    ]);
    assert.equal(new Set(bot.asked.map(({ conversationId }) => conversationId)).size, 1);
  });
});

Deno.test("calls of tools by another model are told in words, in both APIs", async () => {
  const told = [
    { role: "user", content: "How warm is it in Berlin?" },
    { role: "assistant", content: 'Let me see.\n[called get_weather({"city":"Berlin"})]' },
    { role: "user", content: "[result of get_weather]\n12 °C" },
  ];
  await withFace([{}], async ({ chat, post, fake }) => {
    const call = {
      id: "c1",
      type: "function",
      function: { name: "get_weather", arguments: '{"city":"Berlin"}' },
    };
    const messages = [
      told[0],
      { role: "assistant", content: "Let me see.", tool_calls: [call] },
      { role: "tool", tool_call_id: "c1", content: [{ type: "text", text: "12 °C" }] },
    ];
    await (await chat({ messages })).body?.cancel();
    assert.deepEqual(fake.seen[0]!.body.messages, told);

    const input = [
      { role: "user", content: "How warm is it in Berlin?" },
      { type: "function_call", call_id: "c1", name: "get_weather", arguments: '{"city":"Berlin"}' },
      { type: "function_call_output", call_id: "c1", output: "12 °C" },
    ];
    await (await post("/v1/responses", { model: "gpt", input })).body?.cancel();
    assert.deepEqual(fake.seen[1]!.body.messages, [
      told[0],
      { role: "assistant", content: '[called get_weather({"city":"Berlin"})]' },
      told[2],
    ]);
  });
});

Deno.test("a talk without any words is refused", async () => {
  await withFace([{}], async ({ chat }) => {
    for (
      const messages of [[{ role: "user", content: "" }], [asked, begun, {
        role: "user",
        content: [],
      }]]
    ) {
      const response = await chat({ messages });
      assert.equal((await response.json()).error.code, "invalid");
    }
  });
});
