import assert from "node:assert/strict";
import { anthropic } from "../../../src/bots/upstream/anthropic.ts";
import { openai } from "../../../src/bots/upstream/openai.ts";
import { passedOn } from "../../../src/channels/openai/parameters.ts";
import { Agent, says, withFace } from "./bench.ts";

const TOOLS = [{ type: "function", function: { name: "get_weather", parameters: {} } }];

/**
 * What asks for an answer that nobody here can give: OpenAI's name of the parameter, and the
 * request.
 */
const refused: [path: "chat" | "responses", param: string, fields: Record<string, unknown>][] = [
  ["chat", "n", { n: 2 }],
  ["chat", "logprobs", { logprobs: true }],
  ["chat", "logprobs", { top_logprobs: 5 }],
  ["chat", "modalities", { modalities: ["text", "audio"], audio: { voice: "alloy" } }],
  ["chat", "tool_choice", { tools: TOOLS, tool_choice: "required" }],
  ["chat", "tool_choice", {
    tools: TOOLS,
    tool_choice: { type: "function", function: { name: "get_weather" } },
  }],
  ["chat", "tool_choice", {
    tools: TOOLS,
    tool_choice: { type: "allowed_tools", allowed_tools: { mode: "required", tools: TOOLS } },
  }],
  ["chat", "function_call", { functions: [{ name: "f" }], function_call: { name: "f" } }],
  ["chat", "messages.0.content.0.type", {
    messages: [{ role: "user", content: [{ type: "input_audio" }] }],
  }],
  ["responses", "tool_choice", {
    tools: [{ type: "web_search" }],
    tool_choice: { type: "web_search" },
  }],
  ["responses", "tool_choice", { tools: TOOLS, tool_choice: "required" }],
  ["responses", "logprobs", { include: ["message.output_text.logprobs"] }],
  ["responses", "background", { background: true }],
  ["responses", "prompt", { prompt: { id: "pmpt_1" } }],
  ["responses", "input.0", { input: [{ type: "item_reference", id: "msg_1" }] }],
];

Deno.test("what would make the answer a lie is refused by name", async () => {
  await withFace([{}], async ({ chat, post, fake }) => {
    for (const [path, param, fields] of refused) {
      const response = path === "chat"
        ? await chat(fields)
        : await post("/v1/responses", { model: "gpt", input: "hi", ...fields });
      const { error } = await response.json();
      assert.deepEqual(
        [error?.code, error?.param],
        ["unsupported_parameter", param],
        JSON.stringify(fields),
      );
      assert.equal(response.status, 400);
    }
    assert.equal(fake.seen.length, 0);
  });
});

/** Requests, and what their answers say that a bot of the wire ignored. */
const ignored: [
  path: "chat" | "responses",
  fields: Record<string, unknown>,
  names: string | null,
][] = [
  ["chat", {}, null],
  ["chat", { tools: TOOLS }, "tools"],
  ["chat", { tools: TOOLS, tool_choice: "auto", parallel_tool_calls: true }, "tools"],
  ["chat", { tools: TOOLS, tool_choice: { type: "auto" } }, "tools"],
  [
    "chat",
    {
      tools: TOOLS,
      tool_choice: { type: "allowed_tools", allowed_tools: { mode: "auto", tools: TOOLS } },
    },
    "tools",
  ],
  // Nobody is to call them, and nobody does.
  ["chat", { tools: TOOLS, tool_choice: "none" }, null],
  ["chat", { tools: [] }, null],
  ["chat", { functions: [{ name: "f" }] }, "functions"],
  ["chat", { functions: [{ name: "f" }], function_call: "none" }, null],
  [
    "chat",
    { tools: TOOLS, temperature: 1, seed: 5, response_format: { type: "json_object" } },
    "tools, temperature, response_format, seed",
  ],
  ["chat", {
    n: 1,
    logprobs: false,
    top_logprobs: 0,
    logit_bias: {},
    response_format: { type: "text" },
  }, null],
  ["chat", {
    modalities: ["text"],
    stop: "X",
    max_tokens: 5,
    user: null,
    metadata: {},
    store: true,
  }, null],
  ["chat", { service_tier: "priority" }, "service_tier"],
  ["responses", { tools: [{ type: "web_search" }] }, "tools"],
  [
    "responses",
    { reasoning: { effort: "low" }, text: { format: { type: "json_object" }, verbosity: "low" } },
    "text.format, reasoning, text.verbosity",
  ],
  ["responses", {
    reasoning: {},
    text: { format: { type: "text" } },
    include: ["reasoning.encrypted_content"],
  }, null],
];

Deno.test("what a bot cannot do is ignored, and the answer says so in a header, whole and streamed", async () => {
  await withFace([], async ({ app, chat, post }) => {
    app.gateway.roster.join(new Agent("agent", says("ok")));
    for (const [path, fields, names] of ignored) {
      for (const stream of [false, true]) {
        const asked = { model: "agent", stream, ...fields };
        const response = path === "chat"
          ? await chat(asked)
          : await post("/v1/responses", { input: "hi", ...asked });
        await response.body?.cancel();
        assert.equal(response.status, 200, JSON.stringify(fields));
        assert.equal(response.headers.get("x-nexus-ignored"), names, JSON.stringify(fields));
      }
    }
  });
});

Deno.test("a bot that calls no tools answers a client that offers some, as if there were none", async () => {
  await withFace([{}], async ({ chat, fake }) => {
    const response = await chat({ tools: TOOLS });
    assert.equal(response.headers.get("x-nexus-ignored"), "tools");
    const [choice] = (await response.json()).choices;
    assert.equal(choice.finish_reason, "stop");
    assert.equal(choice.message.tool_calls, undefined);
    assert.equal(fake.seen[0]!.body.tools, undefined);
  });
});

Deno.test("a model API gets the parameters that it has, by their names", async () => {
  const asked = {
    temperature: 0.5,
    seed: 7,
    presence_penalty: -1,
    frequency_penalty: 1,
    logit_bias: { "5": -100 },
    reasoning_effort: "low",
    response_format: {
      type: "json_schema",
      json_schema: { name: "a", schema: { type: "object" }, strict: true },
    },
    top_k: 40,
    chat_template_kwargs: { enable_thinking: false },
  };
  await withFace([{}], async ({ chat, fake }) => {
    // `user` is for OpenAI alone: strict servers refuse it, and clients send it unasked.
    const response = await chat({ ...asked, user: "u1" });
    await response.body?.cancel();
    assert.equal(response.headers.get("x-nexus-ignored"), "user");
    const { body } = fake.seen[0]!;
    for (const [name, value] of Object.entries(asked)) assert.deepEqual(body[name], value, name);
    assert.equal(body.user, undefined);
  });
});

Deno.test("the Responses API's parameters reach a model API by the names of chat completions", async () => {
  await withFace([{}], async ({ post, fake }) => {
    const schema = { type: "object", properties: {}, additionalProperties: false };
    const response = await post("/v1/responses", {
      model: "gpt",
      input: "hi",
      reasoning: { effort: "high" },
      text: {
        format: { type: "json_schema", name: "answer", strict: true, schema },
        verbosity: "low",
      },
    });
    await response.body?.cancel();
    assert.equal(response.headers.get("x-nexus-ignored"), null);
    const { reasoning_effort, verbosity, response_format } = fake.seen[0]!.body;
    assert.deepEqual([reasoning_effort, verbosity], ["high", "low"]);
    assert.deepEqual(response_format, {
      type: "json_schema",
      json_schema: { name: "answer", strict: true, schema },
    });
  });
});

Deno.test("parameters that the configuration names are not passed on, and told as ignored", async () => {
  await withFace([{}], async ({ chat, fake }) => {
    const response = await chat({ temperature: 0, top_p: 0.5, seed: 1 });
    await response.body?.cancel();
    assert.equal(response.headers.get("x-nexus-ignored"), "temperature, seed");
    const { temperature, top_p, seed } = fake.seen[0]!.body;
    assert.deepEqual([temperature, top_p, seed], [undefined, 0.5, undefined]);
  }, { settings: { ignore: ["temperature", "seed"] } });
});

Deno.test("a parameter of a wrong type is refused with its name", async () => {
  await withFace([{}], async ({ chat }) => {
    for (
      const [name, value] of [["seed", "x"], ["presence_penalty", 3], [
        "response_format",
        "json",
      ]] as const
    ) {
      const response = await chat({ [name]: value });
      const { error } = await response.json();
      assert.deepEqual([response.status, error.param], [400, name]);
    }
  });
});

Deno.test("docs/openai.md says who takes which parameter", async () => {
  const page = await Deno.readTextFile("docs/openai.md");
  const rows = [
    ...page.matchAll(
      /^\| (`[^|]+) \| (yes|no) +\| (yes|no) +\| (yes|no|only [^|]+?) +\| no +\|$/gm,
    ),
  ];
  const told = new Set<string>();
  for (const [, names, ...columns] of rows) {
    for (const [, name] of names!.replace(/\([^)]*\)/g, "").matchAll(/`([^`]+)`/g)) {
      told.add(name!);
      const found = [
        openai.takes(name!, undefined, {}),
        openai.takes(name!, undefined, { baseUrl: "http://127.0.0.1/v1" }),
        anthropic.takes(name!, undefined, {}),
      ];
      assert.deepEqual(columns.map((column) => column === "yes"), found, name!);
    }
  }
  assert.deepEqual([...told].sort(), ["temperature", "top_p", ...Object.keys(passedOn)].sort());
});
