/**
 * The time of the last event from the gateway, and the signal that ends all open streams so that
 * they are opened again.
 */
export class ConnectionMonitor {
  #streams = new AbortController();
  #lastEventAt = 0;

  /** Every stream of the chat ends with this signal. */
  get signal(): AbortSignal {
    return this.#streams.signal;
  }

  /** Notes that an event has arrived. */
  touch(): void {
    this.#lastEventAt = Date.now();
  }

  /**
   * Ends the open streams where they may be dead: with `force`, or after 30 s without an event.
   * Returns whether it has ended them.
   */
  dropStale(force: boolean): boolean {
    if (!force && Date.now() - this.#lastEventAt <= STALE_AFTER_MS) return false;
    this.#streams.abort();
    this.#streams = new AbortController();
    return true;
  }
}

/** The gateway sends a comment every 15 s, so a stream is doubtful after two of them. */
const STALE_AFTER_MS = 30_000;
