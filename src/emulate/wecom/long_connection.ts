/**
 * The AI bot's long connection, the platform's end: one connection per bot, a new one throws the
 * old one out, every frame is acknowledged. Source: WeCom 101463 (2026-03/04), the vendor's SDK.
 */
import type { Json } from "../../core/store.ts";
import type { WecomEmulator } from "./emulator.ts";

export class WecomLongConnection {
  #socket: WebSocket | undefined;
  readonly #all = new Set<WebSocket>();

  constructor(private readonly emulator: WecomEmulator) {
    emulator.push = (frame) => this.push(frame);
  }

  get connected(): boolean {
    return this.#socket !== undefined;
  }

  fetch(request: Request): Response | undefined {
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return undefined;
    const { socket, response } = Deno.upgradeWebSocket(request);
    this.#all.add(socket);
    socket.onclose = () => {
      this.#all.delete(socket);
      if (this.#socket === socket) this.#socket = undefined;
    };
    socket.onmessage = ({ data }) => {
      const frame: Json = JSON.parse(String(data));
      const ack = this.emulator.frame(frame);
      socket.send(JSON.stringify(ack));
      if (frame.cmd === "aibot_subscribe" && ack.errcode === 0) this.#take(socket);
    };
    return response;
  }

  push(frame: Json): boolean {
    if (!this.#socket) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  close(): void {
    for (const socket of this.#all) socket.close();
  }

  #take(socket: WebSocket) {
    const old = this.#socket;
    this.#socket = socket;
    if (!old || old === socket) return;
    const event = { msgtype: "event", event: { eventtype: "disconnected_event" } };
    old.send(
      JSON.stringify({ cmd: "aibot_event_callback", headers: { req_id: "bye" }, body: event }),
    );
    old.close();
  }
}
