import assert from "node:assert/strict";
import { Agent, events, says, withFace } from "./bench.ts";
import type { Sink } from "../../../src/core/link.ts";
import { until } from "../../world.ts";
import { WORDS } from "../../bots/upstream/fake_upstream.ts";

const ALL = WORDS.join("");
const PNG = "data:image/png;base64,iVBORw0KGgo=";

Deno.test("a whole answer has OpenAI's shape, the model's own counts and the turn's id", async () => {
  await withFace([{}], async ({ chat, root, token }) => {
    const response = await chat();
    assert.equal(response.status, 200);
    const answer = await response.json();
    const used = await fetch(`${root}/api/usage`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const [day] = (await used.json()).days;
    assert.deepEqual([day.messages, day.inputTokens, day.outputTokens], [1, 7, 8]);
    assert.equal(answer.object, "chat.completion");
    assert.equal(answer.model, "gpt");
    assert.equal(answer.id, `chatcmpl-${response.headers.get("x-request-id")}`);
    assert.deepEqual(answer.choices, [{
      index: 0,
      message: { role: "assistant", content: ALL, refusal: null },
      logprobs: null,
      finish_reason: "stop",
    }]);
    assert.deepEqual(answer.usage, { prompt_tokens: 7, completion_tokens: 8, total_tokens: 15 });
  });
});

Deno.test("a stream begins with the role, ends with a reason and [DONE], and counts where asked to", async () => {
  await withFace([{}], async ({ chat }) => {
    const all = await events(await chat({ stream: true, stream_options: { include_usage: true } }));
    assert.deepEqual(all[0].choices[0].delta, { role: "assistant", content: "" });
    assert.equal(all.slice(1, -3).map((chunk) => chunk.choices[0].delta.content).join(""), ALL);
    assert.equal(all.at(-3).choices[0].finish_reason, "stop");
    assert.deepEqual(all.at(-2).usage, {
      prompt_tokens: 7,
      completion_tokens: 8,
      total_tokens: 15,
    });
    assert.equal(all.at(-1), "[DONE]");
  });
});

Deno.test("tokens that were cached, and those of thoughts, are counted apart", async () => {
  const details = {
    prompt_tokens_details: { cached_tokens: 5 },
    completion_tokens_details: { reasoning_tokens: 3 },
  };
  await withFace([{ details }], async ({ chat, post }) => {
    const counts = {
      prompt_tokens: 7,
      completion_tokens: 8,
      total_tokens: 15,
      prompt_tokens_details: { cached_tokens: 5 },
      completion_tokens_details: { reasoning_tokens: 3 },
    };
    assert.deepEqual((await (await chat()).json()).usage, counts);
    const all = await events(await chat({ stream: true, stream_options: { include_usage: true } }));
    assert.deepEqual(all.at(-2).usage, counts);
    const { usage } = await (await post("/v1/responses", { model: "gpt", input: "hi" })).json();
    assert.deepEqual([usage.input_tokens_details, usage.output_tokens_details], [
      { cached_tokens: 5 },
      { reasoning_tokens: 3 },
    ]);
  });
});

Deno.test("an answer of a bot that does not count is counted by estimate, and says so", async () => {
  await withFace([], async ({ app, chat }) => {
    app.gateway.roster.join(new Agent("agent", says("Hello ", "there")));
    const { usage } = await (await chat({ model: "agent" })).json();
    assert.equal(usage.estimated, true);
    assert.ok(usage.completion_tokens > 0 && usage.prompt_tokens > 0);
  });
});

/**
 * What the model API does behind the second word, and what a client of the stream and of the whole
 * is told.
 */
for (const end of ["cut", "bad_json", "error_event", "clean", "stall"] as const) {
  Deno.test(`a reply that ends by "${end}" is closed with an error, never with [DONE]`, async () => {
    await withFace([{ end, deltas: ["one ", "two "] }], async ({ chat }) => {
      const all = await events(await chat({ stream: true }));
      assert.equal(all.at(-1).error.type, "server_error");
      assert.equal(all.at(-1).error.code, "bot_gone");
      assert.ok(!all.includes("[DONE]"));
      assert.ok(all.slice(0, -1).every((chunk) => chunk.choices[0].finish_reason === null));
    });
  });
}

Deno.test("half an answer is no whole answer: whoever waits for it gets an error", async () => {
  await withFace([], async ({ app, chat }) => {
    const cut = new Agent("agent", (_task, sink) => {
      sink.write("text", "half");
      sink.lost("gone");
    });
    app.gateway.roster.join(cut);
    const response = await chat({ model: "agent" });
    assert.equal(response.status, 502);
    assert.equal((await response.json()).error.code, "bot_gone");
  });
});

Deno.test("what fails before the first word is a status, also for a stream", async () => {
  const refusal = { status: 429, headers: { "retry-after": "30" } };
  await withFace([refusal], async ({ chat }) => {
    const response = await chat({ stream: true });
    assert.equal(response.status, 429);
    assert.equal(response.headers.get("retry-after"), "30");
    const { error } = await response.json();
    assert.equal(error.type, "rate_limit_error");
    assert.equal(error.code, "rate_limit_exceeded");
    // While it rests the API is not asked, and the time that is left is told.
    const again = await chat();
    const left = Number(again.headers.get("retry-after"));
    assert.ok(again.status === 429 && left > 20 && left <= 30, `${again.status}, ${left}`);
    await again.body?.cancel();
  });
  await withFace([{ status: 500 }], async ({ chat }) => {
    const response = await chat({ stream: true });
    assert.equal(response.status, 502);
    assert.equal((await response.json()).error.code, "bot_failed");
  });
});

Deno.test("another bot of the pool answers where the first cannot", async () => {
  await withFace([{ status: 500 }], async ({ app, chat, fake }) => {
    app.gateway.roster.join(
      new Agent("second", says("from the second"), { pool: "models", weight: 0.001 }),
    );
    const answer = await (await chat({ model: "models" })).json();
    assert.equal(answer.choices[0].message.content, "from the second");
    assert.equal(fake.seen.length, 1);
  }, { settings: { pool: "models", weight: 1000 } });
});

Deno.test("errors have OpenAI's statuses: 401, 404 model, 400, 404 address, 413, 415", async () => {
  await withFace([{}], async ({ chat, post, root, app }) => {
    const told = async (
      response: Response,
    ) => [response.status, (await response.json()).error.code];
    assert.deepEqual(
      await told(await chat({}, { headers: { authorization: "Bearer nonsense" } })),
      [
        401,
        "invalid_api_key",
      ],
    );
    assert.deepEqual(await told(await fetch(`${root}/v1/models`)), [401, "invalid_api_key"]);
    assert.deepEqual(await told(await chat({ model: "nobody" })), [404, "model_not_found"]);
    assert.deepEqual(await told(await chat({ messages: [] })), [400, "invalid"]);
    assert.deepEqual(await told(await chat({ messages: [{ role: "user", content: "" }] })), [
      400,
      "invalid",
    ]);
    assert.deepEqual(await told(await post("/v1/embeddings", {})), [404, "unknown_url"]);
    assert.deepEqual(await told(await chat({}, { headers: { "content-type": "text/plain" } })), [
      415,
      "unsupported_type",
    ]);
    // Somebody else's bot does not exist.
    const { token } = await app.sessions.begin("bob");
    assert.deepEqual(
      await told(await chat({}, { headers: { authorization: `Bearer ${token}` } })),
      [
        404,
        "model_not_found",
      ],
    );
    const error = await (await chat({ temperature: "hot" })).json();
    assert.equal(error.error.param, "temperature");
  });
});

Deno.test("what a model API knows of is passed on, and what the client told is the conversation", async () => {
  await withFace([{}], async ({ chat, fake }) => {
    const messages = [
      { role: "developer", content: "Rhyme." },
      {
        role: "user",
        content: [{ type: "text", text: "look" }, { type: "image_url", image_url: { url: PNG } }],
      },
      { role: "assistant", content: "I see ![image](data:image/png;base64,AAAA)" },
      { role: "user", content: "and now?" },
    ];
    await (await chat({ messages, temperature: 0.5, top_p: 0.9, max_tokens: 9, stop: ["END"] }))
      .body?.cancel();
    const { body } = fake.seen[0]!;
    assert.deepEqual(body.messages, [
      { role: "system", content: "Rhyme." },
      {
        role: "user",
        content: [{ type: "text", text: "look" }, { type: "image_url", image_url: { url: PNG } }],
      },
      { role: "assistant", content: "I see [image]" },
      { role: "user", content: "and now?" },
    ]);
    assert.deepEqual([body.temperature, body.top_p, body.max_tokens, body.stop], [0.5, 0.9, 9, [
      "END",
    ]]);
  });
});

Deno.test("stop words are seen across deltas, never shown, and stop the bot", async () => {
  await withFace([], async ({ app, chat }) => {
    const agent = new Agent("agent", (_task, sink) => {
      for (const word of ["one EN", "T two ", "E", "N", "D three"]) sink.write("text", word);
    });
    app.gateway.roster.join(agent);
    const all = await events(await chat({ model: "agent", stream: true, stop: "END" }));
    assert.equal(
      all.slice(1, -2).map((chunk) => chunk.choices[0].delta.content).join(""),
      "one ENT two ",
    );
    assert.equal(all.at(-2).choices[0].finish_reason, "stop");
    assert.equal(all.at(-1), "[DONE]");
    assert.equal(agent.stopped.length, 1);
    const whole = await (await chat({ model: "agent", stop: ["END"] })).json();
    assert.equal(whole.choices[0].message.content, "one ENT two ");
    assert.equal(agent.stopped.length, 2);
  });
});

Deno.test("max_tokens cuts a bot that knows no such thing", async () => {
  await withFace([], async ({ app, chat }) => {
    const agent = new Agent("agent", (_task, sink) => void sink.write("text", "abcd".repeat(100)));
    app.gateway.roster.join(agent);
    const whole = await (await chat({ model: "agent", max_completion_tokens: 10 })).json();
    assert.equal(whole.choices[0].message.content, "abcd".repeat(10));
    assert.equal(whole.choices[0].finish_reason, "length");
  });
});

Deno.test("a client that hangs up stops the bot, thinking or talking, streamed or whole", async () => {
  for (const stream of [true, false]) {
    for (const talks of [true, false]) {
      await withFace([], async ({ app, chat }) => {
        const asked = Promise.withResolvers<void>();
        const stopped = Promise.withResolvers<void>();
        const agent = new Agent("agent", (_task, sink) => {
          if (talks) sink.write("text", "one ");
          asked.resolve();
        });
        agent.onStop = stopped.resolve;
        app.gateway.roster.join(agent);
        const leaving = new AbortController();
        const asking = chat({ model: "agent", stream }, { signal: leaving.signal });
        asking.catch(() => {});
        await asked.promise;
        if (talks && stream) {
          const reader = (await asking).body!.getReader();
          await reader.read();
          await reader.cancel();
        }
        leaving.abort();
        await stopped.promise;
        assert.equal(agent.stopped.length, 1);
      });
    }
  }
});

Deno.test("a client with an Idempotency-Key that hangs up and asks again gets the whole answer", async () => {
  await withFace([], async ({ app, chat }) => {
    let sink!: Sink;
    const agent = new Agent("agent", (_task, given) => void (sink = given).write("text", "one "));
    app.gateway.roster.join(agent);
    const ask = () =>
      chat({ model: "agent", stream: true }, { headers: { "idempotency-key": "k1" } });
    const reader = (await ask()).body!.getReader();
    await reader.read();
    const [turn] = app.gateway.running();
    await reader.cancel();
    await until(() => turn!.reply.readers === 0, "the gateway to see that nobody reads");
    const again = events(await ask());
    sink.write("text", "two");
    sink.done();
    const said = (await again).map((event) => event.choices?.[0].delta.content ?? "").join("");
    assert.equal(said, "one two");
    assert.deepEqual(agent.stopped, []);
  });
});

Deno.test("a key is taken in the headers of other clients, and an address with a slash at its end", async () => {
  await withFace([{}], async ({ root, post }) => {
    const { token } = await (await post("/api/keys", { name: "k" })).json();
    const ask = async (path: string, headers: Record<string, string>) => {
      const response = await fetch(`${root}${path}`, { headers });
      await response.body?.cancel();
      return response.status;
    };
    for (const path of ["/v1/models", "/v1/models/", "/v1/models/gpt/", "/api/bots/"]) {
      assert.equal(await ask(path, { "x-api-key": token }), 200, path);
      assert.equal(await ask(path, { "api-key": token }), 200, path);
      assert.equal(await ask(path, { "api-key": "nxk_nonsense" }), 401, path);
      assert.equal(
        await ask(path, { "api-key": token, authorization: "Bearer nxk_nonsense" }),
        401,
        "Bearer counts first",
      );
    }
  });
});

Deno.test("what OpenAI has and Nexus has not is refused with the way to go instead", async () => {
  await withFace([{}], async ({ post }) => {
    for (
      const [path, words] of [["/v1/embeddings", /model API/], [
        "/v1/completions/",
        /chat\/completions/,
      ]] as const
    ) {
      const response = await post(path, {});
      const { error } = await response.json();
      assert.deepEqual([response.status, error.code, error.type], [
        404,
        "unknown_url",
        "invalid_request_error",
      ]);
      assert.match(error.message, words);
    }
  });
});

Deno.test("models are the bots and pools that one may use, and auto", async () => {
  await withFace([{}], async ({ root, token, app, post }) => {
    const list = async (bearer: string) => {
      const response = await fetch(`${root}/v1/models`, {
        headers: { authorization: `Bearer ${bearer}` },
      });
      return (await response.json()).data.map(({ id }: { id: string }) => id);
    };
    assert.deepEqual(await list(token), ["gpt", "models", "auto"]);
    assert.deepEqual(await list((await app.sessions.begin("bob")).token), []);
    const one = await fetch(`${root}/v1/models/gpt`, {
      headers: { authorization: `Bearer ${token}` },
    });
    assert.equal((await one.json()).id, "gpt");
    const answer = await (await post("/v1/chat/completions", {
      model: "auto",
      messages: [{ role: "user", content: "hi" }],
    })).json();
    assert.equal(answer.choices[0].message.content, ALL);
  }, { settings: { pool: "models" } });
});

Deno.test("a bot that remembers gets only what is new, in the conversation that it knows", async () => {
  await withFace([], async ({ app, chat }) => {
    const agent = new Agent(
      "agent",
      (task, sink) => says(`answer to ${task.message.text}`)(task, sink),
    );
    app.gateway.roster.join(agent);
    const messages: { role: string; content: string }[] = [{ role: "user", content: "one" }];
    for (const next of ["two", "three"]) {
      const { choices } = await (await chat({ model: "agent", messages })).json();
      messages.push({ role: "assistant", content: ` ${choices[0].message.content}\n` }, {
        role: "user",
        content: next,
      });
    }
    await (await chat({ model: "agent", stream: true, messages })).text();
    assert.deepEqual(agent.asked.map(({ message }) => message.text), ["one", "two", "three"]);
    assert.equal(new Set(agent.asked.map(({ conversationId }) => conversationId)).size, 1);

    await (await chat({ model: "agent" })).body?.cancel();
    assert.notEqual(
      agent.asked[3]!.conversationId,
      agent.asked[0]!.conversationId,
      "another talk is another conversation",
    );
  });
});

Deno.test("a talk that the bot has not heard is told to it as it went", async () => {
  await withFace([], async ({ app, chat }) => {
    const agent = new Agent("agent", says("ok"));
    app.gateway.roster.join(agent);
    await (await chat({
      model: "agent",
      messages: [
        { role: "system", content: "Be kind." },
        { role: "user", content: "I am Ada" },
        { role: "assistant", content: "Hello Ada" },
        { role: "user", content: "who am I?" },
      ],
    })).body?.cancel();
    const { text, contextPrefix } = agent.asked[0]!.message;
    assert.equal(text, "who am I?");
    assert.equal(
      `${contextPrefix}${text}`,
      "[System] Be kind.\n\n[User] I am Ada\n\n[Assistant] Hello Ada\n\n[User] who am I?",
    );
  });
});

Deno.test("a conversation may be named by the client, and names of two people do not meet", async () => {
  await withFace([], async ({ app, chat }) => {
    const agent = new Agent("other", says("ok"));
    app.gateway.roster.join(agent);
    const bob = (await app.sessions.begin("bob")).token;
    const ask = async (token?: string) => {
      const init = token ? { headers: { authorization: `Bearer ${token}` } } : {};
      await (await chat({ model: "other", metadata: { conversation_id: "trip" } }, init)).body
        ?.cancel();
    };
    await ask();
    await ask();
    await ask(bob);
    const ids = agent.asked.map(({ conversationId }) => conversationId);
    assert.equal(ids[0], ids[1]);
    assert.notEqual(ids[0], ids[2]);
  });
});

Deno.test("a picture goes out as Markdown, and reasoning beside the answer", async () => {
  await withFace([], async ({ app, chat }) => {
    app.gateway.roster.join(
      new Agent("agent", (_task, sink) => {
        sink.write("reasoning", "thinking");
        sink.write("text", "Here:");
        sink.write("image", PNG);
        sink.done();
      }),
    );
    const { message } = (await (await chat({ model: "agent" })).json()).choices[0];
    assert.equal(message.content, `Here:\n\n![image](${PNG})\n\n`);
    assert.equal(message.reasoning_content, "thinking");
    const all = await events(await chat({ model: "agent", stream: true }));
    assert.equal(all[1].choices[0].delta.reasoning_content, "thinking");
  });
});

Deno.test("a file goes out as a link with its name, and comes back in the history as its name", async () => {
  const pdf = "data:application/pdf;name=Q3%20%5Bdraft%5D.pdf;base64,JVBERi0xLjQ=";
  await withFace([], async ({ app, chat }) => {
    const heard: string[] = [];
    app.gateway.roster.join(
      new Agent("agent", (task, sink) => {
        heard.push((task.message.transcript ?? []).map(({ text }) => text).join("|"));
        sink.write("text", "Here:");
        sink.write("image", pdf);
        sink.done();
      }),
    );
    const { message } = (await (await chat({ model: "agent" })).json()).choices[0];
    assert.equal(message.content, `Here:\n\n[Q3 \\[draft\\].pdf](${pdf})\n\n`);
    const messages = [{ role: "user", content: "hi" }, message, { role: "user", content: "again" }];
    await (await chat({ model: "agent", messages })).body?.cancel();
    assert.match(heard.at(-1)!, /Q3 \\\[draft\\\]\.pdf/);
    assert.doesNotMatch(heard.at(-1)!, /JVBER/);
  });
});

Deno.test("an answer that another bot begins again cannot be taken back, so the stream ends with an error", async () => {
  await withFace([{ end: "cut", deltas: ["one "] }, { reset: true }], async ({ app, chat }) => {
    app.gateway.roster.join(
      new Agent("second", says("all of it"), { pool: "models", weight: 0.001 }),
    );
    const all = await events(await chat({ model: "models", stream: true }));
    assert.equal(all.at(-1).error.code, "bot_gone");
    const whole = await (await chat({ model: "models" })).json();
    assert.equal(
      whole.choices[0].message.content,
      "all of it",
      "whoever waits for the whole sees nothing of it",
    );
  }, { settings: { pool: "models", weight: 1000, restart: "safe" } });
});

Deno.test("the gateway that goes away ends a stream with an error", async () => {
  await withFace([{ end: "stall" }], async ({ app, chat }) => {
    const response = await chat({ stream: true });
    const told = events(response);
    await app.drain();
    assert.equal((await told).at(-1).error.code, "shutting_down");
  }, { config: { drainTimeout: 10 }, settings: { stallTimeout: 60_000 } });
});

Deno.test("a listed origin's page may call with the official client's own headers", async () => {
  await withFace([{}], async ({ root }) => {
    const response = await fetch(`${root}/v1/chat/completions`, {
      method: "OPTIONS",
      headers: {
        origin: "https://chat.example.com",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,x-stainless-lang",
      },
    });
    assert.equal(response.headers.get("access-control-allow-origin"), "https://chat.example.com");
    assert.equal(
      response.headers.get("access-control-allow-headers"),
      "authorization,x-stainless-lang",
    );
  }, { config: { allowedOrigins: ["https://chat.example.com"] } });
});

Deno.test("an image by address is fetched, unless its address is private", async () => {
  const image = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/away") {
      return new Response(null, { status: 302, headers: { location: "/image" } });
    }
    if (pathname === "/page") {
      return new Response("<html>", { headers: { "content-type": "text/html" } });
    }
    return new Response(new Uint8Array([137, 80, 78, 71]), {
      headers: { "content-type": "image/png" },
    });
  });
  const content = (path: string) => [
    { type: "text", text: "look" },
    { type: "image_url", image_url: { url: `http://127.0.0.1:${image.addr.port}${path}` } },
  ];
  try {
    await withFace([{}], async ({ chat, fake }) => {
      await (await chat({ messages: [{ role: "user", content: content("/away") }] })).body
        ?.cancel();
      assert.equal(
        fake.seen[0]!.body.messages[0].content[1].image_url.url,
        "data:image/png;base64,iVBORw==",
      );
      const page = await chat({ messages: [{ role: "user", content: content("/page") }] });
      assert.match((await page.json()).error.message, /is no image/);
    }, { config: { allowPrivateImages: true } });
    await withFace([{}], async ({ chat, fake }) => {
      const response = await chat({ messages: [{ role: "user", content: content("/image") }] });
      assert.equal(response.status, 400);
      assert.match((await response.json()).error.message, /private address/);
      const url = `http://localhost:${image.addr.port}/image`;
      const named = await chat({
        messages: [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }],
      });
      assert.match((await named.json()).error.message, /private address|could not be fetched/);
      assert.equal(fake.seen.length, 0);
    });
  } finally {
    await image.shutdown();
  }
});

Deno.test("a key that changes in the configuration counts at once, and a bot that is gone from it leaves", async () => {
  await withFace([{}], async ({ app, chat, fake }) => {
    await (await chat()).body?.cancel();
    const { gpt } = app.config.bots;
    await app.reconfigure({ ...app.config, bots: { gpt: { ...gpt!, apiKey: "second" } } });
    await (await chat()).body?.cancel();
    assert.deepEqual(fake.seen.map(({ headers }) => headers.get("authorization")), [
      "Bearer first",
      "Bearer second",
    ]);
    await app.reconfigure({ ...app.config, bots: {} });
    const response = await chat();
    assert.equal(response.status, 404);
    await response.body?.cancel();
  }, { settings: { apiKey: "first" } });
});

Deno.test("a personal key opens the face, and one for some bots opens only those", async () => {
  await withFace([{}], async ({ app, root, chat, post }) => {
    app.gateway.roster.join(new Agent("agent", says("hi")));
    const made = async (fields: Record<string, unknown>) =>
      (await (await post("/api/keys", { name: "k", ...fields })).json()).token as string;
    const models = async (token: string) => {
      const response = await fetch(`${root}/v1/models`, {
        headers: { authorization: `Bearer ${token}` },
      });
      return (await response.json()).data.map(({ id }: { id: string }) => id);
    };
    assert.deepEqual(await models(await made({})), ["gpt", "agent", "auto"]);
    const narrow = await made({ bots: ["agent", "somebody-elses"] });
    assert.deepEqual(await models(narrow), ["agent", "auto"]);
    const asks = async (model: string) => {
      const response = await chat({ model }, { headers: { authorization: `Bearer ${narrow}` } });
      await response.body?.cancel();
      return response.status;
    };
    assert.deepEqual([await asks("agent"), await asks("gpt")], [200, 404]);
    const reader = await made({ scopes: ["read"] });
    const refused = await chat({}, { headers: { authorization: `Bearer ${reader}` } });
    assert.equal(refused.status, 403);
    assert.equal((await refused.json()).error.type, "permission_error");
  });
});

Deno.test("admins are told why a bot does badly", async () => {
  await withFace(
    [{ status: 500, body: '{"error":{"message":"boom"}}' }],
    async ({ app, chat, root }) => {
      await (await chat()).body?.cancel();
      const { token } = await app.sessions.begin("admin");
      const state = await fetch(`${root}/api/admin/state`, {
        headers: { authorization: `Bearer ${token}` },
      });
      assert.deepEqual((await state.json()).troubles, [
        "bot gpt: the model API answered 500: boom",
      ]);
    },
    { config: { users: { admin: { password: "x" }, ada: { password: "x" } } } },
  );
});

Deno.test("what a client told of its conversation counts in the memory of ended turns", async () => {
  await withFace([{}], async ({ app, chat }) => {
    const long = "x".repeat(100_000);
    const messages = [{ role: "user", content: long }, { role: "assistant", content: "ok" }, {
      role: "user",
      content: "and?",
    }];
    await (await chat({ messages })).body?.cancel();
    assert.ok(
      app.gateway.recentTurns.usage.bytes > 200_000,
      `${app.gateway.recentTurns.usage.bytes} bytes`,
    );
  });
});

Deno.test("a client that takes any language, as Node's fetch does, reads errors in English", async () => {
  await withFace([], async ({ chat }) => {
    const words = async (language: string) => {
      const response = await chat({ messages: [] }, { headers: { "accept-language": language } });
      return (await response.json()).error.message;
    };
    assert.match(await words("*"), /^The request is not valid/);
    assert.match(await words("zh-CN, *;q=0.5"), /^请求有误/);
  });
});
