/**
 * Signing in where somebody else vouches: the way out to a provider and back, and the word of a trusted reverse proxy.
 *
 * The flow is bound to the browser by a cookie and can be used once: a link that an attacker began cannot be finished by somebody else.
 */
import { type Context, Hono } from "hono";
import { z } from "zod";
import type { Accounts } from "../../core/account.ts";
import { asNexusError, NexusError } from "../../core/error.ts";
import type { Observer } from "../../core/observer.ts";
import { randomToken, sameText } from "../../core/secret.ts";
import type { Sessions } from "../../core/session.ts";
import type { Store } from "../../core/store.ts";
import type { TrustedProxies } from "../address.ts";
import { sessionCookie } from "../door.ts";
import { json } from "../http.ts";
import type { RouteDoc } from "../openapi.ts";
import type { Env } from "../web.ts";
import type { Flow, Provider } from "./provider.ts";

export interface SignInParts {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly store: Store;
  readonly observer: Observer;
  readonly providers: () => readonly Provider[];
  /** The address at which people reach us, e.g. `https://chat.example.com`; else what the request says. */
  readonly publicUrl: () => string | undefined;
  /** A reverse proxy that signs people in and names them in a header. */
  readonly proxy: () =>
    | { readonly header: string; readonly nameHeader?: string; readonly from: TrustedProxies }
    | undefined;
}

const FLOW_COOKIE = "nexus_sign_in";

/** Milliseconds that a person may take at the provider. */
const FLOW_LIFETIME = 10 * 60_000;

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

interface KeptFlow extends Flow {
  readonly provider: string;
}

export function signIn(parts: SignInParts): Hono<Env> {
  const { accounts, sessions, store } = parts;
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
      const flow: KeptFlow = {
        provider: provider.id,
        state: randomToken(),
        nonce: randomToken(),
        verifier: randomToken(),
        redirect: `${parts.publicUrl() ?? here(c)}/api/sign-in/${provider.id}/callback`,
      };
      await store.set(`signin:${flow.state}`, flow, { ttl: FLOW_LIFETIME });
      return away((await provider.begin(flow)).href, flowCookie(flow.state, FLOW_LIFETIME / 1000, c));
    }));

  app.get("/api/sign-in/:provider/callback", (c) =>
    told(c, c.req.param("provider"), async () => {
      const provider = named(c.req.param("provider"));
      const callback = new URL(c.req.url);
      const state = callback.searchParams.get("state") ?? "";
      const own = cookieOf(c.req.header("cookie"));
      const flow: KeptFlow | undefined = /^[0-9a-f]{64}$/.test(state) ? await store.get(`signin:${state}`) : undefined;
      await store.delete(`signin:${state}`);
      if (!flow || own === undefined || !sameText(own, state) || flow.provider !== provider.id) {
        throw new NexusError("forbidden", "this sign-in was not begun here, or too long ago");
      }
      return await enter(c, provider.id, await provider.finish(callback, flow));
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
    const displayName = proxy.nameHeader === undefined ? undefined : c.req.header(proxy.nameHeader)?.slice(0, 200);
    return await enter(c, "proxy", { id: `proxy:${id.slice(0, 200)}`, displayName });
  }

  async function enter(c: Context<Env>, source: string, who: { id: string; displayName?: string }): Promise<Response> {
    const { address } = c.env;
    const person = await accounts.vouched(source, who, address);
    const { token } = await sessions.begin(person.id, { address, agent: c.req.header("user-agent") });
    return away(
      "/",
      flowCookie(undefined, 0, c),
      sessionCookie(token, Math.floor(sessions.ttl / 1000), c.env.secure === true),
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
