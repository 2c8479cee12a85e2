import assert from "node:assert/strict";
import { answerStream } from "../../../src/channels/openai/answer_stream.ts";
import { OutputLimit } from "../../../src/channels/openai/output_limit.ts";
import { chatFormat } from "../../../src/channels/openai/chat_completions.ts";
import { type StreamReader, StreamRegistry } from "../../../src/channels/http/stream_registry.ts";
import { enqueue, newsStream, turnStream } from "../../../src/channels/http/event_stream.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import { Reply } from "../../../src/core/reply.ts";
import { Turn } from "../../../src/core/turn.ts";

const READER: StreamReader = {
  person: "alice",
  refusal: "session_expired",
  isStillValid: () => Promise.resolve(true),
};

function begun(clock: ManualClock): Turn {
  const person = { id: "alice", name: "Alice", role: "member" } as const;
  const turn = new Turn(
    "t",
    { kind: "named", id: "c" },
    { person, text: "go", images: [], channel: "web" },
    new Reply(),
    clock.now(),
  );
  turn.bot = { id: "b", name: "B" };
  return turn;
}

/**
 * Every kind of stream of a turn or of news, and what its reader is given who reads on after it was
 * let go.
 */
const kinds: {
  name: string;
  stream: (turn: Turn, streams: StreamRegistry, gone: () => void) => ReadableStream;
  late: RegExp;
}[] = [
  {
    name: "a turn",
    stream: (turn, streams) => turnStream(turn, { after: 0, language: "en", streams }),
    late: /"start"(?!.*"end")/s,
  },
  {
    name: "an answer of the OpenAI face",
    stream: (turn, streams, gone) =>
      answerStream(turn, {
        format: chatFormat(
          turn,
          "m",
          false,
          () => ({ message: "", type: "server_error", param: null, code: "limited" }),
        ),
        streams,
        reader: READER,
        messages: [],
        cut: () => new OutputLimit({}),
        stop: () => {},
        onHangUp: gone,
      }),
    late: /"error"(?!.*DONE)/s,
  },
  {
    name: "news",
    stream: (turn, streams) =>
      newsStream(
        streams,
        READER,
        (send) => turn.reply.watch(() => send({ type: "chunk", text: turn.reply.text })),
      ),
    late: /"never taken"/,
  },
];

for (const { name, stream, late } of kinds) {
  Deno.test(`a reader of ${name} who takes nothing for ten minutes is let go, and holds the words no longer`, async () => {
    const clock = new ManualClock();
    const streams = new StreamRegistry(clock);
    const turn = begun(clock);
    let gone = 0;
    const stalled = stream(turn, streams, () => gone++);
    await Promise.resolve();
    turn.reply.append("text", "never taken");
    clock.pass(9 * 60_000);
    assert.equal(turn.reply.readers, 1);
    clock.pass(2 * 60_000);
    assert.equal(streams.size + turn.reply.readers, 0);
    assert.equal(
      gone,
      name.includes("OpenAI") ? 1 : 0,
      "there, a reader that is gone stops the bot",
    );
    assert.match(
      await new Response(stalled).text(),
      late,
      "who reads on after all is not told that this was all",
    );
    streams.close();
    assert.equal(clock.waiting, 0);
  });
}

Deno.test("a reader who waits in silence is kept, with a comment every quarter of a minute", async () => {
  const clock = new ManualClock();
  const streams = new StreamRegistry(clock);
  const turn = begun(clock);
  const reader = turnStream(turn, { after: 0, language: "en", streams }).getReader();
  await reader.read();
  for (let round = 0; round < 60; round++) {
    const next = reader.read();
    clock.pass(15_000);
    assert.equal(new TextDecoder().decode((await next).value), ": \n\n");
  }
  assert.equal(turn.reply.readers, 1);
  await reader.cancel();
  streams.close();
});

Deno.test("a reader that is gone makes no writer fall: not with a chunk, not with the last one, not with the end alone", async () => {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const stream = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
  await stream.cancel();
  assert.throws(() => controller.enqueue(new Uint8Array([1])), "what a writer would meet");
  assert.doesNotThrow(() => enqueue(controller, new Uint8Array([1])));
  assert.doesNotThrow(() => enqueue(controller, new Uint8Array([1]), true));
  assert.doesNotThrow(() => enqueue(controller, undefined, true));
});

Deno.test("a reader that hangs up keeps the reply from nobody else, and leaves nothing open", async () => {
  const clock = new ManualClock();
  const streams = new StreamRegistry(clock);
  const turn = begun(clock);
  const stream = turnStream(turn, { after: 0, language: "en", streams });
  const heard: string[] = [];
  turn.reply.watch(() => heard.push(turn.reply.text));
  await stream.cancel();
  turn.reply.append("text", "half");
  turn.reply.end({ status: "incomplete", code: "bot_gone" });
  assert.deepEqual(heard, ["half", "half"]);
  assert.deepEqual([streams.size, turn.reply.readers], [0, 1]);
  streams.close();
});

for (const face of ["a turn", "an answer of the OpenAI face"]) {
  Deno.test(`a key's stream of ${face} ends where the turn moves to a bot that the key is closed to`, async () => {
    const clock = new ManualClock();
    const streams = new StreamRegistry(clock);
    const turn = begun(clock);
    const reader: StreamReader = { ...READER, reach: { key: "k", bots: ["b"], own: false } };
    const describe = (error: unknown) => ({ message: `${error}`, type: "", param: null, code: "" });
    const stream = face === "a turn"
      ? turnStream(turn, { after: 0, language: "en", streams, reader })
      : answerStream(turn, {
        format: chatFormat(turn, "m", false, describe),
        streams,
        reader,
        messages: [],
        cut: () => new OutputLimit({}),
        stop: () => {},
      });
    const reading = new Response(stream).text();
    turn.reply.append("text", "of b");
    turn.earlier = [turn.bot!];
    turn.bot = { id: "c", name: "C" };
    turn.reply.append("replace", "c");
    turn.reply.append("text", "of c");
    const text = await reading;
    assert.doesNotMatch(text, /of c|"C"/);
    assert.match(text, /not_found|Not found/i);
    assert.equal(streams.size, 0);
    streams.close();
  });
}
