import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { DingTalkChannel } from "../../../src/channels/dingtalk/channel.ts";
import { DingTalkSettings } from "../../../src/channels/dingtalk/settings.ts";
import { publicFetch } from "../../../src/channels/http/public_fetch.ts";
import { SendBudget } from "../../../src/channels/im/send_budget.ts";
import type { Message } from "../../../src/core/message.ts";
import { DingTalkEmulator, type DingTalkParts } from "../../../src/emulate/dingtalk/emulator.ts";
import { faultyFetch, type FaultyFetchParts } from "../../../src/emulate/faulty_fetch.ts";
import { Notes, type Script, ScriptedGateway, stageClock } from "../im/stage.ts";

export const KEYS = { clientId: "dingkey", clientSecret: "secret" };

export interface Setting {
  readonly settings?: Record<string, unknown>;
  readonly script?: (message: Message) => Script;
  readonly wire?: Partial<FaultyFetchParts>;
  readonly platform?: Partial<DingTalkParts>;
}

/** One DingTalk app beside the emulated platform, on a driven clock. */
export async function stage(setting: Setting = {}) {
  const clock = stageClock();
  const store = new MemoryStore({ now: () => clock.now() });
  const budget = new SendBudget({ clock, store });
  const notes = new Notes();
  const gateway = new ScriptedGateway(
    clock,
    setting.script ?? (() => ({ pieces: [[100, "你好，"], [900, "世界。"]] })),
  );
  const emulator: DingTalkEmulator = new DingTalkEmulator({
    ...KEYS,
    clock,
    deliver: (request) => channel.fetch(request, "10.0.0.1"),
    ...setting.platform,
  });
  const settings = DingTalkSettings.parse({
    ...KEYS,
    mode: "webhook",
    cardTemplateId: "tpl.schema",
    ...setting.settings,
  });
  const random = () => 0.5;
  const slow: [RegExp, number][] = [];
  const calls: string[] = [], publicCalls: string[] = [];
  const once: [RegExp, Response][] = [];
  let downloadsAt: string | undefined;
  const answer = async (request: Request): Promise<Response> => {
    calls.push(request.url);
    for (const [path, ms] of slow) {
      if (path.test(request.url)) await new Promise<void>((done) => clock.after(ms, done));
    }
    const at = once.findIndex(([path]) => path.test(request.url));
    if (at >= 0) return once.splice(at, 1)[0]![1];
    if (downloadsAt && request.url.includes("messageFiles")) {
      return Response.json({ downloadUrl: downloadsAt });
    }
    return await emulator.fetch(request);
  };
  const channel: DingTalkChannel = new DingTalkChannel("main", settings, {
    gateway,
    account: () => undefined,
    store,
    budget,
    clock,
    observer: notes,
    random,
    fetchPublic: (input, init) => {
      publicCalls.push(String(input));
      return publicFetch(input, init);
    },
    fetch: faultyFetch(
      { clock, random, latency: [80, 80], ...setting.wire },
      answer,
      () => emulator.throttle(),
    ),
  });
  await channel.start();
  return {
    clock,
    store,
    notes,
    gateway,
    emulator,
    channel,
    budget,
    calls,
    publicCalls,
    /** Calls to these addresses take so many milliseconds longer. */
    slow: (path: RegExp, ms: number) => void slow.push([path, ms]),
    /** The next call to such an address gets this. */
    answerOnce: (response: Response, path = /v1\.0\/(card|robot)/) =>
      void once.push([path, response]),
    /** Where downloads are said to be. */
    set downloadsAt(url: string) {
      downloadsAt = url;
    },
    async settle(limit = 3_600_000) {
      await clock.advance(10);
      assert.ok(
        await clock.until(() => channel.inbox.open === 0, limit),
        "something is still being delivered",
      );
    },
    finals: (chat: string) => emulator.log.finals(chat).map((m) => [m.kind, m.text]),
    async [Symbol.asyncDispose]() {
      emulator.stop();
      budget.stop();
      await channel.stop();
    },
  };
}
