/** What an app is answering right now, and who may stop it: whoever asked, and admins. */
import type { Turn } from "../../core/turn.ts";
import type { Incoming } from "./platform.ts";
import type { Stopped } from "./words.ts";

interface Work {
  readonly incoming: Incoming;
  /** Absent while it is not known yet what is asked: a picture is still fetched. */
  turn?: Turn;
}

export class ActiveDeliveries {
  /** By the id of the message. */
  readonly #works = new Map<string, Work>();
  /** Messages that were stopped or taken back before their turn began. */
  readonly #stopped = new Set<string>();

  constructor(
    private readonly parts: {
      readonly cancel: (turn: Turn) => void;
      /** Whether this sender's account is an admin's. */
      readonly isAdmin: (sender: string) => Promise<boolean>;
    },
  ) {}

  begin(id: string, incoming: Incoming): void {
    this.#works.set(id, { incoming });
  }

  /** The turn has begun. One that was stopped before it did ends at once. */
  asked(id: string, turn: Turn): void {
    const work = this.#works.get(id);
    if (work) work.turn = turn;
    if (this.#stopped.delete(id)) this.parts.cancel(turn);
  }

  turn(id: string): Turn | undefined {
    return this.#works.get(id)?.turn;
  }

  end(id: string): void {
    this.#works.delete(id);
    this.#stopped.delete(id);
  }

  /** Whether it was stopped before its turn began. */
  isStopped(id: string): boolean {
    return this.#stopped.has(id);
  }

  /** The button below an answer was pressed. `sender`: who pressed it, as the app knows people. */
  async stop(id: string, sender: string | undefined): Promise<Stopped> {
    const work = this.#works.get(id);
    if (!work || work.turn?.ending) return "nothing";
    const isAsker = sender !== undefined && sender === work.incoming.sender.id;
    if (!isAsker && !(sender !== undefined && await this.parts.isAdmin(sender))) return "not_yours";
    return this.#stop(id, work);
  }

  /**
   * `/stop` was said by this message: everything of its sender's in its chat ends, for an admin
   * everything.
   */
  async stopFrom({ id: own, chat, sender: { id: sender } }: Incoming): Promise<Stopped> {
    const here = [...this.#works].filter(([id, { incoming, turn }]) =>
      id !== own && incoming.chat.id === chat.id && !turn?.ending
    );
    const isAdmin = here.some(([, { incoming }]) => incoming.sender.id !== sender) &&
      await this.parts.isAdmin(sender);
    const theirs = isAdmin
      ? here
      : here.filter(([, { incoming }]) => incoming.sender.id === sender);
    let stopped = false;
    for (const [id, work] of theirs) if (this.#stop(id, work) === "stopped") stopped = true;
    return stopped ? "stopped" : here.length > theirs.length ? "not_yours" : "nothing";
  }

  /** A message was taken back. */
  recall(id: string): void {
    const work = this.#works.get(id);
    if (work) this.#stop(id, work);
    else this.#stopped.add(id);
  }

  #stop(id: string, { turn }: Work): Stopped {
    if (turn?.ending) return "nothing";
    if (turn) this.parts.cancel(turn);
    else this.#stopped.add(id);
    return "stopped";
  }
}
