/**
 * Signing in where somebody else vouches: the way out to a provider and back, and the word of a trusted reverse proxy.
 *
 * What a stranger can cause is bounded: a flow is a cookie of theirs, and how many come back with a code that the provider is asked for is
 * limited per network and in all.
 */
import { type Context, Hono } from "hono";
import { z } from "zod";
import type { Accounts } from "../../core/account.ts";
import { asNexusError, NexusError } from "../../core/error.ts";
import type { Observer } from "../../core/observer.ts";
import { Limit, networkOf } from "../../core/limit.ts";
import type { Clock } from "../../core/clock.ts";
import type { ServerSecret } from "../../core/server_secret.ts";
import type { Sessions } from "../../core/session.ts";
import { PER_NETWORK } from "../../core/sign_in_limits.ts";
import type { Vouched } from "../../core/vouching.ts";
import type { TrustedProxies } from "../address.ts";
import { sessionCookie } from "../door.ts";
import { json } from "../http.ts";
import type { RouteDoc } from "../openapi.ts";
import type { Env } from "../web.ts";
import { FLOW_COOKIE, FLOW_LIFETIME, Flows } from "./flow.ts";
import type { Provider } from "./provider.ts";

export interface SignInParts {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly secret: ServerSecret;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly providers: () => readonly Provider[];
  /** The address at which people reach us, e.g. `https://chat.example.com`; else what the request says. */
  readonly publicUrl: () => string | undefined;
  /** A reverse proxy that signs people in and names them in a header. */
  readonly proxy: () =>
    | { readonly header: string; readonly nameHeader?: string; readonly from: TrustedProxies }
    | undefined;
}

/** Sign-ins for which a provider is being asked, of all networks together. */
export const FINISHING = 50;

export const signInRoutes: RouteDoc[] = [
  {
    method: "get",
    path: "/api/sign-in",
    summary: "The ways to sign in besides name and password: buttons of the page.",
    tag: "session",
    auth: "none",
    ok: z.object({ providers: z.array(z.object({ id: z.string(), name: z.string(), url: z.string() })) }),
  },
  {
    method: "get",
    path: "/api/sign-in/{provider}",
    summary: "Sends the browser to the provider; `proxy` signs in whom a trusted reverse proxy names.",
    tag: "session",
    auth: "none",
    ok: "text/html",
    status: 302,
    errors: ["invalid"],
  },
  {
    method: "get",
    path: "/api/sign-in/{provider}/callback",
    summary: "Where the provider sends the browser back to.",
    tag: "session",
    auth: "none",
    ok: "text/html",
    status: 302,
    errors: ["invalid"],
  },
];

export function signIn(parts: SignInParts): Hono<Env> {
  const { accounts, sessions } = parts;
  const flows = new Flows(parts);
  const tries = new Limit(PER_NETWORK, parts.clock);
  let finishing = 0;
  const app = new Hono<Env>();

  app.get("/api/sign-in", () => {
    const ways = parts.providers().map(({ id, name }) => ({ id, name, url: `/api/sign-in/${id}` }));
    if (parts.proxy()) ways.push({ id: "proxy", name: "Single sign-on", url: "/api/sign-in/proxy" });
    return json({ providers: ways });
  });

  app.get("/api/sign-in/proxy", (c) => told(c, "proxy", () => byProxy(c)));

  app.get("/api/sign-in/:provider", (c) =>
    told(c, c.req.param("provider"), async () => {
      const provider = named(c.req.param("provider"));
      const redirect = `${parts.publicUrl() ?? here(c)}/api/sign-in/${provider.id}/callback`;
      const { flow, cookie } = await flows.begin(provider.id, redirect);
      return away((await provider.begin(flow)).href, flowCookie(cookie, FLOW_LIFETIME / 1000, c));
    }));

  app.get("/api/sign-in/:provider/callback", (c) =>
    told(c, c.req.param("provider"), async () => {
      const provider = named(c.req.param("provider"));
      const callback = new URL(c.req.url);
      const state = callback.searchParams.get("state") ?? "";
      const flow = await flows.find(provider.id, state, cookieOf(c.req.header("cookie")));
      if (!flow) throw new NexusError("forbidden", "this sign-in was not begun here, or too long ago");
      const network = networkOf(c.env.address);
      const wait = tries.take(network);
      if (wait > 0 || finishing >= FINISHING) {
        throw new NexusError("limited", "too many sign-in attempts", { retryAfter: wait || 5 });
      }
      finishing++;
      try {
        const who = await provider.finish(callback, flow);
        flows.end(flow);
        tries.giveBack(network);
        return await enter(c, who);
      } finally {
        finishing--;
      }
    }));

  function named(id: string): Provider {
    const provider = parts.providers().find((one) => one.id === id);
    if (!provider) throw new NexusError("invalid", "there is no such way to sign in");
    return provider;
  }

  async function byProxy(c: Context<Env>): Promise<Response> {
    const proxy = parts.proxy();
    if (!proxy) throw new NexusError("invalid", "there is no such way to sign in");
    const id = c.req.header(proxy.header)?.trim();
    // Anybody can write a header; only of the listed proxies it means something.
    if (!id || !proxy.from.trusts(c.env.peer ?? c.env.address)) {
      throw new NexusError("forbidden", "nobody vouches for this request");
    }
    if (id.length > 200) throw new NexusError("forbidden", "the proxy's name for this person is too long");
    return await enter(c, {
      platform: "proxy",
      identities: [{ platform: "proxy", kind: "user", scope: "", value: id }],
      ids: [`proxy:${id}`],
      displayName: proxy.nameHeader === undefined ? undefined : c.req.header(proxy.nameHeader),
    });
  }

  async function enter(c: Context<Env>, who: Vouched): Promise<Response> {
    const { address } = c.env;
    const person = await accounts.vouch(who, { address });
    const { token } = await sessions.begin(person.id, { address, agent: c.req.header("user-agent") });
    return away(
      "/",
      flowCookie(undefined, 0, c),
      sessionCookie(token, sessions.cookieSeconds, c.env.secure === true),
    );
  }

  /** People stand before a browser here, not a program: what went wrong is told by the page. */
  async function told(c: Context<Env>, source: string, go: () => Promise<Response>): Promise<Response> {
    try {
      return await go();
    } catch (thrown) {
      const error = thrown instanceof NexusError ? thrown : asNexusError(thrown);
      if (error.code === "invalid") throw error;
      const { address } = c.env;
      const why = `${source}: ${error.detail ?? "the provider failed"}`;
      parts.observer.tell({ type: "sign_in_refused", name: "-", address, why });
      if (error.code === "internal") parts.observer.tell({ type: "fault", where: `sign-in ${source}`, error: thrown });
      return away(`/?sign_in=${error.code}`, flowCookie(undefined, 0, c));
    }
  }

  return app;
}

function away(to: string, ...cookies: [string, string][]): Response {
  return new Response(null, { status: 302, headers: [["location", to], ["cache-control", "no-store"], ...cookies] });
}

function here(c: Context<Env>): string {
  return `${c.env.secure ? "https" : "http"}://${c.req.header("host") ?? new URL(c.req.url).host}`;
}

function flowCookie(state: string | undefined, seconds: number, c: Context<Env>): [string, string] {
  const secure = c.env.secure ? "; Secure" : "";
  return [
    "set-cookie",
    `${FLOW_COOKIE}=${state ?? ""}; Path=/api/sign-in; HttpOnly; SameSite=Lax; Max-Age=${seconds}${secure}`,
  ];
}

function cookieOf(header: string | undefined): string | undefined {
  return header?.split(";").map((part) => part.trim().split("=", 2)).find(([name]) => name === FLOW_COOKIE)?.[1];
}
