/** The routes of the app: each room of `src/channels/` adds its own. */
import type { WebSocketLike } from "../bots/server/bot_server.ts";
import { account } from "../channels/api/account.ts";
import { admin } from "../channels/api/admin.ts";
import { chat } from "../channels/api/chat.ts";
import { connections, connectionsOf } from "../channels/api/connections.ts";
import { history } from "../channels/api/history.ts";
import { news } from "../channels/api/news.ts";
import { ops } from "../channels/api/ops.ts";
import { session } from "../channels/api/session.ts";
import { pathOf } from "../channels/http/edge.ts";
import { Routes } from "../channels/http/router.ts";
import { botSocketRoute, upgrades } from "../channels/http/upgrade.ts";
import { callbacks } from "../channels/im/callback.ts";
import { platforms } from "../channels/im/routes.ts";
import { openai } from "../channels/openai/openai.ts";
import { signIn } from "../channels/sign_in/sign_in.ts";
import { configJsonSchema } from "../config/config.ts";
import { withoutTrailingSlashes } from "../core/address.ts";
import type { Language } from "../core/languages.ts";
import { VERSION } from "../core/version.ts";
import type { Parts } from "./parts.ts";
import type { signInProvidersOf } from "./sign_in_providers.ts";

export type SignInProviders = ReturnType<typeof signInProvidersOf>;

/** @param providers who vouches for people at sign-in, at the moment */
export function createRoutes(parts: Parts, providers: () => SignInProviders): Routes {
  const { door, observer, config } = parts;
  const routes = new Routes({
    door,
    observer,
    maxBody: () => config.current.maxBody,
    otherwise: (request) => {
      const isOurs = /^\/(api|v1|channels|bot-ws)(\/|$)/.test(pathOf(request.url));
      return isOurs || (request.method !== "GET" && request.method !== "HEAD")
        ? undefined
        : parts.parts.page?.(request);
    },
  });
  session(routes, parts);
  addChat(routes, parts);
  addAccounts(routes, parts, providers);
  addAdmin(routes, parts);
  addOpenai(routes, parts);
  addOperations(routes, parts);
  addChatApps(routes, parts);
  addBots(routes, parts);
  return routes;
}

/** What is wrong with the store, for operators. */
function storeTroubles({ store: { trouble } }: Parts): string[] {
  return trouble === undefined ? [] : [`store: ${trouble}`];
}

function addChat(routes: Routes, parts: Parts): void {
  const { gateway, door, pulse, hangUps, accounts, observer } = parts;
  const speaks = (id: string, language: Language) =>
    void accounts.languages.set(id, language).catch((error) =>
      observer.tell({ type: "fault", where: "languages", error })
    );
  chat(routes, { gateway, door, pulse, hangUps, speaks });
  news(routes, { gateway, door, pulse });
  history(routes, { gateway });
}

function addAccounts(routes: Routes, parts: Parts, providers: () => SignInProviders): void {
  const { gateway, accounts, sessions, keys, allowances, observer, secret, clock } = parts;
  signIn(routes, {
    accounts,
    sessions,
    secret,
    clock,
    observer,
    providers: () => providers().providers,
    publicUrl: () => {
      const { publicUrl } = parts.config.current;
      return publicUrl === undefined ? undefined : withoutTrailingSlashes(publicUrl);
    },
    proxy: () => providers().proxy,
  });
  account(routes, { gateway, accounts, sessions, keys, allowances, observer });
}

function addAdmin(routes: Routes, parts: Parts): void {
  const { gateway, accounts, sessions, keys, allowances, audit, botTokens, observer } = parts;
  const { admission, server, upstreams } = parts.bots;
  admin(routes, {
    gateway,
    accounts,
    sessions,
    keys,
    allowances,
    audit,
    botTokens,
    reserved: () => admission.reserved(),
    recheck: () => server.recheck(),
    remove: (id) => parts.offboarding.remove(id),
    dismiss: (botId) => server.disconnect(botId),
    observer,
    models: () => upstreams.budgets(),
    limits: () => parts.config.current.limits,
    troubles: () => [...storeTroubles(parts), ...upstreams.troubles()],
  });
}

function addOpenai(routes: Routes, parts: Parts): void {
  const { gateway, store, clock, observer, door, pulse, hangUps, allowances } = parts;
  openai(routes, {
    gateway,
    store,
    clock,
    observer,
    door,
    pulse,
    hangUps,
    left: (message) => allowances.remaining(message),
    allowPrivate: () => parts.config.current.allowPrivateImages,
  });
}

function addOperations(routes: Routes, parts: Parts): void {
  const { gateway, metrics, checkup, apps, observer, config } = parts;
  const bots = () => parts.bots.monitor.reports();
  const connected = { checkup, apps: () => apps.list(), bots };
  ops(routes, {
    gateway,
    version: VERSION,
    metrics: (names) => metrics.text(names),
    metricsToken: () => config.current.metricsToken,
    publicBots: () => config.current.publicBots,
    configSchema: configJsonSchema,
    troubles: () => storeTroubles(parts),
    bots,
    connections: () => connectionsOf(connected),
  });
  connections(routes, { ...connected, observer });
}

function addChatApps(routes: Routes, { apps, accounts, clock, observer, gateway }: Parts): void {
  platforms(routes, { apps, account: (name) => accounts.person(name), clock, observer });
  callbacks(routes, { apps, observer, draining: () => gateway.draining });
}

function addBots(routes: Routes, { door, observer, bots, gateway, config, parts }: Parts): void {
  routes.raw(
    [botSocketRoute],
    upgrades({
      door,
      observer,
      sockets: bots.server,
      draining: () => gateway.draining,
      refuses: (token) =>
        config.current.requireTokenAtUpgrade && !bots.admission.known(token ?? ""),
      upgrade: parts.upgrade ?? upgradeWithDeno,
    }),
  );
}

function upgradeWithDeno(request: Request): { socket: WebSocketLike; response: Response } {
  // Our own heartbeat finds dead bots; the runtime's would disconnect those whose library answers no
  // protocol pings.
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  socket.binaryType = "arraybuffer";
  return { socket, response };
}
