/**
 * What every app on a chat platform can be told in the configuration, beside its own keys.
 */
import { z } from "zod";

/** A rate as it is written: calls per second, minute and hour. What is absent is not limited. */
export const RateSetting = z.looseObject({
  second: z.number().int().min(1).optional().describe("Calls in any second."),
  minute: z.number().int().min(1).optional().describe("Calls in any minute."),
  hour: z.number().int().min(1).optional().describe("Calls in any hour."),
});

/** The key of a sealed callback, as the console shows it. */
export const AesKeySetting = z.string().refine(
  (key) => key.startsWith("env:") || key.length === 43,
  "must have 43 letters and digits",
);

const seconds = z.number().min(1).max(600).optional();

/** How long calls to the platform may take; {@linkcode TIMEOUTS} where nothing is set. */
const TimeoutSettings = z.looseObject({
  token: seconds.describe("Seconds for a token; 15 unless set."),
  send: seconds.describe(
    "Seconds for a message, a card and everything that is not below; 20 unless set.",
  ),
  edit: seconds.describe("Seconds for an edit, which the next one replaces; 12 unless set."),
  upload: seconds.describe("Seconds for an upload; 120 unless set."),
  download: seconds.describe("Seconds for a picture or file of a message; 60 unless set."),
});

/** The part that is the same for all apps. */
export const chatAppSettings = {
  bot: z.string().min(1).optional().describe(
    "The bot or pool that answers, unless a rule below says otherwise; absent: any.",
  ),
  rules: z.array(z.looseObject({
    chat: z.string().min(1).optional().describe("A chat's id on the platform."),
    person: z.string().min(1).optional().describe("A person's id on the platform."),
    department: z.string().min(1).optional().describe("A department's id on the platform."),
    bot: z.string().min(1).describe("The bot or pool that answers where all that is given fits."),
    lock: z.boolean().default(false).describe(
      "Whom this rule fits gets no other bot here: `/use` and names do not get past it.",
    ),
    reserve: z.boolean().default(false).describe(
      "This bot answers here only those whom such a rule fits: nobody else gets it by `/use`, by its name or as a push.",
    ),
  })).default([]).describe("Who answers whom: the first rule that fits."),
  bots: z.array(z.string().min(1)).optional().describe(
    "The bots and pools that this app offers at all; nobody gets more here than their account may use. Absent: to people with an " +
      "account of yours what that may use, to everybody else what no account is barred from.",
  ),
  access: z.enum(["open", "allowlist", "pairing"]).default("open").describe(
    "Who may speak: `open` everyone the platform lets in, `allowlist` who is named in `allow`, `pairing` who has an account: has " +
      "linked one, or has signed in by the platform.",
  ),
  allow: z.array(z.string().min(1)).default([]).describe(
    "Ids of people, chats and departments for `allowlist`; they need no pairing either.",
  ),
  deny: z.array(z.string().min(1)).default([]).describe(
    "Ids of people, chats and departments that may not speak, whatever else is said.",
  ),
  group: z.enum(["person", "shared"]).default("person").describe(
    "Whether each person in a group has a conversation of their own or all share one.",
  ),
  language: z.enum(["zh", "en"]).default("zh").describe(
    "Spoken where a message does not show one.",
  ),
  staleAfter: z.number().int().min(1).default(30 * 60).describe(
    "Seconds after which a message that could not be answered gets an apology instead.",
  ),
  hosts: z.array(z.string().refine(isHostOrOrigin, "must be a host or an origin")).default([])
    .describe(
      "Further hosts of the platform that its messages may name, for private clouds: `im.example.com`, `.example.com` with all " +
        "below it, or an origin such as `http://10.0.0.7:8080`.",
    ),
  timeouts: TimeoutSettings.default({}).describe(
    "Seconds that a call to the platform may take, by kind; a repeat gets more.",
  ),
  placeholderAfter: z.number().min(0).optional().describe(
    "Seconds after which a way that cannot edit says that the bot is thinking; it costs one message. Absent: the platform's default.",
  ),
};

/** The same, as a type. */
export type ChatAppSettings = z.infer<z.ZodObject<typeof chatAppSettings>>;

function isHostOrOrigin(text: string): boolean {
  if (/^https?:\/\//.test(text)) return URL.canParse(text);
  return /^\.?[a-z0-9]/i.test(text) && !/[/:@\s]/.test(text);
}
