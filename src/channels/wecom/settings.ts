/** The settings of one WeCom app or bot: `channels.wecom.NAME` in the configuration. */
import { z } from "zod";
import { AesKeySetting, chatAppSettings, RateSetting } from "../im/settings.ts";

const limits = z.looseObject({
  person: RateSetting.optional().describe(
    "Messages of the app to one member; 28 a minute and 950 an hour unless set (documented: 30 and 1000, the rest is dropped silently).",
  ),
  chat: RateSetting.optional().describe(
    "Replies and pushes of an AI bot in one conversation; 28 a minute and 950 an hour unless set (documented: 30 and 1000).",
  ),
  api: RateSetting.optional().describe(
    "Each API of the corp; 9,500 a minute unless set (documented: 10,000).",
  ),
  day: z.number().int().min(1).optional().describe(
    "The app's messages a day (documented: accounts × 200); no bound unless set.",
  ),
  webhook: RateSetting.optional().describe(
    "Messages of a group webhook; 18 a minute unless set (documented: 20).",
  ),
}).default({});

const places = {
  baseUrl: z.url().default("https://qyapi.weixin.qq.com"),
  wsUrl: z.url().default("wss://openws.work.weixin.qq.com").describe(
    "The AI bot's long connection.",
  ),
  limits,
  ...chatAppSettings,
};

const seal = {
  token: z.string().min(1).describe("Token of the callback."),
  encodingAesKey: AesKeySetting.describe("EncodingAESKey of the callback."),
};

export const WecomAppSettings = z.looseObject({
  kind: z.literal("app"),
  corpId: z.string().min(1).describe("The corp's id, `ww…`."),
  agentId: z.coerce.number().int().describe("The app's AgentId."),
  secret: z.string().min(1).describe("The app's secret; `env:NAME` reads it from the environment."),
  format: z.enum(["markdown", "text"]).default("markdown").describe(
    "`text` also shows in the WeChat plugin.",
  ),
  ...seal,
  ...places,
});

export const WecomBotSettings = z.looseObject({
  kind: z.literal("aibot"),
  mode: z.enum(["webhook", "socket"]).default("socket").describe(
    "`socket`: the bot dials out, no public address is needed. `webhook`: WeCom calls /channels/wecom/NAME and polls the answer.",
  ),
  name: z.string().min(1).optional().describe(
    "How the bot is called in WeCom, so that a name with spaces is taken off a group's question; else its first word is.",
  ),
  corpId: z.string().min(1).optional().describe(
    "The corp whose members the bot's user ids are; with it people need no code. Absent: nobody is vouched for.",
  ),
  botId: z.string().min(1).optional().describe("The bot's id; needed for `socket`."),
  secret: z.string().min(1).optional().describe(
    "The long connection's secret; needed for `socket`.",
  ),
  token: seal.token.optional(),
  encodingAesKey: seal.encodingAesKey.optional(),
  ...places,
}).check(({ value, issues }) => {
  const needed = value.mode === "socket"
    ? ["botId", "secret"] as const
    : ["token", "encodingAesKey"] as const;
  for (const key of needed) {
    if (value[key] !== undefined) continue;
    issues.push({
      code: "custom",
      input: undefined,
      path: [key],
      message: `must be set in ${value.mode} mode`,
    });
  }
  for (const [n, { department }] of value.rules.entries()) {
    if (department === undefined) continue;
    const message =
      "never fits: WeCom tells an AI bot nobody's department; name people, or use a self-built app";
    issues.push({ code: "custom", input: department, path: ["rules", n, "department"], message });
  }
});

export const WecomWebhookSettings = z.looseObject({
  kind: z.literal("webhook"),
  secret: z.string().min(1).describe("The `key` of the group robot's address."),
  mentions: z.boolean().default(false).describe(
    "Whether `<@userid>` in what is said notifies that member. A bot that repeats somebody's words must not be able to.",
  ),
  ...places,
});

export const WecomSettings = z.discriminatedUnion("kind", [
  WecomAppSettings,
  WecomBotSettings,
  WecomWebhookSettings,
]);

export type WecomAppSettings = z.infer<typeof WecomAppSettings>;
export type WecomBotSettings = z.infer<typeof WecomBotSettings>;
export type WecomWebhookSettings = z.infer<typeof WecomWebhookSettings>;
export type WecomSettings = z.infer<typeof WecomSettings>;
