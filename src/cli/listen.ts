/**
 * The open port, with or without TLS. A new certificate is taken over without closing any connection: the port is let go and opened again with
 * it, which takes some milliseconds; the connections that are open go on with the old one to their end.
 */
import { isAbsolute, join } from "node:path";
import type { Config } from "../config.ts";
import { watchFile } from "./watch.ts";

export interface ListenParts {
  readonly dir: string;
  readonly config: Pick<Config, "host" | "port" | "tls">;
  readonly answer: (request: Request, address: string) => Response | Promise<Response>;
  /** A certificate was taken over, or why it was not. */
  readonly told: (what: string) => void;
  /** Milliseconds between two looks at the certificate's files. */
  readonly every?: number;
}

interface Pair {
  readonly cert: string;
  readonly key: string;
}

export class Listener {
  readonly address: Deno.NetAddr;
  readonly #parts: ListenParts;
  #server: Deno.HttpServer<Deno.NetAddr>;
  #pair: Pair | undefined;
  readonly #leaving = new Set<Promise<void>>();
  #stopWatching: (() => void)[] = [];
  #reloading: Promise<void> = Promise.resolve();
  #stopped = false;

  private constructor(parts: ListenParts, server: Deno.HttpServer<Deno.NetAddr>, pair: Pair | undefined) {
    this.#pair = pair;
    this.#parts = parts;
    this.#server = server;
    this.address = server.addr;
  }

  /** Throws where the port cannot be opened or the certificate cannot be read. */
  static async open(parts: ListenParts): Promise<Listener> {
    const { host, port, tls } = parts.config;
    const pair = await readTls(parts);
    const listener = new Listener(parts, serve(parts, host, port, pair), pair);
    if (tls) {
      // Two files change at nearly the same time: one reload after the other.
      const reload = () => listener.#reloading = listener.#reloading.then(() => listener.#reload());
      listener.#stopWatching = [tls.cert, tls.key].map((name) => watchFile(pathOf(parts, name), reload, parts.every));
    }
    return listener;
  }

  /** Takes no more connections and resolves when those that are open have ended. */
  async shutdown(): Promise<void> {
    this.#stopped = true;
    for (const stop of this.#stopWatching) stop();
    await this.#reloading;
    await Promise.all([this.#server.shutdown(), ...this.#leaving]);
  }

  async #again(pair: Pair | undefined): Promise<Deno.HttpServer<Deno.NetAddr>> {
    const { hostname, port } = this.address;
    for (let tries = 1;; tries++) {
      try {
        return serve(this.#parts, hostname, port, pair);
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse) || tries >= TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    }
  }

  async #reload(): Promise<void> {
    if (this.#stopped) return;
    try {
      const pair = await readTls(this.#parts);
      // The other file of the pair was told already.
      if (pair?.cert === this.#pair?.cert && pair?.key === this.#pair?.key) return;
      // A pair that does not fit is found out on another port, before the open one is touched.
      Deno.listenTls({ hostname: this.address.hostname, port: 0, ...pair! }).close();
      const leaving = this.#server.shutdown().finally(() => this.#leaving.delete(leaving));
      this.#leaving.add(leaving);
      this.#server = await this.#again(pair);
      this.#pair = pair;
      this.#parts.told("the new certificate is in use");
    } catch (error) {
      // Most likely the other of the two files comes in a moment; until then the old pair goes on.
      this.#parts.told(`the new certificate cannot be used, the old one goes on: ${(error as Error).message}`);
    }
  }
}

/** Tries to open a port that was just let go: how often, and after how many milliseconds each. */
const TRIES = 100, PAUSE = 5;

function serve(
  { answer }: ListenParts,
  hostname: string,
  port: number,
  pair: Pair | undefined,
): Deno.HttpServer<Deno.NetAddr> {
  const options = { hostname, port, onListen() {} };
  const handle = (request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>) =>
    answer(request, info.remoteAddr.hostname);
  return pair ? Deno.serve({ ...options, ...pair }, handle) : Deno.serve(options, handle);
}

async function readTls(parts: ListenParts): Promise<Pair | undefined> {
  const { tls } = parts.config;
  if (!tls) return undefined;
  const [cert, key] = await Promise.all([tls.cert, tls.key].map((name) => Deno.readTextFile(pathOf(parts, name))));
  return { cert: cert!, key: key! };
}

function pathOf({ dir }: ListenParts, name: string): string {
  return isAbsolute(name) ? name : join(dir, name);
}
