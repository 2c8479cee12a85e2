/** Deletion of history that is too old. */
import type { Conversation } from "./conversation_store.ts";
import { CONVERSATIONS, turnKey, turnsOf } from "./keys.ts";
import type { Store } from "./store.ts";
import { orderAt } from "./turn_order.ts";

/** Conversations that are read at once. */
const PAGE = 100;

/**
 * Deletes turns that are older than a time (milliseconds since the epoch), and conversations that
 * are empty afterwards. Pinned conversations stay whole. Returns how many turns were deleted.
 *
 * @param remove deletes a whole conversation
 */
export async function deleteTurnsBefore(
  store: Store,
  before: number,
  remove: (conversation: Conversation) => Promise<void>,
): Promise<number> {
  const end = orderAt(before);
  let deleted = 0, after: string | undefined;
  while (true) {
    const page = await store.list(CONVERSATIONS, { after, limit: PAGE });
    for (const [, value] of page) {
      const conversation = value as Conversation;
      if (conversation.pinned || conversation.createdAt >= before) continue;
      const prefix = turnsOf(conversation.id);
      const turns = await store.list(prefix);
      const old = turns.filter(([key]) => key.slice(prefix.length) < end);
      if (old.length === turns.length && conversation.updatedAt < before) {
        await remove(conversation);
      } else {
        for (const [key, turnId] of old) {
          await store.delete(turnKey(turnId));
          await store.delete(key);
        }
      }
      deleted += old.length;
    }
    if (page.length < PAGE) return deleted;
    after = page.at(-1)![0];
  }
}
