/** The settings of one DingTalk app: `channels.dingtalk.NAME` in the configuration. */
import { z } from "zod";
import { AesKeySetting, chatAppSettings, RateSetting } from "../im/settings.ts";

export const DingTalkSettings = z.looseObject({
  clientId: z.string().min(1).describe("Client ID (AppKey) of the app."),
  clientSecret: z.string().min(1).describe(
    "Client Secret (AppSecret); `env:NAME` reads it from the environment.",
  ),
  robotCode: z.string().min(1).optional().describe("The robot's code; the Client ID unless set."),
  corpId: z.string().min(1).optional().describe(
    "The organisation, where several apps share its monthly quota.",
  ),
  mode: z.enum(["webhook", "stream"]).default("stream").describe(
    "`stream`: the app dials out, no public address is needed. `webhook`: DingTalk calls /channels/dingtalk/NAME.",
  ),
  cardTemplateId: z.string().min(1).optional().describe(
    "An AI card's template; without one answers are Markdown messages.",
  ),
  cardKey: z.string().min(1).default("content").describe(
    "The template's variable that holds the answer.",
  ),
  cardBytes: z.number().int().min(1000).default(12_000).describe(
    "UTF-8 bytes of one card; the documentation advises 3 KB in all, the vendor's own SDK sends more.",
  ),
  cardStatus: z.boolean().default(true).describe(
    "Whether the card's own state (`flowStatus`) is set to finished at the end, which costs one API call; not where `callsPerAnswer` is 2.",
  ),
  edition: z.enum(["standard", "professional", "dedicated"]).default("standard").describe(
    "The organisation's edition: decides the default rates and monthly quotas.",
  ),
  pace: z.enum(["auto", "quota", "free"]).default("auto").describe(
    "`quota`: few edits, each is a call of the month's quota. `free`: as often as the rate lets. `auto`: quota in the standard edition, " +
      "elsewhere as soon as the month is used up faster than it passes.",
  ),
  callsPerAnswer: z.number().int().min(2).default(4).describe(
    "API calls for one answer in quota pace, opening and final included.",
  ),
  token: z.string().min(1).optional().describe(
    "Token of the HTTP event subscription, where one is set up.",
  ),
  aesKey: AesKeySetting.optional().describe("AES key of the HTTP event subscription."),
  baseUrl: z.url().default("https://api.dingtalk.com"),
  oapiBaseUrl: z.url().default("https://oapi.dingtalk.com").describe(
    "The old API's host: uploads.",
  ),
  limits: z.looseObject({
    api: RateSetting.optional().describe(
      "Each API of the app; 18 a second in the standard edition (documented: 20), 36 above (40).",
    ),
    chat: RateSetting.optional().describe("Messages into one chat; 18 a minute unless set."),
    address: RateSetting.optional().describe(
      "All calls from this address; 450 a second unless set (documented: 10,000 in 20 s).",
    ),
    month: z.number().int().min(1).optional().describe(
      "API calls a month; 5,000 standard, 200,000 professional, 5,000,000 dedicated.",
    ),
    webhookMonth: z.number().int().min(1).optional().describe(
      "Webhook and Stream deliveries a month; 3,000, 50,000, 500,000.",
    ),
  }).default({}),
  ...chatAppSettings,
}).check(({ value: { token, aesKey }, issues }) => {
  if ((token === undefined) === (aesKey === undefined)) return;
  const path = token === undefined ? "token" : "aesKey";
  issues.push({
    code: "custom",
    input: undefined,
    path: [path],
    message: "must be set where the other one is",
  });
});

export type DingTalkSettings = z.infer<typeof DingTalkSettings>;
