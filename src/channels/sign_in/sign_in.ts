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
import { FLOW_COOKIE, FLOW_LIFETIME_MS, FlowCookies } from "./flow.ts";
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

/** Gives the routes of {@linkcode signInRoutes} their handlers. */
export function mountSignIn(routes: Router, parts: SignInParts): void {
  const signIn = new SignIn(parts);

  routes.on(signInRoutes.ways, () => {
    const ways = parts.providers().map(({ id, name }) => ({ id, name, url: `/api/sign-in/${id}` }));
    if (parts.proxy()) {
      ways.push({ id: "proxy", name: "Single sign-on", url: "/api/sign-in/proxy" });
    }
    return { providers: ways };
  });

  routes.on(signInRoutes.begin, (call) => signIn.begin(call, call.param("provider")));

  routes.on(signInRoutes.callback, (call) => signIn.finish(call, call.param("provider")));
}

/** Sign-ins on their way to a provider and back. */
class SignIn {
  readonly #parts: SignInParts;
  readonly #flows: FlowCookies;
  readonly #rate: RateLimiter;
  /** Sign-ins for which a provider is being asked. */
  #finishing = 0;

  constructor(parts: SignInParts) {
    this.#parts = parts;
    this.#flows = new FlowCookies(parts);
    this.#rate = new RateLimiter(NETWORK_SIGN_IN_RATE, parts.clock);
  }

  /** Sends the browser to the provider, or signs in by the trusted proxy's word. */
  begin(call: RouteCall, asked: string): Promise<Response> {
    return this.#redirecting(call, asked, async () => {
      if (asked === "proxy") return await this.#finishByProxy(call);
      const provider = this.#provider(asked);
      const origin = this.#parts.publicUrl() ?? originOf(call);
      const redirect = `${origin}/api/sign-in/${provider.id}/callback`;
      const { flow, cookie } = await this.#flows.begin(provider.id, redirect);
      return redirectTo((await provider.begin(flow)).href, flowCookie(cookie, call));
    });
  }

  /** Signs in the person that the provider sent back. */
  finish(call: RouteCall, asked: string): Promise<Response> {
    return this.#redirecting(call, asked, async () => {
      const provider = this.#provider(asked);
      const callback = new URL(call.request.url);
      const state = callback.searchParams.get("state") ?? "";
      const flow = await this.#flows.find(provider.id, state, cookieOf(call.request, FLOW_COOKIE));
      if (!flow) {
        throw new NexusError("forbidden", "this sign-in was not begun here, or too long ago");
      }
      const network = networkOf(call.address);
      const wait = this.#rate.take(network);
      if (wait > 0 || this.#finishing >= MAX_CONCURRENT_SIGN_INS) {
        throw new NexusError("limited", "too many sign-in attempts", { retryAfter: wait || 5 });
      }
      this.#finishing++;
      try {
        const user = await provider.finish(callback, flow);
        this.#flows.end(flow);
        this.#rate.giveBack(network);
        return await this.#enter(call, user);
      } finally {
        this.#finishing--;
      }
    });
  }

  #provider(id: string): SignInProvider {
    const provider = this.#parts.providers().find((one) => one.id === id);
    if (!provider) throw new NexusError("invalid", "there is no such way to sign in");
    return provider;
  }

  async #finishByProxy(call: RouteCall): Promise<Response> {
    const proxy = this.#parts.proxy();
    if (!proxy) throw new NexusError("invalid", "there is no such way to sign in");
    const id = call.header(proxy.header)?.trim();
    // Anybody can send this header; it counts only from the listed proxies.
    if (!id || !proxy.from.trusts(call.connection.peer ?? call.address)) {
      throw new NexusError("forbidden", "nobody vouches for this request");
    }
    if (id.length > 200) {
      throw new NexusError("forbidden", "the proxy's name for this person is too long");
    }
    return await this.#enter(call, {
      platform: "proxy",
      identities: [{ platform: "proxy", kind: "user", scope: "", value: id }],
      ids: [`proxy:${id}`],
      displayName: proxy.nameHeader === undefined ? undefined : call.header(proxy.nameHeader),
    });
  }

  async #enter(call: RouteCall, who: ExternalUser): Promise<Response> {
    const { accounts, sessions } = this.#parts;
    const { address } = call;
    const person = await accounts.provision(who, { address });
    const { token } = await sessions.begin(person.id, {
      address,
      agent: call.header("user-agent"),
    });
    return redirectTo(
      "/",
      flowCookie(undefined, call),
      sessionCookie(token, sessions.cookieSeconds, call.connection.secure === true),
    );
  }

  /**
   * Runs a step of a sign-in. A person with a browser waits for it, not a program: an error sends
   * the browser to the page, which shows it.
   */
  async #redirecting(
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
      this.#parts.observer.tell({ type: "sign_in_refused", name: "-", address, why });
      if (error.code === "internal") {
        this.#parts.observer.tell({ type: "fault", where: `sign-in ${source}`, error: thrown });
      }
      return redirectTo(`/?sign_in=${error.code}`, flowCookie(undefined, call));
    }
  }
}

function redirectTo(to: string, ...cookies: [string, string][]): Response {
  return new Response(null, {
    status: 302,
    headers: [["location", to], ["cache-control", "no-store"], ...cookies],
  });
}

function originOf(call: RouteCall): string {
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
