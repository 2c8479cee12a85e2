/**
 * This is a gateway that the kit plays towards a bot under test: it listens, takes the bot in,
 * asks, and writes down everything that the bot does. It is steered by the cases and decides
 * nothing.
 */
import { MAX_REGISTER } from "../bots/wire/frame.ts";
import { expect, Failed, pause, Skipped, type Stage, Waiting } from "./case.ts";

// deno-lint-ignore no-explicit-any -- what a stranger sent: the cases judge its shape
export type Raw = any;

export interface BotTarget {
  /** Where to listen. Port 0: any that is free. */
  readonly hostname?: string;
  readonly port?: number;
  /** Milliseconds for an answer, and for a frame. Default 15,000: some bots think. */
  readonly patience?: number;
  /**
   * Milliseconds for a bot that was dropped to dial again. Default 60,000, and 10 minutes for the
   * first dial of one that is started by hand.
   */
  readonly redial?: number;
  /** Milliseconds in which a bot that was refused must not dial. Default 5,000. */
  readonly stayAway?: number;
  /**
   * Starts the bot towards an address, and returns the way to stop it. Absent: somebody else starts
   * it.
   */
  readonly start?: (url: string) => () => Promise<void>;
}

/** Milliseconds in which somebody may start the bot by hand. */
const FIRST_DIAL = 600_000;

const WELCOME = {
  type: "registered",
  success: true,
  protocol: 2,
  maxFrame: 32 << 20,
  pingInterval: 30_000,
  botTimeout: 60_000,
  grace: 15_000,
  features: ["ack", "resume", "cancel", "fail", "push", "status", "kinds", "batch", "images"],
};

/** One turn, as far as the bot has answered it, over all the sockets that it took. */
export class Turn {
  readonly replies: { readonly frame: Raw; readonly at: number }[] = [];
  /** Last `seq` that was taken. */
  last = 0;
  text = "";
  ended: "done" | "fail" | "cancelled" | undefined;
  /** What came that may not come. */
  readonly wrong: string[] = [];

  constructor(readonly id: string, readonly version: 1 | 2) {}

  /** Takes a frame in; returns whether it was new. */
  take(frame: Raw, at: number): boolean {
    this.replies.push({ frame, at });
    if (this.ended) {
      const repeat = frame.type === "reply" && this.version === 2 && frame.seq <= this.last;
      if (!repeat) this.wrong.push(`a ${frame.type} came after the turn had ended (${this.ended})`);
      return false;
    }
    if (frame.type === "fail") {
      this.ended = "fail";
      return true;
    }
    if (this.version === 2) {
      if (frame.seq !== this.last + 1) {
        if (!(frame.seq <= this.last)) this.wrong.push(`seq ${frame.seq} came after ${this.last}`);
        return false;
      }
      this.last = frame.seq;
    }
    if (frame.kind === undefined || frame.kind === "text") {
      this.text += [frame.content ?? ""].flat().join("");
    }
    if (frame.done === true) this.ended = "done";
    return true;
  }
}

/** One socket of the bot. */
export class Seat {
  readonly frames: { readonly frame: Raw; readonly at: number; readonly size: number }[] = [];
  readonly turns = new Map<string, Turn>();
  closed: { readonly code: number; readonly at: number } | undefined;
  version: 1 | 2 = 1;
  registration: Raw;
  /** `none`: no receipts are given. */
  acks: "auto" | "none" = "auto";
  /** What could not be read. */
  readonly unreadable: string[] = [];
  readonly #waiting = new Waiting();
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
      this.unreadable.push("a binary message");
      return this.#waiting.wake();
    }
    let frame: Raw;
    try {
      frame = JSON.parse(data);
    } catch {
      this.unreadable.push(`not JSON: ${data.slice(0, 40)}`);
      return this.#waiting.wake();
    }
    this.frames.push({ frame, at, size: data.length });
    const turn = this.turns.get(frame?.replyTo);
    if (turn && (frame.type === "reply" || frame.type === "fail")) {
      turn.take(frame, at);
      if (this.acks === "auto" && this.version === 2 && frame.type === "reply") this.ack(turn);
    }
    if (frame?.type === "cancelled") {
      const cancelled = this.turns.get(frame.id);
      if (cancelled) cancelled.ended ??= "cancelled";
    }
    this.#waiting.wake();
  }

  say(frame: Raw): void {
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
    }
  }

  ack(turn: Turn, seq = turn.last): void {
    this.say({ type: "ack", replyTo: turn.id, seq });
  }

  /** Asks; the turn collects what comes back. */
  ask(content: string, more: Record<string, unknown> = {}): Turn {
    const turn = new Turn(crypto.randomUUID(), this.version);
    this.turns.set(turn.id, turn);
    this.say({
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
  next(type: string, from = 0, ms?: number): Promise<Raw> {
    return this.until(
      () => this.frames.slice(from).find(({ frame }) => frame?.type === type)?.frame,
      `a ${type} frame`,
      ms,
    );
  }

  async end(turn: Turn, ms?: number): Promise<Turn> {
    await this.until(() => turn.ended, "the end of the answer", ms);
    return turn;
  }

  /**
   * Resolves once the bot has dealt with everything that was said until now: a ping is answered in
   * order.
   */
  async settle(): Promise<void> {
    const from = this.frames.length;
    this.say({ type: "ping" });
    await this.next("pong", from);
  }

  /** Whether the bot leaves within `ms`. */
  async left(ms: number): Promise<boolean> {
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
    await this.left(2000);
  }
}

export interface Welcome {
  readonly version?: 1 | 2;
  readonly fields?: Record<string, unknown>;
  /** What to answer to the bot's `resume`. */
  readonly resume?: (asked: readonly Raw[]) => readonly Raw[];
  /** Not the socket that is there, but the next one. */
  readonly fresh?: boolean;
}

export class GatewayStage implements Stage, AsyncDisposable {
  readonly url: string;
  /** Whether the bot understands directives; set by {@linkcode meet}. */
  directives = false;
  /** The version that it offered. */
  offered: 1 | 2 = 1;
  botId = "";
  readonly patience: number;
  readonly redial: number;
  readonly stayAway: number;
  /** How many dials are answered with HTTP 503. */
  turnAway = 0;
  /** When the bot dialled, each time. */
  readonly dials: number[] = [];
  readonly #target: BotTarget;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #arrived: Seat[] = [];
  readonly #waiting = new Waiting();
  #seat: Seat | undefined;
  #dirty = false;
  #stop: (() => Promise<void>) | undefined;
  #absent: string | undefined;

  constructor(target: BotTarget) {
    this.#target = target;
    this.patience = target.patience ?? 15_000;
    this.redial = target.redial ?? 60_000;
    this.stayAway = target.stayAway ?? 5000;
    const { hostname = "127.0.0.1", port = 0 } = target;
    this.#server = Deno.serve({ hostname, port, onListen() {} }, (request) => this.#serve(request));
    this.url = `ws://${
      hostname.includes(":") ? `[${hostname}]` : hostname
    }:${this.#server.addr.port}/bot-ws`;
  }

  #serve(request: Request): Response {
    this.dials.push(performance.now());
    if (this.turnAway > 0) {
      this.turnAway--;
      this.#waiting.wake();
      return new Response("come back later", { status: 503 });
    }
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return new Response("a WebSocket is expected here", { status: 426 });
    }
    const { socket, response } = Deno.upgradeWebSocket(request);
    this.#arrived.push(new Seat(socket, this.patience));
    this.#waiting.wake();
    return response;
  }

  /** Starts the bot if that is ours to do, waits for it, and learns what it can do. */
  async meet(): Promise<void> {
    this.#stop = this.#target.start?.(this.url);
    const seat = await this.seat();
    const turn = seat.ask("/conform echo parrot-7");
    try {
      await seat.end(turn);
    } catch (error) {
      // A bot that does not even answer has cases of its own to fail.
      if (!(error instanceof Failed)) throw error;
    }
    this.directives = turn.text === "parrot-7";
    turn.ended ??= "fail";
  }

  /** A registered socket: the one that is there, if it will do. */
  async seat(welcome: Welcome = {}): Promise<Seat> {
    const { version, fresh, fields, resume } = welcome;
    const seat = this.#seat;
    const wanted = version ?? (this.offered === 2 ? 2 : undefined) ?? seat?.version;
    if (
      seat && !seat.closed && !fresh && !fields && !resume && !this.#dirty &&
      wanted === seat.version
    ) return seat;
    await seat?.drop();
    const taken = await this.arrival();
    const registration = taken.registration = await taken.next("register", 0, 10_000);
    this.botId = String(registration.botId);
    this.offered = registration.protocol >= 2 ? 2 : 1;
    taken.version = Math.min(version ?? 2, this.offered) as 1 | 2;
    const asked = Array.isArray(registration.resume) ? registration.resume : [];
    taken.say(
      taken.version === 2
        ? { ...WELCOME, ...fields, resume: resume?.(asked) ?? [] }
        : { type: "registered", success: true, ...fields },
    );
    this.#seat = taken;
    // What a case set up by hand is not for the next one.
    this.#dirty = fields !== undefined || version !== undefined;
    return taken;
  }

  /** The next socket, before it has registered. */
  async arrival(): Promise<Seat> {
    if (this.#absent) throw new Skipped(this.#absent);
    // Somebody may start the bot by hand: the first dial has more time, unless the command says how
    // much.
    const wait = this.botId === "" && !this.#stop ? this.#target.redial ?? FIRST_DIAL : this.redial;
    try {
      return await this.#waiting.until(() => this.#takeArrived(), wait, "the bot's next dial");
    } catch (error) {
      if (error instanceof Failed) {
        this.#absent = "the bot did not dial again before; this case was not reached";
      }
      throw error;
    }
  }

  #takeArrived(): Seat | undefined {
    while (this.#arrived.length > 0) {
      const seat = this.#arrived.shift()!;
      if (!seat.closed) return seat;
    }
    return undefined;
  }

  /** Resolves with how many dials came while nobody was wanted. */
  async dialsWithin(ms: number): Promise<number> {
    const before = this.dials.length;
    await pause(ms);
    return this.dials.length - before;
  }

  async dialled(count: number): Promise<void> {
    await this.#waiting.until(
      () => this.dials.length >= count,
      this.redial,
      `dial number ${count}`,
    );
  }

  /** The next case gets a socket of its own. */
  spoil(): void {
    this.#dirty = true;
  }

  /** For cases after which the bot stays away. */
  async restart(): Promise<void> {
    const start = this.#target.start;
    if (!start) {
      throw new Skipped("the kit must start the bot itself for this (nexus conform -- command)");
    }
    await this.#stop?.();
    for (const seat of this.#arrived.splice(0)) await seat.drop();
    this.#seat = undefined;
    this.#absent = undefined;
    this.#stop = start(this.url);
  }

  /** The bot was told to stay away: nothing more can be tried unless the kit may start it again. */
  lost(): void {
    this.#seat = undefined;
    this.#absent =
      "the bot was refused in a case before, and the kit cannot start it again (nexus conform -- command)";
  }

  lacks(need: string): string | undefined {
    if (need === "directives" && !this.directives) {
      return "the bot does not understand the kit's directives";
    }
    if (need === "start" && !this.#target.start) {
      return "the kit must start the bot itself for this (nexus conform -- command)";
    }
    return undefined;
  }

  lacksVersion(version: 1 | 2 | "both"): string | undefined {
    return version === 2 && this.offered < 2 ? "the bot speaks version 1" : undefined;
  }

  tidy(): Promise<void> {
    this.turnAway = 0;
    const seat = this.#seat;
    if (seat) {
      seat.acks = "auto";
      // A turn that is still open would speak into the next case.
      if ([...seat.turns.values()].some((turn) => !turn.ended)) this.#dirty = true;
      seat.turns.clear();
    }
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop?.();
    for (const seat of [...this.#arrived, ...(this.#seat ? [this.#seat] : [])]) {
      await seat.drop(1001);
    }
    await this.#server.shutdown();
  }
}

/** Checks that a value is the first frame that a bot should send. */
export function expectRegistration(seat: Seat): void {
  const first = seat.frames[0];
  expect(
    first?.frame?.type === "register",
    `the first frame was ${JSON.stringify(first?.frame?.type)}`,
  );
  expect(first.size <= MAX_REGISTER, `it had ${first.size} characters`);
}
