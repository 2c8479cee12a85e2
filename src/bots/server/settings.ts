/** The settings of the bot server, and the bounds that no setting changes. */
import type { JsonBounds } from "../../core/json.ts";
import { MAX_FRAME } from "../wire/frame.ts";

/** Times in milliseconds. All may change while the server runs. */
export interface BotServerSettings {
  pingInterval: number;
  /** Silence after which a bot counts as gone. */
  botTimeout: number;
  /** How long the turns of a dropped version-2 bot wait for it. */
  grace: number;
  /** How long a socket may stay without registering. */
  registerTimeout: number;
  /** Sockets of one address that have not registered. */
  unregisteredPerAddress: number;
  /** UTF-16 units of one frame of a registered bot. */
  maxFrame: number;
}

export const DEFAULT_BOT_SERVER: BotServerSettings = {
  pingInterval: 30_000,
  botTimeout: 90_000,
  grace: 15_000,
  registerTimeout: 10_000,
  unregisteredPerAddress: 20,
  maxFrame: MAX_FRAME,
};

/** Units that may wait in a socket's send buffer before its bot counts as stuck. */
export const MAX_BUFFERED_UNITS = 1 << 20;

/**
 * Invalid frames in a row after which a socket is closed, before and after it registered. Two good
 * frames make up for one invalid frame.
 */
export const MAX_BAD_FRAMES = { stranger: 2, bot: 11 } as const;

/** How late an acknowledgement may be; one frame then covers all that arrived meanwhile. */
export const ACK_DELAY_MS = 100;

/** How long the server waits for the `cancelled` frame after a `cancel`. */
export const CANCEL_TIMEOUT_MS = 5_000;

/** Pushes of one bot: a burst, then one for every so many milliseconds. */
export const PUSH_RATE = { burst: 60, every: 1_000 };

/** Sockets that have not registered, of all addresses together. */
export const MAX_UNREGISTERED = 1_000;

/**
 * JSON values and containers in one frame. A batch of a million single letters is a client's own
 * choice; lists of lists are not.
 */
export const FRAME_BOUNDS: JsonBounds = { values: 1_000_000, containers: 5_000 };
