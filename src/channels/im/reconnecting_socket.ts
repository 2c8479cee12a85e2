/** A WebSocket of JSON frames that reconnects, with a jittered back-off, until it is stopped. */
import { backoffMs } from "../../core/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { parseJson } from "../../core/json.ts";
import { sleep } from "../../core/sleep.ts";

export interface ReconnectingSocketParts {
  readonly clock: Clock;
  readonly random: () => number;
  /** Returns the address for the next connection, with a ticket where the platform has them. */
  readonly address: (stop: AbortSignal) => Promise<string>;
  /** Called when a connection is open, to authenticate. */
  readonly onOpen: (send: (frame: unknown) => void) => void;
  /** Called with each frame that is JSON. */
  readonly frame: (frame: unknown, send: (frame: unknown) => void) => void;
  readonly onLost: (why: string) => void;
  /** Milliseconds of silence after which the connection is taken for dead. */
  readonly silence: number;
}

/** The first and the longest wait between connections, in milliseconds. */
const BACKOFF = { first: 500, max: 60_000 };

export class ReconnectingSocket {
  readonly #parts: ReconnectingSocketParts;
  readonly #stop = new AbortController();
  #socket: WebSocket | undefined;
  #stopWatch: (() => void) | undefined;
  #running: Promise<void> | undefined;
  /** Whether to reconnect without back-off. */
  #reconnectNow = false;

  constructor(parts: ReconnectingSocketParts) {
    this.#parts = parts;
  }

  /** Starts connecting. Resolves when the first connection is open or has failed. */
  start(): Promise<void> {
    const first = Promise.withResolvers<void>();
    this.#running = this.#run(() => first.resolve());
    return first.promise;
  }

  get open(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Returns `false` where there is no connection now. */
  send(frame: unknown): boolean {
    if (!this.open) return false;
    this.#socket!.send(JSON.stringify(frame));
    return true;
  }

  /** Closes the connection and opens another at once. */
  reconnect(): void {
    this.#reconnectNow = true;
    this.#socket?.close();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#socket?.close();
    await this.#running;
  }

  async #run(tried: () => void) {
    const { clock, random, onLost } = this.#parts;
    for (let failures = 0; !this.#stop.signal.aborted;) {
      let why: string;
      try {
        why = await this.#connection(() => {
          failures = 0;
          tried();
        });
      } catch (error) {
        why = error instanceof Error ? error.message : String(error);
      }
      tried();
      if (this.#stop.signal.aborted) return;
      if (this.#reconnectNow) {
        this.#reconnectNow = false;
        continue;
      }
      onLost(why);
      await sleep(clock, backoffMs(BACKOFF, failures++, random()), this.#stop.signal);
    }
  }

  /** Opens a connection. Resolves with the reason of its end. */
  async #connection(opened: () => void): Promise<string> {
    const socket = new WebSocket(await this.#parts.address(this.#stop.signal));
    if (this.#stop.signal.aborted) {
      socket.close();
      return "stopped";
    }
    this.#socket = socket;
    const send = (frame: unknown) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
    };
    const over = Promise.withResolvers<string>();
    socket.onopen = () => {
      this.#watchSilence(socket);
      opened();
      this.#parts.onOpen(send);
    };
    socket.onmessage = ({ data }) => {
      this.#watchSilence(socket);
      if (typeof data !== "string") return;
      let frame: unknown;
      try {
        frame = parseJson(data);
      } catch (_notJson) {
        return;
      }
      this.#parts.frame(frame, send);
    };
    socket.onerror = (event) =>
      over.resolve(event instanceof ErrorEvent ? event.message : "connection failed");
    socket.onclose = ({ code, reason }) => over.resolve(`closed with ${code} ${reason}`.trim());
    const why = await over.promise;
    this.#stopWatch?.();
    this.#stopWatch = undefined;
    socket.close();
    return why;
  }

  #watchSilence(socket: WebSocket) {
    this.#stopWatch?.();
    this.#stopWatch = this.#parts.clock.after(this.#parts.silence, () => socket.close());
  }
}
