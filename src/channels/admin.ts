/**
 * What admins see and do over HTTP: people, sessions, keys, bots and their tokens, turns in flight, the state of things, the audit log. To
 * everybody else these routes do not exist. Every change is told to the audit log. Nothing here shows what people said.
 */
import { Hono } from "hono";
import { z } from "zod";
import type { Accounts } from "../core/account.ts";
import type { Allowance, Allowances } from "../core/allowance.ts";
import type { ApiKeys } from "../core/api_key.ts";
import type { Audit } from "../core/audit.ts";
import type { Reserved } from "../core/bot_name.ts";
import type { BotTokens } from "../core/bot_token.ts";
import { NexusError } from "../core/error.ts";
import type { Gateway } from "../core/gateway.ts";
import type { Observer } from "../core/observer.ts";
import type { Sessions } from "../core/session.ts";
import type { Turn } from "../core/turn.ts";
import { keyView, keyViewOf, usageView } from "./account.ts";
import type { Caller, Door } from "./door.ts";
import { json, readBody, readQuery } from "./http.ts";
import type { RouteDoc } from "./openapi.ts";
import type { Env } from "./web.ts";

export interface AdminParts {
  readonly gateway: Gateway;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly keys: ApiKeys;
  readonly allowances: Allowances;
  readonly audit: Audit;
  readonly botTokens: BotTokens;
  /** Names that no token may take. */
  readonly reserved: () => Reserved;
  /** Asks again which of the connected bots may stay. */
  readonly recheck: () => void;
  /** Removes a person and everything that is theirs. */
  readonly remove: (personId: string) => Promise<void>;
  /** Closes a bot's socket; whether there was one. */
  readonly dismiss: (botId: string) => boolean;
  readonly door: Door;
  readonly observer: Observer;
  /** The model APIs and what is used of their budgets. */
  readonly models: () => Promise<z.infer<typeof modelView>[]>;
  /** What everybody may ask. */
  readonly limits: () => Allowance;
  readonly troubles: () => readonly string[];
}

const text = (max: number) => z.string({ error: "must be a text" }).max(max, `must have at most ${max} characters`);
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
  password: password.meta({ description: "Plain, or a whole argon2id hash within the bounds of docs/security.md" }),
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
    description: "Unique for ever; names this person in every other route, and for bots as `userId`",
  }),
  username: z.string().meta({ description: "What they sign in with; may be given again after they were removed" }),
  name: z.string(),
  role,
  bots: z.array(z.string()).optional(),
  source: z.string().meta({
    description: "`config`, `store`, who vouches, or `former`: stood in the configuration and can be removed",
  }),
  disabled: z.boolean(),
  totp: z.boolean(),
  limits,
  createdAt: z.number().optional(),
}).meta({ id: "Person" });

const turnView = z.object({
  id: z.string(),
  personId: z.string(),
  botId: z.string().optional(),
  channel: z.string(),
  state: z.string(),
  place: z.number().optional(),
  at: z.number(),
  firstAt: z.number().optional(),
  units: z.number(),
}).meta({ id: "TurnInFlight" });

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
  locked: z.boolean().optional().meta({ description: "Its owner was removed: make or revoke it to open the id again" }),
  oldUntil: z.number().optional(),
  pools: z.array(z.string()).optional(),
}).meta({ id: "BotToken" });

const bounded = z.object({ used: z.number(), limit: z.number() }).optional();
const modelView = z.object({
  botId: z.string(),
  name: z.string(),
  note: z.string().optional().meta({ description: "What went wrong the last time, until something goes well" }),
  requests: bounded.meta({ description: "This minute" }),
  tokens: bounded.meta({ description: "This minute" }),
  spend: z.object({ used: z.number(), limit: z.number().optional() }).optional().meta({
    description: "This month, in the currency of the price; without a limit where there is none",
  }),
}).meta({ id: "ModelBudget" });

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
}).meta({ id: "AuditLine" });

const auditQuery = z.object({
  before: z.coerce.number({ error: "must be a whole number" }).int().min(0).optional(),
  limit: z.coerce.number({ error: "must be a whole number from 1 to 1000" }).int().min(1).max(1000).default(100),
});

const success = z.object({ success: z.boolean() });
const doc = (
  method: RouteDoc["method"],
  path: string,
  summary: string,
  ok: RouteDoc["ok"],
  more: Partial<RouteDoc> = {},
): RouteDoc => ({ method, path, summary, tag: "admin", auth: "admin", ok, errors: ["not_found"], ...more });

export const adminRoutes: RouteDoc[] = [
  doc(
    "get",
    "/api/admin/state",
    "How the gateway is doing.",
    z.object({
      troubles: z.array(z.string()),
      draining: z.boolean(),
      answering: z.number(),
      waiting: z.number(),
      bots: z.number(),
      sessions: z.number(),
      people: z.number(),
      limits,
    }),
  ),
  doc("get", "/api/admin/people", "Everybody who may sign in.", z.object({ people: z.array(personView) })),
  doc("post", "/api/admin/people", "Add a person.", personView, {
    body: newPerson,
    status: 201,
    errors: ["not_found", "invalid", "conflict"],
  }),
  doc("get", "/api/admin/people/{id}", "One person.", personView),
  doc(
    "patch",
    "/api/admin/people/{id}",
    "Change a person. A new password or being disabled ends their sessions.",
    personView,
    {
      body: personChange,
      errors: ["not_found", "invalid", "conflict"],
    },
  ),
  doc("delete", "/api/admin/people/{id}", "Remove a person and everything that is theirs.", success, {
    errors: ["not_found", "conflict"],
  }),
  doc(
    "get",
    "/api/admin/removed",
    "People whom a provider vouched for and who were removed: they cannot come in again by themselves.",
    z.object({ removed: z.array(z.object({ username: z.string(), at: z.number() })) }),
  ),
  doc("delete", "/api/admin/removed/{username}", "Let them come in again, with a new account.", success),
  doc("get", "/api/admin/people/{id}/sessions", "A person's sessions.", z.object({ sessions: z.array(sessionView) })),
  doc("delete", "/api/admin/people/{id}/sessions", "End all of a person's sessions.", z.object({ ended: z.number() })),
  doc("get", "/api/admin/people/{id}/keys", "A person's API keys.", z.object({ keys: z.array(keyView) })),
  doc("delete", "/api/admin/people/{id}/keys", "Revoke all of a person's API keys.", z.object({ revoked: z.number() })),
  doc("delete", "/api/admin/people/{id}/keys/{key}", "Revoke one of a person's API keys.", success),
  doc("delete", "/api/admin/people/{id}/totp", "Take a person's second factor away: the telephone is lost.", success),
  doc("get", "/api/admin/people/{id}/usage", "What a person used, day by day.", usageView),
  doc("get", "/api/admin/models", "The model APIs' budgets.", z.object({ models: z.array(modelView) })),
  doc("get", "/api/admin/turns", "The turns in flight, without what is said.", z.object({ turns: z.array(turnView) })),
  doc(
    "post",
    "/api/admin/turns/{id}/cancel",
    "Stop anybody's turn.",
    z.object({ status: z.string(), confirmed: z.boolean() }),
  ),
  doc("post", "/api/admin/bots/{id}/disconnect", "Close a bot's socket; it may come back.", success),
  doc("get", "/api/admin/bot-tokens", "The bots with a token of their own.", z.object({ tokens: z.array(tokenView) })),
  doc(
    "post",
    "/api/admin/bot-tokens",
    "Make or rotate a bot's token. `token` is told this once.",
    z.object({ botId: z.string(), token: z.string() }),
    {
      body: newToken,
      status: 201,
      errors: ["not_found", "invalid"],
    },
  ),
  doc("delete", "/api/admin/bot-tokens/{id}", "Revoke a bot's token and close its socket.", success),
  doc("get", "/api/admin/audit", "The audit log, the newest first.", z.object({ lines: z.array(auditLine) }), {
    query: auditQuery,
    errors: ["not_found", "invalid"],
  }),
];

export function admin(parts: AdminParts): Hono<Env> {
  const { gateway, accounts, sessions, keys, allowances, audit, botTokens, door } = parts;
  const app = new Hono<Env>();

  const act = ({ person }: Caller, did: string, whom: string, from: string, detail?: string) =>
    parts.observer.tell({ type: "acted", act: { who: person.id, did, whom, from, detail } });

  /** The person that a route names. */
  const named = (id: string) => {
    const view = accounts.view(id);
    if (!view) throw new NexusError("not_found");
    return view;
  };

  app.get("/api/admin/state", async (c) => {
    await door.admin(c.req.raw);
    return json({
      troubles: parts.troubles(),
      draining: gateway.draining,
      answering: gateway.answering,
      waiting: gateway.waiting,
      bots: gateway.roster.list().length,
      sessions: sessions.size,
      people: accounts.list().length,
      limits: parts.limits(),
    });
  });

  app.get("/api/admin/people", async (c) => {
    await door.admin(c.req.raw);
    return json({ people: accounts.list() });
  });

  app.post("/api/admin/people", async (c) => {
    const caller = await door.admin(c.req.raw);
    const { id, username = id, ...fields } = await readBody(c.req.raw, newPerson, 64 * 1024);
    if (username === undefined) throw new NexusError("invalid", "username: must be a name");
    const view = await accounts.add(username, fields);
    act(caller, "person_added", view.id, c.env.address, view.role);
    return json(view, 201);
  });

  app.get("/api/admin/people/:id", async (c) => {
    await door.admin(c.req.raw);
    return json(named(c.req.param("id")));
  });

  app.patch("/api/admin/people/:id", async (c) => {
    const caller = await door.admin(c.req.raw);
    const { id } = named(c.req.param("id"));
    const fields = await readBody(c.req.raw, personChange, 64 * 1024);
    const view = await accounts.change(id, fields);
    if (fields.password !== undefined || fields.disabled) await sessions.endOf(id, {});
    act(caller, "person_changed", id, c.env.address, Object.keys(fields).join(","));
    return json(view);
  });

  app.delete("/api/admin/people/:id", async (c) => {
    const caller = await door.admin(c.req.raw);
    const { id } = named(c.req.param("id"));
    await parts.remove(id);
    act(caller, "person_removed", id, c.env.address);
    return json({ success: true });
  });

  app.get("/api/admin/removed", async (c) => {
    await door.admin(c.req.raw);
    const barred = accounts.tombstones.list().filter((tombstone) => tombstone.barred);
    return json({ removed: barred.map(({ username, at }) => ({ username, at })) });
  });

  app.delete("/api/admin/removed/:username", async (c) => {
    const caller = await door.admin(c.req.raw);
    const username = c.req.param("username");
    if (!await accounts.allow(username)) throw new NexusError("not_found");
    act(caller, "person_allowed", username, c.env.address);
    return json({ success: true });
  });

  app.get("/api/admin/people/:id/sessions", async (c) => {
    await door.admin(c.req.raw);
    const found = await sessions.of(named(c.req.param("id")).id);
    return json({
      sessions: found.map(({ id, createdAt, lastSeenAt, expiresAt, agent, address }) => ({
        id,
        createdAt,
        lastSeenAt,
        expiresAt,
        agent,
        address,
      })),
    });
  });

  app.delete("/api/admin/people/:id/sessions", async (c) => {
    const caller = await door.admin(c.req.raw);
    const { id } = named(c.req.param("id"));
    const ended = await sessions.endOf(id, {});
    act(caller, "sessions_ended", id, c.env.address);
    return json({ ended });
  });

  app.get("/api/admin/people/:id/keys", async (c) => {
    await door.admin(c.req.raw);
    return json({ keys: (await keys.of(named(c.req.param("id")).id)).map(keyViewOf) });
  });

  app.delete("/api/admin/people/:id/keys", async (c) => {
    const caller = await door.admin(c.req.raw);
    const { id } = named(c.req.param("id"));
    const revoked = await keys.revoke(id);
    act(caller, "keys_revoked", id, c.env.address);
    return json({ revoked });
  });

  app.delete("/api/admin/people/:id/keys/:key", async (c) => {
    const caller = await door.admin(c.req.raw);
    const { id } = named(c.req.param("id"));
    const key = c.req.param("key");
    if (await keys.revoke(id, key) === 0) throw new NexusError("not_found");
    act(caller, "key_revoked", id, c.env.address, key);
    return json({ success: true });
  });

  app.delete("/api/admin/people/:id/totp", async (c) => {
    const caller = await door.admin(c.req.raw);
    const { id } = named(c.req.param("id"));
    await accounts.dropFactor(id);
    act(caller, "second_factor_removed", id, c.env.address);
    return json({ success: true });
  });

  app.get("/api/admin/people/:id/usage", async (c) => {
    await door.admin(c.req.raw);
    return json({ days: await allowances.usage(named(c.req.param("id")).id) });
  });

  app.get("/api/admin/models", async (c) => {
    await door.admin(c.req.raw);
    return json({ models: await parts.models() });
  });

  app.get("/api/admin/turns", async (c) => {
    await door.admin(c.req.raw);
    return json({ turns: gateway.running().map(turnViewOf) });
  });

  app.post("/api/admin/turns/:id/cancel", async (c) => {
    const caller = await door.admin(c.req.raw);
    const turn = gateway.running().find(({ id }) => id === c.req.param("id"));
    if (!turn) throw new NexusError("not_found");
    act(caller, "turn_cancelled", turn.message.person.id, c.env.address, turn.id);
    const confirmed = await gateway.cancel(turn);
    return json({ status: turn.ending!.status, confirmed });
  });

  app.post("/api/admin/bots/:id/disconnect", async (c) => {
    const caller = await door.admin(c.req.raw);
    const id = c.req.param("id");
    if (!parts.dismiss(id)) throw new NexusError("not_found");
    act(caller, "bot_disconnected", id, c.env.address);
    return json({ success: true });
  });

  app.get("/api/admin/bot-tokens", async (c) => {
    await door.admin(c.req.raw);
    return json({ tokens: botTokens.list() });
  });

  app.post("/api/admin/bot-tokens", async (c) => {
    const caller = await door.admin(c.req.raw);
    const { botId, overlapMinutes, pools, owner } = await readBody(c.req.raw, newToken, 64 * 1024);
    if (owner && !accounts.person(owner)) throw new NexusError("invalid", "owner: must be somebody who may come in");
    const overlap = overlapMinutes * 60_000;
    const token = await botTokens.make(botId, caller.person.id, { overlap, pools, owner, reserved: parts.reserved() });
    // A bot that came in by the common token, or by one that is no longer good, comes in again by the new one.
    if (overlapMinutes === 0) parts.dismiss(botId);
    parts.recheck();
    act(caller, "bot_token_made", botId, c.env.address, pools?.join(","));
    return json({ botId, token }, 201);
  });

  app.delete("/api/admin/bot-tokens/:id", async (c) => {
    const caller = await door.admin(c.req.raw);
    const botId = c.req.param("id");
    if (!await botTokens.revoke(botId)) throw new NexusError("not_found");
    parts.dismiss(botId);
    act(caller, "bot_token_revoked", botId, c.env.address);
    return json({ success: true });
  });

  app.get("/api/admin/audit", async (c) => {
    await door.admin(c.req.raw);
    const { before, limit } = readQuery(c.req.url, auditQuery);
    return json({ lines: await audit.lines(before, limit) });
  });

  return app;
}

function turnViewOf(turn: Turn): z.infer<typeof turnView> {
  const { id, message, bot, state, place, at, firstAt, reply } = turn;
  return {
    id,
    personId: message.person.id,
    botId: bot?.id,
    channel: message.channel,
    state,
    place,
    at,
    firstAt,
    units: reply.length,
  };
}
