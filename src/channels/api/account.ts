/**
 * What people do with their own account: password, second factor, keys, usage, and taking
 * everything with them.
 */
import { z } from "zod";
import type { ApiKeyJson } from "../../wire/account.ts";
import type { Accounts } from "../../core/people/accounts.ts";
import type { Allowances } from "../../core/people/allowance.ts";
import { API_KEY_SCOPES, type ApiKeys } from "../../core/people/api_key.ts";
import { NexusError } from "../../core/error.ts";
import type { Gateway } from "../../core/gateway.ts";
import type { Person } from "../../core/message.ts";
import type { Observer } from "../../core/observer.ts";
import type { Sessions } from "../../core/people/session.ts";
import { totpUri } from "../../core/people/totp.ts";
import { conversationJson, conversationMarkdown } from "./history_view.ts";
import { defineRoute, member, signedIn } from "../http/route.ts";
import type { RouteCall, Router } from "../http/router.ts";

export interface AccountParts {
  readonly gateway: Gateway;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly keys: ApiKeys;
  readonly allowances: Allowances;
  readonly observer: Observer;
}

const text = (max: number) =>
  z.string({ error: "must be a text" }).max(max, `must have at most ${max} characters`);
const newPassword = text(1024).min(8, "must have at least 8 characters");

const passwordChange = z.object({ current: text(1024), password: newPassword }, {
  error: "must be an object",
})
  .meta({ id: "PasswordChange" });
const codeBody = z.object({ code: text(100) }, { error: "must be an object" }).meta({ id: "Code" });
const passwordBody = z.object({ password: text(1024) }, { error: "must be an object" }).meta({
  id: "Password",
});

const newKey = z.object({
  name: text(100).min(1, "must say what the key is for"),
  scopes: z.array(z.enum(API_KEY_SCOPES, { error: 'must be "chat", "read" or "admin"' })).min(
    1,
    "must name a scope",
  ).max(3)
    .optional()
    .meta({ description: "Default: chat and read." }),
  history: z.boolean({ error: "must be true or false" }).optional().meta({
    description:
      "False: what is asked with it leaves no history. For programs that ask for themselves.",
  }),
  bots: z.array(text(128).min(1), { error: "must be a list of bot ids and pools" }).max(1000)
    .optional().meta({
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
  history: z.boolean().optional(),
  createdAt: z.number(),
  expiresAt: z.number().optional(),
  lastUsedAt: z.number().optional(),
}).meta({ id: "Key" }) satisfies z.ZodType<ApiKeyJson>;

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

const exportQuery = z.object({
  format: z.enum(["md", "json"], { error: 'must be "md" or "json"' }).default("json"),
});
const success = z.object({ success: z.boolean() });

export const accountRoutes = {
  password: defineRoute({
    method: "post",
    path: "/api/password",
    summary: "Change your password. Your other sessions end.",
    tag: "account",
    ...signedIn,
    body: passwordChange,
    ok: success,
    errors: ["invalid", "wrong_credentials", "conflict", "limited"],
  }),
  factor: defineRoute({
    method: "get",
    path: "/api/totp",
    summary: "Whether you have a second factor.",
    tag: "account",
    ...signedIn,
    ok: z.object({ enabled: z.boolean() }),
  }),
  beginFactor: defineRoute({
    method: "post",
    path: "/api/totp",
    summary:
      "Begin a second factor: the secret for the authenticator app. It counts once it is confirmed.",
    tag: "account",
    ...signedIn,
    ok: z.object({ secret: z.string(), uri: z.string() }),
    errors: ["conflict"],
  }),
  confirmFactor: defineRoute({
    method: "post",
    path: "/api/totp/confirm",
    summary: "Confirm it with a first code. Answers with the recovery codes, this once.",
    tag: "account",
    ...signedIn,
    body: codeBody,
    ok: z.object({ recoveryCodes: z.array(z.string()) }),
    errors: ["invalid", "second_factor", "conflict", "limited"],
  }),
  dropFactor: defineRoute({
    method: "delete",
    path: "/api/totp",
    summary: "Take the second factor away.",
    tag: "account",
    ...signedIn,
    body: passwordBody,
    ok: success,
    errors: ["invalid", "wrong_credentials"],
  }),
  keys: defineRoute({
    method: "get",
    path: "/api/keys",
    summary: "Your API keys.",
    tag: "account",
    ...signedIn,
    ok: z.object({ keys: z.array(keyView) }),
  }),
  makeKey: defineRoute({
    method: "post",
    path: "/api/keys",
    summary: "Make an API key. `token` is told this once.",
    tag: "account",
    ...signedIn,
    body: newKey,
    ok: z.object({ token: z.string(), key: keyView }),
    status: 201,
    errors: ["invalid", "forbidden", "conflict"],
  }),
  revokeKey: defineRoute({
    method: "delete",
    path: "/api/keys/{id}",
    summary: "Revoke one of your keys.",
    tag: "account",
    ...signedIn,
    ok: success,
    errors: ["not_found"],
  }),
  usage: defineRoute({
    method: "get",
    path: "/api/usage",
    summary: "What you used, day by day.",
    tag: "account",
    ...member(["read"], "closed"),
    ok: usageView,
  }),
  export: defineRoute({
    method: "get",
    path: "/api/export",
    summary: "Everything you and the bots said, as JSON or Markdown.",
    tag: "account",
    ...member(["read"], "bound"),
    query: exportQuery,
    ok: z.looseObject({}),
    errors: ["invalid"],
  }),
} as const;

/** Gives the routes of {@linkcode accountRoutes} their handlers. */
export function mountAccount(routes: Router, parts: AccountParts): void {
  mountPassword(routes, parts);
  mountSecondFactor(routes, parts);
  mountKeys(routes, parts);
  mountUsage(routes, parts);
}

/** Records in the audit log what people do to their own account. */
function recordAct(
  observer: Observer,
  { caller, address }: RouteCall,
  did: string,
  detail?: string,
): void {
  const who = caller!.person.id;
  observer.tell({ type: "acted", act: { who, did, whom: who, from: address, detail } });
}

function mountPassword(routes: Router, { accounts, sessions, observer }: AccountParts): void {
  routes.on(accountRoutes.password, async (call) => {
    const { person, session } = call.caller;
    const { current, password } = await call.body();
    // Counted, so that a stolen session cannot try passwords at will.
    await accounts.passwords.confirm(person.id, current);
    await accounts.editor.setPassword(person.id, password);
    await sessions.endOf(person.id, { allBut: session.id });
    recordAct(observer, call, "password_changed");
    return { success: true };
  });
}

function mountSecondFactor(routes: Router, { accounts, observer }: AccountParts): void {
  routes.on(
    accountRoutes.factor,
    ({ caller: { person } }) => ({ enabled: accounts.secondFactors.has(person.id) }),
  );

  routes.on(accountRoutes.beginFactor, async ({ caller: { person } }) => {
    const secret = await accounts.secondFactors.begin(person.id);
    return { secret, uri: totpUri(secret, "Nexus", person.username ?? person.id) };
  });

  routes.on(accountRoutes.confirmFactor, async (call) => {
    const { code } = await call.body();
    const recoveryCodes = await accounts.secondFactors.confirm(call.caller.person.id, code);
    recordAct(observer, call, "second_factor_added");
    return { recoveryCodes };
  });

  routes.on(accountRoutes.dropFactor, async (call) => {
    const { person } = call.caller;
    const { password } = await call.body();
    await accounts.passwords.confirm(person.id, password);
    await accounts.secondFactors.remove(person.id);
    recordAct(observer, call, "second_factor_removed");
    return { success: true };
  });
}

function mountKeys(routes: Router, { keys, observer }: AccountParts): void {
  routes.on(
    accountRoutes.keys,
    async ({ caller }) => ({ keys: (await keys.of(caller.person.id)).map(keyViewOf) }),
  );

  routes.on(accountRoutes.makeKey, async (call) => {
    const { person } = call.caller;
    const { name, scopes, bots, history, expiresInDays } = await call.body();
    if (scopes?.includes("admin") && person.role !== "admin") {
      throw new NexusError("forbidden", "only an admin's key has the scope admin");
    }
    if (scopes?.includes("admin") && bots) {
      throw new NexusError("invalid", "bots: a key with the scope admin is bound to no bots");
    }
    const ttl = expiresInDays === undefined ? undefined : Math.ceil(expiresInDays * 86_400_000);
    const { token, key } = await keys.make(person.id, { name, scopes, bots, history, ttl });
    recordAct(observer, call, "key_made", `${key.id} ${key.scopes.join(",")}`);
    return { token, key: keyViewOf(key) };
  });

  routes.on(accountRoutes.revokeKey, async (call) => {
    const id = call.param("id");
    if (await keys.revoke(call.caller.person.id, id) === 0) throw new NexusError("not_found");
    recordAct(observer, call, "key_revoked", id);
    return { success: true };
  });
}

function mountUsage(routes: Router, { gateway, allowances, observer }: AccountParts): void {
  routes.on(
    accountRoutes.usage,
    async ({ caller }) => ({ days: await allowances.usage(caller.person.id) }),
  );

  routes.on(accountRoutes.export, (call) => {
    const { person } = call.caller;
    const { format } = call.query();
    recordAct(observer, call, "exported", format);
    return new Response(
      ReadableStream.from(everything(gateway, person, format)).pipeThrough(new TextEncoderStream()),
      {
        headers: [
          ["content-type", format === "json" ? "application/json" : "text/markdown; charset=utf-8"],
          ["cache-control", "no-store"],
          ["content-disposition", `attachment; filename="nexus-export.${format}"`],
        ],
      },
    );
  });
}

/** All conversations, one in memory at a time. */
async function* everything(
  gateway: Gateway,
  person: Person,
  format: "md" | "json",
): AsyncGenerator<string> {
  const { id, name } = person;
  if (format === "json") yield `{"person":${JSON.stringify({ id, name })},"conversations":[`;
  let first = true;
  for (const conversation of await gateway.history.conversations(person)) {
    if (format === "md") yield `${await conversationMarkdown(gateway, person, conversation)}\n`;
    else {yield `${first ? "" : ","}\n${
        JSON.stringify(await conversationJson(gateway, person, conversation))
      }`;}
    first = false;
  }
  if (format === "json") yield "\n]}\n";
}

export function keyViewOf(
  { id, name, begins, scopes, bots, history, createdAt, expiresAt, lastUsedAt }: Awaited<
    ReturnType<ApiKeys["of"]>
  >[number],
): z.infer<typeof keyView> {
  return {
    id,
    name,
    begins,
    scopes: [...scopes],
    bots: bots && [...bots],
    history,
    createdAt,
    expiresAt,
    lastUsedAt,
  };
}
