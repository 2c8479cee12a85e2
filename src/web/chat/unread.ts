/** Unread counts by conversation, stored per person in the browser. */
import { signal } from "@preact/signals";
import type { LocalSettings } from "../local_settings.ts";

export class UnreadCounts {
  readonly #localSettings: LocalSettings;
  #name = "";
  /** Conversation id → messages that arrived while the conversation was not visible. */
  readonly counts = signal<Readonly<Record<string, number>>>({});

  constructor(localSettings: LocalSettings) {
    this.#localSettings = localSettings;
  }

  load(person: string): void {
    this.#name = `unread.${person}`;
    this.counts.value = this.#localSettings.read(this.#name, {});
  }

  /** All unread messages. */
  get total(): number {
    return Object.values(this.counts.value).reduce((sum, count) => sum + count, 0);
  }

  increment(conversationId: string): void {
    const counts = this.counts.value;
    this.#set({ ...counts, [conversationId]: (counts[conversationId] ?? 0) + 1 });
  }

  markRead(conversationId: string): void {
    if (!this.counts.value[conversationId]) return;
    const { [conversationId]: _, ...rest } = this.counts.value;
    this.#set(rest);
  }

  #set(counts: Readonly<Record<string, number>>): void {
    this.counts.value = counts;
    this.#localSettings.write(this.#name, counts);
  }
}
