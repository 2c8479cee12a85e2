/** The clock is passed in, so that tests can control the time. */

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls once after `ms` milliseconds; returns the way to stop it. */
  after(ms: number, call: () => void): () => void;
  /** Calls every `ms` milliseconds; returns the way to stop it. */
  every(ms: number, call: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
  every(ms, call) {
    const timer = setInterval(call, ms);
    return () => clearInterval(timer);
  },
};

/** A clock that stands still until {@linkcode ManualClock.pass} is called. */
export class ManualClock implements Clock {
  #timers = new Set<{ at: number; call: () => void; every?: number }>();

  constructor(private time = 1_700_000_000_000) {}

  now(): number {
    return this.time;
  }

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.time + ms, call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  every(ms: number, call: () => void): () => void {
    const timer = { at: this.time + ms, call, every: ms };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many timers wait: zero after everything was stopped. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass and calls what falls due, in order. */
  pass(ms: number): void {
    const until = this.time + ms;
    while (true) {
      let next: { at: number; call: () => void; every?: number } | undefined;
      for (const timer of this.#timers) {
        if (timer.at <= until && (!next || timer.at < next.at)) next = timer;
      }
      if (!next) break;
      this.time = Math.max(this.time, next.at);
      if (next.every) next.at += next.every;
      else this.#timers.delete(next);
      next.call();
    }
    this.time = until;
  }
}
