import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { LarkChannel } from "../../../src/channels/lark/channel.ts";
import { LarkSettings } from "../../../src/channels/lark/settings.ts";
import { SendBudget } from "../../../src/channels/im/send_budget.ts";
import type { NexusError } from "../../../src/core/error.ts";
import type { Message } from "../../../src/core/message.ts";
import { FeishuEmulator } from "../../../src/emulate/feishu/emulator.ts";
import { faultyFetch, type FaultyFetchParts } from "../../../src/emulate/faulty_fetch.ts";
import { Notes, type Script, ScriptedGateway, stageClock } from "../im/stage.ts";

export const KEYS = {
  appId: "cli_0123456789abcdef",
  appSecret: "secret",
  encryptKey: "key",
  verificationToken: "token",
};

export interface Setting {
  readonly settings?: Record<string, unknown>;
  readonly script?: (message: Message) => Script | NexusError;
  readonly wire?: Partial<FaultyFetchParts>;
  readonly store?: MemoryStore;
}

/** One Feishu app beside the emulated platform, on a driven clock. */
export async function stage(setting: Setting = {}) {
  const clock = stageClock();
  const store = setting.store ?? new MemoryStore({ now: () => clock.now() });
  const budget = new SendBudget({ clock, store });
  const notes = new Notes();
  const gateway = new ScriptedGateway(
    clock,
    setting.script ?? (() => ({ pieces: [[100, "你好，"], [900, "世界。"]] })),
  );
  const emulator: FeishuEmulator = new FeishuEmulator({
    ...KEYS,
    clock,
    deliver: (request) => channel.fetch(request, "10.0.0.1"),
  });
  const settings = LarkSettings.parse({ ...KEYS, mode: "webhook", ...setting.settings });
  const random = () => 0.5;
  const slow: [RegExp, number][] = [];
  const calls: string[] = [];
  let refusing: ((body: string, url: string) => boolean) | undefined, code = 0;
  const platform = async (request: Request): Promise<Response> => {
    calls.push(request.url);
    for (const [path, ms] of slow) {
      if (path.test(request.url)) await new Promise<void>((done) => clock.after(ms, done));
    }
    if (refusing?.(await request.clone().text(), request.url)) {
      return Response.json({ code, msg: "refused" }, { status: 400 });
    }
    return await emulator.fetch(request);
  };
  const channel: LarkChannel = new LarkChannel("main", settings, {
    gateway,
    account: (name) =>
      name === "alice"
        ? { id: "alice", name: "Alice", role: "member" }
        : name === "boss"
        ? { id: "boss", name: "Boss", role: "admin" }
        : undefined,
    store,
    budget,
    clock,
    observer: notes,
    random,
    fetch: faultyFetch(
      { clock, random, latency: [60, 60], ...setting.wire },
      platform,
      () => emulator.throttle(),
    ),
  });
  await channel.start();
  return {
    clock,
    store,
    budget,
    notes,
    gateway,
    emulator,
    channel,
    /** Calls to these addresses take so many milliseconds longer. */
    slow: (path: RegExp, ms: number) => void slow.push([path, ms]),
    /** Calls like these are refused with a code. */
    refuse(which: (body: string, url: string) => boolean, with_: number) {
      refusing = which;
      code = with_;
    },
    /** How many calls went to these addresses. */
    calls: (path: RegExp) => calls.filter((url) => path.test(url)).length,
    /** Goes on until nothing is being delivered. */
    async settle(limit = 3_600_000) {
      await clock.advance(10);
      assert.ok(
        await clock.until(() => channel.inbox.open === 0, limit),
        "something is still being delivered",
      );
    },
    async [Symbol.asyncDispose]() {
      emulator.stop();
      budget.stop();
      await channel.stop();
    },
  };
}
