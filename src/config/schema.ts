/**
 * The schema of the configuration. `docs/config.schema.json` is generated from it.
 *
 * A configuration of Nexus 1.x (`port`, `sessionTTL`, `pingInterval`, `botTimeout`, `botToken`,
 * `users`) is valid as it is; every other setting has a default.
 */
import { z } from "zod";
import { DingTalkSettings } from "../channels/dingtalk/settings.ts";
import { LarkSettings } from "../channels/lark/settings.ts";
import { WecomSettings } from "../channels/wecom/settings.ts";
import { isName, limitsSchema, userSchema } from "./people_schema.ts";
import { signInSchema } from "./sign_in_schema.ts";
import { upstreamsSchema } from "./upstream.ts";
import { isFileName, isRange, ms, RANGE_RULE, STORE_RULE, text, whole } from "./validators.ts";

const TOKENS =
  "must be a text (empty lets every bot in), or a list of 1 to 10 texts that are not empty";

const commonTokens = z.union([z.string(), z.array(z.string())], { error: TOKENS }).refine(
  (tokens) =>
    typeof tokens === "string" ||
    (tokens.length >= 1 && tokens.length <= 10 && !tokens.includes("")),
  TOKENS,
);

/** The file's schema; `docs/config.schema.json` is made from it. */
export const configSchema = z.looseObject({
  $schema: text("must be the address of the JSON Schema").optional(),
  host: text("must be an address such as 0.0.0.0 or 127.0.0.1", 1).default("0.0.0.0").meta({
    description: "The address to listen on.",
  }),
  port: whole(0, 65_535).default(17_392).meta({
    description: "The port to listen on; 0 takes a free one. `PORT` overrides it.",
  }),
  sessionTTL: ms(1_000).default(86_400_000).meta({
    description: "How long a sign-in lasts after its last use, in milliseconds.",
  }),
  sessionMaxAge: ms(1_000).optional().meta({
    description:
      "How long a sign-in lasts at most, however much it is used, in milliseconds. Default: 30 days, or " +
      "`sessionTTL` where that is longer.",
  }),
  keyMaxDays: whole(1, 36_500, "days").optional().meta({
    description:
      "Days after its making at which every API key ends, also one that has a later end or none. " +
      "Default: keys end when their owners said.",
  }),
  pingInterval: ms(10, 3_600_000).default(30_000).meta({
    description: "How often bots are asked whether they are alive, in milliseconds.",
  }),
  botTimeout: ms(10, 86_400_000).default(90_000).meta({
    description: "Silence after which a bot is gone, in milliseconds.",
  }),
  botToken: commonTokens.default("").meta({
    description:
      "The token that bots register with, plain or as `sha256:<hex>`; a list while it is changed over, of " +
      "which each opens. Empty lets every bot in.",
  }),
  users: z.record(
    z.string().refine(isName, "a name must not end with ~ and a number: such are ids"),
    userSchema,
    {
      error: 'must be an object such as {"alice":{"password":"…"}}',
    },
  ).default({}).meta(
    {
      description: "The people who may sign in, by name.",
    },
  ),
  store: text('must be a file name or "memory:"', 1).refine(isFileName, STORE_RULE).default(
    "nexus.db",
  ).meta({
    description:
      "Where sessions, people and history are kept: a file beside config.json, or `memory:` for none.",
  }),
  retentionDays: whole(1, 36_500, "days").optional().meta({
    description:
      "Turns older than this are deleted, with empty conversations; pinned ones stay. Default: never.",
  }),
  limits: limitsSchema.default({}).meta({
    description:
      "What each person may ask: per minute, per day (UTC), at once, and bytes of images per day; streams open at once and " +
      "conversations kept. Absent: no bound, but for the streams.",
  }),
  publicUrl: z.url({
    protocol: /^https?$/,
    error: "must be an address such as https://chat.example.com",
  }).optional()
    .meta({
      description:
        "The address at which people reach the gateway; providers send browsers back to it. Default: as the request says.",
    }),
  signIn: signInSchema,
  requireTokenAtUpgrade: z.boolean({ error: "must be true or false" }).default(false).meta({
    description:
      "Bots must show their token when they open the socket (Authorization header, or the subprotocol " +
      "`nexus.token.<token>`); others are refused before a byte is read.",
  }),
  trustProxy: z.array(text(RANGE_RULE).refine(isRange, RANGE_RULE), {
    error: "must be a list of addresses and ranges",
  }).default(["127.0.0.0/8", "::1"]).meta({
    description: "Reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.",
  }),
  hsts: whole(0, 63_072_000, "seconds").default(0).meta({
    description: "Strict-Transport-Security: for how long browsers use TLS only. 0: not sent.",
  }),
  tls: z.looseObject({
    cert: text("must be the name of a PEM file", 1),
    key: text("must be the name of a PEM file", 1),
  }, { error: 'must be an object such as {"cert":"fullchain.pem","key":"privkey.pem"}' }).optional()
    .meta({
      description:
        "Serve TLS with these PEM files (beside config.json, or absolute); taken anew when they change.",
    }),
  replyTimeout: ms(10).default(300_000).meta({
    description: "Silence of a bot after which a turn ends, in milliseconds.",
  }),
  resumeGrace: ms(0, 600_000).default(15_000).meta({
    description: "How long a dropped version-2 bot keeps its turns, in milliseconds.",
  }),
  drainTimeout: ms(0, 3_600_000).default(30_000).meta({
    description: "How long turns may finish when the gateway is told to stop, in milliseconds.",
  }),
  queue: z.looseObject({
    total: whole(0, 1_000_000).default(1_000).meta({ description: "All who may wait." }),
    perPerson: whole(0, 1_000_000).default(20).meta({
      description: "Messages of one person that may wait.",
    }),
    timeout: ms(10).default(300_000).meta({
      description: "How long a message may wait, in milliseconds.",
    }),
  }, { error: 'must be an object such as {"total":1000}' }).prefault({}).meta({
    description: "The line in which messages wait while every bot is busy.",
  }),
  maxBody: whole(1_024, 1 << 30, "bytes").default(28 << 20).meta({
    description: "Bytes of one HTTP request's body: 20 MiB of images as base64.",
  }),
  allowedOrigins: z.array(
    z.url({ protocol: /^https?$/, error: "must be an origin such as https://chat.example.com" }),
    { error: "must be a list of origins" },
  ).default([]).meta({
    description:
      "Origins of other web pages that may use this gateway (CORS, and WebSockets from browsers).",
  }),
  bots: upstreamsSchema.default({}).meta({
    description: "Model APIs that answer as bots, by bot id.",
  }),
  allowPrivateImages: z.boolean({ error: "must be true or false" }).default(false).meta({
    description:
      "Whether images that OpenAI clients name by address may be fetched from private networks.",
  }),
  channels: z.looseObject({
    feishu: z.record(z.string(), LarkSettings).default({}).meta({
      description: "Feishu and Lark apps, by a name of yours.",
    }),
    dingtalk: z.record(z.string(), DingTalkSettings).default({}).meta({
      description: "DingTalk apps, by a name of yours.",
    }),
    wecom: z.record(z.string(), WecomSettings).default({}).meta({
      description: "WeCom apps, AI bots and webhooks.",
    }),
  }, { error: 'must be an object such as {"feishu":{"main":{…}}}' }).prefault({}).meta({
    description: "The company's apps on chat platforms; see docs/platforms.",
  }),
  metricsToken: text("must be a text").optional().meta({
    description:
      "With it, /metrics wants `Authorization: Bearer <token>`, or an admin who is signed in.",
  }),
  publicBots: z.boolean({ error: "must be true or false" }).default(false).meta({
    description:
      "Whether /health and /metrics name the bots and apps to anybody, as /health of Nexus 1.x did.",
  }),
  demo: z.boolean({ error: "must be true or false" }).default(false).meta({
    description:
      "Whether a demo bot answers until the first real bot connects. A file made by the first start says true.",
  }),
  log: z.looseObject({
    level: z.enum(["debug", "info", "warn", "error"], {
      error: 'must be "debug", "info", "warn" or "error"',
    }).default(
      "info",
    ),
    format: z.enum(["auto", "json", "pretty"], { error: 'must be "auto", "json" or "pretty"' })
      .default("auto").meta({
        description: "`auto`: pretty on a terminal, else one JSON object a line.",
      }),
  }, { error: 'must be an object such as {"level":"info"}' }).prefault({}),
}, { error: "must be a JSON object" });

export type Config = z.infer<typeof configSchema>;
