/**
 * The chat of the person who is signed in: its bots, conversations, messages and replies, and what
 * the gateway announces outside of a reply.
 */
import { batch, signal } from "@preact/signals";
import type { BotJson, NoticeJson, PushNoticeJson } from "../../wire/chat.ts";
import { sanitizeName } from "../bot_name.ts";
import { ConnectionMonitor } from "./connection_monitor.ts";
import { Conversations } from "./conversations.ts";
import { TurnFollower } from "./follower.ts";
import { type ConnectionState, NewsFeed } from "./news_feed.ts";
import type { PageContext } from "./page_context.ts";
import { MessageSender } from "./sender.ts";
import { ThreadStore } from "./thread_store.ts";
import { PageTurn } from "./turn.ts";
import { UnreadCounts } from "./unread.ts";
import { UnsentMessages } from "./unsent.ts";

/** Something that a person may want to know while the page is in the background. */
export interface ChatNotification {
  readonly title: string;
  readonly text: string;
  readonly conversationId: string;
}

/** Characters of a message that a notification shows. */
const PREVIEW_LENGTH = 200;

export class Chat {
  readonly #page: PageContext;
  readonly #monitor = new ConnectionMonitor();
  readonly #follower: TurnFollower;
  readonly #unsent: UnsentMessages;
  readonly #news: NewsFeed;
  readonly unread: UnreadCounts;
  readonly threads: ThreadStore;
  readonly conversations: Conversations;
  readonly sender: MessageSender;
  /** `undefined` until the gateway has listed them. */
  readonly bots = signal<readonly BotJson[] | undefined>(undefined);
  readonly connection = signal<ConnectionState>("connected");
  /** The id of the person who is signed in. */
  person: string | undefined;
  onNotification: (notification: ChatNotification) => void = () => {};
  #session = new AbortController();

  constructor(page: PageContext) {
    this.#page = page;
    const onEnd = (turn: PageTurn) => this.#onEnd(turn);
    this.unread = new UnreadCounts(page.localSettings);
    this.#unsent = new UnsentMessages(page.localSettings, () => this.person);
    this.#follower = new TurnFollower({
      gateway: page.gateway,
      retrySleeper: page.retrySleeper,
      monitor: this.#monitor,
      isSignedIn: () => this.person !== undefined,
      onEnd,
    });
    this.threads = new ThreadStore(page, this.#follower);
    this.conversations = new Conversations(page, this.threads, this.unread);
    this.sender = new MessageSender({
      page,
      conversations: this.conversations,
      threads: this.threads,
      follower: this.#follower,
      unsent: this.#unsent,
      monitor: this.#monitor,
      findBot: (id) => this.bots.value?.find((bot) => bot.id === id),
      onEnd,
    });
    this.#news = new NewsFeed({
      gateway: page.gateway,
      retrySleeper: page.retrySleeper,
      listener: {
        notice: (notice) => this.#onNotice(notice),
        connection: (state) => this.connection.value = state,
        reconnected: (missedNews) => this.#onReconnected(missedNews),
      },
    });
  }

  /** Starts for a person. `same`: they have signed in again, and everything is still there. */
  start(person: string, same: boolean): void {
    if (!same) this.reset();
    this.#session.abort();
    this.#session = new AbortController();
    this.person = person;
    this.unread.load(person);
    void this.#news.listen(person, this.#session.signal);
    void this.conversations.refresh().then(() => this.sender.restore());
    this.threads.refreshAll();
    this.#page.retrySleeper.wake();
  }

  /** The session has expired, but the person will be back: everything stays as it is. */
  pause(): void {
    this.#session.abort();
  }

  /** Forgets everything of the person. */
  reset(): void {
    this.#session.abort();
    this.person = undefined;
    batch(() => {
      this.bots.value = undefined;
      this.conversations.all.value = [];
      this.threads.reset();
      this.connection.value = "connected";
    });
    this.#follower.reset();
  }

  /** The network or the window is back. `force`: streams that look alive may be dead. */
  reconnect(force: boolean): void {
    if (this.connection.value === "offline") this.connection.value = "reconnecting";
    this.#news.resume(this.#monitor.dropStale(force));
    this.#page.retrySleeper.wake();
  }

  markOffline(): void {
    this.connection.value = "offline";
  }

  /** Shows a conversation: loads it and marks it as read. */
  async show(conversationId: string): Promise<void> {
    this.unread.markRead(conversationId);
    await this.threads.show(conversationId);
  }

  #onReconnected(missedNews: boolean): void {
    this.#monitor.touch();
    if (!missedNews) return;
    void this.conversations.refresh();
    this.threads.refreshAll();
    this.#page.retrySleeper.wake();
  }

  #onNotice(notice: NoticeJson): void {
    this.#monitor.touch();
    switch (notice.type) {
      case "bots":
        this.#announceFirstBot(notice.bots);
        this.bots.value = notice.bots;
        return;
      case "turn":
        return this.#onTurnBegun(notice);
      case "turn_end":
        return this.#onTurnEnded(notice);
      case "push":
        return this.#onPush(notice);
      case "conversation":
        if (notice.change === "deleted") this.conversations.forget(notice.conversationId);
        void this.conversations.refresh();
    }
  }

  #onTurnBegun(notice: Extract<NoticeJson, { type: "turn" }>): void {
    const { conversationId, turnId, idempotencyKey } = notice;
    this.conversations.markRunning(conversationId, turnId);
    const thread = this.threads.get(conversationId);
    // The notice of our own message may come before its stream names the turn.
    const isKnown = thread?.find(turnId) ?? (idempotencyKey && thread?.findSent(idempotencyKey));
    if (thread && !isKnown) void this.threads.refresh(thread);
    if (!this.conversations.get(conversationId)) void this.conversations.refresh();
  }

  #onTurnEnded(notice: Extract<NoticeJson, { type: "turn_end" }>): void {
    const { conversationId, turnId, status } = notice;
    this.conversations.markRunning(conversationId, undefined);
    void this.conversations.refresh();
    const thread = this.threads.get(conversationId);
    const turn = thread?.find(turnId);
    if (turn && !this.#follower.isFollowing(turn)) void this.threads.refresh(thread!);
    if (this.threads.isVisible(conversationId)) return;
    this.unread.increment(conversationId);
    if (status === "done") this.#notifyAnswered(conversationId, turn);
  }

  #onPush(notice: PushNoticeJson): void {
    const { conversationId, turnId, content } = notice;
    const thread = this.threads.get(conversationId);
    if (thread?.find(turnId)) return;
    if (thread?.state.value === "ready") thread.add(PageTurn.fromPush(notice));
    if (!this.threads.isVisible(conversationId)) this.unread.increment(conversationId);
    const title = sanitizeName(notice.botName);
    this.onNotification({ title, text: content.slice(0, PREVIEW_LENGTH), conversationId });
    this.#page.announce(this.#page.words.value.said(title));
    void this.conversations.refresh();
  }

  /** Greets the first bot that is not the built-in demo. */
  #announceFirstBot(bots: readonly BotJson[]): void {
    const before = this.bots.value;
    if (!before || before.some(({ id }) => id !== "demo")) return;
    const arrived = bots.find(({ id }) => id !== "demo");
    if (arrived) this.#page.toast(this.#page.words.value.connected(sanitizeName(arrived.name)));
  }

  #notifyAnswered(conversationId: string, turn: PageTurn | undefined): void {
    const words = this.#page.words.value;
    const text = turn?.text.slice(0, PREVIEW_LENGTH) ||
      (this.conversations.get(conversationId)?.title ?? "");
    this.onNotification({ title: answerDone(words, turn), text, conversationId });
  }

  #onEnd(turn: PageTurn): void {
    if (turn.state.value === "done") {
      this.#page.announce(answerDone(this.#page.words.value, turn));
    }
    this.#unsent.running = undefined;
  }
}

function answerDone(words: PageContext["words"]["value"], turn: PageTurn | undefined): string {
  return words.answerDone(sanitizeName(turn?.botName.value || words.bot));
}
