import assert from "node:assert/strict";
import { LogStream } from "../../src/cli/log_stream.ts";

/** A stream whose reader reads when the test says so. */
class Pipe {
  text = "";
  #waiting: { bytes: Uint8Array; done: (written: number) => void; fail: (error: Error) => void }[] =
    [];
  #decoder = new TextDecoder();

  write = (bytes: Uint8Array): Promise<number> =>
    new Promise((done, fail) => this.#waiting.push({ bytes: bytes.slice(), done, fail }));

  /** Takes what is written until nothing more comes, at most `most` bytes of each write. */
  async read(most = Infinity): Promise<void> {
    while (this.#waiting.length > 0) {
      const { bytes, done } = this.#waiting.shift()!;
      const taken = bytes.subarray(0, most);
      this.text += this.#decoder.decode(taken, { stream: true });
      done(taken.length);
      // The writer goes on in a microtask or two.
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  fail(error: Error): void {
    this.#waiting.shift()!.fail(error);
  }
}

const line = (n: number) => `${JSON.stringify({ n, text: "天".repeat(100) })}\n`;

Deno.test("lines wait for a reader, whole and in order, however little it takes at once", async () => {
  const pipe = new Pipe();
  const stream = new LogStream({
    write: pipe.write,
    onDropped: () => assert.fail("nothing is dropped"),
  });
  let expected = "";
  for (let n = 0; n < 100; n++) {
    stream.write(line(n));
    expected += line(n);
  }
  await pipe.read(1001);
  assert.equal(pipe.text, expected);
  await stream.settled(1000);
});

Deno.test("past the bound lines are dropped, and their number is logged when somebody reads again", async () => {
  const pipe = new Pipe();
  const stream: LogStream = new LogStream({
    write: pipe.write,
    onDropped: (lines) => stream.write(`dropped ${lines}\n`),
  });
  for (let n = 0; n < 10_000; n++) stream.write(line(n));
  assert.equal(pipe.text, "");
  await pipe.read();
  const lines = pipe.text.trimEnd().split("\n");
  const dropped = lines.filter((line) => line.startsWith("dropped "));
  assert.equal(dropped.length, 1);
  assert.equal(
    lines.length - 1 + Number(dropped[0]!.slice("dropped ".length)),
    10_000,
    "every line is accounted for",
  );
  assert.ok(pipe.text.length < 300_000);
  stream.write(line(7));
  await pipe.read();
  assert.ok(pipe.text.endsWith(line(7)), "and it goes on");
});

Deno.test("a reader that is gone is not waited for, a full disk loses no more than what it refused", async () => {
  const pipe = new Pipe();
  const stream = new LogStream({ write: pipe.write, onDropped: () => {} });
  stream.write("lost\n");
  pipe.fail(new Error("no space left on device"));
  await stream.settled(1000);
  stream.write("there again\n");
  await pipe.read();
  assert.equal(pipe.text, "there again\n");
  stream.write("a\n");
  stream.write("b\n");
  pipe.fail(new Deno.errors.BrokenPipe("gone"));
  await stream.settled(1000);
  stream.write("c\n");
  assert.equal(pipe.text, "there again\n");
});

Deno.test("the end of the process waits a moment for the last words, and no longer", async () => {
  const stream = new LogStream({ write: () => new Promise(() => {}), onDropped: () => {} });
  stream.write("nobody reads this\n");
  await stream.settled(20);
});
