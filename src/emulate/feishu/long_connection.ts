/**
 * Feishu's long connection, the platform's end: the address, the protobuf frames, pongs and events
 * that wait for their acknowledgement.
 *
 * Source: the vendor's SDK (`pbbp2.Frame`), Feishu 使用长连接接收事件 (2026-03).
 */
import type { Json } from "../../core/store.ts";
import type { FeishuEmulator } from "./emulator.ts";

interface Frame {
  readonly seq: number;
  readonly log: number;
  readonly service: number;
  /** 0: control, 1: data. */
  readonly method: number;
  readonly headers: Record<string, string>;
  readonly payload: Uint8Array;
}

export class FeishuLongConnection {
  readonly #sockets = new Set<WebSocket>();
  readonly #waiting = new Map<string, (acknowledged: boolean) => void>();
  #seq = 0;

  constructor(
    private readonly emulator: FeishuEmulator,
    private readonly keys: { appId: string; appSecret: string },
  ) {
    emulator.push = (event, id) => this.#push(event, id);
  }

  /** How many are connected. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Events that were sent and that nobody has acknowledged or refused. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** The address for a client, or the connection itself. `undefined`: not ours. */
  async fetch(request: Request): Promise<Response | undefined> {
    const url = new URL(request.url);
    if (url.pathname === "/callback/ws/endpoint") {
      const { AppID, AppSecret } = await request.json();
      if (AppID !== this.keys.appId || AppSecret !== this.keys.appSecret) {
        return Response.json({ code: 514, msg: "auth failed" });
      }
      if (this.#sockets.size >= 50) {
        return Response.json({ code: 1000040350, msg: "too many connections" });
      }
      return Response.json({
        code: 0,
        msg: "ok",
        data: {
          URL: `ws://${url.host}/ws?device_id=1&service_id=7`,
          ClientConfig: {
            ReconnectCount: -1,
            ReconnectInterval: 1,
            ReconnectNonce: 1,
            PingInterval: 120,
          },
        },
      });
    }
    if (url.pathname !== "/ws") return undefined;
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#sockets.add(socket);
    socket.onclose = () => this.#sockets.delete(socket);
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) this.#read(socket, decode(new Uint8Array(data)));
    };
    return response;
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
    for (const settle of this.#waiting.values()) settle(false);
    this.#waiting.clear();
  }

  #read(socket: WebSocket, frame: Frame) {
    if (frame.method === 0) {
      if (frame.headers.type === "ping") {
        socket.send(encode({ ...frame, headers: { type: "pong" }, payload: new Uint8Array() }));
      }
      return;
    }
    const { code } = JSON.parse(new TextDecoder().decode(frame.payload));
    this.#waiting.get(frame.headers.message_id ?? "")?.(code === 200);
    this.#waiting.delete(frame.headers.message_id ?? "");
  }

  /** To one connection, picked at random as the platform does. Long events travel in two fragments. */
  #push(event: Json, id: string): Promise<boolean> {
    const sockets = [...this.#sockets];
    const socket = sockets[Math.floor(Math.random() * sockets.length)];
    if (!socket) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      const bytes = new TextEncoder().encode(JSON.stringify(event));
      const sum = bytes.length > 1000 ? 2 : 1;
      for (let seq = 0; seq < sum; seq++) {
        const size = Math.ceil(bytes.length / sum);
        socket.send(encode({
          seq: ++this.#seq,
          log: 1,
          service: 7,
          method: 1,
          headers: {
            type: "event",
            message_id: id,
            sum: String(sum),
            seq: String(seq),
            trace_id: id,
          },
          payload: bytes.subarray(seq * size, (seq + 1) * size),
        }));
      }
    });
  }
}

/* protobuf 2: a field is a varint of (number << 3 | type), type 0 a varint, type 2 a length and bytes. */

function encode(frame: Frame): Uint8Array<ArrayBuffer> {
  const out: number[] = [];
  const varint = (value: number) => {
    for (; value > 127; value = Math.floor(value / 128)) out.push(value % 128 + 128);
    out.push(value);
  };
  const field = (number: number, value: number) => {
    varint(number << 3);
    varint(value);
  };
  const bytes = (number: number, value: Iterable<number> & { length: number }) => {
    varint(number << 3 | 2);
    varint(value.length);
    for (const byte of value) out.push(byte);
  };
  const text = new TextEncoder();
  field(1, frame.seq);
  field(2, frame.log);
  field(3, frame.service);
  field(4, frame.method);
  for (const [key, value] of Object.entries(frame.headers)) {
    const [k, v] = [text.encode(key), text.encode(value)];
    bytes(5, [0x0a, k.length, ...k, 0x12, v.length, ...v]);
  }
  bytes(8, frame.payload);
  return new Uint8Array(out);
}

function decode(bytes: Uint8Array): Frame {
  const { numbers, parts } = fields(bytes);
  const headers: Record<string, string> = {};
  const text = new TextDecoder();
  for (const part of parts.get(5) ?? []) {
    const inner = fields(part).parts;
    headers[text.decode(inner.get(1)?.[0])] = text.decode(inner.get(2)?.[0]);
  }
  return {
    seq: numbers.get(1) ?? 0,
    log: numbers.get(2) ?? 0,
    service: numbers.get(3) ?? 0,
    method: numbers.get(4) ?? 0,
    headers,
    payload: parts.get(8)?.[0] ?? new Uint8Array(),
  };
}

function fields(
  bytes: Uint8Array,
): { numbers: Map<number, number>; parts: Map<number, Uint8Array[]> } {
  const numbers = new Map<number, number>(), parts = new Map<number, Uint8Array[]>();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1;; factor *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = tag >>> 3;
    if ((tag & 7) === 0) numbers.set(number, varint());
    else if ((tag & 7) === 2) {
      const length = varint();
      parts.set(number, [...parts.get(number) ?? [], bytes.subarray(at, at + length)]);
      at += length;
    } else at = bytes.length;
  }
  return { numbers, parts };
}
