/**
 * Clients that bring tools: what they are told when a bot calls none of them.
 */
import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatOpenAI } from "@langchain/openai";
import { APICallError, generateObject, generateText, jsonSchema, tool } from "ai";
import OpenAI from "openai";
import { WORDS } from "../../bots/upstream/fake_upstream.ts";
import { type Face, withFace } from "./bench.ts";

const ALL = WORDS.join("");

const schema = {
  type: "object" as const,
  properties: { city: { type: "string" as const } },
  required: ["city"],
};
const ask = { model: "gpt", messages: [{ role: "user" as const, content: "How warm is it?" }] };

function client({ url, token }: Face): OpenAI {
  return new OpenAI({ baseURL: url, apiKey: token });
}

Deno.test("openai: its tool runner ends with the bot's answer and calls nothing", async () => {
  await withFace([{}], async (face) => {
    let calls = 0;
    const weather = {
      type: "function" as const,
      function: {
        name: "weather",
        description: "tells the weather",
        parameters: schema,
        parse: JSON.parse,
        function: () => String(++calls),
      },
    };
    for (const stream of [false, true] as const) {
      const openai = client(face).chat.completions;
      const runner = stream
        ? openai.runTools({ ...ask, stream, tools: [weather] })
        : openai.runTools({ ...ask, tools: [weather] });
      assert.equal(await runner.finalContent(), ALL);
    }
    assert.equal(calls, 0);
    assert.equal(face.fake.seen.length, 2);
  });
});

Deno.test(
  "openai: the answer's header tells that tools were ignored, and a demanded call is a bad request",
  async () => {
    await withFace([{}], async (face) => {
      const openai = client(face);
      const tools = [{
        type: "function" as const,
        function: { name: "weather", parameters: schema },
      }];
      const { data, response } = await openai.chat.completions.create({ ...ask, tools })
        .withResponse();
      assert.equal(data.choices[0]!.finish_reason, "stop");
      assert.equal(response.headers.get("x-nexus-ignored"), "tools");
      await assert.rejects(
        openai.chat.completions.create({ ...ask, tools, tool_choice: "required" }),
        (error) => {
          return error instanceof OpenAI.BadRequestError && error.param === "tool_choice";
        },
      );
      const answer = await openai.responses.create({
        model: "gpt",
        input: "hi",
        tools: [{ type: "web_search" }],
      });
      assert.equal(answer.output_text, ALL);
    });
  },
);

function aiModel({ url, token }: Face) {
  return createOpenAICompatible({
    name: "nexus",
    baseURL: url,
    apiKey: token,
    supportsStructuredOutputs: true,
  })("gpt");
}

Deno.test("AI SDK: tools that nobody calls leave a plain answer; a demanded call is refused once", async () => {
  await withFace([{}], async (face) => {
    const tools = {
      weather: tool({ inputSchema: jsonSchema(schema), execute: () => Promise.resolve("12") }),
    };
    const { text, toolCalls, finishReason } = await generateText({
      model: aiModel(face),
      prompt: "hi",
      tools,
    });
    assert.deepEqual([text, toolCalls, finishReason], [ALL, [], "stop"]);
    await assert.rejects(
      generateText({ model: aiModel(face), prompt: "hi", tools, toolChoice: "required" }),
      (error) => APICallError.isInstance(error) && error.statusCode === 400,
    );
    assert.equal(face.fake.seen.length, 1);
  });
});

Deno.test("AI SDK: an object by its schema comes from a model API that keeps to schemas", async () => {
  await withFace([{ deltas: ['{"city":', '"Berlin"}'] }], async (face) => {
    const { object } = await generateObject({
      model: aiModel(face),
      prompt: "hi",
      schema: jsonSchema(schema),
    });
    assert.deepEqual(object, { city: "Berlin" });
    assert.equal(face.fake.seen[0]!.body.response_format.type, "json_schema");
  });
});

Deno.test("LangChain: a model with tools bound to it answers in words", async () => {
  await withFace([{}], async (face) => {
    const chain = new ChatOpenAI({
      model: "gpt",
      apiKey: face.token,
      configuration: { baseURL: face.url },
    });
    const tools = [{
      type: "function" as const,
      function: { name: "weather", parameters: schema },
    }];
    const answer = await chain.bindTools(tools).invoke("hi");
    assert.equal(answer.content, ALL);
    assert.deepEqual(answer.tool_calls, []);
    await assert.rejects(
      chain.bindTools(tools, { tool_choice: "any" }).invoke("hi"),
      /tool_choice/,
    );
  });
});
