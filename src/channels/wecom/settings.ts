/** What one WeCom app or bot is told in the configuration: `channels.wecom.NAME`. */
import { z } from "zod";
import { deskSettings, RateSetting } from "../im/settings.ts";

const limits = z.looseObject({
  person: RateSetting.optional().describe(
    "Messages of the app to one member; 28 a minute and 950 an hour unless set (documented: 30 and 1000, the rest is dropped silently).",
  ),
  chat: RateSetting.optional().describe(
    "Replies and pushes of an AI bot in one conversation; 28 a minute and 950 an hour unless set (documented: 30 and 1000).",
  ),
  api: RateSetting.optional().describe("Each API of the corp; 9,500 a minute unless set (documented: 10,000)."),
  day: z.number().int().min(1).optional().describe(
    "The app's messages a day (documented: accounts × 200); no bound unless set.",
  ),
  webhook: RateSetting.optional().describe("Messages of a group webhook; 18 a minute unless set (documented: 20)."),
}).default({});

const places = {
  baseUrl: z.url().default("https://qyapi.weixin.qq.com"),
  wsUrl: z.url().default("wss://openws.work.weixin.qq.com").describe("The AI bot's long connection."),
  limits,
  ...deskSettings,
};

const seal = {
  token: z.string().min(1).describe("Token of the callback."),
  encodingAesKey: z.string().length(43, "must have 43 letters and digits").describe("EncodingAESKey of the callback."),
};

export const WecomAppSettings = z.looseObject({
  kind: z.literal("app"),
  corpId: z.string().min(1).describe("The corp's id, `ww…`."),
  agentId: z.coerce.number().int().describe("The app's AgentId."),
  secret: z.string().min(1).describe("The app's secret; `env:NAME` reads it from the environment."),
  format: z.enum(["markdown", "text"]).default("markdown").describe("`text` also shows in the WeChat plugin."),
  ...seal,
  ...places,
});

export const WecomBotSettings = z.looseObject({
  kind: z.literal("aibot"),
  mode: z.enum(["webhook", "socket"]).default("socket").describe(
    "`socket`: the bot dials out, no public address is needed. `webhook`: WeCom calls /channels/wecom/NAME and polls the answer.",
  ),
  botId: z.string().min(1).optional().describe("The bot's id; needed for `socket`."),
  secret: z.string().min(1).optional().describe("The long connection's secret; needed for `socket`."),
  token: seal.token.optional(),
  encodingAesKey: seal.encodingAesKey.optional(),
  ...places,
});

export const WecomWebhookSettings = z.looseObject({
  kind: z.literal("webhook"),
  secret: z.string().min(1).describe("The `key` of the group robot's address."),
  ...places,
});

export const WecomSettings = z.discriminatedUnion("kind", [WecomAppSettings, WecomBotSettings, WecomWebhookSettings]);

export type WecomAppSettings = z.infer<typeof WecomAppSettings>;
export type WecomBotSettings = z.infer<typeof WecomBotSettings>;
export type WecomWebhookSettings = z.infer<typeof WecomWebhookSettings>;
export type WecomSettings = z.infer<typeof WecomSettings>;
