/**
 * Who is out is out at once, everywhere: whether an admin disabled or removed them, the command
 * line did, or they no longer stand in the configuration. Their answers stop, their sessions and
 * streams end, their keys are asked for again, their bots' sockets close. Of somebody who was
 * removed everything is forgotten, by the one function that does it.
 */
import type { AccountChange } from "./account_directory.ts";
import type { Clock } from "../clock.ts";
import { forgetPerson, type PersonalData } from "./forget_person.ts";
import type { Observer } from "../observer.ts";

export interface OffboardingParts extends PersonalData {
  readonly clock: Clock;
  readonly observer: Observer;
  /** Stops what runs for a person. Absent where nothing runs: on the command line. */
  readonly stop?: (personId: string) => void;
  /** Asks the open streams of a person whether they may still be read. */
  readonly recheckStreams?: (personId: string) => void;
  /** Asks all connected bots whether they may still be there. */
  readonly recheckBots?: () => void;
}

/**
 * Milliseconds after which somebody who was removed is forgotten once more: a request that had
 * begun before may have written something behind. Until then the tombstone says that it is not
 * done, so that a start after a crash does it.
 */
export const SECOND_PASS_DELAY_MS = 30_000;

export class Offboarding {
  readonly #parts: OffboardingParts;
  readonly #forgetting = new Map<string, Promise<void>>();
  readonly #timers = new Map<string, () => void>();
  #unwatch: (() => void) | undefined;

  constructor(parts: OffboardingParts) {
    this.#parts = parts;
  }

  /**
   * From now on whoever is out is out; what an earlier process left half forgotten is forgotten.
   */
  start(): void {
    const { accounts, sessions } = this.#parts;
    this.#unwatch = accounts.watch((change) => this.#heard(change));
    for (const id of accounts.tombstones.pending()) this.#behind("forgetting", this.#forget(id));
    // Taken out of the configuration while nothing ran: who is put back has to sign in again.
    for (const { id, source } of accounts.list()) {
      if (source === "former") this.#behind("sessions", sessions.endOf(id, {}));
    }
  }

  close(): void {
    this.#unwatch?.();
    for (const stop of this.#timers.values()) stop();
    this.#timers.clear();
  }

  /** Removes an account and everything that is theirs. Throws what `Accounts.remove` throws. */
  async remove(id: string): Promise<void> {
    await this.#parts.accounts.editor.remove(id);
    await this.#forget(id);
  }

  #heard({ type, id }: AccountChange): void {
    const { sessions, keys, stop, recheckStreams, recheckBots } = this.#parts;
    if (type === "removed") this.#behind("forgetting", this.#forget(id));
    if (type === "deactivated") {
      stop?.(id);
      keys.invalidate(id);
      recheckBots?.();
    }
    if (type === "deactivated" || type === "password") {
      this.#behind("sessions", sessions.endOf(id, {}).then(() => recheckStreams?.(id)));
    }
    // What they may use can have become less.
    if (type === "changed") recheckStreams?.(id);
  }

  /** One at a time for each id: who calls while it runs waits for it. */
  #forget(id: string): Promise<void> {
    const running = this.#forgetting.get(id);
    if (running) return running;
    const forgetting = forgetPerson(this.#parts, id).finally(() => this.#forgetting.delete(id));
    this.#forgetting.set(id, forgetting);
    if (this.#unwatch && !this.#timers.has(id)) this.#later(id);
    return forgetting;
  }

  #later(id: string): void {
    this.#timers.set(
      id,
      this.#parts.clock.after(
        SECOND_PASS_DELAY_MS,
        () => this.#behind("forgetting", this.#settle(id)),
      ),
    );
  }

  /** Forgets once more; where that fails, it is tried until it does not. */
  async #settle(id: string): Promise<void> {
    try {
      await this.#forget(id);
      await this.#parts.accounts.tombstones.settle(id);
      this.#timers.delete(id);
    } catch (error) {
      if (this.#timers.has(id)) this.#later(id);
      throw error;
    }
  }

  #behind(where: string, work: Promise<unknown>): void {
    work.catch((error) => this.#parts.observer.tell({ type: "fault", where, error }));
  }
}
