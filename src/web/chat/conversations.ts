/** The list of conversations: loading it, renaming, pinning, and deleting with a time to undo. */
import { computed, signal } from "@preact/signals";
import type { ConversationJson } from "../../wire/chat.ts";
import type { GatewayError } from "../gateway_client.ts";
import type { PageContext } from "./page_context.ts";
import type { ThreadStore } from "./thread_store.ts";
import type { UnreadCounts } from "./unread.ts";

/** How long a deletion can be undone. */
const UNDO_MS = 8000;

export class Conversations {
  readonly #page: PageContext;
  readonly #threads: ThreadStore;
  readonly #unread: UnreadCounts;
  /** All conversations of the gateway's last answer. */
  readonly all = signal<readonly ConversationJson[]>([]);
  /** Whether the gateway stores conversations; `undefined` until it has answered. */
  readonly hasHistory = signal<boolean | undefined>(undefined);
  /** Conversations that are deleted unless a person undoes it. */
  readonly #deleting = signal<ReadonlySet<string>>(new Set());
  /** The conversations to list. */
  readonly visible = computed(() =>
    this.all.value.filter(({ id }) => !this.#deleting.value.has(id))
  );
  #loading: Promise<void> | undefined;
  #loadAgain = false;

  constructor(page: PageContext, threads: ThreadStore, unread: UnreadCounts) {
    this.#page = page;
    this.#threads = threads;
    this.#unread = unread;
  }

  get(id: string): ConversationJson | undefined {
    return this.all.value.find((one) => one.id === id);
  }

  /** Loads the list. Calls during a request share the request after it. */
  refresh(): Promise<void> {
    if (this.hasHistory.value === false) return Promise.resolve();
    if (this.#loading) {
      this.#loadAgain = true;
      return this.#loading;
    }
    this.#loading = this.#load().finally(() => {
      this.#loading = undefined;
      if (!this.#loadAgain) return;
      this.#loadAgain = false;
      void this.refresh();
    });
    return this.#loading;
  }

  async #load(): Promise<void> {
    try {
      const { conversations } = await this.#page.gateway.get<{ conversations: ConversationJson[] }>(
        "/api/conversations",
      );
      this.all.value = conversations;
      this.hasHistory.value = true;
    } catch (error) {
      if ((error as GatewayError).status === 404) this.hasHistory.value = false;
    }
  }

  /** Creates a conversation. Returns `undefined` where the gateway stores none. */
  async create(botId: string | undefined): Promise<string | undefined> {
    try {
      const { id } = await this.#page.gateway.post<ConversationJson>("/api/conversations", {
        botId,
      });
      this.hasHistory.value = true;
      void this.refresh();
      return id;
    } catch (error) {
      if ((error as GatewayError).status !== 404) throw error;
      this.hasHistory.value = false;
      return undefined;
    }
  }

  /** Notes which turn is being answered in a conversation; `undefined`: none. */
  markRunning(id: string, turnId: string | undefined): void {
    this.all.value = this.all.value.map((one) => one.id === id ? { ...one, running: turnId } : one);
  }

  rename(id: string, title: string): Promise<void> {
    return this.#change(id, { title });
  }

  pin(id: string, pinned: boolean): Promise<void> {
    return this.#change(id, { pinned });
  }

  /** Shows the change at once, and takes it back if the gateway rejects it. */
  async #change(id: string, change: { title: string } | { pinned: boolean }): Promise<void> {
    const before = this.all.value;
    this.all.value = before.map((one) => one.id === id ? { ...one, ...change } : one);
    try {
      await this.#page.gateway.patch(pathOf(id), change);
    } catch (error) {
      this.all.value = before;
      this.#page.toast((error as Error).message);
    }
    void this.refresh();
  }

  /** Hides the conversation at once, and deletes it when the time to undo is over. */
  remove({ id, title }: ConversationJson): void {
    const words = this.#page.words.value;
    const wasOpen = this.#threads.open.value.id.value === id;
    this.#deleting.value = new Set([...this.#deleting.value, id]);
    if (wasOpen) this.#page.go({});
    const stopWaiting = () => {
      clearTimeout(timer);
      removeEventListener("pagehide", deleteNow);
    };
    const deleteNow = () => {
      stopWaiting();
      void this.#delete(id);
    };
    const timer = setTimeout(deleteNow, UNDO_MS);
    // Closing the page does not undo the deletion.
    addEventListener("pagehide", deleteNow, { once: true });
    const undo = () => {
      stopWaiting();
      this.#unhide(id);
      hideToast();
      if (wasOpen) this.#page.go({ conversation: id });
    };
    const hideToast = this.#page.toast(
      words.removed(title || words.untitled),
      { label: words.undo, run: undo },
      UNDO_MS,
    );
  }

  async #delete(id: string): Promise<void> {
    try {
      await this.#page.gateway.delete(pathOf(id));
      this.forget(id);
      this.all.value = this.all.value.filter((one) => one.id !== id);
    } catch (error) {
      if ((error as GatewayError).status !== 404) this.#page.toast((error as Error).message);
    }
    this.#unhide(id);
  }

  #unhide(id: string): void {
    const rest = new Set(this.#deleting.value);
    rest.delete(id);
    this.#deleting.value = rest;
  }

  /** Drops what the page has loaded of a deleted conversation. */
  forget(id: string): void {
    this.#threads.delete(id);
    this.#unread.markRead(id);
  }
}

function pathOf(id: string): string {
  return `/api/conversations/${encodeURIComponent(id)}`;
}
