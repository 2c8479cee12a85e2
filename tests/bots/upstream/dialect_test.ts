import assert from "node:assert/strict";
import { anthropic } from "../../../src/bots/upstream/anthropic.ts";
import type { Dialect } from "../../../src/bots/upstream/dialect.ts";
import { openai } from "../../../src/bots/upstream/openai.ts";
import type { UpstreamSettings } from "../../../src/bots/upstream/settings.ts";
import type { ChatMessage, GenerationOptions } from "../../../src/core/message.ts";

const SETTINGS: UpstreamSettings = {
  type: "openai",
  history: 0,
  images: true,
  ignore: [],
  usage: true,
  headers: {},
  weight: 1,
  restart: "never",
  tries: 1,
  firstTimeout: 1000,
  stallTimeout: 1000,
  endMarker: "required",
  budget: {},
};

const HELLO: ChatMessage[] = [{ role: "user", text: "hello", images: [] }];

function bodyOf(
  dialect: Dialect,
  { options = {}, said = HELLO, baseUrl }: {
    options?: GenerationOptions;
    said?: readonly ChatMessage[];
    baseUrl?: string;
  },
) {
  return JSON.parse(
    dialect.body({ messages: said, model: "m", options, stream: false }, {
      ...SETTINGS,
      baseUrl,
    }),
  );
}

/** Who takes a parameter: OpenAI, other servers of its API, Anthropic. */
const taken: [
  name: string,
  value: unknown,
  who: [openai: boolean, others: boolean, anthropic: boolean],
][] = [
  ["temperature", 0.5, [true, true, true]],
  ["seed", 1, [true, true, false]],
  ["reasoning_effort", "low", [true, true, false]],
  ["response_format", { type: "json_object" }, [true, true, false]],
  ["response_format", { type: "json_schema", json_schema: { name: "a", schema: {} } }, [
    true,
    true,
    true,
  ]],
  ["user", "u", [true, false, true]],
  ["service_tier", "auto", [true, false, false]],
  ["top_k", 1, [false, true, true]],
  ["chat_template_kwargs", {}, [false, true, false]],
  ["models", ["dearer/model"], [false, false, false]],
  ["tools", [], [false, false, false]],
];

Deno.test("each model API takes what it knows, and nothing that its owner did not choose", () => {
  for (const [name, value, who] of taken) {
    const found = [
      openai.takes(name, value, SETTINGS),
      openai.takes(name, value, { ...SETTINGS, baseUrl: "http://127.0.0.1:11434/v1" }),
      anthropic.takes(name, value, SETTINGS),
    ];
    assert.deepEqual(found, who, name);
  }
});

Deno.test("OpenAI gets the bound on an answer by its new name, other servers by the old one", () => {
  for (
    const [baseUrl, official] of [
      [undefined, true],
      ["https://api.openai.com/v1", true],
      ["https://eu.api.openai.com/v1", true],
      ["https://company.openai.azure.com/openai/v1", true],
      ["https://openai.example.com/v1", false],
      ["http://127.0.0.1:11434/v1", false],
    ] as const
  ) {
    const { max_tokens, max_completion_tokens } = bodyOf(openai, {
      options: { maxTokens: 5 },
      baseUrl,
    });
    assert.deepEqual(
      [max_completion_tokens, max_tokens],
      official ? [5, undefined] : [undefined, 5],
      String(baseUrl),
    );
  }
});

Deno.test("Anthropic gets a schema, a user and top_k by its own names", () => {
  const schema = { type: "object" };
  const body = bodyOf(anthropic, {
    options: {
      extra: {
        top_k: 3,
        user: "u",
        response_format: { type: "json_schema", json_schema: { name: "a", schema } },
      },
    },
  });
  assert.deepEqual([body.top_k, body.metadata, body.output_config], [
    3,
    { user_id: "u" },
    { format: { type: "json_schema", schema } },
  ]);
  const plain = bodyOf(anthropic, {});
  assert.ok(!("metadata" in plain) && !("output_config" in plain));
});

Deno.test("a talk that ends with the bot's words is told to OpenAI as it is, and Anthropic is asked to go on", () => {
  const said: ChatMessage[] = [...HELLO, { role: "assistant", text: "Once upon", images: [] }];
  assert.deepEqual(bodyOf(openai, { said }).messages.at(-1), {
    role: "assistant",
    content: "Once upon",
  });
  assert.deepEqual(bodyOf(anthropic, { said }).messages.at(-1), {
    role: "user",
    content: [{ type: "text", text: "Please go on." }],
  });
  const chinese: ChatMessage[] = [...HELLO, { role: "assistant", text: "从前", images: [] }];
  assert.equal(bodyOf(anthropic, { said: chinese }).messages.at(-1).content[0].text, "请继续。");
});

Deno.test("a talk of the system alone is one that Anthropic takes", () => {
  const { system, messages } = bodyOf(anthropic, {
    said: [{ role: "system", text: "Greet.", images: [] }],
  });
  assert.equal(system, "Greet.");
  assert.equal(messages.length, 1);
});
