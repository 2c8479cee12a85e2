import assert from "node:assert/strict";
import { type Bot, connect } from "../../src/bots/client.ts";
import { answer } from "../../examples/conform_bot.ts";
import { type CaseResult, conformBot, runConform, scoreOf } from "../../src/conform/conform.ts";

/** Quick, because the bots under test are. */
const QUICK = { patience: 3000, redial: 5000, stayAway: 300 };

/** Starts a bot on our client; `protocol` 1 makes it a bot that never heard of version 2. */
function ours(url: string, protocol: 1 | 2 = 2): () => Promise<void> {
  const bot: Bot = connect({
    ...{ url, botId: "subject", token: "t", protocol, reconnectInterval: 10, onProblem() {} },
    answer: (chat, reply) => answer(chat, reply, () => bot),
  });
  return () => bot.close();
}

/** `name: seen` of the cases with that result. */
function named(results: readonly CaseResult[], which: CaseResult["result"]): string[] {
  return results.filter(({ result }) => result === which).map(({ name, seen }) =>
    `${name}: ${seen}`
  );
}

Deno.test("our client passes every case for a bot", async () => {
  const results = await conformBot({ ...QUICK, start: ours });
  assert.deepEqual(results.filter(({ result }) => result !== "pass"), []);
  assert.ok(results.length >= 50);
});

Deno.test("our client as a version-1 bot passes what holds for version 1", async () => {
  const results = await conformBot({ ...QUICK, start: (url) => ours(url, 1) });
  assert.deepEqual(named(results, "fail"), []);
  assert.ok(scoreOf(results).passed >= 20, JSON.stringify(scoreOf(results)));
  assert.ok(named(results, "skipped").every((text) => text.endsWith("the bot speaks version 1")));
});

Deno.test("a case's name is its own, and its link leads to a heading of the protocol page", async () => {
  const { BOT_CASES } = await import("../../src/conform/bot_cases/bot_cases.ts");
  const { GATEWAY_CASES } = await import("../../src/conform/gateway_cases/gateway_cases.ts");
  const page = await Deno.readTextFile(new URL("../../docs/protocol.md", import.meta.url));
  const anchors = page.matchAll(/^#+ (.*)$/gm).map(([, title]) =>
    title!.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-")
  );
  const known = new Set(anchors);
  for (const cases of [BOT_CASES, GATEWAY_CASES]) {
    const names = cases.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const { name, anchor } of cases) {
      assert.ok(known.has(anchor), `${name} links to #${anchor}`);
    }
  }
});

/** A bot that does as much as `faults` leave it, on a bare WebSocket. */
function broken(faults: Partial<Record<string, boolean>>) {
  return (url: string): () => Promise<void> => {
    let stopped = false;
    let socket: WebSocket;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const dial = () => {
      if (stopped) return;
      socket = new WebSocket(url);
      const say = (frame: unknown) =>
        socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(frame));
      socket.onopen = () => {
        if (faults.hello) say({ type: "hello" });
        say({
          type: "register",
          botId: faults.id ? "two words" : "broken",
          botName: "Broken",
          token: "t",
          protocol: 2,
        });
      };
      socket.onmessage = ({ data }) => {
        const frame = faults.fragile ? JSON.parse(data) : read(data);
        if (frame?.type === "ping" && !faults.deaf) say({ type: "pong" });
        if (frame?.type !== "chat" || typeof frame.id !== "string") return;
        const text = String(frame.content).replace(/^\/conform echo /, "");
        const seq = faults.numbers ? 7 : 1;
        say({
          type: "reply",
          replyTo: frame.id,
          seq,
          content: faults.mangles ? text.slice(0, 500) : text,
          done: false,
        });
        say({ type: "reply", replyTo: frame.id, seq: seq + 1, content: "", done: true });
        if (faults.chatty) {
          say({
            type: "reply",
            replyTo: frame.id,
            seq: seq + 2,
            content: "one more thing",
            done: true,
          });
        }
      };
      socket.onerror = () => {};
      socket.onclose = () => timer = setTimeout(dial, 10);
    };
    dial();
    return async () => {
      stopped = true;
      clearTimeout(timer);
      if (socket.readyState >= WebSocket.CLOSING) return;
      await new Promise((resolve) => (socket.onclose = resolve, socket.close()));
    };
  };
}

function read(text: unknown) {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

const FAULTS: [fault: string, only: string[], failed: string[]][] = [
  ["none", ["register", "answers", "numbered", "exact-text", "long-question"], []],
  ["hello", ["register-first", "register-waits"], ["register-first", "register-waits"]],
  ["id", ["register-fields", "register-first"], ["register-fields"]],
  ["deaf", ["pong"], ["pong", "pong-while-answering"]],
  ["numbers", ["numbered"], ["numbered"]],
  ["mangles", ["exact-text", "long-question"], ["long-question"]],
  ["chatty", ["nothing-after-the-end"], ["nothing-after-the-end"]],
  ["stubborn", ["refused-for-good"], ["refused-for-good"]],
  ["forgetful", ["cancel-unknown"], ["cancel-unknown"]],
];

for (const [fault, only, failed] of FAULTS) {
  Deno.test(`a bot with the fault "${fault}" fails ${failed.join(" and ") || "nothing that it does right"}`, async () => {
    const target = { patience: 700, redial: 2000, stayAway: 200, start: broken({ [fault]: true }) };
    assert.deepEqual(
      named(await conformBot(target, { only }), "fail").map((text) => text.split(":")[0]),
      failed,
    );
  });
}

Deno.test("the command prints where it listens, waits for the bot, and scores it", async () => {
  const lines: string[] = [];
  let stop: (() => Promise<void>) | undefined;
  const code = await runConform([
    "ws://127.0.0.1:0/bot-ws",
    "--only",
    "register-f",
    "--only",
    "exact-text",
  ], (line) => {
    lines.push(line);
    const [, url] = /^Waiting for the bot at (ws:\S+)$/.exec(line) ?? [];
    if (url) stop = ours(url);
  });
  await stop?.();
  assert.equal(code, 0, lines.join("\n"));
  assert.match(lines.at(-1)!, /3 cases: 3 passed, 0 failed, 0 skipped/);
});

Deno.test("a bot that never dials is told of, with exit code 1", async () => {
  const lines: string[] = [];
  assert.equal(await runConform(["--redial", "50"], (line) => lines.push(line)), 1);
  assert.match(lines.at(-1)!, /the bot's next dial did not come within 50 ms/);
});
