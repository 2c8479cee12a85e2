/**
 * The admins' routes, as they are declared: to everybody else they do not exist. Those that change
 * somebody's account are guarded: upon an admin's account no key does it.
 */
import { z } from "zod";
import type {
  AuditEntryJson,
  BotTokenJson,
  ModelBudgetJson,
  PersonJson,
  RunningTurnJson,
} from "../../wire/admin.ts";
import { keyView, usageView } from "./account.ts";
import { accountAdmins, admins, defineRoute } from "../http/route.ts";

const text = (max: number) =>
  z.string({ error: "must be a text" }).max(max, `must have at most ${max} characters`);
const role = z.enum(["admin", "member"], { error: 'must be "admin" or "member"' });
const bots = z.array(text(128).min(1), { error: "must be a list of bot ids and pools" }).max(1000);
const count = z.number({ error: "must be a whole number" }).int("must be a whole number").min(0);
const limits = z.object({
  messagesPerMinute: count.min(1).optional(),
  messagesPerDay: count.min(1).optional(),
  turnsAtOnce: count.min(1).optional(),
  imageBytesPerDay: count.optional(),
  streamsAtOnce: count.min(1).optional(),
  conversations: count.min(1).optional(),
}, { error: "must be an object" }).meta({ id: "Limits" });
const password = text(1024).min(8, "must have at least 8 characters");

const newPerson = z.object({
  username: text(100).min(1).optional().meta({ description: "What they sign in with" }),
  id: text(100).min(1).optional().meta({ description: "The same, as earlier versions called it" }),
  password: password.meta({
    description: "Plain, or a whole argon2id hash within the bounds of docs/security.md",
  }),
  adopt: z.boolean({ error: "must be true or false" }).optional().meta({
    description: "Take over the history of somebody of this name who stood in the configuration",
  }),
  displayName: text(200).optional(),
  role: role.optional(),
  bots: bots.optional(),
  limits: limits.optional(),
}, { error: "must be an object" }).meta({ id: "NewPerson" });

const personChange = z.object({
  password: password.optional().meta({ description: "Plain, or a whole argon2id hash" }),
  displayName: text(200).optional(),
  role: role.optional(),
  bots: bots.nullable().optional().meta({ description: "null: all bots" }),
  limits: limits.nullable().optional().meta({ description: "null: as everybody" }),
  disabled: z.boolean({ error: "must be true or false" }).optional(),
}, { error: "must be an object" }).meta({ id: "PersonChange" });

const newToken = z.object({
  botId: text(128).min(1),
  overlapMinutes: z.number({ error: "must be a number" }).min(0).max(43_200).default(0).meta({
    description: "For how long the token before it stays good",
  }),
  pools: z.array(text(128).min(1), { error: "must be a list of pools" }).max(100).optional().meta({
    description: "The pools that the bot may join. Default: those it had",
  }),
  owner: text(200).min(1).nullable().optional().meta({
    description:
      "The id of the account whose bot it is: the token opens only while that person may come in. null: nobody's",
  }),
}, { error: "must be an object" }).meta({ id: "NewBotToken" });

const personView = z.object({
  id: z.string().meta({
    description:
      "Unique for ever; names this person in every other route, and for bots as `userId`",
  }),
  username: z.string().meta({
    description: "What they sign in with; may be given again after they were removed",
  }),
  name: z.string(),
  role,
  bots: z.array(z.string()).optional(),
  source: z.string().meta({
    description:
      "`config`, `store`, who vouches, or `former`: stood in the configuration and can be removed",
  }),
  disabled: z.boolean(),
  totp: z.boolean(),
  limits,
  createdAt: z.number().optional(),
}).meta({ id: "Person" }) satisfies z.ZodType<PersonJson>;

export const turnView = z.object({
  id: z.string(),
  personId: z.string(),
  botId: z.string().optional(),
  channel: z.string(),
  state: z.string(),
  place: z.number().optional(),
  at: z.number(),
  firstAt: z.number().optional(),
  units: z.number(),
}).meta({ id: "TurnInFlight" }) satisfies z.ZodType<RunningTurnJson>;

const sessionView = z.object({
  id: z.string(),
  createdAt: z.number(),
  lastSeenAt: z.number(),
  expiresAt: z.number(),
  agent: z.string().optional(),
  address: z.string().optional(),
});

const tokenView = z.object({
  botId: z.string(),
  createdAt: z.number(),
  by: z.string(),
  owner: z.string().optional(),
  locked: z.boolean().optional().meta({
    description: "Its owner was removed: make or revoke it to open the id again",
  }),
  oldUntil: z.number().optional(),
  pools: z.array(z.string()).optional(),
}).meta({ id: "BotToken" }) satisfies z.ZodType<BotTokenJson>;

const bounded = z.object({ used: z.number(), limit: z.number() }).optional();
export const modelView = z.object({
  botId: z.string(),
  name: z.string(),
  note: z.string().optional().meta({
    description: "What went wrong the last time, until something goes well",
  }),
  requests: bounded.meta({ description: "This minute" }),
  tokens: bounded.meta({ description: "This minute" }),
  spend: z.object({ used: z.number(), limit: z.number().optional() }).optional().meta({
    description: "This month, in the currency of the price; without a limit where there is none",
  }),
}).meta({ id: "ModelBudget" }) satisfies z.ZodType<ModelBudgetJson>;

const auditLine = z.object({
  n: z.number(),
  at: z.number(),
  who: z.string(),
  did: z.string(),
  whom: z.string().optional(),
  from: z.string().optional(),
  detail: z.string().optional(),
  before: z.string(),
  hash: z.string(),
}).meta({ id: "AuditLine" }) satisfies z.ZodType<AuditEntryJson>;

const auditQuery = z.object({
  before: z.coerce.number({ error: "must be a whole number" }).int().min(0).optional(),
  limit: z.coerce.number({ error: "must be a whole number from 1 to 1000" }).int().min(1).max(1000)
    .default(100),
});

const success = z.object({ success: z.boolean() });

/** What every route here shares. */
const common = { ...admins, tag: "admin" } as const;

/** What those share that change somebody's account. */
const onAccount = { ...accountAdmins, tag: "admin" } as const;

export const adminRoutes = {
  state: defineRoute({
    ...common,
    method: "get",
    path: "/api/admin/state",
    summary: "How the gateway is doing.",
    ok: z.object({
      troubles: z.array(z.string()),
      draining: z.boolean(),
      answering: z.number(),
      waiting: z.number(),
      bots: z.number(),
      sessions: z.number(),
      people: z.number(),
      limits,
    }),
  }),
  people: defineRoute({
    ...common,
    method: "get",
    path: "/api/admin/people",
    summary: "Everybody who may sign in.",
    ok: z.object({ people: z.array(personView) }),
  }),
  addPerson: defineRoute({
    ...onAccount,
    method: "post",
    path: "/api/admin/people",
    summary: "Add a person.",
    ok: personView,
    body: newPerson,
    status: 201,
    errors: ["invalid", "conflict"],
  }),
  person: defineRoute({
    ...common,
    method: "get",
    path: "/api/admin/people/{id}",
    summary: "One person.",
    ok: personView,
  }),
  changePerson: defineRoute({
    ...onAccount,
    method: "patch",
    path: "/api/admin/people/{id}",
    summary: "Change a person. A new password or being disabled ends their sessions.",
    ok: personView,
    body: personChange,
    errors: ["invalid", "conflict"],
  }),
  removePerson: defineRoute({
    ...onAccount,
    method: "delete",
    path: "/api/admin/people/{id}",
    summary: "Remove a person and everything that is theirs.",
    ok: success,
    errors: ["conflict"],
  }),
  removed: defineRoute({
    ...common,
    method: "get",
    path: "/api/admin/removed",
    summary:
      "People whom a provider vouched for and who were removed: they cannot come in again by themselves.",
    ok: z.object({ removed: z.array(z.object({ username: z.string(), at: z.number() })) }),
  }),
  allowAgain: defineRoute({
    ...common,
    method: "delete",
    path: "/api/admin/removed/{username}",
    summary: "Let them come in again, with a new account.",
    ok: success,
  }),
  sessions: defineRoute({
    ...common,
    method: "get",
    path: "/api/admin/people/{id}/sessions",
    summary: "A person's sessions.",
    ok: z.object({ sessions: z.array(sessionView) }),
  }),
  endSessions: defineRoute({
    ...onAccount,
    method: "delete",
    path: "/api/admin/people/{id}/sessions",
    summary: "End all of a person's sessions.",
    ok: z.object({ ended: z.number() }),
  }),
  keys: defineRoute({
    ...common,
    method: "get",
    path: "/api/admin/people/{id}/keys",
    summary: "A person's API keys.",
    ok: z.object({ keys: z.array(keyView) }),
  }),
  revokeKeys: defineRoute({
    ...onAccount,
    method: "delete",
    path: "/api/admin/people/{id}/keys",
    summary: "Revoke all of a person's API keys.",
    ok: z.object({ revoked: z.number() }),
  }),
  revokeKey: defineRoute({
    ...onAccount,
    method: "delete",
    path: "/api/admin/people/{id}/keys/{key}",
    summary: "Revoke one of a person's API keys.",
    ok: success,
  }),
  dropFactor: defineRoute({
    ...onAccount,
    method: "delete",
    path: "/api/admin/people/{id}/totp",
    summary: "Take a person's second factor away: the telephone is lost.",
    ok: success,
  }),
  usage: defineRoute({
    ...common,
    method: "get",
    path: "/api/admin/people/{id}/usage",
    summary: "What a person used, day by day.",
    ok: usageView,
  }),
  models: defineRoute({
    ...common,
    method: "get",
    path: "/api/admin/models",
    summary: "The model APIs' budgets.",
    ok: z.object({ models: z.array(modelView) }),
  }),
  turns: defineRoute({
    ...common,
    method: "get",
    path: "/api/admin/turns",
    summary: "The turns in flight, without what is said.",
    ok: z.object({ turns: z.array(turnView) }),
  }),
  cancelTurn: defineRoute({
    ...common,
    method: "post",
    path: "/api/admin/turns/{id}/cancel",
    summary: "Stop anybody's turn.",
    ok: z.object({ status: z.string(), confirmed: z.boolean() }),
  }),
  disconnectBot: defineRoute({
    ...common,
    method: "post",
    path: "/api/admin/bots/{id}/disconnect",
    summary: "Close a bot's socket; it may come back.",
    ok: success,
  }),
  botTokens: defineRoute({
    ...common,
    method: "get",
    path: "/api/admin/bot-tokens",
    summary: "The bots with a token of their own.",
    ok: z.object({ tokens: z.array(tokenView) }),
  }),
  makeBotToken: defineRoute({
    ...common,
    method: "post",
    path: "/api/admin/bot-tokens",
    summary: "Make or rotate a bot's token. `token` is told this once.",
    ok: z.object({ botId: z.string(), token: z.string() }),
    body: newToken,
    status: 201,
    errors: ["invalid"],
  }),
  revokeBotToken: defineRoute({
    ...common,
    method: "delete",
    path: "/api/admin/bot-tokens/{id}",
    summary: "Revoke a bot's token and close its socket.",
    ok: success,
  }),
  audit: defineRoute({
    ...common,
    method: "get",
    path: "/api/admin/audit",
    summary: "The audit log, the newest first.",
    ok: z.object({ lines: z.array(auditLine) }),
    query: auditQuery,
    errors: ["invalid"],
  }),
} as const;
