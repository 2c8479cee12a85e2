/** A WebSocket that a bot opened, before and after the bot is known. */
import type { GatewayFrame } from "../wire/frame.ts";

/** The part of a WebSocket that the server uses; Deno's, Node's and a test's have it. */
export interface WebSocketLike {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  onerror: ((event: Event) => void) | null;
}

/** `readyState` of a socket that can be written to. */
const OPEN = 1;

/** Bytes of a close reason; RFC 6455, 5.5.1. */
const MAX_REASON_BYTES = 123;

/** What one invalid frame costs of {@linkcode Connection.errors}; a good frame gives one back. */
const ERROR_COST = 2;

/** `Link`: what a registered bot becomes. */
export type ConnectionPhase<Link> =
  | { readonly name: "unregistered"; readonly stopTimer: () => void }
  | { readonly name: "registered"; readonly link: Link; readonly token: string }
  | { readonly name: "gone" };

export class Connection<Link> {
  phase: ConnectionPhase<Link>;
  /** Is called when the socket is closed. */
  onGone: (() => void) | undefined;
  #errors = 0;

  /**
   * @param address where it comes from, for bounds and the log
   * @param upgradeToken a token that was shown at the upgrade
   */
  constructor(
    readonly socket: WebSocketLike,
    readonly address: string,
    readonly upgradeToken: string | undefined,
    stopTimer: () => void,
  ) {
    this.phase = { name: "unregistered", stopTimer };
  }

  /** The bot that registered over it. */
  get link(): Link | undefined {
    return this.phase.name === "registered" ? this.phase.link : undefined;
  }

  get isOpen(): boolean {
    return this.socket.readyState === OPEN;
  }

  send(frame: GatewayFrame): void {
    if (this.isOpen) this.socket.send(JSON.stringify(frame));
  }

  close(code: number, reason: string): void {
    if (this.socket.readyState <= OPEN) this.socket.close(code, shortReason(reason));
  }

  onGoodFrame(): void {
    if (this.#errors > 0) this.#errors--;
  }

  /** Counts an invalid frame. Returns whether they are `max` by now. */
  onBadFrame(max: number): boolean {
    this.#errors += ERROR_COST;
    return this.#errors >= ERROR_COST * max;
  }
}

/** A longer reason would make the socket throw and stay open. */
function shortReason(reason: string): string {
  let short = reason.slice(0, MAX_REASON_BYTES);
  while (new TextEncoder().encode(short).length > MAX_REASON_BYTES) short = short.slice(0, -1);
  return short.toWellFormed();
}
