/**
 * The chat platforms over HTTP: linking one's account, and what an admin sees and confirms.
 */
import { Hono } from "hono";
import { z } from "zod";
import type { Clock } from "../../core/clock.ts";
import { NexusError } from "../../core/error.ts";
import { Limit } from "../../core/limit.ts";
import type { Person } from "../../core/message.ts";
import type { Observer } from "../../core/observer.ts";
import type { Door } from "../door.ts";
import { json, readBody } from "../http.ts";
import type { RouteDoc } from "../openapi.ts";
import type { Env } from "../web.ts";
import type { Apps } from "./apps.ts";

export interface PlatformParts {
  readonly apps: Apps;
  readonly account: (name: string) => Person | undefined;
  readonly door: Door;
  readonly clock: Clock;
  readonly observer: Observer;
}

const identity = z.object({ channel: z.string(), app: z.string(), id: z.string(), name: z.string().optional() });
const code = z.string({ error: "must be a text" }).min(1, "must be the code").max(32, "must be the code");
const pairBody = z.object({ code }, { error: "must be an object" }).meta({ id: "Pairing" });
const confirmBody = z.object({ code, account: z.string({ error: "must be an account's name" }) }, {
  error: "must be an object",
})
  .meta({ id: "PairingOf" });
const unbindBody = identity.pick({ channel: true, app: true, id: true }).meta({ id: "Identity" });
const sayBody = z.object({ text: z.string({ error: "must be a text" }).min(1).max(100_000) }, {
  error: "must be an object",
})
  .meta({ id: "Say" });
const bound = z.object({ identities: z.array(identity.extend({ account: z.string(), at: z.number() })) });

export const platformRoutes: RouteDoc[] = [
  {
    method: "post",
    path: "/api/pair",
    summary: "Link an identity on a chat platform to your account, by the code that the bot told you there.",
    tag: "account",
    auth: "person",
    body: pairBody,
    ok: identity,
    errors: ["invalid", "not_found", "limited"],
  },
  {
    method: "get",
    path: "/api/identities",
    summary: "Your identities on chat platforms, and the platforms where you can be linked.",
    tag: "account",
    auth: "person",
    ok: bound.extend({ platforms: z.array(z.string()) }),
  },
  {
    method: "delete",
    path: "/api/identities",
    summary: "Unlink one of your identities.",
    tag: "account",
    auth: "person",
    body: unbindBody,
    ok: z.object({ success: z.literal(true) }),
    errors: ["invalid", "not_found"],
  },
  {
    method: "get",
    path: "/api/admin/channels",
    summary: "The apps on chat platforms, what their answers cost, and every budget.",
    tag: "admin",
    auth: "admin",
    ok: z.object({ apps: z.array(z.looseObject({})), budgets: z.array(z.looseObject({})) }),
  },
  {
    method: "get",
    path: "/api/admin/pairings",
    summary: "Codes that wait to be confirmed, and identities that are linked.",
    tag: "admin",
    auth: "admin",
    ok: z.object({ waiting: z.array(z.looseObject({})), bound: z.array(z.looseObject({})) }),
  },
  {
    method: "post",
    path: "/api/admin/pairings",
    summary: "Confirm a code for an account.",
    tag: "admin",
    auth: "admin",
    body: confirmBody,
    ok: identity,
    errors: ["invalid", "not_found"],
  },
  {
    method: "delete",
    path: "/api/admin/pairings",
    summary: "Unlink an identity.",
    tag: "admin",
    auth: "admin",
    body: unbindBody,
    ok: z.object({ success: z.literal(true) }),
    errors: ["invalid"],
  },
  {
    method: "post",
    path: "/api/admin/channels/wecom/{name}/say",
    summary: "Say something into the group of a WeCom webhook.",
    tag: "admin",
    auth: "admin",
    body: sayBody,
    ok: z.object({ success: z.literal(true) }),
    errors: ["invalid", "not_found"],
  },
];

/** Codes that one person may try: with 500 open of 31^8 nobody finds one. */
const TRIES = { burst: 5, every: 60_000 };

export function platforms(parts: PlatformParts): Hono<Env> {
  const { apps, account, door, observer } = parts;
  const app = new Hono<Env>();
  const tries = new Limit(TRIES, parts.clock);
  const act = (who: string, did: string, whom: string, from: string, detail?: string) =>
    observer.tell({ type: "acted", act: { who, did, whom, from, detail } });
  const nameOf = (who: { channel: string; app: string; id: string }) => `${who.channel}:${who.app}:${who.id}`;

  app.post("/api/pair", async (c) => {
    const { person } = await door.caller(c.req.raw, "person");
    const wait = tries.take(person.id);
    if (wait > 0) throw new NexusError("limited", "too many codes", { retryAfter: wait });
    const { code } = await readBody(c.req.raw, pairBody, 4096);
    const who = await apps.pairing.confirm(code, person.id);
    act(person.id, "identity_linked", person.id, c.env.address, nameOf(who));
    return json(who);
  });

  app.get("/api/identities", async (c) => {
    const { person } = await door.caller(c.req.raw, "person");
    const platforms = [...new Set(apps.list().map(({ platform }) => platform))];
    return json({ identities: await apps.pairing.bound(person.id), platforms });
  });

  app.delete("/api/identities", async (c) => {
    const { person } = await door.caller(c.req.raw, "person");
    const who = await readBody(c.req.raw, unbindBody, 4096);
    if (await apps.pairing.account(who) !== person.id) throw new NexusError("not_found");
    await apps.pairing.unbind(who);
    act(person.id, "identity_unlinked", person.id, c.env.address, nameOf(who));
    return json({ success: true });
  });

  app.get("/api/admin/channels", async (c) => {
    await door.admin(c.req.raw);
    return json({ apps: apps.list(), budgets: apps.budgets() });
  });

  app.get("/api/admin/pairings", async (c) => {
    await door.admin(c.req.raw);
    return json({ waiting: await apps.pairing.open(), bound: await apps.pairing.bound() });
  });

  app.post("/api/admin/pairings", async (c) => {
    const { person } = await door.admin(c.req.raw);
    const { code, account: name } = await readBody(c.req.raw, confirmBody, 4096);
    if (!account(name)) throw new NexusError("not_found", "no such account");
    const who = await apps.pairing.confirm(code, name);
    act(person.id, "identity_linked", name, c.env.address, nameOf(who));
    return json(who);
  });

  app.delete("/api/admin/pairings", async (c) => {
    const { person } = await door.admin(c.req.raw);
    const who = await readBody(c.req.raw, unbindBody, 4096);
    await apps.pairing.unbind(who);
    act(person.id, "identity_unlinked", nameOf(who), c.env.address);
    return json({ success: true });
  });

  app.post("/api/admin/channels/wecom/:name/say", async (c) => {
    const { person } = await door.admin(c.req.raw);
    const { text } = await readBody(c.req.raw, sayBody, 1 << 20);
    await apps.say(c.req.param("name"), text);
    act(person.id, "said", `wecom:${c.req.param("name")}`, c.env.address);
    return json({ success: true });
  });

  return app;
}
