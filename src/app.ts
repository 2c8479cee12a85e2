/**
 * The page that ties the rooms together: configuration and parts go in, Request → Response comes
 * out.
 *
 * The same function is used by `main.ts`, by the tests and by whoever hosts Nexus elsewhere: it
 * opens no port, reads no file and no environment.
 *
 * ```ts
 * const app = await createApp(config, {});
 * Deno.serve((request, info) => app.fetch(request, { address: info.remoteAddr.hostname }));
 * ```
 */
import { argon2idInWasm } from "./backends/argon_wasm.ts";
import { MemoryStore } from "./backends/memory.ts";
import { TrustedProxies } from "./channels/http/address.ts";
import { DemoBot } from "./bots/demo.ts";
import { BotServer, type WebSocketLike } from "./bots/server/bot_server.ts";
import { account } from "./channels/api/account.ts";
import { admin } from "./channels/api/admin.ts";
import type { HttpClient } from "./bots/upstream/http/client.ts";
import { fetchHttp } from "./bots/upstream/http/fetch_client.ts";
import { SocketHttpClient } from "./bots/upstream/http/socket_client.ts";
import { probesOfModels } from "./bots/upstream/probe.ts";
import { Upstreams } from "./bots/upstream/upstreams.ts";
import { chat } from "./channels/api/chat.ts";
import { connections, connectionsOf } from "./channels/api/connections.ts";
import { Door } from "./channels/http/auth.ts";
import { edge, type Fetch, pathOf } from "./channels/http/edge.ts";
import { history } from "./channels/api/history.ts";
import type { Connection } from "./channels/http/http.ts";
import { news } from "./channels/api/news.ts";
import { openai } from "./channels/openai/openai.ts";
import { Apps } from "./channels/im/apps.ts";
import { callbacks } from "./channels/im/callback.ts";
import { probesOfApps } from "./channels/im/probes.ts";
import { platforms } from "./channels/im/routes.ts";
import { ops } from "./channels/api/ops.ts";
import { HangUps } from "./channels/http/disconnect.ts";
import { Pulse } from "./channels/http/stream_registry.ts";
import type { Route } from "./channels/http/route.ts";
import { Routes } from "./channels/http/router.ts";
import { session } from "./channels/api/session.ts";
import { botSocketRoute, upgrades } from "./channels/http/upgrade.ts";
import { changedKeys, chatPrefixesOf, type Config, configJsonSchema } from "./config/config.ts";
import { Accounts } from "./core/people/accounts.ts";
import { withoutTrailingSlashes } from "./core/address.ts";
import { type Allowance, Allowances, DEFAULT_MAX_STREAMS } from "./core/people/allowance.ts";
import { ApiKeys } from "./core/people/api_key.ts";
import { Audit } from "./core/people/audit.ts";
import { BotAdmission } from "./core/bot_admission.ts";
import { BotTokens } from "./core/people/bot_token.ts";
import { BotMonitor } from "./core/bot_monitor.ts";
import { Checkup } from "./core/checkup.ts";
import { type Clock, systemClock } from "./core/clock.ts";
import { probesOfSignIn } from "./channels/sign_in/probe.ts";
import { signIn } from "./channels/sign_in/sign_in.ts";
import { OidcProvider } from "./channels/sign_in/oidc.ts";
import { DingtalkSignIn, LarkSignIn, PLACES, WecomSignIn } from "./channels/sign_in/office.ts";
import type { Provider } from "./channels/sign_in/provider.ts";
import { Gateway } from "./core/gateway.ts";
import type { GatewaySettings } from "./core/gateway_settings.ts";
import { transcriptOf } from "./core/transcript.ts";
import type { Language } from "./core/languages.ts";
import { LogLimiter } from "./core/log_limiter.ts";
import { combineObservers, type Observer, silentObserver } from "./core/observer.ts";
import { Offboarding } from "./core/people/offboarding.ts";
import { ServerSecret } from "./core/people/server_secret.ts";
import { DEFAULT_SESSION_MAX_AGE_MS, type SessionLife, Sessions } from "./core/people/session.ts";
import type { ProviderPolicy } from "./core/people/account_directory.ts";
import type { Store } from "./core/store.ts";
import { Metrics } from "./telemetry/metrics.ts";
import { VERSION } from "./core/version.ts";

/** What the world gives; everything has a default that needs nothing. */
export interface AppParts {
  /** Default: a store in memory. Closed by {@linkcode App.close}. */
  readonly store?: Store;
  readonly clock?: Clock;
  /** Told everything, besides the metrics. */
  readonly observer?: Observer;
  /** Takes a WebSocket out of a request; default `Deno.upgradeWebSocket`. */
  readonly upgrade?: (request: Request) => { socket: WebSocketLike; response: Response };
  /** What answers when no route does: the page. */
  readonly page?: (request: Request) => Response | Promise<Response>;
  readonly random?: () => number;
  /** Several processes share the store: then what another one has not finished is left alone. */
  readonly shared?: boolean;
  /** The environment, for settings such as `env:OPENAI_API_KEY`. Default: empty. */
  readonly env?: (name: string) => string | undefined;
  /** Calls model APIs; default sockets of its own, or `fetch` where the runtime has none. */
  readonly http?: HttpClient;
}

/** A gateway that answers requests. */
export interface App {
  fetch(request: Request, connection?: Connection): Response | Promise<Response>;
  readonly gateway: Gateway;
  /** The company's apps on chat platforms. */
  readonly apps: Apps;
  /** Tries apps, model APIs and ways to sign in. */
  readonly checkup: Checkup;
  readonly sockets: BotServer;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly keys: ApiKeys;
  readonly botTokens: BotTokens;
  /** How each bot hangs on the gateway. */
  readonly bots: BotMonitor;
  readonly audit: Audit;
  readonly metrics: Metrics;
  readonly config: Config;
  /** Every route, as it is declared. */
  readonly routes: readonly Route[];
  /**
   * Takes over a changed configuration. Returns what changed and now holds, and what changed but
   * needs a restart.
   */
  reconfigure(config: Config): Promise<{ changed: string[]; needRestart: string[] }>;
  /**
   * Refuses new work, lets turns finish for at most `drainTimeout`, then ends streams and sockets
   * in the order that loses nothing.
   */
  drain(): Promise<void>;
  /** Stops everything. After {@linkcode drain} nothing is lost. */
  close(): Promise<void>;
}

/** What only counts at the start. */
const AT_START: readonly string[] = ["channels", "host", "port", "demo", "store", "tls"];

/**
 * How often the store is asked what others changed in the bots' tokens, and what is too old to
 * keep.
 */
const LOOK = 5_000, FORGET = 3_600_000;

/**
 * Turns that are looked at for a model's history; its window in tokens is smaller than that nearly
 * always.
 */
const HISTORY = 200;

/** Milliseconds that answers may take to reach their chat platforms when the gateway stops. */
const SETTLE = 5_000;

/** Who a request comes from where nobody says. */
const NOWHERE: Connection = { address: "unknown" };

export async function createApp(config: Config, parts: AppParts = {}): Promise<App> {
  const clock = parts.clock ?? systemClock;
  const store: Store = parts.store ?? new MemoryStore({ now: () => clock.now() });
  const metrics = new Metrics();
  const outside = new LogLimiter(parts.observer ?? silentObserver, clock);
  const audit = new Audit({
    store,
    clock,
    onFault: (error) => outside.tell({ type: "fault", where: "audit", error }),
  });
  const limitsOf = (id: string): Allowance => {
    const own = accounts.limits(id);
    return own ? { ...config.limits, ...own } : config.limits;
  };
  const allowances: Allowances = new Allowances({ store, clock, observer: outside, of: limitsOf });
  const botWatch = new BotMonitor({
    clock,
    roster: () => gateway.roster,
    tokens: () => botTokens.byBot,
  });
  const observer = combineObservers(metrics, outside, audit, allowances, botWatch);
  const secret = await ServerSecret.open(store);
  const accounts = new Accounts({ clock, observer, store, secret, argon2id: argon2idInWasm });
  await accounts.load();
  await takeUsers(accounts, config, observer);
  accounts.setProviderPolicy(vouchingOf(config));
  await accounts.migrate();
  const isOut = (id: string) => accounts.isDeactivated(id);
  const credential = (id: string) => accounts.credential(id);
  const sessions = new Sessions({ store, clock, observer, credential }, sessionLifeOf(config));
  const keys = new ApiKeys({ store, clock, observer }, keyAgeOf(config));
  const botTokens = new BotTokens({ store, clock, sha256, isOut });
  await botTokens.load();
  const gateway: Gateway = new Gateway({
    store,
    clock,
    observer,
    random: parts.random,
    admission: allowances,
    people: { isOut, find: (id) => accounts.person(id) },
  }, settingsOf(config));
  if (!parts.shared) await gateway.archive.recover();
  const admission = new BotAdmission({
    tokens: botTokens,
    common: () => config.botToken,
    models: () => config.bots,
    present: () => gateway.roster.list().map(({ bot }) => bot),
  });
  const sockets = new BotServer({
    roster: gateway.roster,
    clock,
    observer,
    refuse: (claim) => admission.refuse(claim),
    draining: () => gateway.draining,
    isLasting: () => gateway.archive.isLasting,
    push: (bot, push) => gateway.push(bot, push),
  }, socketSettingsOf(config));
  const upstreams = new Upstreams({
    roster: gateway.roster,
    clock,
    observer,
    store,
    http: parts.http ?? ("Deno" in globalThis ? new SocketHttpClient() : fetchHttp(fetch)),
    history: async ({ id, conversationId, message }) => {
      const { turns } = await gateway.history.turns(
        message.person,
        conversationId,
        undefined,
        HISTORY,
      );
      return transcriptOf(turns, id, message);
    },
    secret: (text) => text.startsWith("env:") ? parts.env?.(text.slice(4)) : text,
    random: parts.random,
  });
  const seatModels = () => {
    const { models, without } = admission.joinable(config.bots);
    upstreams.set(models);
    for (const { botId, pool } of without) {
      const what = `bots.${botId}.pool: ${
        JSON.stringify(pool)
      } is the id of a bot with a token of its own, so this is no pool`;
      observer.tell({ type: "warning", what });
    }
  };
  seatModels();
  const apps: Apps = new Apps({
    gateway: {
      ask: (message) => gateway.ask(message),
      cancel: (turn) => gateway.cancel(turn),
      turn: (id, personId) => gateway.history.turn(id, { id: personId }),
      bots: (person) => gateway.roster.visibleTo(person).map(({ bot }) => bot),
      known: (person) => gateway.roster.knownTo(person),
      own: async (person, id) => (await gateway.archive.conversation(person.id, id))?.botId,
      begin: async (person, title) => (await gateway.conversations.begin(person, { title })).id,
    },
    account: (id) => accounts.person(id),
    isOut,
    isGuest: (id) => accounts.isGuest(id),
    vouch: (who) => accounts.provision(who),
    offer: (id, bots) => accounts.offer(id, bots),
    identities: accounts.identities,
    languages: accounts.languages,
    store,
    clock,
    observer,
    random: parts.random,
    secret: (text) => parts.env?.(text.slice("env:".length)),
  });
  gateway.attachChatApps(apps);
  // Apps are those of the start, whatever the file says since.
  const { channels } = config;
  const env = parts.env ?? (() => undefined);
  const checkup = new Checkup({
    clock,
    probes: () => [
      ...probesOfApps(channels, {
        fetch,
        clock,
        env,
        live: (platform, name) =>
          apps.list().find((app) => app.platform === platform && app.name === name),
      }),
      ...probesOfModels(config.bots, { fetch, env }),
      ...probesOfSignIn(config.signIn, { fetch, clock }),
    ],
  });
  const connected = { checkup, apps: () => apps.list(), bots: () => botWatch.reports() };
  const pulse = new Pulse(clock, (id) => limitsOf(id).streamsAtOnce ?? DEFAULT_MAX_STREAMS);
  const door = new Door({ accounts, sessions, keys, allowedOrigins: () => config.allowedOrigins });
  const offboarding = new Offboarding({
    store,
    accounts,
    sessions,
    keys,
    allowances,
    botTokens,
    history: gateway,
    chatPrefixes: () => chatPrefixesOf(config),
    clock,
    observer,
    stop: (id) => gateway.cancelTurnsOf(id),
    recheckStreams: (id) => pulse.recheck(id),
    recheckBots: () => sockets.recheck(),
  });
  offboarding.start();
  if (config.demo && gateway.roster.size === 0) seatDemo(gateway, clock);
  metrics.watch({
    bots: () => gateway.roster.list(),
    answering: () => gateway.answering,
    waiting: () => gateway.waiting,
    kept: () => gateway.recentTurns.usage,
    streams: () => pulse.size,
    pages: () => gateway.notices.pages,
    sockets: () => sockets.size,
    sessions: () => sessions.size,
    budgets: () => apps.budgets(),
    reports: () => botWatch.reports(),
    apps: () => apps.list(),
    checks: () => checkup.results,
  });

  let proxies = new TrustedProxies(config.trustProxy);
  let ways = waysIn(config, clock);
  const stopLooking = [
    clock.every(LOOK, () => {
      botTokens.load().then(({ gone, changed }) => {
        for (const botId of gone) sockets.disconnect(botId);
        if (!changed) return;
        sockets.recheck();
        seatModels();
      })
        .catch((error) => observer.tell({ type: "fault", where: "bot tokens", error }));
    }),
    clock.every(FORGET, () => {
      if (config.retentionDays === undefined) return;
      gateway.archive.forget(clock.now() - config.retentionDays * 86_400_000)
        .catch((error) => observer.tell({ type: "fault", where: "retention", error }));
    }),
  ];
  const troubles = () => (store.trouble === undefined ? [] : [`store: ${store.trouble}`]);

  const hangUps = new HangUps(clock, (turn) => void gateway.cancel(turn));
  const routes = new Routes({
    door,
    observer,
    maxBody: () => config.maxBody,
    otherwise: (request) => {
      const isOurs = /^\/(api|v1|channels|bot-ws)(\/|$)/.test(pathOf(request.url));
      return isOurs || (request.method !== "GET" && request.method !== "HEAD")
        ? undefined
        : parts.page?.(request);
    },
  });
  session(routes, { accounts, sessions, door });
  const speaks = (id: string, language: Language) =>
    void accounts.languages.set(id, language).catch((error) =>
      observer.tell({ type: "fault", where: "languages", error })
    );
  chat(routes, { gateway, door, pulse, hangUps, speaks });
  news(routes, { gateway, door, pulse });
  history(routes, { gateway });
  signIn(routes, {
    accounts,
    sessions,
    secret,
    clock,
    observer,
    providers: () => ways.providers,
    publicUrl: () =>
      config.publicUrl === undefined ? undefined : withoutTrailingSlashes(config.publicUrl),
    proxy: () => ways.proxy,
  });
  account(routes, { gateway, accounts, sessions, keys, allowances, observer });
  admin(routes, {
    gateway,
    accounts,
    sessions,
    keys,
    allowances,
    audit,
    botTokens,
    reserved: () => admission.reserved(),
    recheck: () => sockets.recheck(),
    remove: (id) => offboarding.remove(id),
    dismiss: (botId) => sockets.disconnect(botId),
    observer,
    models: () => upstreams.budgets(),
    limits: () => config.limits,
    troubles: () => [...troubles(), ...upstreams.troubles()],
  });
  openai(routes, {
    gateway,
    store,
    clock,
    observer,
    door,
    pulse,
    hangUps,
    left: (message) => allowances.remaining(message),
    allowPrivate: () => config.allowPrivateImages,
  });
  ops(routes, {
    gateway,
    version: VERSION,
    metrics: (names) => metrics.text(names),
    metricsToken: () => config.metricsToken,
    publicBots: () => config.publicBots,
    configSchema: configJsonSchema,
    troubles,
    bots: () => botWatch.reports(),
    connections: () => connectionsOf(connected),
  });
  connections(routes, { ...connected, observer });
  platforms(routes, { apps, account: (name) => accounts.person(name), clock, observer });
  callbacks(routes, { apps, observer, draining: () => gateway.draining });
  routes.raw(
    [botSocketRoute],
    upgrades({
      door,
      observer,
      sockets,
      draining: () => gateway.draining,
      refuses: (token) => config.requireTokenAtUpgrade && !admission.known(token ?? ""),
      upgrade: parts.upgrade ?? upgradeWithDeno,
    }),
  );
  const toRoutes: Fetch = (request, connection) => routes.fetch(request, connection);
  let reached = edge(config, toRoutes);

  function answer(request: Request, peer: Connection): Response | Promise<Response> {
    const connection = proxies.connection(request, peer.address);
    return routes.answerRaw(request, connection) ?? reached(request, connection);
  }

  await apps.start(config.channels);

  let closed = false;
  return {
    gateway,
    apps,
    checkup,
    sockets,
    accounts,
    sessions,
    keys,
    botTokens,
    bots: botWatch,
    audit,
    metrics,
    routes: routes.table,
    get config() {
      return config;
    },
    fetch: (request, connection = NOWHERE) => answer(request, connection),

    async reconfigure(next) {
      const changed = changedKeys(config, next);
      const needRestart = changed.filter((key) => AT_START.includes(key));
      // What can fail comes first, so that an edit is taken whole or not at all.
      const nextProxies = new TrustedProxies(next.trustProxy), nextWays = waysIn(next, clock);
      await takeUsers(accounts, next, observer);
      accounts.setProviderPolicy(vouchingOf(next));
      config = next;
      proxies = nextProxies;
      ways = nextWays;
      reached = edge(config, toRoutes);
      sessions.life = sessionLifeOf(config);
      keys.maxAge = keyAgeOf(config);
      gateway.set(settingsOf(config));
      if (
        changed.some((key) =>
          key === "pingInterval" || key === "botTimeout" || key === "resumeGrace"
        )
      ) {
        sockets.set(socketSettingsOf(config));
      }
      // Only those whose token no longer opens, or whose name is taken now: the code that closes
      // them says not to come back. They go before the model APIs come, which may have their names.
      if (changed.includes("botToken") || changed.includes("bots")) sockets.recheck();
      if (changed.includes("bots")) seatModels();
      return { changed: changed.filter((key) => !needRestart.includes(key)), needRestart };
    },

    async drain() {
      await gateway.drain(config.drainTimeout);
      // What has ended is shown where it was asked, or stays in the outbox for the next process.
      await apps.settled(SETTLE);
      // Readers are given what is left to read before their streams end.
      await new Promise<void>((resolve) => setTimeout(resolve, 20));
      pulse.close();
      await sockets.close();
    },

    async close() {
      if (closed) return;
      closed = true;
      for (const stop of stopLooking) stop();
      await inOrder([
        () => offboarding.close(),
        () => apps.stop(),
        () => gateway.close(),
        () => accounts.close(),
        () => outside.close(),
        () => pulse.close(),
        () => upstreams.close(),
        () => sockets.close(0),
        () => allowances.close(),
        () => audit.settled(),
        () => store.close(),
      ]);
    },
  };
}

/**
 * Takes every step, also after one that failed: what others still have in memory must reach the
 * disk. Throws what failed first.
 */
async function inOrder(steps: readonly (() => unknown)[]): Promise<void> {
  const faults: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      faults.push(error);
    }
  }
  if (faults.length > 0) throw faults[0];
}

function settingsOf(config: Config): Partial<GatewaySettings> {
  return {
    replyTimeout: config.replyTimeout,
    queue: { total: config.queue.total, perPerson: config.queue.perPerson },
    queueTimeout: config.queue.timeout,
  };
}

function socketSettingsOf(config: Config) {
  return {
    pingInterval: config.pingInterval,
    botTimeout: config.botTimeout,
    grace: config.resumeGrace,
  };
}

/**
 * A month of sign-in at most, unless the operator wants a longer pause between two uses to be
 * possible.
 */
function sessionLifeOf({ sessionTTL: ttl, sessionMaxAge }: Config): SessionLife {
  return { ttl, maxAge: sessionMaxAge ?? Math.max(DEFAULT_SESSION_MAX_AGE_MS, ttl) };
}

function keyAgeOf({ keyMaxDays = Infinity }: Config): number {
  return keyMaxDays * 86_400_000;
}

async function takeUsers(accounts: Accounts, config: Config, observer: Observer): Promise<void> {
  const plain = await accounts.replace(config.users);
  await accounts.noteConfigured();
  if (plain.length > 0) {
    const names = plain.slice(0, 10).join(", ");
    observer.tell({
      type: "warning",
      what:
        `the password of ${names} stands in the configuration as plain text; \`nexus hash\` makes a hash`,
    });
  }
}

/**
 * Whether whoever vouched for an account is still configured, and lets it in by one of the groups
 * that it had.
 */
function vouchingOf({ signIn, channels }: Config): ProviderPolicy {
  const { oidc, lark, dingtalk, wecom, proxy } = signIn;
  const hasApps = (apps: object) => Object.keys(apps).length > 0;
  const there: Readonly<Record<string, boolean>> = {
    oidc: oidc !== undefined,
    proxy: proxy !== undefined,
    lark: lark !== undefined || hasApps(channels.feishu),
    dingtalk: dingtalk !== undefined || hasApps(channels.dingtalk),
    wecom: wecom !== undefined || hasApps(channels.wecom),
  };
  return ({ source = "", groups }) =>
    (there[source] ?? true) &&
    (source !== "oidc" || !groups || !oidc?.groups ||
      groups.some((group) => oidc.groups!.includes(group)));
}

/** Who may vouch for people, as configured. */
function waysIn({ signIn, channels }: Config, clock: Clock) {
  const { oidc, lark, dingtalk, wecom, proxy } = signIn;
  const at = <T extends object>(settings: T, place: keyof typeof PLACES) => ({
    ...PLACES[place],
    ...settings,
    fetch,
  });
  const providers: Provider[] = [];
  if (oidc) providers.push(new OidcProvider(oidc, () => clock.now()));
  if (lark) {
    const chats = namesOf(channels.feishu, ({ appId }) => appId === lark.appId);
    providers.push(new LarkSignIn({ ...at(lark, "lark"), chats }));
  }
  if (dingtalk) providers.push(new DingtalkSignIn(at(dingtalk, "dingtalk")));
  if (wecom) {
    const chats = namesOf(
      channels.wecom,
      (app) => app.kind === "app" && app.corpId === wecom.corpId,
    );
    providers.push(new WecomSignIn({ ...at(wecom, "wecom"), chats, now: () => clock.now() }));
  }
  return { providers, proxy: proxy && { ...proxy, from: new TrustedProxies(proxy.from) } };
}

function namesOf<T>(apps: Readonly<Record<string, T>>, fits: (app: T) => boolean): string[] {
  return Object.entries(apps).filter(([, app]) => fits(app)).map(([name]) => name);
}

/**
 * The demo bot sits on the roster until the first real bot joins, and does not come back while this
 * process lives.
 */
function seatDemo(gateway: Gateway, clock: Clock): void {
  const demo = new DemoBot(clock);
  const leave = gateway.roster.join(demo);
  const stop = gateway.roster.watch(() => {
    if (gateway.roster.list().every(({ link }) => link === demo)) return;
    stop();
    leave();
  });
}

/** At once, unlike Web Crypto: a bot's frames must not overtake its registration. */
function sha256(text: string): string {
  // Loaded when the first bot comes: it would cost every start 8 ms.
  const { createHash } = globalThis.process.getBuiltinModule("node:crypto");
  return createHash("sha256").update(text).digest("hex");
}

function upgradeWithDeno(request: Request): { socket: WebSocketLike; response: Response } {
  // Our own heartbeat finds dead bots; the runtime's would cut those whose library answers no
  // protocol pings.
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  socket.binaryType = "arraybuffer";
  return { socket, response };
}
