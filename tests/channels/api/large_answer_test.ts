/**
 * Answers with megabytes in them: each write is bounded, so that a reader that is stuck costs a
 * place in the answer and no copy of it.
 */
import assert from "node:assert/strict";
import { type AnswerFormat, answerStream } from "../../../src/channels/openai/answer_stream.ts";
import { OutputLimit } from "../../../src/channels/openai/output_limit.ts";
import { chatFormat } from "../../../src/channels/openai/chat_completions.ts";
import { responsesFormat } from "../../../src/channels/openai/responses.ts";
import { uiFormat } from "../../../src/channels/openai/ui_message_stream.ts";
import { type StreamReader, StreamRegistry } from "../../../src/channels/http/stream_registry.ts";
import { turnStream } from "../../../src/channels/http/event_stream.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import { Reply } from "../../../src/core/reply.ts";
import { Turn } from "../../../src/core/turn.ts";

const READER: StreamReader = {
  person: "alice",
  refusal: "session_expired",
  isStillValid: () => Promise.resolve(true),
};
const describe = () => ({ message: "gone", type: "server_error", param: null, code: "limited" });

/**
 * Bytes of one write at most: what is collected, in Chinese, and one piece with every character
 * escaped.
 */
const MOST = 3 * 256 * 1024 + 6 * 64 * 1024;

const PICTURE = `data:image/png;base64,${"A".repeat(3 << 20)}`;
const TEXT = `a${"汉😀\n".repeat(100_000)}`;
const THOUGHT = "hm ".repeat(100_000);

function turnWith(...chunks: ["text" | "reasoning" | "image" | "tool", string][]): Turn {
  const person = { id: "alice", name: "Alice", role: "member" } as const;
  const turn = new Turn(
    "t",
    { kind: "named", id: "c" },
    { person, text: "go", images: [], channel: "web" },
    new Reply(),
    1000,
  );
  turn.bot = { id: "b", name: "B" };
  for (const [kind, content] of chunks) turn.reply.append(kind, content);
  return turn;
}

const asked = {
  model: "m",
  messages: [],
  options: {},
  ignored: [],
  stream: true,
  includeUsage: true,
};
const formats: Record<string, (turn: Turn) => AnswerFormat> = {
  "chat completions": (turn) => chatFormat(turn, "m", true, describe),
  responses: (turn) => responsesFormat(turn, asked, describe),
  "a useChat page": (turn) => uiFormat(turn, describe),
};

function answer(
  turn: Turn,
  format: AnswerFormat,
  streams: StreamRegistry,
  more: { stop?: string[]; stopped?: () => void } = {},
) {
  return answerStream(turn, {
    format,
    streams,
    reader: READER,
    messages: [],
    cut: () => new OutputLimit({ stop: more.stop }),
    stop: more.stopped ?? (() => {}),
  });
}

/** Reads to the end, a write at a time; asserts how large they are. */
async function readAll(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let all = "";
  for await (const bytes of stream) {
    assert.ok(bytes.length <= MOST, `a write of ${bytes.length} bytes`);
    all += decoder.decode(bytes, { stream: true });
  }
  return all;
}

// deno-lint-ignore no-explicit-any -- events of four kinds of streams
function eventsOf(text: string): any[] {
  return text.split("\n\n").filter((event) => event.includes("data: ") && !event.includes("[DONE]"))
    .map((event) => JSON.parse(event.slice(event.indexOf("data: ") + 6)));
}

function openRegistry() {
  return new StreamRegistry(new ManualClock());
}

Deno.test("a turn with large texts, steps and pictures comes in bounded writes, and nothing of it is missing", async () => {
  const step = JSON.stringify({ name: "find", output: "x".repeat(200_000) });
  const turn = turnWith(
    ["reasoning", THOUGHT],
    ["tool", step],
    ["text", TEXT],
    ["image", PICTURE],
    ["text", "end"],
  );
  turn.reply.end({ status: "done" });
  const streams = openRegistry();
  const all = await readAll(turnStream(turn, { after: 0, language: "en", streams }));
  streams.close();
  const events = eventsOf(all);
  const joined = (type: string, field: string) =>
    events.filter((event) => event.type === type).map((event) => event[field]).join("");
  assert.equal(joined("chunk", "content"), `${TEXT}end`);
  assert.equal(joined("reasoning", "content"), THOUGHT);
  assert.deepEqual(joined("tool", "content"), step);
  assert.deepEqual(joined("image", "image"), PICTURE);
  assert.equal(events.at(-1).status, "done");
  const texts = events.filter(({ type }) => type === "chunk");
  for (const { content } of texts) assert.ok(content.isWellFormed());
});

Deno.test("a reader that comes back in the middle of a large text gets the rest of it, by the id of what it had", async () => {
  const turn = turnWith(["text", TEXT], ["image", PICTURE], ["text", "end"]);
  turn.reply.end({ status: "done" });
  const streams = openRegistry();
  const first = await readAll(turnStream(turn, { after: 0, language: "en", streams }));
  const ids = [...first.matchAll(/^id: t:(\d+)$/gm)].map(([, id]) => Number(id));
  assert.ok(ids.length > 5);
  for (const after of [...new Set(ids)].slice(0, -1)) {
    const rest = eventsOf(await readAll(turnStream(turn, { after, language: "en", streams })));
    const text = rest.filter(({ type }) => type === "chunk").map(({ content }) => content).join("");
    assert.equal(
      text,
      after <= TEXT.length ? `${TEXT.slice(after)}end` : "end".slice(after - TEXT.length - 1),
    );
    assert.equal(rest.some(({ type }) => type === "image"), after <= TEXT.length);
  }
  streams.close();
});

for (const [name, formatOf] of Object.entries(formats)) {
  Deno.test(`an answer for ${name} with large texts and pictures comes in bounded writes, whole`, async () => {
    const turn = turnWith(["reasoning", THOUGHT], ["text", TEXT], ["image", PICTURE], [
      "text",
      "end",
    ]);
    turn.reply.end({ status: "done" });
    const streams = openRegistry();
    const all = await readAll(answer(turn, formatOf(turn), streams));
    streams.close();
    const events = eventsOf(all);
    const text = events.map((event) =>
      event.choices?.[0]?.delta.content ??
        (event.type === "response.output_text.delta" || event.type === "text-delta"
          ? event.delta
          : "")
    ).join("");
    const picture = `\n\n![image](${PICTURE})\n\n`;
    assert.equal(text, name === "a useChat page" ? `${TEXT}end` : `${TEXT}${picture}end`);
    if (name === "a useChat page") {
      assert.equal(events.find(({ type }) => type === "file").url, PICTURE);
    } else if (name === "responses") {
      const last = events.at(-1);
      assert.equal(last.type, "response.completed");
      assert.equal(last.response.output[1].content[0].text, `${TEXT}${picture}end`);
      assert.equal(last.response.output[0].content[0].text, THOUGHT);
      assert.deepEqual(
        events.map((event) => event.sequence_number),
        events.map((_event, at) => at),
      );
      assert.deepEqual(
        events.find(({ type }) => type === "response.output_text.done").text,
        `${TEXT}${picture}end`,
      );
    } else assert.match(all, /data: \[DONE\]\n\n$/);
  });

  Deno.test(`a stop word in a large text ends an answer for ${name} and stops the bot once`, async () => {
    const turn = turnWith(["text", `${TEXT}END${TEXT}`]);
    let stopped = 0;
    const streams = openRegistry();
    const stream = answer(turn, formatOf(turn), streams, {
      stop: ["END"],
      stopped: () => {
        stopped++;
        turn.reply.end({ status: "cancelled" });
      },
    });
    const all = await readAll(stream);
    streams.close();
    assert.equal(stopped, 1);
    assert.ok(!all.includes("END"));
    assert.match(all, /"(?:stop|response\.completed)"|"finishReason":"stop"/);
  });
}

Deno.test("a reader that may no longer read in the middle of a picture is given nothing more, and nothing that cannot be read", async () => {
  for (const stream of ["turn", ...Object.keys(formats)]) {
    const turn = turnWith(["text", "a"], ["image", PICTURE]);
    const clock = new ManualClock();
    const streams = new StreamRegistry(clock);
    const barred: StreamReader = { ...READER, isStillValid: () => Promise.resolve(false) };
    const body = stream === "turn"
      ? turnStream(turn, { after: 0, language: "en", streams, reader: barred })
      : answerStream(turn, {
        format: formats[stream]!(turn),
        streams,
        reader: barred,
        messages: [],
        cut: () => new OutputLimit({}),
        stop() {},
      });
    const reader = body.getReader();
    let text = new TextDecoder().decode((await reader.read()).value);
    streams.recheck("alice");
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      text += new TextDecoder().decode(part.value);
    }
    const whole = text.slice(0, text.lastIndexOf("\n\n") + 2);
    assert.doesNotThrow(() => eventsOf(whole), stream);
    assert.ok(!/session_expired|"error"/.test(text.slice(whole.length)), stream);
    streams.close();
  }
});
