/** The stored conversations, each with one object that stands for it in memory. */
import { cache } from "./cache.ts";
import type { Clock } from "./clock.ts";
import type { Trace } from "./key_scope.ts";
import { conversationKey, conversationsOf, ownerKey, turnKey, turnsOf } from "./keys.ts";
import type { Observer } from "./observer.ts";
import type { Store } from "./store.ts";
import { Traces } from "./traces.ts";
import type { Turn } from "./turn.ts";
import { traceOf, type TurnRecord } from "./turn_record.ts";

/** Turns that belong together. It decides which bot answers and what the bot remembers. */
export interface Conversation {
  readonly id: string;
  readonly personId: string;
  title: string;
  pinned: boolean;
  /** The bot that answered last: the conversation's own. */
  botId?: string;
  readonly createdAt: number;
  updatedAt: number;
  /**
   * Who has answered in it, and with which limited keys it was asked. Absent in conversations that
   * are older than this field.
   */
  traces?: Trace[];
  /** The limited key that began it. */
  readonly key?: string;
}

/** Conversations are evictable: history may be dropped where there is no disk. */
const EVICTABLE = { evictable: true };

/** How late the store may learn of a conversation's last use, in milliseconds. */
const SAVE_DELAY_MS = 200;

/** How often the conversations of somebody who has too many are counted again, in milliseconds. */
const RECOUNT_INTERVAL_MS = 10_000;

export interface ConversationStoreParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly newId: () => string;
  /** Passes a failed write on to the observer. */
  readonly write: (written: Promise<void>) => Promise<void>;
}

export class ConversationStore {
  readonly #parts: ConversationStoreParts;
  readonly #cached = new Map<string, Conversation>();
  /** How many conversations a person has, and when they were counted. */
  readonly #counts = new Map<string, { count: number; readonly at: number }>();
  readonly #traces = new Traces<Conversation>({
    held: (conversation) => this.#held(conversation),
    stored: (id) => this.#storedTraces(id),
    save: (conversation) => void this.save(conversation),
  });
  /** Deleted conversations that a caller may still hold: nothing is written to them any more. */
  readonly #removed = new WeakSet<Conversation>();
  /** Conversations whose last use is not stored yet. */
  readonly #touched = new Set<Conversation>();
  #stopSaving: (() => void) | undefined;
  #isClosed = false;

  constructor(parts: ConversationStoreParts) {
    this.#parts = parts;
  }

  /** A conversation of this person; anybody else's does not exist. */
  async get(personId: string, id: string): Promise<Conversation | undefined> {
    const { store } = this.#parts;
    const cached = this.#cached.get(id);
    if (cached?.personId === personId) return cached;
    if (cached) return this.#refuse(personId, cached.personId, id);
    const found: Conversation | undefined = await store.get(conversationKey(personId, id));
    if (found) {
      // Another caller may have read it meanwhile; there must be one object only.
      const meanwhile = this.#cached.get(id);
      if (meanwhile) return meanwhile;
      cache(this.#cached, id, found);
      return found;
    }
    const owner: string | undefined = await store.get(ownerKey(id));
    return owner === undefined || owner === personId
      ? undefined
      : this.#refuse(personId, owner, id);
  }

  #refuse(who: string, whom: string, id: string): undefined {
    this.#parts.observer.tell({
      type: "acted",
      act: { who, did: "reached_for_another", whom, detail: `conversation ${id}` },
    });
  }

  /** A conversation that a bot names: only one in which that bot answered last. */
  async ofBot(id: string, botId: string): Promise<Conversation | undefined> {
    const personId = this.#cached.get(id)?.personId ?? await this.#parts.store.get(ownerKey(id));
    const conversation = personId === undefined ? undefined : await this.get(personId, id);
    return conversation?.botId === botId ? conversation : undefined;
  }

  /** The person's conversations: pinned first, then the latest. */
  async list(personId: string): Promise<Conversation[]> {
    const found = await this.#parts.store.list(conversationsOf(personId));
    // The one in memory has the later time of use.
    return found.map(([, value]) =>
      this.#cached.get((value as Conversation).id) ?? value as Conversation
    )
      .sort((a, b) => Number(b.pinned) - Number(a.pinned) || b.updatedAt - a.updatedAt);
  }

  /**
   * Whether a person has fewer than `most` conversations. They are counted once, and again where
   * there seem to be too many.
   */
  async hasRoom(personId: string, most: number): Promise<boolean> {
    if (most === Infinity) return true;
    const known = this.#counts.get(personId);
    const now = this.#parts.clock.now();
    if (known && (known.count < most || now - known.at < RECOUNT_INTERVAL_MS)) {
      return known.count < most;
    }
    const { length: count } = await this.#parts.store.list(conversationsOf(personId), {
      limit: most,
    });
    cache(this.#counts, personId, { count, at: now });
    return count < most;
  }

  #counted(personId: string, by: number): void {
    const known = this.#counts.get(personId);
    if (known) known.count += by;
  }

  create(
    personId: string,
    fields: { title?: string; botId?: string; id?: string; key?: string } = {},
  ): Conversation {
    const { store, clock, newId, write } = this.#parts;
    const now = clock.now();
    const conversation: Conversation = {
      id: fields.id ?? newId(),
      personId,
      title: fields.title ?? "",
      pinned: false,
      botId: fields.botId,
      createdAt: now,
      updatedAt: now,
      traces: [],
      key: fields.key,
    };
    cache(this.#cached, conversation.id, conversation);
    this.#counted(personId, 1);
    void write(store.set(ownerKey(conversation.id), personId, EVICTABLE));
    void this.save(conversation);
    return conversation;
  }

  /** Whether it was deleted after it was read. */
  isRemoved(conversation: Conversation): boolean {
    return this.#removed.has(conversation);
  }

  /** @param durable whether this resolves only when it would survive a crash */
  save(conversation: Conversation, durable = false): Promise<void> {
    if (this.isRemoved(conversation)) return Promise.resolve();
    const { store, write } = this.#parts;
    const key = conversationKey(conversation.personId, conversation.id);
    const written = store.set(key, conversation, { ...EVICTABLE, durable });
    void write(written);
    return written;
  }

  /** From now on nothing is written to this conversation. */
  markRemoved(conversation: Conversation): void {
    const { id, personId } = conversation;
    // A store returns copies; the one that other callers hold is ours.
    this.#removed.add(this.#cached.get(id) ?? conversation);
    this.#cached.delete(id);
    this.#counted(personId, -1);
  }

  /** Deletes a conversation and its turns from the store. */
  async erase({ id, personId }: Conversation): Promise<void> {
    const { store } = this.#parts;
    for (const [key, turnId] of await store.list(turnsOf(id))) {
      await store.delete(turnKey(turnId));
      await store.delete(key);
    }
    // After its turns: if the process crashes in between, they can still be found.
    await store.delete(conversationKey(personId, id));
    await store.delete(ownerKey(id));
  }

  /** Forgets how many conversations a person has. */
  forgetCount(personId: string): void {
    this.#counts.delete(personId);
  }

  /** The traces of a conversation's turns. */
  tracesOf(conversation: Conversation): Promise<readonly Trace[]> {
    return this.#traces.of(conversation);
  }

  /** Stores who answered a turn in its conversation, where that is new. */
  async addTrace(personId: string, id: string, trace: Trace): Promise<void> {
    const conversation = await this.get(personId, id);
    if (conversation && this.#traces.note(conversation, trace)) await this.save(conversation);
  }

  /** Stores who answers a turn, if its conversation is in memory. */
  noteTrace(turn: Turn): void {
    const conversation = this.#cached.get(turn.conversationId);
    if (conversation && this.#traces.note(conversation, turn.trace)) void this.save(conversation);
  }

  async *#storedTraces(id: string): AsyncGenerator<Trace> {
    const { store } = this.#parts;
    for (const [, turnId] of await store.list(turnsOf(id))) {
      const record: TurnRecord | undefined = await store.get(turnKey(turnId));
      if (record) yield traceOf(record);
    }
  }

  /** The one object that stands for a conversation in memory. */
  #held(conversation: Conversation): Conversation {
    const held = this.#cached.get(conversation.id);
    if (!held) cache(this.#cached, conversation.id, conversation);
    return held ?? conversation;
  }

  /** A turn of the conversation has ended: its title, bot and time of use follow. */
  touch(turn: Turn): void {
    const { conversationId: id, message } = turn;
    const conversation = this.#cached.get(id);
    if (conversation) return this.#touch(conversation, turn);
    const read = this.get(message.person.id, id).then((found) => {
      if (found) this.#touch(found, turn);
    });
    this.#traces.arrives(id, turn.trace, read);
    read.catch((error) => this.#parts.observer.tell({ type: "fault", where: "archive", error }));
  }

  #touch(conversation: Conversation, turn: Turn): void {
    const { clock } = this.#parts;
    const title = conversation.title || titleOf(turn.message.text);
    const botId = turn.bot?.id ?? conversation.botId;
    const isTraced = this.#traces.note(conversation, turn.trace);
    const hasChanged = isTraced || title !== conversation.title || botId !== conversation.botId;
    conversation.title = title;
    conversation.botId = botId;
    conversation.updatedAt = clock.now();
    // A turn that ends after the archive was closed, such as that of the last bot's socket, must
    // not wait for a timer.
    if (hasChanged || this.#isClosed) return void this.save(conversation);
    // The time of use may be stored a moment later, once for many turns.
    this.#touched.add(conversation);
    this.#stopSaving ??= clock.after(SAVE_DELAY_MS, () => this.#saveTouched());
  }

  #saveTouched(): void {
    this.#stopSaving?.();
    this.#stopSaving = undefined;
    for (const conversation of this.#touched) void this.save(conversation);
    this.#touched.clear();
  }

  close(): void {
    this.#isClosed = true;
    this.#saveTouched();
  }
}

/** The first words of a text, at most 60 characters. */
function titleOf(text: string): string {
  const line = text.trim().split("\n", 1)[0]!.replace(/\s+/g, " ");
  const cut = [...line.slice(0, 120)].slice(0, 60).join("");
  return cut.length < line.length ? `${cut.trimEnd()}…` : cut;
}
