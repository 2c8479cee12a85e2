/** Each person's default conversation with each bot, and the bot that answered them last. */
import { cache } from "./cache.ts";
import { defaultsKey } from "./keys.ts";
import type { Store } from "./store.ts";

export interface DefaultConversations {
  /** The bot that answered last. */
  last?: string;
  /** Ids of conversations by bot. */
  bots: Record<string, string>;
}

export interface DefaultConversationStoreParts {
  readonly store: Store;
  /** Begins a conversation with a bot; returns its id. */
  readonly create: (personId: string, botId: string) => string;
  /** Passes a failed write on to the observer. */
  readonly write: (written: Promise<void>) => Promise<void>;
}

export class DefaultConversationStore {
  readonly #parts: DefaultConversationStoreParts;
  readonly #cached = new Map<string, DefaultConversations>();

  constructor(parts: DefaultConversationStoreParts) {
    this.#parts = parts;
  }

  /** What is in memory. */
  cached(personId: string): DefaultConversations | undefined {
    return this.#cached.get(personId);
  }

  /** Reads a person's defaults; afterwards {@linkcode conversationWith} needs no wait. */
  async load(personId: string): Promise<DefaultConversations> {
    const cached = this.#cached.get(personId);
    if (cached) return cached;
    const stored: DefaultConversations | undefined = await this.#parts.store.get(
      defaultsKey(personId),
    );
    // Another caller may have read it meanwhile; there must be one object only.
    const meanwhile = this.#cached.get(personId);
    if (meanwhile) return meanwhile;
    const defaults = stored ?? { bots: {} };
    cache(this.#cached, personId, defaults);
    return defaults;
  }

  /**
   * The id of a person's default conversation with a bot, which is made if there is none. Needs
   * {@linkcode load} before.
   *
   * @param answers whether this bot answers from now on when the person names none
   */
  conversationWith(personId: string, botId: string, answers = true): string {
    const { store, create, write } = this.#parts;
    const defaults = this.#cached.get(personId) ?? { bots: {} };
    const known = Object.hasOwn(defaults.bots, botId) ? defaults.bots[botId] : undefined;
    if (known !== undefined && (defaults.last === botId || !answers)) return known;
    const id = known ?? create(personId, botId);
    defaults.bots[botId] = id;
    if (answers) defaults.last = botId;
    cache(this.#cached, personId, defaults);
    void write(store.set(defaultsKey(personId), defaults));
    return id;
  }

  /** Resolves when the defaults would survive the end of the process. */
  async save(personId: string, defaults: DefaultConversations): Promise<void> {
    await this.#parts.store.set(defaultsKey(personId), defaults, { durable: true });
  }

  async remove(personId: string): Promise<void> {
    this.#cached.delete(personId);
    await this.#parts.store.delete(defaultsKey(personId));
  }
}
