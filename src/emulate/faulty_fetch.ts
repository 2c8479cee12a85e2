/**
 * The line between a connector and an emulated platform: how long it takes, and what goes wrong on
 * it, by lot.
 */
import type { Clock } from "../core/clock.ts";

/** Shares from 0 to 1 of the calls that go wrong. */
export interface Faults {
  readonly throttled: number;
  readonly failing: number;
  /** Half of these are lost before the platform saw them, half after. */
  readonly silent: number;
}

export interface FaultyFetchParts {
  readonly clock: Clock;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Milliseconds there and back again together, at least and at most. */
  readonly latency?: readonly [number, number];
  readonly faults?: Faults;
}

/** A `fetch` that ends at the emulator. `throttle` makes the platform's own answer to too much. */
export function faultyFetch(
  parts: FaultyFetchParts,
  answer: (request: Request) => Promise<Response>,
  throttle: (request: Request) => Response,
): typeof fetch {
  const { clock, random } = parts;
  const [least, most] = parts.latency ?? [0, 0];
  return async (input, init) => {
    const request = input instanceof Request && init === undefined
      ? input
      : new Request(input, { ...init, signal: undefined });
    const signal = init?.signal ?? undefined;
    const time = least + random() * (most - least);
    const lot = parts.faults ? random() : 1;
    const { throttled, failing, silent } = parts.faults ?? { throttled: 0, failing: 0, silent: 0 };
    await wait(clock, time / 2, signal);
    if (lot < throttled) {
      await wait(clock, time / 2, signal);
      return throttle(request);
    }
    if (lot < throttled + failing) {
      await wait(clock, time / 2, signal);
      return new Response("bad gateway", { status: 502 });
    }
    if (lot < throttled + failing + silent) {
      if (random() < 0.5) await answer(request);
      await wait(clock, Infinity, signal);
    }
    const response = await answer(request);
    await wait(clock, time / 2, signal);
    return response;
  };
}

/** Rejects as `fetch` does when the signal is aborted. */
function wait(clock: Clock, ms: number, signal?: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new DOMException("The signal has been aborted", "AbortError"));
    if (signal?.aborted) return fail();
    if (ms <= 0) return resolve();
    const callOff = ms === Infinity ? () => {} : clock.after(ms, () => {
      signal?.removeEventListener("abort", fail);
      resolve();
    });
    signal?.addEventListener("abort", () => {
      callOff();
      fail();
    }, { once: true });
  });
}
