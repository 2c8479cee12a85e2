/** The watch over a gateway that sends nothing: how long its silence may last, and when it ends. */
import type { ClientClock } from "./types.ts";

/**
 * Ping intervals of silence after which the gateway counts as gone: two missed pings, and half an
 * interval for a slow network.
 */
const MISSED_PINGS = 2.5;

/** The shortest silence limit that measured pings can lead to, in milliseconds. */
const MIN_LIMIT_MS = 5000;

export class SilenceWatch {
  readonly #clock: ClientClock;
  readonly #onSilent: (limit: number) => void;
  /** Milliseconds; a version-1 gateway does not announce its interval, so it is measured. */
  #limit = Infinity;
  #isAnnounced = false;
  #receivedAt = 0;
  #pingedAt = 0;
  #stopTimer = () => {};

  /** @param onSilent is called with the limit in milliseconds after a silence that long */
  constructor(clock: ClientClock, onSilent: (limit: number) => void) {
    this.#clock = clock;
    this.#onSilent = onSilent;
  }

  /** Starts with a new registration. `pingInterval` in milliseconds, where it is announced. */
  start(pingInterval: number | undefined): void {
    this.#isAnnounced = Boolean(pingInterval);
    this.#limit = pingInterval ? pingInterval * MISSED_PINGS : Infinity;
    this.#pingedAt = 0;
    this.#watch();
  }

  stop(): void {
    this.#stopTimer();
  }

  /** Something arrived. */
  onFrame(): void {
    this.#receivedAt = this.#clock.now();
  }

  /** A ping arrived: the first two of a version-1 gateway show its interval. */
  onPing(): void {
    if (this.#isAnnounced) return;
    const now = this.#clock.now();
    if (this.#pingedAt > 0) {
      const measured = this.#limit === Infinity ? 0 : this.#limit;
      // A burst of pings must not make the limit too short.
      this.#limit = Math.max(MIN_LIMIT_MS, (now - this.#pingedAt) * MISSED_PINGS, measured);
    }
    this.#pingedAt = now;
    this.#watch();
  }

  #watch(): void {
    this.#stopTimer();
    if (this.#limit === Infinity) return;
    const left = this.#receivedAt + this.#limit - this.#clock.now();
    this.#stopTimer = this.#clock.after(Math.max(0, left), () => {
      if (this.#clock.now() - this.#receivedAt < this.#limit) return this.#watch();
      this.#onSilent(this.#limit);
    });
  }
}
