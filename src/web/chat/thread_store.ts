/**
 * The conversations that this page has loaded, the one that is open, and loading their turns from
 * the gateway page by page.
 */
import { batch, computed, signal } from "@preact/signals";
import type { TurnJson } from "../../wire/chat.ts";
import type { GatewayError } from "../gateway_client.ts";
import type { TurnFollower } from "./follower.ts";
import type { PageContext } from "./page_context.ts";
import { Thread } from "./thread.ts";
import { PageTurn } from "./turn.ts";

/** Turns in one request. */
const PAGE_SIZE = 30;

/** Pages that are loaded to find the parents of the newest turns. */
const MAX_PARENT_PAGES = 20;

export class ThreadStore {
  readonly #page: PageContext;
  readonly #follower: TurnFollower;
  readonly #threads = new Map<string, Thread>();
  /** Changes with the map of threads. */
  readonly #version = signal(0);
  readonly #loadingEarlier = new WeakSet<Thread>();
  /** A conversation without a first message. */
  readonly newThread = signal(new Thread());
  /** The conversation that the address names, or the new one. */
  readonly open = computed<Thread>(() => {
    this.#version.value;
    const id = this.#page.route.value.conversation;
    return (id ? this.#threads.get(id) : undefined) ?? this.newThread.value;
  });

  constructor(page: PageContext, follower: TurnFollower) {
    this.#page = page;
    this.#follower = follower;
  }

  get(conversationId: string): Thread | undefined {
    return this.#threads.get(conversationId);
  }

  reset(): void {
    this.newThread.value = new Thread();
    this.#threads.clear();
  }

  /** Whether a person sees the conversation now. */
  isVisible(conversationId: string): boolean {
    return this.open.value.id.value === conversationId && document.visibilityState === "visible";
  }

  /** Loads a conversation, unless it is loaded already. */
  async show(conversationId: string): Promise<void> {
    let thread = this.#threads.get(conversationId);
    if (!thread) {
      thread = new Thread();
      thread.id.value = conversationId;
      this.#add(thread);
    }
    if (thread.state.value === "ready" || thread.state.value === "loading") return;
    await this.load(thread);
  }

  /** Loads a conversation, also again after a failure. */
  async load(thread: Thread): Promise<void> {
    thread.state.value = "loading";
    try {
      const { turns, more } = await this.#fetchTurns(thread.id.value, "");
      batch(() => {
        const local = thread.turns.value.filter((turn) => turn.id.value === "");
        thread.turns.value = [...pageTurns(turns, thread), ...local];
        thread.more.value = more;
        thread.state.value = "ready";
      });
      this.#followRunning(thread);
      await this.#loadParents(thread);
    } catch (error) {
      const isGone = (error as GatewayError).status === 404;
      if (isGone && thread.turns.value.length > 0) thread.state.value = "ready";
      else thread.state.value = isGone ? "gone" : "failed";
    }
  }

  async loadEarlier(thread: Thread): Promise<void> {
    const first = thread.turns.value[0];
    if (!thread.more.value || !first || this.#loadingEarlier.has(thread)) return;
    this.#loadingEarlier.add(thread);
    try {
      const { turns, more } = await this.#fetchTurns(thread.id.value, first.id.value);
      batch(() => {
        const known = new Set(thread.turns.value.map((turn) => turn.id.value));
        const earlier = turns.filter((record) => !known.has(record.id));
        thread.turns.value = [...pageTurns(earlier, thread), ...thread.turns.value];
        thread.more.value = more && turns.length > 0;
      });
    } catch (error) {
      this.#page.toast((error as Error).message);
    } finally {
      this.#loadingEarlier.delete(thread);
    }
  }

  /** Adds the newest turns that this page has missed to every loaded conversation. */
  refreshAll(): void {
    for (const thread of this.#threads.values()) void this.refresh(thread);
  }

  /** Adds the newest turns that this page has missed to a loaded conversation. */
  async refresh(thread: Thread): Promise<void> {
    if (!thread.id.value || thread.state.value !== "ready") return;
    try {
      const { turns } = await this.#fetchTurns(thread.id.value, "");
      batch(() => {
        for (const record of turns) this.#merge(thread, record);
        thread.turns.value = [...thread.turns.value].sort((a, b) => a.at - b.at);
      });
      this.#followRunning(thread);
    } catch {
      // The list of conversations shows whether the gateway is away; the next event tries again.
    }
  }

  #merge(thread: Thread, record: TurnJson): void {
    const known = thread.find(record.id) ??
      (record.idempotencyKey ? thread.findSent(record.idempotencyKey) : undefined);
    if (!known) thread.add(PageTurn.from(record, thread.id.value));
    else if (!this.#follower.isFollowing(known) && !known.ended) known.take(record);
  }

  /** Gives a new conversation its id. */
  setId(thread: Thread, id: string): void {
    const wasOpen = this.open.value === thread;
    batch(() => {
      thread.id.value = id;
      this.#add(thread);
      if (this.newThread.value === thread) this.newThread.value = new Thread();
      if (wasOpen) this.#page.go({ conversation: id }, true);
    });
  }

  /** Forgets a conversation that was deleted. */
  delete(id: string): void {
    const wasOpen = this.open.value.id.value === id;
    this.#threads.delete(id);
    this.#version.value++;
    if (wasOpen) this.#page.go({}, true);
  }

  #add(thread: Thread): void {
    this.#threads.set(thread.id.value, thread);
    this.#version.value++;
  }

  #fetchTurns(id: string, before: string): Promise<{ turns: TurnJson[]; more: boolean }> {
    const query = `limit=${PAGE_SIZE}${before ? `&before=${encodeURIComponent(before)}` : ""}`;
    return this.#page.gateway.get(`/api/conversations/${encodeURIComponent(id)}/turns?${query}`);
  }

  /** Loads the parents of the newest turns: without them a version has no place in the tree. */
  async #loadParents(thread: Thread): Promise<void> {
    const lacksParent = () => {
      const ids = new Set(thread.turns.value.map((turn) => turn.id.value));
      return thread.turns.value.some((turn) => turn.parentId && !ids.has(turn.parentId));
    };
    for (let pages = 0; pages < MAX_PARENT_PAGES && thread.more.value && lacksParent(); pages++) {
      await this.loadEarlier(thread);
    }
  }

  #followRunning(thread: Thread): void {
    for (const turn of thread.turns.value) {
      if (turn.id.value && !turn.ended) void this.#follower.follow(turn);
    }
  }
}

function pageTurns(records: readonly TurnJson[], thread: Thread): PageTurn[] {
  return records.map((record) => PageTurn.from(record, thread.id.value));
}
