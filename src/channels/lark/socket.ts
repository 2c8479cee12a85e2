/**
 * Feishu's long connection, carried by the vendor's SDK: its frames are protobuf and its handshake is the vendor's own. Loaded only by
 * apps that use it. Everything that goes out goes through our own calls: the SDK neither paces nor waits when told to.
 */
import type { Json } from "../../core/store.ts";
import type { ChannelParts } from "../im/channel.ts";
import type { LarkSettings } from "./settings.ts";

/** Milliseconds for the first connection; it goes on trying after that. */
const FIRST = 15_000;

/** Opens the connection. `take` stores an event; what it returns is the callback's answer, and a rejection makes Feishu send it again. */
export async function openSocket(
  settings: LarkSettings,
  parts: ChannelParts,
  take: (event: Json) => Promise<Json | undefined>,
): Promise<{ stop(): void; readonly connected: boolean }> {
  const { EventDispatcher, WSClient, LoggerLevel } = await import("@larksuiteoapi/node-sdk");
  const tell = (what: string) => parts.observer.tell({ type: "warning", what: `feishu ${settings.appId}: ${what}` });
  const logger = { error: (...said: unknown[]) => tell(lineOf(said)), warn() {}, info() {}, debug() {}, trace() {} };

  /** Hands every event on as it came: the SDK's own dispatching would flatten it and drop what it does not know. */
  class Whole extends EventDispatcher {
    override invoke(data: unknown): Promise<Json> {
      return take(data);
    }
  }

  const ready = Promise.withResolvers<void>();
  const client = new WSClient({
    appId: settings.appId,
    appSecret: settings.appSecret,
    domain: settings.baseUrl,
    logger,
    loggerLevel: LoggerLevel.error,
    autoReconnect: true,
    onReady: () => ready.resolve(),
    onError: (error: Error) => tell(error.message),
  });
  await client.start({ eventDispatcher: new Whole({ logger }) });
  const stopWaiting = parts.clock.after(FIRST, () => ready.resolve());
  await ready.promise;
  stopWaiting();
  return {
    stop: () => client.close({ force: true }),
    get connected() {
      return client.getConnectionStatus().state === "connected";
    },
  };
}

/** What the SDK logs, as one line, without what it was about: requests carry secrets. */
function lineOf(said: readonly unknown[]): string {
  return said.flat().filter((part) => typeof part === "string").join(" ").slice(0, 200);
}
