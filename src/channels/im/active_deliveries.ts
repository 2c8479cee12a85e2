/**
 * The answers of an app that are in progress. The person who asked may stop one, and admins may.
 */
import type { Turn } from "../../core/turn.ts";
import type { Incoming } from "./platform.ts";
import type { StopOutcome } from "./words.ts";

interface ActiveDelivery {
  readonly incoming: Incoming;
  /** Absent until the bot is asked, for example while an image is fetched. */
  turn?: Turn;
}

export class ActiveDeliveries {
  /** By the id of the message. */
  readonly #active = new Map<string, ActiveDelivery>();
  /** Messages that were stopped or recalled before their turn began. */
  readonly #stopped = new Set<string>();

  constructor(
    private readonly parts: {
      readonly cancel: (turn: Turn) => void;
      /** Whether this sender's account is an admin's. */
      readonly isAdmin: (sender: string) => Promise<boolean>;
    },
  ) {}

  begin(id: string, incoming: Incoming): void {
    this.#active.set(id, { incoming });
  }

  /** Registers the turn. It ends at once where its message was stopped before. */
  asked(id: string, turn: Turn): void {
    const active = this.#active.get(id);
    if (active) active.turn = turn;
    if (this.#stopped.delete(id)) this.parts.cancel(turn);
  }

  turn(id: string): Turn | undefined {
    return this.#active.get(id)?.turn;
  }

  end(id: string): void {
    this.#active.delete(id);
    this.#stopped.delete(id);
  }

  /** Whether it was stopped before its turn began. */
  isStopped(id: string): boolean {
    return this.#stopped.has(id);
  }

  /** Handles the stop button of an answer. @param sender the id of the person who pressed it */
  async stop(id: string, sender: string | undefined): Promise<StopOutcome> {
    const active = this.#active.get(id);
    if (!active || active.turn?.ending) return "nothing";
    const isAsker = sender !== undefined && sender === active.incoming.sender.id;
    if (!isAsker && !(sender !== undefined && await this.parts.isAdmin(sender))) return "not_yours";
    return this.#stop(id, active);
  }

  /**
   * Handles `/stop`: ends all answers to its sender in its chat; for an admin, to anybody there.
   */
  async stopFrom({ id: own, chat, sender: { id: sender } }: Incoming): Promise<StopOutcome> {
    const here = [...this.#active].filter(([id, { incoming, turn }]) =>
      id !== own && incoming.chat.id === chat.id && !turn?.ending
    );
    const isAdmin = here.some(([, { incoming }]) => incoming.sender.id !== sender) &&
      await this.parts.isAdmin(sender);
    const stoppable = isAdmin
      ? here
      : here.filter(([, { incoming }]) => incoming.sender.id === sender);
    let stopped = false;
    for (const [id, active] of stoppable) if (this.#stop(id, active) === "stopped") stopped = true;
    return stopped ? "stopped" : here.length > stoppable.length ? "not_yours" : "nothing";
  }

  /** Stops the answer to a message that was recalled. */
  recall(id: string): void {
    const active = this.#active.get(id);
    if (active) this.#stop(id, active);
    else this.#stopped.add(id);
  }

  #stop(id: string, { turn }: ActiveDelivery): StopOutcome {
    if (turn?.ending) return "nothing";
    if (turn) this.parts.cancel(turn);
    else this.#stopped.add(id);
    return "stopped";
  }
}
