/** What operators may set of the gateway, and its defaults. */
import { DEFAULT_QUEUE, type QueueBounds } from "./fair_queue.ts";
import type { RecentTurnsBounds } from "./recent_turns.ts";
import { DEFAULT_CAP, type ReplyCap } from "./reply.ts";

/** The settings; times in milliseconds. All may change while running. */
export interface GatewaySettings extends RecentTurnsBounds {
  /** Silence of the bot after which a turn ends. */
  replyTimeout: number;
  queue: QueueBounds;
  /** How long a turn may wait in the queue. */
  queueTimeout: number;
  replyCap: ReplyCap;
}

export const DEFAULT_SETTINGS: GatewaySettings = {
  replyTimeout: 5 * 60_000,
  queue: DEFAULT_QUEUE,
  queueTimeout: 5 * 60_000,
  replyCap: DEFAULT_CAP,
  keepEnded: 10 * 60_000,
  keepEndedBytes: 32 << 20,
};
