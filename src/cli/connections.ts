/**
 * The connections of the open port: how many there may be, in all and from one address, and how
 * long each may do nothing. A look once a second finds what the server itself does not see, a
 * connection without a request, and closes what is over its time or too many.
 */
import { networkOf } from "../core/rate_limiter.ts";
import type { Clock } from "../core/clock.ts";
import type { ProcessSockets } from "./process_sockets.ts";

/** Milliseconds in which the first request of a connection must be there, its headers whole. */
export const FIRST_REQUEST_MS = 20_000;

/** Milliseconds that a connection may stay open after an answer without another request. */
export const KEEP_ALIVE_MS = 75_000;

/** The same for a trusted proxy, which keeps connections so that people need not wait for one. */
export const PROXY_KEEP_ALIVE_MS = 900_000;

/** Milliseconds that an answer may take to be read once it is made, as long as some of it is. */
export const MAX_READ_MS = 900_000;

/** Files that are not connections of people or bots: the store, the log, and as a reserve. */
export const RESERVED_FILES = 64;

/**
 * The part of all other files that connections may have. The rest is for calls to model APIs and
 * chat platforms.
 */
export const CONNECTIONS_SHARE = 2 / 3;

/** Connections that one look has time for. */
export const MAX_CONNECTIONS = 50_000;

/**
 * The part of all connections that one address may have, and how many at least. Trusted proxies may
 * have all.
 */
export const ADDRESS_SHARE = 1 / 4, MIN_PER_ADDRESS = 64;

/** Connections that may be open, of a limit of open files. */
export function maxConnections(files: number): number {
  return Math.min(
    MAX_CONNECTIONS,
    Math.floor(Math.max(RESERVED_FILES, files - RESERVED_FILES) * CONNECTIONS_SHARE),
  );
}

/** Connections that one address may have open. */
export function maxPerAddress(most: number): number {
  return Math.max(MIN_PER_ADDRESS, Math.floor(most * ADDRESS_SHARE));
}

/** Milliseconds between two looks, and where many connections are open. */
const SCAN_INTERVAL_MS = 1_000, BUSY_SCAN_INTERVAL_MS = 200;

/** File numbers looked at in one go, about 1 ms, and of how much time a look may take one part. */
const SCAN_STEP = 500, SCAN_PAUSE_FACTOR = 50;

export interface ConnectionsParts {
  readonly sockets: ProcessSockets;
  /** The port that is listened on. */
  readonly port: number;
  readonly clock: Clock;
  /** Whether an address is a trusted proxy. */
  readonly trusts: (address: string) => boolean;
  /**
   * Milliseconds after which a WebSocket to which nothing was sent is none any more: bots are asked
   * more often.
   */
  readonly silence: () => number;
  /** Connections were closed because there were too many. Called once for each look. */
  readonly onCrowded?: (closed: number, open: number) => void;
}

/** What a connection is doing, as the server tells. */
interface ConnectionActivity {
  /** Requests that have no whole answer yet. */
  open: number;
  /** When the last answer was made, milliseconds since the epoch. */
  idleSince: number;
  /** It has become a WebSocket, which is looked after elsewhere. */
  upgraded: boolean;
  readonly done: () => void;
}

interface OpenConnection {
  readonly port: number;
  readonly address: string;
  readonly network: string;
  readonly isTrusted: boolean;
  /** When it was first seen, milliseconds since the epoch. */
  readonly since: number;
}

export class Connections {
  readonly max: number;
  readonly maxPerAddress: number;
  readonly #parts: ConnectionsParts;
  readonly #open = new Map<number, OpenConnection>();
  /**
   * By the port at the other end. Two connections may have the same there: then each counts as busy
   * while one is.
   */
  readonly #work = new Map<number, ConnectionActivity>();
  /**
   * Addresses with too many connections, all of them busy; and whether there are too many in all.
   */
  #crowded = new Set<string>();
  #isFull = false;
  #file = 0;
  #top = 0;
  #began = 0;
  #took = 0;
  #stop: () => void;

  constructor(parts: ConnectionsParts) {
    this.#parts = parts;
    this.max = maxConnections(parts.sockets.limit);
    this.maxPerAddress = maxPerAddress(this.max);
    this.#stop = parts.clock.after(SCAN_INTERVAL_MS, () => this.#surely(() => this.#scan()));
  }

  /** How many were open at the last look. */
  get size(): number {
    return this.#open.size;
  }

  /** A request has come. Its connection counts as busy until `done` is called. */
  begin(port: number): ConnectionActivity {
    let work = this.#work.get(port);
    if (!work) this.#work.set(port, work = this.#newWork());
    work.open++;
    return work;
  }

  #newWork(): ConnectionActivity {
    const work: ConnectionActivity = {
      open: 0,
      idleSince: 0,
      upgraded: false,
      done: () => {
        work.open--;
        work.idleSince = this.#parts.clock.now();
      },
    };
    return work;
  }

  /** Whether a request is to be refused because of how many connections there are. */
  refuses(address: string): boolean {
    if (!this.#isFull && this.#crowded.size === 0) return false;
    return !this.#parts.trusts(address) && (this.#isFull || this.#crowded.has(networkOf(address)));
  }

  /** Looks no more, and lets the sockets go. */
  stop(): void {
    this.#stop();
    this.#parts.sockets.release();
  }

  /**
   * Looks at all connections at once and closes those without a request: the system has no files
   * left.
   */
  makeRoom(): void {
    this.#begin();
    this.#scanPart(this.#top);
    this.#endOfLook();
    this.#closeIdle([...this.#open], Math.ceil(this.#open.size / 2));
  }

  #scan(): void {
    this.#begin();
    this.#step();
  }

  #begin(): void {
    const { sockets, clock } = this.#parts;
    this.#stop();
    this.#file = 0;
    this.#top = sockets.top();
    this.#began = clock.now();
    this.#took = 0;
  }

  #step(): void {
    const began = performance.now();
    this.#scanPart(Math.min(this.#top, this.#file + SCAN_STEP));
    this.#took += performance.now() - began;
    if (this.#file < this.#top) {
      this.#stop = this.#parts.clock.after(0, () => this.#surely(() => this.#step()));
    } else this.#endOfLook();
  }

  #scanPart(end: number): void {
    const { sockets, port, clock, trusts } = this.#parts;
    for (; this.#file < end; this.#file++) {
      const peer = sockets.peer(this.#file, port);
      const known = this.#open.get(this.#file);
      if (peer && known && peer.port === known.port && peer.address === known.address) continue;
      if (known) this.#open.delete(this.#file);
      if (!peer) continue;
      const { address } = peer;
      const network = networkOf(address);
      this.#open.set(this.#file, {
        ...peer,
        network,
        isTrusted: trusts(address),
        since: clock.now(),
      });
    }
  }

  #endOfLook(): void {
    const ports = new Set<number>();
    for (const { port } of this.#open.values()) ports.add(port);
    for (const [port, { open, idleSince }] of this.#work) {
      if (open === 0 && idleSince < this.#began && !ports.has(port)) this.#work.delete(port);
    }
    this.#closeLate();
    this.#closeCrowds();
    const every = this.#open.size * 2 > this.max ? BUSY_SCAN_INTERVAL_MS : SCAN_INTERVAL_MS;
    this.#stop = this.#parts.clock.after(
      Math.max(every, this.#took * SCAN_PAUSE_FACTOR),
      () => this.#surely(() => this.#scan()),
    );
  }

  /**
   * Without another look nothing would be bounded any more: what fails is logged by whoever catches
   * it, and there is one.
   */
  #surely(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#stop();
      this.#stop = this.#parts.clock.after(
        SCAN_INTERVAL_MS,
        () => this.#surely(() => this.#scan()),
      );
      throw error;
    }
  }

  /** Since when a connection does nothing; nothing while it does something. */
  #idleSince({ port, since }: OpenConnection): number | undefined {
    const work = this.#work.get(port);
    if (!work) return since;
    return work.open > 0 || work.upgraded ? undefined : Math.max(work.idleSince, since);
  }

  #closeLate(): void {
    for (const [file, open] of this.#open) if (this.#isLate(file, open)) this.#close(file);
  }

  #isLate(file: number, open: OpenConnection): boolean {
    const { clock, sockets, silence } = this.#parts;
    const work = this.#work.get(open.port);
    if (!work) return clock.now() - open.since > FIRST_REQUEST_MS;
    // Whoever does not read a WebSocket any more, or has taken over its port, is sent nothing.
    if (work.upgraded) return (sockets.sentAgo(file) ?? 0) > silence();
    const idleSince = this.#idleSince(open);
    if (idleSince === undefined) return false;
    const idle = clock.now() - idleSince;
    if (idle <= (open.isTrusted ? PROXY_KEEP_ALIVE_MS : KEEP_ALIVE_MS)) return false;
    // The answer may be on its way yet: made, but too long for its reader's line.
    return idle > MAX_READ_MS || (sockets.sentAgo(file) ?? 0) > KEEP_ALIVE_MS;
  }

  #closeCrowds(): void {
    const networks = new Map<string, [file: number, open: OpenConnection][]>();
    for (const entry of this.#open) {
      const { network, isTrusted } = entry[1];
      if (isTrusted) continue;
      const crowd = networks.get(network);
      if (crowd) crowd.push(entry);
      else networks.set(network, [entry]);
    }
    let closed = 0;
    const crowded = new Set<string>();
    for (const [network, crowd] of networks) {
      const tooMany = crowd.length - this.maxPerAddress;
      if (tooMany <= 0) continue;
      const gone = this.#closeIdle(crowd, tooMany);
      if (gone < tooMany) crowded.add(network);
      closed += gone;
    }
    const tooMany = this.#open.size - this.max;
    const gone = tooMany > 0 ? this.#closeIdle([...this.#open], tooMany) : 0;
    this.#crowded = crowded;
    this.#isFull = gone < tooMany;
    closed += gone;
    if (closed > 0 || this.#isFull || crowded.size > 0) {
      this.#parts.onCrowded?.(closed, this.#open.size);
    }
  }

  /**
   * Closes at most so many that do nothing: strangers' first, and those that have done nothing for
   * longest. Returns how many.
   */
  #closeIdle(among: readonly [file: number, open: OpenConnection][], most: number): number {
    const idle = among.flatMap(([file, open]) => {
      const since = this.#idleSince(open);
      return since === undefined ? [] : [{ file, since, isTrusted: open.isTrusted }];
    });
    idle.sort((a, b) => Number(a.isTrusted) - Number(b.isTrusted) || a.since - b.since);
    const closing = idle.slice(0, most);
    for (const { file } of closing) this.#close(file);
    return closing.length;
  }

  /**
   * Closes a connection if it is still the one that was seen: its file's number may be another's by
   * now.
   */
  #close(file: number): void {
    const { sockets, port } = this.#parts;
    const known = this.#open.get(file)!;
    const peer = sockets.peer(file, port);
    this.#open.delete(file);
    if (peer?.port === known.port && peer.address === known.address) sockets.close(file);
  }
}
