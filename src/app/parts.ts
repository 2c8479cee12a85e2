/** The parts of the app: everything that lives behind its routes. */
import type { Apps } from "../channels/im/apps.ts";
import { probesOfApps } from "../channels/im/probes.ts";
import { DisconnectWatcher } from "../channels/http/disconnect_watcher.ts";
import { Auth } from "../channels/http/auth.ts";
import { StreamRegistry } from "../channels/http/stream_registry.ts";
import { probesOfModels } from "../bots/upstream/probe.ts";
import { signInProbes } from "../channels/sign_in/probe.ts";
import { chatPrefixesOf, type Config } from "../config/config.ts";
import { Checkup } from "../core/checkup.ts";
import { Gateway } from "../core/gateway.ts";
import { DEFAULT_MAX_STREAMS } from "../core/people/allowance.ts";
import { Offboarding } from "../core/people/offboarding.ts";
import { type AppParts, type Base, createBase } from "./base.ts";
import { type Bots, createBots, joinDemo } from "./bots.ts";
import { createApps } from "./chat_apps.ts";
import { gatewaySettingsOf } from "./config_values.ts";
import { createPeople, type People } from "./people.ts";

/** What the routes and the life cycle of the app work with. */
export interface Parts extends Base, People {
  readonly gateway: Gateway;
  readonly bots: Bots;
  readonly apps: Apps;
  readonly checkup: Checkup;
  readonly auth: Auth;
  readonly streams: StreamRegistry;
  readonly disconnects: DisconnectWatcher;
  readonly offboarding: Offboarding;
}

export async function createParts(config: Config, given: AppParts): Promise<Parts> {
  const base = createBase(config, given);
  const people = await createPeople(base);
  const gateway = await createGateway(base, people);
  const bots = createBots(base, gateway, people.botTokens);
  const apps = createApps(base, gateway, people.accounts);
  const { clock } = base, { accounts, sessions, keys, limitsOf } = people;
  const streams = new StreamRegistry(
    clock,
    (id) => limitsOf(id).streamsAtOnce ?? DEFAULT_MAX_STREAMS,
  );
  const allowedOrigins = () => base.config.current.allowedOrigins;
  const parts: Parts = {
    ...base,
    ...people,
    gateway,
    bots,
    apps,
    checkup: createCheckup(base, apps),
    auth: new Auth({ accounts, sessions, keys, allowedOrigins }),
    streams,
    disconnects: new DisconnectWatcher(clock, (turn) => void gateway.cancel(turn)),
    offboarding: createOffboarding(base, people, { gateway, bots, streams }),
  };
  if (config.demo && gateway.roster.size === 0) joinDemo(gateway, clock);
  watchGauges(parts);
  return parts;
}

async function createGateway(base: Base, { accounts, allowances }: People): Promise<Gateway> {
  const { config, store, clock, observer, parts } = base;
  const gateway = new Gateway({
    store,
    clock,
    observer,
    random: parts.random,
    admission: allowances,
    people: { isOut: (id) => accounts.isDeactivated(id), find: (id) => accounts.person(id) },
  }, gatewaySettingsOf(config.current));
  if (!parts.shared) await gateway.archive.recover();
  return gateway;
}

function createCheckup({ config, clock, parts }: Base, apps: Apps): Checkup {
  // The apps are those of the start, whatever the file says since.
  const { channels } = config.current;
  const env = parts.env ?? (() => undefined);
  return new Checkup({
    clock,
    probes: () => [
      ...probesOfApps(channels, {
        fetch,
        clock,
        env,
        live: (platform, name) =>
          apps.list().find((app) => app.platform === platform && app.name === name),
      }),
      ...probesOfModels(config.current.bots, { fetch, env }),
      ...signInProbes(config.current.signIn, { fetch, clock }),
    ],
  });
}

function createOffboarding(
  { config, store, clock, observer }: Base,
  { accounts, sessions, keys, allowances, botTokens }: People,
  { gateway, bots, streams }: Pick<Parts, "gateway" | "bots" | "streams">,
): Offboarding {
  const offboarding = new Offboarding({
    store,
    accounts,
    sessions,
    keys,
    allowances,
    botTokens,
    history: gateway,
    chatPrefixes: () => chatPrefixesOf(config.current),
    clock,
    observer,
    stop: (id) => gateway.cancelTurnsOf(id),
    recheckStreams: (id) => streams.recheck(id),
    recheckBots: () => bots.server.recheck(),
  });
  offboarding.start();
  return offboarding;
}

/** Gives the metrics what they read when they are asked. */
function watchGauges({ metrics, gateway, bots, apps, checkup, streams, sessions }: Parts): void {
  metrics.watch({
    bots: () => gateway.roster.list(),
    answering: () => gateway.answering,
    waiting: () => gateway.waiting,
    kept: () => gateway.recentTurns.usage,
    streams: () => streams.size,
    pages: () => gateway.notices.pages,
    sockets: () => bots.server.size,
    sessions: () => sessions.size,
    budgets: () => apps.budgets(),
    reports: () => bots.monitor.reports(),
    apps: () => apps.list(),
    checks: () => checkup.results,
  });
}
