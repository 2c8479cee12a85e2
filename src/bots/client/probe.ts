/** A check whether a gateway answers at an address. */
import { discard, realClock, socketAddress, socketConstructor } from "./socket.ts";
import type { ConnectOptions } from "./types.ts";

/**
 * Checks whether a gateway answers at `url`, without registering: a running bot with the same id is
 * not disturbed, and the token is not checked. Resolves with the milliseconds that connecting took;
 * rejects with an `Error` that states the cause.
 */
export function probe(
  options: Pick<ConnectOptions, "url" | "WebSocket" | "clock"> & {
    /** Milliseconds. Default 5,000. */
    readonly timeout?: number;
    readonly signal?: AbortSignal;
  },
): Promise<number> {
  const { url, clock = realClock, timeout = 5000, signal } = options;
  const began = clock.now();
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const socket = new (socketConstructor(options.WebSocket))(socketAddress(url));
    const settle = (act: () => void) => {
      stop();
      signal?.removeEventListener("abort", onAbort);
      act();
    };
    const onAbort = () => {
      settle(() => reject(signal!.reason));
      discard(socket);
    };
    const stop = clock.after(timeout, () => {
      settle(() => reject(new Error(`${url} did not answer within ${timeout} ms`)));
      discard(socket);
    });
    signal?.addEventListener("abort", onAbort);
    let opened = false;
    socket.onopen = () => {
      opened = true;
      socket.close(1000);
    };
    const end = () =>
      settle(() =>
        opened
          ? resolve(clock.now() - began)
          : reject(new Error(`${url} does not take WebSocket connections`))
      );
    socket.onclose = end;
    socket.onerror = end; // Node before 24 sends no close event after a failed connection
  });
}
