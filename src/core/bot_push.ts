/**
 * Messages that bots send by themselves: each is stored in a conversation, delivered to the
 * person's chats, and shown on their open pages.
 */
import type { PersonDirectory } from "./admission.ts";
import type { Archive } from "./archive.ts";
import type { Clock } from "./clock.ts";
import { NexusError } from "./error.ts";
import { IdempotentResults } from "./idempotency.ts";
import type { Bot } from "./link.ts";
import type { MessageImage, Person } from "./message.ts";
import type { Notices, PushNotice } from "./notice.ts";
import type { Observer } from "./observer.ts";
import type { RecentTurns } from "./recent_turns.ts";
import { Reply, type ReplyCap } from "./reply.ts";
import { mayUse } from "./roster.ts";
import { Turn, type TurnConversation } from "./turn.ts";

/** What a bot sends by itself. */
export interface Push {
  /** `user:<id>` or `conversation:<id>`. */
  readonly to: string;
  readonly content: string;
  readonly images: readonly MessageImage[];
  /** A repeat with the same id by the same bot within ten minutes is dropped. */
  readonly id?: string;
}

/** The chat platforms, as far as pushes need them. */
export interface ChatApps {
  /** Somebody who is known only from a chat platform. */
  person(id: string): Promise<Person | undefined> | Person | undefined;
  /**
   * Delivers a push into the chats of its person. `key` is the same when the bot repeats the push.
   * A rejection is returned to the bot, nobody else gets the push, and the bot sends it again.
   */
  push(person: Person, push: PushNotice, key: string): Promise<void>;
}

export interface BotPushesParts {
  readonly archive: Archive;
  readonly notices: Notices;
  readonly recentTurns: RecentTurns;
  readonly people: PersonDirectory;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly newId: () => string;
  readonly replyCap: () => ReplyCap;
}

type PushingBot = Pick<Bot, "id" | "name" | "pool">;

export class BotPushes {
  /** Where pushes are delivered besides the page; absent until chat platforms are there. */
  chatApps: ChatApps | undefined;
  readonly #parts: BotPushesParts;
  readonly #results: IdempotentResults<void>;

  constructor(parts: BotPushesParts) {
    this.#parts = parts;
    this.#results = new IdempotentResults(parts.clock);
  }

  /**
   * Stores and delivers a push. Resolves when it would survive the end of the process.
   *
   * Throws `not_found` where there is no such person or conversation, or where the bot has no
   * business with them, and `reply_too_large`.
   */
  push(bot: PushingBot, push: Push): Promise<void> {
    if (push.id === undefined) return this.#push(bot, push);
    const key = `${bot.id}\n${push.id}`;
    const known = this.#results.get(key);
    if (known) return known;
    const result = this.#push(bot, push);
    this.#results.set(key, result);
    return result;
  }

  /** Drops ids of pushes that have expired. */
  expire(): void {
    this.#results.expire();
  }

  async #push(bot: PushingBot, push: Push): Promise<void> {
    const { archive, notices, recentTurns, clock, observer } = this.#parts;
    const { person, conversationId } = await this.#addressee(bot, push.to);
    const reply = this.#replyOf(push);
    const now = clock.now();
    const conversation: TurnConversation = conversationId === undefined
      ? { kind: "default", id: archive.defaults.conversationWith(person.id, bot.id, false) }
      : { kind: "named", id: conversationId };
    const message = { person, text: "", images: [], channel: "bot" } as const;
    const turn = new Turn(this.#parts.newId(), conversation, message, reply, now);
    turn.bot = { id: bot.id, name: bot.name, pool: bot.pool };
    const notice: PushNotice = {
      type: "push",
      turnId: turn.id,
      conversationId: conversation.id,
      botId: bot.id,
      botName: bot.name,
      content: push.content,
      images: push.images,
    };
    const key = push.id === undefined ? turn.id : `${bot.id}:${push.id}`;
    await this.chatApps?.push(person, notice, key);
    archive.keep(turn);
    turn.firstAt = turn.endedAt = now;
    turn.reply.end({ status: "done" });
    const stored = archive.keep(turn);
    recentTurns.add(turn);
    // The bot's receipt and the notice to the pages both say that the push is stored.
    await stored;
    turn.recorder = undefined;
    observer.tell({ type: "pushed", bot: bot.id, person: person.id });
    notices.tell(person.id, notice, [turn.trace]);
  }

  /** Whom a push is for. Afterwards their default conversations are in memory. */
  async #addressee(
    bot: PushingBot,
    to: string,
  ): Promise<{ person: Person; conversationId: string | undefined }> {
    const { archive, people } = this.#parts;
    const colon = to.indexOf(":");
    const kind = to.slice(0, colon), name = to.slice(colon + 1);
    const conversation = kind === "conversation"
      ? await archive.conversations.ofBot(name, bot.id)
      : undefined;
    const personId = conversation?.personId ?? (kind === "user" ? name : undefined);
    const person = personId === undefined
      ? undefined
      : await people.find(personId) ?? await this.chatApps?.person(personId);
    const unknown = new NexusError("not_found", `nobody to tell: ${to.slice(0, 200)}`);
    if (!person || !mayUse(person, bot)) throw unknown;
    await archive.defaults.load(person.id);
    if (conversation && archive.conversations.isRemoved(conversation)) throw unknown;
    return { person, conversationId: conversation?.id };
  }

  #replyOf({ content, images }: Push): Reply {
    const reply = new Reply(this.#parts.replyCap());
    if (reply.append("text", content) === "full" || reply.append("image", images) === "full") {
      throw new NexusError("reply_too_large");
    }
    return reply;
  }
}
