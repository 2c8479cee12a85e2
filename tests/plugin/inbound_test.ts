/** The way in: what a person's message becomes, and in which order. */
import assert from "node:assert/strict";
import type { Chat, Reply } from "../../src/bots/client.ts";
import { Inbound } from "../../plugin/src/inbound.ts";
import { OpenTurns } from "../../plugin/src/open_turns.ts";
import { account, deferred, type FakeHost, fakeHost } from "./fake_host.ts";

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

class FakeReply implements Reply {
  readonly controller = new AbortController();
  readonly said: string[] = [];
  readonly thoughts: string[] = [];
  readonly steps: unknown[] = [];
  readonly images: string[] = [];
  failure: string | undefined;
  code: string | undefined;
  over = false;
  full = false;

  constructor(readonly id: string) {}

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get text(): string {
    return this.said.join("");
  }

  write(text: string): boolean {
    return this.said.push(text) > 0;
  }

  reasoning(text: string): boolean {
    return this.thoughts.push(text) > 0;
  }

  tool(step: unknown): boolean {
    return this.steps.push(step) > 0;
  }

  image(image: string): boolean {
    return this.images.push(image) > 0;
  }

  done(): void {
    this.over = true;
  }

  fail(message: string, how: { readonly code?: string } = {}): void {
    this.failure = message;
    this.code = how.code;
    this.over = true;
  }

  drain(): Promise<void> {
    return Promise.resolve();
  }
}

let count = 0;

function parts(host: FakeHost, fields: Record<string, unknown> = {}, protocol: 1 | 2 = 2) {
  const problems: string[] = [];
  const challenged: string[] = [];
  const present = new OpenTurns();
  const inbound = new Inbound({
    account: account(fields),
    host,
    present,
    protocol: () => protocol,
    onProblem: (text) => problems.push(text),
    onChallenge: (personId) => challenged.push(personId),
    stopPatience: 10,
  });
  const ask = (content: string, more: Partial<Chat> = {}) => {
    const chat: Chat = {
      type: "chat",
      id: `t${++count}`,
      content,
      from: "alice",
      timestamp: 1,
      ...more,
    };
    const reply = new FakeReply(chat.id);
    return { reply, settled: inbound.answer(chat, reply) };
  };
  return { inbound, present, problems, challenged, ask };
}

Deno.test("tokens travel as they are made, and the final adds nothing", async () => {
  const host = fakeHost(async ({ callbacks, deliver }) => {
    callbacks.onAssistantMessageStart?.();
    for (const text of ["one", "one two", "one two three"]) callbacks.onPartialReply?.({ text });
    await deliver({ text: "one two three" }, "final");
  });
  const { ask } = parts(host);
  const { reply, settled } = ask("hello");
  await settled;
  assert.deepEqual(reply.said, ["one", " two", " three"]);
  assert.equal(host.runs[0]!.callbacks.disableBlockStreaming, true);
});

Deno.test("two people have two sessions although the host's scope is one for all", async () => {
  const host = fakeHost();
  host.settings = { session: { dmScope: "main" } };
  const { ask } = parts(host);
  await ask("a", { userId: "alice" }).settled;
  await ask("b", { userId: "bob" }).settled;
  await ask("c", { userId: "bob", conversationId: "c-2" }).settled;
  assert.deepEqual(host.runs.map((run) => run.route.sessionKey), [
    "agent:main:nexus:default:direct:alice",
    "agent:main:nexus:default:direct:bob",
    "agent:main:nexus:default:direct:bob:thread:c-2",
  ]);
});

Deno.test("a second message of the same session waits for the first, another session does not", async () => {
  const gate = deferred();
  const host = fakeHost(async ({ message, deliver }) => {
    if (message.text === "slow") await gate.promise;
    await deliver({ text: `answer to ${message.text}` }, "final");
  });
  const { ask } = parts(host);
  const slow = ask("slow");
  const next = ask("next");
  const other = ask("other", { from: "bob" });
  await other.settled;
  assert.equal(host.runs.length, 2, "slow and other");
  gate.resolve();
  await Promise.all([slow.settled, next.settled]);
  assert.equal(slow.reply.text, "answer to slow");
  assert.equal(next.reply.text, "answer to next");
});

Deno.test("/stop and /approve pass a turn that runs", async () => {
  const gate = deferred();
  const host = fakeHost(async ({ message }) => {
    if (message.text === "slow") await gate.promise;
    else gate.resolve();
  });
  const { ask } = parts(host);
  const slow = ask("slow");
  const approve = ask("/approve 1 allow-once");
  await Promise.all([slow.settled, approve.settled]);
  assert.equal(host.runs.length, 2);
});

Deno.test("a command that the host passes over is answered in words", async () => {
  const { ask } = parts(fakeHost());
  const { reply, settled } = ask("/approve 1 allow-once");
  await settled;
  assert.match(reply.text, /for its owner only/);
});

Deno.test("/stop stops one's own turn even where the host takes no commands from that person", async () => {
  const host = fakeHost(({ message, callbacks }) =>
    message.text === "/stop"
      ? Promise.resolve()
      : new Promise((resolve) => callbacks.abortSignal.addEventListener("abort", () => resolve()))
  );
  const { ask } = parts(host);
  const running = ask("go on for ever");
  const stop = ask("/stop");
  await Promise.all([running.settled, stop.settled]);
  assert.equal(stop.reply.text, "Stopped.");
  const late = ask("/stop");
  await late.settled;
  assert.equal(late.reply.text, "There is nothing to stop.");
});

Deno.test("a stopped run that does not come to its end is not waited for", async () => {
  const gate = deferred();
  const host = fakeHost((
    { message },
  ) => (message.text === "/stop" ? Promise.resolve() : gate.promise));
  const { ask } = parts(host);
  const running = ask("wait for approval");
  await Promise.all([running.settled, ask("/stop").settled]);
  gate.resolve();
});

Deno.test("/stop gets through where the host lets it wait behind the very turn that it is to stop", async () => {
  const gate = deferred();
  const host = fakeHost(() => gate.promise);
  const { ask } = parts(host);
  const running = ask("wait for approval");
  const stop = ask("/stop");
  await Promise.all([running.settled, stop.settled]);
  assert.equal(stop.reply.text, "Stopped.");
  gate.resolve();
});

Deno.test("the answer to what the agent asks passes the turn that waits for it", async () => {
  const gate = deferred();
  const asked = deferred();
  const host = fakeHost(async ({ message, callbacks }) => {
    if (message.text !== "ask me") return gate.resolve();
    callbacks.onToolStart?.({ name: "ask_user", phase: "start" });
    asked.resolve();
    await gate.promise;
  });
  const { ask } = parts(host);
  const first = ask("ask me");
  await asked.promise;
  const answer = ask("blue");
  await Promise.all([first.settled, answer.settled]);
  assert.equal(host.runs.length, 2);
});

Deno.test("who waits in the lane and is stopped never reaches the agent", async () => {
  const gate = deferred();
  const host = fakeHost(() => gate.promise);
  const { ask } = parts(host);
  const first = ask("slow");
  const second = ask("never");
  second.reply.controller.abort();
  await second.settled;
  gate.resolve();
  await first.settled;
  assert.deepEqual(host.runs.map((run) => run.message.text), ["slow"]);
});

Deno.test("stop reaches a run that has begun, and its turn is not reported as failed", async () => {
  const began = deferred();
  let isStopped = false;
  const host = fakeHost(({ callbacks }) => {
    callbacks.onPartialReply?.({ text: "so far" });
    began.resolve();
    return new Promise((resolve) =>
      callbacks.abortSignal.addEventListener("abort", () => {
        isStopped = true;
        resolve();
      })
    );
  });
  const { ask, problems } = parts(host);
  const { reply, settled } = ask("go on for ever");
  await began.promise;
  assert.equal(isStopped, false);
  reply.controller.abort();
  await settled;
  assert.deepEqual([isStopped, reply.text, reply.failure, problems], [
    true,
    "so far",
    undefined,
    [],
  ]);
});

Deno.test("a stranger is told a pairing code once, and the agent hears nothing", async () => {
  const host = fakeHost();
  let code: string | undefined = "Pairing code: ABC";
  host.verdict = () => ({
    verdict: "pairing",
    challenge: (tell) => {
      if (code) tell(code);
      code = undefined;
      return Promise.resolve();
    },
  });
  const { ask } = parts(host, { dmPolicy: "pairing" });
  const first = ask("let me in");
  await first.settled;
  assert.equal(first.reply.text, "Pairing code: ABC");
  const second = ask("hello?");
  await second.settled;
  assert.match(second.reply.text, /waits for the bot's owner/);
  assert.equal(host.runs.length, 0);
});

Deno.test("who was given a code is watched for, on every question of theirs", async () => {
  const host = fakeHost();
  host.verdict = () => ({
    verdict: "pairing",
    challenge: (tell) => Promise.resolve(tell("Pairing code: ABC")),
  });
  const { ask, challenged } = parts(host, { dmPolicy: "pairing" });
  await ask("let me in", { userId: "bob" }).settled;
  assert.deepEqual(challenged, ["bob"]);
});

Deno.test("who is not on the list is refused in words, and the owner's log says why", async () => {
  const host = fakeHost();
  host.verdict = () => ({ verdict: "drop", reason: "dm_policy_not_allowlisted" });
  const { ask, problems } = parts(host, { dmPolicy: "allowlist" });
  const { reply, settled } = ask("hello", { userId: "mallory" });
  await settled;
  assert.match(reply.failure ?? "", /let you in; your id there is "mallory"/);
  assert.equal(reply.code, "bot_declined");
  assert.deepEqual(problems, ["a message of mallory was refused: dm_policy_not_allowlisted"]);
  assert.equal(host.runs.length, 0);
});

Deno.test("all images of a message are saved, and what is no image is left out and logged", async () => {
  const host = fakeHost();
  const { ask, problems } = parts(host);
  await ask("look", {
    images: [`data:image/png;base64,${PNG}`, PNG, "data:text/plain;base64,aGk="],
  }).settled;
  assert.deepEqual(host.runs[0]!.message.media.map((file) => file.path), [
    "/inbound/1",
    "/inbound/2",
  ]);
  assert.equal(problems.length, 1);
  await ask("", { image: PNG }).settled;
  assert.equal(host.runs[1]!.message.media.length, 1, "a version-1 gateway has one image");
});

Deno.test("an image or a file of the answer is shown, its text not again; a file that may not be read is not", async () => {
  const host = fakeHost(async ({ callbacks, deliver }) => {
    callbacks.onPartialReply?.({ text: "Here it is." });
    await deliver({
      text: "Here it is.",
      mediaUrls: ["/staged/a.png", "/etc/passwd", "/staged/b 1.pdf"],
    }, "block");
    await deliver({ text: "Here it is." }, "final");
  });
  host.files.set("/staged/a.png", new Uint8Array([0x89, 0x50, 0x4e, 0x47]));
  host.files.set("/staged/b 1.pdf", new Uint8Array([0x25, 0x50, 0x44, 0x46]));
  const { ask, problems } = parts(host);
  const { reply, settled } = ask("show me");
  await settled;
  assert.deepEqual(reply.images, [
    "data:image/png;base64,iVBORw==",
    "data:application/octet-stream;name=b%201.pdf;base64,JVBERg==",
  ]);
  assert.equal(reply.text, "Here it is.\n\n(An attachment could not be sent.)");
  assert.equal(problems.length, 1);
});

Deno.test("towards a version-1 gateway a file is told in words", async () => {
  const host = fakeHost(({ deliver }) =>
    deliver({ text: "Here.", mediaUrl: "/staged/b.pdf" }, "final")
  );
  host.files.set("/staged/b.pdf", new Uint8Array([0x25, 0x50, 0x44, 0x46]));
  const { reply, settled } = parts(host, {}, 1).ask("show me");
  await settled;
  assert.deepEqual(reply.images, []);
  assert.equal(reply.text, "Here.\n\n(A file that cannot be shown here: b.pdf)");
});

Deno.test("a file above the account's bound is not read for sending", async () => {
  const host = fakeHost(({ deliver }) =>
    deliver({ text: "Here.", mediaUrl: "/staged/b.pdf" }, "final")
  );
  let bound = 0;
  host.loadMedia = (_url, { maxBytes }) => Promise.reject(new Error(`above ${bound = maxBytes}`));
  const { reply, settled } = parts(host, { mediaMaxMb: 2 }).ask("show me");
  await settled;
  assert.equal(bound, 2 << 20);
  assert.equal(reply.text, "Here.\n\n(An attachment could not be sent.)");
});

Deno.test("a turn without a word ends without one", async () => {
  const host = fakeHost(async ({ deliver }) => {
    await deliver({ text: "" }, "final");
  });
  const { ask } = parts(host);
  const { reply, settled } = ask("say nothing");
  await settled;
  assert.deepEqual(reply.said, []);
});

Deno.test("reasoning and tools are told where they are wanted, and nowhere else", async () => {
  const agent: FakeHost["agent"] = async ({ callbacks, deliver }) => {
    callbacks.onReasoningStream?.({ text: "hm" });
    callbacks.onReasoningEnd?.();
    callbacks.onToolStart?.({ name: "exec", phase: "start", toolCallId: "1" });
    await deliver({ text: "private thoughts", isReasoning: true }, "block");
    await deliver({ text: "7" }, "final");
  };
  const quiet = parts(fakeHost(agent)).ask("x");
  await quiet.settled;
  assert.deepEqual([quiet.reply.thoughts, quiet.reply.steps, quiet.reply.text], [[], [], "7"]);
  const open = parts(fakeHost(agent), { showReasoning: true, showTools: true }).ask("x");
  await open.settled;
  assert.equal(open.reply.thoughts.join(""), "hm\nprivate thoughts");
  assert.deepEqual(open.reply.steps, [{ id: "1", name: "exec", status: "start" }]);
});

Deno.test("while a plugin may still rewrite what is said, nothing is told before the whole", async () => {
  const host = fakeHost(async ({ callbacks, deliver }) => {
    assert.equal(callbacks.onPartialReply, undefined);
    await deliver({ text: "rewritten" }, "final");
  });
  host.hooks = true;
  const { ask } = parts(host);
  const { reply, settled } = ask("x");
  await settled;
  assert.equal(reply.text, "rewritten");
});

Deno.test("block streaming tells blocks, and off tells wholes", async () => {
  const agent: FakeHost["agent"] = async ({ callbacks, deliver }) => {
    assert.equal(callbacks.onPartialReply, undefined);
    if (!callbacks.disableBlockStreaming) {
      await deliver({ text: "One." }, "block");
      await deliver({ text: "Two." }, "block");
    }
    await deliver({ text: "One.\n\nTwo." }, "final");
  };
  const block = parts(fakeHost(agent), { streaming: "block" }).ask("x");
  await block.settled;
  assert.deepEqual(block.reply.said, ["One.", "\n\nTwo."]);
  const off = parts(fakeHost(agent), { streaming: "off" }).ask("x");
  await off.settled;
  assert.deepEqual(off.reply.said, ["One.\n\nTwo."]);
});

Deno.test("a model that fails ends the turn as failed, in OpenClaw's words", async () => {
  const host = fakeHost(async ({ callbacks, deliver }) => {
    callbacks.onAgentRunStart?.();
    callbacks.onAgentRunTerminalOutcome?.("failed");
    await deliver({ text: "⚠️ The model is out of order.", isError: true }, "final");
  });
  const { reply, settled } = parts(host).ask("x");
  await settled;
  assert.deepEqual([reply.text, reply.failure, reply.code], [
    "",
    "The model is out of order.",
    undefined,
  ]);
});

Deno.test("a model's line that is cut for good ends the turn as incomplete, with what was told", async () => {
  const host = fakeHost(async ({ callbacks, deliver }) => {
    callbacks.onAgentRunStart?.();
    callbacks.onPartialReply?.({ text: "w1 w2 w3 w4" });
    callbacks.onAgentRunTerminalOutcome?.("failed");
    await deliver({ text: "⚠️ Timed out.", isError: true }, "final");
  });
  const { reply, settled } = parts(host).ask("x");
  await settled;
  assert.deepEqual([reply.text, reply.failure, reply.code], [
    "w1 w2 w3 w4",
    "Timed out.",
    "incomplete",
  ]);
});

Deno.test("an answer that was stopped by /stop ends as cancelled, the /stop itself as done", async () => {
  const told = deferred();
  const host = fakeHost(async ({ message, callbacks, deliver }) => {
    if (message.text === "/stop") return await deliver({ text: "⚙️ Agent was aborted." }, "final");
    callbacks.onAgentRunStart?.();
    callbacks.onPartialReply?.({ text: "w1 w2" });
    told.resolve();
    await new Promise<void>((resolve) =>
      callbacks.abortSignal.addEventListener("abort", () => resolve())
    );
  });
  const { ask } = parts(host);
  const running = ask("count");
  await told.promise;
  const stop = ask("/stop");
  await Promise.all([running.settled, stop.settled]);
  assert.deepEqual([running.reply.text, running.reply.code], ["w1 w2", "cancelled"]);
  assert.deepEqual([stop.reply.text, stop.reply.failure], ["⚙️ Agent was aborted.", undefined]);
});

Deno.test("a run that throws because it was stopped ends as cancelled as well", async () => {
  const host = fakeHost(({ message, callbacks }) =>
    message.text === "/stop" ? Promise.resolve() : new Promise((_, reject) => {
      callbacks.abortSignal.addEventListener("abort", () => reject(callbacks.abortSignal.reason));
    })
  );
  const { ask } = parts(host);
  const running = ask("count");
  await Promise.all([running.settled, ask("/stop").settled]);
  assert.equal(running.reply.code, "cancelled");
});

Deno.test("a tool that failed beside a good answer is a warning behind it, and the turn is done", async () => {
  const host = fakeHost(async ({ callbacks, deliver }) => {
    callbacks.onAgentRunStart?.();
    callbacks.onPartialReply?.({ text: "I could not write the file." });
    callbacks.onAgentRunTerminalOutcome?.("completed");
    await deliver({ text: "I could not write the file." }, "final");
    await deliver({ text: "⚠️ Write failed", isError: true }, "final");
  });
  const { reply, settled } = parts(host).ask("x");
  await settled;
  assert.deepEqual([reply.text, reply.failure], [
    "I could not write the file.\n\nWrite failed",
    undefined,
  ]);
});

Deno.test("a message that went into another run of its session is told so and is done", async () => {
  const host = fakeHost(() => Promise.resolve({ deferred: "steer" as const }));
  const { reply, settled } = parts(host).ask("x");
  await settled;
  assert.match(reply.text, /takes this into the answer that it is working on/);
  assert.equal(reply.failure, undefined);
});

Deno.test("an answer that comes as an outgoing message is shown in the turn that waits for it, once", async () => {
  const host = fakeHost(({ callbacks }) => {
    callbacks.onAgentRunStart?.();
    callbacks.onPartialReply?.({ text: "one two" });
    present.find({ kind: "user", id: "alice" })!.answer.beside("one two three");
    present.find({ kind: "user", id: "alice" })!.answer.beside("🔒 Approve?");
    return Promise.resolve({ deferred: "followup" as const });
  });
  const { ask, present } = parts(host);
  const { reply, settled } = ask("x");
  await settled;
  assert.deepEqual([reply.text, reply.failure], ["one two three\n\n🔒 Approve?", undefined]);
});

Deno.test("what an approval has to say goes to the turn that waits for it, and not to the command", async () => {
  const gate = deferred();
  const host = fakeHost(async ({ message }) => {
    if (message.text === "work") await gate.promise;
    else present.find({ kind: "user", id: "alice" })!.answer.beside("✅ Allowed once.");
  });
  const { ask, present } = parts(host);
  const working = ask("work");
  const approve = ask("/approve 1 allow-once");
  await approve.settled;
  gate.resolve();
  await working.settled;
  assert.equal(working.reply.text, "✅ Allowed once.");
  assert.doesNotMatch(approve.reply.text, /Allowed/);
});

Deno.test("the end of a command carries what it printed, and is told once", async () => {
  const host = fakeHost(async ({ callbacks, deliver }) => {
    const call = { toolCallId: "1", name: "exec" };
    const item = { ...call, kind: "tool", title: "Exec print text", commandBearing: true };
    callbacks.onItemEvent?.({ ...item, phase: "start" });
    callbacks.onCommandOutput?.({ ...call, phase: "delta", output: "forty" });
    callbacks.onItemEvent?.({ ...item, phase: "end", status: "completed" });
    callbacks.onCommandOutput?.({ ...call, phase: "end", status: "completed" });
    callbacks.onCommandOutput?.({
      ...call,
      phase: "end",
      status: "completed",
      output: "forty-two",
      exitCode: 0,
    });
    callbacks.onItemEvent?.({ ...item, toolCallId: "2", phase: "start" });
    callbacks.onItemEvent?.({ ...item, toolCallId: "2", phase: "end", status: "completed" });
    await deliver({ text: "done" }, "final");
  });
  const { reply, settled } = parts(host, { showTools: true }).ask("x");
  await settled;
  const exec = { id: "1", name: "exec", title: "Exec print text" };
  assert.deepEqual(reply.steps, [
    { ...exec, status: "start" },
    { ...exec, status: "end", output: "forty-two", exitCode: 0 },
    { ...exec, id: "2", status: "start" },
    { ...exec, id: "2", status: "end" },
  ]);
});

Deno.test("a question that came while OpenClaw's state was held is answered, once", async () => {
  let tries = 0;
  const host = fakeHost(({ callbacks, deliver }) => {
    if (++tries === 1) {
      return Promise.reject(new Error("another OpenClaw process owns state-lifecycle"));
    }
    callbacks.onAgentRunStart?.();
    return deliver({ text: "here" }, "final");
  });
  const { reply, settled } = parts(host).ask("x");
  await settled;
  assert.deepEqual([reply.text, tries], ["here", 2]);
});

Deno.test("a lane that is full says so", async () => {
  const gate = deferred();
  const host = fakeHost(() => gate.promise);
  const { ask } = parts(host);
  const turns = Array.from({ length: 21 }, (_, i) => ask(`m${i}`));
  const late = ask("one too many");
  await late.settled;
  assert.match(late.reply.failure ?? "", /wait already/);
  assert.equal(late.reply.code, "queue_full");
  gate.resolve();
  await Promise.all(turns.map((turn) => turn.settled));
  assert.equal(host.runs.length, 21);
});
