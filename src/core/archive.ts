/**
 * What was said, kept: conversations and their turns over the {@linkcode Store} contract.
 *
 * Writing never holds up a turn: it is handed to the store and a failure goes to the observer.
 * Keys: `conv:<person>:<conversation>`, `turn:<turn>`, `turns:<conversation>:<order>` (which turn
 * stands where), `default:<person>`, `owner:<conversation>` (whose it is). What a running turn has
 * said so far is in its {@linkcode Drafts draft}.
 */
import type { Clock } from "./clock.ts";
import { Drafts } from "./draft.ts";
import type { ErrorCode } from "./error.ts";
import { NexusError } from "./error.ts";
import { timedId } from "./id.ts";
import type { ChannelName, MessageImage } from "./message.ts";
import type { Observer } from "./observer.ts";
import type { BotRef, Trace } from "./key_scope.ts";
import { type Chunk, type Ending, Reply } from "./reply.ts";
import { keyPart, type Store, UNINDEXED } from "./store.ts";
import { Traces } from "./traces.ts";
import { Turn, type TurnRecorder } from "./turn.ts";

/** Turns that belong together; decides which bot answers and what it remembers. */
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
   * Who has answered in it, and with which limited keys it was asked. Absent: it is older than that
   * was written down.
   */
  traces?: Trace[];
  /** The limited key that began it. */
  readonly key?: string;
}

/** A turn as it is kept. */
export interface TurnRecord {
  readonly id: string;
  readonly conversationId: string;
  readonly personId: string;
  readonly parentTurnId?: string;
  readonly channel: ChannelName;
  readonly at: number;
  /** Sorts turns that began in the same millisecond. */
  readonly order: string;
  readonly text: string;
  readonly images: readonly MessageImage[];
  readonly botId?: string;
  readonly botName?: string;
  /** The pool that the bot was in. */
  readonly pool?: string;
  /** Bots that had begun to answer when the turn moved on. */
  readonly earlier?: readonly BotRef[];
  /** The limited key that it was asked with. */
  readonly key?: string;
  readonly status: Ending["status"] | "running";
  readonly code?: ErrorCode;
  readonly detail?: string;
  readonly firstAt?: number;
  readonly endedAt?: number;
  readonly chunks: readonly Chunk[];
}

/** A place where a search word was said. */
export interface SearchHit {
  readonly conversationId: string;
  readonly turnId: string;
  readonly title: string;
  readonly snippet: string;
  readonly at: number;
}

/** A person's default conversation with each bot, and the bot that answered last. */
export interface DefaultConversations {
  last?: string;
  bots: Record<string, string>;
}

/** History may be forgotten where there is no disk. */
const WEAK = { evictable: true };

/**
 * The same for a turn's place in its conversation: a key and an id. It can be made again from the
 * turn.
 */
const PLACE = { evictable: 100, lazy: true };

/** Stands in the store while a process uses it: one that finds it there follows a crash. */
const OPEN = "archive:open";

/**
 * Milliseconds before the last turn within which, after a crash, a turn may lack its place or its
 * words in the index.
 */
const LAST_MOMENTS = 10_000;

/** How late the store may hear of a conversation's last use, in milliseconds. */
const SAVE = 200;

/** How often the conversations of somebody who has too many are counted anew, in milliseconds. */
const RECOUNT = 10_000;

/** People and conversations kept in memory beside the store; the oldest go first. */
const CACHED = 10_000;

export class Archive implements TurnRecorder {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #newId: () => string;
  readonly #drafts: Drafts;
  readonly #conversations = new Map<string, Conversation>();
  readonly #defaults = new Map<string, DefaultConversations>();
  /** How many conversations a person has, and when they were counted. */
  readonly #counts = new Map<string, { count: number; readonly at: number }>();
  readonly #traces = new Traces<Conversation>({
    held: (conversation) => this.#held(conversation),
    stored: (id) => this.#storedTraces(id),
    save: (conversation) => void this.save(conversation),
  });
  /** Deleted conversations that somebody may still hold: nothing is written to them any more. */
  readonly #removed = new WeakSet<Conversation>();
  /** Conversations whose last use the store has not heard of. */
  readonly #touched = new Set<Conversation>();
  #stopSaving: (() => void) | undefined;
  #isClosed = false;
  #lastOrder = "";

  constructor(parts: { store: Store; clock: Clock; observer: Observer; newId?: () => string }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#observer = parts.observer;
    this.#newId = parts.newId ?? (() => timedId(parts.clock.now()));
    this.#drafts = new Drafts(parts);
  }

  /**
   * Finishes what an earlier process left unfinished: its turns become `incomplete`, with what they
   * had said. Returns how many. Call before the first turn, and only where no other process uses
   * the store.
   */
  async recover(): Promise<number> {
    const left = await this.#drafts.left();
    let ended = 0;
    const crashed = await this.#store.get(OPEN) !== undefined;
    if (!crashed && this.isLasting) this.#write(this.#store.set(OPEN, 1));
    for (const [id, chunks] of left) {
      const recordOf = await this.turn(id);
      if (recordOf?.status === "running") {
        await this.#interrupt(recordOf, chunks);
        await this.#place(recordOf);
        await this.#trace(recordOf);
        ended++;
      }
    }
    await this.#drafts.forget();
    if (crashed) await this.#mend();
    if (await this.#store.get(UNINDEXED) !== undefined) await this.#indexAgain();
    return ended;
  }

  /** Gives every turn to a search index that was lost. */
  async #indexAgain(): Promise<void> {
    let after: string | undefined;
    while (true) {
      const page = await this.#store.list("turn:", { after, limit: 100 });
      for (const [key, value] of page) {
        if ((value as TurnRecord).status !== "running") {
          this.#write(this.#keep(value as TurnRecord, false));
        }
        after = key;
      }
      if (page.length < 100) break;
    }
    await this.#store.delete(UNINDEXED);
  }

  /** Ends a turn whose process is gone. */
  async #interrupt(record: TurnRecord, chunks: readonly Chunk[]): Promise<void> {
    await this.#keep({
      ...record,
      chunks,
      status: "incomplete",
      code: "shutting_down",
      endedAt: this.#clock.now(),
    });
  }

  /** Gives the turns of the last moments before a crash what is kept late. */
  async #mend(): Promise<void> {
    let after: string | undefined, last: number | undefined;
    while (true) {
      // The newest first: their ids begin with the time.
      const page = await this.#store.list("turn:", { reverse: true, after, limit: 100 });
      for (const [key, value] of page) {
        const record = value as TurnRecord;
        last ??= record.at;
        if (record.at < last - LAST_MOMENTS) return;
        // One that a reader was told of and that died before its first draft: there is no draft to
        // end it by.
        if (record.status === "running") await this.#interrupt(record, record.chunks);
        else await this.#keep(record);
        await this.#place(record);
        await this.#trace(record);
        after = key;
      }
      if (page.length < 100) return;
    }
  }

  /** Writes down in its conversation who answered a turn. */
  async #trace(record: TurnRecord): Promise<void> {
    const conversation = await this.conversation(record.personId, record.conversationId);
    if (conversation && this.#traces.note(conversation, traceOf(record))) {
      await this.save(conversation);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#saveTouched();
    this.#drafts.close();
    if (this.isLasting) this.#write(this.#store.delete(OPEN));
  }

  /*
   * ── conversations
   * ─────────────────────────────────────────────────────────────────────────────────────────────────
   */

  /** A conversation of this person; anybody else's does not exist. */
  async conversation(personId: string, id: string): Promise<Conversation | undefined> {
    const cached = this.#conversations.get(id);
    if (cached?.personId === personId) return cached;
    if (cached) return this.#refuse(personId, cached.personId, id);
    const found: Conversation | undefined = await this.#store.get(
      `conv:${keyPart(personId)}:${keyPart(id)}`,
    );
    if (found) {
      // Somebody else may have read it meanwhile; there must be one object only.
      const meanwhile = this.#conversations.get(id);
      if (meanwhile) return meanwhile;
      remember(this.#conversations, id, found);
      return found;
    }
    const owner: string | undefined = await this.#store.get(`owner:${keyPart(id)}`);
    return owner === undefined || owner === personId
      ? undefined
      : this.#refuse(personId, owner, id);
  }

  #refuse(who: string, whom: string, id: string): undefined {
    this.#observer.tell({
      type: "acted",
      act: { who, did: "reached_for_another", whom, detail: `conversation ${id}` },
    });
  }

  /** Deletes every conversation of a person, and what else was kept of them here. */
  async removePerson(personId: string): Promise<void> {
    for (const conversation of await this.conversations(personId)) await this.remove(conversation);
    this.#defaults.delete(personId);
    this.#counts.delete(personId);
    await this.#store.delete(`default:${keyPart(personId)}`);
    this.#drafts.renew();
  }

  /** The person's conversations: pinned first, then the latest. */
  async conversations(personId: string): Promise<Conversation[]> {
    const found = await this.#store.list(`conv:${keyPart(personId)}:`);
    // The one in memory knows better when it was last spoken in.
    return found.map(([, value]) =>
      this.#conversations.get((value as Conversation).id) ?? value as Conversation
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
    const now = this.#clock.now();
    if (known && (known.count < most || now - known.at < RECOUNT)) return known.count < most;
    const { length: count } = await this.#store.list(`conv:${keyPart(personId)}:`, { limit: most });
    remember(this.#counts, personId, { count, at: now });
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
    const now = this.#clock.now();
    const conversation: Conversation = {
      id: fields.id ?? this.#newId(),
      personId,
      title: fields.title ?? "",
      pinned: false,
      botId: fields.botId,
      createdAt: now,
      updatedAt: now,
      traces: [],
      key: fields.key,
    };
    remember(this.#conversations, conversation.id, conversation);
    this.#counted(personId, 1);
    this.#write(this.#store.set(`owner:${conversation.id}`, personId, WEAK));
    void this.save(conversation);
    return conversation;
  }

  /** Whether it was deleted after it was read. */
  isRemoved(conversation: Conversation): boolean {
    return this.#removed.has(conversation);
  }

  /** `sure`: resolves when it would survive a crash; for what a person was told is done. */
  save(conversation: Conversation, sure = false): Promise<void> {
    if (this.isRemoved(conversation)) return Promise.resolve();
    const key = `conv:${keyPart(conversation.personId)}:${conversation.id}`;
    const written = this.#store.set(key, conversation, { ...WEAK, durable: sure });
    this.#write(written);
    return written;
  }

  /** The traces of a conversation's turns. */
  tracesOf(conversation: Conversation): Promise<readonly Trace[]> {
    return this.#traces.of(conversation);
  }

  async *#storedTraces(id: string): AsyncGenerator<Trace> {
    for (const [, turnId] of await this.#store.list(`turns:${id}:`)) {
      const record = await this.turn(turnId);
      if (record) yield traceOf(record);
    }
  }

  /** The one object that stands for a conversation in memory. */
  #held(conversation: Conversation): Conversation {
    const held = this.#conversations.get(conversation.id);
    if (!held) remember(this.#conversations, conversation.id, conversation);
    return held ?? conversation;
  }

  /** Deletes a conversation and every word of it. */
  async remove(conversation: Conversation): Promise<void> {
    const { id, personId } = conversation;
    // A store gives out copies; the one that others hold is ours.
    this.#removed.add(this.#conversations.get(id) ?? conversation);
    this.#conversations.delete(id);
    this.#counted(personId, -1);
    // Without a wait where that is possible: nothing new may begin in it from here on.
    const defaults = this.#defaults.get(personId) ?? await this.defaults(personId);
    for (const [botId, conversationId] of Object.entries(defaults.bots)) {
      if (conversationId === id) delete defaults.bots[botId];
    }
    for (const [key, turnId] of await this.#store.list(`turns:${id}:`)) {
      await this.#store.delete(`turn:${turnId}`);
      await this.#store.delete(key);
    }
    // After its turns: a crash in between leaves something by which they are found.
    await this.#store.delete(`conv:${keyPart(personId)}:${keyPart(id)}`);
    await this.#store.delete(`owner:${keyPart(id)}`);
    // Sure, and last, so that what was deleted does not come back with a crash.
    await this.#store.set(`default:${keyPart(personId)}`, defaults, { durable: true });
  }

  /**
   * Reads who this person's default bot and default conversations are; afterwards {@linkcode
   * defaultWith} needs no waiting.
   */
  async defaults(personId: string): Promise<DefaultConversations> {
    const cached = this.#defaults.get(personId);
    if (cached) return cached;
    const stored: DefaultConversations | undefined = await this.#store.get(
      `default:${keyPart(personId)}`,
    );
    // Somebody else may have read it meanwhile; there must be one object only.
    const meanwhile = this.#defaults.get(personId);
    if (meanwhile) return meanwhile;
    const defaults = stored ?? { bots: {} };
    remember(this.#defaults, personId, defaults);
    return defaults;
  }

  /**
   * The person's default conversation with a bot, made if there is none. Needs {@linkcode defaults}
   * to have been read. `answers`: this bot answers from now on when the person asks nobody in
   * particular.
   */
  defaultConversation(personId: string, botId: string, answers = true): string {
    const defaults = this.#defaults.get(personId) ?? { bots: {} };
    const known = Object.hasOwn(defaults.bots, botId) ? defaults.bots[botId] : undefined;
    if (known !== undefined && (defaults.last === botId || !answers)) return known;
    const id = known ?? this.create(personId, { botId }).id;
    defaults.bots[botId] = id;
    if (answers) defaults.last = botId;
    remember(this.#defaults, personId, defaults);
    this.#write(this.#store.set(`default:${keyPart(personId)}`, defaults));
    return id;
  }

  /** A conversation that a bot names: only one in which that bot answered. */
  async conversationOfBot(id: string, botId: string): Promise<Conversation | undefined> {
    const personId = this.#conversations.get(id)?.personId ??
      await this.#store.get(`owner:${keyPart(id)}`);
    const conversation = personId === undefined ? undefined : await this.conversation(personId, id);
    return conversation?.botId === botId ? conversation : undefined;
  }

  /*
   * ── turns
   * ─────────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  /** Whether what is kept would survive the end of the process. */
  get isLasting(): boolean {
    return !this.#store.volatile;
  }

  /**
   * Keeps a turn that has its conversation; called when it begins and when it ends. A turn that
   * runs is written down with its first draft: most are over sooner, and those are written once.
   * Resolves when an ending is kept.
   */
  keep(turn: Turn): Promise<void> | undefined {
    if (turn.message.temporary) return undefined;
    if (!turn.ending) {
      turn.order ??= this.#order(turn.at);
      if (this.isLasting) turn.recorder = this;
      this.#drafts.begin(turn, (sure) => [this.#keep(this.record(turn), sure), this.#place(turn)]);
      return undefined;
    }
    const isPlaced = this.#drafts.end(turn.id);
    if (!isPlaced) this.#write(this.#place(turn));
    const kept = this.#write(this.#keep(this.record(turn)));
    const conversation = this.#conversations.get(turn.conversationId);
    if (conversation) this.#touch(conversation, turn);
    else this.#touchLater(turn);
    return kept;
  }

  /**
   * A bot has a turn. That is written down before it says anything, so that after a crash, too, no
   * key reads what it may not.
   */
  given(turn: Turn): void {
    const conversation = this.#conversations.get(turn.conversationId);
    if (conversation && this.#traces.note(conversation, turn.trace)) void this.save(conversation);
  }

  /**
   * Writes a running turn down without waiting for its first draft. Resolves when it would survive
   * the end of the process.
   */
  writeDown(turn: Turn): Promise<void> {
    return this.#drafts.writeDown(turn);
  }

  /** A turn that runs goes on in another conversation. */
  move(turn: Turn, conversationId: string): void {
    const { id, conversationId: from, order } = turn;
    if (conversationId === from) return;
    turn.conversation = { kind: "default", id: conversationId };
    // What is not written down yet will be, there.
    if (!this.#drafts.isBegun(id)) return;
    this.#write(this.#store.delete(`turns:${from}:${order}`));
    this.#write(this.#place(turn));
    this.#write(this.#keep(this.record(turn)));
  }

  /** Writes down where a turn stands in its conversation. */
  #place(
    { id, conversationId, order }: Pick<TurnRecord, "id" | "conversationId" | "order"> | Turn,
  ): Promise<void> {
    return this.#store.set(`turns:${conversationId}:${order}`, id, PLACE);
  }

  /**
   * An ending is on the disk before its reader hears of it, and everything that waited goes with
   * it.
   */
  #keep(record: TurnRecord, sure = record.status !== "running"): Promise<void> {
    const weak = weightOf(record);
    if (record.status === "running") {
      return this.#store.set(`turn:${record.id}`, record, { evictable: weak, durable: sure });
    }
    const find = this.#store.find && { owner: record.personId, text: said(record) };
    return this.#store.set(`turn:${record.id}`, record, { evictable: weak, durable: sure, find });
  }

  /** The same for a conversation that must be read first. */
  #touchLater(turn: Turn): void {
    const { conversationId: id, message } = turn;
    const read = this.conversation(message.person.id, id).then((found) => {
      if (found) this.#touch(found, turn);
    });
    this.#traces.arrives(id, turn.trace, read);
    read.catch((error) => this.#observer.tell({ type: "fault", where: "archive", error }));
  }

  #touch(conversation: Conversation, turn: Turn): void {
    const title = conversation.title || titleOf(turn.message.text);
    const botId = turn.bot?.id ?? conversation.botId;
    const isTraced = this.#traces.note(conversation, turn.trace);
    const isMore = isTraced || title !== conversation.title || botId !== conversation.botId;
    conversation.title = title;
    conversation.botId = botId;
    conversation.updatedAt = this.#clock.now();
    // What ends after the archive was closed, such as a bot's turn whose socket closes last, waits
    // for no timer.
    if (isMore || this.#isClosed) return void this.save(conversation);
    // When it was last spoken in may reach the store a moment later, once for many turns.
    this.#touched.add(conversation);
    this.#stopSaving ??= this.#clock.after(SAVE, () => this.#saveTouched());
  }

  #saveTouched(): void {
    this.#stopSaving?.();
    this.#stopSaving = undefined;
    for (const conversation of this.#touched) void this.save(conversation);
    this.#touched.clear();
  }

  /** The turn as it would be kept now. */
  record(turn: Turn): TurnRecord {
    return {
      id: turn.id,
      conversationId: turn.conversationId,
      personId: turn.message.person.id,
      parentTurnId: turn.message.parentTurnId,
      channel: turn.message.channel,
      at: turn.at,
      order: turn.order ??= this.#order(turn.at),
      text: turn.message.text,
      images: turn.message.images,
      botId: turn.bot?.id,
      botName: turn.bot?.name,
      pool: turn.bot?.pool,
      earlier: turn.earlier,
      key: turn.key,
      status: turn.ending?.status ?? "running",
      code: turn.ending?.code,
      detail: turn.ending?.detail,
      firstAt: turn.firstAt,
      endedAt: turn.endedAt,
      chunks: turn.reply.joined(),
    };
  }

  /** A turn by its id; who may see it is the caller's question (`personId`). */
  async turn(id: string): Promise<TurnRecord | undefined> {
    return await this.#store.get(`turn:${keyPart(id)}`);
  }

  /** Turns of a conversation, the newest page: oldest first within it. `before` is a turn's id. */
  async turns(
    conversationId: string,
    before: string | undefined,
    limit: number,
  ): Promise<{ turns: TurnRecord[]; more: boolean }> {
    const prefix = `turns:${conversationId}:`;
    let after: string | undefined;
    if (before !== undefined) {
      const mark = await this.turn(before);
      if (!mark || mark.conversationId !== conversationId) {
        throw new NexusError("not_found", "no such turn: before");
      }
      after = prefix + mark.order;
    }
    const rows = await this.#store.list(prefix, { reverse: true, after, limit: limit + 1 });
    const records = await Promise.all(rows.slice(0, limit).map(([, id]) => this.turn(id)));
    return {
      turns: records.filter((record) => record !== undefined).reverse(),
      more: rows.length > limit,
    };
  }

  /**
   * Where the words were said, newest first. Every word must be there, in the question or in the
   * answer; case does not count. A store that keeps an index finds words by their beginnings, and
   * any part of a script without spaces; others look at every turn.
   */
  async search(personId: string, words: string, limit = 50): Promise<SearchHit[]> {
    const needles = words.toLowerCase().split(/\s+/).filter(Boolean).slice(0, 10);
    if (needles.length === 0) return [];
    const records = this.#store.find
      ? (await this.#store.find(personId, needles.join(" "), limit)).map(([, record]) =>
        record as TurnRecord
      )
      : await this.#scan(personId, needles, limit);
    const titles = new Map<string, string>();
    for (const { conversationId: id } of records) {
      if (!titles.has(id)) titles.set(id, (await this.conversation(personId, id))?.title ?? "");
    }
    return records.map((record) => {
      const text = said(record);
      return {
        conversationId: record.conversationId,
        turnId: record.id,
        title: titles.get(record.conversationId)!,
        snippet: snippet(text, Math.max(0, text.toLowerCase().indexOf(needles[0]!))),
        at: record.at,
      };
    });
  }

  async #scan(personId: string, needles: readonly string[], limit: number): Promise<TurnRecord[]> {
    const found: TurnRecord[] = [];
    for (const conversation of await this.conversations(personId)) {
      for (
        const [, turnId] of await this.#store.list(`turns:${conversation.id}:`, { reverse: true })
      ) {
        const record = await this.turn(turnId);
        if (!record) continue;
        const text = said(record).toLowerCase();
        if (needles.every((needle) => text.includes(needle))) found.push(record);
      }
    }
    return found.sort((a, b) => b.at - a.at).slice(0, limit);
  }

  /**
   * Deletes what was said before a time (milliseconds since the epoch), and conversations that are
   * empty then; pinned ones stay whole. Returns how many turns went.
   */
  async forget(before: number): Promise<number> {
    const end = before.toString(36).padStart(9, "0");
    let gone = 0, after: string | undefined;
    while (true) {
      const page = await this.#store.list("conv:", { after, limit: 100 });
      for (const [, value] of page) {
        const conversation = value as Conversation;
        if (conversation.pinned || conversation.createdAt >= before) continue;
        const prefix = `turns:${conversation.id}:`;
        const turns = await this.#store.list(prefix);
        const old = turns.filter(([key]) => key.slice(prefix.length) < end);
        if (old.length === turns.length && conversation.updatedAt < before) {
          await this.remove(conversation);
        } else {
          for (const [key, turnId] of old) {
            await this.#store.delete(`turn:${turnId}`);
            await this.#store.delete(key);
          }
        }
        gone += old.length;
      }
      if (page.length < 100) return gone;
      after = page.at(-1)![0];
    }
  }

  /** Text that sorts as the turns began. */
  #order(at: number): string {
    const plain = at.toString(36).padStart(9, "0");
    const last = this.#lastOrder.startsWith(plain)
      ? Number.parseInt(this.#lastOrder.slice(9), 36) + 1
      : 0;
    return this.#lastOrder = plain + last.toString(36).padStart(4, "0");
  }

  #write(written: Promise<void>): Promise<void> {
    return written.catch((error) =>
      this.#observer.tell({ type: "fault", where: "archive", error })
    );
  }
}

/** The answer's text in a record: what was said since the last `replace`. */
export function textOf(record: TurnRecord, kind: Chunk["kind"] = "text"): string {
  let text = "";
  for (const chunk of record.chunks) {
    if (chunk.kind === kind) text += chunk.content;
    else if (chunk.kind === "replace") text = "";
  }
  return text;
}

/** Who answered a turn as it is stored. */
export function traceOf({ botId, pool, earlier = [], key }: TurnRecord): Trace {
  return { bots: botId === undefined ? earlier : [...earlier, { id: botId, pool }], key };
}

/** What was asked and answered, as one text to search in. */
function said(record: TurnRecord): string {
  return `${record.text}\n${textOf(record)}`;
}

/**
 * A kept turn as a {@linkcode Turn} whose reply can be read from any offset. A turn that never saw
 * its end is `incomplete`.
 */
export function restoreTurn(record: TurnRecord): Turn {
  const ending: Ending = record.status === "running"
    ? { status: "incomplete", code: "shutting_down" }
    : { status: record.status, code: record.code, detail: record.detail };
  const person = { id: record.personId, name: record.personId, role: "member" } as const;
  const turn = new Turn(
    record.id,
    { kind: "named", id: record.conversationId },
    {
      person,
      text: record.text,
      images: record.images,
      channel: record.channel,
      conversationId: record.conversationId,
      parentTurnId: record.parentTurnId,
    },
    Reply.restore(record.chunks, ending),
    record.at,
    record.key,
  );
  if (record.botId) {
    turn.bot = { id: record.botId, name: record.botName ?? record.botId, pool: record.pool };
  }
  turn.earlier = record.earlier;
  turn.firstAt = record.firstAt;
  turn.endedAt = record.endedAt;
  turn.order = record.order;
  return turn;
}

/** The first words, at most 60 units, not cut inside a character. */
function titleOf(text: string): string {
  const line = text.trim().split("\n", 1)[0]!.replace(/\s+/g, " ");
  const cut = [...line.slice(0, 120)].slice(0, 60).join("");
  return cut.length < line.length ? `${cut.trimEnd()}…` : cut;
}

function snippet(said: string, at: number): string {
  const from = Math.max(0, at - 40), to = Math.min(said.length, at + 80);
  const middle = said.slice(from, to).toWellFormed().replace(/\s+/g, " ").trim();
  return `${from > 0 ? "…" : ""}${middle}${to < said.length ? "…" : ""}`;
}

/** Puts an entry into a bounded map; the one put in first makes room. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.size >= CACHED) map.delete(map.keys().next().value!);
  map.set(key, value);
}

/** About how many bytes a record holds. */
function weightOf(record: TurnRecord): number {
  let weight = 600 + 2 * record.text.length;
  for (const image of record.images) weight += image.length;
  for (const { content } of record.chunks) weight += 100 + 2 * content.length;
  return weight;
}
