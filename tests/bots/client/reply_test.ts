import assert from "node:assert/strict";
import fc from "fast-check";
import { OutgoingReply, type ReplyTransport } from "../../../src/bots/client/reply.ts";

/**
 * A line that loses what it is told to lose, with a gateway behind it that keeps to the rules of
 * `docs/protocol.md`: it takes the next number, drops repeats, answers gaps, and gives receipts
 * when it is told to.
 */
class TestTransport implements ReplyTransport {
  maxFrame = 4000;
  up = true;
  finishedTimes = 0;
  /** On their way to the gateway. */
  #travelling: string[] = [];
  /** What the gateway has. */
  last = 0;
  text = "";
  done = false;
  /** `expected` of the gap errors on their way back. */
  gaps: number[] = [];
  longest = 0;

  wake(): void {}

  send(text: string): boolean {
    if (!this.up) return false;
    this.longest = Math.max(this.longest, text.length);
    this.#travelling.push(text);
    return true;
  }

  finished(): void {
    this.finishedTimes++;
  }

  deliver(count: number): void {
    for (const text of this.#travelling.splice(0, count)) {
      const { seq, content, done } = JSON.parse(text);
      if (seq > this.last + 1) this.gaps.push(this.last + 1);
      if (seq !== this.last + 1) continue;
      assert.ok(!this.done, "something came behind the end");
      this.last = seq;
      this.text += [content].flat().join("");
      this.done = done;
    }
  }

  /**
   * One frame vanishes though the line stays: only a faulty network in between does that, and the
   * gap rule is for it.
   */
  lose(): void {
    this.#travelling.shift();
  }

  drop(): void {
    this.up = false;
    this.#travelling = [];
    this.gaps = [];
  }
}

const chat = { type: "chat", id: 'a "turn"', content: "", from: "", timestamp: 0 } as const;

type Step =
  | { readonly do: "write"; readonly text: string }
  | { readonly do: "flush" | "drop" | "back" | "ack" | "lose" | "gap" }
  | { readonly do: "deliver"; readonly count: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("write" as const),
      text: fc.string({ minLength: 1, maxLength: 300 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("flush", "ack", "back", "gap") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("drop", "lose", "lose", "lose") }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("deliver" as const),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
);

Deno.test("whatever the line loses, the gateway has every word once, in order, and one end", () => {
  let withRepeat = 0;
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 20, maxLength: 80, size: "max" }),
      fc.boolean(),
      (steps, keeps) => {
        const line = new TestTransport();
        const reply = new OutgoingReply(chat, 2, line, () => 0);
        let said = "";
        const back = () => {
          line.up = true;
          assert.ok(reply.resume(line.last, keeps));
          reply.flush();
        };
        for (const one of steps) {
          if (one.do === "write") {
            said += one.text;
            reply.write(one.text);
          } else if (one.do === "flush") reply.flush();
          else if (one.do === "deliver") line.deliver(one.count);
          else if (one.do === "ack") reply.ack(line.last);
          else if (one.do === "lose") line.lose();
          else if (one.do === "drop") line.drop();
          else if (one.do === "back" && !line.up) back();
          else if (one.do === "gap" && line.up && line.gaps.length > 0) {
            withRepeat++;
            reply.rewind(line.gaps.shift()!);
            reply.flush();
          }
        }
        reply.done();
        // In the end the line is up and loses nothing: what was lost before is noticed by a drop at
        // the latest.
        line.drop();
        back();
        line.deliver(Infinity);
        assert.equal(line.text, said);
        assert.ok(line.done);
        assert.ok(line.longest <= line.maxFrame);
        reply.ack(line.last);
        assert.equal(line.finishedTimes, 1);
      },
    ),
    { numRuns: 500 },
  );
  assert.ok(withRepeat > 10, `only ${withRepeat} gaps were tried`);
});

Deno.test("what is acknowledged is let go, and a writer that waits goes on", async () => {
  const line = new TestTransport();
  line.maxFrame = 1 << 20;
  const reply = new OutgoingReply(chat, 2, line, () => 0);
  for (let n = 0; n < 12; n++) reply.write("x".repeat(100_000));
  reply.flush();
  assert.ok(reply.full);
  let room = false;
  const waiting = reply.drain().then(() => room = true);
  line.deliver(Infinity);
  reply.ack(line.last - 1);
  await waiting;
  assert.ok(room && !reply.full);
});

Deno.test("a writer that waits for room is let go when the turn is over", async () => {
  const line = new TestTransport();
  line.maxFrame = 1 << 22;
  const reply = new OutgoingReply(chat, 2, line, () => 0);
  reply.write("x".repeat(1_200_000 / 2));
  reply.write("x".repeat(1_200_000 / 2));
  const waiting = reply.drain();
  reply.end("cancelled");
  await waiting;
  assert.equal(reply.signal.reason.why, "cancelled");
  assert.equal(reply.write("late"), true);
  reply.done("later");
  reply.flush();
  line.deliver(Infinity);
  assert.equal(line.text, "");
});

Deno.test("a reply that has said its last word takes no second one", () => {
  const line = new TestTransport();
  const reply = new OutgoingReply(chat, 2, line, () => 0);
  reply.done("one");
  reply.done("two");
  reply.write("three");
  reply.fail("four");
  reply.flush();
  line.deliver(Infinity);
  assert.equal(line.text, "one");
});

Deno.test("a turn cannot go on from a number that was never said, nor from one that was let go", () => {
  const line = new TestTransport();
  const reply = new OutgoingReply(chat, 2, line, () => 0);
  for (const word of ["a", "b", "c"]) {
    reply.write(word);
    reply.flush();
  }
  reply.ack(2);
  assert.equal(reply.resume(1, false), false);
  assert.equal(reply.resume(4, false), false);
  assert.equal(reply.rewind(2), false);
  assert.equal(reply.rewind(5), false);
  assert.equal(reply.resume(2, false), true);
});

Deno.test("towards a gateway whose receipts say stored, what has arrived is not sent again and is kept", () => {
  const line = new TestTransport();
  const reply = new OutgoingReply(chat, 2, line, () => 0);
  for (const word of ["a", "b", "c"]) {
    reply.write(word);
    reply.flush();
  }
  line.deliver(Infinity);
  assert.equal(reply.resume(3, true), true);
  reply.write("d");
  reply.flush();
  line.deliver(Infinity);
  assert.deepEqual([line.text, line.gaps, reply.acked], ["abcd", [], 0]);
  assert.equal(reply.rewind(1), true, "all of it is still there");
  reply.ack(2);
  assert.equal(reply.resume(4, false), true);
  assert.equal(reply.acked, 4);
});

Deno.test("receipts for what was never said, or that come late, change nothing", () => {
  const line = new TestTransport();
  const reply = new OutgoingReply(chat, 2, line, () => 0);
  reply.write("a");
  reply.flush();
  reply.ack(7);
  assert.equal(reply.acked, 0);
  reply.write("b");
  reply.flush();
  reply.ack(2);
  reply.ack(1);
  assert.equal(reply.acked, 2);
});

Deno.test("an answer that is complete is not called off when the line is lost before its receipt", () => {
  const line = new TestTransport();
  const reply = new OutgoingReply(chat, 2, line, () => 0);
  const { signal } = reply;
  reply.done("whole");
  reply.flush();
  reply.end("lost");
  assert.equal(signal.aborted, false);
});

Deno.test("towards version 1 nothing is kept: there are no receipts to wait for", () => {
  const line = new TestTransport();
  line.maxFrame = 1 << 20;
  const reply = new OutgoingReply(chat, 1, line, () => 0);
  for (let n = 0; n < 30; n++) {
    reply.write("x".repeat(100_000));
    reply.flush();
  }
  assert.equal(reply.full, false);
});
