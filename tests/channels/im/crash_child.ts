/**
 * One connector in a process of its own, which kills itself without a word when it reaches the step
 * it was told: `crash_child.ts <kind> <platform's address> <store file>`. Says its own address on
 * the first line of its output.
 */
import { SqliteStore } from "../../../src/backends/sqlite.ts";
import { DingTalkChannel } from "../../../src/channels/dingtalk/channel.ts";
import { DingTalkSettings } from "../../../src/channels/dingtalk/settings.ts";
import type { Channel, ChannelParts } from "../../../src/channels/im/channel.ts";
import { LarkChannel } from "../../../src/channels/lark/channel.ts";
import { LarkSettings } from "../../../src/channels/lark/settings.ts";
import { WecomBot } from "../../../src/channels/wecom/aibot.ts";
import { WecomApp } from "../../../src/channels/wecom/app.ts";
import { WecomAppSettings, WecomBotSettings } from "../../../src/channels/wecom/settings.ts";
import { SendBudget } from "../../../src/channels/im/send_budget.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { DING, FEISHU, WECOM } from "./crash_keys.ts";
import { Notes, ScriptedGateway } from "./stage.ts";

const [kind = "", platform = "", file = ""] = Deno.args;
const store = new SqliteStore({ path: file });
let armed = "";
const parts: ChannelParts = {
  gateway: new ScriptedGateway(
    systemClock,
    ({ text }) => ({ pieces: [[50, "答："], [350, "一。"], [1200, `${text}。`]] }),
  ),
  account: () => undefined,
  store,
  budget: new SendBudget({ clock: systemClock, store }),
  clock: systemClock,
  observer: new Notes(),
  onStep(step) {
    if (step === armed) Deno.kill(Deno.pid, "SIGKILL");
  },
};
const channel = make();
const server = Deno.serve({
  port: 0,
  hostname: "127.0.0.1",
  onListen: ({ port }) => console.log(`http://127.0.0.1:${port}`),
}, async (request) => {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/arm") {
    armed = searchParams.get("step") ?? "";
    return new Response("armed");
  }
  if (pathname === "/open") return new Response(String(channel.inbox.open));
  try {
    return await channel.fetch(request);
  } catch (_notStored) {
    return new Response(null, { status: 503 });
  }
});
await channel.start();
await server.finished;

function make(): Channel {
  switch (kind) {
    case "feishu":
      return new LarkChannel(
        "main",
        LarkSettings.parse({ ...FEISHU, mode: "webhook", baseUrl: platform }),
        parts,
      );
    case "dingtalk card":
    case "dingtalk webhook": {
      const cardTemplateId = kind === "dingtalk card" ? "tpl" : undefined;
      const urls = { baseUrl: platform, oapiBaseUrl: platform };
      const settings = {
        ...DING,
        mode: "webhook",
        cardTemplateId,
        pace: "free",
        edition: "professional",
        ...urls,
      };
      return new DingTalkChannel("main", DingTalkSettings.parse(settings), parts);
    }
    case "wecom app":
      return new WecomApp(
        "main",
        WecomAppSettings.parse({ kind: "app", ...WECOM, baseUrl: platform }),
        parts,
      );
    default:
      return new WecomBot(
        "main",
        WecomBotSettings.parse({ kind: "aibot", mode: "webhook", ...WECOM, baseUrl: platform }),
        parts,
      );
  }
}
