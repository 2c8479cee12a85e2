/** Where people and groups can be written to later: stored with each message that they send. */
import type { Store } from "../../core/store.ts";
import type { Incoming, Platform } from "./platform.ts";
import type { Language } from "./words.ts";

/** A person or group that can be written to without having asked, and where. */
export interface Contact extends Pick<Incoming, "chat" | "sender" | "address"> {
  readonly language: Language;
}

export interface ContactsParts {
  readonly store: Store;
  readonly platform: Platform;
  /** What the ids of this app's people begin with. */
  readonly prefix: string;
  /** Whether the people of a group share one conversation. */
  readonly sharesGroups: boolean;
}

export class Contacts {
  constructor(private readonly parts: ContactsParts) {}

  /** @param who a person's id, or `chat:<id>` for a group that shares a conversation */
  async of(who: string): Promise<Contact | undefined> {
    return await this.parts.store.get(this.#contactKey(who));
  }

  /** The chat in which a conversation was begun. */
  async ofConversation(conversationId: string): Promise<Contact | undefined> {
    return await this.parts.store.get(this.#conversationKey(conversationId));
  }

  /** Stores where this person, or this group, can be written to. */
  async remember(incoming: Incoming, language: Language): Promise<void> {
    const { chat, sender } = incoming;
    const group = this.parts.sharesGroups ? `chat:${chat.id}` : undefined;
    const who = chat.type === "direct" ? sender.id : group;
    if (who === undefined) return;
    const contact = this.#contactFrom(incoming, language);
    // At most the language changes, so nearly every message is spared the write.
    if (JSON.stringify(await this.of(who)) === JSON.stringify(contact)) return;
    await this.parts.store.set(this.#contactKey(who), contact);
  }

  async rememberConversation(
    conversationId: string,
    incoming: Incoming,
    language: Language,
  ): Promise<void> {
    const contact = this.#contactFrom(incoming, language);
    await this.parts.store.set(this.#conversationKey(conversationId), contact);
  }

  #contactFrom(incoming: Incoming, language: Language): Contact {
    const { id, name } = incoming.sender;
    const address = this.parts.platform.lastingAddress?.(incoming) ?? {};
    return { chat: incoming.chat, sender: { id, name }, address, language };
  }

  #contactKey(who: string): string {
    return `im:reach:${this.parts.prefix}${who}`;
  }

  #conversationKey(conversationId: string): string {
    return `im:home:${this.parts.prefix}${conversationId}`;
  }
}

/** Returns a message that nobody sent, for a text that is sent without a question. */
export function unprompted(id: string, { chat, sender, address }: Contact, at: number): Incoming {
  return { id, chat, sender, address, text: "", images: [], files: [], at };
}
