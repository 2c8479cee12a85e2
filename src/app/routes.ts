/** The routes of the app: each room of `src/channels/` adds its own. */
import type { WebSocketLike } from "../bots/server/bot_server.ts";
import { mountAccount } from "../channels/api/account.ts";
import { mountAdmin } from "../channels/api/admin.ts";
import { mountChat } from "../channels/api/chat.ts";
import { connectionsOf, mountConnections } from "../channels/api/connections.ts";
import { mountHistory } from "../channels/api/history.ts";
import { mountNews } from "../channels/api/news.ts";
import { mountOperations } from "../channels/api/operations.ts";
import { mountSession } from "../channels/api/session.ts";
import { pathOf } from "../channels/http/edge.ts";
import { Router } from "../channels/http/router.ts";
import { botSocketRoute, botUpgradeHandler } from "../channels/http/bot_upgrade.ts";
import { callbacks } from "../channels/im/callback.ts";
import { platforms } from "../channels/im/routes.ts";
import { mountOpenAi } from "../channels/openai/openai.ts";
import { mountSignIn } from "../channels/sign_in/sign_in.ts";
import { configJsonSchema } from "../config/config.ts";
import { withoutTrailingSlashes } from "../core/address.ts";
import type { Language } from "../core/languages.ts";
import { VERSION } from "../core/version.ts";
import type { Parts } from "./parts.ts";
import type { signInProvidersOf } from "./sign_in_providers.ts";

export type SignInProviders = ReturnType<typeof signInProvidersOf>;

/** @param providers who vouches for people at sign-in, at the moment */
export function createRoutes(parts: Parts, providers: () => SignInProviders): Router {
  const { auth, observer, config } = parts;
  const routes = new Router({
    auth,
    observer,
    maxBody: () => config.current.maxBody,
    fallback: (request) => {
      const isOurs = /^\/(api|v1|channels|bot-ws)(\/|$)/.test(pathOf(request.url));
      return isOurs || (request.method !== "GET" && request.method !== "HEAD")
        ? undefined
        : parts.parts.page?.(request);
    },
  });
  mountSession(routes, parts);
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

function addChat(routes: Router, parts: Parts): void {
  const { gateway, auth, streams, disconnects, accounts, observer } = parts;
  const learnLanguage = (id: string, language: Language) =>
    void accounts.languages.set(id, language).catch((error) =>
      observer.tell({ type: "fault", where: "languages", error })
    );
  mountChat(routes, { gateway, auth, streams, disconnects, learnLanguage });
  mountNews(routes, { gateway, auth, streams });
  mountHistory(routes, { gateway });
}

function addAccounts(routes: Router, parts: Parts, providers: () => SignInProviders): void {
  const { gateway, accounts, sessions, keys, allowances, observer, secret, clock } = parts;
  mountSignIn(routes, {
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
  mountAccount(routes, { gateway, accounts, sessions, keys, allowances, observer });
}

function addAdmin(routes: Router, parts: Parts): void {
  const { gateway, accounts, sessions, keys, allowances, audit, botTokens, observer } = parts;
  const { admission, server, upstreams } = parts.bots;
  mountAdmin(routes, {
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

function addOpenai(routes: Router, parts: Parts): void {
  const { gateway, store, clock, observer, auth, streams, disconnects, allowances } = parts;
  mountOpenAi(routes, {
    gateway,
    store,
    clock,
    observer,
    auth,
    streams,
    disconnects,
    left: (message) => allowances.remaining(message),
    allowPrivate: () => parts.config.current.allowPrivateImages,
  });
}

function addOperations(routes: Router, parts: Parts): void {
  const { gateway, metrics, checkup, apps, observer, config } = parts;
  const bots = () => parts.bots.monitor.reports();
  const connected = { checkup, apps: () => apps.list(), bots };
  mountOperations(routes, {
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
  mountConnections(routes, { ...connected, observer });
}

function addChatApps(routes: Router, { apps, accounts, clock, observer, gateway }: Parts): void {
  platforms(routes, { apps, account: (name) => accounts.person(name), clock, observer });
  callbacks(routes, { apps, observer, draining: () => gateway.draining });
}

function addBots(routes: Router, { auth, observer, bots, gateway, config, parts }: Parts): void {
  routes.raw(
    [botSocketRoute],
    botUpgradeHandler({
      auth,
      observer,
      sockets: bots.server,
      draining: () => gateway.draining,
      refuses: (token) =>
        config.current.requireTokenAtUpgrade && !bots.admission.isKnownToken(token ?? ""),
      upgrade: parts.upgrade ?? upgradeWithDeno,
    }),
  );
}

function upgradeWithDeno(request: Request): { socket: WebSocketLike; response: Response } {
  // Our own heartbeat finds dead bots; the runtime's would disconnect those whose library answers
  // no protocol pings.
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  socket.binaryType = "arraybuffer";
  return { socket, response };
}
