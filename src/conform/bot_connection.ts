/** A socket of the bot under test, at the gateway that the kit plays. */
import { MAX_REGISTER } from "../bots/wire/frame.ts";
import { expect, Failed } from "./case.ts";
import type { RawFrame } from "./raw.ts";
import { RecordedTurn } from "./recorded_turn.ts";
import { ConditionWaiter } from "./waiting.ts";

/** One socket of the bot. */
export class BotConnection {
  readonly frames: { readonly frame: RawFrame; readonly at: number; readonly size: number }[] = [];
  readonly turns = new Map<string, RecordedTurn>();
  closed: { readonly code: number; readonly at: number } | undefined;
  version: 1 | 2 = 1;
  registration: RawFrame;
  /** `none`: no receipts are given. */
  acks: "auto" | "none" = "auto";
  /** What could not be read. */
  readonly invalidFrames: string[] = [];
  readonly #waiting = new ConditionWaiter();
  readonly #patience: number;

  constructor(readonly socket: WebSocket, patience: number) {
    this.#patience = patience;
    socket.onmessage = ({ data }) => this.#hear(data);
    socket.onclose = ({ code }) => {
      this.closed ??= { code, at: performance.now() };
      this.#waiting.wake();
    };
    socket.onerror = () => {}; // a close event follows
    socket.onopen = () => this.#waiting.wake();
  }

  #hear(data: unknown): void {
    const at = performance.now();
    if (typeof data !== "string") {
      this.invalidFrames.push("a binary message");
      return this.#waiting.wake();
    }
    let frame: RawFrame;
    try {
      frame = JSON.parse(data);
    } catch {
      this.invalidFrames.push(`not JSON: ${data.slice(0, 40)}`);
      return this.#waiting.wake();
    }
    this.frames.push({ frame, at, size: data.length });
    const turn = this.turns.get(frame?.replyTo);
    if (turn && (frame.type === "reply" || frame.type === "fail")) {
      turn.add(frame, at);
      if (this.acks === "auto" && this.version === 2 && frame.type === "reply") this.ack(turn);
    }
    if (frame?.type === "cancelled") {
      const cancelled = this.turns.get(frame.id);
      if (cancelled) cancelled.ended ??= "cancelled";
    }
    this.#waiting.wake();
  }

  send(frame: RawFrame): void {
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
    }
  }

  ack(turn: RecordedTurn, seq = turn.last): void {
    this.send({ type: "ack", replyTo: turn.id, seq });
  }

  /** Asks; the turn collects what comes back. */
  ask(content: string, more: Record<string, unknown> = {}): RecordedTurn {
    const turn = new RecordedTurn(crypto.randomUUID(), this.version);
    this.turns.set(turn.id, turn);
    this.send({
      ...{ type: "chat", id: turn.id, content, from: "Conny Form", timestamp: Date.now() },
      ...(this.version === 2
        ? { conversationId: "c-conform", userId: "conform", senderName: "Conny Form" }
        : {}),
      ...(this.version === 2 ? { channel: "api", chatType: "direct" } : {}),
      ...more,
    });
    return turn;
  }

  /** Resolves when `look` finds something; fails when the socket closes before. */
  until<T>(look: () => T | undefined | false, what: string, ms = this.#patience): Promise<T> {
    return this.#waiting.until(
      () => {
        const found = look();
        if ((found === undefined || found === false) && this.closed) {
          throw new Failed(`the bot left (${this.closed.code}) before ${what} came`);
        }
        return found;
      },
      ms,
      what,
    );
  }

  /** The next frame of a type, from an index of `frames` on. */
  next(type: string, from = 0, ms?: number): Promise<RawFrame> {
    return this.until(
      () => this.frames.slice(from).find(({ frame }) => frame?.type === type)?.frame,
      `a ${type} frame`,
      ms,
    );
  }

  async end(turn: RecordedTurn, ms?: number): Promise<RecordedTurn> {
    await this.until(() => turn.ended, "the end of the answer", ms);
    return turn;
  }

  /**
   * Resolves once the bot has handled everything that was sent until now: a ping is answered in
   * order.
   */
  async roundTrip(): Promise<void> {
    const from = this.frames.length;
    this.send({ type: "ping" });
    await this.next("pong", from);
  }

  /** Whether the bot leaves within `ms`. */
  async closesWithin(ms: number): Promise<boolean> {
    try {
      await this.#waiting.until(() => this.closed, ms, "");
      return true;
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      return false;
    }
  }

  async drop(code = 4000): Promise<void> {
    // A socket that is closed while it opens stays half open.
    await this.#waiting.until(
      () => this.closed || this.socket.readyState !== WebSocket.CONNECTING,
      2000,
      "the socket",
    );
    if (!this.closed) this.socket.close(code);
    // A bot that is gone without a word cannot answer the close: then there is nothing to wait for.
    await this.closesWithin(2000);
  }
}

/** Checks that a value is the first frame that a bot should send. */
export function expectRegistration(connection: BotConnection): void {
  const first = connection.frames[0];
  expect(
    first?.frame?.type === "register",
    `the first frame was ${JSON.stringify(first?.frame?.type)}`,
  );
  expect(first.size <= MAX_REGISTER, `it had ${first.size} characters`);
}
