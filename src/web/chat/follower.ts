/**
 * Following a reply to its end. It is read from an offset; after a lost connection the stream is
 * opened again at the offset that was reached.
 */
import type { TurnEventJson } from "../../wire/chat.ts";
import { type GatewayClient, GatewayError } from "../gateway_client.ts";
import { retryDelay, type RetrySleeper } from "../retry_sleeper.ts";
import type { ConnectionMonitor } from "./connection_monitor.ts";
import type { PageTurn } from "./turn.ts";

/** The wait before the first resume: most lost connections are back at once. */
const FIRST_RETRY_MS = 150;

export interface FollowerParts {
  readonly gateway: GatewayClient;
  readonly retrySleeper: RetrySleeper;
  readonly monitor: ConnectionMonitor;
  readonly isSignedIn: () => boolean;
  readonly onEnd: (turn: PageTurn) => void;
}

export class TurnFollower {
  readonly #parts: FollowerParts;
  /** The turns whose streams this page reads now. */
  readonly #followed = new Set<PageTurn>();

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  isFollowing(turn: PageTurn): boolean {
    return this.#followed.has(turn);
  }

  /** Marks a turn as read by somebody else in this page: the sender reads its own. */
  claim(turn: PageTurn): void {
    this.#followed.add(turn);
  }

  release(turn: PageTurn): void {
    this.#followed.delete(turn);
  }

  reset(): void {
    this.#followed.clear();
  }

  /**
   * Reads a turn from its offset until it has ended. `interrupted`: a stream of this turn has
   * broken already.
   */
  async follow(turn: PageTurn, interrupted = false): Promise<void> {
    if (this.#followed.has(turn)) return;
    this.#followed.add(turn);
    const { isSignedIn, retrySleeper } = this.#parts;
    let wasInterrupted = interrupted;
    try {
      for (let tries = 0; !turn.ended && isSignedIn(); tries++) {
        if (wasInterrupted) turn.resuming.value = true;
        if (tries > 0 || interrupted) {
          await retrySleeper.sleep(tries === 0 ? FIRST_RETRY_MS : retryDelay(tries - 1));
        }
        const outcome = await this.#read(turn, wasInterrupted);
        if (outcome === "stop") return;
        if (outcome === "progress") tries = 0;
        wasInterrupted = true;
      }
    } finally {
      turn.resuming.value = false;
      this.#followed.delete(turn);
    }
  }

  /** One stream. `progress`: it broke after events had arrived. */
  async #read(turn: PageTurn, wasInterrupted: boolean): Promise<"stop" | "progress" | "nothing"> {
    const { gateway, monitor, onEnd } = this.#parts;
    const path = `/api/turns/${encodeURIComponent(turn.id.value)}/stream?after=${turn.offset}`;
    const opened = () => {
      turn.resuming.value = false;
      if (wasInterrupted) turn.resumed.value = true;
    };
    let outcome: "progress" | "nothing" = "nothing";
    try {
      for await (const event of gateway.stream(path, { signal: monitor.signal, opened })) {
        outcome = "progress";
        monitor.touch();
        if (turn.apply(JSON.parse(event.data) as TurnEventJson, event.id)) {
          onEnd(turn);
          return "stop";
        }
      }
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      if (error.status === 401) return "stop";
      if (error.status === 404) {
        turn.end(turn.text ? "incomplete" : "failed", "lost");
        return "stop";
      }
    }
    return outcome;
  }
}
