/** The acknowledgements to one bot: some leave at once, the others together a little later. */
import type { Clock } from "../../core/clock.ts";
import type { GatewayFrame } from "../wire/frame.ts";
import { ACK_DELAY_MS } from "./settings.ts";

export class Acks {
  readonly #clock: Clock;
  readonly #send: (frame: GatewayFrame) => void;
  /** The last `seq` by turn. */
  readonly #waiting = new Map<string, number>();
  #stopTimer: (() => void) | undefined;

  constructor(clock: Clock, send: (frame: GatewayFrame) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** Acknowledges at once. */
  now(replyTo: string, seq: number): void {
    this.#waiting.delete(replyTo);
    this.#send({ type: "ack", replyTo, seq });
  }

  /** Acknowledges within {@linkcode ACK_DELAY_MS}, together with all that arrives until then. */
  soon(replyTo: string, seq: number): void {
    this.#waiting.set(replyTo, seq);
    this.#stopTimer ??= this.#clock.after(ACK_DELAY_MS, () => {
      this.#stopTimer = undefined;
      for (const [id, last] of this.#waiting) this.#send({ type: "ack", replyTo: id, seq: last });
      this.#waiting.clear();
    });
  }

  /** Forgets what waits. */
  clear(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#waiting.clear();
  }
}
