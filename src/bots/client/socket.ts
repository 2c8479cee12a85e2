/** Helpers around the WebSocket that the client uses: its address, and ways to close it. */
import type { ClientClock, ClientSocket, ClientSocketConstructor } from "./types.ts";

/** `readyState` of a socket that can be written to. */
export const OPEN = 1;

/** Milliseconds that a socket gets to close properly. */
const CLOSE_TIMEOUT_MS = 2000;

/** The WebSocket address of a gateway. Throws a `TypeError` for a URL that is none. */
export function socketAddress(url: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new TypeError(`Cannot connect: url must be a ws:// or wss:// address, got "${url}"`);
  }
  parsed.protocol = parsed.protocol.replace(/^http/, "ws");
  if (parsed.protocol !== "ws:" && parsed.protocol !== "wss:") {
    throw new TypeError(`Cannot connect: url must be a ws:// or wss:// address, got "${url}"`);
  }
  if (parsed.pathname === "/") parsed.pathname = "/bot-ws";
  parsed.hash = "";
  return parsed.href;
}

/** The WebSocket class to use. Throws a `TypeError` on a runtime that has none. */
export function socketConstructor(given: ClientSocketConstructor | undefined) {
  const found = given ?? (globalThis as { WebSocket?: ClientSocketConstructor }).WebSocket;
  if (!found) {
    throw new TypeError(
      "Cannot connect: this runtime has no WebSocket; pass one as the option WebSocket",
    );
  }
  return found;
}

/** Drops a socket at once. One whose peer is dead would take minutes to close. */
export function discard(socket: ClientSocket): void {
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.onerror = () => {}; // npm `ws` throws an error event that has no listener
  try {
    socket.close(1000);
  } catch (cause) {
    // npm `ws` may throw here while it still connects; the socket is of no use either way.
    if (!(cause instanceof Error)) throw cause;
  }
}

/** Closes a socket properly and resolves when it is closed, after 2 s at most. */
export function closeSocket(socket: ClientSocket, clock: ClientClock): Promise<void> {
  return new Promise((resolve) => {
    const stop = clock.after(CLOSE_TIMEOUT_MS, resolve);
    const end = () => (stop(), resolve());
    socket.onopen = () => socket.close(1000);
    socket.onmessage = null;
    socket.onclose = end;
    socket.onerror = end;
    socket.close(1000);
  });
}

export const realClock: ClientClock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
