/**
 * This is what is said and answered: bots, conversations, sending, following replies over every
 * kind of interruption, and what the gateway tells by itself.
 *
 * A reply is followed from an offset. When the line breaks the same reply is asked for from where
 * it stopped, until it has ended; a message that could not be sent waits with its idempotency key
 * and is sent again, so that it is asked once.
 */
import { batch, computed, type ReadonlySignal, signal } from "@preact/signals";
import { type BotCard, sanitizeName } from "../bot_name.ts";
import { type GatewayClient, GatewayError } from "../gateway_client.ts";
import type { LocalSettings } from "../local_settings.ts";
import { type ConnectionState, NewsFeed, type Notice } from "./news_feed.ts";
import { Thread } from "./thread.ts";
import { newId, PageTurn, type TurnEvent, type TurnRecord } from "./turn.ts";
import { retryDelay, type RetrySleeper } from "../retry_sleeper.ts";
import type { Words } from "../words/words.ts";

/** Where in the page: a conversation, a new one, or an admin page. */
export interface Route {
  readonly conversation?: string;
  readonly admin?: string;
  /** A turn to scroll to, from a search. */
  readonly turn?: string;
}

/** What a chat needs of the page around it. */
export interface PageContext {
  readonly gateway: GatewayClient;
  readonly retrySleeper: RetrySleeper;
  readonly localSettings: LocalSettings;
  readonly words: ReadonlySignal<Words>;
  readonly route: ReadonlySignal<Route>;
  go(place: Route, replace?: boolean): void;
  toast(text: string, action?: { label: string; run: () => void }, ms?: number): () => void;
  announce(text: string): void;
}

export interface ConversationCard {
  readonly id: string;
  readonly title: string;
  readonly pinned?: boolean;
  readonly botId?: string;
  readonly updatedAt: number;
  readonly createdAt?: number;
  /** The turn that is being answered now. */
  readonly running?: string;
}

/** What a person sends. */
export interface OutgoingMessage {
  readonly text: string;
  readonly images: readonly string[];
  /** A bot id or a pool. */
  readonly target?: string;
  /** Another version of this turn, instead of a turn that follows. */
  readonly versionOf?: PageTurn;
}

/** A message that waits for the connection, as it is kept over a reload. */
interface UnsentMessage {
  readonly key: string;
  readonly conversationId: string;
  readonly text: string;
  readonly images: readonly string[];
  readonly target?: string;
  readonly parentId?: string;
  readonly at: number;
}

/** Turns asked for at once. */
const PAGE_SIZE = 30;

export class Chat {
  readonly #page: PageContext;
  readonly #news: NewsFeed;
  person: string | undefined;
  readonly bots = signal<readonly BotCard[] | undefined>(undefined);
  readonly conversations = signal<readonly ConversationCard[]>([]);
  /** Whether the gateway keeps conversations at all; until it answered nobody knows. */
  readonly hasHistory = signal<boolean | undefined>(undefined);
  readonly connection = signal<ConnectionState>("good");
  /** Conversation → what came while it was not looked at. */
  readonly unread = signal<Readonly<Record<string, number>>>({});
  /** Conversations that were deleted and can still be brought back. */
  readonly #removing = signal<ReadonlySet<string>>(new Set());
  /** What is listed. */
  readonly visibleConversations = computed(() =>
    this.conversations.value.filter((card) => !this.#removing.value.has(card.id))
  );
  /** A conversation that has no first message yet. */
  readonly newThread = signal(new Thread());
  readonly #threads = new Map<string, Thread>();
  /** Bumped when a thread joins the map. */
  readonly #known = signal(0);
  /** What is open. */
  readonly openThread = computed<Thread>(() => {
    this.#known.value;
    const id = this.#page.route.value.conversation;
    return (id ? this.#threads.get(id) : undefined) ?? this.newThread.value;
  });
  /** Turns that somebody in this page is reading right now. */
  readonly #followed = new Set<PageTurn>();
  readonly #asks = new WeakMap<PageTurn, Omit<UnsentMessage, "at" | "conversationId">>();
  #session = new AbortController();
  #lines = new AbortController();
  #heard = 0;
  /** Told about what a person may want to know while the page is in the background. */
  onNotification: (news: { title: string; text: string; conversationId: string }) => void =
    () => {};

  constructor(page: PageContext) {
    this.#page = page;
    this.#news = new NewsFeed({
      gateway: page.gateway,
      retrySleeper: page.retrySleeper,
      listener: {
        notice: (notice) => this.#notice(notice),
        connection: (line) => this.connection.value = line,
        reconnected: (again) => this.#back(again),
      },
    });
  }

  /*
   * ── beginning and end
   * ─────────────────────────────────────────────────────────────────────────────────────────────
   */

  start(person: string, same: boolean): void {
    if (!same) this.reset();
    this.#session.abort();
    this.#session = new AbortController();
    this.person = person;
    this.unread.value = this.#page.localSettings.read(`unread.${person}`, {});
    void this.#news.listen(person, this.#session.signal);
    void this.refreshConversations().then(() => this.#restoreUnsent());
    // After signing in again: what was cut off goes on.
    for (const thread of this.#threads.values()) void this.#refreshTail(thread);
    this.#page.retrySleeper.wake();
  }

  /** The session is over, but the person will be back: everything stays as it is. */
  pause(): void {
    this.#session.abort();
  }

  reset(): void {
    this.#session.abort();
    this.person = undefined;
    batch(() => {
      this.bots.value = undefined;
      this.conversations.value = [];
      this.newThread.value = new Thread();
      this.connection.value = "good";
    });
    this.#threads.clear();
    this.#followed.clear();
  }

  /** The network or the window is back. `hard`: lines that look alive may be dead. */
  reconnect(hard: boolean): void {
    if (this.connection.value === "away") this.connection.value = "shaky";
    const doubtful = hard || Date.now() - this.#heard > 30_000;
    if (doubtful) {
      this.#lines.abort();
      this.#lines = new AbortController();
    }
    this.#news.resume(doubtful);
    this.#page.retrySleeper.wake();
  }

  markOffline(): void {
    this.connection.value = "away";
  }

  /*
   * ── what the gateway tells by itself
   * ──────────────────────────────────────────────────────────────────────────────
   */

  #back(again: boolean): void {
    this.#heard = Date.now();
    if (!again) return;
    // What happened in between was not told.
    void this.refreshConversations();
    for (const thread of this.#threads.values()) void this.#refreshTail(thread);
    this.#page.retrySleeper.wake();
  }

  #notice(notice: Notice): void {
    this.#heard = Date.now();
    switch (notice.type) {
      case "bots":
        this.#tellArrivals(notice.bots);
        this.bots.value = notice.bots;
        return;
      case "turn": {
        this.#markRunning(notice.conversationId, notice.turnId);
        const thread = this.#threads.get(notice.conversationId);
        // Our own turn is told here too, sometimes before its own stream has told its id.
        if (thread && !this.#isOurs(thread, notice.turnId)) {
          setTimeout(
            () => this.#isOurs(thread, notice.turnId) || void this.#refreshTail(thread),
            400,
          );
        }
        if (!this.conversations.value.some((card) => card.id === notice.conversationId)) {
          void this.refreshConversations();
        }
        return;
      }
      case "turn_end": {
        this.#markRunning(notice.conversationId, undefined);
        void this.refreshConversations();
        const thread = this.#threads.get(notice.conversationId);
        const turn = thread?.find(notice.turnId);
        if (turn && !this.#followed.has(turn)) void this.#refreshTail(thread!);
        if (!this.#isLookedAt(notice.conversationId)) {
          this.#countUnread(notice.conversationId);
          if (notice.status === "done") this.#tellAnswered(notice.conversationId, turn);
        }
        return;
      }
      case "push":
        this.#takePush(notice);
        return;
      case "conversation":
        if (notice.change === "deleted") this.#drop(notice.conversationId);
        void this.refreshConversations();
    }
  }

  #isOurs(thread: Thread, turnId: string): boolean {
    return thread.find(turnId) !== undefined;
  }

  #tellArrivals(bots: readonly BotCard[]): void {
    const before = this.bots.value;
    if (!before || before.some((bot) => bot.id !== "demo")) return;
    const arrived = bots.find((bot) => bot.id !== "demo");
    if (arrived) this.#page.toast(this.#page.words.value.connected(sanitizeName(arrived.name)));
  }

  #takePush(notice: Extract<Notice, { type: "push" }>): void {
    const thread = this.#threads.get(notice.conversationId);
    if (thread?.find(notice.turnId)) return;
    if (thread && thread.state.value === "ready") {
      const turn = new PageTurn(
        notice.conversationId,
        { text: "", images: [] },
        Date.now(),
        undefined,
        {
          pushed: true,
        },
      );
      turn.id.value = notice.turnId;
      turn.botId.value = notice.botId;
      turn.botName.value = notice.botName;
      turn.text = notice.content;
      turn.images = [...notice.images ?? []];
      turn.end("done");
      thread.add(turn);
    }
    if (!this.#isLookedAt(notice.conversationId)) this.#countUnread(notice.conversationId);
    const name = sanitizeName(notice.botName);
    this.onNotification({
      title: name,
      text: notice.content.slice(0, 200),
      conversationId: notice.conversationId,
    });
    this.#page.announce(this.#page.words.value.said(name));
    void this.refreshConversations();
  }

  #tellAnswered(conversationId: string, turn: PageTurn | undefined): void {
    const words = this.#page.words.value;
    const name = sanitizeName(turn?.botName.value || words.bot);
    const title = this.conversations.value.find((card) => card.id === conversationId)?.title ?? "";
    this.onNotification({
      title: words.answerDone(name),
      text: turn?.text.slice(0, 200) || title,
      conversationId,
    });
  }

  #isLookedAt(conversationId: string): boolean {
    return this.openThread.value.id.value === conversationId &&
      document.visibilityState === "visible";
  }

  #countUnread(conversationId: string): void {
    const unread = this.unread.value;
    this.#setUnread({ ...unread, [conversationId]: (unread[conversationId] ?? 0) + 1 });
  }

  /** A person looks at the conversation now. */
  markRead(conversationId: string): void {
    if (!this.unread.value[conversationId]) return;
    const { [conversationId]: _, ...rest } = this.unread.value;
    this.#setUnread(rest);
  }

  #setUnread(unread: Readonly<Record<string, number>>): void {
    this.unread.value = unread;
    this.#page.localSettings.write(`unread.${this.person}`, unread);
  }

  #markRunning(conversationId: string, turnId: string | undefined): void {
    this.conversations.value = this.conversations.value.map((card) =>
      card.id === conversationId ? { ...card, running: turnId } : card
    );
  }

  /*
   * ── conversations
   * ─────────────────────────────────────────────────────────────────────────────────────────────────
   */

  #refreshing: Promise<void> | undefined;
  #refreshAgain = false;

  /** Asks for the list. Calls that come while one is on its way share the next one. */
  refreshConversations(): Promise<void> {
    if (this.hasHistory.value === false) return Promise.resolve();
    if (this.#refreshing) {
      this.#refreshAgain = true;
      return this.#refreshing;
    }
    this.#refreshing = this.#loadConversations().finally(() => {
      this.#refreshing = undefined;
      if (!this.#refreshAgain) return;
      this.#refreshAgain = false;
      void this.refreshConversations();
    });
    return this.#refreshing;
  }

  async #loadConversations(): Promise<void> {
    try {
      const { conversations } = await this.#page.gateway.get<{ conversations: ConversationCard[] }>(
        "/api/conversations",
      );
      this.conversations.value = conversations;
      this.hasHistory.value = true;
    } catch (error) {
      if ((error as GatewayError).status === 404) this.hasHistory.value = false;
    }
  }

  /** Loads what the address names, if it is not there yet. */
  async show(conversationId: string): Promise<void> {
    let thread = this.#threads.get(conversationId);
    if (!thread) {
      thread = new Thread();
      thread.id.value = conversationId;
      this.#know(thread);
    }
    this.markRead(conversationId);
    if (thread.state.value === "ready" || thread.state.value === "loading") return;
    await this.#load(thread);
  }

  async #load(thread: Thread): Promise<void> {
    thread.state.value = "loading";
    try {
      const { turns, more } = await this.#turnsOf(thread.id.value, "");
      batch(() => {
        const local = thread.turns.value.filter((turn) => turn.id.value === "");
        thread.turns.value = [
          ...turns.map((record) => PageTurn.from(record, thread.id.value)),
          ...local,
        ];
        thread.more.value = more;
        thread.state.value = "ready";
      });
      this.#followRunning(thread);
      await this.#completeVersions(thread);
    } catch (error) {
      const gone = (error as GatewayError).status === 404;
      if (gone && thread.turns.value.length > 0) thread.state.value = "ready";
      else thread.state.value = gone ? "gone" : "failed";
    }
  }

  /** Asks again for a conversation that could not be loaded. */
  reload(thread: Thread): Promise<void> {
    return this.#load(thread);
  }

  #turnsOf(id: string, before: string): Promise<{ turns: TurnRecord[]; more: boolean }> {
    const query = `limit=${PAGE_SIZE}${before ? `&before=${encodeURIComponent(before)}` : ""}`;
    return this.#page.gateway.get(`/api/conversations/${encodeURIComponent(id)}/turns?${query}`);
  }

  readonly #loadingEarlier = new WeakSet<Thread>();

  async loadEarlier(thread: Thread): Promise<void> {
    const first = thread.turns.value[0];
    if (!thread.more.value || !first || this.#loadingEarlier.has(thread)) return;
    this.#loadingEarlier.add(thread);
    try {
      const { turns, more } = await this.#turnsOf(thread.id.value, first.id.value);
      batch(() => {
        const known = new Set(thread.turns.value.map((turn) => turn.id.value));
        const earlier = turns.filter((record) => !known.has(record.id));
        thread.turns.value = [
          ...earlier.map((record) => PageTurn.from(record, thread.id.value)),
          ...thread.turns.value,
        ];
        thread.more.value = more && turns.length > 0;
      });
    } catch (error) {
      this.#page.toast((error as Error).message);
    } finally {
      this.#loadingEarlier.delete(thread);
    }
  }

  /** A version whose parent stands further up needs that parent to be placed. */
  async #completeVersions(thread: Thread): Promise<void> {
    const lacks = () => {
      const ids = new Set(thread.turns.value.map((turn) => turn.id.value));
      return thread.turns.value.some((turn) => turn.parentId && !ids.has(turn.parentId));
    };
    for (let pages = 0; pages < 20 && thread.more.value && lacks(); pages++) {
      await this.loadEarlier(thread);
    }
  }

  /** What happened in a loaded conversation while nobody told us. */
  async #refreshTail(thread: Thread): Promise<void> {
    if (!thread.id.value || thread.state.value !== "ready") return;
    try {
      const { turns } = await this.#turnsOf(thread.id.value, "");
      batch(() => {
        for (const record of turns) {
          const known = thread.find(record.id);
          if (!known) thread.add(PageTurn.from(record, thread.id.value));
          else if (!this.#followed.has(known) && !known.ended) known.take(record);
        }
        thread.turns.value = [...thread.turns.value].sort((a, b) => a.at - b.at);
      });
      this.#followRunning(thread);
    } catch (error) {
      if ((error as GatewayError).status === 404) this.hasHistory.value ??= false;
    }
  }

  #followRunning(thread: Thread): void {
    for (const turn of thread.turns.value) {
      if (turn.id.value && !turn.ended && !this.#followed.has(turn)) void this.#follow(turn);
    }
  }

  #know(thread: Thread): void {
    this.#threads.set(thread.id.value, thread);
    this.#known.value++;
  }

  async rename(id: string, title: string): Promise<void> {
    await this.#change(id, { title }, { title });
  }

  async pin(id: string, pinned: boolean): Promise<void> {
    await this.#change(id, { pinned }, { pinned });
  }

  async #change(id: string, body: unknown, shown: Partial<ConversationCard>): Promise<void> {
    const before = this.conversations.value;
    this.conversations.value = before.map((card) => card.id === id ? { ...card, ...shown } : card);
    try {
      await this.#page.gateway.patch(`/api/conversations/${encodeURIComponent(id)}`, body);
    } catch (error) {
      this.conversations.value = before;
      this.#page.toast((error as Error).message);
    }
    void this.refreshConversations();
  }

  /** Takes it from the list at once, and from the gateway when the time to undo is over. */
  remove(card: ConversationCard): void {
    const words = this.#page.words.value;
    const wasOpen = this.openThread.value.id.value === card.id;
    this.#removing.value = new Set([...this.#removing.value, card.id]);
    if (wasOpen) this.#page.go({});
    const restore = () => {
      const rest = new Set(this.#removing.value);
      rest.delete(card.id);
      this.#removing.value = rest;
    };
    const send = async () => {
      removeEventListener("pagehide", now);
      clearTimeout(timer);
      try {
        await this.#page.gateway.delete(`/api/conversations/${encodeURIComponent(card.id)}`);
        this.#drop(card.id);
        this.conversations.value = this.conversations.value.filter((other) => other.id !== card.id);
      } catch (error) {
        if ((error as GatewayError).status !== 404) this.#page.toast((error as Error).message);
      }
      restore();
    };
    const now = () => void send();
    const timer = setTimeout(send, UNDO_MS);
    // Leaving the page is not a way of keeping it.
    addEventListener("pagehide", now, { once: true });
    const hide = this.#page.toast(words.removed(card.title || words.untitled), {
      label: words.undo,
      run: () => {
        clearTimeout(timer);
        removeEventListener("pagehide", now);
        restore();
        hide();
        if (wasOpen) this.#page.go({ conversation: card.id });
      },
    }, UNDO_MS);
  }

  #drop(id: string): void {
    const wasOpen = this.openThread.value.id.value === id;
    this.#threads.delete(id);
    this.#known.value++;
    this.markRead(id);
    if (wasOpen) this.#page.go({}, true);
  }

  /*
   * ── sending
   * ───────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  send(thread: Thread, ask: OutgoingMessage): PageTurn {
    const parentId = ask.versionOf
      ? thread.parentForVersion(ask.versionOf)
      : thread.parentForNext();
    const unsent = {
      key: newId(),
      text: ask.text,
      images: ask.images,
      target: ask.target,
      parentId,
    };
    const turn = this.#begin(thread, unsent, Date.now());
    this.#keepUnsent(turn, thread);
    return turn;
  }

  #begin(
    thread: Thread,
    unsent: Omit<UnsentMessage, "at" | "conversationId">,
    at: number,
  ): PageTurn {
    const { key, text, images, parentId, target } = unsent;
    const turn = new PageTurn(thread.id.value, { text, images }, at, parentId, { key });
    const bot = this.bots.value?.find((bot) => bot.id === target);
    if (bot) turn.botName.value = bot.name;
    this.#asks.set(turn, unsent);
    thread.add(turn);
    if (thread.state.value === "new") thread.state.value = "ready";
    void this.#run(thread, turn);
    return turn;
  }

  /** A message that failed is sent as a new try, in its own place. */
  retry(thread: Thread, turn: PageTurn): void {
    const ask = this.#asks.get(turn);
    if (turn.id.value) {
      this.send(thread, {
        text: turn.question.text,
        images: turn.question.images,
        versionOf: turn,
      });
      return;
    }
    thread.remove(turn);
    const again = {
      ...ask,
      key: newId(),
      text: turn.question.text,
      images: turn.question.images,
      parentId: turn.parentId,
    };
    const next = this.#begin(thread, again, Date.now());
    this.#keepUnsent(next, thread);
  }

  async #run(thread: Thread, turn: PageTurn): Promise<void> {
    const ask = this.#asks.get(turn)!;
    this.#followed.add(turn);
    try {
      for (let tries = 0; !turn.ended; tries++) {
        try {
          await this.#conversationFor(thread, ask);
          await this.#ask(thread, turn, ask);
          return;
        } catch (error) {
          if (turn.ended) return;
          const failure = error as GatewayError;
          if (!(error instanceof GatewayError)) throw error;
          if (turn.id.value) break;
          if (failure.code !== "offline" && failure.status !== 401) {
            turn.errorText.value = failure.code === "broken" ? undefined : failure.message;
            turn.retryAfter.value = failure.retryAfter;
            turn.end("failed", failure.code);
            return;
          }
          turn.state.value = "offline";
          await this.#page.retrySleeper.sleep(
            failure.status === 401 ? 3_600_000 : retryDelay(tries),
          );
          if (!turn.ended) turn.state.value = "sending";
        }
      }
    } finally {
      this.#followed.delete(turn);
      this.#forgetUnsent(turn);
    }
    if (!turn.ended) await this.#follow(turn, true);
  }

  /** A first message makes its conversation. */
  async #conversationFor(thread: Thread, ask: { target?: string; text: string }): Promise<void> {
    if (thread.id.value || this.hasHistory.value === false) return;
    try {
      const made = await this.#page.gateway.post<ConversationCard>("/api/conversations", {
        botId: ask.target,
      });
      this.#nameThread(thread, made.id);
      this.hasHistory.value = true;
      void this.refreshConversations();
    } catch (error) {
      if ((error as GatewayError).status !== 404) throw error;
      this.hasHistory.value = false;
    }
  }

  #nameThread(thread: Thread, id: string): void {
    const wasOpen = this.openThread.value === thread;
    batch(() => {
      thread.id.value = id;
      this.#know(thread);
      if (this.newThread.value === thread) this.newThread.value = new Thread();
      if (wasOpen) this.#page.go({ conversation: id }, true);
    });
  }

  async #ask(
    thread: Thread,
    turn: PageTurn,
    ask: Omit<UnsentMessage, "at" | "conversationId">,
  ): Promise<void> {
    const events = this.#page.gateway.stream("/api/chat/stream", {
      method: "POST",
      headers: { "idempotency-key": turn.key },
      signal: this.#lines.signal,
      body: {
        message: ask.text,
        target: ask.target,
        images: ask.images.length > 0 ? ask.images : undefined,
        conversationId: thread.id.value || undefined,
        parentTurnId: ask.parentId,
      },
    });
    for await (const event of events) {
      this.#heard = Date.now();
      const said = JSON.parse(event.data) as TurnEvent;
      if (said.type === "start") this.#takeStart(thread, turn, said);
      if (turn.apply(said, event.id)) return this.#tellEnd(turn);
    }
    throw new GatewayError("offline", "the stream broke", 0);
  }

  #takeStart(thread: Thread, turn: PageTurn, start: Extract<TurnEvent, { type: "start" }>): void {
    if (!turn.id.value) {
      this.#forgetUnsent(turn);
      this.#page.localSettings.write(`running.${this.person}`, {
        turnId: start.turnId,
        text: turn.question.text,
        at: turn.at,
      });
    }
    if (!thread.id.value && start.conversationId) this.#nameThread(thread, start.conversationId);
    this.#markRunning(thread.id.value, start.turnId);
  }

  #tellEnd(turn: PageTurn): void {
    const words = this.#page.words.value;
    if (turn.state.value === "done") {
      this.#page.announce(words.answerDone(sanitizeName(turn.botName.value || words.bot)));
    }
    this.#page.localSettings.set(`running.${this.person}`, undefined);
  }

  /** Reads a turn from where we are until it has ended, over every break of the line. */
  async #follow(turn: PageTurn, broken = false): Promise<void> {
    if (this.#followed.has(turn)) return;
    this.#followed.add(turn);
    let cut = broken;
    try {
      for (let tries = 0; !turn.ended && this.person !== undefined; tries++) {
        if (cut) turn.resuming.value = true;
        if (tries > 0 || broken) {
          await this.#page.retrySleeper.sleep(tries === 0 ? 150 : retryDelay(tries - 1));
        }
        try {
          const path = `/api/turns/${
            encodeURIComponent(turn.id.value)
          }/stream?after=${turn.offset}`;
          const opened = () => {
            turn.resuming.value = false;
            if (cut) turn.resumed.value = true;
          };
          for await (
            const event of this.#page.gateway.stream(path, { signal: this.#lines.signal, opened })
          ) {
            tries = 0;
            this.#heard = Date.now();
            if (turn.apply(JSON.parse(event.data) as TurnEvent, event.id)) {
              return this.#tellEnd(turn);
            }
          }
        } catch (error) {
          const failure = error as GatewayError;
          if (!(error instanceof GatewayError)) throw error;
          if (failure.status === 401) return;
          if (failure.status === 404) return turn.end(turn.text ? "incomplete" : "failed", "lost");
        }
        cut = true;
      }
    } finally {
      turn.resuming.value = false;
      this.#followed.delete(turn);
    }
  }

  async stop(turn: PageTurn): Promise<void> {
    if (turn.ended || turn.stopping.value) return;
    if (!turn.id.value) {
      // Nobody heard of it yet.
      if (turn.state.value === "offline") turn.end("cancelled");
      return;
    }
    turn.stopping.value = true;
    try {
      const said = await this.#page.gateway.post<{ status: string; confirmed: boolean }>(
        `/api/turns/${encodeURIComponent(turn.id.value)}/cancel`,
      );
      turn.stopped.value = said.confirmed;
      this.#page.announce(
        said.confirmed
          ? this.#page.words.value.cancelledConfirmed
          : this.#page.words.value.cancelledSilent,
      );
    } catch (error) {
      this.#page.toast((error as Error).message);
    } finally {
      turn.stopping.value = false;
    }
  }

  /*
   * ── what waits for the connection
   * ─────────────────────────────────────────────────────────────────────────────────
   */

  #keepUnsent(turn: PageTurn, thread: Thread): void {
    const unsent: UnsentMessage = {
      ...this.#asks.get(turn)!,
      conversationId: thread.id.value,
      at: turn.at,
    };
    const all = [...this.#unsent(), unsent];
    // Images may be more than the browser keeps; the words are kept then.
    if (!this.#page.localSettings.write(`unsent.${this.person}`, all)) {
      this.#page.localSettings.write(
        `unsent.${this.person}`,
        all.map((each) => ({ ...each, images: [] })),
      );
    }
  }

  #forgetUnsent(turn: PageTurn): void {
    const rest = this.#unsent().filter((each) => each.key !== turn.key);
    this.#page.localSettings.set(
      `unsent.${this.person}`,
      rest.length > 0 ? JSON.stringify(rest) : undefined,
    );
  }

  #unsent(): UnsentMessage[] {
    return this.#page.localSettings.read<UnsentMessage[]>(`unsent.${this.person}`, []);
  }

  /**
   * What was not sent before the reload is sent now; the same key makes sure that it is asked once.
   */
  async #restoreUnsent(): Promise<void> {
    for (const unsent of this.#unsent()) {
      if (Date.now() - unsent.at > UNSENT_TTL_MS) {
        this.#page.localSettings.set(`unsent.${this.person}`, undefined);
        continue;
      }
      let thread = this.newThread.value;
      if (unsent.conversationId) {
        await this.show(unsent.conversationId);
        thread = this.#threads.get(unsent.conversationId) ?? thread;
      }
      if (thread.turns.value.some((turn) => turn.key === unsent.key)) continue;
      // Its turn may have begun in the moment of the reload; then it is there already.
      const asked = thread.turns.value.some((turn) =>
        turn.question.text === unsent.text && turn.at >= unsent.at - 5000
      );
      if (!asked) this.#begin(thread, unsent, unsent.at);
      else this.#page.localSettings.set(`unsent.${this.person}`, undefined);
    }
    await this.#resumeRemembered();
  }

  /**
   * A gateway that keeps no conversations still resumes a turn: the last one is remembered here.
   */
  async #resumeRemembered(): Promise<void> {
    if (this.hasHistory.value !== false) return;
    const kept = this.#page.localSettings.read<
      { turnId: string; text: string; at: number } | undefined
    >(
      `running.${this.person}`,
      undefined,
    );
    if (!kept?.turnId || this.newThread.value.turns.value.length > 0) return;
    const thread = this.openThread.value;
    const turn = new PageTurn(thread.id.value, { text: kept.text, images: [] }, kept.at, undefined);
    turn.id.value = kept.turnId;
    turn.state.value = "waiting";
    thread.add(turn);
    thread.state.value = "ready";
    await this.#follow(turn);
  }
}

/** How long a deletion can be undone. */
const UNDO_MS = 8000;

/** Past a day an unsent message would surprise rather than help. */
const UNSENT_TTL_MS = 24 * 3600 * 1000;
