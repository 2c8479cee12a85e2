/**
 * The writing side of the SQLite store: moves batches from the buffer into the file.
 */
import type { Clock } from "../core/clock.ts";
import { sqliteFailure } from "./sqlite_error.ts";
import type { SqliteFile } from "./sqlite_file.ts";
import type { IndexScheduler } from "./sqlite_index_scheduler.ts";
import type { BufferedEntry, BufferedLog, EntryBatch, WriteBuffer } from "./sqlite_write_buffer.ts";

/** Entries in one transaction, about 20 ms. The rest follows after a turn of the event loop. */
const WRITE_BATCH = 1000;

/** Milliseconds between two sweeps for expired entries. */
const SWEEP_INTERVAL_MS = 60_000;

export interface SqliteWriterParts {
  readonly clock: Pick<Clock, "now">;
  readonly buffer: WriteBuffer;
  readonly indexing: IndexScheduler;
  /** Returns the file for writing; opens it again if it is not open. */
  readonly file: () => SqliteFile;
  /** Called for a row that cannot be written and is lost. */
  readonly onFault: (error: Error) => void;
}

type LogBatch = readonly [string, BufferedLog][];

export class SqliteWriter {
  readonly #parts: SqliteWriterParts;
  /** Texts that join the index queue with the next full write, by the number of their entry. */
  readonly #texts = new Map<number, { readonly owner: string; readonly text: string }>();
  #sweptAt: number;

  constructor(parts: SqliteWriterParts) {
    this.#parts = parts;
    this.#sweptAt = parts.clock.now();
  }

  /** Whether texts wait for the next full write. */
  get hasTexts(): boolean {
    return this.#texts.size > 0;
  }

  /**
   * Writes the next batch. A single row that cannot be written is dropped, and `onFault` is called.
   * Returns any other failure of SQLite, and throws only what `onFault` throws.
   *
   * @param all whether lazy entries are written too
   */
  write(all: boolean): { readonly error: unknown } | undefined {
    const { entries, logs } = this.#parts.buffer.batch(WRITE_BATCH, all);
    try {
      this.#writeBatch(entries, logs, all);
    } catch (error) {
      return sqliteFailure(error) === "row" ? this.#writeOneByOne(entries, logs) : { error };
    }
    return undefined;
  }

  /** Writes each row by itself, so that one bad row does not hold up all others. */
  #writeOneByOne(entries: EntryBatch, logs: LogBatch): { readonly error: unknown } | undefined {
    const tries: [name: string, entries: EntryBatch, logs: LogBatch][] = [
      ...entries.map((entry) => [entry[0], [entry], []] as [string, EntryBatch, []]),
      ...logs.map((log) => [log[0], [], [log]] as [string, EntryBatch, LogBatch]),
    ];
    for (const [name, entries, logs] of tries) {
      try {
        // Texts for the index need their row in the file; they follow with the next full write.
        this.#writeBatch(entries, logs, false);
      } catch (error) {
        if (sqliteFailure(error) !== "row") return { error };
        this.#parts.buffer.remove(entries, logs);
        const why = `${name.split(":")[0]}:… cannot be written and is lost: ${
          (error as Error).message
        }`;
        this.#parts.onFault(new Error(why, { cause: error }));
      }
    }
    return undefined;
  }

  #writeBatch(entries: EntryBatch, logs: LogBatch, all: boolean): void {
    const now = this.#parts.clock.now();
    const file = this.#parts.file();
    // The numbers of new entries are valid only after the commit: a rollback frees them for others.
    const gone = new Set<number>(),
      added: [entry: number, find: NonNullable<BufferedEntry["find"]>][] = [];
    const isSweeping = now - this.#sweptAt >= SWEEP_INTERVAL_MS;
    const due = file.transaction(() => {
      let due = 0;
      for (const [key, { value, expires, find }] of entries) {
        if (value !== undefined) {
          const id = file.put(key, value, expires);
          if (find) added.push([id, find]);
          continue;
        }
        const forgotten = file.forget(key);
        if (forgotten === undefined) continue;
        gone.add(forgotten);
        due++;
      }
      for (const [log, lines] of logs) file.append(log, lines, now);
      if (isSweeping) due += file.sweep(now);
      if (!all) return due;
      for (const [id, { owner, text }] of this.#texts) {
        if (!gone.has(id)) file.words.put(id, owner, text);
      }
      for (const [id, { owner, text }] of added) file.words.put(id, owner, text);
      return due + this.#texts.size + added.length;
    });
    if (all) this.#texts.clear();
    else {
      for (const id of gone) this.#texts.delete(id);
      for (const [id, find] of added) this.#texts.set(id, find);
    }
    if (isSweeping) this.#sweptAt = now;
    this.#parts.buffer.remove(entries, logs);
    this.#parts.indexing.wrote(due > 0);
  }
}
