/**
 * The turns that a bot is answering: one {@linkcode OutgoingReply} each, sent over the connection
 * as far as its socket keeps up, acknowledged, resumed after a lost connection, or given up.
 */
import { type ChatFrame, type ErrorFrame, MAX_FRAME, type Progress } from "../wire/frame.ts";
import type { Connection, Drop } from "./connection.ts";
import { OutgoingReply, type ReplyTransport, type TurnOver } from "./reply.ts";
import type { ClientClock, GatewayInfo } from "./types.ts";

/** Bytes that may wait in the socket before more is held back: the gateway's own bound. */
const MAX_BUFFERED = 1 << 20;

/** A WebSocket has no event for an empty buffer, so a full one is checked again after this time. */
const RECHECK_MS = 10;

/** Every frame after a gap is answered with a gap error; within this time they count as one. */
const GAP_MERGE_MS = 250;

/** Turns of one `resume`: what a gateway reads of it. */
const MAX_RESUMED = 1000;

interface Gap {
  readonly expected: number;
  wasRepeated: boolean;
  readonly stopTimer: () => void;
}

export class Turns implements ReplyTransport {
  readonly #connection: Connection;
  readonly #clock: ClientClock;
  readonly #onProblem: (text: string) => void;
  readonly #replies = new Map<string, OutgoingReply>();
  readonly #gaps = new Map<string, Gap>();
  #toFlush: OutgoingReply[] = [];
  #isFlushing = false;
  #stopRecheck: (() => void) | undefined;
  #stopGrace = () => {};
  /** Is called when the last turn is over. */
  onIdle: (() => void) | undefined;

  constructor(
    connection: Connection,
    clock: ClientClock,
    onProblem: (text: string) => void,
  ) {
    this.#connection = connection;
    this.#clock = clock;
    this.#onProblem = onProblem;
  }

  get size(): number {
    return this.#replies.size;
  }

  get maxFrame(): number {
    return this.#connection.gateway?.maxFrame ?? MAX_FRAME;
  }

  /** The reply for a new question; `undefined` where its turn is known already. */
  begin(chat: ChatFrame): OutgoingReply | undefined {
    if (this.#replies.has(chat.id)) return undefined;
    const { protocol } = this.#connection.gateway!;
    const reply = new OutgoingReply(chat, protocol, this, this.#clock.now);
    this.#replies.set(chat.id, reply);
    return reply;
  }

  /* What replies need of a connection. */

  wake(reply: OutgoingReply): void {
    this.#toFlush.push(reply);
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    afterTask(() => this.#flush());
  }

  send(text: string): boolean {
    const buffered = this.#connection.bufferedAmount;
    if (buffered === undefined) return false;
    if (buffered > MAX_BUFFERED) {
      this.#stopRecheck ??= this.#clock.after(RECHECK_MS, () => {
        this.#stopRecheck = undefined;
        for (const reply of this.#replies.values()) reply.flush();
      });
      return false;
    }
    return this.#connection.send(text);
  }

  finished(reply: OutgoingReply): void {
    if (this.#replies.get(reply.id) === reply) this.#forget(reply.id);
  }

  #flush(): void {
    this.#isFlushing = false;
    for (const reply of this.#toFlush.splice(0)) reply.flush();
  }

  /* What the gateway says of them. */

  onAck(id: string, seq: number): void {
    this.#replies.get(id)?.ack(seq);
  }

  cancel(id: string): void {
    this.#end(id, "cancelled");
  }

  /** Handles an error frame that is about a turn; `false`: it is about something else. */
  onError({ code, replyTo, expected }: ErrorFrame): boolean {
    const reply = replyTo === undefined ? undefined : this.#replies.get(replyTo);
    if (code === "unknown_turn") {
      if (reply) this.#end(reply.id, "moved");
      return true;
    }
    if (code !== "gap" || !reply || expected === undefined) return false;
    this.#fillGap(reply, expected);
    return true;
  }

  #fillGap(reply: OutgoingReply, expected: number): void {
    const gap = this.#gaps.get(reply.id);
    if (gap?.expected === expected) {
      gap.wasRepeated = true;
      return;
    }
    gap?.stopTimer();
    const stopTimer = this.#clock.after(GAP_MERGE_MS, () => {
      const { wasRepeated } = this.#gaps.get(reply.id)!;
      this.#gaps.delete(reply.id);
      if (wasRepeated && reply.acked < expected) this.#fillGap(reply, expected);
    });
    this.#gaps.set(reply.id, { expected, wasRepeated: false, stopTimer });
    if (reply.rewind(expected) || expected <= reply.acked) return;
    this.#onProblem(
      `the gateway expects ${expected} of turn ${reply.id}, which was never sent; the turn was given up`,
    );
    this.#end(reply.id, "moved");
  }

  /* Lost connections. */

  /** The `resume` list of a registration, with at most so many bytes. */
  progress(bytes: number): Progress[] {
    const list: Progress[] = [];
    let left = bytes;
    for (const [replyTo, reply] of this.#replies) {
      const progress = { replyTo, seq: reply.acked };
      left -= new TextEncoder().encode(JSON.stringify(progress)).length + 1;
      // Some 800 turns fit. The others are given up: the gateway keeps only what is listed.
      if (left < 0 || list.length === MAX_RESUMED) break;
      list.push(progress);
    }
    return list;
  }

  /** Continues what the gateway still expects, from where it stands there, and ends the rest. */
  resume(gateway: GatewayInfo, progress: readonly Progress[]): void {
    this.#stopGrace();
    const arrived = new Map(
      gateway.protocol === 2 ? progress.map(({ replyTo, seq }) => [replyTo, seq]) : [],
    );
    const isStored = gateway.features.includes("stored");
    for (const [id, reply] of [...this.#replies]) {
      const seq = arrived.get(id);
      if (seq !== undefined && reply.version === 2 && reply.resume(seq, isStored)) continue;
      if (seq !== undefined) {
        this.#onProblem(`turn ${id} cannot continue from ${seq}; it was given up`);
      }
      this.#end(id, "moved");
    }
  }

  onSocketGone(): void {
    this.#stopRecheck?.();
    this.#stopRecheck = undefined;
    for (const gap of this.#gaps.values()) gap.stopTimer();
    this.#gaps.clear();
  }

  /** The connection dropped: turns that can be resumed wait for the next one. */
  onDrop({ gateway, wasRegistered }: Drop): void {
    if (gateway?.protocol !== 2) this.endAll("lost");
    else if (wasRegistered) {
      // The gateway may notice the drop as late as `botTimeout`, and its grace begins only then.
      this.#stopGrace();
      this.#stopGrace = this.#clock.after(
        gateway.grace + (gateway.botTimeout ?? 0),
        () => this.endAll("lost"),
      );
    }
  }

  /** Gives every unfinished answer back to the gateway. */
  handBackAll(): void {
    for (const reply of [...this.#replies.values()]) reply.handBack();
    this.endAll("closed");
  }

  endAll(why: TurnOver["why"]): void {
    this.#stopGrace();
    for (const id of [...this.#replies.keys()]) this.#end(id, why);
  }

  #end(id: string, why: TurnOver["why"]): void {
    this.#replies.get(id)?.end(why);
    this.#forget(id);
  }

  #forget(id: string): void {
    this.#replies.delete(id);
    this.#gaps.get(id)?.stopTimer();
    this.#gaps.delete(id);
    if (this.#replies.size === 0) this.onIdle?.();
  }
}

/**
 * Runs after the current macrotask, so that everything an async generator yields without waiting
 * travels in one frame. A microtask would see its pieces one by one. `setTimeout` waits a whole
 * millisecond, so it is only the fallback.
 */
const afterTask: (run: () => void) => void =
  (globalThis as { setImmediate?: (run: () => void) => void }).setImmediate ??
    ((run) => setTimeout(run, 0));
