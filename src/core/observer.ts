/**
 * Events for observers: log, metrics, audit. Core names what happens; each observer decides what to
 * do with it.
 */
import type { ErrorCode } from "./error.ts";
import type { Ending } from "./reply.ts";

/** An event. Never holds a secret, a token, or the content of messages. */
export type GatewayEvent =
  | {
    readonly type: "turn_begun";
    readonly turn: string;
    readonly request?: string;
    readonly person: string;
    readonly channel: string;
  }
  | {
    readonly type: "turn_given";
    readonly turn: string;
    readonly request?: string;
    readonly bot: string;
    readonly attempt: number;
  }
  | {
    readonly type: "turn_queued";
    readonly turn: string;
    readonly person: string;
    readonly place: number;
  }
  | {
    readonly type: "turn_moved";
    readonly turn: string;
    readonly request?: string;
    readonly from: string;
    readonly why: string;
    /** How the previous bot failed. */
    readonly code: ErrorCode;
  }
  | {
    readonly type: "turn_ended";
    readonly turn: string;
    readonly request?: string;
    readonly conversation: string;
    readonly person: string;
    readonly channel: string;
    readonly bot?: string;
    readonly status: Ending["status"];
    readonly code?: ErrorCode;
    readonly detail?: string;
    /** Milliseconds from the question to the ending. */
    readonly took: number;
    /** Milliseconds from the question to the first chunk. */
    readonly first?: number;
    /** UTF-16 units of the reply. */
    readonly units: number;
    /** As the model API counted, if it did. */
    readonly inputTokens?: number;
    readonly outputTokens?: number;
  }
  | {
    readonly type: "bot_joined";
    readonly bot: string;
    readonly protocol: number;
    readonly address?: string;
  }
  | { readonly type: "bot_left"; readonly bot: string; readonly why: string }
  | { readonly type: "bot_resumed"; readonly bot: string; readonly turns: number }
  | { readonly type: "bot_rests"; readonly bot: string; readonly ms: number }
  | {
    readonly type: "bot_refused";
    readonly bot?: string;
    readonly address?: string;
    readonly why: string;
  }
  | {
    readonly type: "frame_refused";
    readonly bot?: string;
    readonly address?: string;
    readonly why: string;
  }
  | { readonly type: "pushed"; readonly bot: string; readonly person: string }
  | { readonly type: "signed_in"; readonly person: string; readonly address?: string }
  | { readonly type: "signed_out"; readonly person: string }
  | {
    readonly type: "sign_in_refused";
    readonly name: string;
    readonly address?: string;
    readonly why: string;
  }
  /** Somebody changed permissions, or tried to read what is not theirs. For the audit log. */
  | {
    readonly type: "acted";
    readonly act: {
      readonly who: string;
      readonly did: string;
      readonly whom?: string;
      readonly from?: string;
      readonly detail?: string;
    };
  }
  /** An answer was delivered to a chat platform, with its cost. */
  | {
    readonly type: "delivered";
    readonly channel: string;
    readonly app: string;
    readonly turn?: string;
    /** Calls to the platform. */
    readonly calls: number;
    /** Milliseconds from the receipt of the message to the delivery of the whole answer. */
    readonly took: number;
  }
  /** A platform limited our calls; nothing is sent in this scope for `ms` milliseconds. */
  | {
    readonly type: "throttled";
    readonly scope: string;
    readonly ms: number;
    readonly code: string;
  }
  /** A rejected callback: forged, replayed, or tampered with. */
  | {
    readonly type: "callback_refused";
    readonly channel: string;
    readonly app: string;
    readonly why: string;
    readonly address?: string;
  }
  | { readonly type: "started"; readonly address: string }
  | { readonly type: "draining"; readonly turns: number }
  | { readonly type: "stopped" }
  | { readonly type: "config_changed"; readonly what: readonly string[] }
  | { readonly type: "config_refused"; readonly why: readonly string[] }
  | { readonly type: "warning"; readonly what: string }
  /** A failure that no caller awaits. */
  | { readonly type: "fault"; readonly where: string; readonly error: unknown };

export interface Observer {
  tell(happening: GatewayEvent): void;
  /**
   * A chunk arrived, `gap` milliseconds after the previous one (-1 for the first). Called for every
   * chunk, so it must cost next to nothing.
   */
  chunk?(gap: number, units: number): void;
}

/** An observer that ignores everything. */
export const silentObserver: Observer = { tell() {} };

/** Passes every event on to several observers, in the order in which they were added. */
export class ObserverList implements Observer {
  #observers: readonly Observer[] = [];
  /** Those of them that look at chunks. */
  #counting: readonly Observer[] = [];

  constructor(...observers: readonly Observer[]) {
    for (const observer of observers) this.add(observer);
  }

  add(observer: Observer): void {
    this.#observers = [...this.#observers, observer];
    if (observer.chunk) this.#counting = [...this.#counting, observer];
  }

  tell(event: GatewayEvent): void {
    for (const observer of this.#observers) observer.tell(event);
  }

  chunk(gap: number, units: number): void {
    for (const observer of this.#counting) observer.chunk!(gap, units);
  }
}
