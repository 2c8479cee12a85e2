/**
 * The client for bots: it connects to a gateway, registers, receives questions, sends answers, and
 * resumes after a lost connection. It needs only a WebSocket, and runs on Deno and on Node 22 or
 * newer. `docs/protocol.md` is the specification of the protocol.
 *
 * ```ts
 * import { connect } from "./client.ts";
 *
 * connect({
 *   url: "ws://127.0.0.1:17392/bot-ws",
 *   botId: "parrot",
 *   token: "the bot token",
 *   async *answer(chat) {
 *     for (const word of chat.content.split(/(?= )/)) yield word;
 *   },
 * });
 * ```
 *
 * While the gateway speaks version 2 and the connection is back within the gateway's grace, no text
 * is sent twice and none is lost. With a version-1 gateway, a lost connection ends the turn; the
 * answer function learns this from `reply.signal`.
 */
import { BotClient } from "./client/bot_client.ts";
import type { Bot, ConnectOptions } from "./client/types.ts";

export { probe } from "./client/probe.ts";
export { type Reply, TurnOver } from "./client/reply.ts";
export * from "./client/types.ts";

/**
 * Connects, and reconnects until `close()` is called or the gateway rejects the bot for good.
 * Throws a `TypeError` for an invalid URL or an empty bot id.
 */
export function connect(options: ConnectOptions): Bot {
  return new BotClient(options);
}
