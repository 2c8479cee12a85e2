/**
 * The notice to people after their pairing code was approved. The owner approves it in another
 * process, which has no connection to the gateway (and in OpenClaw 2026.9 cannot even find this
 * channel). So the process with the connection checks for approvals and sends the notice.
 */

/** What they are told. */
export const WELCOME = "You were let in: write again and the bot answers.";

export interface WelcomeParts {
  /** Who has been let in by code, as ids. */
  paired(): Promise<readonly string[]>;
  tell(personId: string): Promise<unknown>;
  onProblem(text: string, cause?: unknown): void;
  /** Returns the way to stop it. */
  every(ms: number, run: () => void): () => void;
  now(): number;
}

/** Milliseconds between two looks; nobody looks while nobody waits. */
const LOOK = 3000;
/** Milliseconds for which OpenClaw's codes are valid. */
const VALID = 60 * 60_000;
/** People that are looked for. OpenClaw itself gives out few codes at a time. */
const MAX_WAITING = 100;

/**
 * The same for every way in which the same person may be told, so that the gateway drops a second
 * one.
 */
export function welcomeId(accountId: string, personId: string): string {
  return `welcome-${accountId}-${personId}`.slice(0, 200);
}

export class Welcome {
  readonly #parts: WelcomeParts;
  /** Until when each of them waits. */
  readonly #waiting = new Map<string, number>();
  #stop: (() => void) | undefined;
  #looking = false;

  constructor(parts: WelcomeParts) {
    this.#parts = parts;
  }

  /** A person was given a code. */
  wait(personId: string): void {
    this.#waiting.delete(personId);
    this.#waiting.set(personId, this.#parts.now() + VALID);
    if (this.#waiting.size > MAX_WAITING) this.#waiting.delete(this.#waiting.keys().next().value!);
    this.#stop ??= this.#parts.every(LOOK, () => void this.#look());
  }

  close(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#waiting.clear();
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const { paired, tell, now, onProblem } = this.#parts;
    try {
      const known = new Set(await paired());
      for (const [personId, until] of [...this.#waiting]) {
        if (!known.has(personId) && now() < until) continue;
        this.#waiting.delete(personId);
        if (known.has(personId)) await tell(personId);
      }
    } catch (cause) {
      onProblem("somebody who was let in could not be told", cause);
    } finally {
      this.#looking = false;
    }
    if (this.#waiting.size === 0) this.close();
  }
}
