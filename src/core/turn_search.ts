/** Search in what a person and the bots wrote to each other. */
import type { ConversationStore } from "./conversation_store.ts";
import { turnKey, turnsOf } from "./keys.ts";
import type { Store } from "./store.ts";
import { searchTextOf, type TurnRecord } from "./turn_record.ts";

/** A turn that holds the words of a search. */
export interface SearchHit {
  readonly conversationId: string;
  readonly turnId: string;
  readonly title: string;
  readonly snippet: string;
  readonly at: number;
}

export interface SearchParts {
  readonly store: Store;
  readonly conversations: ConversationStore;
}

/**
 * The turns that hold every one of the words, in the question or in the answer, the newest first.
 * Case does not count. A store with a search index finds words by their beginnings, and any part of
 * a script without spaces; with other stores every turn is read.
 */
export async function searchTurns(
  parts: SearchParts,
  personId: string,
  words: string,
  limit: number,
): Promise<SearchHit[]> {
  const { store, conversations } = parts;
  const needles = words.toLowerCase().split(/\s+/).filter(Boolean).slice(0, 10);
  if (needles.length === 0) return [];
  const records = store.find
    ? (await store.find(personId, needles.join(" "), limit)).map(([, record]) =>
      record as TurnRecord
    )
    : await scan(parts, personId, needles, limit);
  const titles = new Map<string, string>();
  for (const { conversationId: id } of records) {
    if (!titles.has(id)) titles.set(id, (await conversations.get(personId, id))?.title ?? "");
  }
  return records.map((record) => {
    const text = searchTextOf(record);
    return {
      conversationId: record.conversationId,
      turnId: record.id,
      title: titles.get(record.conversationId)!,
      snippet: snippetOf(text, Math.max(0, text.toLowerCase().indexOf(needles[0]!))),
      at: record.at,
    };
  });
}

async function scan(
  { store, conversations }: SearchParts,
  personId: string,
  needles: readonly string[],
  limit: number,
): Promise<TurnRecord[]> {
  const found: TurnRecord[] = [];
  for (const { id } of await conversations.list(personId)) {
    for (const [, turnId] of await store.list(turnsOf(id), { reverse: true })) {
      const record: TurnRecord | undefined = await store.get(turnKey(turnId));
      if (!record) continue;
      const text = searchTextOf(record).toLowerCase();
      if (needles.every((needle) => text.includes(needle))) found.push(record);
    }
  }
  return found.sort((a, b) => b.at - a.at).slice(0, limit);
}

/** The text around a place in it. */
function snippetOf(text: string, at: number): string {
  const from = Math.max(0, at - 40), to = Math.min(text.length, at + 80);
  const middle = text.slice(from, to).toWellFormed().replace(/\s+/g, " ").trim();
  return `${from > 0 ? "…" : ""}${middle}${to < text.length ? "…" : ""}`;
}
