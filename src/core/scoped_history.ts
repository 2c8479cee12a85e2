/**
 * The history as each person may read it: everything of theirs, or what the scope of their key
 * allows.
 *
 * Channels read only through this, so that nothing is shown to a reader who may not see it. Other
 * people's turns and conversations do not exist.
 */
import type { Archive } from "./archive.ts";
import type { Conversation } from "./conversation_store.ts";
import { restoreTurn, traceOf, type TurnRecord } from "./turn_record.ts";
import type { SearchHit } from "./turn_search.ts";
import { NexusError } from "./error.ts";
import type { NumberedNotice } from "./notice.ts";
import type { Observer } from "./observer.ts";
import { mayRead, type Reader, type Share, shareOf, type Trace } from "./key_scope.ts";
import type { Turn } from "./turn.ts";

export interface ScopedHistoryParts {
  readonly archive: Archive;
  readonly observer: Observer;
  /** A turn that is still in memory. */
  readonly live: (id: string) => Turn | undefined;
  /** The turns that run now, of everybody. */
  readonly running: () => Turn[];
}

/** Search hits that are examined for a key that may read only some of them. */
const MAX_EXAMINED_HITS = 500;

/** Search hits that are returned. */
const MAX_HITS = 50;

export class ScopedHistory {
  readonly #parts: ScopedHistoryParts;

  constructor(parts: ScopedHistoryParts) {
    this.#parts = parts;
  }

  /** A turn of this person, running or ended, however long ago. */
  async turn(id: string, who: Reader): Promise<Turn | undefined> {
    const live = this.#parts.live(id);
    const record = live ? undefined : await this.#parts.archive.turn(id);
    const owner = live?.message.person.id ?? record?.personId;
    if (owner === undefined) return undefined;
    if (owner !== who.id) {
      const act = { who: who.id, did: "reached_for_another", whom: owner, detail: `turn ${id}` };
      this.#parts.observer.tell({ type: "acted", act });
      return undefined;
    }
    const turn = live ?? restoreTurn(record!);
    return mayRead(who.keyScope, turn.trace) ? turn : undefined;
  }

  /** The turns that run now and that somebody may read. */
  running(who: Reader): Turn[] {
    return this.#parts.running().filter((turn) =>
      turn.message.person.id === who.id && mayRead(who.keyScope, turn.trace)
    );
  }

  /**
   * A conversation of which the reader may read at least a part, as the object in memory, for a new
   * turn. It must not be shown.
   */
  async open(who: Reader, id: string): Promise<Conversation | undefined> {
    const conversation = await this.#parts.archive.conversations.get(who.id, id);
    if (!conversation || !who.keyScope) return conversation;
    return await this.#share(who, conversation) === "nothing" ? undefined : conversation;
  }

  /** A conversation as the reader may see it. */
  async conversation(who: Reader, id: string): Promise<Readonly<Conversation> | undefined> {
    const conversation = await this.#parts.archive.conversations.get(who.id, id);
    return conversation && await this.#shown(who, conversation);
  }

  /** The reader's conversations as they may see them: pinned first, then the latest. */
  async conversations(who: Reader): Promise<Readonly<Conversation>[]> {
    const all = await this.#parts.archive.conversations.list(who.id);
    if (!who.keyScope) return all;
    const shown: Readonly<Conversation>[] = [];
    for (const conversation of all) {
      const seen = await this.#shown(who, conversation);
      if (seen) shown.push(seen);
    }
    return shown;
  }

  /**
   * A conversation to rename or delete. Throws `forbidden` where the reader may read only a part of
   * it.
   */
  async changeable(who: Reader, id: string): Promise<Conversation | undefined> {
    const conversation = await this.#parts.archive.conversations.get(who.id, id);
    if (!conversation || !who.keyScope) return conversation;
    const share = await this.#share(who, conversation);
    if (share === "part") {
      throw new NexusError("forbidden", "the key reads only a part of this conversation");
    }
    return share === "nothing" ? undefined : conversation;
  }

  /**
   * The newest page of a conversation's turns that the reader may read, the oldest first, with
   * running turns as they are now. `before` is a turn's id. The caller has checked that the
   * conversation is theirs.
   */
  async turns(
    who: Reader,
    conversationId: string,
    before: string | undefined,
    limit: number,
  ): Promise<{ turns: TurnRecord[]; more: boolean }> {
    const running = before === undefined ? this.#parts.running() : [];
    if (before !== undefined && who.keyScope && !await this.turn(before, who)) {
      throw new NexusError("not_found", "no such turn: before");
    }
    const found: TurnRecord[] = [];
    let more = true;
    while (more && found.length < limit) {
      // A key may read few of the turns; then it takes several pages to fill one.
      const page = await this.#parts.archive.turns(conversationId, before, limit);
      found.unshift(...page.turns.filter((record) => mayRead(who.keyScope, traceOf(record))));
      before = page.turns[0]?.id;
      more = page.more && before !== undefined;
    }
    const left = Math.max(0, found.length - limit);
    const turns = found.slice(left).map((record) =>
      record.status === "running" ? this.#now(record) : record
    );
    // Turns that began a moment ago are not stored yet.
    const listed = new Set(turns.map(({ id }) => id));
    for (const turn of running) {
      if (
        turn.conversationId !== conversationId || listed.has(turn.id) ||
        !mayRead(who.keyScope, turn.trace)
      ) continue;
      turns.push(this.#parts.archive.recordOf(turn));
    }
    return { turns, more: more || left > 0 };
  }

  /** The turns that hold the words, the newest first. */
  async search(who: Reader, words: string): Promise<SearchHit[]> {
    const { archive } = this.#parts;
    if (!who.keyScope) return await archive.search(who.id, words, MAX_HITS);
    const found: SearchHit[] = [];
    for (const hit of await archive.search(who.id, words, MAX_EXAMINED_HITS)) {
      const turn = found.length < MAX_HITS ? await archive.turn(hit.turnId) : undefined;
      if (!turn || !mayRead(who.keyScope, traceOf(turn))) continue;
      const { title = "" } = await this.conversation(who, hit.conversationId) ?? {};
      found.push({ ...hit, title });
    }
    return found;
  }

  /** Whether the reader receives a notice of their person. */
  receives(who: Reader, { about }: NumberedNotice): boolean {
    return shareOf(who.keyScope, about) !== "nothing";
  }

  /** The traces that decide who receives a notice about a conversation. */
  async about(conversation: Conversation): Promise<readonly Trace[]> {
    const traces = await this.#parts.archive.conversations.tracesOf(conversation);
    return traces.length > 0 ? traces : [beginningOf(conversation)];
  }

  async #share({ keyScope }: Reader, conversation: Conversation): Promise<Share> {
    const running = this.#parts.running().filter(({ conversationId }) =>
      conversationId === conversation.id
    );
    const traces = await this.#parts.archive.conversations.tracesOf(conversation);
    if (traces.length + running.length === 0) return shareOf(keyScope, [beginningOf(conversation)]);
    return shareOf(keyScope, [...traces, ...running.map(({ trace }) => trace)]);
  }

  async #shown(
    who: Reader,
    conversation: Conversation,
  ): Promise<Readonly<Conversation> | undefined> {
    if (!who.keyScope) return conversation;
    const share = await this.#share(who, conversation);
    if (share === "whole") return conversation;
    // Its title may come from a message to another bot.
    return share === "part" ? { ...conversation, title: "", botId: undefined } : undefined;
  }

  /**
   * A turn that is stored as running, as it is now. If it is not in memory, its process ended
   * before the turn did.
   */
  #now(record: TurnRecord): TurnRecord {
    const live = this.#parts.live(record.id);
    return live
      ? this.#parts.archive.recordOf(live)
      : { ...record, status: "incomplete", code: "shutting_down" };
  }
}

/** The trace of a conversation without turns. */
function beginningOf({ botId, key }: Conversation): Trace {
  return { bots: botId === undefined ? [] : [{ id: botId }], key };
}
