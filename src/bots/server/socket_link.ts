/**
 * The {@linkcode Link} of one bot that connects to the gateway. A version-2 link outlives its
 * socket: after a drop, the turns that the bot had begun wait for a grace, and the bot resumes them
 * over its next socket.
 */
import type { Clock } from "../../core/clock.ts";
import type { Bot, Link, Sink, Task } from "../../core/link.ts";
import { dataUrl } from "../../core/message.ts";
import type { FailFrame, GatewayFrame, Progress, ReplyFrame } from "../wire/frame.ts";
import { Acks } from "./acks.ts";
import type { Connection } from "./connection.ts";
import { failureOf } from "./failure.ts";
import { chatOf, imagesOf } from "./frames.ts";
import { CANCEL_TIMEOUT_MS, MAX_BUFFERED_UNITS } from "./settings.ts";

/** A turn that a bot holds. */
class OpenTurn {
  /** The last `seq` that arrived. */
  seq = 0;
  /** The last `seq` that is stored. */
  stored = 0;
  /**
   * Whether stored replies outlive the process. Otherwise the acknowledgement can only say that a
   * frame has arrived.
   */
  isLasting = false;

  constructor(readonly sink: Sink) {}
}

/** The connection of a bot. */
export type BotConnection = Connection<SocketLink>;

type Presence =
  | { readonly name: "here"; readonly connection: BotConnection }
  /** Dropped; its turns wait for it. */
  | { readonly name: "away"; readonly stopGrace: () => void }
  | { readonly name: "gone" };

const GONE: Presence = { name: "gone" };

export class SocketLink implements Link {
  readonly wire = "socket";
  bot!: Bot;
  protocol = 1;
  /** When the last frame arrived, in milliseconds since the epoch. */
  heardAt = 0;
  /** Takes it off the roster. */
  leaveRoster: (() => void) | undefined;
  /** Milliseconds within which the bot is back after its socket was closed, as it announced. */
  redial: number | undefined;
  readonly #clock: Clock;
  readonly #acks: Acks;
  readonly #turns = new Map<string, OpenTurn>();
  readonly #cancels = new Map<string, (isConfirmed: boolean) => void>();
  #presence: Presence = GONE;
  #stuckSince: number | undefined;
  #busyElsewhere = 0;
  #wantsNothingNew = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#acks = new Acks(clock, (frame) => this.send(frame));
  }

  get connection(): BotConnection | undefined {
    return this.#presence.name === "here" ? this.#presence.connection : undefined;
  }

  get busy(): number {
    return this.#turns.size + this.#busyElsewhere;
  }

  /** Turns of this gateway that the bot holds. */
  get openTurns(): number {
    return this.#turns.size;
  }

  get isAway(): boolean {
    return this.#presence.name === "away";
  }

  get draining(): boolean {
    return this.#wantsNothingNew || !this.connection?.isOpen || this.isStuck;
  }

  /**
   * Whether more waits in the send buffer than a bot that reads would leave there. No event tells
   * it, so it is checked when it matters.
   */
  get isStuck(): boolean {
    const isStuck = (this.connection?.socket.bufferedAmount ?? 0) > MAX_BUFFERED_UNITS;
    this.#stuckSince = isStuck ? this.#stuckSince ?? this.#clock.now() : undefined;
    return isStuck;
  }

  /** Whether it has been stuck for longer than so many milliseconds. */
  isStuckFor(ms: number): boolean {
    return this.isStuck && this.#clock.now() - this.#stuckSince! > ms;
  }

  /** The turns that it holds, and how far each has come. */
  progress(): Progress[] {
    return [...this.#turns].map(([replyTo, { seq }]) => ({ replyTo, seq }));
  }

  /* Its socket. */

  /**
   * The bot registered over a connection. Returns the turns that continue, and the sinks of those
   * that the bot no longer lists in `resume`.
   */
  attach(
    connection: BotConnection,
    bot: Bot,
    protocol: number,
    resume: readonly Progress[],
  ): { resumed: Progress[]; lost: Sink[] } {
    this.#stopGrace();
    this.#presence = { name: "here", connection };
    this.bot = bot;
    this.protocol = protocol;
    this.heardAt = this.#clock.now();
    this.#wantsNothingNew = false;
    this.#busyElsewhere = 0;
    const listed = new Set(resume.map(({ replyTo }) => replyTo));
    const resumed: Progress[] = [], lost: Sink[] = [];
    for (const [id, turn] of this.#turns) {
      if (listed.has(id)) {
        turn.sink.alive();
        resumed.push({ replyTo: id, seq: turn.seq });
        this.#ackAgain(id, turn);
      } else {
        this.#turns.delete(id);
        lost.push(turn.sink);
      }
    }
    return { resumed, lost };
  }

  /** The socket is gone; its turns stay for now. */
  detach(): void {
    this.#stopGrace();
    this.#presence = GONE;
    this.#acks.clear();
    for (const confirm of this.#cancels.values()) confirm(false);
    this.#cancels.clear();
  }

  /**
   * The bot is away: turns that it had not begun may move to other bots. The others wait for so
   * many milliseconds, then `onOver` is called. `false`: no turn is left to wait for.
   */
  waitForReturn(ms: number, onOver: () => void): boolean {
    for (const [id, { sink }] of [...this.#turns]) if (sink.away()) this.#turns.delete(id);
    if (this.#turns.size === 0) return false;
    this.#presence = { name: "away", stopGrace: this.#clock.after(ms, onOver) };
    return true;
  }

  /** The bot will not come back: all its turns are lost. */
  end(why: string): void {
    this.detach();
    const turns = [...this.#turns.values()];
    this.#turns.clear();
    for (const { sink } of turns) sink.lost(why);
  }

  send(frame: GatewayFrame): void {
    this.connection?.send(frame);
  }

  #stopGrace(): void {
    if (this.#presence.name === "away") this.#presence.stopGrace();
  }

  /* What the gateway asks of it. */

  ask(task: Task, sink: Sink): void {
    if (!this.connection?.isOpen) return sink.lost("the bot's connection is closed");
    const turn = new OpenTurn(sink);
    this.#turns.set(task.id, turn);
    if (this.protocol >= 2) {
      const stored = (seq: number) => this.#onStored(task.id, turn, seq);
      turn.isLasting = sink.acknowledge?.({ mark: () => turn.seq, stored }) ?? false;
    }
    this.send(chatOf(task, this.protocol));
  }

  cancel(taskId: string): Promise<boolean> {
    this.#turns.delete(taskId);
    if (this.protocol < 2 || !this.connection) return Promise.resolve(false);
    this.send({ type: "cancel", id: taskId });
    return new Promise((resolve) => {
      const stopTimer = this.#clock.after(CANCEL_TIMEOUT_MS, () => settle(false));
      const settle = (isConfirmed: boolean) => {
        stopTimer();
        this.#cancels.delete(taskId);
        resolve(isConfirmed);
      };
      this.#cancels.set(taskId, settle);
    });
  }

  forget(taskId: string): void {
    this.#turns.delete(taskId);
  }

  /* What the bot sends. */

  onReply(frame: ReplyFrame): void {
    const { replyTo, seq } = frame;
    const turn = this.#turns.get(replyTo);
    if (!turn) return this.#onUnknownTurn(replyTo, seq);
    const isNumbered = seq !== undefined && this.protocol >= 2;
    if (isNumbered && !this.#isNext(replyTo, seq, turn)) return;
    let isWanted = turn.sink.write(frame.kind ?? "text", frame.content);
    if (frame.image !== undefined || frame.images !== undefined) {
      for (const image of imagesOf(frame)) isWanted &&= turn.sink.write("image", dataUrl(image));
    }
    if (!isWanted) return;
    if (!frame.done) {
      if (isNumbered && !turn.isLasting) this.#acks.soon(replyTo, seq);
      return;
    }
    this.#turns.delete(replyTo);
    const stored = turn.sink.done();
    if (!isNumbered) return;
    if (stored) void stored.then(() => this.#acks.now(replyTo, seq));
    else this.#acks.now(replyTo, seq);
  }

  /** Whether a numbered frame is the next one of its turn: no repeat, and without a gap. */
  #isNext(replyTo: string, seq: number, turn: OpenTurn): boolean {
    const expected = turn.seq + 1;
    if (seq === expected) {
      turn.seq = seq;
      return true;
    }
    turn.sink.alive();
    if (seq < expected) this.#ackAgain(replyTo, turn);
    else {
      const message = `expected seq ${expected}, got ${seq}`;
      this.send({ type: "error", code: "gap", message, replyTo, expected });
    }
    return false;
  }

  /** The reply is stored up to this `seq`, and the bot may forget it. */
  #onStored(replyTo: string, turn: OpenTurn, seq: number): void {
    if (seq <= turn.stored) return;
    turn.stored = seq;
    if (this.#turns.get(replyTo) === turn) this.#acks.now(replyTo, seq);
  }

  /** Repeats the acknowledgement: the first one may have been lost with a socket. */
  #ackAgain(replyTo: string, { isLasting, stored, seq }: OpenTurn): void {
    const last = isLasting ? stored : seq;
    if (last > 0) this.#acks.soon(replyTo, last);
  }

  /**
   * A frame was dropped because it is too large. A numbered reply leaves a gap that is filled
   * later. Nobody would see the gap of a reply without a number, so its turn ends here.
   */
  onOversizedFrame(text: string, why: string): void {
    // linear: both go on from one quote to the next only.
    const replyTo = /"replyTo"\s*:\s*"([^"\\]+)"/.exec(text)?.[1];
    const turn = replyTo === undefined ? undefined : this.#turns.get(replyTo);
    if (!turn) return;
    turn.sink.alive();
    // linear: a place that begins so is followed by spaces once.
    if (this.protocol >= 2 && /"seq"\s*:\s*\d/.test(text)) return;
    this.#turns.delete(replyTo!);
    turn.sink.fail("reply_too_large", why, false);
  }

  onFail(frame: FailFrame): void {
    const turn = this.#turns.get(frame.replyTo);
    if (!turn) return this.#onUnknownTurn(frame.replyTo, undefined);
    this.#turns.delete(frame.replyTo);
    const { code, detail, info } = failureOf(frame);
    turn.sink.fail(code, detail, frame.retryable === true, info);
  }

  onCancelled(id: string): void {
    this.#cancels.get(id)?.(true);
    // A bot may stop a turn by itself: it will send nothing more.
    const turn = this.#turns.get(id);
    if (!turn) return;
    this.#turns.delete(id);
    turn.sink.fail("bot_failed", "the bot stopped", false);
  }

  onStatus(busy: number | undefined, draining: boolean | undefined): void {
    if (busy !== undefined) this.#busyElsewhere = busy;
    if (draining !== undefined) this.#wantsNothingNew = draining;
  }

  /**
   * A reply to a turn that is over, or that never was this bot's. Version 1 has no error for it.
   */
  #onUnknownTurn(replyTo: string, seq: number | undefined): void {
    if (this.protocol < 2) return;
    // What a bot sent before the cancel reached it is no error.
    if (this.#cancels.has(replyTo)) return;
    if (seq !== undefined) this.#acks.soon(replyTo, seq);
    this.send({
      type: "error",
      code: "unknown_turn",
      message: "no such turn, or it is over",
      replyTo,
    });
  }
}
