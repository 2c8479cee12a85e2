/**
 * Who answered in a conversation, as far as it is written down: with the conversation itself, and
 * in its turns where it is older than that.
 */
import { addTrace, type Trace, UNKNOWN_TRACE } from "./key_scope.ts";

/** A conversation, as far as it matters here. */
export interface Traced {
  readonly id: string;
  /** Absent: it is older than traces are written down. */
  traces?: Trace[];
}

export interface TracesParts<C extends Traced> {
  /**
   * The one object that stands for this conversation in memory: the one given, where there was
   * none.
   */
  readonly held: (conversation: C) => C;
  /** The traces of its turns, read one by one. */
  readonly stored: (id: string) => AsyncIterable<Trace>;
  readonly save: (conversation: C) => void;
}

export class Traces<C extends Traced> {
  readonly #parts: TracesParts<C>;
  /**
   * Conversations whose traces are being read from their turns, with those that are noted
   * meanwhile.
   */
  readonly #reading = new Map<string, { readonly done: Promise<void>; readonly noted: Trace[] }>();
  /** Traces of turns that have ended in conversations which are being read themselves. */
  readonly #arriving = new Map<string, readonly Trace[]>();

  constructor(parts: TracesParts<C>) {
    this.#parts = parts;
  }

  /**
   * The traces of a conversation's turns. Of one that is older than they are written down, its
   * turns are read, once.
   */
  async of(conversation: C): Promise<readonly Trace[]> {
    // A store gives out copies; traces are noted in the one that the others hold.
    const held = this.#parts.held(conversation), { id } = held;
    if (!held.traces) {
      let reading = this.#reading.get(id);
      if (!reading) {
        const noted: Trace[] = [];
        const done = this.#read(held, noted).finally(() => this.#reading.delete(id));
        this.#reading.set(id, reading = { done, noted });
      }
      await reading.done;
    }
    return [...held.traces ?? [UNKNOWN_TRACE], ...this.#arriving.get(id) ?? []];
  }

  async #read(conversation: C, noted: readonly Trace[]): Promise<void> {
    const traces: Trace[] = [];
    for await (const trace of this.#parts.stored(conversation.id)) addTrace(traces, trace);
    // Another object stands for it by now, and that one was noted in: it is unknown, and read again
    // the next time.
    if (this.#parts.held(conversation) !== conversation) return;
    for (const trace of noted) addTrace(traces, trace);
    conversation.traces = traces;
    this.#parts.save(conversation);
  }

  /**
   * Notes a trace. Returns whether it was new; of a conversation that is older, it is noted only
   * while it is read.
   */
  note({ id, traces }: C, trace: Trace): boolean {
    if (traces) return addTrace(traces, trace);
    this.#reading.get(id)?.noted.push(trace);
    return false;
  }

  /**
   * A turn ended in a conversation that is being read: until that is over its trace counts, too.
   */
  arrives(id: string, trace: Trace, read: Promise<unknown>): void {
    this.#arriving.set(id, [...this.#arriving.get(id) ?? [], trace]);
    const over = () => {
      const left = this.#arriving.get(id)!.filter((one) => one !== trace);
      if (left.length > 0) this.#arriving.set(id, left);
      else this.#arriving.delete(id);
    };
    read.then(over, over);
  }
}
