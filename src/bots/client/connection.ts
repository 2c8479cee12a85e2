/**
 * The connection of a bot to its gateway. It opens a WebSocket, registers, answers pings, watches
 * for silence, and reconnects with back-off until it is closed or rejected for good. All other
 * frames go to its {@linkcode ConnectionEvents}.
 */
import {
  CLOSE,
  FIRST_FEATURES,
  type GatewayFrame,
  MAX_FRAME,
  type Progress,
  PROTOCOL,
  type RegisteredFrame,
  shouldReconnect,
} from "../wire/frame.ts";
import { InvalidFrame } from "../wire/fields.ts";
import { readGatewayFrame } from "../wire/read_gateway_frame.ts";
import { backoff } from "./backoff.ts";
import { SilenceWatch } from "./silence.ts";
import {
  closeSocket,
  discard,
  OPEN,
  realClock,
  socketAddress,
  socketConstructor,
} from "./socket.ts";
import type {
  ClientClock,
  ClientSocket,
  ClientSocketConstructor,
  ConnectionState,
  ConnectOptions,
  GatewayInfo,
} from "./types.ts";

/** Frames of a registered bot that the connection does not answer by itself. */
export type SessionFrame = Exclude<
  GatewayFrame,
  { readonly type: "registered" | "ping" | "pong" }
>;

/** How a connection ended. */
export interface Drop {
  /** The gateway that it was registered with, now or earlier. */
  readonly gateway: GatewayInfo | undefined;
  readonly wasRegistered: boolean;
}

export interface ConnectionEvents {
  /** The `register` frame for a new socket. `gateway`: the one that the bot was last at. */
  register(gateway: GatewayInfo | undefined): string;
  /** The gateway accepted the bot. The state is still `connecting`. */
  onRegistered(gateway: GatewayInfo, resume: readonly Progress[]): void;
  /** The state is `ready`. */
  onReady(gateway: GatewayInfo): void;
  onFrame(frame: SessionFrame): void;
  /** The socket is gone, and so is what it had to send. */
  onSocketGone(): void;
  /** The connection dropped. `false`: it is not to be opened again. */
  onDrop(drop: Drop): boolean;
  /** The gateway rejected the bot for good. `false`: nobody is interested any more. */
  onBlocked(reason: string, code: number | undefined): boolean;
  onProblem(text: string, cause?: unknown): void;
}

type Phase =
  | { readonly name: "offline" }
  | {
    readonly name: "registering";
    readonly socket: ClientSocket;
    /** The reason in `registered.success: false`; the close code tells whether it is for good. */
    refusal?: string;
  }
  | { readonly name: "registered"; readonly socket: ClientSocket; readonly at: number };

const OFFLINE: Phase = { name: "offline" };

const REGISTER_TIMEOUT_MS = 15_000;

/** How long the close frame after a refused registration may take. */
const REFUSAL_CLOSE_TIMEOUT_MS = 1000;

/**
 * A connection that was replaced (4001) sooner than this after it registered competes with a second
 * process of the same id.
 */
const RIVAL_MS = 60_000;

export class Connection {
  readonly #options: ConnectOptions;
  readonly #events: ConnectionEvents;
  readonly #url: string;
  readonly #WebSocket: ClientSocketConstructor;
  readonly #clock: ClientClock;
  readonly #random: () => number;
  readonly #silence: SilenceWatch;
  #phase: Phase = OFFLINE;
  #state: ConnectionState = { phase: "connecting", attempt: 1 };
  #gateway: GatewayInfo | undefined;
  #attempt = 0;
  #stopTimer = () => {};

  constructor(options: ConnectOptions, events: ConnectionEvents) {
    this.#options = options;
    this.#events = events;
    this.#url = socketAddress(options.url);
    this.#WebSocket = socketConstructor(options.WebSocket);
    this.#clock = options.clock ?? realClock;
    this.#random = options.random ?? Math.random;
    this.#silence = new SilenceWatch(this.#clock, (limit) => {
      this.#attempt = 0;
      this.#drop(`nothing was heard from the gateway for ${Math.round(limit)} ms`);
    });
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The gateway that the bot is registered with, or was last. */
  get gateway(): GatewayInfo | undefined {
    return this.#gateway;
  }

  get isRegistered(): boolean {
    return this.#phase.name === "registered";
  }

  /** Bytes that wait in the socket; `undefined` while nothing can be sent. */
  get bufferedAmount(): number | undefined {
    const phase = this.#phase;
    if (phase.name !== "registered" || phase.socket.readyState !== OPEN) return undefined;
    return phase.socket.bufferedAmount;
  }

  /**
   * Sends a frame at once. `false`: there is no open socket. A socket that is closing would drop
   * the frame or throw, depending on the library.
   */
  send(text: string): boolean {
    const phase = this.#phase;
    if (phase.name === "offline" || phase.socket.readyState !== OPEN) return false;
    phase.socket.send(text);
    return true;
  }

  open(): void {
    this.#attempt++;
    this.#setState({ phase: "connecting", attempt: this.#attempt });
    let socket: ClientSocket;
    try {
      socket = new this.#WebSocket(this.#url);
    } catch (cause) {
      return this.#drop(`cannot dial: ${cause instanceof Error ? cause.message : cause}`);
    }
    this.#phase = { name: "registering", socket };
    const timeout = this.#options.dialTimeout ?? REGISTER_TIMEOUT_MS;
    this.#stopTimer = this.#clock.after(
      timeout,
      () => this.#drop(`not registered within ${timeout} ms`),
    );
    socket.onopen = () => socket.send(this.#events.register(this.#gateway));
    socket.onmessage = (event) => this.#onMessage(event.data);
    socket.onerror = () => {
      // A close event follows and tells more, except after a failed connection on Node before 24:
      // there, this is all.
      const phase = this.#phase;
      if (phase.name !== "registering" || phase.socket !== socket) return;
      this.#stopTimer();
      this.#stopTimer = this.#clock.after(0, () => this.#onClose(1006, ""));
    };
    socket.onclose = (event) => this.#onClose(event.code, event.reason);
  }

  /** Closes the connection for good. Resolves when the socket is closed. */
  async close(): Promise<void> {
    const phase = this.#phase;
    this.#phase = OFFLINE;
    this.#letGo();
    if (phase.name !== "offline") await closeSocket(phase.socket, this.#clock);
    this.#setState({ phase: "closed" });
  }

  #onMessage(text: unknown): void {
    this.#silence.onFrame();
    this.#options.onActivity?.();
    if (typeof text !== "string") {
      return this.#events.onProblem("the gateway sent a binary frame; it was dropped");
    }
    const frame = readGatewayFrame(text);
    if (frame instanceof InvalidFrame) {
      return this.#events.onProblem(
        `the gateway sent an invalid frame: ${frame.reason}; it was dropped`,
      );
    }
    if (this.#phase.name !== "registered") return this.#onFirstFrame(frame);
    switch (frame.type) {
      case "ping":
        this.#silence.onPing();
        return void this.send('{"type":"pong"}');
      case "registered":
      case "pong":
        return;
      default:
        return this.#events.onFrame(frame);
    }
  }

  #onFirstFrame(frame: GatewayFrame): void {
    const phase = this.#phase;
    if (phase.name !== "registering") return;
    if (frame.type === "ping") return void this.send('{"type":"pong"}');
    if (frame.type === "error") {
      return this.#events.onProblem(`the gateway reported an error: ${frame.message}`);
    }
    if (frame.type !== "registered") {
      return this.#events.onProblem(
        `a ${frame.type} frame came before registered; it was dropped`,
      );
    }
    this.#stopTimer();
    if (!frame.success) {
      const refusal = phase.refusal = frame.error || "the gateway gave no reason";
      // A version-1 gateway leaves the connection open. The close code of version 2 tells whether
      // the refusal is for good, so it gets a second to arrive.
      this.#stopTimer = this.#clock.after(
        REFUSAL_CLOSE_TIMEOUT_MS,
        () => this.#block(refusal),
      );
      return;
    }
    this.#phase = { name: "registered", socket: phase.socket, at: this.#clock.now() };
    const gateway = this.#gateway = gatewayOf(frame, this.#options.protocol ?? PROTOCOL);
    this.#events.onRegistered(gateway, frame.resume ?? []);
    this.#silence.start(gateway.pingInterval);
    this.#setState({ phase: "ready", gateway });
    this.#events.onReady(gateway);
  }

  #onClose(code: number, reason: string): void {
    const phase = this.#phase;
    const refusal = phase.name === "registering" ? phase.refusal : undefined;
    const text = refusal ?? (reason || CLOSE_REASONS.get(code) || "the connection was lost");
    if (!shouldReconnect(code) || (refusal !== undefined && !(code >= 4000 && code <= 4099))) {
      return this.#block(text, code);
    }
    if (phase.name === "registered") {
      // Two processes with one id would replace each other for ever at the base interval, so for
      // them the back-off keeps growing.
      const isRival = code === CLOSE.replaced && this.#clock.now() - phase.at < RIVAL_MS;
      if (!isRival) this.#attempt = 0;
    }
    this.#drop(text, code);
  }

  /** Gives the socket up and opens another one after a while. */
  #drop(reason: string, code?: number): void {
    const drop = { gateway: this.#gateway, wasRegistered: this.#phase.name === "registered" };
    this.#letGo();
    if (!this.#events.onDrop(drop)) return;
    const { reconnectInterval = 1000, maxReconnectInterval = 30_000 } = this.#options;
    const attempt = this.#attempt;
    const retryIn = backoff(attempt, reconnectInterval, maxReconnectInterval, this.#random());
    this.#setState({ phase: "recovering", reason, code, attempt, retryIn });
    this.#stopTimer = this.#clock.after(retryIn, () => this.open());
  }

  #block(reason: string, code?: number): void {
    this.#letGo();
    if (!this.#events.onBlocked(reason, code)) return;
    this.#setState({ phase: "blocked", reason, code });
  }

  /** Drops the socket and every timer that belongs to it. */
  #letGo(): void {
    this.#stopTimer();
    this.#silence.stop();
    this.#events.onSocketGone();
    const phase = this.#phase;
    this.#phase = OFFLINE;
    if (phase.name !== "offline") discard(phase.socket);
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    this.#options.onState?.(state);
  }
}

const CLOSE_REASONS: ReadonlyMap<number, string> = new Map([
  [CLOSE.restart, "the gateway restarts"],
  [CLOSE.replaced, "another process registered with this bot id"],
  [CLOSE.silent, "the gateway heard nothing from this bot"],
  [CLOSE.stuck, "this bot did not read what it was sent"],
  [CLOSE.unregistered, "the registration came too late"],
  [CLOSE.badToken, "the token is wrong"],
  [CLOSE.badFrame, "the gateway could not read this bot's frames"],
  [CLOSE.tooLarge, "a frame was too large"],
  [1006, "the connection was lost, or there is no gateway"],
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
