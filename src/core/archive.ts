/**
 * The archive stores conversations and their turns over the {@linkcode Store} contract; `keys.ts`
 * has the keys.
 *
 * A turn never waits for a write; a failed write goes to the observer. While a turn runs, its
 * {@linkcode Drafts draft} holds what has been written of the reply.
 */
import type { Clock } from "./clock.ts";
import { type Conversation, ConversationStore } from "./conversation_store.ts";
import { DefaultConversationStore } from "./default_conversations.ts";
import { Drafts } from "./draft.ts";
import { NexusError } from "./error.ts";
import { timedId } from "./id.ts";
import { ARCHIVE_OPEN, placeKey, turnKey, turnsOf } from "./keys.ts";
import type { Observer } from "./observer.ts";
import { recover } from "./recovery.ts";
import { deleteTurnsBefore } from "./retention.ts";
import type { Store } from "./store.ts";
import type { Turn, TurnRecorder } from "./turn.ts";
import { TurnOrder } from "./turn_order.ts";
import { recordOf, searchTextOf, traceOf, type TurnRecord, weightOf } from "./turn_record.ts";
import { type SearchHit, searchTurns } from "./turn_search.ts";

/**
 * A turn's place in its conversation is a key and an id, about 100 bytes, and can be derived from
 * the turn.
 */
const PLACE = { evictable: 100, lazy: true };

export interface ArchiveParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly newId?: () => string;
}

export class Archive implements TurnRecorder {
  readonly conversations: ConversationStore;
  /** Each person's default conversations. */
  readonly defaults: DefaultConversationStore;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #drafts: Drafts;
  readonly #order = new TurnOrder();

  constructor(parts: ArchiveParts) {
    const { store, clock, observer } = parts;
    const newId = parts.newId ?? (() => timedId(clock.now()));
    const write = (written: Promise<void>) => this.#write(written);
    this.#store = store;
    this.#clock = clock;
    this.#observer = observer;
    this.#drafts = new Drafts(parts);
    this.conversations = new ConversationStore({ store, clock, observer, newId, write });
    this.defaults = new DefaultConversationStore({
      store,
      write,
      create: (personId, botId) => this.conversations.create(personId, { botId }).id,
    });
  }

  /** Whether what is stored would survive the end of the process. */
  get isLasting(): boolean {
    return !this.#store.volatile;
  }

  /**
   * Ends the turns that an earlier process left running `incomplete`, with what they had. Returns
   * how many. Call this before the first turn, and only where no other process uses the store.
   */
  recover(): Promise<number> {
    return recover({
      store: this.#store,
      drafts: this.#drafts,
      now: () => this.#clock.now(),
      turn: (id) => this.turn(id),
      put: (record, durable) => this.#put(record, durable),
      place: (record) => this.#place(record),
      trace: (record) =>
        this.conversations.addTrace(record.personId, record.conversationId, traceOf(record)),
      write: (written) => this.#write(written),
    });
  }

  close(): void {
    this.conversations.close();
    this.#drafts.close();
    if (this.isLasting) void this.#write(this.#store.delete(ARCHIVE_OPEN));
  }

  /* ── writing turns ── */

  /**
   * Stores a turn that has its conversation; called when it begins and when it ends. A running turn
   * is stored with its first draft: most end sooner and are stored once. Resolves when an ending is
   * stored.
   */
  keep(turn: Turn): Promise<void> | undefined {
    if (turn.message.temporary) return undefined;
    if (!turn.ending) {
      turn.order ??= this.#order.next(turn.at);
      if (this.isLasting) turn.recorder = this;
      this.#drafts.begin(
        turn,
        (durable) => [this.#put(this.recordOf(turn), durable), this.#place(turn)],
      );
      return undefined;
    }
    const isPlaced = this.#drafts.end(turn.id);
    if (!isPlaced) void this.#write(this.#place(turn));
    const kept = this.#write(this.#put(this.recordOf(turn)));
    this.conversations.touch(turn);
    return kept;
  }

  /**
   * A bot has been given a turn. That is stored before the bot answers, so that after a crash, too,
   * no key reads what it may not.
   */
  given(turn: Turn): void {
    this.conversations.noteTrace(turn);
  }

  /**
   * Stores a running turn without waiting for its first draft. Resolves when it would survive the
   * end of the process.
   */
  writeDown(turn: Turn): Promise<void> {
    return this.#drafts.writeDown(turn);
  }

  /** Moves a running turn to another default conversation. */
  move(turn: Turn, conversationId: string): void {
    const { id, conversationId: from, order } = turn;
    if (conversationId === from) return;
    turn.conversation = { kind: "default", id: conversationId };
    // What is not stored yet will be stored there.
    if (!this.#drafts.isBegun(id)) return;
    void this.#write(this.#store.delete(placeKey(from, order)));
    void this.#write(this.#place(turn));
    void this.#write(this.#put(this.recordOf(turn)));
  }

  #place(
    { id, conversationId, order }: Pick<TurnRecord, "id" | "conversationId" | "order"> | Turn,
  ): Promise<void> {
    return this.#store.set(placeKey(conversationId, order), id, PLACE);
  }

  /** An ending is on the disk before its readers are told, with every write that waited. */
  #put(record: TurnRecord, durable = record.status !== "running"): Promise<void> {
    const evictable = weightOf(record), key = turnKey(record.id);
    if (record.status === "running") return this.#store.set(key, record, { evictable, durable });
    const find = this.#store.find && { owner: record.personId, text: searchTextOf(record) };
    return this.#store.set(key, record, { evictable, durable, find });
  }

  /** The turn as it would be stored now. */
  recordOf(turn: Turn): TurnRecord {
    return recordOf(turn, turn.order ??= this.#order.next(turn.at));
  }

  /* ── reading turns ── */

  /** A turn by its id. Whether the caller may see it is the caller's check (`personId`). */
  async turn(id: string): Promise<TurnRecord | undefined> {
    return await this.#store.get(turnKey(id));
  }

  /**
   * The newest page of a conversation's turns, the oldest first. Throws `not_found`.
   *
   * @param before the id of the turn that follows the page
   */
  async turns(
    conversationId: string,
    before: string | undefined,
    limit: number,
  ): Promise<{ turns: TurnRecord[]; more: boolean }> {
    let after: string | undefined;
    if (before !== undefined) {
      const next = await this.turn(before);
      if (!next || next.conversationId !== conversationId) {
        throw new NexusError("not_found", "no such turn: before");
      }
      after = placeKey(conversationId, next.order);
    }
    const rows = await this.#store.list(turnsOf(conversationId), {
      reverse: true,
      after,
      limit: limit + 1,
    });
    const records = await Promise.all(rows.slice(0, limit).map(([, id]) => this.turn(id)));
    return {
      turns: records.filter((record) => record !== undefined).reverse(),
      more: rows.length > limit,
    };
  }

  /** The turns that hold every one of the words; see {@linkcode searchTurns}. */
  search(personId: string, words: string, limit = 50): Promise<SearchHit[]> {
    const { conversations } = this;
    return searchTurns({ store: this.#store, conversations }, personId, words, limit);
  }

  /* ── deleting ── */

  /** Deletes a conversation with its turns. Resolves when that would survive a crash. */
  async remove(conversation: Conversation): Promise<void> {
    const { id, personId } = conversation;
    this.conversations.markRemoved(conversation);
    // Without a wait where that is possible: from here on no turn may begin in it.
    const defaults = this.defaults.cached(personId) ?? await this.defaults.load(personId);
    for (const [botId, conversationId] of Object.entries(defaults.bots)) {
      if (conversationId === id) delete defaults.bots[botId];
    }
    await this.conversations.erase(conversation);
    // Durable, and last, so that a crash does not bring back what was deleted.
    await this.defaults.save(personId, defaults);
  }

  /** Deletes every conversation of a person, and what else is stored of them here. */
  async removePerson(personId: string): Promise<void> {
    for (const conversation of await this.conversations.list(personId)) {
      await this.remove(conversation);
    }
    this.conversations.forgetCount(personId);
    await this.defaults.remove(personId);
    this.#drafts.startNewLog();
  }

  /** Deletes turns that are older than a time; see {@linkcode deleteTurnsBefore}. */
  forget(before: number): Promise<number> {
    return deleteTurnsBefore(this.#store, before, (conversation) => this.remove(conversation));
  }

  #write(written: Promise<void>): Promise<void> {
    return written.catch((error) =>
      this.#observer.tell({ type: "fault", where: "archive", error })
    );
  }
}
