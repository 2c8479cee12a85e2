import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { WecomBot } from "../../../src/channels/wecom/aibot.ts";
import { WecomApp } from "../../../src/channels/wecom/app.ts";
import { WecomAppSettings, WecomBotSettings } from "../../../src/channels/wecom/settings.ts";
import { publicFetch } from "../../../src/channels/http/public_fetch.ts";
import { SendBudget } from "../../../src/channels/im/send_budget.ts";
import type { Message } from "../../../src/core/message.ts";
import { WecomEmulator } from "../../../src/emulate/wecom/emulator.ts";
import { faultyFetch, type FaultyFetchParts } from "../../../src/emulate/faulty_fetch.ts";
import { Notes, type Script, ScriptedGateway, stageClock } from "../im/stage.ts";

export const AES = "BRAbJjE8R1JdaHN+iZSfqrXAy9bh7PcCDRgjLjlET1o";
export const KEYS = {
  corpId: "ww01",
  agentId: 1000002,
  secret: "secret",
  botId: "bot1",
  token: "token",
  encodingAesKey: AES,
};

export interface Setting {
  readonly kind: "app" | "poll" | "socket";
  readonly settings?: Record<string, unknown>;
  readonly script?: (message: Message) => Script;
  readonly wire?: Partial<FaultyFetchParts>;
}

/** One WeCom app or AI bot beside the emulated platform, on a driven clock. */
export async function stage(setting: Setting) {
  const clock = stageClock();
  const store = new MemoryStore({ now: () => clock.now() });
  const budget = new SendBudget({ clock, store });
  const notes = new Notes();
  const gateway = new ScriptedGateway(
    clock,
    setting.script ?? (() => ({ pieces: [[100, "你好，"], [900, "世界。"]] })),
  );
  const emulator: WecomEmulator = new WecomEmulator({
    ...KEYS,
    clock,
    deliver: (request) => channel.fetch(request, "10.0.0.1"),
  });
  const random = () => 0.5;
  const calls: string[] = [], publicCalls: string[] = [];
  const slow: [RegExp, number][] = [];
  const parts = {
    gateway,
    account: () => undefined,
    store,
    budget,
    clock,
    observer: notes,
    random,
    fetchPublic: ((input, init) => {
      publicCalls.push(String(input));
      return publicFetch(input, init);
    }) as typeof fetch,
    fetch: faultyFetch(
      { clock, random, latency: [60, 60], ...setting.wire },
      async (r) => {
        calls.push(r.url);
        for (const [path, ms] of slow) {
          if (path.test(r.url)) await new Promise<void>((done) => clock.after(ms, done));
        }
        return await emulator.fetch(r);
      },
      () => emulator.throttle(),
    ),
  };
  const channel: WecomApp | WecomBot = setting.kind === "app"
    ? new WecomApp(
      "main",
      WecomAppSettings.parse({ kind: "app", ...KEYS, ...setting.settings }),
      parts,
    )
    : new WecomBot(
      "main",
      WecomBotSettings.parse({ kind: "aibot", mode: "webhook", ...KEYS, ...setting.settings }),
      parts,
    );
  // The driven stage has no sockets: frames go over in calls, thirty milliseconds each way.
  if (setting.kind === "socket") {
    const bot = new WecomBot(
      "main",
      WecomBotSettings.parse({ kind: "aibot", mode: "socket", ...KEYS, ...setting.settings }),
      parts,
    );
    bot.connection!.sendFrame = (frame) => {
      clock.after(30, () => {
        const ack = emulator.frame(frame);
        clock.after(30, () => bot.connection!.receive(ack));
      });
      return true;
    };
    emulator.push = (frame) => {
      bot.connection!.receive(frame);
      return true;
    };
    return { ...rest(bot), channel: bot as WecomBot };
  }
  await channel.start();
  return { ...rest(channel), channel };

  function rest(channel: WecomApp | WecomBot) {
    return {
      clock,
      store,
      notes,
      gateway,
      emulator,
      budget,
      parts,
      calls,
      publicCalls,
      /** Calls to these addresses take so many milliseconds longer. */
      slow: (path: RegExp, ms: number) => void slow.push([path, ms]),
      async settle(limit = 3_600_000) {
        await clock.advance(10);
        assert.ok(
          await clock.until(() => channel.inbox.open === 0, limit),
          "something is still being delivered",
        );
        await clock.advance(2000);
      },
      finals: (chat: string) => emulator.log.finals(chat).map((m) => [m.kind, m.text]),
      async [Symbol.asyncDispose]() {
        emulator.stop();
        budget.stop();
        await channel.stop();
      },
    };
  }
}
