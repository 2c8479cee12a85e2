/** Conversations as people begin and delete them. */
import type { Admission } from "./admission.ts";
import type { Archive } from "./archive.ts";
import type { Conversation } from "./conversation_store.ts";
import { NexusError } from "./error.ts";
import type { Reader } from "./key_scope.ts";
import type { Notices } from "./notice.ts";
import type { ScopedHistory } from "./scoped_history.ts";

export interface ConversationsParts {
  readonly archive: Archive;
  readonly history: ScopedHistory;
  readonly notices: Notices;
  readonly admission: Admission;
  /** Cancels the turns of a conversation and drops them from memory. */
  readonly cancelTurns: (conversationId: string) => void;
}

export class Conversations {
  readonly #parts: ConversationsParts;

  constructor(parts: ConversationsParts) {
    this.#parts = parts;
  }

  /**
   * Begins a conversation at the wish of a person or their program. Throws `conversations_full`;
   * default conversations are never refused.
   */
  async begin(
    { id, keyScope }: Reader,
    fields: { title?: string; botId?: string; id?: string } = {},
  ): Promise<Conversation> {
    const { admission, archive } = this.#parts;
    const most = admission.maxConversations(id);
    if (!await archive.conversations.hasRoom(id, most)) {
      throw new NexusError("conversations_full", String(most));
    }
    return archive.conversations.create(id, { ...fields, key: keyScope?.key });
  }

  /**
   * Deletes a conversation with its turns, running ones too. Returns whether there was one. Throws
   * `forbidden` where its person, as they came in, may read only a part of it.
   */
  async remove(who: Reader, id: string): Promise<boolean> {
    const { archive, history, notices, cancelTurns } = this.#parts;
    const conversation = await history.changeable(who, id);
    if (!conversation) return false;
    // Read before the turns are gone, and not awaited: nothing new may begin in it meanwhile. If
    // this cannot be read, no limited key is notified.
    const about = history.about(conversation).catch(() => []);
    cancelTurns(id);
    await archive.remove(conversation);
    notices.tell(
      who.id,
      { type: "conversation", conversationId: id, change: "deleted" },
      await about,
    );
    return true;
  }
}
