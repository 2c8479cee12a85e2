/**
 * DingTalk's Stream, the platform's end: a ticket for 90 seconds and one connection, pings,
 * messages that wait for their acknowledgement.
 *
 * Source: open-dingtalk/developerpedia protocol.md, the vendor's SDK.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import type { Json } from "../../core/store.ts";
import type { DingTalkEmulator } from "./emulator.ts";

export class DingTalkStream {
  readonly #sockets = new Set<WebSocket>();
  readonly #tickets = new Map<string, number>();
  readonly #waiting = new Map<string, (acknowledged: boolean) => void>();
  readonly #pings = new Set<string>();
  /** Pings that came back with what was in them. */
  echoed = 0;

  constructor(
    emulator: DingTalkEmulator,
    private readonly keys: { clientId: string; clientSecret: string; clock: Clock },
  ) {
    emulator.push = (topic, data) => this.#push("CALLBACK", topic, data);
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Messages that were sent and that nobody has acknowledged or refused. */
  get waiting(): number {
    return this.#waiting.size;
  }

  async fetch(request: Request): Promise<Response | undefined> {
    const url = new URL(request.url);
    const { clientId, clientSecret, clock } = this.keys;
    if (url.pathname === "/v1.0/gateway/connections/open") {
      const body = await request.json();
      if (body.clientId !== clientId || body.clientSecret !== clientSecret) {
        return Response.json({ code: "authFailed", message: "鉴权失败" }, { status: 401 });
      }
      const ticket = randomBytes(8).toString("hex");
      this.#tickets.set(ticket, clock.now() + 90_000);
      return Response.json({ endpoint: `ws://${url.host}/connect`, ticket });
    }
    if (url.pathname !== "/connect") return undefined;
    const ticket = url.searchParams.get("ticket") ?? "";
    if ((this.#tickets.get(ticket) ?? 0) < clock.now()) {
      return new Response("ticket", { status: 401 });
    }
    this.#tickets.delete(ticket);
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () => {
      this.#sockets.add(socket);
      this.#ping(socket);
    };
    socket.onclose = () => this.#sockets.delete(socket);
    socket.onmessage = ({ data }) => this.#read(JSON.parse(String(data)));
    return response;
  }

  /** Tells every client to come again with a new ticket. */
  disconnect(): void {
    for (const socket of this.#sockets) {
      socket.send(
        frame("SYSTEM", "disconnect", randomBytes(8).toString("hex"), { reason: "restart" }),
      );
    }
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
    for (const settle of this.#waiting.values()) settle(false);
    this.#waiting.clear();
  }

  #ping(socket: WebSocket) {
    const id = randomBytes(8).toString("hex");
    this.#pings.add(id);
    socket.send(frame("SYSTEM", "ping", id, { opaque: id }));
  }

  #push(type: string, topic: string, data: Json): Promise<boolean> {
    const socket = [...this.#sockets].at(-1);
    if (!socket) return Promise.resolve(false);
    // A redelivery has a new id here; the message's own stays.
    const id = randomBytes(8).toString("hex");
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      socket.send(frame(type, topic, id, data));
    });
  }

  #read(answer: Json) {
    const id = answer.headers?.messageId;
    if (this.#pings.delete(id) && JSON.parse(answer.data).opaque === id) this.echoed++;
    this.#waiting.get(id)?.(answer.code === 200);
    this.#waiting.delete(id);
  }
}

function frame(type: string, topic: string, messageId: string, data: Json): string {
  return JSON.stringify({
    specVersion: "1.0",
    type,
    headers: {
      topic,
      messageId,
      contentType: "application/json",
      time: "0",
      appId: "app",
      connectionId: "c",
    },
    data: JSON.stringify(data),
  });
}
