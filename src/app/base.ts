/** What every part of the app is given: the store, the clock, and who observes it. */
import { MemoryStore } from "../backends/memory.ts";
import type { HttpClient } from "../bots/upstream/http/client.ts";
import type { WebSocketLike } from "../bots/server/bot_server.ts";
import type { Config } from "../config/config.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { LogLimiter } from "../core/log_limiter.ts";
import { type Observer, ObserverList, silentObserver } from "../core/observer.ts";
import type { Store } from "../core/store.ts";
import { Metrics } from "../telemetry/metrics.ts";
import { LiveConfig } from "./config_values.ts";

/** What the host provides; everything has a default that needs nothing. */
export interface AppParts {
  /** Default: a store in memory. Closed with the app. */
  readonly store?: Store;
  readonly clock?: Clock;
  /** Observes everything, besides the metrics. */
  readonly observer?: Observer;
  /** Takes a WebSocket out of a request; default `Deno.upgradeWebSocket`. */
  readonly upgrade?: (request: Request) => { socket: WebSocketLike; response: Response };
  /** What answers when no route does: the page. */
  readonly page?: (request: Request) => Response | Promise<Response>;
  readonly random?: () => number;
  /** Several processes share the store: turns that another one has not finished are left alone. */
  readonly shared?: boolean;
  /** The environment, for settings such as `env:OPENAI_API_KEY`. Default: empty. */
  readonly env?: (name: string) => string | undefined;
  /** Calls model APIs; default sockets of its own, or `fetch` where the runtime has none. */
  readonly http?: HttpClient;
}

export interface Base {
  readonly config: LiveConfig;
  readonly parts: AppParts;
  readonly store: Store;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** The host's observer, with a bound on what strangers can repeat. */
  readonly log: LogLimiter;
  /** All observers; parts that observe add themselves. */
  readonly observer: ObserverList;
}

export function createBase(config: Config, parts: AppParts): Base {
  const clock = parts.clock ?? systemClock;
  const metrics = new Metrics();
  const log = new LogLimiter(parts.observer ?? silentObserver, clock);
  return {
    config: new LiveConfig(config),
    parts,
    clock,
    store: parts.store ?? new MemoryStore({ now: () => clock.now() }),
    metrics,
    log,
    observer: new ObserverList(metrics, log),
  };
}
