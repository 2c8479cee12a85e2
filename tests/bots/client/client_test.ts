import assert from "node:assert/strict";
import {
  type Bot,
  type ClientClock,
  connect,
  type ConnectionState,
  type ConnectOptions,
  probe,
  RegistrationRefused,
} from "../../../src/bots/client.ts";
import { CLOSE } from "../../../src/bots/wire/frame.ts";
import { toyGateway } from "./toy_gateway.ts";

/** Runs nothing by itself; `advance` runs what has come due, in order. */
class HandClock implements ClientClock {
  #now = 1_000_000;
  #timers: { at: number; run: () => void }[] = [];

  now = () => this.#now;

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    while (true) {
      const due = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#now = due.at;
      due.run();
    }
    this.#now = end;
  }

  get waiting(): number {
    return this.#timers.length;
  }
}

/** A bot whose states and problems are kept, closed at the end of the test. */
function bot(options: Partial<ConnectOptions> & { url: string }) {
  const states: ConnectionState[] = [], problems: string[] = [];
  let wake = () => {};
  const made = connect({
    botId: "parrot",
    token: "t",
    reconnectInterval: 20,
    answer: (chat) => chat.content,
    onState(state) {
      states.push(state);
      wake();
    },
    onProblem: (text) => problems.push(text),
    ...options,
  });
  return Object.assign(made, {
    states,
    problems,
    async phase<P extends ConnectionState["phase"]>(
      phase: P,
    ): Promise<ConnectionState & { phase: P }> {
      while (made.state.phase !== phase) await new Promise<void>((resolve) => wake = resolve);
      return made.state as ConnectionState & { phase: P };
    },
    [Symbol.asyncDispose]: () => made.close(),
  });
}

const chat = (id: string, content = "hi") => ({
  type: "chat",
  id,
  content,
  from: "Ann",
  timestamp: 1,
});

Deno.test("a bot registers with what it is, and learns what the gateway can do", async () => {
  await using gateway = toyGateway();
  await using parrot = bot({
    url: gateway.url,
    botName: "Parrot",
    pool: "birds",
    weight: 3,
    maxConcurrent: 4,
  });
  const { registration } = await gateway.welcome();
  assert.deepEqual(registration, {
    ...{ type: "register", botId: "parrot", botName: "Parrot", token: "t", protocol: 2 },
    ...{ pool: "birds", weight: 3, maxConcurrent: 4 },
  });
  const { protocol, grace } = await parrot.ready();
  assert.deepEqual([protocol, grace], [2, 15_000]);
});

Deno.test("a short answer is one frame, numbered 1 and done", async () => {
  await using gateway = toyGateway();
  await using _parrot = bot({ url: gateway.url });
  const line = await gateway.welcome();
  line.say(chat("t1", 'a "quoted" wörd'));
  assert.deepEqual(await line.next("reply"), {
    ...{ type: "reply", replyTo: "t1", seq: 1, content: 'a "quoted" wörd', done: true },
  });
});

Deno.test("deltas that wait together travel in one frame as a list, a lone one as a string", async () => {
  await using gateway = toyGateway();
  await using _parrot = bot({
    url: gateway.url,
    async *answer() {
      yield "a";
      yield "b";
      await new Promise((resolve) => setTimeout(resolve, 5));
      yield "c";
    },
  });
  const line = await gateway.welcome();
  line.say(chat("t1"));
  const frames = [await line.next("reply"), await line.next("reply")];
  assert.deepEqual(frames.map(({ seq, content, done }) => [seq, content, done]), [
    [1, ["a", "b"], false],
    [2, "c", true],
  ]);
});

Deno.test("thoughts, tool steps and images keep their order and their kind", async () => {
  await using gateway = toyGateway();
  await using _parrot = bot({
    url: gateway.url,
    answer(_, reply) {
      reply.reasoning("hm");
      reply.tool({ name: "look" });
      reply.write("see: ");
      reply.image("data:image/png;base64,AAAA", "this");
      reply.done("!");
    },
  });
  const line = await gateway.welcome();
  line.say(chat("t1"));
  await line.until(() => line.frames.at(-1)?.done === true);
  assert.deepEqual(line.frames.slice(1).map(({ kind, content, image }) => [kind, content, image]), [
    ["reasoning", "hm", undefined],
    ["tool", '{"name":"look"}', undefined],
    [undefined, "see: ", undefined],
    [undefined, "this", "data:image/png;base64,AAAA"],
    [undefined, "!", undefined],
  ]);
});

Deno.test("an answer function that throws becomes an honest failure that does not tell its error's text", async () => {
  await using gateway = toyGateway();
  await using parrot = bot({
    url: gateway.url,
    answer() {
      throw new Error("password=hunter2");
    },
  });
  const line = await gateway.welcome();
  line.say(chat("t1"));
  const frame = await line.next("fail");
  assert.deepEqual([frame.replyTo, frame.message], ["t1", "the bot ran into an error"]);
  assert.doesNotMatch(line.raw.join(), /hunter2/);
  assert.match(parrot.problems.join(), /answering turn t1 failed/);
});

Deno.test("after a drop, what was not acknowledged is sent again, once and in order", async () => {
  await using gateway = toyGateway();
  let go!: () => void;
  const gate = new Promise<void>((resolve) => go = resolve);
  await using parrot = bot({
    url: gateway.url,
    async *answer() {
      for (const word of ["one ", "two ", "three "]) {
        yield word;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      await gate;
      yield "four";
    },
  });
  const first = await gateway.welcome();
  first.say(chat("t1"));
  await first.until(() => first.frames.length === 4);
  first.say({ type: "ack", replyTo: "t1", seq: 1 });
  first.say({ type: "ping" });
  await first.next("pong");
  first.socket.close(CLOSE.restart);
  go();
  // Sequence 2 had arrived as well, though its receipt was lost: the gateway says so.
  const second = await gateway.welcome({ resume: [{ replyTo: "t1", seq: 2 }] });
  assert.deepEqual(second.registration.resume, [{ replyTo: "t1", seq: 1 }]);
  await second.until(() => second.frames.at(-1)?.done === true);
  assert.equal(second.text("t1"), "three four");
  assert.deepEqual(second.frames.slice(1).map(({ seq }) => seq), [3, 4]);
  second.say({ type: "ack", replyTo: "t1", seq: 4 });
  second.say({ type: "ping" });
  await second.next("pong");
  assert.equal(parrot.busy, 0);
});

Deno.test("a turn that the gateway no longer lists after a drop is over, and its answer function learns it", async () => {
  await using gateway = toyGateway();
  let why: unknown;
  await using parrot = bot({
    url: gateway.url,
    answer: (_, reply) =>
      new Promise<void>((resolve) => {
        reply.write("a");
        reply.signal.addEventListener("abort", () => {
          why = reply.signal.reason.why;
          reply.write("too late");
          resolve();
        });
      }),
  });
  const first = await gateway.welcome();
  first.say(chat("t1"));
  await first.next("reply");
  first.socket.close(CLOSE.restart);
  const second = await gateway.welcome({ resume: [] });
  second.say({ type: "ping" });
  await second.next("pong");
  assert.equal(why, "moved");
  assert.equal(parrot.busy, 0);
  assert.equal(second.text("t1"), "");
});

Deno.test("a gap is filled from the seq that is expected, once for all the frames behind it", async () => {
  await using gateway = toyGateway();
  const clock = new HandClock();
  await using _parrot = bot({
    ...{ url: gateway.url, clock },
    async *answer() {
      for (let n = 1; n <= 4; n++) {
        yield `${n} `;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
  });
  const line = await gateway.welcome();
  line.say(chat("t1"));
  await line.until(() => line.frames.at(-1)?.done === true);
  const said = line.frames.filter(({ type }) => type === "reply").map(({ seq }) => seq);
  /** Tells the gap and returns what comes of it. */
  const tell = async (errors: number) => {
    const before = line.frames.length;
    for (let n = 0; n < errors; n++) {
      line.say({ type: "error", code: "gap", message: "", replyTo: "t1", expected: 3 });
      // The second pong comes behind whatever was sent again: a flush waits for the task that asked
      // for it.
      for (let ping = 0; ping < 2; ping++) {
        line.say({ type: "ping" });
        await line.next("pong");
      }
    }
    return line.frames.slice(before).filter(({ type }) => type === "reply").map(({ seq }) => seq);
  };
  const missing = said.filter((seq) => seq >= 3);
  assert.deepEqual(await tell(1), missing);
  assert.deepEqual(await tell(2), []);
  // It was lost again, if nothing of it is acknowledged after a while.
  const before = line.frames.length;
  clock.advance(250);
  await line.until(() => line.frames.length === before + missing.length);
  assert.deepEqual(line.frames.slice(before).map(({ seq }) => seq), missing);
});

Deno.test("a gap that asks for what was never said gives the turn up", async () => {
  await using gateway = toyGateway();
  await using parrot = bot({
    url: gateway.url,
    answer: (_, reply) => (reply.write("a"), new Promise(() => {})),
  });
  const line = await gateway.welcome();
  line.say(chat("t1"));
  await line.next("reply");
  line.say({ type: "error", code: "gap", message: "", replyTo: "t1", expected: 9 });
  line.say({ type: "ping" });
  await line.next("pong");
  assert.equal(parrot.busy, 0);
  assert.match(parrot.problems.join(), /expects 9 of turn t1/);
});

Deno.test("cancel aborts the answer and is confirmed, also for a turn that is not known", async () => {
  await using gateway = toyGateway();
  let reason: unknown;
  await using _parrot = bot({
    url: gateway.url,
    async answer(_, reply) {
      reply.write("a");
      await new Promise<void>((resolve) => reply.signal.addEventListener("abort", () => resolve()));
      reason = reply.signal.reason.why;
      reply.done("late");
    },
  });
  const line = await gateway.welcome();
  line.say(chat("t1"));
  await line.next("reply");
  line.say({ type: "cancel", id: "t1" });
  assert.deepEqual(await line.next("cancelled"), { type: "cancelled", id: "t1" });
  line.say({ type: "cancel", id: "never" });
  assert.deepEqual(await line.next("cancelled"), { type: "cancelled", id: "never" });
  assert.equal(reason, "cancelled");
  assert.equal(line.text("t1"), "a");
});

Deno.test("a wrong token stops the bot, and it says so", async () => {
  await using gateway = toyGateway();
  await using parrot = bot({ url: gateway.url });
  const ready = parrot.ready();
  const line = await gateway.line();
  await line.next("register");
  line.say({ type: "registered", success: false, error: "wrong token" });
  line.socket.close(CLOSE.badToken);
  await assert.rejects(
    ready,
    (error) => error instanceof RegistrationRefused && error.code === CLOSE.badToken,
  );
  const state = await parrot.phase("blocked");
  assert.equal(state.reason, "wrong token");
  assert.match(parrot.problems.join(), /will not dial again/);
});

Deno.test("a refusal without a close, as version 1 gives it, stops the bot too", async () => {
  await using gateway = toyGateway();
  const clock = new HandClock();
  await using parrot = bot({ url: gateway.url, clock });
  const line = await gateway.line();
  await line.next("register");
  line.say({ type: "registered", success: false, error: "Invalid token" });
  line.say({ type: "ping" });
  await line.next("pong");
  clock.advance(1000);
  assert.equal(parrot.state.phase, "blocked");
  await line.gone();
});

Deno.test("the back-off doubles to its ceiling, is jittered, and starts again after a registration", async () => {
  const clock = new HandClock();
  const sockets: FakeSocket[] = [];
  class FakeSocket {
    readyState = 1;
    bufferedAmount = 0;
    onopen: (() => void) | null = null;
    onmessage: ((event: { data: string }) => void) | null = null;
    onclose: ((event: { code: number; reason: string }) => void) | null = null;
    onerror = null;
    constructor() {
      sockets.push(this);
    }
    send() {}
    close() {
      this.onclose?.({ code: 1000, reason: "" });
    }
  }
  const random = [0, 0.999999, 0, 0, 0, 0, 0, 0];
  const parrot = bot({
    ...{ url: "ws://nowhere", clock, WebSocket: FakeSocket, random: () => random.shift() ?? 0 },
    ...{ reconnectInterval: 1000, maxReconnectInterval: 5000 },
  });
  const waits: number[] = [];
  const fall = (code = 1006) => {
    sockets.at(-1)!.onclose!({ code, reason: "" });
    assert.equal(parrot.state.phase, "recovering");
    const { retryIn } = parrot.state as ConnectionState & { phase: "recovering" };
    waits.push(retryIn);
    clock.advance(retryIn - 1);
    assert.equal(parrot.state.phase, "recovering");
    clock.advance(1);
    assert.equal(parrot.state.phase, "connecting");
  };
  const register = () =>
    sockets.at(-1)!.onmessage!({ data: '{"type":"registered","success":true,"protocol":2}' });
  for (let n = 0; n < 5; n++) fall();
  assert.deepEqual(waits.splice(0), [500, 1000, 1000, 2000, 2500]);
  register();
  fall();
  // Two processes with one id: the one that was replaced at once does not start from the bottom
  // again.
  for (let n = 0; n < 4; n++) {
    register();
    fall(CLOSE.replaced);
  }
  assert.deepEqual(waits, [500, 500, 500, 1000, 2000]);
  await parrot.close();
  assert.equal(clock.waiting, 0);
});

Deno.test("the gateway's silence is a drop, and any frame counts as life", async () => {
  await using gateway = toyGateway();
  const clock = new HandClock();
  await using parrot = bot({ url: gateway.url, clock });
  const line = await gateway.welcome({ pingInterval: 1000 });
  await parrot.ready();
  clock.advance(2000);
  line.say({ type: "ping" });
  await line.next("pong");
  clock.advance(2000);
  assert.equal(parrot.state.phase, "ready");
  clock.advance(501);
  const { reason } = await parrot.phase("recovering");
  assert.match(reason, /nothing was heard .* 2500 ms/);
  await line.gone();
});

Deno.test("a version-1 gateway is timed by its own pings", async () => {
  await using gateway = toyGateway();
  const clock = new HandClock();
  await using parrot = bot({ url: gateway.url, clock });
  const line = await gateway.welcome({ protocol: undefined, pingInterval: undefined });
  await parrot.ready();
  clock.advance(10_000_000);
  for (let n = 0; n < 2; n++) {
    line.say({ type: "ping" });
    await line.next("pong");
    clock.advance(10_000);
  }
  assert.equal(parrot.state.phase, "ready");
  clock.advance(15_000);
  assert.equal(parrot.state.phase, "recovering");
});

Deno.test("a version-1 gateway gets version-1 frames, and a drop loses the turn", async () => {
  await using gateway = toyGateway();
  let why: unknown;
  await using parrot = bot({
    url: gateway.url,
    async answer(_, reply) {
      reply.reasoning("left out");
      reply.write("a");
      reply.write("b");
      await new Promise<void>((resolve) => reply.signal.addEventListener("abort", () => resolve()));
      why = reply.signal.reason.why;
    },
  });
  const line = await gateway.welcome({ protocol: undefined, features: undefined });
  line.say(chat("t1"));
  const { id, timestamp, ...frame } = await line.next("reply");
  assert.deepEqual(frame, { type: "reply", replyTo: "t1", content: "ab", done: false });
  assert.equal(typeof id, "string");
  assert.equal(typeof timestamp, "number");
  await assert.rejects(parrot.push({ to: "user:ann", content: "x" }), /version 1/);
  line.socket.close(1001);
  const second = await gateway.welcome({ protocol: undefined });
  assert.equal(second.registration.resume, undefined);
  assert.equal(why, "lost");
});

Deno.test("a version-1 gateway shows a failure as the answer's last words", async () => {
  await using gateway = toyGateway();
  await using _parrot = bot({
    url: gateway.url,
    answer: (_, reply) => reply.fail("The model is down."),
  });
  const line = await gateway.welcome({ protocol: undefined });
  line.say(chat("t1"));
  const { content, done } = await line.next("reply");
  assert.deepEqual([content, done], ["The model is down.", true]);
});

Deno.test("a push waits for the line, is receipted, and is said again after a drop with the same id", async () => {
  await using gateway = toyGateway();
  await using parrot = bot({ url: gateway.url });
  const receipt = parrot.push({ to: "user:ann", content: "Tea is ready." });
  const first = await gateway.welcome();
  const { id, ...frame } = await first.next("push");
  assert.deepEqual(frame, { type: "push", to: "user:ann", content: "Tea is ready." });
  first.socket.close(CLOSE.restart);
  const second = await gateway.welcome();
  assert.equal((await second.next("push")).id, id);
  second.say({ type: "pushed", id, success: true });
  assert.equal((await receipt).success, true);
});

Deno.test("a push with an id that still waits takes the place of the first", async () => {
  await using gateway = toyGateway();
  await using parrot = bot({ url: gateway.url });
  const first = parrot.push({ to: "user:ann", content: "x", id: "p" });
  const second = parrot.push({ to: "user:ann", content: "x", id: "p" });
  await assert.rejects(first, /pushed again with the same id/);
  const line = await gateway.welcome();
  await line.next("push");
  line.say({ type: "pushed", id: "p", success: false, error: "not_found" });
  assert.deepEqual(await second, { type: "pushed", id: "p", success: false, error: "not_found" });
});

Deno.test("pushes that wait have a bound, and are given up after 30 s", async () => {
  const clock = new HandClock();
  await using parrot = bot({ url: "ws://127.0.0.1:1", clock });
  const waiting = Array.from({ length: 100 }, () => parrot.push({ to: "user:ann", content: "x" }));
  await assert.rejects(parrot.push({ to: "user:ann", content: "x" }), /100 pushes wait/);
  clock.advance(30_000);
  for (const push of waiting) await assert.rejects(push, /no receipt came within 30 s/);
});

Deno.test("when the grace has passed without a line, answers are told that nobody waits for them", async () => {
  await using gateway = toyGateway();
  const clock = new HandClock();
  let why: unknown;
  await using parrot = bot({
    ...{ url: gateway.url, clock },
    async answer(_, reply) {
      reply.write("a");
      await new Promise<void>((resolve) => reply.signal.addEventListener("abort", () => resolve()));
      why = reply.signal.reason.why;
    },
  });
  const line = await gateway.welcome({ grace: 5, botTimeout: 10 });
  line.say(chat("t1"));
  await line.next("reply");
  line.socket.close(CLOSE.restart);
  await parrot.phase("recovering");
  clock.advance(14);
  assert.equal(parrot.busy, 1);
  clock.advance(1);
  assert.equal(parrot.busy, 0);
  await Promise.resolve();
  assert.equal(why, "lost");
});

Deno.test("a registration stays within 64 KiB, however many turns are open", async () => {
  await using gateway = toyGateway();
  await using parrot = bot({
    url: gateway.url,
    answer: (_, reply) =>
      new Promise((resolve) => reply.signal.addEventListener("abort", () => resolve())),
  });
  const first = await gateway.welcome();
  for (let n = 0; n < 1500; n++) first.say(chat(`a-turn-with-a-rather-long-name-${n}`));
  first.say({ type: "ping" });
  await first.next("pong");
  assert.equal(parrot.busy, 1500);
  first.socket.close(CLOSE.restart);
  const second = await gateway.welcome({ resume: [] });
  assert.ok(second.raw[0]!.length <= 64 * 1024, `${second.raw[0]!.length}`);
  assert.ok(second.registration.resume.length > 500);
});

Deno.test("a status is said again after a reconnect", async () => {
  await using gateway = toyGateway();
  await using parrot = bot({ url: gateway.url });
  const first = await gateway.welcome();
  await parrot.ready();
  parrot.status({ busy: 2 });
  parrot.status({ draining: true });
  await first.next("status");
  assert.deepEqual(await first.next("status"), { type: "status", busy: 2, draining: true });
  first.socket.close(CLOSE.restart);
  const second = await gateway.welcome();
  assert.deepEqual(await second.next("status"), { type: "status", busy: 2, draining: true });
});

Deno.test("a piece that cannot fit into a frame is refused with the figures, and the turn can go on", async () => {
  await using gateway = toyGateway();
  await using _parrot = bot({
    url: gateway.url,
    answer(_, reply) {
      assert.throws(
        () => reply.write("x".repeat(70_000)),
        /70000 characters does not fit .* 65536/,
      );
      assert.throws(() => reply.image("data:image/png;base64," + "A".repeat(70_000)), RangeError);
      assert.throws(() => reply.write("\n".repeat(40_000)), RangeError);
      reply.write("x".repeat(60_000));
      for (let n = 0; n < 100; n++) reply.write("\u0001".repeat(1000));
      reply.done("ok");
    },
  });
  const line = await gateway.welcome({ maxFrame: 65_536 });
  line.say(chat("t1"));
  await line.until(() => line.frames.at(-1)?.done === true);
  assert.equal(line.text("t1").length, 160_002);
  assert.ok(line.raw.every((text) => text.length <= 65_536));
});

Deno.test("a writer is told to pause while a mebibyte is not acknowledged, and goes on when it is", async () => {
  await using gateway = toyGateway();
  let paused = 0;
  await using _parrot = bot({
    url: gateway.url,
    async answer(_, reply) {
      for (let n = 0; n < 40; n++) {
        if (!reply.write("x".repeat(100_000))) {
          paused++;
          await reply.drain();
        }
      }
    },
  });
  const line = await gateway.welcome();
  line.say(chat("t1"));
  while (!line.frames.at(-1)?.done) {
    const { seq } = await line.next("reply");
    line.say({ type: "ack", replyTo: "t1", seq });
  }
  assert.ok(paused >= 2, `paused ${paused} times`);
  assert.equal(line.text("t1").length, 4_000_000);
});

Deno.test("a writer that never pauses is stopped before it fills the memory", async () => {
  await using gateway = toyGateway();
  let thrown: unknown;
  await using _parrot = bot({
    url: gateway.url,
    answer(_, reply) {
      try {
        for (let n = 0; n < 1000; n++) reply.write("x".repeat(150_000));
      } catch (error) {
        thrown = error;
      }
      reply.fail("too much");
    },
  });
  const line = await gateway.welcome();
  line.say(chat("t1"));
  await line.next("fail");
  assert.match(String(thrown), /await reply\.drain\(\)/);
});

Deno.test("a question that comes twice is answered once", async () => {
  await using gateway = toyGateway();
  let asked = 0;
  await using _parrot = bot({
    url: gateway.url,
    async answer() {
      asked++;
      await new Promise((resolve) => setTimeout(resolve, 5));
      return "x";
    },
  });
  const line = await gateway.welcome();
  line.say(chat("t1"));
  line.say(chat("t1"));
  await line.next("reply");
  line.say({ type: "ping" });
  await line.next("pong");
  assert.equal(asked, 1);
});

Deno.test("a turn that the gateway does not know is dropped without a word", async () => {
  await using gateway = toyGateway();
  let over = false;
  await using parrot = bot({
    url: gateway.url,
    async answer(_, reply) {
      reply.write("a");
      await new Promise<void>((resolve) => reply.signal.addEventListener("abort", () => resolve()));
      over = true;
    },
  });
  const line = await gateway.welcome();
  line.say(chat("t1"));
  await line.next("reply");
  line.say({ type: "error", code: "unknown_turn", message: "", replyTo: "t1" });
  line.say({ type: "ping" });
  await line.next("pong");
  assert.deepEqual([over, parrot.busy], [true, 0]);
});

Deno.test("frames that make no sense are dropped with a word in the log", async () => {
  await using gateway = toyGateway();
  await using parrot = bot({ url: gateway.url });
  const line = await gateway.welcome();
  for (
    const text of ["{", "[]", '{"type":"dance"}', '{"type":"ack"}', '{"__proto__":{"type":"chat"}}']
  ) line.say(text);
  line.socket.send(new Uint8Array([1, 2, 3]));
  line.say(chat("t1", "still here"));
  assert.equal((await line.next("reply")).content, "still here");
  assert.equal(parrot.problems.length, 6);
});

Deno.test("closing hands unfinished answers back, closes with 1000, and leaves nothing running", async () => {
  await using gateway = toyGateway();
  const clock = new HandClock();
  let why: unknown;
  const parrot = bot({
    url: gateway.url,
    clock,
    async answer(_, reply) {
      reply.write("a");
      await new Promise<void>((resolve) => reply.signal.addEventListener("abort", () => resolve()));
      why = reply.signal.reason.why;
    },
  });
  const line = await gateway.welcome();
  line.say(chat("t1"));
  await line.next("reply");
  const [{ code }] = await Promise.all([line.gone(), parrot.close()]);
  assert.equal(code, 1000);
  assert.equal(line.frames.at(-1).type, "fail");
  assert.equal(line.frames.at(-1).retryable, true);
  assert.deepEqual([parrot.state.phase, why, clock.waiting], ["closed", "closed", 0]);
});

Deno.test("closing with a time to finish takes nothing new and lets the answer end", async () => {
  await using gateway = toyGateway();
  let go!: () => void;
  const gate = new Promise<void>((resolve) => go = resolve);
  const parrot = bot({ url: gateway.url, answer: () => gate.then(() => "whole") });
  const line = await gateway.welcome();
  line.say(chat("t1"));
  line.say({ type: "ping" });
  await line.next("pong");
  const closed = parrot.close({ finish: 60_000 });
  assert.equal((await line.next("status")).draining, true);
  line.say(chat("t2"));
  const { replyTo, retryable } = await line.next("fail");
  assert.deepEqual([replyTo, retryable], ["t2", true]);
  go();
  const { seq, content } = await line.next("reply");
  assert.equal(content, "whole");
  line.say({ type: "ack", replyTo: "t1", seq });
  await Promise.all([closed, line.gone()]);
});

Deno.test("a bot that is closed while it dials or waits leaves nothing behind", async () => {
  await using gateway = toyGateway();
  const dialling: Bot = bot({ url: gateway.url });
  const refused = dialling.ready();
  await Promise.all([dialling.close(), assert.rejects(refused, RegistrationRefused)]);
  const waiting = bot({ url: "ws://127.0.0.1:1", reconnectInterval: 60_000 });
  await waiting.phase("recovering");
  await waiting.close();
});

Deno.test("two bots in one process do not mix", async () => {
  await using gateway = toyGateway();
  await using _one = bot({ url: gateway.url, botId: "one", answer: () => "1" });
  const first = await gateway.welcome();
  await using _two = bot({ url: gateway.url, botId: "two", answer: () => "2" });
  const second = await gateway.welcome();
  for (const line of [first, second]) line.say(chat("t1"));
  assert.equal((await first.next("reply")).content, "1");
  assert.equal((await second.next("reply")).content, "2");
});

Deno.test("a probe dials and leaves without registering", async () => {
  await using gateway = toyGateway();
  const line = gateway.line();
  assert.ok(await probe({ url: gateway.url }) >= 0);
  const taken = await line;
  await taken.gone();
  assert.equal(taken.frames.length, 0);
  await assert.rejects(probe({ url: "ws://127.0.0.1:1" }), /does not take WebSocket connections/);
});

Deno.test("an address that cannot be right is refused at once, in words", () => {
  for (const url of ["", "nexus", "ftp://host"]) {
    assert.throws(
      () => connect({ url, botId: "a", answer() {} }),
      /Cannot connect: url must be a ws:\/\/ or wss:\/\/ address/,
    );
  }
  assert.throws(() => connect({ url: "ws://host", botId: "", answer() {} }), /botId/);
});
