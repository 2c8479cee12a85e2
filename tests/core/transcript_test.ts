import assert from "node:assert/strict";
import type { TurnRecord } from "../../src/core/turn_record.ts";
import { transcriptOf } from "../../src/core/transcript.ts";
import type { Message } from "../../src/core/message.ts";

function turn(id: string, parentTurnId?: string, fields: Partial<TurnRecord> = {}): TurnRecord {
  return {
    id,
    conversationId: "c",
    personId: "ada",
    parentTurnId,
    channel: "web",
    at: 0,
    order: id,
    text: `ask ${id}`,
    images: [],
    status: "done",
    chunks: [{ at: 0, kind: "text", content: `answer ${id}` }],
    ...fields,
  };
}

function message(parentTurnId?: string): Message {
  return {
    person: { id: "ada", name: "Ada", role: "member" },
    text: "now",
    images: [],
    channel: "web",
    parentTurnId,
  };
}

const asks = (turns: TurnRecord[], parent?: string) =>
  transcriptOf(turns, "now", message(parent)).filter(({ role }) => role === "user").map((
    { text },
  ) => text);

Deno.test("history is every turn before this one, question and answer", () => {
  assert.deepEqual(
    transcriptOf(
      [turn("1"), turn("2"), turn("now", undefined, { status: "running" })],
      "now",
      message(),
    ),
    [
      { role: "user", text: "ask 1", images: [] },
      { role: "assistant", text: "answer 1", images: [] },
      { role: "user", text: "ask 2", images: [] },
      { role: "assistant", text: "answer 2", images: [] },
    ],
  );
});

Deno.test("what was edited away is not told", () => {
  const turns = [turn("1"), turn("2"), turn("3", "1"), turn("4", "3"), turn("now", "4")];
  assert.deepEqual(asks(turns, "4"), ["ask 1", "ask 3", "ask 4"]);
  assert.deepEqual(asks(turns, "2"), ["ask 1", "ask 2"]);
});

Deno.test("a turn without an answer, and one that still runs, are left out; half an answer is not", () => {
  const turns = [
    turn("1", undefined, { status: "failed", chunks: [] }),
    turn("2", undefined, { status: "running" }),
    turn("3", undefined, { status: "incomplete" }),
  ];
  assert.deepEqual(asks(turns), ["ask 3"]);
});

Deno.test("a circle of parents ends", () => {
  assert.deepEqual(asks([turn("1", "2"), turn("2", "1")], "2"), ["ask 1", "ask 2"]);
});

Deno.test("a parent that is not there leads nowhere", () => {
  assert.deepEqual(asks([turn("1")], "gone"), []);
});
