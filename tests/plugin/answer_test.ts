/** The answer: what OpenClaw tells again and again is said once. */
import assert from "node:assert/strict";
import { AnswerStream } from "../../plugin/src/answer.ts";

interface RecordedWire {
  readonly answer: AnswerStream;
  /** The pieces, in order. */
  readonly pieces: string[];
  readonly thoughts: string[];
  readonly images: string[];
  text(): string;
}

function wire(): RecordedWire {
  const pieces: string[] = [], thoughts: string[] = [], images: string[] = [];
  const answer = new AnswerStream({
    write: (text) => pieces.push(text),
    reasoning: (text) => thoughts.push(text),
    tool: () => {},
    image: (url) => images.push(url),
  });
  return { answer, pieces, thoughts, images, text: () => pieces.join("") };
}

/** The message so far, word by word, as a model's partial replies come. */
function tell(answer: AnswerStream, text: string, to = Infinity): void {
  let sofar = "";
  for (const word of text.split(/(?<= )/).slice(0, to)) answer.partial(sofar += word);
}

Deno.test("each partial adds what it has more than the last", () => {
  const { answer, pieces } = wire();
  for (const text of ["Hel", "Hello", "Hello, world"]) answer.partial(text);
  assert.deepEqual(pieces, ["Hel", "lo", ", world"]);
});

Deno.test("a final that repeats what the partials told adds nothing", () => {
  const { answer, text } = wire();
  tell(answer, "one two three");
  answer.settle("one two three");
  answer.settle("one two three\n");
  assert.equal(text(), "one two three");
});

Deno.test("a final adds the words that no partial told", () => {
  const { answer, text } = wire();
  tell(answer, "one two ");
  answer.settle("one two three");
  assert.equal(text(), "one two three");
});

Deno.test("a model stream that broke and is told again is said once, up to eight times", () => {
  const { answer, text } = wire();
  const whole = "the quick brown fox jumps over the lazy dog";
  answer.begin();
  tell(answer, whole, 5);
  for (let retry = 1; retry <= 7; retry++) {
    answer.begin();
    tell(answer, whole, 3 + retry);
  }
  answer.settle(whole);
  assert.equal(text(), whole);
});

Deno.test("a repeat that comes out differently is a paragraph of its own", () => {
  const { answer, text } = wire();
  answer.begin();
  tell(answer, "The answer is fo");
  answer.begin();
  tell(answer, "The result: forty-two");
  answer.settle("The result: forty-two");
  assert.equal(text(), "The answer is fo\n\nThe result: forty-two");
});

Deno.test("what was said before a tool stays, and what comes after it is a new paragraph", () => {
  const { answer, text } = wire();
  answer.begin();
  tell(answer, "Let me look.");
  answer.step();
  answer.begin();
  tell(answer, "Let me say: it is 7.");
  answer.settle("Let me say: it is 7.");
  assert.equal(text(), "Let me look.\n\nLet me say: it is 7.");
});

Deno.test("a stream that breaks after a tool is told again without the preamble, and is said once", () => {
  const { answer, text } = wire();
  answer.begin();
  tell(answer, "Let me look.");
  answer.step();
  answer.begin();
  tell(answer, "It is seven in all.", 2);
  answer.begin();
  tell(answer, "It is seven in all.");
  assert.equal(text(), "Let me look.\n\nIt is seven in all.");
});

Deno.test("media that is delivered with its text again adds the image alone", () => {
  const { answer, text, images } = wire();
  tell(answer, "Here is the picture.");
  answer.settle("Here is the picture.");
  answer.image("data:image/png;base64,AA==");
  answer.settle("Here is the picture.");
  assert.equal(text(), "Here is the picture.");
  assert.equal(images.length, 1);
});

Deno.test("a question for approval in the middle leaves the message whole", () => {
  const { answer, text } = wire();
  tell(answer, "one two ");
  answer.aside("Approve? /approve 1 allow-once");
  tell(answer, "one two three");
  answer.settle("one two three");
  assert.equal(text(), "one two \n\nApprove? /approve 1 allow-once\n\nthree");
});

Deno.test("a final with the owner's prefix is not said again", () => {
  const { answer, text } = wire();
  tell(answer, "all is well");
  answer.settle("[bot] all is well");
  assert.equal(text(), "all is well");
});

Deno.test("a final whose spaces were tidied is not said again", () => {
  const { answer, text } = wire();
  tell(answer, "a list:\n\n\n- one  \n- two");
  answer.settle("a list:\n\n- one\n- two");
  assert.equal(text(), "a list:\n\n\n- one  \n- two");
});

Deno.test("an error behind a half-told message is a paragraph of its own", () => {
  const { answer, text } = wire();
  tell(answer, "one two ");
  answer.settle("The model is overloaded.");
  assert.equal(text(), "one two \n\nThe model is overloaded.");
});

Deno.test("a tag that the host takes away again costs no repetition", () => {
  const { answer, text } = wire();
  answer.partial("Good morning [[re");
  answer.partial("Good morning to you");
  assert.equal(text(), "Good morning [[reto you");
});

Deno.test("a message that is rewritten altogether is told anew", () => {
  const { answer, text } = wire();
  answer.partial("Thinking about the matter at some length, one moment please");
  answer.partial("No.");
  assert.equal(text(), "Thinking about the matter at some length, one moment please\n\nNo.");
});

Deno.test("blocks are paragraphs, and the final that holds them all adds nothing", () => {
  const { answer, text } = wire();
  answer.block("A");
  answer.block("And more");
  answer.block("A");
  answer.settle("A\n\nAnd more\n\nA");
  assert.equal(text(), "A\n\nAnd more\n\nA");
});

Deno.test("an answer that says nothing writes nothing", () => {
  const { answer, pieces } = wire();
  answer.begin();
  answer.partial("");
  answer.settle("");
  answer.settle(" \n");
  answer.aside("");
  assert.deepEqual(pieces, []);
});

Deno.test("an answer does not end in empty lines", () => {
  const { answer, text } = wire();
  tell(answer, "done");
  answer.aside("note");
  answer.step();
  answer.begin();
  answer.partial("\n");
  assert.equal(text(), "done\n\nnote");
});

Deno.test("thoughts are told once each, and anew after they were over", () => {
  const { answer, thoughts } = wire();
  answer.think("I ");
  answer.think("I think");
  answer.think("I think");
  answer.thoughtOver();
  answer.think("so");
  assert.deepEqual(thoughts, ["I ", "think", "\n", "so"]);
});

Deno.test("a tool's step that is told from two sides is told once, with what both know", () => {
  const steps: unknown[] = [];
  const answer = new AnswerStream({
    write() {},
    reasoning() {},
    image() {},
    tool: (step) => steps.push(step),
  });
  answer.tool({ id: "1", name: "exec", status: "start", title: "Print" });
  answer.tool({ id: "1", name: "exec", status: "start", input: "echo" });
  answer.tool({ id: "1", name: "exec", status: "update", title: "Print" });
  answer.tool({ id: "1", name: "exec", status: "update" });
  answer.tool({ id: "1", name: "exec", status: "end" });
  answer.tool({ id: "2", name: "exec", status: "start" });
  assert.deepEqual(steps, [
    { id: "1", name: "exec", status: "start", title: "Print" },
    { id: "1", name: "exec", status: "update", title: "Print", input: "echo" },
    { id: "1", name: "exec", status: "end", title: "Print", input: "echo" },
    { id: "2", name: "exec", status: "start" },
  ]);
});

Deno.test("12,000 characters in 1,500 partials come out letter by letter", () => {
  const { answer, text, pieces } = wire();
  const chars = Array.from(
    { length: 12_000 },
    (_, i) => (i % 97 === 0 ? "\n" : String.fromCharCode(0x4e00 + i % 5000)),
  );
  let sofar = "";
  for (let i = 0; i < chars.length; i += 8) answer.partial(sofar += chars.slice(i, i + 8).join(""));
  answer.settle(sofar);
  assert.equal(text(), sofar);
  assert.equal(pieces.length, 1500);
});
