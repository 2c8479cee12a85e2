/**
 * `fetch` for an address that comes from elsewhere: it refuses whatever only this machine or its
 * network can reach. The address is checked where the socket is opened, after the name was
 * resolved, so a name that resolves differently the second time gains nothing. It follows no
 * redirects. Rejects with `forbidden` where the address is a private one.
 */
import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import { Readable } from "node:stream";
import { NexusError } from "../../core/error.ts";
import { guarded, isPrivate } from "./image_fetch.ts";

export const publicFetch = fetchWithout(isPrivate);

/** The same, with a rule of one's own for what may not be reached. */
export function fetchWithout(refuses: (address: string) => boolean): typeof fetch {
  return async (address, init = {}) => {
    const url = new URL(address instanceof Request ? address.url : address);
    if (url.protocol !== "http:" && url.protocol !== "https:") {
      throw new TypeError("not an http address");
    }
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    if (isIP(host) && refuses(host)) throw forbidden();
    const answer = await get(url, refuses, init.signal ?? undefined);
    const headers = new Headers();
    for (const [name, value] of Object.entries(answer.headers)) {
      for (const one of [value ?? []].flat()) headers.append(name, one);
    }
    const status = answer.statusCode ?? 502;
    // A response of these has no body, and none may be given to it.
    const body = [101, 204, 205, 304].includes(status)
      ? null
      : Readable.toWeb(answer) as ReadableStream<Uint8Array>;
    if (body === null) answer.destroy();
    return new Response(body as BodyInit | null, { status, headers });
  };
}

function get(
  url: URL,
  refuses: (address: string) => boolean,
  signal: AbortSignal | undefined,
): Promise<http.IncomingMessage> {
  return new Promise((done, fail) => {
    // Whatever the runtime is busy with (a name, a connection), the signal ends it.
    signal?.addEventListener("abort", () => fail(signal.reason), { once: true });
    const { get } = url.protocol === "https:" ? https : http;
    // The type of `lookup` is wider than what is asked of it here.
    // deno-lint-ignore no-explicit-any
    get(url, { signal, agent: false, lookup: guarded(refuses, forbidden) as any }, done).on(
      "error",
      fail,
    );
  });
}

function forbidden(): NexusError {
  return new NexusError("forbidden", "a private address");
}
