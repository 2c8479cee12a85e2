import assert from "node:assert/strict";
import { apiErrorOf } from "../../../src/bots/upstream/api_error.ts";
import { type Play, WORDS } from "./fake_upstream.ts";
import { withUpstream } from "./rig.ts";

const ALL = WORDS.join("");

const data = (...events: unknown[]) =>
  events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
const delta = (delta: unknown, finish_reason: string | null = null) => ({
  choices: [{ delta, finish_reason }],
});
const openaiEvents = (...events: unknown[]) => `${data(...events)}data: [DONE]\n\n`;
const openaiWhole = (message: unknown, finish_reason = "stop") =>
  JSON.stringify({ choices: [{ index: 0, message, finish_reason }] });
const anthropicEvents = (stop_reason: string, ...blocks: Record<string, unknown>[]) =>
  data(
    { type: "message_start", message: { usage: {} } },
    ...blocks.flatMap((block, index) => [
      {
        type: "content_block_start",
        index,
        content_block: { ...block, text: block.text === undefined ? undefined : "" },
      },
      ...(block.text === undefined ? [] : [
        { type: "content_block_delta", index, delta: { type: "text_delta", text: block.text } },
      ]),
      { type: "content_block_stop", index },
    ]),
    { type: "message_delta", delta: { stop_reason }, usage: {} },
    { type: "message_stop" },
  );
const anthropicWhole = (stop_reason: string, ...content: unknown[]) =>
  JSON.stringify({ type: "message", content, stop_reason, usage: {} });

const CALL = [{ index: 0, id: "1", type: "function", function: { name: "f", arguments: "{}" } }];
const USE = { type: "tool_use", id: "1", name: "f", input: {} };
const TEXT = { type: "text", text: "half" };

/** What no channel can pass on: what the API answers, streamed and whole. */
const UNSUPPORTED: [what: string, type: "openai" | "anthropic", events: string, whole: string][] = [
  [
    "a tool call",
    "openai",
    openaiEvents(
      delta({ role: "assistant", content: null, tool_calls: CALL }),
      delta({}, "tool_calls"),
    ),
    openaiWhole({ content: null, tool_calls: CALL }, "tool_calls"),
  ],
  [
    "text and then a tool call",
    "openai",
    openaiEvents(delta({ content: "half" }), delta({ tool_calls: CALL }), delta({}, "tool_calls")),
    openaiWhole({ content: "half", tool_calls: CALL }, "stop"),
  ],
  [
    "an old function call",
    "openai",
    openaiEvents(
      delta({ function_call: { name: "f", arguments: "" } }),
      delta({}, "function_call"),
    ),
    openaiWhole({ content: "", function_call: { name: "f", arguments: "{}" } }, "function_call"),
  ],
  [
    "only the word that it calls a tool",
    "openai",
    openaiEvents(delta({ content: "half" }), delta({}, "tool_calls")),
    openaiWhole({ content: "half" }, "tool_calls"),
  ],
  [
    "a part that is a file",
    "openai",
    openaiEvents(
      delta({ content: [{ type: "text", text: "half" }, { type: "file", file: {} }] }),
      delta({}, "stop"),
    ),
    openaiWhole({ content: [{ type: "text", text: "half" }, { type: "file", file: {} }] }),
  ],
  [
    "sound",
    "openai",
    openaiEvents(delta({ audio: { id: "a", data: "AAAA" } }), delta({}, "stop")),
    openaiWhole({ content: null, audio: { id: "a", data: "AAAA" } }),
  ],
  ["a tool use", "anthropic", anthropicEvents("tool_use", USE), anthropicWhole("tool_use", USE)],
  [
    "text and a tool use",
    "anthropic",
    anthropicEvents("tool_use", TEXT, USE),
    anthropicWhole("tool_use", TEXT, USE),
  ],
  ["a pause", "anthropic", anthropicEvents("pause_turn", TEXT), anthropicWhole("pause_turn", TEXT)],
  [
    "a block of another kind",
    "anthropic",
    anthropicEvents("end_turn", TEXT, { type: "container_upload", file_id: "f" }),
    anthropicWhole("end_turn", TEXT, { type: "container_upload", file_id: "f" }),
  ],
];

for (const [what, type, events, whole] of UNSUPPORTED) {
  for (const isWhole of [false, true]) {
    const how = isWhole ? "in one piece" : "as a stream";
    Deno.test(`${type}: an answer with ${what}, ${how}, is an error of its own and never done`, async () => {
      const play = isWhole
        ? { as: "application/json", body: whole }
        : { as: "text/event-stream", body: events };
      await withUpstream([play], async ({ ask, fake }) => {
        const told = await ask({ options: { whole: isWhole } });
        assert.equal(told.ending, "fail answer_unsupported");
        assert.match(told.detail!, /^the model answered with /);
        if (isWhole) {
          assert.equal(told.text, "", "of a whole answer nothing is said that is not passed on");
        }
        assert.equal(fake.seen.length, 1);
      }, { type });
    });
  }
}

Deno.test("anthropic: tools that the API runs itself, signatures and hidden thoughts do not harm the answer", async () => {
  const blocks = [
    { type: "redacted_thinking", data: "x" },
    { type: "server_tool_use", id: "1", name: "web_search", input: {} },
    { type: "web_search_tool_result", tool_use_id: "1", content: [] },
    { type: "text", text: "found" },
  ];
  for (
    const body of [anthropicEvents("end_turn", ...blocks), anthropicWhole("end_turn", ...blocks)]
  ) {
    await withUpstream([{ as: "", body }], async ({ ask }) => {
      const told = await ask();
      assert.deepEqual([told.text, told.ending], ["found", "done"]);
    }, { type: "anthropic" });
  }
});

Deno.test("openai: a content that is a list of texts, thoughts and pictures is joined", async () => {
  const picture = "data:image/png;base64,AAAA";
  const content = [
    { type: "thinking", thinking: [{ type: "text", text: "hm" }] },
    { type: "text", text: "one " },
    "two ",
    { type: "output_text", text: "three" },
    { type: "image_url", image_url: { url: picture } },
    { type: "refusal", refusal: "." },
  ];
  const empty = { tool_calls: [], function_call: null, audio: null };
  const bodies = [
    openaiEvents(delta({ content, ...empty }), delta({ content: [] }, "stop")),
    openaiWhole({ content, ...empty }),
  ];
  for (const body of bodies) {
    await withUpstream([{ as: "text/plain", body }], async ({ ask }) => {
      const { text, reasoning, images, ending } = await ask();
      assert.deepEqual([text, reasoning, images, ending], [
        "one two three.",
        "hm",
        [picture],
        "done",
      ]);
    });
  }
});

for (const as of ["text/event-stream", "application/json", "", "text/html; charset=utf-8"]) {
  Deno.test(`an API that streams although the whole was asked for, or the reverse, is understood, called ${as || "nothing"}`, async () => {
    const events = openaiEvents(...WORDS.map((content) => delta({ content })), delta({}, "stop"));
    const whole = openaiWhole({ content: ALL });
    const padded = `\ufeff \n${whole}`;
    for (
      const [body, isWhole] of [[events, true], [whole, false], [padded, false], [
        `\n\n${events}`,
        true,
      ]] as const
    ) {
      await withUpstream([{ as, body }], async ({ ask, fake }) => {
        const told = await ask({ options: { whole: isWhole } });
        assert.deepEqual([told.text, told.ending], [ALL, "done"]);
        assert.equal(fake.seen.length, 1);
      });
    }
  });
}

Deno.test("an answer that the API says it broke off is not done", async () => {
  for (const reason of ["error", "abort"]) {
    const body = openaiEvents(delta({ content: "half" }), delta({}, reason));
    await withUpstream([{ as: "text/event-stream", body }], async ({ ask }) => {
      assert.equal((await ask()).ending, "lost");
    });
  }
});

Deno.test("an event that does not end is not gathered for ever: past its bound the answer is broken off", async () => {
  const body = `${data(delta({ content: "half" }))}data: ${"a".repeat(33 << 20)}`;
  await withUpstream([{ as: "text/event-stream", body }], async ({ ask }) => {
    const told = await ask();
    assert.deepEqual([told.text, told.ending], ["half", "lost"]);
    assert.match(told.detail ?? "", /an event of the answer is too large/);
  });
});

const say = (message: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({ error: { message, ...more } });

/** What an API refuses with, and what becomes of it. */
const REFUSALS: [
  what: string,
  play: Play,
  ending: string,
  more?: { reason?: string; retryAfter?: number },
][] = [
  [
    "OpenAI's context",
    {
      status: 400,
      body: say("This model's maximum context length is 8192 tokens.", {
        type: "invalid_request_error",
        code: "context_length_exceeded",
      }),
    },
    "context_too_long retryable",
    { reason: "context_length_exceeded" },
  ],
  [
    "Anthropic's context",
    {
      status: 400,
      body: JSON.stringify({
        type: "error",
        error: {
          type: "invalid_request_error",
          message: "prompt is too long: 210000 tokens > 200000 maximum",
        },
      }),
    },
    "context_too_long retryable",
    { reason: "context_length_exceeded" },
  ],
  [
    "vLLM's context",
    {
      status: 400,
      body: JSON.stringify({
        object: "error",
        message: "This model's maximum context length is 4096 tokens. However, you requested 5000.",
        type: "BadRequestError",
        code: 400,
      }),
    },
    "context_too_long retryable",
    { reason: "context_length_exceeded" },
  ],
  [
    "llama.cpp's context",
    {
      status: 400,
      body: say("the request exceeds the available context size", {
        code: 400,
        type: "exceed_context_size_error",
      }),
    },
    "context_too_long retryable",
    { reason: "context_length_exceeded" },
  ],
  [
    "Gemini's context",
    {
      status: 400,
      body: `[${
        say(
          "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
        )
      }]`,
    },
    "context_too_long retryable",
    { reason: "context_length_exceeded" },
  ],
  [
    "a parameter",
    {
      status: 400,
      body: say("Unsupported value: 'temperature'", {
        type: "invalid_request_error",
        code: "unsupported_value",
      }),
    },
    "question_refused",
    { reason: "unsupported_value" },
  ],
  [
    "a filter",
    { status: 400, body: say("filtered", { code: "content_filter" }) },
    "question_refused",
    {
      reason: "content_filter",
    },
  ],
  ["what cannot be processed", { status: 422, body: say("no") }, "question_refused"],
  ["another status of the kind", { status: 451, body: "<html>" }, "question_refused"],
  ["a body that is too large", { status: 413, body: "" }, "too_large"],
  [
    "a key",
    { status: 401, body: say("Incorrect API key provided: 0123456789") },
    "bot_misconfigured retryable",
  ],
  [
    "an account",
    { status: 403, body: say("key 0123456789 may not") },
    "bot_misconfigured retryable",
  ],
  ["a model", {
    status: 404,
    body: say("The model `m` does not exist", { code: "model_not_found" }),
  }, "bot_misconfigured retryable"],
  [
    "an empty account",
    { status: 402, body: say("Insufficient Balance") },
    "bot_misconfigured retryable",
  ],
  ["a used-up account", {
    status: 429,
    body: say("You exceeded your current quota", {
      type: "insufficient_quota",
      code: "insufficient_quota",
    }),
  }, "bot_misconfigured retryable"],
  [
    "too much at once",
    { status: 429, headers: { "retry-after": "60" }, body: say("slow down") },
    "limited retryable",
    {
      retryAfter: 60,
    },
  ],
  ["everything", { status: 500, body: say("boom") }, "bot_failed retryable"],
  [
    "everything, overloaded",
    { status: 529, body: say("Overloaded", { type: "overloaded_error" }) },
    "bot_failed retryable",
  ],
];

for (const [what, play, ending, more = {}] of REFUSALS) {
  Deno.test(`a refusal of ${what} keeps its meaning`, async () => {
    await withUpstream([play], async ({ ask, bot }) => {
      const told = await ask();
      assert.equal(told.ending, `fail ${ending}`);
      assert.deepEqual([told.more?.reason, told.more?.retryAfter], [more.reason, more.retryAfter]);
      assert.doesNotMatch(told.detail!, /0123456789/, "a key is never quoted");
      const isOfTheBot = !/^(context|question|too_large)/.test(ending);
      assert.equal(
        bot.note !== undefined,
        isOfTheBot,
        "admins are told what is the bot's fault and nothing else",
      );
    }, { apiKey: "0123456789" });
  });
}

/** The same, told in a stream that had begun well. */
const EVENTS: [error: Record<string, unknown>, ending: string][] = [
  [
    { type: "invalid_request_error", code: "context_length_exceeded", message: "m" },
    "context_too_long retryable",
  ],
  [{ type: "invalid_request_error", message: "no" }, "question_refused"],
  [{ type: "authentication_error", message: "invalid x-api-key" }, "bot_misconfigured retryable"],
  [{ code: "invalid_api_key", message: "m" }, "bot_misconfigured retryable"],
  [{ type: "not_found_error", message: "model: m" }, "bot_misconfigured retryable"],
  [{ type: "rate_limit_error", message: "m" }, "limited retryable"],
  [{ code: 429, message: "m" }, "limited retryable"],
  [
    { code: "insufficient_quota", type: "insufficient_quota", message: "m" },
    "bot_misconfigured retryable",
  ],
  [{ type: "server_error", message: "m" }, "bot_failed retryable"],
  [{ code: 502, message: "m" }, "bot_failed retryable"],
];

for (const type of ["openai", "anthropic"] as const) {
  Deno.test(`${type}: an error event in front of the first word means what the status would`, async () => {
    for (const [error, ending] of EVENTS) {
      const body = data(type === "openai" ? { error } : { type: "error", error });
      await withUpstream([{ as: "text/event-stream", body }], async ({ ask }) => {
        assert.equal((await ask()).ending, `fail ${ending}`, JSON.stringify(error));
      }, { type, tries: 1 });
    }
  });
}

Deno.test("a key that is refused when the models are listed is told as such", async () => {
  await withUpstream([{ models: 401 }], async ({ ask, bot }) => {
    assert.equal((await ask()).ending, "fail bot_misconfigured retryable");
    assert.match(bot.note!, /refuses the key/);
  }, { model: undefined, apiKey: "0123456789" });
});

Deno.test("an error that is no JSON, or a page of it, has no words of its own", () => {
  for (
    const body of [
      "",
      "<html>".repeat(10_000),
      "[]",
      "null",
      "7",
      '{"error":null}',
      '{"error":{"message":7}}',
    ]
  ) {
    assert.equal(apiErrorOf(500, body).detail, "the model API answered 500", body.slice(0, 20));
  }
  assert.equal(
    apiErrorOf(500, say("x".repeat(100_000))).detail.length,
    "the model API answered 500: ".length + 301,
  );
});
