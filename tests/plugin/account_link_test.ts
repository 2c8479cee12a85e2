/** The line and the way out, over a real socket. */
import assert from "node:assert/strict";
import {
  type AccountLink,
  AccountLinks,
  type AccountStatus,
} from "../../plugin/src/account_link.ts";
import { sendMessage } from "../../plugin/src/outbound.ts";
import { issuesOf, probeAccount } from "../../plugin/src/status.ts";
import { account, deferred, fakeHost } from "./fake_host.ts";

type Frame = Record<string, unknown>;

/** A gateway of a few lines: takes bots in, and keeps what they say. */
class FakeGateway {
  readonly heard: Frame[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #sockets: WebSocket[] = [];
  #waiting: { test: (frame: Frame) => boolean; resolve: (frame: Frame) => void }[] = [];
  registrations = 0;

  constructor(readonly protocol: 1 | 2, readonly close?: number) {
    this.#server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
      const { socket, response } = Deno.upgradeWebSocket(request);
      this.#sockets.push(socket);
      socket.onmessage = ({ data }) => this.#hear(socket, JSON.parse(data));
      return response;
    });
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#server.addr.port}/bot-ws`;
  }

  #hear(socket: WebSocket, frame: Frame): void {
    this.heard.push(frame);
    this.#waiting = this.#waiting.filter(({ test, resolve }) =>
      !test(frame) || (resolve(frame), false)
    );
    if (frame.type === "register") {
      this.registrations++;
      if (this.close) return socket.close(this.close, "no");
      const more = this.protocol === 2
        ? { protocol: 2, pingInterval: 30_000, botTimeout: 90_000, grace: 15_000 }
        : {};
      socket.send(JSON.stringify({ type: "registered", success: true, ...more }));
    }
    if (frame.type === "reply" && this.protocol === 2) {
      socket.send(JSON.stringify({ type: "ack", replyTo: frame.replyTo, seq: frame.seq }));
    }
    if (frame.type === "push") {
      const known = frame.to !== "user:nobody";
      socket.send(
        JSON.stringify({
          type: "pushed",
          id: frame.id,
          success: known,
          error: known ? undefined : "not_found",
        }),
      );
    }
  }

  /** The first frame, heard or to come, that passes. */
  frame(test: (frame: Frame) => boolean): Promise<Frame> {
    const found = this.heard.find(test);
    return found
      ? Promise.resolve(found)
      : new Promise((resolve) => this.#waiting.push({ test, resolve }));
  }

  say(frame: Frame): void {
    this.#sockets.at(-1)!.send(JSON.stringify(frame));
  }

  cut(): void {
    this.#sockets.at(-1)!.close(4000);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#sockets.map((socket) =>
      new Promise<void>((resolve) => {
        if (socket.readyState === WebSocket.CLOSED) return resolve();
        socket.onclose = () => resolve();
        socket.close();
      })
    ));
    await this.#server.shutdown();
  }
}

async function running(
  gateway: FakeGateway,
  use: (
    parts: {
      lines: AccountLinks;
      line: () => AccountLink;
      status: () => AccountStatus;
      host: ReturnType<typeof fakeHost>;
    },
  ) => Promise<void>,
): Promise<AccountStatus> {
  const lines = new AccountLinks();
  const host = fakeHost();
  const stop = new AbortController();
  let status: AccountStatus = {};
  const done = lines.run({
    account: account({ serverUrl: gateway.url, reconnectInterval: 100 }),
    host,
    signal: stop.signal,
    log: { info() {}, warn() {}, error() {} },
    tell: (more) => status = { ...status, ...more },
  });
  try {
    await gateway.frame((frame) => frame.type === "register");
    await use({ lines, line: () => lines.get("default")!, status: () => status, host });
  } finally {
    stop.abort();
    await done;
    await gateway.stop();
  }
  return status;
}

Deno.test("an account is dialled, tells how it stands, and is left when it is stopped", async () => {
  const gateway = new FakeGateway(2);
  const states: (string | undefined)[] = [];
  const end = await running(gateway, async ({ line, status }) => {
    await line().bot.ready();
    states.push(status().lifecycle);
    assert.equal(status().connected, true);
    assert.equal(gateway.heard[0]!.botId, "claw");
  });
  assert.deepEqual(states, ["ready"]);
  assert.equal(end.lifecycle, "stopped");
  assert.equal(end.running, false);
});

Deno.test("a gateway that restarts is found again, and what it missed is sent", async () => {
  const gateway = new FakeGateway(2);
  await running(gateway, async ({ line, host, status }) => {
    await line().bot.ready();
    const gate = deferred();
    host.agent = async ({ callbacks, deliver }) => {
      callbacks.onPartialReply?.({ text: "before" });
      await gate.promise;
      callbacks.onPartialReply?.({ text: "before and after" });
      await deliver({ text: "before and after" }, "final");
    };
    gateway.say({
      type: "chat",
      id: "t1",
      content: "hi",
      from: "alice",
      userId: "alice",
      timestamp: 1,
    });
    await gateway.frame((frame) => frame.content === "before");
    gateway.cut();
    gate.resolve();
    const again = await gateway.frame((frame) =>
      frame.type === "register" && Array.isArray(frame.resume)
    );
    assert.deepEqual(again.resume, [{ replyTo: "t1", seq: 1 }]);
    assert.equal(gateway.registrations, 2);
    await line().bot.ready();
    assert.equal(status().lifecycle, "ready");
  });
});

Deno.test("a refusal is final: the account is blocked, says why, and does not dial again", async () => {
  const gateway = new FakeGateway(2, 4100);
  await running(gateway, async ({ line, status }) => {
    await line().bot.ready().then(() => assert.fail("it was refused"), () => {});
    assert.equal(status().lifecycle, "blocked");
    assert.match(status().lastError ?? "", /until the configuration changes/);
    assert.equal(gateway.registrations, 1);
  });
});

Deno.test("an account that cannot dial says what is missing, and a secret that was not resolved is not sent", async () => {
  const start = (fields: Record<string, unknown>) =>
    new AccountLinks().run({
      account: account(fields),
      host: fakeHost(),
      signal: new AbortController().signal,
      log: console,
      tell: () => {},
    });
  await assert.rejects(start({ botId: "" }), /set botId in channels\.nexus/);
  await assert.rejects(
    start({ token: { source: "env", provider: "default", id: "X" } }),
    /secret reference/,
  );
});

Deno.test("a message that nobody asked for is pushed, with the gateway's receipt", async () => {
  const gateway = new FakeGateway(2);
  await running(gateway, async ({ lines, line }) => {
    await line().bot.ready();
    const sent = await sendMessage(lines, {
      accountId: "default",
      to: "nexus:user:bob",
      text: "good morning",
      id: "m1",
    });
    assert.deepEqual(sent, { messageId: "m1", to: "user:bob" });
    const push = gateway.heard.find((frame) => frame.type === "push");
    assert.deepEqual(push, {
      type: "push",
      to: "user:bob",
      content: "good morning",
      images: [],
      id: "m1",
    });
    await assert.rejects(
      sendMessage(lines, { accountId: "default", to: "user:nobody", text: "x" }),
      /did not take it: not_found/,
    );
    await assert.rejects(
      sendMessage(lines, { accountId: "other", to: "user:bob", text: "x" }),
      /"other" is not running/,
    );
    await assert.rejects(
      sendMessage(lines, { accountId: "default", to: "user:bob", text: " " }),
      /neither a text nor an image/,
    );
  });
});

Deno.test("a file is pushed by its name; a version-1 gateway is told of it in words", async () => {
  const media = { bytes: new TextEncoder().encode("hi"), type: "text/csv", fileName: "a b.csv" };
  const outgoing = { accountId: "default", to: "user:bob", text: "", media, id: "m2" };
  const gateway = new FakeGateway(2);
  await running(gateway, async ({ lines, line }) => {
    await line().bot.ready();
    await sendMessage(lines, outgoing);
    const push = gateway.heard.find((frame) => frame.type === "push");
    assert.deepEqual([push!.content, push!.images], ["", [
      "data:text/csv;name=a%20b.csv;base64,aGk=",
    ]]);
  });
  const old = new FakeGateway(1);
  await running(old, async ({ lines, line, host }) => {
    await line().bot.ready();
    host.agent = async () =>
      void await sendMessage(lines, { ...outgoing, to: "user:alice", text: "Look:" });
    old.say({ type: "chat", id: "t1", content: "hi", from: "alice", timestamp: 1 });
    await old.frame((frame) => frame.done === true);
    assert.equal(
      old.heard.filter((frame) => frame.type === "reply").map((frame) => frame.content).join(""),
      "Look:\n\n(A file that cannot be shown here: a b.csv)",
    );
  });
});

Deno.test("a question for approval is shown inside the turn that waits for it", async () => {
  const gateway = new FakeGateway(2);
  await running(gateway, async ({ lines, line, host }) => {
    await line().bot.ready();
    host.agent = async ({ callbacks, message }) => {
      callbacks.onPartialReply?.({ text: "I want to run it." });
      await sendMessage(lines, {
        accountId: "default",
        to: `user:${message.senderId}`,
        text: "Approve?",
        threadId: message.conversationId,
      });
      callbacks.onPartialReply?.({ text: "I want to run it. Done." });
    };
    gateway.say({
      type: "chat",
      id: "t1",
      content: "hi",
      from: "Alice",
      userId: "alice",
      conversationId: "c-1",
      timestamp: 1,
    });
    await gateway.frame((frame) => frame.done === true);
    const text = gateway.heard.filter((frame) => frame.type === "reply").flatMap((frame) =>
      frame.content
    ).join("");
    assert.equal(text, "I want to run it.\n\nApprove?\n\nDone.");
    assert.equal(gateway.heard.some((frame) => frame.type === "push"), false);
  });
});

Deno.test("towards a version-1 gateway a push is only possible inside an open turn, and says so otherwise", async () => {
  const gateway = new FakeGateway(1);
  await running(gateway, async ({ lines, line, host }) => {
    await line().bot.ready();
    await assert.rejects(
      sendMessage(lines, { accountId: "default", to: "user:alice", text: "x" }),
      /no open question/,
    );
    host.agent = async ({ callbacks }) => {
      callbacks.onPartialReply?.({ text: "a" });
      await sendMessage(lines, { accountId: "default", to: "user:alice", text: "b" });
    };
    gateway.say({ type: "chat", id: "t1", content: "hi", from: "alice", timestamp: 1 });
    await gateway.frame((frame) => frame.done === true);
    assert.equal(
      gateway.heard.filter((frame) => frame.type === "reply").map((frame) => frame.content).join(
        "",
      ),
      "a\n\nb",
    );
  });
});

Deno.test("a probe dials without registering", async () => {
  const gateway = new FakeGateway(2);
  const found = await probeAccount(account({ serverUrl: gateway.url }), 2000);
  assert.equal(found.ok, true);
  assert.equal(gateway.registrations, 0);
  await gateway.stop();
  const gone = await probeAccount(account({ serverUrl: gateway.url }), 2000);
  assert.equal(gone.ok, false);
  assert.equal(
    (await probeAccount(account({ botId: "" }), 10)).error,
    "set botId in channels.nexus",
  );
});

Deno.test("the status names what its owner should do something about", () => {
  const issues = issuesOf([
    { accountId: "a", configured: false },
    { accountId: "b", configured: true, lifecycle: "blocked", lastError: "the token is wrong" },
    {
      accountId: "c",
      configured: true,
      lifecycle: "recovering",
      lastError: "the line was cut",
      sharesMain: true,
    },
    { accountId: "d", configured: true, lifecycle: "ready", dmPolicy: "open" },
    { accountId: "e", enabled: false, configured: false },
  ]);
  assert.deepEqual(issues.map((issue) => `${issue.accountId} ${issue.kind}`), [
    "a config",
    "b auth",
    "c runtime",
    "d config",
    "c config",
  ]);
  assert.deepEqual(
    issuesOf([{ accountId: "x", configured: true, lifecycle: "ready", dmPolicy: "pairing" }]),
    [],
  );
});
