/** The bots of the app: those that dial in, model APIs, the demo bot, and how each is doing. */
import { DemoBot } from "../bots/demo.ts";
import { BotServer } from "../bots/server/bot_server.ts";
import { fetchHttp } from "../bots/upstream/http/fetch_client.ts";
import { SocketHttpClient } from "../bots/upstream/http/socket_client.ts";
import { Upstreams } from "../bots/upstream/upstreams.ts";
import { BotAdmission } from "../core/bot_admission.ts";
import { BotMonitor } from "../core/bot_monitor.ts";
import type { Clock } from "../core/clock.ts";
import type { Gateway } from "../core/gateway.ts";
import type { BotTokens } from "../core/people/bot_token.ts";
import { transcriptOf } from "../core/transcript.ts";
import type { Base } from "./base.ts";
import { botServerSettingsOf } from "./config_values.ts";

/**
 * Turns that are read for a model's transcript. Its window in tokens nearly always holds fewer.
 */
const MAX_TRANSCRIPT_TURNS = 200;

export interface Bots {
  readonly admission: BotAdmission;
  readonly server: BotServer;
  readonly upstreams: Upstreams;
  readonly monitor: BotMonitor;
  /** Joins the model APIs of the configuration, and makes those leave that are not in it. */
  readonly joinModels: () => void;
}

export function createBots(base: Base, gateway: Gateway, botTokens: BotTokens): Bots {
  const { config, clock, observer, store, parts } = base;
  const { roster } = gateway;
  const monitor = new BotMonitor({ clock, roster: () => roster, tokens: () => botTokens.byBot });
  observer.add(monitor);
  const admission = new BotAdmission({
    tokens: botTokens,
    common: () => config.current.botToken,
    models: () => config.current.bots,
    present: () => roster.list().map(({ bot }) => bot),
  });
  const server = new BotServer({
    roster,
    clock,
    observer,
    refuse: (claim) => admission.refuse(claim),
    draining: () => gateway.draining,
    isLasting: () => gateway.archive.isLasting,
    push: (bot, push) => gateway.push(bot, push),
  }, botServerSettingsOf(config.current));
  const upstreams = new Upstreams({
    roster,
    clock,
    observer,
    store,
    http: parts.http ?? ("Deno" in globalThis ? new SocketHttpClient() : fetchHttp(fetch)),
    history: async ({ id, conversationId, message }) => {
      const { turns } = await gateway.history.turns(
        message.person,
        conversationId,
        undefined,
        MAX_TRANSCRIPT_TURNS,
      );
      return transcriptOf(turns, id, message);
    },
    secret: (text) => text.startsWith("env:") ? parts.env?.(text.slice("env:".length)) : text,
    random: parts.random,
  });
  const joinModels = () => {
    const { models, without } = admission.joinable(config.current.bots);
    upstreams.set(models);
    for (const { botId, pool } of without) {
      const name = JSON.stringify(pool);
      const what =
        `bots.${botId}.pool: ${name} is the id of a bot with a token of its own, so this is no pool`;
      observer.tell({ type: "warning", what });
    }
  };
  joinModels();
  return { admission, server, upstreams, monitor, joinModels };
}

/**
 * The demo bot is on the roster until the first real bot joins, and does not come back while this
 * process lives.
 */
export function joinDemo({ roster }: Gateway, clock: Clock): void {
  const demo = new DemoBot(clock);
  const leave = roster.join(demo);
  const stop = roster.watch(() => {
    if (roster.list().every(({ link }) => link === demo)) return;
    stop();
    leave();
  });
}
