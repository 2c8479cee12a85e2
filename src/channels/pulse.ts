/**
 * The heartbeat of open event streams: a comment into every stream that has been silent, so that proxies keep the line and a dead peer is
 * noticed. One timer for all: a timer per stream would be most of what an idle stream costs.
 */
import type { Clock } from "../core/clock.ts";

/** A stream that is open. */
export interface Beating {
  /** Milliseconds since the epoch: when something was last written. */
  wroteAt: number;
  beat(): void;
  /** The gateway stops: end the stream. */
  end(): void;
}

/** Silence before a comment, in milliseconds; proxies commonly give up after 60 s, some after 30. */
const SILENCE = 15_000;

export class Pulse {
  readonly #open = new Set<Beating>();
  readonly #clock: Clock;
  readonly #stop: () => void;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#stop = clock.every(SILENCE / 3, () => {
      const now = clock.now();
      for (const stream of this.#open) if (now - stream.wroteAt >= SILENCE - SILENCE / 3) stream.beat();
    });
  }

  get size(): number {
    return this.#open.size;
  }

  now(): number {
    return this.#clock.now();
  }

  add(stream: Beating): void {
    this.#open.add(stream);
  }

  remove(stream: Beating): void {
    this.#open.delete(stream);
  }

  /** Ends every stream and stops. */
  close(): void {
    this.#stop();
    for (const stream of [...this.#open]) stream.end();
    this.#open.clear();
  }
}
