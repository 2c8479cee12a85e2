/**
 * An HTTP client for model APIs on `fetch`: for proxies, and for runtimes without `Deno.connect`.
 */
import { ConnectionError, type HttpClient, reasonOf } from "./client.ts";

/** An {@linkcode HttpClient} on `fetch`. */
export function fetchHttp(fetch: typeof globalThis.fetch): HttpClient {
  return {
    async request({ method, url, headers, body, signal }) {
      if (signal.aborted) throw new ConnectionError("called off");
      let response: Response;
      try {
        response = await fetch(url, { method, headers, body, signal, redirect: "manual" });
      } catch (error) {
        throw new ConnectionError(signal.aborted ? "called off" : reasonOf(error), false, error);
      }
      const reader = response.body?.getReader();
      const decoder = new TextDecoder();
      let ended = reader === undefined;
      return {
        get ended() {
          return ended;
        },
        status: response.status,
        header: (name) => response.headers.get(name) ?? undefined,
        async read() {
          while (reader) {
            let piece: ReadableStreamReadResult<Uint8Array>;
            try {
              piece = await reader.read();
            } catch (error) {
              throw new ConnectionError(reasonOf(error), false, error);
            }
            if (piece.done) {
              ended = true;
              return undefined;
            }
            const text = decoder.decode(piece.value, { stream: true });
            if (text !== "") return text;
          }
        },
        close: () =>
          void reader?.cancel().catch(() => {/* it has failed already, and nobody reads it */}),
      };
    },
    close() {},
  };
}
