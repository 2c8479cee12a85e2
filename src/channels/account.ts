/**
 * What people do with their own account: password, second factor, keys, usage, and taking everything with them.
 */
import { Hono } from "hono";
import { z } from "zod";
import type { Accounts } from "../core/account.ts";
import type { Allowances } from "../core/allowance.ts";
import { type ApiKeys, SCOPES } from "../core/api_key.ts";
import { NexusError } from "../core/error.ts";
import type { Gateway } from "../core/gateway.ts";
import type { Person } from "../core/message.ts";
import type { Observer } from "../core/observer.ts";
import type { Sessions } from "../core/session.ts";
import { totpUri } from "../core/totp.ts";
import type { Door } from "./door.ts";
import { conversationJson, conversationMarkdown } from "./history.ts";
import { json, readBody, readQuery } from "./http.ts";
import type { RouteDoc } from "./openapi.ts";
import type { Env } from "./web.ts";

export interface AccountParts {
  readonly gateway: Gateway;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly keys: ApiKeys;
  readonly allowances: Allowances;
  readonly door: Door;
  readonly observer: Observer;
}

const text = (max: number) => z.string({ error: "must be a text" }).max(max, `must have at most ${max} characters`);
const newPassword = text(1024).min(8, "must have at least 8 characters");

const passwordChange = z.object({ current: text(1024), password: newPassword }, { error: "must be an object" })
  .meta({ id: "PasswordChange" });
const codeBody = z.object({ code: text(100) }, { error: "must be an object" }).meta({ id: "Code" });
const passwordBody = z.object({ password: text(1024) }, { error: "must be an object" }).meta({ id: "Password" });

const newKey = z.object({
  name: text(100).min(1, "must say what the key is for"),
  scopes: z.array(z.enum(SCOPES, { error: 'must be "chat", "read" or "admin"' })).min(1, "must name a scope").max(3)
    .optional()
    .meta({ description: "Default: chat and read." }),
  bots: z.array(text(128).min(1), { error: "must be a list of bot ids and pools" }).max(1000).optional().meta({
    description: "The bots and pools it opens. Default: all that you may use.",
  }),
  expiresInDays: z.number({ error: "must be a number of days" }).positive("must be above 0").max(
    3650,
    "must be at most 3650",
  )
    .optional(),
}, { error: "must be an object" }).meta({ id: "NewKey" });

export const keyView = z.object({
  id: z.string(),
  name: z.string(),
  begins: z.string().meta({ description: "The first characters, to know it by" }),
  scopes: z.array(z.string()),
  bots: z.array(z.string()).optional(),
  createdAt: z.number(),
  expiresAt: z.number().optional(),
  lastUsedAt: z.number().optional(),
}).meta({ id: "Key" });

export const usageView = z.object({
  days: z.array(z.object({
    day: z.string().meta({ description: "UTC" }),
    messages: z.number(),
    imageBytes: z.number(),
    turns: z.number(),
    units: z.number().meta({ description: "UTF-16 units of the answers" }),
    inputTokens: z.number().optional().meta({ description: "As model APIs counted them" }),
    outputTokens: z.number().optional(),
  })),
}).meta({ id: "Usage" });

const exportQuery = z.object({ format: z.enum(["md", "json"], { error: 'must be "md" or "json"' }).default("json") });
const success = z.object({ success: z.boolean() });

export const accountRoutes: RouteDoc[] = [
  {
    method: "post",
    path: "/api/password",
    summary: "Change your password. Your other sessions end.",
    tag: "account",
    auth: "person",
    body: passwordChange,
    ok: success,
    errors: ["invalid", "wrong_credentials", "conflict", "limited"],
  },
  {
    method: "get",
    path: "/api/totp",
    summary: "Whether you have a second factor.",
    tag: "account",
    auth: "person",
    ok: z.object({ enabled: z.boolean() }),
  },
  {
    method: "post",
    path: "/api/totp",
    summary: "Begin a second factor: the secret for the authenticator app. It counts once it is confirmed.",
    tag: "account",
    auth: "person",
    ok: z.object({ secret: z.string(), uri: z.string() }),
    errors: ["conflict"],
  },
  {
    method: "post",
    path: "/api/totp/confirm",
    summary: "Confirm it with a first code. Answers with the recovery codes, this once.",
    tag: "account",
    auth: "person",
    body: codeBody,
    ok: z.object({ recoveryCodes: z.array(z.string()) }),
    errors: ["invalid", "second_factor", "conflict", "limited"],
  },
  {
    method: "delete",
    path: "/api/totp",
    summary: "Take the second factor away.",
    tag: "account",
    auth: "person",
    body: passwordBody,
    ok: success,
    errors: ["invalid", "wrong_credentials"],
  },
  {
    method: "get",
    path: "/api/keys",
    summary: "Your API keys.",
    tag: "account",
    auth: "person",
    ok: z.object({ keys: z.array(keyView) }),
  },
  {
    method: "post",
    path: "/api/keys",
    summary: "Make an API key. `token` is told this once.",
    tag: "account",
    auth: "person",
    body: newKey,
    ok: z.object({ token: z.string(), key: keyView }),
    status: 201,
    errors: ["invalid", "forbidden", "conflict"],
  },
  {
    method: "delete",
    path: "/api/keys/{id}",
    summary: "Revoke one of your keys.",
    tag: "account",
    auth: "person",
    ok: success,
    errors: ["not_found"],
  },
  {
    method: "get",
    path: "/api/usage",
    summary: "What you used, day by day.",
    tag: "account",
    auth: "person",
    ok: usageView,
  },
  {
    method: "get",
    path: "/api/export",
    summary: "Everything you and the bots said, as JSON or Markdown.",
    tag: "account",
    auth: "person",
    query: exportQuery,
    ok: z.looseObject({}),
    errors: ["invalid"],
  },
];

export function account(parts: AccountParts): Hono<Env> {
  const { gateway, accounts, sessions, keys, allowances, door, observer } = parts;
  const app = new Hono<Env>();

  const act = (person: Person, did: string, from: string, detail?: string) =>
    observer.tell({ type: "acted", act: { who: person.id, did, whom: person.id, from, detail } });

  app.post("/api/password", async (c) => {
    const { person, session } = await door.caller(c.req.raw, "person");
    const { current, password } = await readBody(c.req.raw, passwordChange, 64 * 1024);
    // Counted, so that a stolen session cannot try passwords at will.
    await accounts.checkPassword(person.id, current);
    await accounts.setPassword(person.id, password);
    await sessions.endOf(person.id, { allBut: session.id });
    act(person, "password_changed", c.env.address);
    return json({ success: true });
  });

  app.get("/api/totp", async (c) => {
    const { person } = await door.caller(c.req.raw, "person");
    return json({ enabled: accounts.hasFactor(person.id) });
  });

  app.post("/api/totp", async (c) => {
    const { person } = await door.caller(c.req.raw, "person");
    const secret = await accounts.newFactor(person.id);
    return json({ secret, uri: totpUri(secret, "Nexus", person.username ?? person.id) });
  });

  app.post("/api/totp/confirm", async (c) => {
    const { person } = await door.caller(c.req.raw, "person");
    const { code } = await readBody(c.req.raw, codeBody, 64 * 1024);
    const recoveryCodes = await accounts.confirmFactor(person.id, code);
    act(person, "second_factor_added", c.env.address);
    return json({ recoveryCodes });
  });

  app.delete("/api/totp", async (c) => {
    const { person } = await door.caller(c.req.raw, "person");
    const { password } = await readBody(c.req.raw, passwordBody, 64 * 1024);
    await accounts.checkPassword(person.id, password);
    await accounts.dropFactor(person.id);
    act(person, "second_factor_removed", c.env.address);
    return json({ success: true });
  });

  app.get("/api/keys", async (c) => {
    const { person } = await door.caller(c.req.raw, "person");
    return json({ keys: (await keys.of(person.id)).map(keyViewOf) });
  });

  app.post("/api/keys", async (c) => {
    const { person } = await door.caller(c.req.raw, "person");
    const { name, scopes, bots, expiresInDays } = await readBody(c.req.raw, newKey, 64 * 1024);
    if (scopes?.includes("admin") && person.role !== "admin") {
      throw new NexusError("forbidden", "only an admin's key has the scope admin");
    }
    const ttl = expiresInDays === undefined ? undefined : Math.ceil(expiresInDays * 86_400_000);
    const { token, key } = await keys.make(person.id, { name, scopes, bots, ttl });
    act(person, "key_made", c.env.address, `${key.id} ${key.scopes.join(",")}`);
    return json({ token, key: keyViewOf(key) }, 201);
  });

  app.delete("/api/keys/:id", async (c) => {
    const { person } = await door.caller(c.req.raw, "person");
    const id = c.req.param("id");
    if (await keys.revoke(person.id, id) === 0) throw new NexusError("not_found");
    act(person, "key_revoked", c.env.address, id);
    return json({ success: true });
  });

  app.get("/api/usage", async (c) => {
    const { person } = await door.caller(c.req.raw, "read");
    return json({ days: await allowances.usage(person.id) });
  });

  app.get("/api/export", async (c) => {
    const { person } = await door.caller(c.req.raw, "read");
    const { format } = readQuery(c.req.url, exportQuery);
    act(person, "exported", c.env.address, format);
    return new Response(ReadableStream.from(everything(gateway, person, format)).pipeThrough(new TextEncoderStream()), {
      headers: [
        ["content-type", format === "json" ? "application/json" : "text/markdown; charset=utf-8"],
        ["cache-control", "no-store"],
        ["content-disposition", `attachment; filename="nexus-export.${format}"`],
      ],
    });
  });

  return app;
}

/** All conversations, one in memory at a time. */
async function* everything(gateway: Gateway, person: Person, format: "md" | "json"): AsyncGenerator<string> {
  const { id, name } = person;
  if (format === "json") yield `{"person":${JSON.stringify({ id, name })},"conversations":[`;
  let first = true;
  for (const conversation of await gateway.archive.conversations(person.id)) {
    if (format === "md") yield `${await conversationMarkdown(gateway, conversation)}\n`;
    else yield `${first ? "" : ","}\n${JSON.stringify(await conversationJson(gateway, conversation))}`;
    first = false;
  }
  if (format === "json") yield "\n]}\n";
}

export function keyViewOf(
  { id, name, begins, scopes, bots, createdAt, expiresAt, lastUsedAt }: Awaited<ReturnType<ApiKeys["of"]>>[number],
): z.infer<typeof keyView> {
  return { id, name, begins, scopes: [...scopes], bots: bots && [...bots], createdAt, expiresAt, lastUsedAt };
}
