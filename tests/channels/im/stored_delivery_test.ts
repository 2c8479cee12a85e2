import assert from "node:assert/strict";
import { readDelivery } from "../../../src/channels/im/stored_delivery.ts";

const incoming = { id: "m1", chat: { id: "c1", type: "direct" }, text: "hello" };
const base = {
  incoming,
  at: 5,
  tries: 1,
  language: "en",
  opened: 2,
  shown: "a",
  prefix: "",
  calls: 3,
};

Deno.test("a delivery that an older version stored is read in each of its phases", () => {
  const phases: [object, object][] = [
    [{}, { phase: "idle" }],
    [{ opening: true, half: { card: "c" } }, { phase: "opening", checkpoint: { card: "c" } }],
    [{ opening: false, place: { json: { message: "m" }, at: 7 } }, {
      phase: "live",
      message: { message: "m" },
      since: 7,
    }],
    [{ piece: { text: "t", id: "p1", shown: "ab", prefix: "" } }, {
      phase: "piece",
      text: "t",
      id: "p1",
      shown: "ab",
      prefix: "",
    }],
    [
      {
        place: { json: {}, at: 7 },
        final: {
          parts: [{ text: "t", way: "stream", place: { message: "m" }, id: "f0" }],
          sent: 0,
          images: ["i"],
          imagesSent: 0,
        },
      },
      {
        phase: "final",
        parts: [{ text: "t", method: "stream", message: { message: "m" }, id: "f0" }],
        sent: 0,
        images: ["i"],
        imagesSent: 0,
        checkpoint: undefined,
      },
    ],
  ];
  for (const [old, progress] of phases) {
    const delivery = readDelivery({ ...base, ...old, way: "stream" });
    assert.deepEqual(delivery.progress, progress);
    assert.equal(delivery.method, "stream");
    assert.deepEqual(readDelivery(delivery), delivery);
  }
});

Deno.test("a delivery that an older version stored keeps its purpose, its turn and its button", () => {
  const push = { text: "t", images: [] };
  assert.deepEqual(readDelivery({ ...base, push }).purpose, { kind: "push", ...push });
  assert.deepEqual(readDelivery({ ...base, notice: true }).purpose, { kind: "notice" });
  const waiting = { way: "message", json: { code: "x" } };
  const answer = readDelivery({ ...base, turnId: "t1", personId: "p1", waiting, notes: ["n"] });
  assert.deepEqual(answer.purpose, { kind: "answer" });
  assert.deepEqual(answer.turn, { id: "t1", personId: "p1" });
  assert.deepEqual(answer.working, { method: "message", message: { code: "x" } });
  assert.deepEqual(answer.notes, ["n"]);
});
