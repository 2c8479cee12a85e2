/**
 * The traces of conversations: who answered in them. They are stored with the conversation; those
 * of older conversations are read from their turns.
 */
import { addTrace, type Trace, UNKNOWN_TRACE } from "./key_scope.ts";

/** The part of a conversation that is used here. */
export interface Traced {
  readonly id: string;
  /** Absent: it is older than this field. */
  traces?: Trace[];
}

export interface TracesParts<C extends Traced> {
  /**
   * The one object that stands for this conversation in memory; if there was none, the given one.
   */
  readonly held: (conversation: C) => C;
  /** The traces of its turns, read from the store one by one. */
  readonly stored: (id: string) => AsyncIterable<Trace>;
  readonly save: (conversation: C) => void;
}

export class Traces<C extends Traced> {
  readonly #parts: TracesParts<C>;
  /**
   * Conversations whose traces are being read from their turns, with the traces noted meanwhile.
   */
  readonly #reading = new Map<string, { readonly done: Promise<void>; readonly noted: Trace[] }>();
  /** Traces of ended turns whose conversations are themselves being read. */
  readonly #arriving = new Map<string, readonly Trace[]>();

  constructor(parts: TracesParts<C>) {
    this.#parts = parts;
  }

  /**
   * The traces of a conversation's turns. If they are not stored with it, its turns are read once.
   */
  async of(conversation: C): Promise<readonly Trace[]> {
    // A store returns copies; traces are noted in the object that all callers share.
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
    // Another object stands for it by now and has the notes: this one is read again the next time.
    if (this.#parts.held(conversation) !== conversation) return;
    for (const trace of noted) addTrace(traces, trace);
    conversation.traces = traces;
    this.#parts.save(conversation);
  }

  /**
   * Notes a trace. Returns whether it was new. For an older conversation, traces are noted only
   * while its turns are read.
   */
  note({ id, traces }: C, trace: Trace): boolean {
    if (traces) return addTrace(traces, trace);
    this.#reading.get(id)?.noted.push(trace);
    return false;
  }

  /** A turn ended in a conversation that is being read: until then its trace counts, too. */
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
