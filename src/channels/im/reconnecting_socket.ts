/**
 * A line that stays open: dials, hands on what arrives, and dials again with a jittered back-off
 * when it is lost, until it is stopped.
 */
import type { Clock } from "../../core/clock.ts";
import { parseJson } from "../../core/json.ts";
import { sleep } from "../../core/sleep.ts";

export interface ReconnectingSocketParts {
  readonly clock: Clock;
  readonly random: () => number;
  /**
   * Gets the address for the next try; a ticket may belong to it. The signal says that the line is
   * being stopped.
   */
  readonly address: (stop: AbortSignal) => Promise<string>;
  /** The socket is open; say who we are. */
  readonly onOpen: (send: (onFrame: unknown) => void) => void;
  /** A text frame that is JSON. */
  readonly frame: (frame: unknown, send: (frame: unknown) => void) => void;
  readonly onLost: (why: string) => void;
  /** Milliseconds of silence after which the line is taken for dead. */
  readonly silence: number;
}

/** Milliseconds between tries: at first, at most. */
const BACKOFF = [500, 60_000] as const;

export class ReconnectingSocket {
  readonly #p: ReconnectingSocketParts;
  readonly #stop = new AbortController();
  #socket: WebSocket | undefined;
  #watch: (() => void) | undefined;
  #running: Promise<void> | undefined;
  /** When the other side asked for it: no back-off. */
  #again = false;

  constructor(parts: ReconnectingSocketParts) {
    this.#p = parts;
  }

  /** Begins to dial. Resolves when the first try has opened or failed. */
  start(): Promise<void> {
    const first = Promise.withResolvers<void>();
    this.#running = this.#run(() => first.resolve());
    return first.promise;
  }

  get open(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** `false`: there is no line now. */
  send(frame: unknown): boolean {
    if (!this.open) return false;
    this.#socket!.send(JSON.stringify(frame));
    return true;
  }

  /** Closes this connection and dials anew at once. */
  reconnect(): void {
    this.#again = true;
    this.#socket?.close();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#socket?.close();
    await this.#running;
  }

  async #run(tried: () => void) {
    const { clock, random, onLost } = this.#p;
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
      if (this.#again) {
        this.#again = false;
        continue;
      }
      onLost(why);
      const [least, most] = BACKOFF;
      await sleep(
        clock,
        Math.min(most, least * 2 ** failures++) * (0.5 + random() / 2),
        this.#stop.signal,
      );
    }
  }

  /** Resolves with the reason when the connection is over. */
  async #connection(opened: () => void): Promise<string> {
    const socket = new WebSocket(await this.#p.address(this.#stop.signal));
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
      this.#heard(socket);
      opened();
      this.#p.onOpen(send);
    };
    socket.onmessage = ({ data }) => {
      this.#heard(socket);
      if (typeof data !== "string") return;
      let frame: unknown;
      try {
        frame = parseJson(data);
      } catch (_notJson) {
        return;
      }
      this.#p.frame(frame, send);
    };
    socket.onerror = (event) =>
      over.resolve(event instanceof ErrorEvent ? event.message : "connection failed");
    socket.onclose = ({ code, reason }) => over.resolve(`closed with ${code} ${reason}`.trim());
    const why = await over.promise;
    this.#watch?.();
    this.#watch = undefined;
    socket.close();
    return why;
  }

  #heard(socket: WebSocket) {
    this.#watch?.();
    this.#watch = this.#p.clock.after(this.#p.silence, () => socket.close());
  }
}
