/** The pushes of a bot that wait for the gateway's receipt. */
import type { PushedFrame, PushFrame } from "../wire/frame.ts";
import type { Connection } from "./connection.ts";
import { type ClientClock, NotSent, type Push } from "./types.ts";

const RECEIPT_TIMEOUT_MS = 30_000;

const MAX_WAITING = 100;

const UNSUPPORTED = "the gateway speaks version 1 of the protocol, which has no push";

interface WaitingPush {
  readonly frame: PushFrame;
  /** Over the present socket. */
  isSent: boolean;
  /** Over any socket: it may have arrived. */
  wasSent: boolean;
  readonly stopTimer: () => void;
  readonly resolve: (receipt: PushedFrame) => void;
  readonly reject: (error: Error) => void;
}

export class Pushes {
  readonly #connection: Connection;
  readonly #clock: ClientClock;
  readonly #waiting = new Map<string, WaitingPush>();

  constructor(connection: Connection, clock: ClientClock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /**
   * Sends a push now or after the next registration. Resolves with the receipt; rejects with an
   * `Error` without one, and with {@linkcode NotSent} where it was certainly not sent.
   *
   * @param maxFrame the longest frame that the gateway takes, in UTF-16 units
   */
  push(push: Push, maxFrame: number): Promise<PushedFrame> {
    if (this.#connection.isRegistered && this.#connection.gateway?.protocol === 1) {
      return Promise.reject(new NotSent(UNSUPPORTED));
    }
    if (this.#waiting.size >= MAX_WAITING) {
      return Promise.reject(new NotSent(`${MAX_WAITING} pushes wait for a receipt`));
    }
    const id = push.id ?? crypto.randomUUID();
    const { to, content = "", images } = push;
    const frame: PushFrame = { type: "push", to, content, images, id };
    if (JSON.stringify(frame).length > maxFrame) {
      return Promise.reject(
        new RangeError(`a push must fit into a frame of ${maxFrame} characters`),
      );
    }
    return new Promise((resolve, reject) => {
      const stopTimer = this.#clock.after(
        RECEIPT_TIMEOUT_MS,
        () => this.#settle(id, new Error("no receipt came within 30 s")),
      );
      this.#settle(id, new Error("pushed again with the same id"));
      this.#waiting.set(id, { frame, isSent: false, wasSent: false, stopTimer, resolve, reject });
      this.send();
    });
  }

  /** Sends what has not been sent over the present socket. */
  send(): void {
    if (!this.#connection.isRegistered) return;
    const isSupported = this.#connection.gateway!.protocol !== 1;
    for (const [id, push] of [...this.#waiting]) {
      if (!isSupported) this.#settle(id, new Error(UNSUPPORTED));
      else if (!push.isSent) {
        push.isSent = this.#connection.send(JSON.stringify(push.frame));
        push.wasSent ||= push.isSent;
      }
    }
  }

  onReceipt(receipt: PushedFrame): void {
    this.#settle(receipt.id, receipt);
  }

  /** The socket is gone: what has no receipt is sent again over the next one. */
  onSocketGone(): void {
    for (const push of this.#waiting.values()) push.isSent = false;
  }

  rejectAll(error: Error): void {
    for (const id of [...this.#waiting.keys()]) this.#settle(id, error);
  }

  #settle(id: string, outcome: PushedFrame | Error): void {
    const push = this.#waiting.get(id);
    if (!push) return;
    this.#waiting.delete(id);
    push.stopTimer();
    if (!(outcome instanceof Error)) push.resolve(outcome);
    else push.reject(push.wasSent ? outcome : new NotSent(outcome.message, { cause: outcome }));
  }
}
