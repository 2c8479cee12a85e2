/**
 * The options and the timing of the SQLite store.
 */
import type { Clock } from "../core/clock.ts";

/**
 * Milliseconds that a write waits for its commit at most. The contract allows 200; a timer can be
 * late.
 */
export const MAX_WRITE_DELAY_MS = 150;

/** Milliseconds between two checks that the path still leads to the open file. */
export const FILE_CHECK_INTERVAL_MS = 5_000;

/** Milliseconds for which the last write blocks on another process's lock. */
export const CLOSE_LOCK_TIMEOUT_MS = 5_000;

/** The default of {@linkcode SqliteOptions.maxBuffered}. */
export const MAX_BUFFERED_BYTES = 64 << 20;

export interface SqliteOptions {
  /** The file; created with mode 0600 if it does not exist. */
  readonly path: string;
  readonly clock?: Clock;
  /** Called when trouble begins, changes, and (with `undefined`) ends. */
  readonly onTrouble?: (trouble: string | undefined) => void;
  /**
   * Maximum bytes of the file; beyond it the store behaves as on a full disk. Default: no limit.
   */
  readonly maxSize?: number;
  /**
   * Bytes that may wait in memory while the file cannot be written; beyond it the oldest evictable
   * entries are lost. Default: 64 MiB.
   */
  readonly maxBuffered?: number;
  /**
   * Called after a fault that the store has recovered from: a row that could not be written, an
   * index that was rebuilt.
   */
  readonly onFault?: (error: Error) => void;
  /**
   * Milliseconds for which a write blocks on another process's lock. Default 0; only for commands
   * that do one thing.
   */
  readonly lockTimeout?: number;
}
