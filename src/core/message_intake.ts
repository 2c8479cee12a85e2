/**
 * The way from a message to its turn: find out whom it addresses, check its conversation, admit its
 * person, and answer a repeat with the turn of the first try.
 */
import type { Admission } from "./admission.ts";
import type { Archive } from "./archive.ts";
import type { Conversation } from "./conversation_store.ts";
import type { DefaultConversations } from "./default_conversations.ts";
import type { Clock } from "./clock.ts";
import { NexusError } from "./error.ts";
import { IdempotentResults } from "./idempotency.ts";
import { mentioned } from "./mention.ts";
import { isChatApp, type Message, splitMention } from "./message.ts";
import type { Roster } from "./roster.ts";
import type { ScopedHistory } from "./scoped_history.ts";
import type { Turn } from "./turn.ts";

export interface MessageIntakeParts {
  readonly archive: Archive;
  readonly history: ScopedHistory;
  readonly roster: Roster;
  readonly admission: Admission;
  readonly clock: Clock;
  /** Throws where no message is taken any more. */
  readonly refuse: () => void;
  /** Begins the turn of an admitted message, without a wait. */
  readonly begin: (
    message: Message,
    conversation: Conversation | undefined,
    defaults: DefaultConversations,
  ) => Turn;
}

export class MessageIntake {
  readonly #parts: MessageIntakeParts;
  /** Ids of turns by idempotency key: a key must not hold the reply itself in memory. */
  readonly #asked: IdempotentResults<string>;

  constructor(parts: MessageIntakeParts) {
    this.#parts = parts;
    this.#asked = new IdempotentResults(parts.clock);
  }

  /** The turn of a message, or of the first try where this message is a repeat. */
  ask(message: Message): Promise<Turn> {
    if (message.idempotencyKey === undefined) return this.#ask(message);
    const { id, keyScope } = message.person;
    // A key that reads less must not get the answer to another key's question.
    const key = `${id}\n${keyScope?.key ?? ""}\n${message.idempotencyKey}`;
    const known = this.#asked.get(key);
    if (known) return this.#askAgain(known, message);
    const asked = this.#ask(message);
    this.#asked.set(key, asked.then((turn) => turn.id));
    return asked;
  }

  /** Forgets the idempotency keys of a person. */
  forget(personId: string): void {
    this.#asked.forget(`${personId}\n`);
  }

  /** Drops idempotency keys that have expired. */
  expire(): void {
    this.#asked.expire();
  }

  /** The turn of a repeated message; if it has been deleted meanwhile, a new one. */
  async #askAgain(id: Promise<string>, message: Message): Promise<Turn> {
    return await this.#parts.history.turn(await id, message.person) ?? await this.#ask(message);
  }

  async #ask(asked: Message): Promise<Turn> {
    this.#parts.refuse();
    const message = withoutConversationIfTemporary(this.#withTarget(asked));
    if (message.text.length === 0 && message.images.length === 0) {
      throw new NexusError("invalid", "message: text or an image is needed");
    }
    const { person } = message;
    const [conversation, defaults] = await Promise.all([
      message.conversationId === undefined
        ? undefined
        : this.#parts.history.open(person, message.conversationId),
      this.#parts.archive.defaults.load(person.id),
    ]);
    if (message.conversationId !== undefined && !conversation) {
      throw new NexusError("not_found", "no such conversation");
    }
    if (message.parentTurnId) await this.#checkParent(message);
    // After every other wait: an admitted message begins at once, so that nobody passes a bound on
    // concurrent turns by sending several messages together.
    const admitted = this.#parts.admission.admit(message);
    if (admitted) await admitted;
    try {
      return this.#parts.begin(message, conversation, defaults);
    } catch (error) {
      this.#parts.admission.giveBack(message);
      throw error;
    }
  }

  /**
   * The message with a leading `@bot` as its target, if it has no other. Programs may mean a bot by
   * any name. In a chat app people mention each other too, and its channel knows the names.
   */
  #withTarget(message: Message): Message {
    if (
      message.target !== undefined || !message.text.startsWith("@") || isChatApp(message.channel)
    ) return message;
    const seats = this.#parts.roster.visibleTo(message.person);
    const { target, text } = mentioned(message.text, seats.map(({ bot }) => bot)) ??
      splitMention(message.text);
    // A message that is only a name stays a message.
    if (target === undefined || (text === "" && message.images.length === 0)) return message;
    return { ...message, target, text };
  }

  async #checkParent(message: Message): Promise<void> {
    const parent = await this.#parts.history.turn(message.parentTurnId!, message.person);
    if (!parent || parent.conversationId !== message.conversationId) {
      throw new NexusError("not_found", "no such turn in this conversation: parentTurnId");
    }
  }
}

/** A temporary message belongs to no conversation, whatever its client says. */
function withoutConversationIfTemporary(message: Message): Message {
  return message.temporary
    ? { ...message, conversationId: undefined, parentTurnId: undefined }
    : message;
}
