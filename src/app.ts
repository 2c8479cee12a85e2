/**
 * The page that ties the rooms together: configuration and parts go in, Request → Response comes out.
 *
 * The same function is used by `main.ts`, by the tests and by whoever hosts Nexus elsewhere: it opens no port, reads no file and no
 * environment.
 *
 * ```ts
 * const app = await createApp(config, {});
 * Deno.serve((request, info) => app.fetch(request, { address: info.remoteAddr.hostname }));
 * ```
 */
import { createHash } from "node:crypto";
import { Hono } from "hono";
import { MemoryStore } from "./backends/memory.ts";
import { DemoBot } from "./bots/demo.ts";
import { BotSockets, type Refusal, type Wire } from "./bots/socket.ts";
import { Door } from "./channels/door.ts";
import { history, historyRoutes } from "./channels/history.ts";
import { type Connection, failure, languageOfRequest } from "./channels/http.ts";
import type { RouteDoc } from "./channels/openapi.ts";
import { ops, opsRoutes } from "./channels/ops.ts";
import { Pulse } from "./channels/pulse.ts";
import { type Env, web, webRoutes } from "./channels/web.ts";
import { changedKeys, type Config, configJsonSchema } from "./config.ts";
import { Accounts } from "./core/account.ts";
import { type Clock, systemClock } from "./core/clock.ts";
import { asNexusError, NexusError } from "./core/error.ts";
import { Gateway, type GatewaySettings } from "./core/gateway.ts";
import { everyone, type Observer, silent } from "./core/observer.ts";
import { sameText } from "./core/secret.ts";
import { Sessions } from "./core/session.ts";
import type { Store } from "./core/store.ts";
import { Metrics } from "./metrics.ts";
import { VERSION } from "./version.ts";

/** What the world gives; everything has a default that needs nothing. */
export interface AppParts {
  /** Default: a store in memory. Closed by {@linkcode App.close}. */
  readonly store?: Store;
  readonly clock?: Clock;
  /** Told everything, besides the metrics. */
  readonly observer?: Observer;
  /** Takes a WebSocket out of a request; default `Deno.upgradeWebSocket`. */
  readonly upgrade?: (request: Request) => { socket: Wire; response: Response };
  /** What answers when no route does: the page. */
  readonly page?: (request: Request) => Response | Promise<Response>;
  readonly random?: () => number;
}

/** A gateway that answers requests. */
export interface App {
  fetch(request: Request, connection?: Connection): Response | Promise<Response>;
  readonly gateway: Gateway;
  readonly sockets: BotSockets;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly metrics: Metrics;
  readonly config: Config;
  /** Takes over a changed configuration. Returns what changed and now holds, and what changed but needs a restart. */
  reconfigure(config: Config): Promise<{ changed: string[]; needRestart: string[] }>;
  /** Refuses new work, lets turns finish for at most `drainTimeout`, then ends streams and sockets in the order that loses nothing. */
  drain(): Promise<void>;
  /** Stops everything. After {@linkcode drain} nothing is lost. */
  close(): Promise<void>;
}

/** What only counts at the start. */
const AT_START: readonly string[] = ["host", "port", "demo"];

/** Who a request comes from where nobody says. */
const NOWHERE: Connection = { address: "unknown" };

export async function createApp(config: Config, parts: AppParts = {}): Promise<App> {
  const clock = parts.clock ?? systemClock;
  const store = parts.store ?? new MemoryStore({ now: () => clock.now() });
  const metrics = new Metrics();
  const observer = everyone(metrics, parts.observer ?? silent);
  const accounts = new Accounts({ clock, observer });
  await warnOfPlain(accounts, config, observer);
  const sessions = new Sessions({ store, clock, observer }, config.sessionTTL);
  const gateway = new Gateway(
    { store, clock, observer, random: parts.random, personById: (id) => accounts.person(id) },
    settingsOf(config),
  );
  let tokenHash = digestOf(config.botToken);
  const sockets = new BotSockets({
    roster: gateway.roster,
    clock,
    observer,
    refuse: (botId, token) => refusal(botId, token, tokenHash),
    push: (bot, push) => gateway.push(bot, push),
  }, socketSettingsOf(config));
  const pulse = new Pulse(clock);
  const door = new Door({ accounts, sessions, allowedOrigins: () => config.allowedOrigins });
  if (config.demo) seatDemo(gateway, clock);
  metrics.watch({
    bots: () => gateway.roster.list(),
    answering: () => gateway.answering,
    waiting: () => gateway.waiting,
    kept: () => gateway.kept,
    streams: () => pulse.size,
    pages: () => gateway.notices.pages,
    sockets: () => sockets.size,
    sessions: () => sessions.size,
  });

  const routes: RouteDoc[] = [...webRoutes, ...historyRoutes, ...opsRoutes];
  const hono = new Hono<Env>();
  hono.route("/", web({ gateway, accounts, sessions, door, pulse, maxBody: () => config.maxBody, isSecure }));
  hono.route("/", history({ gateway, door }));
  hono.route(
    "/",
    ops({
      gateway,
      version: VERSION,
      metrics: () => metrics.text(),
      metricsToken: () => config.metricsToken,
      configSchema: configJsonSchema,
      troubles: () => [],
      routes: () => routes,
    }),
  );
  hono.onError((thrown, c) => {
    const error = asNexusError(thrown);
    if (error.code === "internal") {
      observer.tell({ type: "fault", where: `${c.req.method} ${c.req.path}`, error: thrown });
    }
    return failure(error, languageOfRequest(c.req.raw));
  });
  hono.notFound((c) => {
    const api = /^\/(api|v1|channels|bot-ws)(\/|$)/.test(c.req.path);
    if (parts.page && !api && (c.req.method === "GET" || c.req.method === "HEAD")) return parts.page(c.req.raw);
    return failure(new NexusError("not_found"), languageOfRequest(c.req.raw));
  });

  const upgrade = parts.upgrade ?? upgradeWithDeno;

  /** A bot's socket. The token may be shown here already, which lets a proxy or a firewall see who asks. */
  function acceptBot(request: Request, address: string): Response {
    const origin = request.headers.get("origin");
    if (origin !== null && !door.mayUse(request, origin)) {
      observer.tell({ type: "bot_refused", address, why: `origin ${origin.slice(0, 200)}` });
      return failure(
        new NexusError("forbidden", "this origin may not open a bot's socket"),
        languageOfRequest(request),
      );
    }
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return failure(new NexusError("invalid", "GET /bot-ws is a WebSocket"), languageOfRequest(request));
    }
    if (gateway.draining) {
      return failure(new NexusError("shutting_down", undefined, { retryAfter: 5 }), languageOfRequest(request));
    }
    const bearer = request.headers.get("authorization");
    const { socket, response } = upgrade(request);
    sockets.accept(socket, address, bearer?.startsWith("Bearer ") ? bearer.slice(7) : undefined);
    return response;
  }

  function answer(request: Request, connection: Connection): Response | Promise<Response> {
    const path = pathOf(request.url);
    if (path === "/bot-ws") return acceptBot(request, connection.address);
    const origin = config.allowedOrigins.length > 0 ? request.headers.get("origin") : null;
    if (origin === null || !config.allowedOrigins.includes(origin)) return hono.fetch(request, connection);
    return withCors(request, origin, () => hono.fetch(request, connection));
  }

  let closed = false;
  return {
    gateway,
    sockets,
    accounts,
    sessions,
    metrics,
    get config() {
      return config;
    },
    fetch: (request, connection = NOWHERE) => answer(request, connection),

    async reconfigure(next) {
      const keys = changedKeys(config, next);
      const needRestart = keys.filter((key) => AT_START.includes(key));
      config = next;
      await warnOfPlain(accounts, config, observer);
      sessions.ttl = config.sessionTTL;
      gateway.set(settingsOf(config));
      if (keys.some((key) => key === "pingInterval" || key === "botTimeout" || key === "resumeGrace")) {
        sockets.set(socketSettingsOf(config));
      }
      if (keys.includes("botToken")) {
        tokenHash = digestOf(config.botToken);
        for (const { id } of gateway.roster.list()) sockets.dismiss(id);
      }
      return { changed: keys.filter((key) => !needRestart.includes(key)), needRestart };
    },

    async drain() {
      await gateway.drain(config.drainTimeout);
      // Readers are given what is left to read before their streams end.
      await new Promise<void>((resolve) => setTimeout(resolve, 20));
      pulse.close();
      await sockets.close();
    },

    async close() {
      if (closed) return;
      closed = true;
      gateway.close();
      pulse.close();
      await sockets.close(0);
      await store.close();
    },
  };
}

function settingsOf(config: Config): Partial<GatewaySettings> {
  return {
    replyTimeout: config.replyTimeout,
    queue: { total: config.queue.total, perPerson: config.queue.perPerson },
    queueTimeout: config.queue.timeout,
  };
}

function socketSettingsOf(config: Config) {
  return { pingInterval: config.pingInterval, botTimeout: config.botTimeout, grace: config.resumeGrace };
}

async function warnOfPlain(accounts: Accounts, config: Config, observer: Observer): Promise<void> {
  const plain = await accounts.replace(config.users);
  if (plain.length > 0) {
    const names = plain.slice(0, 10).join(", ");
    observer.tell({
      type: "warning",
      what: `the password of ${names} stands in the configuration as plain text; \`nexus hash\` makes a hash`,
    });
  }
}

/** The demo bot sits on the roster until the first real bot joins, and does not come back while this process lives. */
function seatDemo(gateway: Gateway, clock: Clock): void {
  const demo = new DemoBot(clock);
  const leave = gateway.roster.join(demo);
  const stop = gateway.roster.watch(() => {
    if (gateway.roster.list().every(({ link }) => link === demo)) return;
    stop();
    leave();
  });
}

/** What a bot's token is compared with: nothing where every bot may come in. */
function digestOf(botToken: string): string | undefined {
  if (botToken === "") return undefined;
  return /^sha256:[0-9a-f]{64}$/i.test(botToken) ? botToken.toLowerCase() : sha256(botToken);
}

/** At once, unlike Web Crypto: a bot's frames must not overtake its registration. */
function sha256(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

function refusal(botId: string, token: string, tokenHash: string | undefined): Refusal | undefined {
  if (botId === "demo") return { error: 'Bot id "demo" is taken by the built-in bot', wrong: "id" };
  // The words are the original's.
  if (tokenHash !== undefined && !sameText(sha256(token), tokenHash)) {
    return { error: "Invalid token", wrong: "token" };
  }
  return undefined;
}

function isSecure(request: Request): boolean {
  return request.url.startsWith("https:") || request.headers.get("x-forwarded-proto") === "https";
}

/** The path of a request's address, without the cost of parsing all of it. */
function pathOf(url: string): string {
  const from = url.indexOf("/", url.indexOf("//") + 2);
  const query = url.indexOf("?", from);
  return from < 0 ? "/" : url.slice(from, query < 0 ? undefined : query);
}

function upgradeWithDeno(request: Request): { socket: Wire; response: Response } {
  // Our own heartbeat finds dead bots; the runtime's would cut those whose library answers no protocol pings.
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  socket.binaryType = "arraybuffer";
  return { socket, response };
}

/** Lets a listed origin's page read the answer (the Fetch standard's CORS protocol). */
async function withCors(
  request: Request,
  origin: string,
  answer: () => Response | Promise<Response>,
): Promise<Response> {
  const headers: [string, string][] = [["access-control-allow-origin", origin], ["vary", "origin"]];
  if (request.method === "OPTIONS" && request.headers.has("access-control-request-method")) {
    headers.push(
      ["access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE"],
      ["access-control-allow-headers", "authorization, content-type, idempotency-key, last-event-id, accept-language"],
      ["access-control-max-age", "600"],
    );
    return new Response(null, { status: 204, headers });
  }
  const response = await answer();
  const open = new Response(response.body, response);
  for (const [name, value] of headers) open.headers.append(name, value);
  open.headers.set("access-control-expose-headers", "retry-after");
  return open;
}
