import assert from "node:assert/strict";
import OpenAI from "openai";
import { WORDS } from "../../bots/upstream/fake_upstream.ts";
import { Agent, type Face, says, withFace } from "./bench.ts";

const ALL = WORDS.join("");
const PNG = "data:image/png;base64,iVBORw0KGgo=";

function client({ url, token }: Face, apiKey = token): OpenAI {
  return new OpenAI({ baseURL: url, apiKey, maxRetries: 0 });
}

Deno.test("a response can be read again, with what it answers, and deleted", async () => {
  await withFace([{ reasoning: ["hm"] }], async (face) => {
    const { responses } = client(face);
    const content = [
      { type: "input_text" as const, text: "look" },
      { type: "input_image" as const, image_url: PNG, detail: "auto" as const },
    ];
    const made = await responses.create({
      model: "gpt",
      input: [{ role: "user", content }],
      stream: false,
    });
    const read = await responses.retrieve(made.id);
    assert.equal(read.output_text, ALL);
    assert.deepEqual([read.id, read.status, read.model, read.metadata], [
      made.id,
      "completed",
      "gpt",
      made.metadata,
    ]);
    assert.deepEqual(read.output, made.output);
    assert.deepEqual(read.usage, made.usage);
    // Long after, from the store, all but the model's own counts is there.
    face.app.gateway.set({ keepEndedBytes: 0 });
    await responses.create({ model: "gpt", input: "another" });
    const late = await responses.retrieve(made.id);
    assert.deepEqual([late.output, late.status], [made.output, "completed"]);
    const items = [];
    for await (const item of responses.inputItems.list(made.id)) items.push(item);
    assert.deepEqual(items.map((item) => "content" in item && item.content), [content]);

    await responses.delete(made.id);
    await assert.rejects(responses.retrieve(made.id), OpenAI.NotFoundError);
  });
});

Deno.test("a response among others is not deleted alone", async () => {
  await withFace([{}], async (face) => {
    const { responses } = client(face);
    const first = await responses.create({ model: "gpt", input: "one" });
    const second = await responses.create({
      model: "gpt",
      input: "two",
      previous_response_id: first.id,
    });
    assert.equal((await responses.retrieve(second.id)).previous_response_id, first.id);
    await assert.rejects(responses.delete(first.id), OpenAI.ConflictError);
    assert.equal((await responses.retrieve(first.id)).status, "completed");
  });
});

Deno.test(
  "a response that is being made can be read and cancelled, and reads as cancelled from then on",
  async () => {
    await withFace([], async (face) => {
      const agent = new Agent("agent", (_task, sink) => void sink.write("text", "one "));
      face.app.gateway.roster.join(agent);
      const { responses } = client(face);
      const stream = await responses.create({ model: "agent", input: "go", stream: true });
      const events = stream[Symbol.asyncIterator]();
      const created = (await events.next()).value;
      assert.equal(created?.type, "response.created");
      const { id } = (created as OpenAI.Responses.ResponseCreatedEvent).response;
      const running = await responses.retrieve(id);
      assert.deepEqual([running.status, running.output_text], ["in_progress", "one "]);
      const stopped = await responses.cancel(id);
      assert.equal(stopped.status, "cancelled");
      assert.ok(agent.stopped.includes(id.slice("resp_".length)));
      assert.equal((await responses.retrieve(id)).status, "cancelled");
      await assert.rejects(
        async () => {
          while (!(await events.next()).done);
        },
        { message: "Stopped" },
        "whoever still reads it",
      );
    });
  },
);

Deno.test("a response that failed reads as failed, with its error", async () => {
  await withFace([{ end: "cut", deltas: ["one "] }], async (face) => {
    const { responses } = client(face);
    let id = "";
    await assert.rejects(async () => {
      for await (
        const event of await responses.create({ model: "gpt", input: "go", stream: true })
      ) {
        if (event.type === "response.created") id = event.response.id;
      }
    });
    const read = await responses.retrieve(id);
    assert.deepEqual([read.status, read.error?.code, read.output_text], [
      "failed",
      "bot_gone",
      "one ",
    ]);
  });
});

Deno.test("nobody reads, stops or deletes another's response, nor does a key of another bot", async () => {
  await withFace([{}], async (face) => {
    face.app.gateway.roster.join(new Agent("other", says("ok")));
    const made = await client(face).responses.create({ model: "gpt", input: "hi" });
    const bob = (await face.app.sessions.begin("bob")).token;
    const { token } = await (await face.post("/api/keys", { name: "k", bots: ["other"] })).json();
    for (const other of [bob, token]) {
      const { responses } = client(face, other);
      for (const act of ["retrieve", "cancel", "delete"] as const) {
        await assert.rejects(responses[act](made.id), OpenAI.NotFoundError);
      }
      await assert.rejects(responses.inputItems.list(made.id).then(), OpenAI.NotFoundError);
    }
    assert.equal((await client(face).responses.retrieve(made.id)).status, "completed");
  });
});
