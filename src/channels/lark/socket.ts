/**
 * Feishu's long connection, carried by the vendor's SDK: its frames are protobuf and its handshake
 * is the vendor's own. Loaded only by apps that use it. Everything that goes out goes through our
 * own calls: the SDK neither paces its calls nor waits when it is throttled.
 */
import { backoffMs } from "../../core/backoff.ts";
import type { Json } from "../../core/store.ts";
import { parse, request } from "../im/http_call.ts";
import type { ChannelParts } from "../im/channel.ts";
import type { Health } from "../im/health.ts";
import { Hosts } from "../im/hosts.ts";
import { callerParts } from "../im/caller_parts.ts";
import type { LarkSettings } from "./settings.ts";

/** Milliseconds for the first connection; it goes on trying after that. */
const FIRST = 15_000;

/** The pauses between the connections where the SDK has given up. */
const BACKOFF = { first: 2 * 60_000, max: 30 * 60_000 };

/** What the SDK gets where no connection may be opened; it gives up, and we try again later. */
const REFUSED = 403;

/**
 * Opens the connection. `take` stores an event; what it returns is the callback's answer, and a
 * rejection makes Feishu send it again.
 */
export async function openSocket(
  settings: LarkSettings,
  parts: ChannelParts,
  health: Health,
  take: (event: Json) => Promise<Json | undefined>,
): Promise<{ stop(): void; readonly connected: boolean }> {
  const { EventDispatcher, WSClient, LoggerLevel } = await import("@larksuiteoapi/node-sdk");
  // What went wrong on the way to a connection is known better where the address is asked for.
  const logger = { error() {}, warn() {}, info() {}, debug() {}, trace() {} };

  /**
   * Hands every event on as it came: the SDK's own dispatching would flatten it and drop what it
   * does not know.
   */
  class Whole extends EventDispatcher {
    override invoke(data: unknown): Promise<Json> {
      return take(data);
    }
  }

  const ready = Promise.withResolvers<void>();
  let failures = 0, isStopped = false, stopWaiting = () => {};
  const opened = () => {
    failures = 0;
    health.opened();
    ready.resolve();
  };
  const dial = (): Promise<void> => client.start({ eventDispatcher: new Whole({ logger }) });
  const gaveUp = (error: Error) => {
    if (isStopped) return;
    const wait = backoffMs(BACKOFF, failures++, (parts.random ?? Math.random)());
    health.disconnected(error.message, parts.clock.now() + wait);
    ready.resolve();
    stopWaiting = parts.clock.after(wait, () => void dial().catch(gaveUp));
  };
  const client = new WSClient({
    appId: settings.appId,
    appSecret: settings.appSecret,
    domain: settings.baseUrl,
    httpInstance: addresses(settings, parts, health) as never,
    logger,
    loggerLevel: LoggerLevel.error,
    autoReconnect: true,
    onReady: opened,
    onReconnected: opened,
    onReconnecting: () => health.disconnected("the connection was lost; dialling again"),
    // The SDK has given up, as it does for a wrong secret and for a busy platform alike.
    onError: gaveUp,
  });
  await dial();
  const stopFirst = parts.clock.after(FIRST, () => ready.resolve());
  await ready.promise;
  stopFirst();
  return {
    stop() {
      isStopped = true;
      stopWaiting();
      client.close({ force: true });
    },
    get connected() {
      return client.getConnectionStatus().state === "connected";
    },
  };
}

/**
 * Asks for the address of the connection in the SDK's place. The SDK reads `data.URL` before the
 * code, so a wrong secret would be "Cannot read properties of undefined", and it opens whatever
 * address it gets.
 */
function addresses(settings: LarkSettings, parts: ChannelParts, health: Health) {
  const wire = callerParts(parts, settings, health);
  const hosts = new Hosts({
    base: [settings.baseUrl],
    platform: [".feishu.cn", ".larksuite.com", ".larkoffice.com"],
    further: settings.hosts,
  });
  return {
    async request(
      { url, data, headers }: { url: string; data: Json; headers?: Record<string, string> },
    ): Promise<Json> {
      const init = { body: JSON.stringify(data), json: true, headers };
      const answer = await request(wire, "token", "POST", url, init);
      const body = typeof answer === "string" ? undefined : parse(answer.text);
      if (body === undefined) {
        const code = typeof answer === "string" ? answer : String(answer.status);
        health.recordFailure(code, "no address for the long connection");
        throw new TypeError(code);
      }
      if (body.code !== 0) {
        health.recordFailure(String(body.code), String(body.msg ?? "").slice(0, 200));
        return { code: body.code, msg: body.msg, data: {} };
      }
      if (hosts.has(body.data?.URL)) return body;
      const msg = "the address of the long connection is not Feishu's";
      health.recordFailure("url", msg);
      return { code: REFUSED, msg, data: {} };
    },
  };
}
