/**
 * Messages that the gateway has not confirmed yet, stored in the browser so that they survive a
 * reload. Each has an idempotency key, so a message that is sent again is answered once.
 */
import type { LocalSettings } from "../local_settings.ts";

/** A message on its way to the gateway. */
export interface UnsentMessage {
  /** The idempotency key. */
  readonly key: string;
  /** Empty for the first message of a conversation. */
  readonly conversationId: string;
  readonly text: string;
  readonly images: readonly string[];
  /** A bot id or a pool. */
  readonly target?: string;
  readonly parentId?: string;
  readonly at: number;
}

/** The turn that was running last, for a gateway without history. */
export interface RunningTurn {
  readonly turnId: string;
  readonly text: string;
  readonly at: number;
}

/** After a day, sending a forgotten message would surprise rather than help. */
const UNSENT_TTL_MS = 24 * 3600 * 1000;

export class UnsentMessages {
  readonly #localSettings: LocalSettings;
  readonly #person: () => string | undefined;

  constructor(localSettings: LocalSettings, person: () => string | undefined) {
    this.#localSettings = localSettings;
    this.#person = person;
  }

  /** The messages of the last day, oldest first. Older ones are removed. */
  all(): UnsentMessage[] {
    const stored = this.#read();
    const fresh = stored.filter(({ at }) => Date.now() - at <= UNSENT_TTL_MS);
    if (fresh.length < stored.length) this.#write(fresh);
    return fresh;
  }

  add(message: UnsentMessage): void {
    const all = [...this.#read(), message];
    // Images may exceed the browser's quota; then the texts alone are stored.
    if (!this.#write(all)) this.#write(all.map((each) => ({ ...each, images: [] })));
  }

  remove(key: string): void {
    this.#write(this.#read().filter((each) => each.key !== key));
  }

  get running(): RunningTurn | undefined {
    return this.#localSettings.read<RunningTurn | undefined>(this.#name("running"), undefined);
  }

  set running(turn: RunningTurn | undefined) {
    if (turn) this.#localSettings.write(this.#name("running"), turn);
    else this.#localSettings.set(this.#name("running"), undefined);
  }

  #read(): UnsentMessage[] {
    return this.#localSettings.read<UnsentMessage[]>(this.#name("unsent"), []);
  }

  #write(all: readonly UnsentMessage[]): boolean {
    const text = all.length > 0 ? JSON.stringify(all) : undefined;
    return this.#localSettings.set(this.#name("unsent"), text);
  }

  #name(kind: "unsent" | "running"): string {
    return `${kind}.${this.#person()}`;
  }
}
