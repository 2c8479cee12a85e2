import assert from "node:assert/strict";
import { put, turnStream } from "../../src/channels/sse.ts";
import { Pulse } from "../../src/channels/pulse.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { Reply } from "../../src/core/reply.ts";
import { Turn } from "../../src/core/turn.ts";

Deno.test("a reader that is gone makes no writer fall: not with a chunk, not with the last one, not with the end alone", async () => {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const stream = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
  await stream.cancel();
  put(controller, new Uint8Array([1]));
  put(controller, new Uint8Array([1]), true);
  put(controller, undefined, true);
});

Deno.test("a reader that hangs up keeps the reply from nobody else, and leaves nothing open", async () => {
  const pulse = new Pulse(new ManualClock());
  const person = { id: "alice", name: "Alice", role: "member" } as const;
  const turn = new Turn("t", "c", { person, text: "x", images: [], channel: "web" }, new Reply(), 0);
  turn.bot = { id: "b", name: "B" };
  const stream = turnStream(turn, { after: 0, language: "en", pulse });
  const heard: string[] = [];
  turn.reply.watch(() => heard.push(turn.reply.text));
  await stream.cancel();
  turn.reply.append("text", "half");
  turn.reply.end({ status: "incomplete", code: "bot_gone" });
  assert.deepEqual(heard, ["half", "half"]);
  assert.deepEqual([pulse.size, turn.reply.readers], [0, 1]);
  pulse.close();
});
