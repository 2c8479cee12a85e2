/**
 * This is the bot's end of the wire: it dials a gateway, registers, hears questions, sends answers,
 * and after a drop goes on where it was. It needs nothing but a WebSocket, and runs on Deno and on
 * Node from version 22. The frames are in `frame.ts`, the rules in `docs/protocol.md`.
 *
 * ```ts
 * import { connect } from "./client.ts";
 *
 * connect({
 *   url: "ws://127.0.0.1:17392/bot-ws",
 *   botId: "parrot",
 *   token: "the bot token",
 *   async *answer(chat) {
 *     for (const word of chat.content.split(/(?= )/)) yield word;
 *   },
 * });
 * ```
 *
 * No word is sent twice and none is lost while the gateway speaks version 2 and the line is back
 * within its grace. With a version-1 gateway a drop loses the turn, which the answer function
 * learns from `reply.signal`.
 */
import { OutgoingReply, type Reply, type ReplyTransport, type TurnOver } from "./client/reply.ts";
import {
  type ChatFrame,
  CLOSE,
  comesBack,
  FIRST_FEATURES,
  type GatewayFrame,
  InvalidFrame,
  MAX_FRAME,
  MAX_REGISTER,
  type Progress,
  PROTOCOL,
  type PushedFrame,
  type PushFrame,
  readGatewayFrame,
  type RegisteredFrame,
  type RegisterFrame,
} from "./wire/frame.ts";

export { type Reply, TurnOver } from "./client/reply.ts";

/** A question, as it came. */
export type Chat = ChatFrame;

/**
 * What {@linkcode ConnectOptions.answer} may return: nothing (it wrote to the reply), the whole answer, or
 * its pieces.
 */
export type AnswerResult =
  | void
  | string
  | AsyncIterable<string>
  | Promise<void | string | AsyncIterable<string>>;

export interface ConnectOptions {
  /** `ws://`, `wss://`, `http://` or `https://`; without a path, `/bot-ws` is meant. */
  readonly url: string;
  readonly botId: string;
  /** Shown to people. Default: the id. */
  readonly botName?: string;
  readonly token?: string;
  /** Highest version to offer. Default 2; what is spoken is for the gateway to say. */
  readonly protocol?: 1 | 2;
  /** Bots of one pool are interchangeable. */
  readonly pool?: string;
  /** Share of the work among equals. Default 1. */
  readonly weight?: number;
  /** Turns at once. Default: no bound. */
  readonly maxConcurrent?: number;
  /**
   * `safe`: a reply that has begun may be started again on another bot of the pool. Default
   * `never`.
   */
  readonly restart?: "never" | "safe";
  readonly capabilities?: readonly string[];
  readonly description?: string;
  /**
   * Milliseconds before each of the first three new dials; doubles from there, and is jittered down
   * to half. Default 1,000.
   */
  readonly reconnectInterval?: number;
  /** Ceiling of the same, milliseconds. Default 30,000. */
  readonly maxReconnectInterval?: number;
  /**
   * Milliseconds within which this bot is back after its socket was closed, or never: its process
   * has ended. The gateway then tells people so, instead of waiting for the whole of its grace.
   * Default: it waits.
   */
  readonly redial?: number;
  /** Milliseconds in which a dial must have led to `registered`. Default 15,000. */
  readonly dialTimeout?: number;
  /**
   * Answers one question. Called again before the last answer is complete, unless `maxConcurrent`
   * says otherwise. When what it returns has settled the answer is `done`; when it throws the
   * answer failed, and the thrown text stays here (`onProblem`).
   */
  answer(chat: Chat, reply: Reply): AnswerResult;
  /** Is told each new state. Must not throw. */
  onState?(state: ConnectionState): void;
  /** Is told what went wrong and what was done about it; for a log. Default: `console.warn`. */
  onProblem?(text: string, cause?: unknown): void;
  /** Any sign of life from the gateway. */
  onActivity?(): void;
  /** Default: the global one. Node before 22 has none: pass that of npm `ws`. */
  readonly WebSocket?: ClientSocketConstructor;
  /** Default: the real one. */
  readonly clock?: ClientClock;
  /** 0 ≤ x < 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** Time, for tests that own it. */
export interface ClientClock {
  now(): number;
  /** Returns the way to stop it. */
  after(ms: number, run: () => void): () => void;
}

/** As much of a WebSocket as is used here. */
export interface ClientSocket {
  /** 1: open. */
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  // deno-lint-ignore no-explicit-any -- each library has event types of its own
  onopen: ((event: any) => void) | null;
  // deno-lint-ignore no-explicit-any
  onmessage: ((event: any) => void) | null;
  // deno-lint-ignore no-explicit-any
  onclose: ((event: any) => void) | null;
  // deno-lint-ignore no-explicit-any
  onerror: ((event: any) => void) | null;
}

export type ClientSocketConstructor = new (url: string) => ClientSocket;

/** What a gateway said of itself when it took the bot in. */
export interface GatewayInfo {
  readonly protocol: 1 | 2;
  readonly maxFrame: number;
  /** Milliseconds; unknown with version 1. */
  readonly pingInterval?: number;
  readonly botTimeout?: number;
  /** Milliseconds for which it keeps the turns of a bot that dropped; 0 with version 1. */
  readonly grace: number;
  readonly features: readonly string[];
}

/**
 * `connecting`: dialling or registering. `ready`: registered. `recovering`: dropped, dials again in
 * `retryIn` milliseconds. `blocked`: refused for good (bad token, bad id), nothing happens until
 * somebody changes something. `closed`: by `close()`.
 */
export type ConnectionState =
  | { readonly phase: "connecting"; readonly attempt: number }
  | { readonly phase: "ready"; readonly gateway: GatewayInfo }
  | {
    readonly phase: "recovering";
    readonly reason: string;
    readonly code?: number;
    readonly attempt: number;
    readonly retryIn: number;
  }
  | { readonly phase: "blocked"; readonly reason: string; readonly code?: number }
  | { readonly phase: "closed" };

export interface Push {
  /** `user:<userId>` or `conversation:<conversationId>`. */
  readonly to: string;
  readonly content?: string;
  readonly images?: readonly string[];
  /** A repeat with the same id within ten minutes is dropped. Default: a random one. */
  readonly id?: string;
}

export interface Bot {
  readonly state: ConnectionState;
  /** How many answers are being given. */
  readonly busy: number;
  /** Resolves once registered; rejects with a {@linkcode RegistrationRefused} when that will not be. */
  ready(): Promise<GatewayInfo>;
  /**
   * Speaks first. Resolves with the gateway's receipt (`success: false` where it has no such
   * person); rejects with an `Error` when no receipt came within 30 s, or on `close()`: with a
   * {@linkcode NotSent} where it surely was not sent. That is also so when the gateway speaks
   * version 1 only, or when 100 wait already.
   */
  push(push: Push): Promise<PushedFrame>;
  /**
   * Tells the load, or asks for nothing new. Said again after each reconnect. Left out towards a
   * version-1 gateway.
   */
  status(status: { readonly busy?: number; readonly draining?: boolean }): void;
  /**
   * Leaves for good. With `finish`, asks for nothing new and lets answers come to their end for so
   * many milliseconds; what is unfinished then is handed back to the gateway (`fail`, retryable).
   * Resolves when the socket is closed.
   */
  close(options?: { readonly finish?: number }): Promise<void>;
}

/** A push that was surely not sent: it may be tried again without being told twice. */
export class NotSent extends Error {
  override readonly name = "NotSent";
}

/** The gateway does not want this bot as it is. */
export class RegistrationRefused extends Error {
  override readonly name = "Refused";

  constructor(readonly reason: string, readonly code?: number) {
    super(code === undefined ? reason : `${reason} (close code ${code})`);
  }
}

/**
 * Dials, and keeps at it until `close()` or a refusal. Throws a `TypeError` for a URL or an id that
 * cannot be right.
 */
export function connect(options: ConnectOptions): Bot {
  return new Client(options);
}

/**
 * Looks whether a gateway answers there, without registering: a running bot with the same id is not
 * disturbed, and the token is not looked at. Resolves with the milliseconds that the dial took;
 * rejects with an `Error` that says what went wrong.
 */
export function probe(
  options: Pick<ConnectOptions, "url" | "WebSocket" | "clock"> & {
    readonly timeout?: number;
    readonly signal?: AbortSignal;
  },
): Promise<number> {
  const { url, clock = realClock, timeout = 5000, signal } = options;
  const began = clock.now();
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const socket = new (socketOf(options.WebSocket))(address(url));
    const settle = (act: () => void) => {
      stop();
      signal?.removeEventListener("abort", onAbort);
      act();
    };
    const onAbort = () => {
      settle(() => reject(signal!.reason));
      discard(socket);
    };
    const stop = clock.after(timeout, () => {
      settle(() => reject(new Error(`${url} did not answer within ${timeout} ms`)));
      discard(socket);
    });
    signal?.addEventListener("abort", onAbort);
    let opened = false;
    socket.onopen = () => {
      opened = true;
      socket.close(1000);
    };
    const end = () =>
      settle(() =>
        opened
          ? resolve(clock.now() - began)
          : reject(new Error(`${url} does not take WebSocket connections`))
      );
    socket.onclose = end;
    socket.onerror = end; // on Node before 24 no close event follows where a dial failed
  });
}

/*
 * ── the client
 * ──────────────────────────────────────────────────────────────────────────────────────────────────────
 */

/** `readyState` of a socket that can be written to. */
const OPEN = 1;
/**
 * Bytes that may wait in the socket before the rest is held back: what a gateway lets wait on its
 * side too.
 */
const SOCKET_ROOM = 1 << 20;
/**
 * A WebSocket does not tell when its buffer has emptied, so it is looked at again after so many
 * milliseconds.
 */
const LOOK_AGAIN = 10;
/** Dials at the base interval: a gateway that is started again is up within a few seconds. */
const QUICK_DIALS = 3;
/**
 * Pings a gateway may miss before its silence counts as a drop: two, and half an interval for a
 * slow line.
 */
const MISSED_PINGS = 2.5;
/**
 * A line that was replaced (4001) less than this after it registered was in a fight with a second
 * process of the same id.
 */
const FIGHT = 60_000;
const PUSH_TIMEOUT = 30_000;
const MAX_PUSHES = 100;
/**
 * Milliseconds within which gap errors for one `seq` are one: every frame behind a gap is answered
 * with one.
 */
const GAP_REST = 250;

interface WaitingPush {
  readonly frame: PushFrame;
  /** Over the present socket. */
  sent: boolean;
  /** Over any socket: it may have arrived. */
  tried: boolean;
  readonly stop: () => void;
  readonly resolve: (receipt: PushedFrame) => void;
  readonly reject: (error: Error) => void;
}

class Client implements Bot, ReplyTransport {
  readonly #options: ConnectOptions;
  readonly #url: string;
  readonly #Socket: ClientSocketConstructor;
  readonly #clock: ClientClock;
  readonly #random: () => number;
  #state: ConnectionState = { phase: "connecting", attempt: 1 };
  #gateway: GatewayInfo | undefined;
  #socket: ClientSocket | undefined;
  #registered = false;
  /** What `registered.success: false` said, until the close code tells whether it is for good. */
  #refusal: string | undefined;
  #attempt = 0;
  #readyAt = 0;
  #heardAt = 0;
  /**
   * Milliseconds of silence after which the gateway is taken for gone. A version-1 gateway is timed
   * by its own pings.
   */
  #patience = Infinity;
  #lastPing = 0;
  #stopTimer = () => {};
  #stopSilence = () => {};
  #stopGrace = () => {};
  #stopLook: (() => void) | undefined;
  #turns = new Map<string, OutgoingReply>();
  #awake: OutgoingReply[] = [];
  #flushing = false;
  #gaps = new Map<
    string,
    { readonly expected: number; again: boolean; readonly stop: () => void }
  >();
  #pushes = new Map<string, WaitingPush>();
  #status: { readonly busy?: number; readonly draining?: boolean } | undefined;
  #waitingReady: { resolve(gateway: GatewayInfo): void; reject(error: Error): void }[] = [];
  #onIdle: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ConnectOptions) {
    if (!options.botId) throw new TypeError("Cannot connect: botId must not be empty");
    this.#options = options;
    this.#url = address(options.url);
    this.#Socket = socketOf(options.WebSocket);
    this.#clock = options.clock ?? realClock;
    this.#random = options.random ?? Math.random;
    this.#dial();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get busy(): number {
    return this.#turns.size;
  }

  get maxFrame(): number {
    return this.#gateway?.maxFrame ?? MAX_FRAME;
  }

  ready(): Promise<GatewayInfo> {
    const state = this.#state;
    if (state.phase === "ready") return Promise.resolve(state.gateway);
    if (state.phase === "blocked") {
      return Promise.reject(new RegistrationRefused(state.reason, state.code));
    }
    if (state.phase === "closed") {
      return Promise.reject(new RegistrationRefused("the bot was closed"));
    }
    return new Promise((resolve, reject) => this.#waitingReady.push({ resolve, reject }));
  }

  push(push: Push): Promise<PushedFrame> {
    const { phase } = this.#state;
    if (phase === "closed" || phase === "blocked" || this.#closing) {
      return Promise.reject(new NotSent(`the bot is ${phase}`));
    }
    if (phase === "ready" && this.#gateway?.protocol === 1) {
      return Promise.reject(new NotSent(NO_PUSH));
    }
    if (this.#pushes.size >= MAX_PUSHES) {
      return Promise.reject(new NotSent(`${MAX_PUSHES} pushes wait for a receipt`));
    }
    const id = push.id ?? crypto.randomUUID();
    const { to, content = "", images } = push;
    const frame: PushFrame = { type: "push", to, content, images, id };
    if (JSON.stringify(frame).length > this.maxFrame) {
      return Promise.reject(
        new RangeError(`a push must fit into a frame of ${this.maxFrame} characters`),
      );
    }
    return new Promise((resolve, reject) => {
      const stop = this.#clock.after(
        PUSH_TIMEOUT,
        () => this.#settlePush(id, new Error("no receipt came within 30 s")),
      );
      this.#settlePush(id, new Error("pushed again with the same id"));
      this.#pushes.set(id, { frame, sent: false, tried: false, stop, resolve, reject });
      this.#sendPushes();
    });
  }

  status(status: { readonly busy?: number; readonly draining?: boolean }): void {
    this.#status = { ...this.#status, ...status };
    this.#sendStatus();
  }

  close({ finish = 0 }: { readonly finish?: number } = {}): Promise<void> {
    // Begun a moment later, so that whatever is heard meanwhile finds `#closing` set.
    return this.#closing ??= Promise.resolve().then(() => this.#leave(finish));
  }

  /* Wire: what replies ask for. */

  wake(reply: OutgoingReply): void {
    this.#awake.push(reply);
    if (this.#flushing) return;
    this.#flushing = true;
    soon(() => this.#flush());
  }

  send(text: string): boolean {
    const socket = this.#socket;
    if (!this.#registered || socket?.readyState !== OPEN) return false;
    if (socket.bufferedAmount > SOCKET_ROOM) {
      this.#stopLook ??= this.#clock.after(LOOK_AGAIN, () => {
        this.#stopLook = undefined;
        for (const reply of this.#turns.values()) reply.flush();
      });
      return false;
    }
    socket.send(text);
    return true;
  }

  finished(reply: OutgoingReply): void {
    if (this.#turns.get(reply.id) !== reply) return;
    this.#forget(reply.id);
  }

  /* Dialling. */

  #dial(): void {
    this.#attempt++;
    this.#refusal = undefined;
    this.#tell({ phase: "connecting", attempt: this.#attempt });
    let socket: ClientSocket;
    try {
      socket = new this.#Socket(this.#url);
    } catch (cause) {
      return this.#drop(`cannot dial: ${cause instanceof Error ? cause.message : cause}`);
    }
    this.#socket = socket;
    const timeout = this.#options.dialTimeout ?? 15_000;
    this.#stopTimer = this.#clock.after(
      timeout,
      () => this.#drop(`not registered within ${timeout} ms`),
    );
    socket.onopen = () => socket.send(this.#registration());
    socket.onmessage = (event) => this.#hear(event.data);
    socket.onerror = () => {
      // A close event follows and tells more, except for a dial that failed on Node before 24:
      // there this is all.
      if (this.#registered || this.#socket !== socket) return;
      this.#stopTimer();
      this.#stopTimer = this.#clock.after(0, () => this.#onClose(1006, ""));
    };
    socket.onclose = (event) => this.#onClose(event.code, event.reason);
  }

  #registration(): string {
    const { botId, botName, token, protocol = PROTOCOL, capabilities, description } = this.#options;
    const { maxConcurrent, weight, pool, restart, redial } = this.#options;
    const frame: RegisterFrame = protocol < 2
      ? { type: "register", botId, botName: botName ?? botId, token }
      : {
        ...{
          type: "register",
          botId,
          botName: botName ?? botId,
          token,
          protocol,
          capabilities,
          description,
        },
        ...{
          maxConcurrent: Number.isFinite(maxConcurrent) ? maxConcurrent : undefined,
          weight,
          pool,
          restart,
          redial,
        },
      };
    if (!this.#resumable()) return JSON.stringify(frame);
    const resume: Progress[] = [];
    let room = MAX_REGISTER - new TextEncoder().encode(JSON.stringify(frame)).length - 100;
    for (const [replyTo, reply] of this.#turns) {
      const progress = { replyTo, seq: reply.acked };
      room -= new TextEncoder().encode(JSON.stringify(progress)).length + 1;
      // Some 800 turns fit. Those beyond are given up: the gateway answers only for what was asked.
      if (room < 0 || resume.length === 1000) break;
      resume.push(progress);
    }
    return JSON.stringify({ ...frame, resume });
  }

  #resumable(): boolean {
    return this.#gateway?.protocol === 2 && this.#turns.size > 0;
  }

  #onClose(code: number, reason: string): void {
    const named = NAMED.get(code);
    const said = this.#refusal ?? (reason || named || "the line was cut");
    if (!comesBack(code) || (this.#refusal !== undefined && !(code >= 4000 && code <= 4099))) {
      return this.#block(said, code);
    }
    // Two processes with one id would throw each other out for ever at the base interval: then the
    // back-off keeps growing.
    const fight = code === CLOSE.replaced && this.#clock.now() - this.#readyAt < FIGHT;
    if (this.#registered && !fight) this.#attempt = 0;
    this.#drop(said, code);
  }

  /** The line is gone: keep what can be resumed, and dial again after a while. */
  #drop(reason: string, code?: number): void {
    const was = this.#gateway;
    const registered = this.#registered;
    this.#hangUp();
    if (this.#closing) return this.#endAll("closed");
    if (was?.protocol !== 2) {
      this.#endAll("lost");
    } else if (registered) {
      // The gateway may notice the drop as late as `botTimeout`, and only then does its grace
      // begin.
      this.#stopGrace();
      this.#stopGrace = this.#clock.after(
        was.grace + (was.botTimeout ?? 0),
        () => this.#endAll("lost"),
      );
    }
    const { reconnectInterval = 1000, maxReconnectInterval = 30_000 } = this.#options;
    const doublings = Math.min(Math.max(0, this.#attempt - QUICK_DIALS + 1), 20);
    const most = Math.min(maxReconnectInterval, reconnectInterval * 2 ** doublings);
    const retryIn = Math.round(most * (0.5 + this.#random() / 2));
    this.#tell({ phase: "recovering", reason, code, attempt: this.#attempt, retryIn });
    this.#stopTimer = this.#clock.after(retryIn, () => this.#dial());
  }

  #block(reason: string, code?: number): void {
    this.#hangUp();
    if (this.#closing) return this.#endAll("closed");
    this.#endAll("lost");
    this.#problem(`the gateway refused this bot: ${reason}; it will not dial again`);
    this.#settleAll(new RegistrationRefused(reason, code));
    this.#tell({ phase: "blocked", reason, code });
  }

  /** Lets go of the socket and of every timer that belongs to it. */
  #hangUp(): void {
    this.#stopTimer();
    this.#stopSilence();
    this.#stopLook?.();
    this.#stopLook = undefined;
    for (const gap of this.#gaps.values()) gap.stop();
    this.#gaps.clear();
    for (const push of this.#pushes.values()) push.sent = false;
    this.#registered = false;
    if (this.#socket) discard(this.#socket);
    this.#socket = undefined;
  }

  /* Hearing. */

  #hear(text: unknown): void {
    this.#heardAt = this.#clock.now();
    this.#options.onActivity?.();
    if (typeof text !== "string") {
      return this.#problem("the gateway sent a binary frame; it was dropped");
    }
    const frame = readGatewayFrame(text);
    if (frame instanceof InvalidFrame) {
      return this.#problem(`the gateway sent what cannot be read: ${frame.reason}; it was dropped`);
    }
    if (!this.#registered) return this.#hearFirst(frame);
    switch (frame.type) {
      case "ack":
        this.#turns.get(frame.replyTo)?.ack(frame.seq);
        return;
      case "chat":
        return this.#begin(frame);
      case "ping":
        this.#timePings();
        this.#say('{"type":"pong"}');
        return;
      case "cancel":
        this.#turns.get(frame.id)?.end("cancelled");
        this.#forget(frame.id);
        this.#say(JSON.stringify({ type: "cancelled", id: frame.id }));
        return;
      case "pushed":
        return this.#settlePush(frame.id, frame);
      case "error":
        return this.#hearError(frame);
      case "registered":
      case "pong":
        return;
    }
  }

  #hearFirst(frame: GatewayFrame): void {
    if (frame.type === "ping") return void this.#say('{"type":"pong"}');
    if (frame.type === "error") return this.#problem(`the gateway said: ${frame.message}`);
    if (frame.type !== "registered") {
      return this.#problem(`a ${frame.type} frame came before registered; it was dropped`);
    }
    if (!frame.success) {
      this.#refusal = frame.error || "the gateway gave no reason";
      this.#stopTimer();
      // Version 1 leaves the line open. The close code of version 2 tells whether it is for good,
      // so there is a second for it.
      this.#stopTimer = this.#clock.after(1000, () => this.#block(this.#refusal!));
      return;
    }
    this.#registered = true;
    this.#stopTimer();
    this.#stopGrace();
    this.#readyAt = this.#clock.now();
    const gateway = this.#gateway = gatewayOf(frame, this.#options.protocol ?? PROTOCOL);
    this.#goOn(gateway, frame.resume ?? []);
    this.#patience = gateway.pingInterval ? gateway.pingInterval * MISSED_PINGS : Infinity;
    this.#lastPing = 0;
    this.#watchSilence();
    this.#tell({ phase: "ready", gateway });
    for (const { resolve } of this.#waitingReady.splice(0)) resolve(gateway);
    this.#sendStatus();
    this.#sendPushes();
  }

  /**
   * After a drop: what the gateway still wants goes on from where it stands there, the rest is
   * over.
   */
  #goOn(gateway: GatewayInfo, progress: readonly Progress[]): void {
    const arrived = new Map(
      gateway.protocol === 2 ? progress.map(({ replyTo, seq }) => [replyTo, seq]) : [],
    );
    const keeps = gateway.features.includes("stored");
    for (const [id, reply] of [...this.#turns]) {
      const seq = arrived.get(id);
      if (seq !== undefined && reply.version === 2 && reply.resume(seq, keeps)) continue;
      if (seq !== undefined) this.#problem(`turn ${id} cannot go on from ${seq}; it was given up`);
      reply.end("moved");
      this.#forget(id);
    }
  }

  #hearError({ code, message, replyTo, expected }: GatewayFrame & { type: "error" }): void {
    const reply = replyTo === undefined ? undefined : this.#turns.get(replyTo);
    if (code === "unknown_turn") {
      reply?.end("moved");
      if (reply) this.#forget(reply.id);
    } else if (code === "gap" && reply && expected !== undefined) {
      this.#fillGap(reply, expected);
    } else {
      this.#problem(`the gateway said: ${code ? `${code}: ` : ""}${message}`);
    }
  }

  #fillGap(reply: OutgoingReply, expected: number): void {
    const gap = this.#gaps.get(reply.id);
    if (gap?.expected === expected) {
      gap.again = true;
      return;
    }
    gap?.stop();
    const stop = this.#clock.after(GAP_REST, () => {
      const { again } = this.#gaps.get(reply.id)!;
      this.#gaps.delete(reply.id);
      if (again && reply.acked < expected) this.#fillGap(reply, expected);
    });
    this.#gaps.set(reply.id, { expected, again: false, stop });
    if (reply.rewind(expected) || expected <= reply.acked) return;
    this.#problem(
      `the gateway expects ${expected} of turn ${reply.id}, which was never said; the turn was given up`,
    );
    reply.end("moved");
    this.#forget(reply.id);
  }

  #timePings(): void {
    if (this.#gateway?.pingInterval) return;
    const now = this.#clock.now();
    // The first two pings of a version-1 gateway tell its interval. Not below 5 s, lest a burst of
    // pings makes it hasty.
    if (this.#lastPing > 0) {
      this.#patience = Math.max(5000, (now - this.#lastPing) * MISSED_PINGS, this.#measured());
    }
    this.#lastPing = now;
    this.#watchSilence();
  }

  #measured(): number {
    return this.#patience === Infinity ? 0 : this.#patience;
  }

  #watchSilence(): void {
    this.#stopSilence();
    if (this.#patience === Infinity) return;
    const left = this.#heardAt + this.#patience - this.#clock.now();
    this.#stopSilence = this.#clock.after(Math.max(0, left), () => {
      if (this.#clock.now() - this.#heardAt < this.#patience) return this.#watchSilence();
      this.#attempt = 0;
      this.#drop(`nothing was heard from the gateway for ${Math.round(this.#patience)} ms`);
    });
  }

  /* Answering. */

  #begin(chat: ChatFrame): void {
    if (this.#turns.has(chat.id)) return;
    const reply = new OutgoingReply(chat, this.#gateway!.protocol, this, this.#clock.now);
    this.#turns.set(chat.id, reply);
    // It was on its way while this bot asked for nothing new.
    if (this.#closing) return reply.handBack();
    this.#answer(chat, reply).catch((cause) => {
      if (reply.over) return;
      this.#problem(`answering turn ${chat.id} failed`, cause);
      reply.fail("the bot ran into an error");
    });
  }

  async #answer(chat: ChatFrame, reply: OutgoingReply): Promise<void> {
    const answer = await this.#options.answer(chat, reply);
    if (typeof answer === "string") return reply.done(answer);
    if (answer) {
      for await (const text of answer) {
        if (reply.over) break;
        if (!reply.write(text)) await reply.drain();
      }
    }
    reply.done();
  }

  #flush(): void {
    this.#flushing = false;
    for (const reply of this.#awake.splice(0)) reply.flush();
  }

  #forget(id: string): void {
    this.#turns.delete(id);
    this.#gaps.get(id)?.stop();
    this.#gaps.delete(id);
    if (this.#turns.size === 0) this.#onIdle?.();
  }

  #endAll(why: TurnOver["why"]): void {
    this.#stopGrace();
    for (const [id, reply] of [...this.#turns]) {
      reply.end(why);
      this.#forget(id);
    }
  }

  /* Speaking first. */

  #sendPushes(): void {
    if (!this.#registered) return;
    for (const [id, push] of [...this.#pushes]) {
      if (this.#gateway!.protocol === 1) this.#settlePush(id, new Error(NO_PUSH));
      else if (!push.sent) {
        push.sent = this.#say(JSON.stringify(push.frame));
        push.tried ||= push.sent;
      }
    }
  }

  #settlePush(id: string, outcome: PushedFrame | Error): void {
    const push = this.#pushes.get(id);
    if (!push) return;
    this.#pushes.delete(id);
    push.stop();
    if (!(outcome instanceof Error)) push.resolve(outcome);
    else push.reject(push.tried ? outcome : new NotSent(outcome.message, { cause: outcome }));
  }

  #sendStatus(): void {
    if (!this.#registered || !this.#status || this.#gateway!.protocol === 1) return;
    this.#say(JSON.stringify({ type: "status", ...this.#status }));
  }

  /**
   * Sends what no reply waits for. A socket that is closing would drop it or throw, depending on
   * the library.
   */
  #say(text: string): boolean {
    if (this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(text);
    return true;
  }

  /* Leaving. */

  async #leave(finish: number): Promise<void> {
    if (finish > 0 && this.#turns.size > 0 && this.#registered) {
      this.status({ draining: true });
      await new Promise<void>((resolve) => {
        const stop = this.#clock.after(finish, resolve);
        this.#onIdle = () => (stop(), resolve());
      });
      this.#onIdle = undefined;
    }
    for (const reply of [...this.#turns.values()]) reply.handBack();
    this.#endAll("closed");
    this.#settleAll(new RegistrationRefused("the bot was closed"));
    const socket = this.#socket;
    this.#socket = undefined;
    this.#hangUp();
    if (socket) await closed(socket, this.#clock);
    this.#tell({ phase: "closed" });
  }

  #settleAll(error: Error): void {
    for (const id of [...this.#pushes.keys()]) this.#settlePush(id, error);
    for (const { reject } of this.#waitingReady.splice(0)) reject(error);
  }

  #tell(state: ConnectionState): void {
    this.#state = state;
    this.#options.onState?.(state);
  }

  #problem(text: string, cause?: unknown): void {
    const { onProblem } = this.#options;
    if (onProblem) onProblem(text, cause);
    else {console.warn(
        `bot ${this.#options.botId}: ${text}`,
        ...(cause === undefined ? [] : [cause]),
      );}
  }
}

const NO_PUSH = "the gateway speaks version 1 of the protocol, which has no push";

const NAMED: ReadonlyMap<number, string> = new Map([
  [CLOSE.restart, "the gateway restarts"],
  [CLOSE.replaced, "another process registered with this bot id"],
  [CLOSE.silent, "the gateway heard nothing from this bot"],
  [CLOSE.stuck, "this bot did not read what it was sent"],
  [CLOSE.unregistered, "the registration came too late"],
  [CLOSE.badToken, "the token is wrong"],
  [CLOSE.badFrame, "the gateway could not read this bot's frames"],
  [CLOSE.tooLarge, "a frame was too large"],
  [1006, "the line was cut, or there is no gateway"],
  [CLOSE.badId, "this bot id or pool may not be used with this token"],
]);

function gatewayOf(frame: RegisteredFrame, offered: number): GatewayInfo {
  if (offered < 2 || !(frame.protocol && frame.protocol >= 2)) {
    return { protocol: 1, maxFrame: MAX_FRAME, grace: 0, features: [] };
  }
  return {
    protocol: 2,
    maxFrame: frame.maxFrame ?? MAX_FRAME,
    pingInterval: frame.pingInterval,
    botTimeout: frame.botTimeout,
    grace: frame.grace ?? 0,
    features: frame.features ?? FIRST_FEATURES,
  };
}

function address(url: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new TypeError(`Cannot connect: url must be a ws:// or wss:// address, got "${url}"`);
  }
  parsed.protocol = parsed.protocol.replace(/^http/, "ws");
  if (parsed.protocol !== "ws:" && parsed.protocol !== "wss:") {
    throw new TypeError(`Cannot connect: url must be a ws:// or wss:// address, got "${url}"`);
  }
  if (parsed.pathname === "/") parsed.pathname = "/bot-ws";
  parsed.hash = "";
  return parsed.href;
}

function socketOf(given: ClientSocketConstructor | undefined): ClientSocketConstructor {
  const Socket = given ?? (globalThis as { WebSocket?: ClientSocketConstructor }).WebSocket;
  if (!Socket) {
    throw new TypeError(
      "Cannot connect: this runtime has no WebSocket; pass one as the option WebSocket",
    );
  }
  return Socket;
}

/** Lets a socket go without hearing of it again; one whose peer is dead would take minutes to close. */
function discard(socket: ClientSocket): void {
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.onerror = () => {}; // npm `ws` throws an error event that nobody listens to
  try {
    socket.close(1000);
  } catch (cause) {
    // npm `ws` may throw here while it still dials; the socket is of no use either way.
    if (!(cause instanceof Error)) throw cause;
  }
}

/** Closes a socket and waits for that, 2 s at most. */
function closed(socket: ClientSocket, clock: ClientClock): Promise<void> {
  return new Promise((resolve) => {
    const stop = clock.after(2000, resolve);
    const end = () => (stop(), resolve());
    socket.onopen = () => socket.close(1000);
    socket.onmessage = null;
    socket.onclose = end;
    socket.onerror = end;
    socket.close(1000);
  });
}

const realClock: ClientClock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * After the running macrotask, so that what an async generator yields without waiting travels in one frame: a microtask
 * would see its pieces one by one. `setTimeout` waits a whole millisecond, so it only stands in.
 */
const soon: (run: () => void) => void =
  (globalThis as { setImmediate?: (run: () => void) => void }).setImmediate ??
    ((run) => setTimeout(run, 0));
