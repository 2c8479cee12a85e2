/**
 * Replies that are still growing, saved behind the bot's back: every {@linkcode DRAFT_INTERVAL_MS}
 * ms what came since goes to the store, so that the sudden end of the process costs an answer its
 * last moments and not its beginning. A chunk never waits for this, and a turn that is over sooner
 * never gets here.
 *
 * All replies share one log, a line for each look: a log for each would touch a place of its own on
 * the disk ten times a second, which was a quarter of what a chunk cost. So that the log does not
 * grow for as long as anybody answers, a new one is begun now and then with all that runs, and the
 * old one goes.
 */
import type { Clock } from "./clock.ts";
import { timedId } from "./id.ts";
import type { Receipts } from "./link.ts";
import type { Observer } from "./observer.ts";
import { type Chunk, joined } from "./reply.ts";
import type { Store } from "./store.ts";
import type { Turn } from "./turn.ts";

/**
 * Milliseconds between two looks at everything that runs: one timer, however many turns. With 200
 * ms a machine at five times its load was seen to be 300 ms late.
 */
export const DRAFT_INTERVAL_MS = 100;

/**
 * Milliseconds for which a log is used at least, and at most. In between a new one is begun when as
 * much came as that would write again.
 */
const USED = [10_000, 60_000] as const;

/** A draft that nobody came back for is of no use after a month. */
const KEPT = { ttl: 30 * 86_400_000, evictable: true } as const;

/**
 * Tells which logs are in use: `drafts:<process>:<number>` is the mark of the log
 * `draft:<process>:<number>`.
 */
const MARK = "drafts:", LOG = "draft:";

interface Draft {
  readonly turn: Turn;
  readonly first: (sure: boolean) => Promise<unknown>[];
  /** The offset up to which it is saved. */
  saved: number;
  /** The bot's mark up to which it is saved. */
  mark: number;
  begun: boolean;
  /**
   * Resolves when it would survive the end of the process that there is such a turn; absent until
   * somebody asks.
   */
  known?: Promise<void>;
}

/** The log in use. */
interface Log {
  readonly name: string;
  readonly since: number;
  /** UTF-16 units of its first line, and of those behind it. */
  readonly whole: number;
  more: number;
}

/**
 * A line of the log: by turn, what it said since the line before. The first line of a log has all
 * that was said.
 */
type Line = Record<string, readonly Chunk[]>;

export class Drafts {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #process: string;
  readonly #running = new Map<string, Draft>();
  #log: Log | undefined;
  #logs = 0;
  #isSpoiled = false;
  /** The last line on its way to the log. */
  #written: Promise<unknown> = Promise.resolve();
  #stop: (() => void) | undefined;

  constructor(parts: { store: Store; clock: Clock; observer: Observer }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#observer = parts.observer;
    this.#process = timedId(parts.clock.now());
  }

  /**
   * From now on this turn is saved as it grows. `first` writes down that there is such a turn, if
   * it still runs by then; `sure`: resolves when that would survive the end of the process.
   */
  begin(turn: Turn, first: (sure: boolean) => Promise<unknown>[]): void {
    // What dies with the process need not be saved for after its death.
    if (this.#store.volatile) return;
    this.#running.set(turn.id, { turn, first, saved: 0, mark: 0, begun: false });
    this.#stop ??= this.#clock.after(DRAFT_INTERVAL_MS, () => this.#look());
  }

  /**
   * Writes down now that there is this turn, if it runs. Resolves when that would survive the end
   * of the process.
   */
  writeDown(turn: Turn): Promise<void> {
    const draft = this.#running.get(turn.id);
    if (draft === undefined) return turn.stored ?? Promise.resolve();
    if (draft.known) return draft.known;
    const written = draft.begun ? this.#written : Promise.all(draft.first(true));
    draft.begun = true;
    // Where it cannot be written, readers are not kept waiting for it.
    return draft.known = written.catch((error) =>
      this.#observer.tell({ type: "fault", where: "draft", error })
    )
      .then(() => this.#isKnown(turn));
  }

  /** Its readers may be told of it. */
  #isKnown(turn: Turn): void {
    if (turn.recorder === undefined) return;
    turn.recorder = undefined;
    turn.reply.wake();
  }

  /** Whether a turn that runs has been written down. */
  isBegun(turnId: string): boolean {
    return this.#running.get(turnId)?.begun ?? false;
  }

  /**
   * The turn is kept whole elsewhere: its draft is of no use. Returns whether it had been written
   * down before.
   */
  end(turnId: string): boolean {
    const draft = this.#running.get(turnId);
    this.#running.delete(turnId);
    if (this.#running.size === 0 && this.#log) {
      this.#drop([this.#log.name]);
      this.#log = undefined;
      this.#isSpoiled = false;
    }
    return draft?.begun ?? false;
  }

  /**
   * What turns had said when it was last saved, as an earlier process left it behind. Call before
   * any turn begins.
   */
  async left(): Promise<Map<string, Chunk[]>> {
    const found = new Map<string, Chunk[]>();
    for (
      const processes of Map.groupBy(
        await this.#names(),
        (name) => name.slice(0, name.lastIndexOf(":")),
      ).values()
    ) {
      // Where two are left, the process died while it went over to the second, which has all.
      const name = processes.at(-1)!;
      for (const line of await this.#store.read(LOG + name)) {
        for (const [turn, chunks] of Object.entries(line as Line)) {
          found.set(turn, joined([...found.get(turn) ?? [], ...chunks]));
        }
      }
    }
    return found;
  }

  /** Forgets what {@linkcode left} told. */
  async forget(): Promise<void> {
    this.#drop(await this.#names());
  }

  /** Begins a new log at the next look, without what has ended: words that must not stay. */
  renew(): void {
    this.#isSpoiled = true;
  }

  close(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#running.clear();
  }

  async #names(): Promise<string[]> {
    return (await this.#store.list(MARK)).map(([key]) => key.slice(MARK.length));
  }

  #look(): void {
    this.#stop = undefined;
    try {
      this.#save();
    } catch (error) {
      this.#observer.tell({ type: "fault", where: "draft", error });
    }
    if (this.#running.size > 0) {
      this.#stop = this.#clock.after(DRAFT_INTERVAL_MS, () => this.#look());
    }
  }

  /** Writes down what turns have said since the last time. */
  #save(): void {
    const writes: Promise<unknown>[] = [];
    const before = this.#log;
    const isNew = before === undefined || this.#isWornOut(before);
    const line: Line = {};
    let units = 0;
    const begun: Turn[] = [], marks: [Receipts, number][] = [];
    for (const [id, draft] of this.#running) {
      const { reply, receipts } = draft.turn;
      if (!draft.begun) {
        writes.push(...draft.first(false));
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
      this.#log = { name, since: this.#clock.now(), whole: units, more: 0 };
      this.#isSpoiled = false;
      writes.push(this.#store.set(MARK + name, 1, KEPT));
    }
    if (this.#log && Object.keys(line).length > 0) {
      if (!isNew) this.#log.more += units;
      const written = this.#store.append(LOG + this.#log.name, [line], { ...KEPT, durable: true });
      writes.push(this.#written = written);
      // What could not be written is told below, and then the log before stays.
      if (before && before !== this.#log) written.then(() => this.#drop([before.name]), () => {});
    }
    if (begun.length > 0 || marks.length > 0) {
      writes.push(this.#written.then(() => {
        for (const turn of begun) this.#isKnown(turn);
        for (const [receipts, mark] of marks) receipts.stored(mark);
      }));
    }
    Promise.all(writes).catch((error) =>
      this.#observer.tell({ type: "fault", where: "draft", error })
    );
  }

  #isWornOut({ since, whole, more }: Log): boolean {
    if (this.#isSpoiled) return true;
    const used = this.#clock.now() - since;
    return used >= USED[1] || (used >= USED[0] && more >= whole);
  }

  #drop(names: readonly string[]): void {
    Promise.all(
      names.flatMap((name) => [this.#store.delete(MARK + name), this.#store.delete(LOG + name)]),
    )
      .catch((error) => this.#observer.tell({ type: "fault", where: "draft", error }));
  }
}
