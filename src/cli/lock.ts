/**
 * One gateway at a time uses a store: two would end each other's answers and break each other's
 * records. The lock is the operating system's, on a file beside the store, so that it ends with its
 * process however that ends; what stands in the file only says who holds it. Commands such as
 * `nexus user` work beside a gateway and do not take it.
 *
 * A restart may start the new process before the old one has left. The old one writes down until
 * when it will have left, and the new one waits for that, holding a second lock by which the old
 * one knows that somebody follows: it then keeps the port until the next one has it, too.
 */
import { basename, dirname, join } from "node:path";
import { NexusError } from "../core/error.ts";

/** Who holds a store. */
export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  /** When it took the store, as an ISO date. */
  readonly since: string;
  /** Milliseconds since the epoch: it is leaving, and will be gone by then. */
  readonly leavesBy?: number;
}

/** Milliseconds between two tries. */
const POLL_INTERVAL_MS = 20;

/** Milliseconds that a holder may take longer to leave than it wrote down. */
const LEAVE_GRACE_MS = 5_000;

/** Milliseconds that the next one may take from the store to its first request. */
const TAKEOVER_TIMEOUT_MS = 10_000;

/**
 * Milliseconds to wait for a holder that does not say that it is leaving: its supervisor may be
 * about to stop it.
 */
const DEFAULT_TIMEOUT_MS = 5_000;

export interface LockOptions {
  /**
   * What is locked. Default `gateway`; `commands`: changes by the command line, one after the
   * other.
   */
  readonly of?: "gateway" | "commands";
  /** Called once, when it has to be waited for. */
  readonly onWait?: (holder: LockHolder | undefined, ms: number) => void;
  /**
   * Called when the folder gives no lock: a disk that cannot be written, a network file system
   * without locks.
   */
  readonly onUnavailable?: (why: string) => void;
  /** Milliseconds to wait for a holder that does not say that it is leaving. Default 5,000. */
  readonly timeout?: number;
}

export class StoreLock {
  /**
   * What the holder before this one left at its {@linkcode release}; nothing where it ended
   * otherwise.
   */
  readonly left: unknown;
  readonly #store: string;
  readonly #file: Deno.FsFile | undefined;
  /** Says to the holder that this process follows it; nothing where there was none to wait for. */
  #next: Deno.FsFile | undefined;
  readonly #holder: LockHolder;

  private constructor(store: string, file: Deno.FsFile | undefined, next: Deno.FsFile | undefined) {
    this.#store = store;
    this.#file = file;
    this.#next = next;
    this.left = file && read(file)?.left;
    this.#holder = { pid: Deno.pid, host: Deno.hostname(), since: new Date().toISOString() };
    this.#note(this.#holder);
  }

  /**
   * Takes the lock of a store. Where the folder gives no lock, the store is used without one, after
   * `onNone`.
   *
   * @throws NexusError("conflict") with who holds it, when it is not free in time
   */
  static async take(store: string, options: LockOptions = {}): Promise<StoreLock> {
    const { of = "gateway", onWait, onUnavailable, timeout = DEFAULT_TIMEOUT_MS } = options;
    let file: Deno.FsFile | undefined, next: Deno.FsFile | undefined;
    try {
      file = await open(store, of);
      const began = Date.now();
      let isTold = false;
      while (!await file.tryLock(true)) {
        const holder = holderOf(read(file));
        const until = holder?.leavesBy === undefined
          ? began + timeout
          : holder.leavesBy + LEAVE_GRACE_MS;
        if (Date.now() >= until) throw new NexusError("conflict", inUseText(store, holder));
        if (!isTold) onWait?.(holder, until - Date.now());
        isTold = true;
        if (of === "gateway") next ??= await tryNext(store);
        await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
      }
      return new StoreLock(store, file, next);
    } catch (error) {
      file?.close();
      next?.close();
      if (error instanceof NexusError) throw error;
      onUnavailable?.((error as Error).message);
      return new StoreLock(store, undefined, undefined);
    }
  }

  /** Whether another process had the store when this one wanted it. */
  get hasFollowed(): boolean {
    return this.#next !== undefined;
  }

  /** Says to the process before this one that it may let the port go. */
  serving(): void {
    this.#next?.close();
    this.#next = undefined;
  }

  /** Whether another process waits for this one to leave. */
  async isFollowed(): Promise<boolean> {
    if (!this.#file) return false;
    try {
      const next = await tryNext(this.#store);
      next?.close();
      return next === undefined;
    } catch {
      // Nobody can be seen: it is left as if there were none.
      return false;
    }
  }

  /**
   * After {@linkcode release}: resolves when the next process serves, or has ended, or takes too
   * long.
   */
  async followed(): Promise<void> {
    const until = Date.now() + TAKEOVER_TIMEOUT_MS;
    while (await this.isFollowed() && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
    }
  }

  /** Whether another process holds the lock of a store now. Takes nothing. */
  static async isHeld(store: string): Promise<boolean> {
    try {
      // Not made where it is not: its owner would be whoever asks.
      using file = await Deno.open(await pathOf(store, "gateway"), { read: true });
      const isFree = await file.tryLock(true);
      if (isFree) await file.unlock();
      return !isFree;
    } catch {
      // There is no lock, or no way to ask for it.
      return false;
    }
  }

  /** Writes down that this process will have left the store after `ms` milliseconds. */
  leaving(ms: number): void {
    this.#note({ ...this.#holder, leavesBy: Date.now() + ms });
  }

  /** Lets the next one in. Call when the store is closed. @param left is told to the next one */
  release(left?: unknown): void {
    this.#note({ left });
    // The lock goes with the file's last handle.
    this.#file?.close();
  }

  #note(note: LockRecord): void {
    if (!this.#file) return;
    try {
      const bytes = new TextEncoder().encode(`${JSON.stringify(note)}\n`);
      this.#file.truncateSync();
      this.#file.seekSync(0, Deno.SeekMode.Start);
      this.#file.writeSync(bytes);
    } catch {
      // A full disk: the lock holds all the same, and another process is told of it without a name.
    }
  }
}

/** In words, for whoever wanted the store, too. */
function inUseText(store: string, holder: LockHolder | undefined): string {
  const who = holder
    ? `process ${holder.pid} on ${holder.host} since ${holder.since}`
    : "another process";
  return `${store} is in use by ${who}: stop that one first, two cannot share a store`;
}

/** Opens a lock's file, beside the store itself, whatever name or link that is opened by. */
async function open(store: string, of: Use): Promise<Deno.FsFile> {
  return await Deno.open(await pathOf(store, of), {
    read: true,
    write: true,
    create: true,
    mode: 0o600,
  });
}

type Use = "gateway" | "commands" | "next";

async function pathOf(store: string, of: Use): Promise<string> {
  const real = await Deno.realPath(store).catch(async () =>
    join(await Deno.realPath(dirname(store)), basename(store))
  );
  return of === "gateway" ? `${real}.lock` : `${real}.${of}.lock`;
}

/** The place of the next one, if it is free. */
async function tryNext(store: string): Promise<Deno.FsFile | undefined> {
  const file = await open(store, "next");
  if (await file.tryLock(true)) return file;
  file.close();
  return undefined;
}

/** What stands in the file: who holds it, or what the last one left. */
interface LockRecord extends Partial<LockHolder> {
  readonly left?: unknown;
}

function read(file: Deno.FsFile): LockRecord | undefined {
  try {
    const bytes = new Uint8Array(4096);
    file.seekSync(0, Deno.SeekMode.Start);
    const length = file.readSync(bytes) ?? 0;
    const note = JSON.parse(new TextDecoder().decode(bytes.subarray(0, length)));
    return typeof note === "object" && note !== null ? note : undefined;
  } catch {
    // It is being written, or by somebody else: the lock holds whatever stands there.
    return undefined;
  }
}

function holderOf({ pid, host, since, leavesBy }: LockRecord = {}): LockHolder | undefined {
  if (typeof pid !== "number" || typeof host !== "string" || typeof since !== "string") {
    return undefined;
  }
  return { pid, host, since, leavesBy: typeof leavesBy === "number" ? leavesBy : undefined };
}
