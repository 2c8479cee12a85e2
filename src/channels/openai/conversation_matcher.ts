/**
 * This is how a client that sends the whole conversation every time finds the one that the bot
 * remembers.
 *
 * OpenAI's protocol has no conversations: each request tells everything from the beginning. A bot
 * with a memory of its own would hear it all again each time. So every answered conversation is
 * remembered by the hash of what was said in it; a request whose beginning has such a hash goes on
 * there, and a bot that remembers gets only what is new. One without a memory goes by what the
 * client told, in any case.
 */
import type { Conversation } from "../../core/conversation_store.ts";
import type { Gateway } from "../../core/gateway.ts";
import { transcriptOf } from "../../core/transcript.ts";
import {
  type ChatMessage,
  continuePrompt,
  type Message,
  type MessageImage,
  type Person,
} from "../../core/message.ts";
import type { Turn } from "../../core/turn.ts";
import { keyPart, type Store } from "../../core/store.ts";
import { OpenAiError } from "./error.ts";
import { AUTO_MODEL, type OpenAiRequest } from "./request.ts";

/** How long a conversation can be found by its words, in milliseconds: a month. */
const REMEMBERED_MS = 30 * 86_400_000;

/** Turns of the archive that are looked at where a response names the one before it. */
const MAX_TURNS = 200;

export class ConversationMatcher {
  readonly #gateway: Gateway;
  readonly #store: Store;

  constructor(parts: { gateway: Gateway; store: Store }) {
    this.#gateway = parts.gateway;
    this.#store = parts.store;
  }

  /**
   * The message to ask, in its conversation, or in none where it is temporary. Throws
   * {@linkcode OpenAiError} where the response before it is not known.
   */
  async messageOf(person: Person, asked: OpenAiRequest, temporary: boolean): Promise<Message> {
    const target = asked.model === AUTO_MODEL ? undefined : asked.model;
    const message = {
      person,
      target,
      channel: "openai",
      options: asked.options,
      temporary: temporary || undefined,
    } as const;
    if (asked.previous !== undefined) {
      return { ...message, ...await this.#behind(person, asked, asked.previous, temporary) };
    }
    const { before, fresh } = split(asked.messages);
    const { id, known } = temporary
      ? { id: undefined, known: false }
      : asked.conversation === undefined
      ? await this.#byWords(person, asked.model, before)
      : await this.#byName(person, asked.conversation);
    return {
      ...message,
      conversationId: id,
      transcript: asked.messages,
      ...questionOf(fresh, before),
      contextPrefix: known ? undefined : transcript(before) || undefined,
    };
  }

  /** Remembers where this conversation goes on, once its answer is whole. */
  async remember(
    asked: OpenAiRequest,
    { message, conversationId }: Turn,
    answer: string,
  ): Promise<void> {
    if (message.temporary) return;
    const messages = withAnswer(asked.messages, answer);
    const key = keyOf(message.person, asked.model, messages);
    await this.#store.set(key, conversationId, { ttl: REMEMBERED_MS, evictable: true });
  }

  async #byWords(
    person: Person,
    model: string,
    before: readonly ChatMessage[],
  ): Promise<{ id: string; known: boolean }> {
    if (before.some(({ role }) => role === "assistant")) {
      const id = await this.#store.get(keyOf(person, model, before));
      // It may have been deleted since.
      if (typeof id === "string" && await this.#gateway.history.conversation(person, id)) {
        return { id, known: true };
      }
    }
    return { id: (await this.#gateway.conversations.begin(person)).id, known: false };
  }

  /** The conversation that a client named, where there is one that it may read. */
  async find(person: Person, name: string): Promise<Readonly<Conversation> | undefined> {
    const { history } = this.#gateway;
    return await history.conversation(person, name) ??
      await history.conversation(person, named(person.id, name)) ??
      (person.keyScope && await history.conversation(person, named(person.keyScope.key, name)));
  }

  /**
   * Clients choose names freely, so a name that is no id of ours becomes one: two people, and two
   * keys, may choose the same.
   */
  async #byName(person: Person, name: string): Promise<{ id: string; known: boolean }> {
    const known = await this.find(person, name);
    if (known) return { id: known.id, known: known.botId !== undefined };
    const plain = named(person.id, name);
    const isTaken = person.keyScope &&
      await this.#gateway.archive.conversations.get(person.id, plain);
    const id = isTaken ? named(person.keyScope!.key, name) : plain;
    await this.#gateway.conversations.begin(person, { id });
    return { id, known: false };
  }

  /**
   * What follows a response: its conversation is told from the archive, because the client does
   * not.
   */
  async #behind(person: Person, asked: OpenAiRequest, previous: string, temporary: boolean) {
    const turn = await this.#gateway.history.turn(previous.replace(/^resp_/, ""), person);
    if (!turn || turn.message.temporary) {
      throw new OpenAiError(
        404,
        "previous_response_not_found",
        "there is no such response",
        "previous_response_id",
      );
    }
    const { turns } = await this.#gateway.history.turns(
      person,
      turn.conversationId,
      undefined,
      MAX_TURNS,
    );
    const spoken = asked.messages.filter(({ role }) => role !== "system");
    // Where the system alone says something, that is the question.
    const fresh = spoken.length > 0 ? spoken : asked.messages;
    const system = asked.messages.filter(({ role }) => role === "system");
    const message = {
      person,
      text: "",
      images: [],
      channel: "openai",
      parentTurnId: turn.id,
    } as const;
    const before = [...system, ...transcriptOf(turns, "", message)];
    return {
      conversationId: turn.conversationId,
      parentTurnId: turn.id,
      transcript: [...before, ...spoken],
      ...questionOf(fresh, fresh),
      contextPrefix: temporary ? transcript(before) || undefined : undefined,
    };
  }
}

/** At once; loaded when the first such client comes, because it would cost every start 8 ms. */
function sha256() {
  return globalThis.process.getBuiltinModule("node:crypto").createHash("sha256");
}

/** The id of a conversation that a client named. `whose`: a person's id, or a key's. */
function named(whose: string, name: string): string {
  return `named-${sha256().update(`${whose}\0${name}`).digest("hex").slice(0, 32)}`;
}

/** What was said up to the bot's last word, and what is new behind it. */
function split(
  messages: readonly ChatMessage[],
): { before: readonly ChatMessage[]; fresh: readonly ChatMessage[] } {
  let last = messages.length - 1;
  while (last >= 0 && messages[last]!.role !== "assistant") last--;
  if (last < 0) {
    const first = messages.findIndex(({ role }) => role === "user");
    // Where nobody but the system spoke, its last word is the question.
    const from = first < 0 ? messages.length - 1 : first;
    return { before: messages.slice(0, from), fresh: messages.slice(from) };
  }
  return { before: messages.slice(0, last + 1), fresh: messages.slice(last + 1) };
}

/** What a bot with a memory is asked. A talk that ends with its own words asks it to go on. */
function questionOf(
  fresh: readonly ChatMessage[],
  before: readonly ChatMessage[],
): { text: string; images: MessageImage[] } {
  const asked = fresh.filter(({ role }) => role !== "assistant");
  if (asked.length === 0) {
    return { text: continuePrompt(before[before.length - 1]!.text), images: [] };
  }
  return {
    text: asked.filter(({ text }) => text !== "").map(({ text }) => text).join("\n\n"),
    images: asked.flatMap(({ images }) => images),
  };
}

/**
 * The talk as its client will tell it next time: one that asked the bot to go on puts both parts
 * together.
 */
function withAnswer(messages: readonly ChatMessage[], answer: string): ChatMessage[] {
  const last = messages[messages.length - 1]!;
  if (last.role !== "assistant") {
    return [...messages, { role: "assistant", text: answer, images: [] }];
  }
  return [...messages.slice(0, -1), { ...last, text: last.text + answer }];
}

/**
 * What a bot that remembers has not heard yet, in front of the question: the system's words and an
 * earlier talk elsewhere.
 */
function transcript(before: readonly ChatMessage[]): string {
  if (before.length === 0) return "";
  const who = { system: "System", user: "User", assistant: "Assistant" } as const;
  const lines = before.map(({ role, text, images }) => {
    const pictures = images.length > 0
      ? ` (${images.length} image${images.length > 1 ? "s" : ""})`
      : "";
    return `[${who[role]}]${pictures} ${text}`;
  });
  return `${lines.join("\n\n")}\n\n[User] `;
}

/**
 * The hash of a talk. The system's words are left out: many clients put the time of day into them.
 * So is white space at the ends, which clients trim as they please.
 */
function keyOf(person: Person, model: string, messages: readonly ChatMessage[]): string {
  const hash = sha256().update(`${person.id}\0${model}`);
  for (const { role, text, images } of messages) {
    if (role === "system") continue;
    hash.update(`\0${role}\0${text.trim()}\0${images.length}`);
    for (const image of images) hash.update(`\0${image.length}\0${image.slice(-64)}`);
  }
  return `talk:${keyPart(person.id)}:${hash.digest("hex").slice(0, 40)}`;
}
