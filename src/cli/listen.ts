/**
 * The open port, with or without TLS. It comes back when the server under it has given up, as it
 * does when the process has no files left, and says so where it cannot; and it bounds the
 * connections that are open.
 *
 * A new certificate is taken over by opening the port again with it, which takes some milliseconds.
 * Requests and streams that are open go on with the old one to their end; bots are told to dial in
 * again.
 */
import { isAbsolute, join } from "node:path";
import { errorResponse, languageOfRequest } from "../channels/http/response.ts";
import type { Config } from "../config/config.ts";
import { systemClock } from "../core/clock.ts";
import { NexusError } from "../core/error.ts";
import { Connections } from "./connections.ts";
import { openProcessSockets } from "./process_sockets.ts";
import { watchFile } from "./watch.ts";

export interface ListenerOptions {
  readonly dir: string;
  readonly config: Pick<Config, "host" | "port" | "tls">;
  /**
   * The port may be open already, by a process of ours that is leaving: then both have it for a
   * moment.
   */
  readonly follows?: boolean;
  /** Called when that process cannot share the port: it is opened as soon as it is free. */
  readonly onTaken?: () => void;
  readonly answer: (request: Request, address: string) => Response | Promise<Response>;
  /**
   * What happened to the port: a certificate was taken over or was not, it was lost and is open
   * again, it is crowded.
   */
  readonly onNotice: (what: string) => void;
  /** An answer could not be made. */
  readonly onFault: (error: unknown) => void;
  /** Whether an address is a trusted proxy. */
  readonly trusts: (address: string) => boolean;
  /** Milliseconds after which a WebSocket to which nothing was sent is none any more. */
  readonly silence: () => number;
  /** Milliseconds between two looks at the certificate's files. */
  readonly every?: number;
}

interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

type Server = Deno.HttpServer<Deno.NetAddr>;

/** Tries to open a port that was just let go: how often, and after how many milliseconds each. */
const MAX_REOPEN_TRIES = 100, REOPEN_PAUSE_MS = 5;

/** Milliseconds within which a port that was lost must be open again, and between two tries. */
const GIVE_UP_MS = 10_000, RETRY_MS = 250;

/** Milliseconds that a port must stay open, or it was not open again. */
const STEADY_MS = 1_000;

/**
 * Whether two processes may have the port: the runtime ends the process that asks for it without
 * `--unstable-net`.
 */
const CAN_SHARE = Deno.build.os !== "windows" && "listenDatagram" in Deno;

/** Files held open for nothing, so that there are some when there are none. */
const RESERVE_FILES = 16;

export class Listener {
  readonly address: Deno.NetAddr;
  /** Resolves with why when the port is lost for good. */
  readonly lost: Promise<Error>;
  readonly #lose: (why: Error) => void;
  readonly #parts: ListenerOptions;
  readonly #reserve = new FileReserve();
  #connections: Connections | undefined;
  #server: Server;
  /** Whether it is meant to take connections. */
  #isServing = true;
  #pair: CertificatePair | undefined;
  /** Servers that were told to take no more connections and still have some. */
  readonly #leaving = new Set<Promise<void>>();
  /**
   * Servers that gave up. They still have connections, and telling them to go would end bots'
   * sockets.
   */
  readonly #old: Server[] = [];
  #stopWatching: (() => void)[] = [];
  /** When the port was lost, and when it was opened again. */
  #lostAt = 0;
  #openedAt = -Infinity;
  /** What is done to the port, one after the other. */
  #changing: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Requests that have no whole answer yet. */
  #open = 0;
  /** Why no request is answered any more. */
  #refusal: NexusError | undefined;

  private constructor(parts: ListenerOptions, pair: CertificatePair | undefined) {
    const { host, port } = parts.config;
    // Two servers share the port only where that is wanted: any other one would take half of the
    // connections away.
    if (!parts.follows) Deno.listen({ hostname: host, port }).close();
    this.#parts = parts;
    this.#pair = pair;
    this.#server = this.#serve(host, port, pair);
    this.address = this.#server.addr;
    this.#reserve.hold();
    ({ promise: this.lost, resolve: this.#lose } = Promise.withResolvers<Error>());
  }

  /** Throws where the port cannot be opened or the certificate cannot be read. */
  static async open(parts: ListenerOptions): Promise<Listener> {
    const { tls } = parts.config;
    const pair = await readTls(parts);
    const listener = await openPort(parts, () => new Listener(parts, pair));
    // It costs some milliseconds, which the start need not wait for.
    const stop = systemClock.after(0, () => listener.#bound());
    listener.#stopWatching = [stop];
    if (tls) {
      const reload = () => listener.#change(() => listener.#reload());
      const watching = [tls.cert, tls.key].map((name) =>
        watchFile(pathOf(parts, name), reload, parts.onFault, parts.every)
      );
      listener.#stopWatching.push(...watching);
    }
    return listener;
  }

  /** How many connections were open a moment ago; nothing where that cannot be seen. */
  get connections(): number | undefined {
    return this.#connections?.size;
  }

  /**
   * Answers every request with this from now on; resolves when those before it have their answers,
   * or after `ms`.
   */
  async refuse(why: NexusError, ms: number): Promise<void> {
    this.#refusal = why;
    const until = performance.now() + ms;
    while (this.#open > 0 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, REOPEN_PAUSE_MS));
    }
  }

  /** Takes no more connections and resolves when those that are open have ended. */
  async shutdown(): Promise<void> {
    this.#stopped = true;
    for (const stop of this.#stopWatching) stop();
    await this.#changing;
    await Promise.all(
      [this.#server, ...this.#old].map((server) => server.shutdown()).concat(...this.#leaving),
    );
    this.#connections?.stop();
    this.#reserve.release();
  }

  #bound(): void {
    const sockets = openProcessSockets();
    if ("why" in sockets) {
      return this.#parts.onNotice(`the connections of the port are not bounded: ${sockets.why}`);
    }
    this.#connections = new Connections({
      sockets,
      port: this.address.port,
      clock: systemClock,
      trusts: this.#parts.trusts,
      silence: this.#parts.silence,
      onCrowded: (closed, open) =>
        this.#parts.onNotice(`the port is crowded: ${closed} connections closed, ${open} open`),
    });
  }

  #serve(hostname: string, port: number, pair: CertificatePair | undefined): Server {
    const { answer, onFault } = this.#parts;
    const options = {
      hostname,
      port,
      reusePort: CAN_SHARE && port !== 0,
      onListen() {},
      onError: (error: unknown) => {
        onFault(error);
        return new Response(null, { status: 500 });
      },
    };
    const handle = (
      request: Request,
      { remoteAddr, completed }: Deno.ServeHandlerInfo<Deno.NetAddr>,
    ) => {
      const { hostname, port } = remoteAddr;
      const connections = this.#connections;
      if (this.#refusal) return refused(request, this.#refusal);
      if (connections?.refuses(hostname)) return refused(request, CROWDED);
      const work = connections?.begin(port);
      this.#open++;
      const done = () => {
        this.#open--;
        work?.done();
      };
      completed.then(done, done);
      const response = answer(request, hostname);
      // Only an upgrade is answered at once.
      if (work && response instanceof Response && response.status === 101) work.upgraded = true;
      return response;
    };
    const server = pair ? Deno.serve({ ...options, ...pair }, handle) : Deno.serve(options, handle);
    this.#isServing = true;
    const ended = (error?: Error) => this.#ended(server, error);
    server.finished.then(() => ended(), ended);
    return server;
  }

  /**
   * A server that gave up by itself has closed the port: open connections go on, new ones are
   * refused.
   */
  #ended(server: Server, error = new Error("the server has ended")): void {
    if (this.#stopped || !this.#isServing || server !== this.#server) return;
    // Before anything else: what is needed now may need a file.
    this.#reserve.release();
    this.#connections?.makeRoom();
    this.#change(() => this.#comeBack(error));
  }

  async #comeBack(error: Error): Promise<void> {
    const { hostname, port } = this.address;
    const now = performance.now();
    const isSame = now - this.#openedAt < STEADY_MS;
    if (!isSame) {
      this.#lostAt = now;
      this.#parts.onNotice(
        `port ${port} takes no connections any more (${error.message}) and is opened again`,
      );
    }
    if (isSame) this.#leave();
    else {
      this.#isServing = false;
      this.#old.push(this.#server);
    }
    let why = error;
    for (let wait = isSame; !this.#stopped; wait = true) {
      // Where connections are closed that do nothing, there will be room; where they cannot be,
      // another process has it.
      if (performance.now() - this.#lostAt > GIVE_UP_MS && !(isSame && this.#connections)) {
        return this.#lose(why);
      }
      if (wait) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      try {
        this.#server = this.#serve(hostname, port, this.#pair);
        break;
      } catch (error) {
        why = error as Error;
        this.#connections?.makeRoom();
      }
    }
    this.#openedAt = performance.now();
    this.#reserve.hold();
    if (!isSame) {
      this.#parts.onNotice(
        `port ${port} is open again after ${Math.ceil(this.#openedAt - this.#lostAt)} ms`,
      );
    }
  }

  #change(work: () => Promise<void>): Promise<void> {
    return this.#changing = this.#changing.then(work).catch((error) => this.#lose(error));
  }

  /** The server takes no more connections; those that are open end by themselves. */
  #leave(): void {
    this.#isServing = false;
    const leaving = this.#server.shutdown().catch(this.#parts.onFault).finally(() =>
      this.#leaving.delete(leaving)
    );
    this.#leaving.add(leaving);
  }

  async #reload(): Promise<void> {
    if (this.#stopped) return;
    const { hostname, port } = this.address;
    try {
      const pair = await readTls(this.#parts);
      // The other file of the pair was told already.
      if (pair?.cert === this.#pair?.cert && pair?.key === this.#pair?.key) return;
      // A pair that does not fit is found out on another port, before the open one is touched.
      Deno.listenTls({ hostname, port: 0, ...pair! }).close();
      this.#leave();
      this.#pair = pair;
    } catch (error) {
      // Most likely the other of the two files comes in a moment; until then the old pair goes on.
      return this.#parts.onNotice(
        `TLS: the new certificate cannot be used, the old one goes on: ${(error as Error).message}`,
      );
    }
    for (let tries = 1;; tries++) {
      try {
        this.#server = this.#serve(hostname, port, this.#pair);
        return this.#parts.onNotice("TLS: the new certificate is in use");
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse) || tries >= MAX_REOPEN_TRIES) {
          return await this.#comeBack(error as Error);
        }
        await new Promise((resolve) => setTimeout(resolve, REOPEN_PAUSE_MS));
      }
    }
  }
}

/** Files held open so that they can be given up when the process has none left. */
class FileReserve {
  #files: Deno.FsFile[] = [];

  hold(): void {
    try {
      while (this.#files.length < RESERVE_FILES) {
        this.#files.push(Deno.openSync(Deno.build.os === "windows" ? "NUL" : "/dev/null"));
      }
    } catch {
      // There are none to hold; the next time the port comes back there may be.
    }
  }

  release(): void {
    for (const file of this.#files.splice(0)) file.close();
  }
}

/** Opens the port; waits for it where the process that is leaving cannot share it. */
async function openPort(parts: ListenerOptions, open: () => Listener): Promise<Listener> {
  const until = performance.now() + GIVE_UP_MS;
  for (;;) {
    try {
      return open();
    } catch (error) {
      if (
        !(error instanceof Deno.errors.AddrInUse) || !parts.follows || performance.now() > until
      ) throw error;
      parts.onTaken?.();
      await new Promise((resolve) => setTimeout(resolve, REOPEN_PAUSE_MS));
    }
  }
}

const CROWDED = new NexusError("unavailable", "too many connections are open", { retryAfter: 5 });

/** Says that the connection ends, too, so that a proxy does not use it again. */
function refused(request: Request, why: NexusError): Response {
  const response = errorResponse(why, languageOfRequest(request));
  response.headers.set("connection", "close");
  return response;
}

async function readTls(parts: ListenerOptions): Promise<CertificatePair | undefined> {
  const { tls } = parts.config;
  if (!tls) return undefined;
  const [cert, key] = await Promise.all(
    [tls.cert, tls.key].map((name) => Deno.readTextFile(pathOf(parts, name))),
  );
  return { cert: cert!, key: key! };
}

function pathOf({ dir }: ListenerOptions, name: string): string {
  return isAbsolute(name) ? name : join(dir, name);
}
