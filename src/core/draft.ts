/**
 * Drafts save replies while they grow: every {@linkcode DRAFT_INTERVAL_MS} ms new content is
 * written to the store, so that the sudden end of the process costs an answer its last moments and
 * not its beginning. A chunk never waits for this, and a turn that ends sooner has no draft.
 *
 * All replies share one log, with one entry for each save. A log for each reply would write to its
 * own place on the disk ten times a second, which was a quarter of the cost of a chunk. From time
 * to time a new log begins with the whole content of all running replies, and the old one is
 * deleted.
 */
import type { Clock } from "./clock.ts";
import { timedId } from "./id.ts";
import type { Receipts } from "./link.ts";
import type { Observer } from "./observer.ts";
import { type Chunk, joined } from "./reply.ts";
import type { Store } from "./store.ts";
import type { Turn } from "./turn.ts";

/**
 * Milliseconds between two saves: one timer for all turns. With 200 ms, a machine at five times its
 * load was measured to be 300 ms late.
 */
export const DRAFT_INTERVAL_MS = 100;

/**
 * The least and the most milliseconds for which a log is used. In between, a new one begins when as
 * many units were appended as the new one would repeat.
 */
const LOG_LIFE_MS = [10_000, 60_000] as const;

/** A draft that no process recovered expires after a month. */
const ENTRY_OPTIONS = { ttl: 30 * 86_400_000, evictable: true } as const;

/**
 * Lists the logs in use: the key `drafts:<process>:<number>` marks the log
 * `draft:<process>:<number>`.
 */
const MARK = "drafts:", LOG = "draft:";

interface Draft {
  readonly turn: Turn;
  readonly writeTurn: (durable: boolean) => Promise<unknown>[];
  /** The offset up to which it is saved. */
  saved: number;
  /** The mark of the bot's receipts up to which it is saved. */
  mark: number;
  begun: boolean;
  /**
   * Resolves when it would survive the end of the process that there is such a turn; absent until
   * somebody asks.
   */
  recorded?: Promise<void>;
}

/** The log in use. */
interface Log {
  readonly name: string;
  readonly since: number;
  /** UTF-16 units of its first entry, and of the later ones. */
  readonly firstUnits: number;
  laterUnits: number;
}

/**
 * An entry of the log: by turn, the chunks since the entry before. The first entry of a log has
 * every chunk.
 */
type LogEntry = Record<string, readonly Chunk[]>;

export class Drafts {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #process: string;
  readonly #running = new Map<string, Draft>();
  #log: Log | undefined;
  #logs = 0;
  #mustRenew = false;
  /** The last write to the log. */
  #written: Promise<unknown> = Promise.resolve();
  #stop: (() => void) | undefined;

  constructor(parts: { store: Store; clock: Clock; observer: Observer }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#observer = parts.observer;
    this.#process = timedId(parts.clock.now());
  }

  /**
   * From now on this turn is saved while it grows. `writeTurn` stores the turn itself, if it still
   * runs by then; `durable`: resolves when that would survive the end of the process.
   */
  begin(turn: Turn, writeTurn: (durable: boolean) => Promise<unknown>[]): void {
    // A volatile store has nothing to recover from.
    if (this.#store.volatile) return;
    this.#running.set(turn.id, { turn, writeTurn, saved: 0, mark: 0, begun: false });
    this.#stop ??= this.#clock.after(DRAFT_INTERVAL_MS, () => this.#tick());
  }

  /** Stores a running turn now. Resolves when it would survive the end of the process. */
  writeDown(turn: Turn): Promise<void> {
    const draft = this.#running.get(turn.id);
    if (draft === undefined) return turn.stored ?? Promise.resolve();
    if (draft.recorded) return draft.recorded;
    const written = draft.begun ? this.#written : Promise.all(draft.writeTurn(true));
    draft.begun = true;
    // Readers do not wait for a store that fails.
    return draft.recorded = written.catch((error) =>
      this.#observer.tell({ type: "fault", where: "draft", error })
    )
      .then(() => this.#setRecorded(turn));
  }

  /** Its readers may be told that it has begun. */
  #setRecorded(turn: Turn): void {
    if (turn.recorder === undefined) return;
    turn.recorder = undefined;
    turn.reply.wake();
  }

  /** Whether a turn that runs has been written down. */
  isBegun(turnId: string): boolean {
    return this.#running.get(turnId)?.begun ?? false;
  }

  /**
   * The turn is stored as a whole, so its draft is dropped. Returns whether the turn had been
   * stored before.
   */
  end(turnId: string): boolean {
    const draft = this.#running.get(turnId);
    this.#running.delete(turnId);
    if (this.#running.size === 0 && this.#log) {
      this.#drop([this.#log.name]);
      this.#log = undefined;
      this.#mustRenew = false;
    }
    return draft?.begun ?? false;
  }

  /**
   * The replies that an earlier process left unfinished, by turn. Call this before any turn begins.
   */
  async unfinished(): Promise<Map<string, Chunk[]>> {
    const found = new Map<string, Chunk[]>();
    for (
      const processes of Map.groupBy(
        await this.#names(),
        (name) => name.slice(0, name.lastIndexOf(":")),
      ).values()
    ) {
      // If there are two, the process crashed during the change to the second, which has
      // everything.
      const name = processes.at(-1)!;
      for (const line of await this.#store.read(LOG + name)) {
        for (const [turn, chunks] of Object.entries(line as LogEntry)) {
          found.set(turn, joined([...found.get(turn) ?? [], ...chunks]));
        }
      }
    }
    return found;
  }

  /** Deletes what {@linkcode unfinished} returned. */
  async deleteUnfinished(): Promise<void> {
    this.#drop(await this.#names());
  }

  /**
   * Begins a new log at the next save, without turns that have ended: deleted content must not
   * stay.
   */
  startNewLog(): void {
    this.#mustRenew = true;
  }

  close(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#running.clear();
  }

  async #names(): Promise<string[]> {
    return (await this.#store.list(MARK)).map(([key]) => key.slice(MARK.length));
  }

  #tick(): void {
    this.#stop = undefined;
    try {
      this.#save();
    } catch (error) {
      this.#observer.tell({ type: "fault", where: "draft", error });
    }
    if (this.#running.size > 0) {
      this.#stop = this.#clock.after(DRAFT_INTERVAL_MS, () => this.#tick());
    }
  }

  /** Writes what was appended to the replies since the last save. */
  #save(): void {
    const writes: Promise<unknown>[] = [];
    const before = this.#log;
    const isNew = before === undefined || this.#isUsedUp(before);
    const line: LogEntry = {};
    let units = 0;
    const begun: Turn[] = [], marks: [Receipts, number][] = [];
    for (const [id, draft] of this.#running) {
      const { reply, receipts } = draft.turn;
      if (!draft.begun) {
        writes.push(...draft.writeTurn(false));
        begun.push(draft.turn);
      }
      const mark = receipts?.mark() ?? 0;
      if (receipts && mark > draft.mark) {
        draft.mark = mark;
        marks.push([receipts, mark]);
      }
      const from = isNew ? 0 : draft.saved;
      if (!isNew && draft.begun && reply.length === from) continue;
      draft.begun = true;
      draft.saved = reply.length;
      units += reply.length - from;
      line[id] = joined(reply.since(from));
    }
    if (isNew && this.#running.size > 0) {
      const name = `${this.#process}:${(this.#logs++).toString(36).padStart(8, "0")}`;
      this.#log = { name, since: this.#clock.now(), firstUnits: units, laterUnits: 0 };
      this.#mustRenew = false;
      writes.push(this.#store.set(MARK + name, 1, ENTRY_OPTIONS));
    }
    if (this.#log && Object.keys(line).length > 0) {
      if (!isNew) this.#log.laterUnits += units;
      const written = this.#store.append(LOG + this.#log.name, [line], {
        ...ENTRY_OPTIONS,
        durable: true,
      });
      writes.push(this.#written = written);
      // A failed write is reported below; the log before stays then.
      if (before && before !== this.#log) written.then(() => this.#drop([before.name]), () => {});
    }
    if (begun.length > 0 || marks.length > 0) {
      writes.push(this.#written.then(() => {
        for (const turn of begun) this.#setRecorded(turn);
        for (const [receipts, mark] of marks) receipts.stored(mark);
      }));
    }
    Promise.all(writes).catch((error) =>
      this.#observer.tell({ type: "fault", where: "draft", error })
    );
  }

  #isUsedUp({ since, firstUnits, laterUnits }: Log): boolean {
    if (this.#mustRenew) return true;
    const used = this.#clock.now() - since;
    return used >= LOG_LIFE_MS[1] || (used >= LOG_LIFE_MS[0] && laterUnits >= firstUnits);
  }

  #drop(names: readonly string[]): void {
    Promise.all(
      names.flatMap((name) => [this.#store.delete(MARK + name), this.#store.delete(LOG + name)]),
    )
      .catch((error) => this.#observer.tell({ type: "fault", where: "draft", error }));
  }
}
