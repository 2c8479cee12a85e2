/**
 * The chats of an emulated platform as people see them: every message with its edits, and whether
 * it can still change.
 */
import type { Clock } from "../core/clock.ts";

export interface ShownMessage {
  readonly id: string;
  readonly chat: string;
  readonly from: "person" | "bot";
  readonly kind: string;
  text: string;
  /** Whether no edit can follow, by the platform's own rules. */
  final: boolean;
  edits: number;
  readonly at: number;
  changedAt: number;
}

export class ChatLog {
  readonly #messages = new Map<string, ShownMessage>();
  readonly #chats = new Map<string, ShownMessage[]>();
  /** Who was notified by a mention in a bot's message: `all`, or an id. */
  readonly mentions: { readonly chat: string; readonly who: string }[] = [];
  /** Called for every change; the bench measures freshness here. */
  onChange: ((message: ShownMessage) => void) | undefined;

  constructor(private readonly clock: Clock) {}

  add(
    message: {
      id: string;
      chat: string;
      from: "person" | "bot";
      kind: string;
      text: string;
      final: boolean;
    },
  ): ShownMessage {
    const now = this.clock.now();
    const shown: ShownMessage = { ...message, edits: 0, at: now, changedAt: now };
    this.#messages.set(shown.id, shown);
    const chat = this.#chats.get(shown.chat);
    if (chat) chat.push(shown);
    else this.#chats.set(shown.chat, [shown]);
    this.onChange?.(shown);
    return shown;
  }

  edit(id: string, change: { text?: string; final?: boolean }): void {
    const message = this.#messages.get(id);
    if (!message) return;
    if (change.text !== undefined && change.text !== message.text) message.edits++;
    message.text = change.text ?? message.text;
    message.final = change.final ?? message.final;
    message.changedAt = this.clock.now();
    this.onChange?.(message);
  }

  /** Records the mentions that the platform finds in a text, each person once a chat. */
  recordMentions(chat: string, text: string, marks: readonly RegExp[]): void {
    for (const mark of marks) {
      for (const [, who = "all"] of text.matchAll(mark)) {
        if (!this.mentions.some((known) => known.chat === chat && known.who === who)) {
          this.mentions.push({ chat, who });
        }
      }
    }
  }

  get(id: string): ShownMessage | undefined {
    return this.#messages.get(id);
  }

  /** The messages of a chat, in order. */
  in(chat: string): readonly ShownMessage[] {
    return this.#chats.get(chat) ?? [];
  }

  /** A bot's messages in a chat that cannot change any more. */
  finals(chat: string): ShownMessage[] {
    return this.in(chat).filter((message) => message.from === "bot" && message.final);
  }

  get chats(): string[] {
    return [...this.#chats.keys()];
  }
}
