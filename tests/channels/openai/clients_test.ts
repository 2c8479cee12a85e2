/**
 * The clients that people really use, against a real port: whatever they read, they must read here.
 */
import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { HumanMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import {
  DefaultChatTransport,
  generateText,
  readUIMessageStream,
  streamText,
  type UIMessage,
} from "ai";
import OpenAI from "openai";
import { WORDS } from "../../bots/upstream/fake_upstream.ts";
import { until } from "../../world.ts";
import { Agent, type Face, says, withFace } from "./bench.ts";

const ALL = WORDS.join("");
const PNG = "data:image/png;base64,iVBORw0KGgo=";

function client({ url, token }: Face): OpenAI {
  return new OpenAI({ baseURL: url, apiKey: token, maxRetries: 0 });
}

/** The turn that a client hangs up on ends as stopped: not as done, and not as failed. */
function cancelled({ app }: Face): () => Promise<void> {
  const [turn, ...others] = app.gateway.running();
  assert.ok(turn && others.length === 0);
  return async () => {
    await until(() => turn.ending !== undefined, "the end of the turn");
    assert.deepEqual([turn.ending!.status, turn.reply.text], ["cancelled", "one "]);
  };
}

const ask = { model: "gpt", messages: [{ role: "user" as const, content: "hello" }] };

Deno.test("openai: models, a whole answer, a stream with counts", async () => {
  await withFace([{}], async (face) => {
    const openai = client(face);
    const ids = [];
    for await (const { id } of openai.models.list()) ids.push(id);
    assert.deepEqual(ids, ["gpt", "auto"]);
    const whole = await openai.chat.completions.create(ask);
    assert.equal(whole.choices[0]!.message.content, ALL);
    assert.equal(whole._request_id, whole.id.slice("chatcmpl-".length));
    let text = "";
    let total;
    const stream = await openai.chat.completions.create({
      ...ask,
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const { choices, usage } of stream) {
      text += choices[0]?.delta.content ?? "";
      total = usage?.total_tokens ?? total;
    }
    assert.equal(text, ALL);
    assert.equal(total, 15);
  });
});

Deno.test("openai: its stream helper sees one finished answer", async () => {
  await withFace([{}], async (face) => {
    const final = await client(face).chat.completions.stream(ask).finalChatCompletion();
    assert.equal(final.choices[0]!.message.content, ALL);
    assert.equal(final.choices[0]!.finish_reason, "stop");
  });
});

Deno.test(
  "openai: a cut answer throws, and so does a missing model, a wrong key, a bot that is overrun",
  async () => {
    await withFace([{ end: "cut", deltas: ["one "] }, { status: 429 }], async (face) => {
      const openai = client(face);
      let text = "";
      await assert.rejects(async () => {
        for await (
          const { choices } of await openai.chat.completions.create({ ...ask, stream: true })
        ) {
          text += choices[0]!.delta.content ?? "";
        }
      }, OpenAI.APIError);
      assert.equal(text, "one ");
      await assert.rejects(openai.chat.completions.create(ask), OpenAI.RateLimitError);
      await assert.rejects(
        openai.chat.completions.create({ ...ask, model: "nobody" }),
        OpenAI.NotFoundError,
      );
      const stranger = new OpenAI({ baseURL: face.url, apiKey: "nxk_nonsense", maxRetries: 0 });
      await assert.rejects(stranger.models.list().then(), OpenAI.AuthenticationError);
    });
  },
);

Deno.test(
  "openai: what a model API refuses keeps its status and code, and the client does not ask again",
  async () => {
    const refused = (status: number, code: string) => ({
      status,
      body: JSON.stringify({ error: { message: "no", code } }),
    });
    const tools = {
      choices: [{
        message: { content: null, tool_calls: [{ id: "1" }] },
        finish_reason: "tool_calls",
      }],
    };
    const cases = [
      {
        play: refused(400, "context_length_exceeded"),
        status: 400,
        code: "context_length_exceeded",
      },
      { play: refused(400, "unsupported_value"), status: 400, code: "unsupported_value" },
      { play: refused(401, "invalid_api_key"), status: 502, code: "bot_misconfigured" },
      { play: refused(404, "model_not_found"), status: 502, code: "bot_misconfigured" },
      {
        play: { as: "application/json", body: JSON.stringify(tools) },
        status: 502,
        code: "answer_unsupported",
      },
    ];
    for (const { play, status, code } of cases) {
      for (const stream of [false, true]) {
        await withFace([play], async (face) => {
          const eager = new OpenAI({ baseURL: face.url, apiKey: face.token, maxRetries: 2 });
          await assert.rejects(eager.chat.completions.create({ ...ask, stream }), (error) => {
            assert.ok(error instanceof OpenAI.APIError);
            assert.deepEqual([error.status, error.code], [status, code]);
            assert.equal(error.type, status === 400 ? "invalid_request_error" : "server_error");
            return true;
          });
          assert.equal(face.fake.seen.length, 1, `${code} was asked again`);
        });
      }
    }
  },
);

Deno.test("openai: aborting a stream stops the bot", async () => {
  await withFace([], async (face) => {
    const stopped = Promise.withResolvers<void>();
    const agent = new Agent("agent", (_task, sink) => void sink.write("text", "one "));
    agent.onStop = stopped.resolve;
    face.app.gateway.roster.join(agent);
    const stream = await client(face).chat.completions.create({
      ...ask,
      model: "agent",
      stream: true,
    });
    const ends = cancelled(face);
    for await (const { choices } of stream) if (choices[0]!.delta.content) break;
    await stopped.promise;
    await ends();
  });
});

Deno.test("openai: responses, whole, streamed, followed up and failed", async () => {
  await withFace([{}, {}, {}, { end: "cut", deltas: ["one "] }], async (face) => {
    const openai = client(face);
    const first = await openai.responses.create({
      model: "gpt",
      input: "hello",
      instructions: "Rhyme.",
    });
    assert.equal(first.output_text, ALL);
    assert.equal(first.status, "completed");
    assert.equal(first.usage?.total_tokens, 15);

    const second = await openai.responses.create({
      model: "gpt",
      input: "and?",
      previous_response_id: first.id,
    });
    assert.deepEqual(second.metadata, first.metadata, "the same conversation");
    assert.deepEqual(face.fake.seen[1]!.body.messages, [
      { role: "user", content: "hello" },
      { role: "assistant", content: ALL },
      { role: "user", content: "and?" },
    ]);

    let text = "";
    const stream = openai.responses.stream({
      model: "gpt",
      input: [{ role: "user", content: [{ type: "input_image", image_url: PNG, detail: "auto" }] }],
    });
    stream.on("response.output_text.delta", ({ delta }) => text += delta);
    const final = await stream.finalResponse();
    assert.equal(text, ALL);
    assert.equal(final.output_text, ALL);

    const types: string[] = [];
    await assert.rejects(async () => {
      for await (
        const event of await openai.responses.create({ model: "gpt", input: "x", stream: true })
      ) {
        types.push(event.type);
      }
    });
    assert.ok(
      types.includes("response.failed") && !types.includes("response.completed"),
      types.join(),
    );
    await assert.rejects(
      openai.responses.create({ model: "gpt", input: "x", previous_response_id: "resp_nothing" }),
      OpenAI.NotFoundError,
    );
  });
});

function aiModel({ url, token }: Face, name = "gpt") {
  return createOpenAICompatible({ name: "nexus", baseURL: url, apiKey: token, includeUsage: true })(
    name,
  );
}

Deno.test("AI SDK: streamText with an image, reasoning and counts", async () => {
  await withFace([{ reasoning: ["hm"] }], async (face) => {
    const result = streamText({
      model: aiModel(face),
      messages: [{
        role: "user",
        content: [{ type: "text", text: "look" }, {
          type: "file",
          mediaType: "image/png",
          data: PNG,
        }],
      }],
    });
    assert.equal(await result.text, ALL);
    assert.equal(await result.reasoningText, "hm");
    assert.equal(await result.finishReason, "stop");
    assert.equal((await result.usage).totalTokens, 15);
    assert.deepEqual(face.fake.seen[0]!.body.messages[0].content[1], {
      type: "image_url",
      image_url: { url: PNG },
    });
    const { text } = await generateText({ model: aiModel(face), prompt: "hello" });
    assert.equal(text, ALL);
  });
});

Deno.test("AI SDK: a cut stream is an error part, not a finish", async () => {
  await withFace([{ end: "cut", deltas: ["one "] }], async (face) => {
    const kinds: string[] = [];
    let reason;
    const result = streamText({
      model: aiModel(face),
      prompt: "hello",
      maxRetries: 0,
      onError() {},
    });
    for await (const part of result.fullStream) {
      kinds.push(part.type);
      if (part.type === "finish") reason = part.finishReason;
    }
    assert.ok(kinds.includes("error"), kinds.join());
    assert.notEqual(reason, "stop");
  });
});

Deno.test("AI SDK: abort stops the bot", async () => {
  await withFace([], async (face) => {
    const stopped = Promise.withResolvers<void>();
    const agent = new Agent("agent", (_task, sink) => void sink.write("text", "one "));
    agent.onStop = stopped.resolve;
    face.app.gateway.roster.join(agent);
    const leaving = new AbortController();
    const result = streamText({
      model: aiModel(face, "agent"),
      prompt: "x",
      abortSignal: leaving.signal,
      onError() {},
    });
    let ends = () => Promise.resolve();
    for await (const part of result.fullStream) {
      if (part.type !== "text-delta") continue;
      ends = cancelled(face);
      leaving.abort();
    }
    await stopped.promise;
    await ends();
  });
});

Deno.test(
  "AI SDK: a useChat page's transport reads the UI message stream, resumes it and stops it",
  async () => {
    await withFace([{}, { end: "stall", deltas: ["one "] }], async (face) => {
      const headers = { authorization: `Bearer ${face.token}` };
      const transport = new DefaultChatTransport({
        api: `${face.root}/api/ai/chat`,
        headers,
        body: { model: "gpt" },
      });
      const messages: UIMessage[] = [{
        id: "1",
        role: "user",
        parts: [{ type: "text", text: "look" }, { type: "file", mediaType: "image/png", url: PNG }],
      }];
      const send = () =>
        transport.sendMessages({
          trigger: "submit-message",
          chatId: "c1",
          messageId: undefined,
          messages,
          abortSignal: undefined,
        });
      let last: UIMessage | undefined;
      for await (const message of readUIMessageStream({ stream: await send() })) last = message;
      assert.equal(last!.role, "assistant");
      assert.equal(
        last!.parts.filter((part) => part.type === "text").map(({ text }) => text).join(""),
        ALL,
      );
      assert.equal((face.fake.seen[0]!.body.messages[0].content as unknown[]).length, 2);

      messages.push(last!, { id: "2", role: "user", parts: [{ type: "text", text: "more" }] });
      const reader = (await send()).getReader();
      while (true) {
        const { value } = await reader.read();
        if (value?.type === "text-delta") break;
      }
      // The page is closed in the middle of the answer and opened again.
      await reader.cancel();
      const again = await transport.reconnectToStream({ chatId: "c1" });
      const parts: string[] = [];
      const resumed = again!.getReader();
      while (true) {
        const { value, done } = await resumed.read();
        if (done) break;
        parts.push(value.type);
        if (value.type === "text-delta") {
          assert.equal(value.delta, "one ");
          const stop = await fetch(`${face.root}/api/ai/chat/c1/stream`, {
            method: "DELETE",
            headers,
          });
          assert.deepEqual(await stop.json(), { stopped: true });
        }
      }
      assert.deepEqual(parts, [
        "start",
        "start-step",
        "text-start",
        "text-delta",
        "text-end",
        "abort",
      ]);
      assert.equal(
        await transport.reconnectToStream({ chatId: "c1" }),
        null,
        "nothing runs any more",
      );
    }, { settings: { stallTimeout: 60_000 } });
  },
);

Deno.test("LangChain: invoke, stream with counts, and a cut answer that throws", async () => {
  await withFace([{}, {}, { end: "cut", deltas: ["one "] }], async (face) => {
    const chain = new ChatOpenAI({
      model: "gpt",
      apiKey: face.token,
      maxRetries: 0,
      configuration: { baseURL: face.url },
    });
    const answer = await chain.invoke([new HumanMessage("hello")]);
    assert.equal(answer.content, ALL);
    let text = "";
    let total = 0;
    for await (const chunk of await chain.stream("hello")) {
      text += chunk.content;
      total += chunk.usage_metadata?.total_tokens ?? 0;
    }
    assert.equal(text, ALL);
    assert.equal(total, 15);
    await assert.rejects(async () => {
      for await (const _ of await chain.stream("hello")) { /* to its end */ }
    });
  });
});

Deno.test("openai: a bot behind the wire's own memory keeps a talk in one conversation", async () => {
  await withFace([], async (face) => {
    const agent = new Agent("agent", says("fine"));
    face.app.gateway.roster.join(agent);
    const openai = client(face);
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "one" }];
    const { choices } = await openai.chat.completions.create({ model: "agent", messages });
    messages.push(choices[0]!.message, { role: "user", content: "two" });
    await openai.chat.completions.create({ model: "agent", messages });
    assert.deepEqual(agent.asked.map(({ message }) => message.text), ["one", "two"]);
    assert.equal(agent.asked[0]!.conversationId, agent.asked[1]!.conversationId);
  });
});
