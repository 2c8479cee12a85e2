/**
 * The configuration: what may stand in `config.json` and in `NEXUS_*` variables, checked once, with
 * everything that is wrong said at once.
 *
 * The file of Nexus 1.x works unchanged (`port`, `sessionTTL`, `pingInterval`, `botTimeout`,
 * `botToken`, `users`); everything else has a default.
 */
import { z } from "zod";
import { DingTalkSettings } from "../channels/dingtalk/settings.ts";
import { LarkSettings } from "../channels/lark/settings.ts";
import { WecomSettings } from "../channels/wecom/settings.ts";
import { appProblems } from "./app_problems.ts";
import { nameProblems } from "./name_problems.ts";
import { upstreamsSchema } from "./upstream.ts";
import { hashProblem } from "../core/people/password_hash.ts";

/** A whole number within bounds; the error says what would be right. */
function whole(min: number, max: number, unit = "") {
  const right = `must be a whole number from ${min} to ${max}${unit && ` (${unit})`}`;
  return z.int({ error: right }).min(min, right).max(max, right);
}

const RANGE = "must be an address or a range such as 10.0.0.0/8";

/** Whether a text is an IP address, alone or with the length of its prefix. */
function isRange(text: string): boolean {
  // Loaded where a list is configured only.
  const { isIPv4, isIPv6 } = globalThis.process.getBuiltinModule("node:net");
  const [address = "", bits, ...rest] = text.split("/");
  const most = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1;
  return rest.length === 0 &&
    (bits === undefined ? most > 0 : /^\d{1,3}$/.test(bits) && Number(bits) <= most);
}

/** Milliseconds. */
function ms(min: number, max = 31_536_000_000) {
  return whole(min, max, "milliseconds");
}

const NO_SUCH_STORE = 'must be a file name or "memory:"; stores on other servers do not exist yet';

/**
 * Whether a store's name is one of a file, or memory: an address would be taken for memory and
 * everything forgotten.
 */
function isFileName(store: string): boolean {
  return store === "memory:" || !/^[a-z][a-z\d+.-]*:\/\//i.test(store);
}

function text(right: string, min = 0) {
  return z.string({ error: right }).min(min, right);
}

/**
 * Whether somebody may be called so: `alice~2` is the id of the second account of the name alice.
 */
function isName(name: string): boolean {
  const at = name.lastIndexOf("~");
  return at < 0 || !/^\d+$/.test(name.slice(at + 1));
}

const limits = z.looseObject({
  messagesPerMinute: whole(1, 1_000_000).optional(),
  messagesPerDay: whole(1, 100_000_000).optional(),
  turnsAtOnce: whole(1, 100_000).optional(),
  imageBytesPerDay: whole(0, Number.MAX_SAFE_INTEGER, "bytes").optional(),
  streamsAtOnce: whole(1, 1_000_000).optional().meta({
    description: "Event streams open at once. Default: 10000.",
  }),
  conversations: whole(1, 10_000_000).optional().meta({ description: "Conversations kept." }),
}, { error: 'must be an object such as {"messagesPerMinute":30}' });

const user = z.looseObject({
  // A hash that was cut when it was copied would else be taken for a plain password.
  password: text("must be a password or its argon2id hash", 1).check((c) => {
    const problem = hashProblem(c.value);
    if (problem !== undefined) c.issues.push({ code: "custom", message: problem, input: c.value });
  }).meta({
    description:
      "The password, or its hash as `$argon2id$…` (`nexus hash` makes one). Plain text is warned about.",
  }),
  displayName: text("must be a name").optional().meta({ description: "What people and bots see." }),
  role: z.enum(["admin", "member"], { error: 'must be "admin" or "member"' }).optional().meta({
    description:
      "`admin` may see and change everything. Default: admin for the name `admin`, else member.",
  }),
  bots: z.array(text("must be a bot id or pool name", 1), {
    error: "must be a list of bot ids and pool names",
  })
    .optional()
    .meta({ description: "The bots and pools this person may use. Default: all." }),
  limits: limits.optional().meta({
    description: "What this person may ask; what is absent here is as in `limits` for all.",
  }),
}, { error: 'must be an object such as {"password":"…","displayName":"…"}' });

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
    user,
    {
      error: 'must be an object such as {"alice":{"password":"…"}}',
    },
  ).default({}).meta(
    {
      description: "The people who may sign in, by name.",
    },
  ),
  store: text('must be a file name or "memory:"', 1).refine(isFileName, NO_SUCH_STORE).default(
    "nexus.db",
  ).meta({
    description:
      "Where sessions, people and history are kept: a file beside config.json, or `memory:` for none.",
  }),
  retentionDays: whole(1, 36_500, "days").optional().meta({
    description:
      "Turns older than this are deleted, with empty conversations; pinned ones stay. Default: never.",
  }),
  limits: limits.default({}).meta({
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
  signIn: z.looseObject({
    oidc: z.looseObject({
      issuer: z.url({ protocol: /^https?$/, error: "must be the issuer's address" }),
      clientId: text("must be a text", 1),
      clientSecret: text("must be a text", 1).optional(),
      name: text("must be a text", 1).default("OpenID Connect").meta({
        description: "What the button says.",
      }),
      scope: text("must be a text", 1).default("openid profile email"),
      domains: z.array(text("must be a domain", 1)).optional().meta({
        description: "Mail domains that may come in.",
      }),
      groupsClaim: text("must be a text", 1).default("groups"),
      groups: z.array(text("must be a group", 1)).optional().meta({
        description: "Groups that may come in.",
      }),
      adminGroups: z.array(text("must be a group", 1)).default([]).meta({
        description: "Groups whose people are admins.",
      }),
      bots: z.record(z.string(), z.array(z.string())).optional().meta({
        description: "Bots and pools by group.",
      }),
      allowHttp: z.boolean().default(false).meta({
        description: "An issuer on plain HTTP: for tests only.",
      }),
    }).optional(),
    lark: z.looseObject({
      appId: text("must be a text", 1),
      appSecret: text("must be a text", 1),
      name: text("must be a text", 1).default("飞书 / Feishu"),
      login: z.url().optional(),
      api: z.url().optional(),
    }).optional(),
    dingtalk: z.looseObject({
      appKey: text("must be a text", 1),
      appSecret: text("must be a text", 1),
      corpId: text("must be a text", 1),
      name: text("must be a text", 1).default("钉钉 / DingTalk"),
      login: z.url().optional(),
      api: z.url().optional(),
    }).optional(),
    wecom: z.looseObject({
      corpId: text("must be a text", 1),
      agentId: text("must be a text", 1),
      secret: text("must be a text", 1),
      name: text("must be a text", 1).default("企业微信 / WeCom"),
      login: z.url().optional(),
      api: z.url().optional(),
    }).optional(),
    proxy: z.looseObject({
      header: text("must be the name of a header", 1).default("x-remote-user"),
      nameHeader: text("must be the name of a header", 1).optional(),
      from: z.array(text("must be an address or a range", 1)).min(1, "must list the proxies"),
    }).optional().meta({
      description: "A reverse proxy that signs people in and names them in a header.",
    }),
  }, { error: "must be an object" }).prefault({}).meta({
    description: "Ways to sign in besides name and password.",
  }),
  requireTokenAtUpgrade: z.boolean({ error: "must be true or false" }).default(false).meta({
    description:
      "Bots must show their token when they open the socket (Authorization header, or the subprotocol " +
      "`nexus.token.<token>`); others are refused before a byte is read.",
  }),
  trustProxy: z.array(text(RANGE).refine(isRange, RANGE), {
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

/** One thing that is wrong, and what would be right. */
export interface ConfigProblem {
  /** Such as `users.alice.password`, or the name of a variable. */
  readonly path: string;
  readonly message: string;
}

export type ConfigResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: ConfigProblem[] }
  | { readonly ok: false; readonly problems: ConfigProblem[] };

/**
 * Reads a configuration file's text together with the environment, which overrides it: `PORT`, and
 * `NEXUS_<KEY>` for every key (`NEXUS_REPLY_TIMEOUT`, `NEXUS_QUEUE__TOTAL`; lists and objects as
 * JSON).
 */
export function readConfig(
  fileText: string,
  env: Readonly<Record<string, string | undefined>> = {},
): ConfigResult {
  let file: unknown;
  try {
    file = JSON.parse(fileText.replace(/^\ufeff/, ""));
  } catch (error) {
    return {
      ok: false,
      problems: [{ path: "(file)", message: `must be JSON: ${(error as Error).message}` }],
    };
  }
  if (typeof file !== "object" || file === null || Array.isArray(file)) {
    return {
      ok: false,
      problems: [{ path: "(file)", message: `must be a JSON object, got ${show(file)}` }],
    };
  }
  const { overrides, problems } = fromEnvironment(env);
  const merged = merge(file as Fields, overrides);
  const parsed = configSchema.safeParse(merged);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const path = issue.path.map(String);
      problems.push({
        path: path.join(".") || "(file)",
        message: `${issue.message}, got ${shown(path, at(merged, path))}`,
      });
    }
  }
  const names = nameProblems(parsed.data?.bots ?? {});
  problems.push(...names.problems);
  const apps = parsed.success ? appProblems(parsed.data) : undefined;
  problems.push(...apps?.problems ?? []);
  if (problems.length > 0 || !parsed.success) return { ok: false, problems };
  const warnings = [...names.warnings, ...apps?.warnings ?? []];
  unknownKeys(merged, configSchema, [], warnings);
  return { ok: true, config: parsed.data, warnings };
}

/** The JSON Schema of the file, for completion in editors. */
export function configJsonSchema(): Record<string, unknown> {
  return {
    title: "Nexus configuration",
    ...z.toJSONSchema(configSchema, { io: "input", unrepresentable: "any" }),
  };
}

/** Which top-level keys differ between two configurations. */
export function changedKeys(before: Config, after: Config): string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].filter((key) =>
    JSON.stringify(before[key as keyof Config]) !== JSON.stringify(after[key as keyof Config])
  ).sort();
}

/**
 * What the ids of people begin with who sign in, or are seen in a chat, by an app of a platform:
 * `lark:main:`.
 */
export function chatPrefixesOf({ channels, signIn }: Config): string[] {
  const { lark, dingtalk, wecom } = signIn;
  const prefixes = new Set<string>();
  const add = (platform: string, ...scopes: (string | undefined)[]) => {
    for (const scope of scopes) if (scope !== undefined) prefixes.add(`${platform}:${scope}:`);
  };
  for (const [name, { appId }] of Object.entries(channels.feishu)) add("lark", name, appId);
  for (const [name, { clientId }] of Object.entries(channels.dingtalk)) {
    add("dingtalk", name, clientId);
  }
  for (const [name, app] of Object.entries(channels.wecom)) {
    add("wecom", name, app.kind === "webhook" ? undefined : app.corpId);
  }
  add("lark", lark?.appId);
  add("dingtalk", dingtalk?.appKey);
  add("wecom", wecom?.corpId);
  return [...prefixes];
}

type Fields = Record<string, unknown>;

function fromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): { overrides: Fields; problems: ConfigProblem[] } {
  const overrides: Fields = {};
  const problems: ConfigProblem[] = [];
  const set = (variable: string, keys: string[], raw: string) => {
    const field = fieldAt(configSchema, keys);
    if (!field) {
      problems.push({
        path: variable,
        message: "is not a setting; see docs/configuration.md",
      });
      return;
    }
    // A list is one also where a text would do, as for `botToken`.
    const value = !raw.startsWith("[") && field.safeParse(raw).success
      ? raw
      : listOrText(field, raw);
    const checked = field.safeParse(value);
    if (!checked.success) {
      for (const issue of checked.error.issues) {
        problems.push({ path: variable, message: `${issue.message}, got ${shown(keys, raw)}` });
      }
      return;
    }
    let target = overrides;
    for (const key of keys.slice(0, -1)) target = (target[key] ??= {}) as Fields;
    target[keys.at(-1)!] = value;
  };
  for (const [variable, raw] of Object.entries(env)) {
    if (raw === undefined || !variable.startsWith("NEXUS_") || isOfKubernetes(variable, raw)) {
      continue;
    }
    set(variable, variable.slice("NEXUS_".length).split("__").map(camel), raw);
  }
  if (env.PORT) set("PORT", ["port"], env.PORT);
  return { overrides, problems };
}

/**
 * Kubernetes tells every pod of a service called `nexus` by variables of its own
 * (NEXUS_SERVICE_HOST, NEXUS_PORT=tcp://…).
 */
function isOfKubernetes(variable: string, value: string): boolean {
  return /^NEXUS_(SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP|SCTP))(_|$)/.test(variable) ||
    (variable === "NEXUS_PORT" && /^(tcp|udp|sctp):\/\//.test(value));
}

/** `SESSION_TTL` → `sessionTTL`, by the spelling the schema knows. */
function camel(upper: string): string {
  const plain = upper.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  return plain === "sessionTtl" ? "sessionTTL" : plain;
}

// deno-lint-ignore no-explicit-any -- zod's own shape of schemas within schemas
type AnySchema = any;

function inner(schema: AnySchema): AnySchema {
  let current = schema;
  while (current?.def?.innerType) current = current.def.innerType;
  return current;
}

function fieldAt(schema: AnySchema, keys: readonly string[]): z.ZodType | undefined {
  let current = schema;
  for (const key of keys) {
    const shape = inner(current)?.shape;
    if (!shape || !Object.hasOwn(shape, key)) return undefined;
    current = shape[key];
  }
  return current;
}

/**
 * Keys that no schema knows: most likely misspelt. They are told, not refused, as Nexus 1.x did
 * not mind them.
 */
function unknownKeys(
  value: unknown,
  schema: AnySchema,
  path: string[],
  out: ConfigProblem[],
): void {
  const type = inner(schema);
  if (typeof value !== "object" || value === null) return;
  if (type?.shape) {
    for (const [key, child] of Object.entries(value)) {
      if (Object.hasOwn(type.shape, key)) unknownKeys(child, type.shape[key], [...path, key], out);
      else out.push({ path: [...path, key].join("."), message: "is not a setting and is ignored" });
    }
  } else if (type?.def?.type === "record") {
    for (const [key, child] of Object.entries(value)) {
      unknownKeys(child, type.def.valueType, [...path, key], out);
    }
  }
}

function merge(file: Fields, overrides: Fields): Fields {
  const merged: Fields = { ...file };
  for (const [key, value] of Object.entries(overrides)) {
    const old = merged[key];
    merged[key] = isFields(value) && isFields(old) ? merge(old, value) : value;
  }
  return merged;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function at(value: unknown, path: readonly string[]): unknown {
  let current = value;
  for (const key of path) {
    if (typeof current !== "object" || current === null) return undefined;
    current = (current as Fields)[key];
  }
  return current;
}

/**
 * The value as JSON, where the setting takes it so; a text that only looks like a list stays a
 * text.
 */
function listOrText(field: z.ZodType, raw: string): unknown {
  const value = fromJson(raw);
  return field.safeParse(value).success || !field.safeParse(raw).success ? value : raw;
}

function fromJson(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    return raw;
  }
}

/** The value for an error text; of a secret only what kind of thing it is. */
function shown(path: readonly string[], value: unknown): string {
  if (!/password|token|secret|apikey/i.test(path.at(-1) ?? "")) return show(value);
  return value === undefined
    ? "nothing"
    : Array.isArray(value)
    ? "a list"
    : `${typeof value === "object" ? "an" : "a"} ${typeof value}`;
}

function show(value: unknown): string {
  if (value === undefined) return "nothing";
  // An address may hold a name and a password.
  // linear: what follows the slashes ends at the next one.
  const text = (JSON.stringify(value) ?? String(value)).replace(/\/\/[^/@\s]*@/g, "//…@");
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
