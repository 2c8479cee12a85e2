/**
 * The chat platforms over HTTP: linking one's account, and what an admin sees and confirms.
 */
import { z } from "zod";
import type { Clock } from "../../core/clock.ts";
import { NexusError } from "../../core/error.ts";
import { RateLimiter } from "../../core/rate_limiter.ts";
import type { Person } from "../../core/message.ts";
import type { Observer } from "../../core/observer.ts";
import { accountAdmins, admins, defineRoute, signedIn } from "../http/route.ts";
import type { RouteCall, Router } from "../http/router.ts";
import type { Apps } from "./apps.ts";

export interface PlatformParts {
  readonly apps: Apps;
  readonly account: (name: string) => Person | undefined;
  readonly clock: Clock;
  readonly observer: Observer;
}

const identity = z.object({
  channel: z.string(),
  app: z.string(),
  id: z.string(),
  name: z.string().optional(),
});
const code = z.string({ error: "must be a text" }).min(1, "must be the code").max(
  32,
  "must be the code",
);
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
const bound = z.object({
  identities: z.array(identity.extend({
    account: z.string(),
    at: z.number(),
    vouched: z.boolean().meta({
      description: "The platform itself says whose it is: it cannot be unlinked",
    }),
  })),
});

const appView = z.object({
  platform: z.string(),
  name: z.string(),
  connected: z.boolean(),
  connectedSince: z.number().optional(),
  lastEventAt: z.number().optional().meta({
    description: "When the platform last sent something of its own",
  }),
  lastError: z.object({ at: z.number(), code: z.string(), words: z.string() }).optional(),
  refusedCallbacks: z.number().meta({ description: "Callbacks that were not the platform's" }),
  lastRefused: z.object({ at: z.number(), why: z.string() }).optional(),
  nextTryAt: z.number().optional().meta({
    description: "When the connection is tried again, where that is not soon",
  }),
  open: z.number().meta({ description: "Answers under way" }),
  answers: z.number(),
  calls: z.number().meta({ description: "Calls to the platform that those answers cost" }),
  pushes: z.number().meta({ description: "What bots said by themselves" }),
}).meta({ id: "App" });
const budgetView = z.object({
  key: z.string(),
  windows: z.array(z.object({ limit: z.number(), per: z.number(), used: z.number() })),
  quota: z.object({ limit: z.number(), used: z.number(), left: z.number(), period: z.string() })
    .optional(),
  closedFor: z.number().meta({
    description: "Milliseconds until a throttled scope opens again; 0: it is open",
  }),
  waiting: z.number(),
  granted: z.record(z.string(), z.number()).meta({ description: "Sends by priority" }),
}).meta({ id: "Budget" });

/** Bytes of a body that holds a code and a name. */
const SMALL = 4096;

export const platformRoutes = {
  pair: defineRoute({
    method: "post",
    path: "/api/pair",
    summary:
      "Enter the code that the bot told you in a private chat. The chat then asks whether it is to be linked to your account, " +
      "and your answer there links it.",
    tag: "account",
    ...signedIn,
    body: pairBody,
    maxBody: SMALL,
    ok: identity.extend({
      asked: z.boolean().meta({
        description: "False: the app cannot speak first; write to it and answer there",
      }),
    }),
    errors: ["invalid", "not_found", "conflict", "limited"],
  }),
  identities: defineRoute({
    method: "get",
    path: "/api/identities",
    summary: "Your identities on chat platforms, and the platforms where you can be linked.",
    tag: "account",
    ...signedIn,
    ok: bound.extend({ platforms: z.array(z.string()) }),
  }),
  unlink: defineRoute({
    method: "delete",
    path: "/api/identities",
    summary: "Unlink one of your identities.",
    tag: "account",
    ...signedIn,
    body: unbindBody,
    maxBody: SMALL,
    ok: z.object({ success: z.boolean() }),
    errors: ["invalid", "not_found", "conflict"],
  }),
  channels: defineRoute({
    method: "get",
    path: "/api/admin/channels",
    summary: "The apps on chat platforms, what their answers cost, and every budget.",
    tag: "admin",
    ...admins,
    ok: z.object({ apps: z.array(appView), budgets: z.array(budgetView) }),
  }),
  pairings: defineRoute({
    method: "get",
    path: "/api/admin/pairings",
    summary: "Codes that wait to be confirmed, and identities that are linked.",
    tag: "admin",
    ...admins,
    ok: z.object({
      waiting: z.array(z.object({ code: z.string(), who: identity, at: z.number() })),
      bound: bound.shape.identities,
    }),
  }),
  confirm: defineRoute({
    method: "post",
    path: "/api/admin/pairings",
    summary: "Confirm a code for an account.",
    tag: "admin",
    ...accountAdmins,
    body: confirmBody,
    maxBody: SMALL,
    ok: identity,
    errors: ["invalid", "not_found"],
  }),
  unbind: defineRoute({
    method: "delete",
    path: "/api/admin/pairings",
    summary: "Unlink an identity.",
    tag: "admin",
    ...accountAdmins,
    body: unbindBody,
    maxBody: SMALL,
    ok: z.object({ success: z.boolean() }),
    errors: ["invalid", "conflict"],
  }),
  say: defineRoute({
    method: "post",
    path: "/api/admin/channels/wecom/{name}/say",
    summary: "Say something into the group of a WeCom webhook.",
    tag: "admin",
    ...admins,
    body: sayBody,
    maxBody: 1 << 20,
    ok: z.object({ success: z.boolean() }),
    errors: ["invalid", "not_found"],
  }),
} as const;

/** Codes that one person may try: with 500 open of 31^8 nobody finds one. */
const TRIES = { burst: 5, every: 60_000 };

export function platforms(routes: Router, parts: PlatformParts): void {
  const { apps, account, observer } = parts;
  const tries = new RateLimiter(TRIES, parts.clock);
  const act = ({ caller, address }: RouteCall, did: string, whom: string, detail?: string) =>
    observer.tell({
      type: "acted",
      act: { who: caller!.person.id, did, whom, from: address, detail },
    });
  const nameOf = (who: { channel: string; app: string; id: string }) =>
    `${who.channel}:${who.app}:${who.id}`;

  routes.on(platformRoutes.pair, async (call) => {
    const { person } = call.caller;
    const wait = tries.take(person.id);
    if (wait > 0) throw new NexusError("limited", "too many codes", { retryAfter: wait });
    const { code } = await call.body();
    const { known: _, ...who } = await apps.pairing.claim(code, person.id);
    act(call, "identity_claimed", person.id, nameOf(who));
    return { ...who, asked: await apps.askToLink(who, person) };
  });

  routes.on(platformRoutes.identities, async ({ caller: { person } }) => {
    const platforms = [...new Set(apps.list().map(({ platform }) => platform))];
    return { identities: await apps.pairing.bound(person.id), platforms };
  });

  routes.on(platformRoutes.unlink, async (call) => {
    const { person } = call.caller;
    const who = await call.body();
    if (await apps.pairing.account(who) !== person.id) throw new NexusError("not_found");
    await apps.pairing.unbind(who);
    act(call, "identity_unlinked", person.id, nameOf(who));
    return { success: true };
  });

  routes.on(platformRoutes.channels, () => ({ apps: apps.list(), budgets: apps.budgets() }));

  routes.on(platformRoutes.pairings, async () => ({
    waiting: await apps.pairing.open(),
    bound: await apps.pairing.bound(),
  }));

  routes.on(platformRoutes.confirm, async (call) => {
    const { code, account: name } = await call.body();
    const person = account(name);
    if (!person) throw new NexusError("not_found", "no such account");
    call.refuseKeyForAdmin(person.role);
    const { known: _, ...who } = await apps.pairing.confirm(code, name);
    act(call, "identity_linked", name, nameOf(who));
    return who;
  });

  routes.on(platformRoutes.unbind, async (call) => {
    const who = await call.body();
    const owner = await apps.pairing.account(who);
    call.refuseKeyForAdmin(owner === undefined ? undefined : account(owner)?.role);
    await apps.pairing.unbind(who);
    act(call, "identity_unlinked", nameOf(who));
    return { success: true };
  });

  routes.on(platformRoutes.say, async (call) => {
    const name = call.param("name");
    const { text } = await call.body();
    await apps.say(name, text);
    act(call, "said", `wecom:${name}`);
    return { success: true };
  });
}
