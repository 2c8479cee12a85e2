/** A bot that the kit plays: one socket at the gateway under test. */
import { Failed } from "./case.ts";
import type { RawFrame } from "./raw.ts";
import { ConditionWaiter } from "./waiting.ts";

/** One socket of a bot. */
export class KitBot {
  readonly frames: { readonly frame: RawFrame; readonly at: number }[] = [];
  closed: { readonly code: number } | undefined;
  registered: RawFrame;
  /** Does not answer pings. */
  ignoresPings = false;
  readonly #waiting = new ConditionWaiter();
  readonly #patience: number;
  #taken = 0;

  constructor(readonly socket: WebSocket, readonly botId: string, patience: number) {
    this.#patience = patience;
    socket.onmessage = ({ data }) => {
      let frame: RawFrame;
      try {
        frame = JSON.parse(data);
      } catch {
        frame = { type: "unreadable", data };
      }
      this.frames.push({ frame, at: performance.now() });
      if (frame?.type === "ping" && !this.ignoresPings) this.send({ type: "pong" });
      this.#waiting.wake();
    };
    socket.onclose = ({ code }) => {
      this.closed ??= { code };
      this.#waiting.wake();
    };
    socket.onerror = () => {}; // a close event follows
    socket.onopen = () => this.#waiting.wake();
  }

  send(frame: RawFrame): void {
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
    }
  }

  /** A delta, numbered when `seq` is given. */
  reply(replyTo: string, content: unknown, more: Record<string, unknown> = {}): void {
    this.send({
      type: "reply",
      id: "r",
      replyTo,
      content,
      done: false,
      timestamp: Date.now(),
      ...more,
    });
  }

  until<T>(look: () => T | undefined | false, what: string, ms = this.#patience): Promise<T> {
    return this.#waiting.until(
      () => {
        const found = look();
        if ((found === undefined || found === false) && this.closed) {
          throw new Failed(
            `the gateway closed the socket (${this.closed.code}) before ${what} came`,
          );
        }
        return found;
      },
      ms,
      what,
    );
  }

  /** The next frame of a type that no call has handed out; others in between are passed over. */
  async next(type: string, ms?: number): Promise<RawFrame> {
    return await this.until(
      () => {
        for (let index = this.#taken; index < this.frames.length; index++) {
          if (this.frames[index]!.frame?.type !== type) continue;
          this.#taken = index + 1;
          return this.frames[index]!.frame;
        }
      },
      `a ${type} frame`,
      ms,
    );
  }

  /** Resolves once `text` has been sent or the socket is gone. */
  opened(): Promise<unknown> {
    return this.until(() => this.socket.readyState === WebSocket.OPEN, "the connection");
  }

  /** The close code; fails when the socket is still open after `ms`. */
  async closeCode(ms = this.#patience): Promise<number> {
    return (await this.#waiting.until(() => this.closed, ms, "the close")).code;
  }

  async close(): Promise<void> {
    if (!this.closed) this.socket.close(1000);
    try {
      await this.closeCode(2000);
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
    }
  }

  /** Frames of a type so far. */
  all(type: string): RawFrame[] {
    return this.frames.filter(({ frame }) => frame?.type === type).map(({ frame }) => frame);
  }
}
