/**
 * A reply is an append-only log. One bot writes it; everyone else reads from an offset, at their
 * own pace.
 *
 * Offsets count UTF-16 units of content (an image or a `replace` counts 1), so they stay valid when
 * neighbouring chunks are later joined. Reading never copies earlier chunks; a slow reader costs an
 * index, not a queue.
 *
 * ```ts
 * const reply = new Reply();
 * const stop = reply.watch(() => console.log(reply.text));
 * reply.append("text", "Hello");
 * reply.end({ status: "done" });
 * stop();
 * ```
 */
import type { ErrorCode } from "./error.ts";

/**
 * `text` is the answer; `reasoning` and `tool` are what led to it (a tool chunk is one JSON
 * object); an `image` is a data URL; `replace` says that everything before it is void, because
 * another bot started over (its content is that bot's id).
 */
export type ChunkKind = "text" | "reasoning" | "tool" | "image" | "replace";

/** One piece of a reply, and the offset at which it begins. */
export interface Chunk {
  readonly at: number;
  readonly kind: ChunkKind;
  readonly content: string;
}

/** How a turn ended: exactly one per turn, and a cut stream is never `done`. */
export interface Ending {
  readonly status: "done" | "incomplete" | "failed" | "cancelled";
  /** Why, for `incomplete` and `failed`. */
  readonly code?: ErrorCode;
  /** What the bot or the gateway reported about it, safe to show. */
  readonly detail?: string;
  /** The part of `detail` that may be logged, if not all of it: bots quote people. */
  readonly logged?: string;
  /** Seconds, from the ending on, until a repeat makes sense. */
  readonly retryAfter?: number;
  /** The model API's own code, such as `context_length_exceeded`. Not stored with the turn. */
  readonly reason?: string;
}

/** How much one reply may hold. */
export interface ReplyCap {
  /** UTF-16 units of text, reasoning and tool steps together. */
  readonly text: number;
  /** UTF-16 units including images. */
  readonly total: number;
}

/** 1 MiB of text, 20 MiB with images (as base64, as they travel). */
export const DEFAULT_CAP: ReplyCap = { text: 1 << 20, total: 20 << 20 };

const NONE: readonly Chunk[] = [];

export class Reply {
  readonly #cap: ReplyCap;
  #chunks: Chunk[] = [];
  /** Once it has ended: the same with neighbours made into one. */
  #joined: Chunk[] | undefined;
  #length = 0;
  #textLength = 0;
  /** Units of the answer's text since the last `replace`. */
  #written = 0;
  #size = 0;
  #ending: Ending | undefined;
  #isSettled = false;
  #watchers: Set<() => void> | undefined;

  constructor(cap: ReplyCap = DEFAULT_CAP) {
    this.#cap = cap;
  }

  /** A reply that has ended, restored from the archive. */
  static restore(chunks: readonly Omit<Chunk, "at">[], ending: Ending): Reply {
    const reply = new Reply({ text: Infinity, total: Infinity });
    for (const chunk of chunks) reply.append(chunk.kind, chunk.content);
    reply.end(ending);
    return reply;
  }

  /** The offset after the last chunk, where the next one will begin. */
  get length(): number {
    return this.#length;
  }

  /** How many chunks there are; valid indexes for {@linkcode chunk} are below it. */
  get usageOf(): number {
    return this.#chunks.length;
  }

  /** How it ended. Nothing more is written; readers wait until it {@linkcode isSettled}. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** Whether it has ended and readers may be told so: the ending is stored where anything is. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** UTF-16 units held in memory. */
  get size(): number {
    return this.#size;
  }

  /**
   * The answer so far: the text chunks since the last `replace`. Takes time in its length; readers
   * that follow use {@linkcode written}.
   */
  get text(): string {
    let text = "";
    for (const chunk of this.#chunks) {
      if (chunk.kind === "text") text += chunk.content;
      else if (chunk.kind === "replace") text = "";
    }
    return text;
  }

  /** UTF-16 units of {@linkcode text}. */
  get written(): number {
    return this.#written;
  }

  /**
   * The end of {@linkcode text}: `units` of it or, to the beginning of a chunk, a few more. Costs
   * no more than that.
   */
  tail(units: number): string {
    let tail = "";
    for (let at = this.#chunks.length - 1; at >= 0 && tail.length < units; at--) {
      const { kind, content } = this.#chunks[at]!;
      if (kind === "replace") break;
      if (kind === "text") tail = content + tail;
    }
    return tail;
  }

  /** The images since the last `replace`, as data URLs. */
  get images(): string[] {
    let images: string[] = [];
    for (const chunk of this.#chunks) {
      if (chunk.kind === "image") images.push(chunk.content);
      else if (chunk.kind === "replace") images = [];
    }
    return images;
  }

  /**
   * Adds a chunk, or a list of chunks that readers see in one step. Empty content is ignored.
   *
   * Returns `ended` when the reply has ended (the chunk is ignored) and `full` when the chunk would
   * pass the cap: the caller then ends the turn.
   */
  append(kind: ChunkKind, content: string | readonly string[]): "ok" | "ended" | "full" {
    if (this.#ending) return "ended";
    const before = this.#length;
    let outcome: "ok" | "full" = "ok";
    if (typeof content === "string") outcome = this.#add(kind, content);
    else {
      for (let i = 0; i < content.length && outcome === "ok"; i++) {
        outcome = this.#add(kind, content[i]!);
      }
    }
    if (this.#length > before) this.wake();
    return outcome;
  }

  #add(kind: ChunkKind, content: string): "ok" | "full" {
    const weight = content.length;
    if (weight === 0) return "ok";
    const mark = kind === "image" || kind === "replace";
    const textLength = mark ? this.#textLength : this.#textLength + weight;
    if (textLength > this.#cap.text || this.#size + weight > this.#cap.total) return "full";
    this.#chunks.push({ at: this.#length, kind, content });
    this.#length += mark ? 1 : weight;
    this.#textLength = textLength;
    if (kind === "text") this.#written += weight;
    else if (kind === "replace") this.#written = 0;
    this.#size += weight;
    return "ok";
  }

  /**
   * Ends the reply. Only the first ending counts; returns whether this was it.
   *
   * @param isSettled whether readers may be told at once; else {@linkcode settle} follows
   */
  end(ending: Ending, isSettled = true): boolean {
    if (this.#ending) return false;
    this.#ending = ending;
    this.#isSettled = isSettled;
    this.wake();
    this.#compact();
    return true;
  }

  /** From now on readers may be told the ending. */
  settle(): void {
    this.#isSettled = true;
    this.wake();
  }

  /**
   * Calls `wake` whenever there is something new: a chunk, the ending, or a change of the turn
   * around it. The call comes from inside the writer, so it must be quick and must not throw.
   * Returns the way to stop.
   */
  watch(wake: () => void): () => void {
    (this.#watchers ??= new Set()).add(wake);
    return () => {
      this.#watchers?.delete(wake);
      this.#compact();
    };
  }

  /** Wakes every reader. */
  wake(): void {
    if (this.#watchers) { for (const wake of this.#watchers) wake(); }
  }

  /** How many are reading right now. */
  get readers(): number {
    return this.#watchers?.size ?? 0;
  }

  /** All of it, with neighbours of one kind made into one. */
  joined(): readonly Chunk[] {
    return this.#ending ? this.#whole() : joined(this.#chunks);
  }

  #whole(): Chunk[] {
    return this.#joined ??= joined(this.#chunks);
  }

  /** The chunk at an index (not an offset). */
  chunk(index: number): Chunk | undefined {
    return this.#chunks[index];
  }

  /**
   * The index of the first chunk that reaches past `offset`. Readers that follow read {@linkcode
   * chunk} from this index on; {@linkcode since} returns the rest of a first chunk that they have
   * read in part.
   */
  indexOf(offset: number): number {
    let low = 0, high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#endOf(middle) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Everything after `offset`; if the offset is inside a chunk, the rest of that chunk first. */
  since(offset: number): readonly Chunk[] {
    const index = this.indexOf(offset);
    if (index >= this.#chunks.length) return NONE;
    const rest = this.#chunks.slice(index);
    const first = rest[0]!;
    if (first.at < offset) {
      rest[0] = { at: offset, kind: first.kind, content: first.content.slice(offset - first.at) };
    }
    return rest;
  }

  /** Resolves when there is content after `offset`, or the reply has ended. */
  more(offset: number): Promise<void> {
    if (this.#ending || this.#length > offset) return Promise.resolve();
    return new Promise((resolve) => {
      const stop = this.watch(() => {
        if (!this.#ending && this.#length <= offset) return;
        stop();
        resolve();
      });
    });
  }

  /** Resolves with the ending when it is settled. */
  ended(): Promise<Ending> {
    if (this.#isSettled) return Promise.resolve(this.#ending!);
    return new Promise((resolve) => {
      const stop = this.watch(() => {
        if (!this.#isSettled) return;
        stop();
        resolve(this.#ending!);
      });
    });
  }

  /**
   * Joins neighbouring chunks of one kind, once the reply has ended and nobody reads: an answer of
   * a thousand deltas becomes one string. Offsets stay true; indexes do not.
   */
  #compact(): void {
    if (this.#ending && this.readers === 0 && this.#chunks.length > 1) this.#chunks = this.#whole();
  }

  #endOf(index: number): number {
    return this.#chunks[index + 1]?.at ?? this.#length;
  }
}

/**
 * The chunks with neighbours of one kind made into one. Tool steps stay apart: each is a JSON
 * object.
 */
export function joined(chunks: readonly Chunk[]): Chunk[] {
  const out: Chunk[] = [];
  let parts: string[] = [];
  const close = () => {
    if (parts.length < 2) return;
    const last = out[out.length - 1]!;
    out[out.length - 1] = { ...last, content: parts.join("") };
  };
  for (const chunk of chunks) {
    const last = out[out.length - 1];
    if (last?.kind === chunk.kind && (chunk.kind === "text" || chunk.kind === "reasoning")) {
      parts.push(chunk.content);
      continue;
    }
    close();
    out.push(chunk);
    parts = [chunk.content];
  }
  close();
  return out;
}
