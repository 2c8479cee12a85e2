/** The settings of one Feishu or Lark app: `channels.feishu.NAME` in the configuration. */
import { z } from "zod";
import { chatAppSettings, RateSetting } from "../im/settings.ts";

export const LarkSettings = z.looseObject({
  appId: z.string().min(1).describe("`cli_…`, from the developer console."),
  appSecret: z.string().min(1).describe(
    "From the developer console; `env:NAME` reads it from the environment.",
  ),
  encryptKey: z.string().min(1).optional().describe(
    "Encrypt Key of the event subscription; strongly recommended in webhook mode.",
  ),
  verificationToken: z.string().min(1).optional().describe(
    "Verification Token of the event subscription.",
  ),
  mode: z.enum(["webhook", "socket"]).default("socket").describe(
    "`socket`: the app dials out, no public address is needed. `webhook`: Feishu calls /channels/feishu/NAME.",
  ),
  baseUrl: z.url().default("https://open.feishu.cn").describe(
    "`https://open.larksuite.com` for Lark.",
  ),
  show: z.enum(["card", "patch", "text"]).default("card").describe(
    "How answers are shown at best: a streaming card, a card that is edited, one text.",
  ),
  limits: z.looseObject({
    api: RateSetting.optional().describe(
      "Each API of the app; 48 a second and 980 a minute unless set (documented: 50 and 1000).",
    ),
    chat: RateSetting.optional().describe(
      "Messages into one group, shared with other bots there; 4 a second unless set (documented: 5).",
    ),
    person: RateSetting.optional().describe(
      "Messages to one person; 4 a second unless set (documented: 5).",
    ),
    card: RateSetting.optional().describe(
      "Changes of one card; 8 a second unless set (documented: 10).",
    ),
    message: RateSetting.optional().describe(
      "Changes of one message; 4 a second unless set (documented: 5).",
    ),
    month: z.number().int().min(1).optional().describe(
      "API calls a calendar month, for plans that have such a quota; no bound unless set.",
    ),
  }).default({}),
  ...chatAppSettings,
}).check(({ value, issues }) => {
  if (
    value.mode !== "webhook" || value.encryptKey !== undefined ||
    value.verificationToken !== undefined
  ) return;
  issues.push({
    code: "custom",
    input: value.encryptKey,
    path: ["encryptKey"],
    message:
      "must be set in webhook mode (or verificationToken): without one no callback can be believed",
  });
});

export type LarkSettings = z.infer<typeof LarkSettings>;
