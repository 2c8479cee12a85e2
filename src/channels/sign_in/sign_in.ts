/**
 * Signing in where somebody else vouches: the way out to a provider and back, and the word of a
 * trusted reverse proxy.
 *
 * What a stranger can cause is bounded: a flow is a cookie of theirs, and how many come back with a
 * code that the provider is asked for is limited per network and in all.
 */
import { z } from "zod";
import type { Accounts } from "../../core/people/accounts.ts";
import { asNexusError, NexusError } from "../../core/error.ts";
import type { Observer } from "../../core/observer.ts";
import { networkOf, RateLimiter } from "../../core/rate_limiter.ts";
import type { Clock } from "../../core/clock.ts";
import type { ServerSecret } from "../../core/people/server_secret.ts";
import type { Sessions } from "../../core/people/session.ts";
import { NETWORK_SIGN_IN_RATE } from "../../core/people/sign_in_limits.ts";
import type { ExternalUser } from "../../core/people/provisioning.ts";
import type { TrustedProxies } from "../http/trusted_proxies.ts";
import { cookieOf, sessionCookie, setCookie } from "../http/cookie.ts";
import { anyone, defineRoute } from "../http/route.ts";
import type { RouteCall, Router } from "../http/router.ts";
import { FLOW_COOKIE, FLOW_LIFETIME_MS, Flows } from "./flow.ts";
import type { SignInProvider } from "./provider.ts";

export interface SignInParts {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly secret: ServerSecret;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly providers: () => readonly SignInProvider[];
  /**
   * The address at which people reach us, e.g. `https://chat.example.com`; else what the request
   * says.
   */
  readonly publicUrl: () => string | undefined;
  /** A reverse proxy that signs people in and names them in a header. */
  readonly proxy: () =>
    | { readonly header: string; readonly nameHeader?: string; readonly from: TrustedProxies }
    | undefined;
}

/** Sign-ins for which a provider is being asked, of all networks together. */
export const MAX_CONCURRENT_SIGN_INS = 50;

export const signInRoutes = {
  ways: defineRoute({
    method: "get",
    path: "/api/sign-in",
    summary: "The ways to sign in besides name and password: buttons of the page.",
    tag: "session",
    ...anyone,
    ok: z.object({
      providers: z.array(z.object({ id: z.string(), name: z.string(), url: z.string() })),
    }),
  }),
  begin: defineRoute({
    method: "get",
    path: "/api/sign-in/{provider}",
    summary:
      "Sends the browser to the provider; `proxy` signs in whom a trusted reverse proxy names.",
    tag: "session",
    ...anyone,
    ok: "text/html",
    status: 302,
    errors: ["invalid"],
  }),
  callback: defineRoute({
    method: "get",
    path: "/api/sign-in/{provider}/callback",
    summary: "Where the provider sends the browser back to.",
    tag: "session",
    ...anyone,
    ok: "text/html",
    status: 302,
    errors: ["invalid"],
  }),
} as const;

export function mountSignIn(routes: Router, parts: SignInParts): void {
  const { accounts, sessions } = parts;
  const flows = new Flows(parts);
  const tries = new RateLimiter(NETWORK_SIGN_IN_RATE, parts.clock);
  let finishing = 0;

  routes.on(signInRoutes.ways, () => {
    const ways = parts.providers().map(({ id, name }) => ({ id, name, url: `/api/sign-in/${id}` }));
    if (parts.proxy()) {
      ways.push({ id: "proxy", name: "Single sign-on", url: "/api/sign-in/proxy" });
    }
    return { providers: ways };
  });

  routes.on(signInRoutes.begin, (call) => {
    const asked = call.param("provider");
    return asked === "proxy"
      ? told(call, asked, () => byProxy(call))
      : told(call, asked, async () => {
        const provider = named(asked);
        const redirect = `${parts.publicUrl() ?? here(call)}/api/sign-in/${provider.id}/callback`;
        const { flow, cookie } = await flows.begin(provider.id, redirect);
        return away((await provider.begin(flow)).href, flowCookie(cookie, call));
      });
  });

  routes.on(signInRoutes.callback, (call) => {
    const asked = call.param("provider");
    return told(call, asked, async () => {
      const provider = named(asked);
      const callback = new URL(call.request.url);
      const state = callback.searchParams.get("state") ?? "";
      const flow = await flows.find(provider.id, state, cookieOf(call.request, FLOW_COOKIE));
      if (!flow) {
        throw new NexusError("forbidden", "this sign-in was not begun here, or too long ago");
      }
      const network = networkOf(call.address);
      const wait = tries.take(network);
      if (wait > 0 || finishing >= MAX_CONCURRENT_SIGN_INS) {
        throw new NexusError("limited", "too many sign-in attempts", { retryAfter: wait || 5 });
      }
      finishing++;
      try {
        const who = await provider.finish(callback, flow);
        flows.end(flow);
        tries.giveBack(network);
        return await enter(call, who);
      } finally {
        finishing--;
      }
    });
  });

  function named(id: string): SignInProvider {
    const provider = parts.providers().find((one) => one.id === id);
    if (!provider) throw new NexusError("invalid", "there is no such way to sign in");
    return provider;
  }

  async function byProxy(call: RouteCall): Promise<Response> {
    const proxy = parts.proxy();
    if (!proxy) throw new NexusError("invalid", "there is no such way to sign in");
    const id = call.header(proxy.header)?.trim();
    // Anybody can write a header; only of the listed proxies it means something.
    if (!id || !proxy.from.trusts(call.connection.peer ?? call.address)) {
      throw new NexusError("forbidden", "nobody vouches for this request");
    }
    if (id.length > 200) {
      throw new NexusError("forbidden", "the proxy's name for this person is too long");
    }
    return await enter(call, {
      platform: "proxy",
      identities: [{ platform: "proxy", kind: "user", scope: "", value: id }],
      ids: [`proxy:${id}`],
      displayName: proxy.nameHeader === undefined ? undefined : call.header(proxy.nameHeader),
    });
  }

  async function enter(call: RouteCall, who: ExternalUser): Promise<Response> {
    const { address } = call;
    const person = await accounts.provision(who, { address });
    const { token } = await sessions.begin(person.id, {
      address,
      agent: call.header("user-agent"),
    });
    return away(
      "/",
      flowCookie(undefined, call),
      sessionCookie(token, sessions.cookieSeconds, call.connection.secure === true),
    );
  }

  /** People stand before a browser here, not a program: what went wrong is told by the page. */
  async function told(
    call: RouteCall,
    source: string,
    go: () => Promise<Response>,
  ): Promise<Response> {
    try {
      return await go();
    } catch (thrown) {
      const error = thrown instanceof NexusError ? thrown : asNexusError(thrown);
      if (error.code === "invalid") throw error;
      const { address } = call;
      const why = `${source}: ${error.detail ?? "the provider failed"}`;
      parts.observer.tell({ type: "sign_in_refused", name: "-", address, why });
      if (error.code === "internal") {
        parts.observer.tell({ type: "fault", where: `sign-in ${source}`, error: thrown });
      }
      return away(`/?sign_in=${error.code}`, flowCookie(undefined, call));
    }
  }
}

function away(to: string, ...cookies: [string, string][]): Response {
  return new Response(null, {
    status: 302,
    headers: [["location", to], ["cache-control", "no-store"], ...cookies],
  });
}

function here(call: RouteCall): string {
  return `${call.connection.secure ? "https" : "http"}://${
    call.header("host") ?? new URL(call.request.url).host
  }`;
}

function flowCookie(flow: string | undefined, { connection }: RouteCall): [string, string] {
  const secure = connection.secure === true;
  return setCookie(FLOW_COOKIE, flow, {
    path: "/api/sign-in",
    seconds: FLOW_LIFETIME_MS / 1000,
    secure,
  });
}
