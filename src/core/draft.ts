/**
 * Replies that are still growing, saved behind the bot's back: every {@linkcode LATE} ms what came since goes to the store, so
 * that the sudden end of the process costs an answer its last moments and not its beginning. A chunk never waits for this, and a
 * turn that is over sooner never gets here.
 */
import type { Clock } from "./clock.ts";
import type { Observer } from "./observer.ts";
import { type Chunk, joined } from "./reply.ts";
import type { Store } from "./store.ts";
import type { Turn } from "./turn.ts";

/**
 * Milliseconds between two looks at everything that runs: one timer, however many turns. With 200 ms a machine at five times its load was
 * seen to be 300 ms late.
 */
const LATE = 100;

/** A draft that nobody came back for is of no use after a month. */
const KEPT = { ttl: 30 * 86_400_000, weak: true } as const;

interface Draft {
  readonly turn: Turn;
  readonly first: () => Promise<unknown>[];
  /** The offset up to which it is saved. */
  saved: number;
  begun: boolean;
}

export class Drafts {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #running = new Map<string, Draft>();
  #stop: (() => void) | undefined;

  constructor(parts: { store: Store; clock: Clock; observer: Observer }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#observer = parts.observer;
  }

  /** From now on this turn is saved as it grows. `first` writes down that there is such a turn, if it still runs by then. */
  begin(turn: Turn, first: () => Promise<unknown>[]): void {
    // What dies with the process need not be saved for after its death.
    if (this.#store.volatile) return;
    this.#running.set(turn.id, { turn, first, saved: 0, begun: false });
    this.#stop ??= this.#clock.after(LATE, () => this.#look());
  }

  /** Whether a turn that runs has been written down. */
  isBegun(turnId: string): boolean {
    return this.#running.get(turnId)?.begun ?? false;
  }

  /** The turn is kept whole elsewhere: its draft goes. Returns whether it had been written down before. */
  end(turnId: string): boolean {
    const draft = this.#running.get(turnId);
    this.#running.delete(turnId);
    if (!draft?.begun) return false;
    this.#drop(turnId);
    return true;
  }

  /** The drafts that an earlier process left behind: turns that it did not see to the end. Call before any turn begins. */
  async left(): Promise<string[]> {
    return (await this.#store.list(MARK)).map(([key]) => key.slice(MARK.length));
  }

  /** What a turn had said when it was last saved. */
  async read(turnId: string): Promise<Chunk[]> {
    return joined(await this.#store.read(logOf(turnId)));
  }

  /** Forgets a draft that {@linkcode left} named. */
  forget(turnId: string): void {
    this.#drop(turnId);
  }

  close(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#running.clear();
  }

  #look(): void {
    this.#stop = undefined;
    const writes: Promise<unknown>[] = [];
    for (const [id, draft] of this.#running) {
      const { reply } = draft.turn;
      if (!draft.begun) {
        draft.begun = true;
        writes.push(...draft.first(), this.#store.set(MARK + id, 1, KEPT));
      }
      if (reply.length === draft.saved) continue;
      writes.push(this.#store.append(logOf(id), joined(reply.since(draft.saved)), { ...KEPT, sure: true }));
      draft.saved = reply.length;
    }
    Promise.all(writes).catch((error) => this.#observer.tell({ type: "fault", where: "draft", error }));
    if (this.#running.size > 0) this.#stop = this.#clock.after(LATE, () => this.#look());
  }

  #drop(turnId: string): void {
    Promise.all([this.#store.delete(MARK + turnId), this.#store.delete(logOf(turnId))])
      .catch((error) => this.#observer.tell({ type: "fault", where: "draft", error }));
  }
}

const MARK = "running:";

function logOf(turnId: string): string {
  return `draft:${turnId}`;
}
