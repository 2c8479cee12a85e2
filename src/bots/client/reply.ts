/**
 * This is one reply on its way from a bot to a gateway: deltas are collected, numbered, kept until
 * the gateway has them, and sent again where it has not. It knows the frames but no socket;
 * `client.ts` gives it one whenever there is one.
 */
import type { BotFrame, ChatFrame } from "../wire/frame.ts";

/**
 * What an answer function writes to. Everything after the last word (`done`, `fail`, or `signal`
 * aborted) is dropped silently.
 */
export interface Reply {
  /** The turn's id. */
  readonly id: string;
  /**
   * Aborts when nobody wants the rest: `signal.reason` is a {@linkcode TurnOver} that tells why.
   */
  readonly signal: AbortSignal;
  /** Whether the last word was said, here or there. */
  readonly over: boolean;
  /** More than 1 MiB waits for the gateway: `await drain()` before writing on. */
  readonly full: boolean;
  /**
   * Adds to the answer. Returns `!full`: whether the gateway keeps up.
   *
   * Throws a `RangeError` for a piece that cannot fit into one frame, and once 64 MiB wait because
   * nobody awaited `drain()`.
   */
  write(text: string): boolean;
  /**
   * Adds to the thoughts that lead to the answer. A version-1 gateway has no word for them: they
   * are left out.
   */
  reasoning(text: string): boolean;
  /**
   * One step of a tool, as an object or as the JSON of one. Left out towards a version-1 gateway.
   */
  tool(step: Readonly<Record<string, unknown>> | string): boolean;
  /** Adds an image, a data URL or bare base64, with some text in front of it if need be. */
  image(image: string, text?: string): boolean;
  /** The answer is complete; `text` is its last piece. */
  done(text?: string): void;
  /**
   * The answer failed. `message` is shown to the person, so keep secrets out of it. `retryable`:
   * another bot may do better. A version-1 gateway has no word for failure: `message` then ends the
   * answer as a paragraph of its own.
   */
  fail(message: string, how?: { readonly code?: string; readonly retryable?: boolean }): void;
  /** Resolves when there is room again, or the turn is over. */
  drain(): Promise<void>;
}

/** Why a turn is over before the bot had its last word. */
export class TurnOver extends Error {
  override readonly name = "TurnOver";

  constructor(
    /**
     * `cancelled`: the gateway asked to stop. `moved`: the gateway has given it up or given it to
     * another bot. `lost`: the line dropped and cannot be resumed (version 1, or the grace has
     * passed). `closed`: this bot was closed.
     */
    readonly why: "cancelled" | "moved" | "lost" | "closed",
  ) {
    super(`the turn is over: ${why}`);
  }
}

/** What a reply needs of the connection around it. */
export interface ReplyTransport {
  /** Asks for a call of `flush` once the running task is through. */
  wake(reply: OutgoingReply): void;
  /** Sends a frame, or returns `false` when the socket is down or has enough to do. */
  send(text: string): boolean;
  /** The gateway has all of it, or nobody wants the rest. */
  finished(reply: OutgoingReply): void;
  /** The longest frame that the gateway takes, in UTF-16 units. */
  readonly maxFrame: number;
}

/** A kept frame. `seq` 0: not numbered (a `fail`). */
interface SentFrame {
  readonly seq: number;
  readonly text: string;
}

/**
 * UTF-16 units that may wait before a writer is asked to pause: one reply's cap at the gateway, so
 * rarely reached.
 */
const FULL = 1 << 20;
/**
 * UTF-16 units at which a writer that does not pause is stopped: three images of the largest size.
 */
const HARD = 64 << 20;
/**
 * UTF-16 units of one batch at the most, counted as if every one were escaped: far below what a
 * gateway refuses.
 */
const MAX_BATCH = 4 << 20;
/**
 * Room for everything of a frame but its content: the longest id is 200 units, six when escaped.
 */
const AROUND = 1500;

export class OutgoingReply implements Reply {
  readonly id: string;
  readonly version: 1 | 2;
  readonly #wire: ReplyTransport;
  readonly #now: () => number;
  /**
   * `{"type":"reply","replyTo":"…"`, made once per turn: building it for every chunk costs as much
   * as the chunk.
   */
  readonly #head: string;
  #abort: AbortController | undefined;
  #over: TurnOver | undefined;
  #last: "done" | "fail" | undefined;
  #lastSealed = false;
  #failure:
    | { readonly message: string; readonly code?: string; readonly retryable?: boolean }
    | undefined;
  #kind: "text" | "reasoning" | "tool" = "text";
  #pending: string[] = [];
  #pendingSize = 0;
  #seq = 0;
  #acked = 0;
  #kept: SentFrame[] = [];
  /** Index in `#kept` of the first frame that has not been sent over the present socket. */
  #next = 0;
  #held = 0;
  #awake = false;
  #waiting: (() => void)[] = [];

  constructor(chat: ChatFrame, version: 1 | 2, wire: ReplyTransport, now: () => number) {
    this.id = chat.id;
    this.version = version;
    this.#wire = wire;
    this.#now = now;
    this.#head = `{"type":"reply","replyTo":${JSON.stringify(chat.id)}`;
  }

  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController();
      if (this.#over) this.#abort.abort(this.#over);
    }
    return this.#abort.signal;
  }

  get over(): boolean {
    return this.#over !== undefined || this.#last !== undefined;
  }

  get full(): boolean {
    return this.#held > FULL;
  }

  /** Everything up to this `seq` is acknowledged. */
  get acked(): number {
    return this.#acked;
  }

  write(text: string): boolean {
    return this.#add("text", text);
  }

  reasoning(text: string): boolean {
    return this.version === 1 ? !this.full : this.#add("reasoning", text);
  }

  tool(step: Readonly<Record<string, unknown>> | string): boolean {
    if (this.version === 1) return !this.full;
    return this.#add("tool", typeof step === "string" ? step : JSON.stringify(step));
  }

  image(image: string, text = ""): boolean {
    if (this.over || image === "") return !this.full;
    this.#mustFit(image.length + text.length * 6, image);
    this.#seal(false);
    this.#kind = "text";
    if (text !== "") this.#pending.push(text);
    this.#seal(false, image);
    this.#wakeUp();
    return !this.full;
  }

  done(text?: string): void {
    if (this.over) return;
    if (text) this.#add("text", text);
    this.#last = "done";
    this.#wakeUp();
  }

  fail(message: string, how: { readonly code?: string; readonly retryable?: boolean } = {}): void {
    if (this.over) return;
    if (this.version === 1) {
      return this.done(this.#seq > 0 || this.#pending.length > 0 ? `\n\n${message}` : message);
    }
    this.#last = "fail";
    this.#failure = { message: message.slice(0, 2000), ...how };
    this.#wakeUp();
  }

  drain(): Promise<void> {
    if (!this.full || this.#over) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Sends what waits, as far as the wire takes it. */
  flush(): void {
    this.#awake = false;
    if (this.#over) return;
    if (this.#last && !this.#lastSealed) this.#sealLast();
    else if (this.#pending.length > 0) this.#seal(false);
    while (this.#next < this.#kept.length) {
      const frame = this.#kept[this.#next]!;
      if (!this.#wire.send(frame.text)) return;
      this.#next++;
    }
    // Version 1 has no receipt, and a `fail` has none either: sent is all that can be known of
    // them.
    if (this.version === 1) this.#drop(this.#next);
    if (this.#lastSealed && (this.version === 1 || this.#last === "fail")) this.#finish();
  }

  /** The gateway has everything up to `seq`. */
  ack(seq: number): void {
    if (this.#over || seq <= this.#acked || seq > this.#seq) return;
    this.#acked = seq;
    let count = 0;
    while (
      count < this.#kept.length && this.#kept[count]!.seq <= seq && this.#kept[count]!.seq > 0
    ) count++;
    this.#drop(count);
    if (this.#lastSealed && this.#kept.length === 0) this.#finish();
  }

  /**
   * The next flush sends again from `seq` on. `false`: that has been dropped already, so the
   * gateway asks for the impossible.
   */
  rewind(seq: number): boolean {
    if (seq <= this.#acked || seq > this.#seq + 1) return false;
    const index = this.#kept.findIndex((frame) => frame.seq >= seq || frame.seq === 0);
    this.#next = index < 0 ? this.#kept.length : index;
    this.#wakeUp();
    return true;
  }

  /**
   * A new socket: everything up to `seq` has arrived at the gateway.
   *
   * @param keeps the gateway acknowledges what is stored, so what has only arrived is kept until it
   *   does
   */
  resume(seq: number, keeps: boolean): boolean {
    if (seq < this.#acked || seq > this.#seq) return false;
    if (!keeps) this.ack(seq);
    const isTooLong = ({ seq: its, text }: SentFrame) =>
      (its > seq || its === 0) && text.length > this.#wire.maxFrame;
    if (this.#kept.some(isTooLong)) return false;
    return this.#over !== undefined || this.rewind(seq + 1);
  }

  /**
   * This bot leaves: the rest is the gateway's to give to another, and the answer function is told
   * to stop.
   */
  handBack(): void {
    const unfinished = !this.over;
    if (this.version === 2) this.fail("the bot is closing", { retryable: true });
    this.flush();
    this.end("closed");
    if (unfinished) this.#abort?.abort(this.#over);
  }

  /** Nobody wants the rest. */
  end(why: TurnOver["why"]): void {
    if (this.#over) return;
    // The bot's own last word may still have been on its way: then the answer function is not to be
    // told that it failed.
    this.#over = new TurnOver(why);
    if (this.#last === undefined) this.#abort?.abort(this.#over);
    this.#clear();
  }

  #finish(): void {
    this.#over ??= new TurnOver("closed");
    this.#clear();
    this.#wire.finished(this);
  }

  #clear(): void {
    this.#pending = [];
    this.#kept = [];
    this.#next = this.#pendingSize = this.#held = 0;
    this.#room();
  }

  #add(kind: "text" | "reasoning" | "tool", text: string): boolean {
    if (this.#over || this.#last || text === "") return !this.full;
    const size = text.length;
    // Escaping makes at most six units of one, so most pieces are known to fit without a look.
    if (size * 6 > this.#wire.maxFrame - AROUND) this.#mustFit(0, text);
    if (this.#held + size > HARD) {
      throw new RangeError(
        `${this.#held} characters wait for the gateway: await reply.drain() while reply.full`,
      );
    }
    if (this.#pending.length > 0 && (kind !== this.#kind || !this.#fitsBatch(size))) {
      this.#seal(false);
    }
    this.#kind = kind;
    this.#pending.push(text);
    this.#pendingSize += size;
    this.#held += size;
    this.#wakeUp();
    return this.#held <= FULL;
  }

  #fitsBatch(size: number): boolean {
    // Quotes and a comma around each piece, and six units for each that is escaped.
    const most = (this.#pendingSize + size) * 6 + this.#pending.length * 3;
    return most < MAX_BATCH && most < this.#wire.maxFrame - AROUND;
  }

  #mustFit(beside: number, content: string): void {
    const most = this.#wire.maxFrame - AROUND;
    if (
      beside > most || (content.length * 6 > most && JSON.stringify(content).length + beside > most)
    ) {
      throw new RangeError(
        `a piece of ${content.length} characters does not fit into a frame of at most ${this.#wire.maxFrame}`,
      );
    }
    if (this.#held + content.length > HARD) {
      throw new RangeError(
        `${this.#held} characters wait for the gateway: await reply.drain() while reply.full`,
      );
    }
  }

  #wakeUp(): void {
    if (this.#awake) return;
    this.#awake = true;
    this.#wire.wake(this);
  }

  #sealLast(): void {
    this.#lastSealed = true;
    if (this.#last === "done") return this.#seal(true);
    if (this.#pending.length > 0) this.#seal(false);
    const frame: BotFrame = { type: "fail", replyTo: this.id, ...this.#failure! };
    this.#keep(0, JSON.stringify(frame));
  }

  /** Makes one frame of what is pending. */
  #seal(done: boolean, image?: string): void {
    const pending = this.#pending;
    if (pending.length === 0 && !done && image === undefined) return;
    this.#held -= this.#pendingSize;
    this.#pendingSize = 0;
    this.#pending = [];
    let text = this.#head;
    if (this.version === 2) {
      text += `,"seq":${++this.#seq}`;
      if (this.#kind !== "text") text += `,"kind":"${this.#kind}"`;
      text += `,"content":${
        JSON.stringify(pending.length === 1 ? pending[0] : pending.length ? pending : "")
      }`;
    } else {
      text += `,"id":${JSON.stringify(`${this.id}-${++this.#seq}`)},"timestamp":${this.#now()}`;
      text += `,"content":${JSON.stringify(pending.length === 1 ? pending[0] : pending.join(""))}`;
    }
    if (image !== undefined) text += `,"image":${JSON.stringify(image)}`;
    this.#keep(this.#seq, text + (done ? ',"done":true}' : ',"done":false}'));
  }

  #keep(seq: number, text: string): void {
    this.#kept.push({ seq, text });
    this.#held += text.length;
  }

  #drop(count: number): void {
    if (count === 0) return;
    for (const frame of this.#kept.splice(0, count)) this.#held -= frame.text.length;
    this.#next = Math.max(0, this.#next - count);
    this.#room();
  }

  #room(): void {
    if (this.#waiting.length === 0 || this.full) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
