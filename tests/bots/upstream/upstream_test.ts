import assert from "node:assert/strict";
import { historyWithin } from "../../../src/bots/upstream/prompt.ts";
import { upstreamSchema, upstreamsSchema } from "../../../src/config/upstream.ts";
import { fetchHttp } from "../../../src/bots/upstream/http/fetch_client.ts";
import { systemClock } from "../../../src/core/clock.ts";
import type { ChatMessage } from "../../../src/core/message.ts";
import { type Play, WORDS } from "./fake_upstream.ts";
import { Ear, task, withUpstream } from "./rig.ts";

const ALL = WORDS.join("");

for (const type of ["openai", "anthropic"] as const) {
  Deno.test(`${type}: an answer streams, with reasoning, counts and the reason why it stopped`, async () => {
    await withUpstream(
      [{ reasoning: ["let me ", "see"], finish: type === "openai" ? "length" : "max_tokens" }],
      async ({ ask }) => {
        assert.deepEqual(await ask(), {
          text: ALL,
          reasoning: "let me see",
          images: [],
          ending: "done",
          detail: undefined,
          facts: { usage: { inputTokens: 7, outputTokens: 8 }, finish: "length" },
        });
      },
      { type },
    );
  });

  Deno.test(`${type}: an answer that comes byte by byte reads the same`, async () => {
    await withUpstream([{ bytewise: true, deltas: ["你好", "👋🏽 ", "é"] }], async ({ ask }) => {
      assert.equal((await ask()).text, "你好👋🏽 é");
    }, { type });
  });

  Deno.test(`${type}: whoever waits for the whole gets it in one piece, from a request that is no stream`, async () => {
    await withUpstream([{}], async ({ ask, fake }) => {
      const told = await ask({ options: { whole: true } });
      assert.equal(told.text, ALL);
      assert.equal(told.ending, "done");
      assert.deepEqual(told.facts?.usage, { inputTokens: 7, outputTokens: 8 });
      assert.equal(fake.seen[0]!.body.stream, false);
    }, { type });
  });

  /** The wall: what the API does, and what is told. Two words were said before each of these. */
  const behind: [name: string, play: Play, detail: RegExp][] = [
    ["cuts the line in the middle", { end: "cut" }, /cut in the middle/],
    ["sends bad JSON", { end: "bad_json" }, /cannot be read/],
    ["sends an error event", { end: "error_event" }, /reported/],
    ["ends cleanly without the end marker", { end: "clean" }, /without its end marker/],
    ["falls silent", { end: "stall" }, /fell silent/],
  ];
  for (const [name, play, detail] of behind) {
    Deno.test(`${type}: an API that ${name} behind the first word is told as lost, with what it had said`, async () => {
      await withUpstream([{ ...play, deltas: ["one ", "two "] }], async ({ ask, fake }) => {
        const told = await ask();
        assert.equal(told.text, "one two ");
        assert.equal(told.ending, "lost");
        assert.match(told.detail!, detail);
        assert.equal(fake.seen.length, 1, "half an answer is not begun again");
      }, { type, stallTimeout: 100 });
    });
  }

  /** The same before the first word: tried again, and the second try is good. */
  const before: [name: string, play: Play][] = [
    ["resets before the first byte", { reset: true }],
    ["cuts before the first word", { end: "cut", deltas: [] }],
    ["sends an error event first", { end: "error_event", deltas: [] }],
    ["sends bad JSON first", { end: "bad_json", deltas: [] }],
    ["ends cleanly without a word", { end: "clean", deltas: [] }],
    ["answers 429", { status: 429, headers: { "retry-after": "0" } }],
    ["answers 408", { status: 408 }],
    ["answers 409", { status: 409 }],
    ["answers 503", { status: 503, body: "<html>busy</html>" }],
    ["says nothing at all", { mute: true }],
  ];
  for (const [name, play] of before) {
    Deno.test(`${type}: an API that ${name} is asked again, and nobody notices`, async () => {
      await withUpstream([play, {}], async ({ ask, fake, bot }) => {
        const told = await ask();
        assert.equal(told.text, ALL);
        assert.equal(told.ending, "done");
        assert.equal(fake.seen.length, 2);
        assert.equal(bot.note, undefined);
      }, { type, firstTimeout: 200 });
    });
  }
}

Deno.test("an API that cuts after 40 of 64 deltas has told forty, and no more is claimed", async () => {
  const deltas = Array.from({ length: 40 }, (_, index) => `delta ${index} `);
  await withUpstream([{ deltas, end: "cut", pace: 1 }], async ({ ask }) => {
    const told = await ask();
    assert.equal(told.text, deltas.join(""));
    assert.equal(told.ending, "lost");
  });
});

Deno.test("two refusals with 429 and the third try works", async () => {
  const busy = { status: 429, headers: { "retry-after-ms": "5" } };
  await withUpstream([busy, busy, {}], async ({ ask, fake }) => {
    assert.equal((await ask()).ending, "done");
    assert.equal(fake.seen.length, 3);
  });
});

Deno.test("an API that always fails is asked as often as the configuration says, then the failure is told and noted", async () => {
  await withUpstream(
    [{ status: 500, body: '{"error":{"message":"boom"}}' }],
    async ({ ask, fake, bot }) => {
      const told = await ask();
      assert.equal(told.ending, "fail bot_failed retryable");
      assert.equal(told.detail, "the model API answered 500: boom");
      assert.equal(fake.seen.length, 3);
      assert.equal(bot.note, told.detail);
    },
  );
});

Deno.test("a refusal that asks to wait for long is told at once, and the bot rests", async () => {
  await withUpstream(
    [{ status: 429, headers: { "retry-after": "60" } }],
    async ({ ask, fake, bot }) => {
      assert.equal((await ask()).ending, "fail limited retryable");
      assert.equal(fake.seen.length, 1);
      assert.equal(bot.draining, true, "others of the pool shall answer");
      assert.equal((await ask()).ending, "fail limited retryable");
      assert.equal(fake.seen.length, 1, "it is left alone");
    },
    { pool: "models" },
    { clock: systemClock },
  );
});

Deno.test("a request that the API calls wrong is not repeated, here or elsewhere", async () => {
  await withUpstream(
    [{ status: 400, body: '{"error":{"message":"too long"}}' }],
    async ({ ask, fake }) => {
      const told = await ask();
      assert.equal(told.ending, "fail question_refused");
      assert.equal(fake.seen.length, 1);
    },
  );
});

Deno.test("a refused key is never quoted to people", async () => {
  const body = '{"error":{"message":"Incorrect API key provided: sk-proj-abc123def456."}}';
  await withUpstream([{ status: 401, body }], async ({ ask }) => {
    assert.doesNotMatch((await ask()).detail!, /abc123/);
  }, { apiKey: "sk-proj-abc123def456" });
});

Deno.test("a host where nobody listens fails after its tries, in words", async () => {
  const port = (() => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    listener.close();
    return (listener.addr as Deno.NetAddr).port;
  })();
  await withUpstream([{}], async ({ ask }) => {
    const told = await ask();
    assert.equal(told.ending, "fail bot_gone retryable");
    assert.equal(told.detail, "the model API: connection refused");
  }, { baseUrl: `http://127.0.0.1:${port}/v1` });
});

Deno.test("a server that never sends [DONE] is believed only where the configuration says so", async () => {
  await withUpstream(
    [{ end: "no_done" }],
    async ({ ask }) => assert.equal((await ask()).ending, "lost"),
  );
  await withUpstream(
    [{ end: "no_done" }],
    async ({ ask }) => assert.equal((await ask()).ending, "done"),
    {
      endMarker: "optional",
    },
  );
});

Deno.test("stopping hangs up on the API", async () => {
  await withUpstream([{ end: "stall" }], async ({ bot, fake }) => {
    const ear = new Ear();
    const begun = new Promise<void>((resolve) => ear.onWrite = resolve);
    bot.ask(task(), ear);
    await begun;
    assert.equal(bot.busy, 1);
    assert.equal(await bot.cancel("turn-1"), true);
    assert.equal(bot.busy, 0);
    await fake.seen[0]!.hungUp;
    assert.equal(ear.told.ending, "", "whoever stopped it knows how it ended");
    assert.equal(await bot.cancel("turn-1"), false);
  });
});

Deno.test("a task may be stopped while a pause between two tries runs", async () => {
  await withUpstream(
    [{ status: 503, headers: { "retry-after": "5" } }],
    async ({ bot, fake }) => {
      bot.ask(task(), new Ear());
      while (fake.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      assert.equal(await bot.cancel("turn-1"), true);
    },
    {},
    { clock: systemClock },
  );
});

Deno.test("sockets are used again, and one that the server closed in between costs no try", async () => {
  await withUpstream([{}], async ({ ask, fake }) => {
    for (let i = 0; i < 5; i++) assert.equal((await ask()).ending, "done");
    assert.equal(fake.sockets, 1);
    fake.play({ reset: true }, {});
    assert.equal((await ask()).ending, "done");
    assert.equal(fake.sockets, 2);
  }, { tries: 1 });
});

Deno.test("fetch does the same, for proxies", async () => {
  await withUpstream(
    [{}],
    async ({ ask }) => {
      const told = await ask();
      assert.equal(told.text, ALL);
      assert.equal(told.ending, "done");
    },
    {},
    { http: fetchHttp(fetch) },
  );
  await withUpstream(
    [{ end: "cut", deltas: ["one "] }],
    async ({ ask }) => {
      assert.equal((await ask()).ending, "lost");
    },
    {},
    { http: fetchHttp(fetch) },
  );
});

Deno.test("the conversation goes along: the configuration's words, the history, the message with its image", async () => {
  const history: ChatMessage[] = [
    { role: "user", text: "I am Ada", images: [] },
    { role: "assistant", text: "Hello Ada", images: [] },
  ];
  await withUpstream(
    [{}],
    async ({ ask, fake }) => {
      await ask({ text: "who am I?", images: ["iVBORw0KGgo="] });
      assert.deepEqual(fake.seen[0]!.body.messages, [
        { role: "system", content: "Be brief." },
        { role: "user", content: "I am Ada" },
        { role: "assistant", content: "Hello Ada" },
        {
          role: "user",
          content: [
            { type: "text", text: "who am I?" },
            { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } },
          ],
        },
      ]);
      assert.equal(fake.seen[0]!.path, "/v1/chat/completions");
      assert.equal(fake.seen[0]!.headers.get("authorization"), "Bearer k1");
    },
    { system: "Be brief.", apiKey: "env:KEY" },
    { history, env: { KEY: "k1\n" } },
  );
});

Deno.test("anthropic gets system words, alternating roles and images in its own shapes", async () => {
  const said: ChatMessage[] = [
    { role: "system", text: "Rhyme.", images: [] },
    { role: "assistant", text: "Welcome", images: [] },
    { role: "user", text: "one", images: [] },
    { role: "user", text: "two", images: ["data:image/jpeg;base64,AAAA"] },
  ];
  await withUpstream([{}], async ({ ask, fake }) => {
    await ask({ transcript: said, options: { maxTokens: 5, temperature: 2, stop: ["END", " "] } });
    const { body, headers, path } = fake.seen[0]!;
    assert.equal(path, "/v1/messages");
    assert.equal(headers.get("x-api-key"), "k");
    assert.equal(headers.get("anthropic-version"), "2023-06-01");
    assert.equal(body.system, "Be brief.\n\nRhyme.");
    assert.deepEqual(body.messages.map(({ role }: { role: string }) => role), [
      "user",
      "assistant",
      "user",
    ]);
    assert.deepEqual(body.messages[2].content, [
      { type: "text", text: "one" },
      { type: "image", source: { type: "base64", media_type: "image/jpeg", data: "AAAA" } },
      { type: "text", text: "two" },
    ]);
    assert.equal(body.max_tokens, 5);
    assert.equal(body.temperature, 1);
    assert.deepEqual(body.stop_sequences, ["END"]);
  }, { type: "anthropic", apiKey: "k", system: "Be brief." });
});

Deno.test("a model without eyes is told that there was an image", async () => {
  await withUpstream([{}], async ({ ask, fake, bot }) => {
    await ask({ text: "look", images: ["iVBORw0KGgo="] });
    assert.deepEqual(fake.seen[0]!.body.messages, [{
      role: "user",
      content: "look\n(an image that you cannot see)",
    }]);
    assert.equal(bot.bot.capabilities.includes("images"), false);
  }, { images: false });
});

Deno.test("without a model's name the server's first is asked for, once", async () => {
  await withUpstream([{}], async ({ ask, fake }) => {
    await ask();
    await ask();
    assert.deepEqual(fake.seen.map(({ path }) => path), [
      "/v1/models",
      "/v1/chat/completions",
      "/v1/chat/completions",
    ]);
    assert.equal(fake.seen[1]!.body.model, "first-model");
  }, { model: undefined });
});

Deno.test("a new key counts from the next question on, and an unset one is told without its name", async () => {
  const env: Record<string, string> = { KEY: "old" };
  await withUpstream(
    [{}],
    async ({ ask, fake, bot }) => {
      await ask();
      bot.configure(
        upstreamSchema.parse({ type: "openai", baseUrl: fake.url, model: "m", apiKey: "env:NEW" }),
      );
      env.NEW = "new";
      await ask();
      assert.deepEqual(fake.seen.map(({ headers }) => headers.get("authorization")), [
        "Bearer old",
        "Bearer new",
      ]);
      delete env.NEW;
      const told = await ask();
      assert.equal(told.ending, "fail bot_misconfigured retryable");
      assert.equal(told.detail, "its API key is not set");
    },
    { apiKey: "env:KEY" },
    { env },
  );
});

Deno.test("requests, tokens and money have their bounds", async () => {
  await withUpstream(
    [{}],
    async ({ ask }) => {
      assert.equal((await ask()).ending, "done");
      assert.equal((await ask()).ending, "done");
      assert.equal((await ask()).ending, "fail limited retryable");
    },
    { budget: { requestsPerMinute: 2 } },
    { clock: { ...systemClock, now: () => 1_700_000_000_000 } },
  );
  const usage = { input: 600, output: 500 };
  await withUpstream(
    [{ usage }],
    async ({ ask }) => {
      assert.equal((await ask()).ending, "done");
      const told = await ask();
      assert.equal(told.detail, "this bot's tokens for the minute are used up");
    },
    { budget: { tokensPerMinute: 1000 } },
    { clock: { ...systemClock, now: () => 1_700_000_000_000 } },
  );
  await withUpstream([{ usage }], async ({ ask, bot }) => {
    assert.equal((await ask()).ending, "done");
    assert.equal(await bot.spent(), 0.0065);
    const told = await ask();
    assert.equal(told.detail, "this bot's budget for the month is spent");
  }, { budget: { spendPerMonth: 0.006 }, price: { input: 2.5, output: 10 } });
});

Deno.test("an answer without counts is paid for by estimate, and so is a cut one", async () => {
  await withUpstream([{ end: "cut", deltas: ["x".repeat(2500)] }], async ({ ask, bot }) => {
    assert.equal((await ask()).ending, "lost");
    assert.equal(Math.round(await bot.spent() * 1e6), 2 + 1000);
  }, { price: { input: 1, output: 1 } });
});

Deno.test("the window keeps the end of a conversation and never begins with an answer", () => {
  const said: ChatMessage[] = Array.from({ length: 20 }, (_, i) => ({
    role: i % 2 ? "assistant" : "user",
    text: `This is sentence number ${i}, and it has about sixteen tokens in it, I think.`,
    images: [],
  }));
  const kept = historyWithin(100, said);
  assert.equal(kept[0]!.role, "user");
  assert.equal(kept.at(-1), said.at(-1));
  assert.ok(kept.length >= 2 && kept.length <= 5, `kept ${kept.length}`);
  assert.deepEqual(historyWithin(0, said), []);
  assert.deepEqual(historyWithin(1_000_000, said), said);
  assert.deepEqual(
    historyWithin(10, [{ role: "user", text: "x".repeat(10_000_000), images: [] }]),
    [],
  );
});

Deno.test("a configuration that cannot work says what would be right", () => {
  const wrong = (bots: unknown) =>
    upstreamsSchema.safeParse(bots).error!.issues.map(({ path, message }) =>
      `${path.join(".")}: ${message}`
    );
  assert.deepEqual(wrong({ a: { type: "gemini", model: "x" } }), [
    'a.type: must be "openai" or "anthropic"',
  ]);
  assert.deepEqual(wrong({ a: { type: "anthropic" } }), [
    'a.model: must be a model\'s name such as "claude-sonnet-4-5"',
  ]);
  assert.deepEqual(wrong({ a: { type: "openai", budget: { spendPerMonth: 5 } } }), [
    "a.price: must be there where budget.spendPerMonth is",
  ]);
  assert.equal(
    upstreamsSchema.safeParse({ local: { type: "openai", baseUrl: "http://127.0.0.1:11434/v1" } })
      .success,
    true,
  );
});
