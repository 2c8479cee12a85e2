/**
 * The crash matrix: a real process is killed at each step of a delivery, by name, and started
 * again; every accepted message ends in exactly one visible final, or, where the platform knows no
 * idempotency, in at least one with the repeat marked.
 *
 * The everyday run kills each connector at the steps that matter most; `deno task
 * test:crash:platforms` kills them at every step.
 */
import assert from "node:assert/strict";
import type { DeliveryStep } from "../../../src/channels/im/delivery.ts";
import { type Clock, systemClock } from "../../../src/core/clock.ts";
import type { ChatLog } from "../../../src/emulate/chat_log.ts";
import { DingTalkEmulator } from "../../../src/emulate/dingtalk/emulator.ts";
import { FeishuEmulator } from "../../../src/emulate/feishu/emulator.ts";
import { serveOn } from "../../../src/emulate/serve.ts";
import { WecomEmulator } from "../../../src/emulate/wecom/emulator.ts";
import { until } from "../../world.ts";
import { DING, FEISHU, WECOM } from "./crash_keys.ts";

const STEPS: readonly (DeliveryStep | "received")[] = [
  "received",
  "accepted",
  "asked",
  "opening",
  "opened",
  "edited",
  "final_written",
  "part_sent",
  "part_recorded",
  "done",
];

/** What the everyday run takes: the steps after which the least is known. */
const SHORT: readonly string[] = ["accepted", "opening", "final_written", "part_sent"];

/** Ways that never open a place or edit one do not pass these. */
const LIVE: readonly string[] = ["opening", "opened", "edited"];

/** Timers that run faster, so that a repeat after fifteen seconds is soon there. */
function hurried(times: number): Clock {
  return {
    now: () => systemClock.now(),
    after: (ms, call) => systemClock.after(ms / times, call),
    every: (ms, call) => systemClock.every(ms / times, call),
  };
}

/** The longest wait for one step, in seconds: a restart is part of it. */
const SECONDS = 40;

const KINDS = ["feishu", "dingtalk card", "dingtalk webhook", "wecom app", "wecom bot"] as const;
const all = Deno.env.get("CRASH") === "all";

for (const kind of KINDS) {
  Deno.test(`${kind}: killed at each step, every message ends in one visible final`, () =>
    matrix(kind));
}

async function matrix(kind: typeof KINDS[number]) {
  let child: Child | undefined;
  const deliver = (request: Request) => {
    if (!child) return Promise.reject(new Error("nobody is there"));
    const url = new URL(request.url);
    return fetch(`${child.url}/${url.search}`, {
      method: request.method,
      headers: request.headers,
      body: request.body,
    });
  };
  const platform = platformOf(kind, deliver);
  const served = serveOn(0, (request) => platform.fetch(request));
  platform.origin.value = served.url;
  const dir = await Deno.makeTempDir();
  const live = kind === "feishu" || kind === "dingtalk card" || kind === "wecom bot";
  try {
    for (
      const step of STEPS.filter((step) =>
        (all || SHORT.includes(step)) && (live || !LIVE.includes(step))
      )
    ) {
      child = await start(kind, served.url, `${dir}/crash.db`);
      await (await fetch(`${child.url}/arm?step=${step}`)).text();
      platform.say(`chat_${step}`, step);
      let gone = false;
      void child.gone.then(() => gone = true);
      await until(() => gone, `the process to end at ${step}`, SECONDS);
      child = await start(kind, served.url, `${dir}/crash.db`);
      const finals = () =>
        platform.log.finals(`chat_${step}`).map((m) => m.text).filter((text) =>
          text.includes("一。")
        );
      await until(() => finals().length > 0, `a final after the restart at ${step}`, SECONDS);
      await until(
        async () => await (await fetch(`${child!.url}/open`)).text() === "0",
        `the end of all deliveries after ${step}`,
        SECONDS,
      );
      const whole = `答：一。${step}。`;
      if (kind === "dingtalk webhook") {
        // No idempotency there: what may have been sent before is sent again, and says so.
        const marked = `(possibly sent twice)\n\n${whole}`;
        assert.ok(finals().every((text) => text === whole || text === marked), finals().join("|"));
        assert.ok(
          finals().filter((text) => text === whole).length <= 1 && finals().length <= 2,
          finals().join("|"),
        );
      } else assert.deepEqual(finals(), [whole], `killed at ${step}`);
      child.kill();
      await child.gone;
    }
  } finally {
    child?.kill();
    await child?.gone;
    platform.stop();
    await served.close();
    await Deno.remove(dir, { recursive: true });
  }
}

interface Child {
  readonly url: string;
  readonly gone: Promise<unknown>;
  kill(): void;
}

async function start(kind: string, platform: string, file: string): Promise<Child> {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      new URL("./crash_child.ts", import.meta.url).pathname,
      kind,
      platform,
      file,
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`the connector did not start: ${said}`);
    said += value;
  }
  const gone = process.status.then(() => reader.cancel());
  return {
    url: said.trim(),
    gone,
    kill() {
      try {
        process.kill("SIGKILL");
      } catch (error) {
        // It has ended by itself.
        if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
      }
    },
  };
}

function platformOf(kind: string, deliver: (request: Request) => Promise<Response>): {
  readonly log: ChatLog;
  readonly origin: { value: string };
  fetch(request: Request): Promise<Response>;
  say(chat: string, text: string): void;
  stop(): void;
} {
  const origin = { value: "" };
  // WeCom and DingTalk give up after two repeats within seconds: a busy machine must start a
  // process in that time.
  const fast = kind === "feishu" ? hurried(20) : systemClock;
  if (kind === "feishu") {
    const feishu = new FeishuEmulator({ ...FEISHU, clock: fast, deliver });
    return {
      log: feishu.log,
      origin,
      fetch: (r) => feishu.fetch(r),
      say: (chat, text) => void feishu.say({ chat, text }),
      stop: () => feishu.stop(),
    };
  }
  if (kind.startsWith("dingtalk")) {
    const parts = {
      ...DING,
      clock: fast,
      deliver,
      perSecond: 40,
      get origin() {
        return origin.value;
      },
    };
    const ding = new DingTalkEmulator(parts);
    return {
      log: ding.log,
      origin,
      fetch: (r) => ding.fetch(r),
      say: (chat, text) => void ding.say({ chat, text }),
      stop: () => ding.stop(),
    };
  }
  const wecom = new WecomEmulator({ ...WECOM, clock: fast, deliver });
  const say = (from: string, text: string) =>
    void (kind === "wecom app" ? wecom.sayToApp({ from, text }) : wecom.sayToBot({ from, text }));
  return { log: wecom.log, origin, fetch: (r) => wecom.fetch(r), say, stop: () => wecom.stop() };
}
