/** The conversation that each person has in each chat: one at a time, until they begin another. */
import type { Person } from "../../core/message.ts";
import type { Store } from "../../core/store.ts";
import type { Contacts } from "./contacts.ts";
import type { GatewayPort } from "./gateway_port.ts";
import type { Incoming } from "./platform.ts";
import { type Language, languageOf } from "./words.ts";

/** UTF-16 units of a message that become its conversation's title. */
const TITLE_LENGTH = 60;

export interface ChatConversationsParts {
  readonly store: Store;
  readonly gateway: GatewayPort;
  readonly contacts: Contacts;
  /** The language of somebody whose words show none. */
  readonly language: Language;
  /** The key of what is stored about a person in a chat. */
  readonly key: (what: string, incoming: Incoming, personId: string) => string;
}

export class ChatConversations {
  readonly #parts: ChatConversationsParts;
  /** Conversations that are being begun, by their key. */
  readonly #pending = new Map<string, Promise<string>>();

  constructor(parts: ChatConversationsParts) {
    this.#parts = parts;
  }

  async current(incoming: Incoming, person: Person): Promise<string | undefined> {
    return (await this.#parts.store.get(this.#key(incoming, person)))?.id;
  }

  /** Returns the id of the current conversation, or of a new one where there is none. */
  async currentOrNew(incoming: Incoming, person: Person): Promise<string> {
    const current = await this.current(incoming, person);
    if (current !== undefined) return current;
    // Two first questions at once belong to one conversation.
    const key = this.#key(incoming, person);
    const pending = this.#pending.get(key) ??
      this.begin(incoming, person).finally(() => this.#pending.delete(key));
    this.#pending.set(key, pending);
    return await pending;
  }

  /** Begins a conversation, which becomes the current one, and returns its id. */
  async begin(incoming: Incoming, person: Person): Promise<string> {
    const { gateway, store, contacts } = this.#parts;
    const id = await gateway.beginConversation(person, incoming.text.slice(0, TITLE_LENGTH));
    const language = languageOf(incoming.text, this.#parts.language);
    await contacts.rememberConversation(id, incoming, language);
    await store.set(this.#key(incoming, person), { id });
    return id;
  }

  #key(incoming: Incoming, person: Person): string {
    return this.#parts.key("conv", incoming, person.id);
  }
}
