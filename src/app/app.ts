/**
 * The app: Request → Response, a change of the configuration, and an end that loses nothing.
 */
import type { BotServer } from "../bots/server/bot_server.ts";
import { TrustedProxies } from "../channels/http/trusted_proxies.ts";
import { edge, type Fetch } from "../channels/http/edge.ts";
import type { ConnectionInfo } from "../channels/http/response.ts";
import type { Route } from "../channels/http/route.ts";
import type { Router } from "../channels/http/router.ts";
import type { Apps } from "../channels/im/apps.ts";
import { changedKeys, type Config } from "../config/config.ts";
import type { BotMonitor } from "../core/bot_monitor.ts";
import type { Checkup } from "../core/checkup.ts";
import type { Gateway } from "../core/gateway.ts";
import type { Accounts } from "../core/people/accounts.ts";
import type { ApiKeys } from "../core/people/api_key.ts";
import type { Audit } from "../core/people/audit.ts";
import type { BotTokens } from "../core/people/bot_token.ts";
import type { Sessions } from "../core/people/session.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { AppParts } from "./base.ts";
import {
  botServerSettingsOf,
  gatewaySettingsOf,
  keyMaxAgeOf,
  sessionLifeOf,
  vouchingOf,
} from "./config_values.ts";
import { createParts, type Parts } from "./parts.ts";
import { takeUsers } from "./people.ts";
import { createRoutes, type SignInProviders } from "./routes.ts";
import { signInProvidersOf } from "./sign_in_providers.ts";

/** A gateway that answers requests. */
export interface App {
  fetch(request: Request, connection?: ConnectionInfo): Response | Promise<Response>;
  readonly gateway: Gateway;
  /** The company's apps on chat platforms. */
  readonly apps: Apps;
  /** Checks apps, model APIs and ways to sign in. */
  readonly checkup: Checkup;
  readonly sockets: BotServer;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly keys: ApiKeys;
  readonly botTokens: BotTokens;
  /** How each bot is connected and how it is doing. */
  readonly bots: BotMonitor;
  readonly audit: Audit;
  readonly metrics: Metrics;
  readonly config: Config;
  /** Every route, as it is declared. */
  readonly routes: readonly Route[];
  /**
   * Takes over a changed configuration as a whole or, where it throws, not at all. Returns what
   * changed and now applies, and what changed but needs a restart.
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

/** Settings that apply only at the start. */
const AT_START: readonly string[] = ["channels", "host", "port", "demo", "store", "tls"];

/** Settings of the bots' sockets. */
const OF_BOT_SERVER: readonly string[] = ["pingInterval", "botTimeout", "resumeGrace"];

/** How often the store is read for changes that other processes made to bot tokens. */
const TOKEN_CHECK_INTERVAL_MS = 5_000;

/** How often history that is too old is deleted. */
const RETENTION_INTERVAL_MS = 3_600_000;

/** How long answers may take to reach their chat platforms when the gateway stops. */
const CHAT_DELIVERY_MS = 5_000;

/** How long readers may take to read the rest of their streams when the gateway stops. */
const STREAM_FLUSH_MS = 1_000;

/** The connection of a request whose host names none. */
const UNKNOWN_CONNECTION: ConnectionInfo = { address: "unknown" };

export async function createApp(config: Config, given: AppParts = {}): Promise<App> {
  const parts = await createParts(config, given);
  const app = new RunningApp(parts);
  await parts.apps.start(config.channels);
  return app;
}

class RunningApp implements App {
  readonly gateway: Gateway;
  readonly apps: Apps;
  readonly checkup: Checkup;
  readonly sockets: BotServer;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly keys: ApiKeys;
  readonly botTokens: BotTokens;
  readonly bots: BotMonitor;
  readonly audit: Audit;
  readonly metrics: Metrics;
  readonly #parts: Parts;
  readonly #routes: Router;
  readonly #stopTimers: readonly (() => void)[];
  #proxies: TrustedProxies;
  #providers: SignInProviders;
  /** The routes behind what the configuration puts in front of them. */
  #edge: Fetch;
  #isClosed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.gateway = parts.gateway;
    this.apps = parts.apps;
    this.checkup = parts.checkup;
    this.sockets = parts.bots.server;
    this.accounts = parts.accounts;
    this.sessions = parts.sessions;
    this.keys = parts.keys;
    this.botTokens = parts.botTokens;
    this.bots = parts.bots.monitor;
    this.audit = parts.audit;
    this.metrics = parts.metrics;
    this.#proxies = new TrustedProxies(this.config.trustProxy);
    this.#providers = signInProvidersOf(this.config, parts.clock);
    this.#routes = createRoutes(parts, () => this.#providers);
    this.#edge = this.#edgeOf(this.config);
    this.#stopTimers = this.#startTimers();
  }

  get config(): Config {
    return this.#parts.config.current;
  }

  get routes(): readonly Route[] {
    return this.#routes.table;
  }

  fetch(
    request: Request,
    peer: ConnectionInfo = UNKNOWN_CONNECTION,
  ): Response | Promise<Response> {
    const connection = this.#proxies.connection(request, peer.address);
    return this.#routes.answerRaw(request, connection) ?? this.#edge(request, connection);
  }

  async reconfigure(next: Config): Promise<{ changed: string[]; needRestart: string[] }> {
    const { accounts, sessions, keys, gateway, bots, clock, observer, config } = this.#parts;
    const changed = changedKeys(config.current, next);
    const needRestart = changed.filter((key) => AT_START.includes(key));
    // What can fail comes first.
    const proxies = new TrustedProxies(next.trustProxy);
    const providers = signInProvidersOf(next, clock);
    await takeUsers(accounts, next, observer);
    accounts.setProviderPolicy(vouchingOf(next));
    config.current = next;
    this.#proxies = proxies;
    this.#providers = providers;
    this.#edge = this.#edgeOf(next);
    sessions.life = sessionLifeOf(next);
    keys.maxAge = keyMaxAgeOf(next);
    gateway.set(gatewaySettingsOf(next));
    if (changed.some((key) => OF_BOT_SERVER.includes(key))) {
      bots.server.set(botServerSettingsOf(next));
    }
    // Only bots whose token is no longer accepted, or whose name is taken now, are disconnected,
    // with a code that says not to come back. They leave before the model APIs join, which may have
    // their names.
    if (changed.includes("botToken") || changed.includes("bots")) bots.server.recheck();
    if (changed.includes("bots")) bots.joinModels();
    return { changed: changed.filter((key) => !needRestart.includes(key)), needRestart };
  }

  async drain(): Promise<void> {
    const { gateway, apps, streams, bots } = this.#parts;
    await gateway.drain(this.config.drainTimeout);
    // Answers that have ended are delivered to their chats, or stay in the outbox for the next
    // process.
    await apps.settled(CHAT_DELIVERY_MS);
    await streams.close(STREAM_FLUSH_MS);
    await bots.server.close();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const stop of this.#stopTimers) stop();
    const { offboarding, apps, gateway, accounts, log, streams, bots, allowances, audit, store } =
      this.#parts;
    await runAll([
      () => offboarding.close(),
      () => apps.stop(),
      () => gateway.close(),
      () => accounts.close(),
      () => log.close(),
      () => streams.close(),
      () => bots.upstreams.close(),
      () => bots.server.close(0),
      () => allowances.close(),
      () => audit.settled(),
      () => store.close(),
    ]);
  }

  #edgeOf(config: Config): Fetch {
    return edge(config, (request, connection) => this.#routes.fetch(request, connection));
  }

  #startTimers(): (() => void)[] {
    const { clock, observer } = this.#parts;
    return [
      clock.every(TOKEN_CHECK_INTERVAL_MS, () => {
        this.#reloadTokens()
          .catch((error) => observer.tell({ type: "fault", where: "bot tokens", error }));
      }),
      clock.every(RETENTION_INTERVAL_MS, () => {
        this.#deleteOldHistory()
          .catch((error) => observer.tell({ type: "fault", where: "retention", error }));
      }),
    ];
  }

  async #reloadTokens(): Promise<void> {
    const { botTokens, bots } = this.#parts;
    const { gone, changed } = await botTokens.load();
    for (const botId of gone) bots.server.disconnect(botId);
    if (!changed) return;
    bots.server.recheck();
    bots.joinModels();
  }

  async #deleteOldHistory(): Promise<void> {
    const { retentionDays } = this.config;
    if (retentionDays === undefined) return;
    const { gateway, clock } = this.#parts;
    await gateway.archive.forget(clock.now() - retentionDays * 86_400_000);
  }
}

/**
 * Runs every step, also after one that failed: data that other parts still have in memory must
 * reach the disk. Throws the first failure.
 */
async function runAll(steps: readonly (() => unknown)[]): Promise<void> {
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
