/**
 * The registry of open event streams. It sends a comment into every silent stream, so that proxies
 * keep the connection and a dead peer is noticed; it closes the streams of readers who lost access;
 * and it bounds how many streams a person opens. One timer serves all streams: a timer per stream
 * would be most of the cost of an idle stream.
 */
import type { Clock } from "../../core/clock.ts";
import { type ErrorCode, NexusError } from "../../core/error.ts";
import type { KeyScope } from "../../core/key_scope.ts";

/** Who reads a stream. */
export interface StreamReader {
  readonly person: string;
  /** The error code that the reader gets when access is lost. */
  readonly refusal: ErrorCode;
  /** The scope of the key, if the reader uses a key that reads less than its owner. */
  readonly reach?: KeyScope;
  /** Whether the reader still has access. */
  isStillValid(): Promise<boolean>;
}

/** A stream that is open. */
export interface OpenStream {
  /** Milliseconds since the epoch: when something was last written. */
  wroteAt: number;
  /** Absent: access is not rechecked, and the stream is not counted. */
  readonly reader?: StreamReader;
  /** Whether the reader takes what is written. */
  readonly hasRoom: boolean;
  /** Whether it ends by itself, when its turn has ended and its reader has everything. */
  readonly endsItself: boolean;
  /** Writes a comment. */
  heartbeat(): void;
  /**
   * The reader has taken nothing for {@linkcode STALLED_READER_MS}: end the stream as if it had
   * hung up.
   */
  dropStalled(): void;
  /** The reader may no longer read: say so and end the stream. */
  revoke(code: ErrorCode): void;
  /** The gateway stops: end the stream. */
  end(): void;
}

/**
 * Silence before a comment, in milliseconds; proxies commonly give up after 60 s, some after 30.
 */
const HEARTBEAT_MS = 15_000;

/**
 * Milliseconds after which a reader that takes nothing is disconnected: its reply would stay in
 * memory as long as it likes. The reader can reconnect. A reader of 1 KB/s takes four minutes for
 * one write.
 */
export const STALLED_READER_MS = 10 * 60_000;

/** Milliseconds between two access checks of the readers. */
const RECHECK_MS = 10_000;

export class StreamRegistry {
  readonly #open = new Set<OpenStream>();
  /** Open streams by person, with those that are about to open. */
  readonly #by = new Map<string, number>();
  readonly #clock: Clock;
  readonly #most: (person: string) => number;
  readonly #stop: () => void;
  #askedAt: number;
  #onEmpty = () => {};

  /** @param most how many streams a person may have open at once */
  constructor(clock: Clock, most: (person: string) => number = () => Infinity) {
    this.#clock = clock;
    this.#most = most;
    this.#askedAt = clock.now();
    this.#stop = clock.every(HEARTBEAT_MS / 3, () => {
      const now = clock.now();
      for (const stream of this.#open) {
        const silent = now - stream.wroteAt;
        if (!stream.hasRoom) {
          if (silent >= STALLED_READER_MS) stream.dropStalled();
        } else if (silent >= HEARTBEAT_MS - HEARTBEAT_MS / 3) stream.heartbeat();
      }
      if (now - this.#askedAt < RECHECK_MS) return;
      this.#askedAt = now;
      for (const stream of [...this.#open]) {
        if (stream.reader) void this.#ask(stream, stream.reader);
      }
    });
  }

  async #ask(stream: OpenStream, reader: StreamReader): Promise<void> {
    // If the check fails, the reader reconnects and is authenticated again.
    if (await reader.isStillValid().catch(() => false)) return;
    if (this.#open.has(stream)) stream.revoke(reader.refusal);
  }

  /** Checks the access of all streams of a person at once. */
  recheck(person: string): void {
    for (const stream of [...this.#open]) {
      if (stream.reader?.person === person) void this.#ask(stream, stream.reader);
    }
  }

  /**
   * Opens a stream for a reader, who is counted from before it is made until it ends. Throws
   * `limited` where too many are open.
   *
   * @param make makes the stream, which must {@linkcode add} itself with this reader
   */
  async open<T>(reader: StreamReader, make: () => Promise<T> | T): Promise<T> {
    const { person } = reader;
    const open = this.#by.get(person) ?? 0;
    const most = this.#most(person);
    if (open >= most) {
      throw new NexusError("limited", `${most} streams are open; close one`, { retryAfter: 5 });
    }
    this.#by.set(person, open + 1);
    try {
      return await make();
    } catch (error) {
      this.#leave(person);
      throw error;
    }
  }

  #leave(person: string): void {
    const left = (this.#by.get(person) ?? 1) - 1;
    if (left > 0) this.#by.set(person, left);
    else this.#by.delete(person);
  }

  get size(): number {
    return this.#open.size;
  }

  now(): number {
    return this.#clock.now();
  }

  add(stream: OpenStream): void {
    this.#open.add(stream);
  }

  remove(stream: OpenStream): void {
    if (this.#open.delete(stream) && stream.reader) this.#leave(stream.reader.person);
    if (this.#open.size === 0) this.#onEmpty();
  }

  /**
   * Stops, and ends every stream. Streams of turns first deliver what their readers have not taken
   * yet, for at most `grace` milliseconds.
   */
  async close(grace = 0): Promise<void> {
    this.#stop();
    for (const stream of [...this.#open]) if (!stream.endsItself) stream.end();
    if (grace > 0 && this.#open.size > 0) {
      await new Promise<void>((resolve) => {
        const stop = this.#clock.after(grace, resolve);
        this.#onEmpty = () => {
          stop();
          resolve();
        };
      });
    }
    for (const stream of [...this.#open]) stream.end();
    this.#open.clear();
  }
}
