/**
 * Turns a message into what answers it: the turn of a bot, or words of the gateway itself, such as
 * a command's answer or the reason why nobody was asked.
 */
import { asNexusError, NexusError } from "../../core/error.ts";
import type { Languages } from "../../core/languages.ts";
import type { ChannelName, Person } from "../../core/message.ts";
import type { Observer } from "../../core/observer.ts";
import type { Turn } from "../../core/turn.ts";
import type { Access } from "./access.ts";
import type { AccountLinking } from "./account_linking.ts";
import type { ActiveDeliveries } from "./active_deliveries.ts";
import type { BotSelector } from "./bot_selector.ts";
import type { ChatConversations } from "./chat_conversations.ts";
import type { Delivery } from "./delivery.ts";
import type { GatewayPort } from "./gateway_port.ts";
import { type Incoming, type Platform, PlatformError } from "./platform.ts";
import { readQuestion } from "./question.ts";
import { type Command, commandOf, languageShown, type Words, wordsIn } from "./words.ts";

export interface QuestionHandlerParts {
  readonly channel: ChannelName;
  readonly app: string;
  readonly platform: Platform;
  readonly gateway: GatewayPort;
  readonly observer: Observer;
  readonly languages?: Languages;
  readonly access: Access;
  readonly linking: AccountLinking;
  readonly selector: BotSelector;
  readonly conversations: ChatConversations;
  readonly active: ActiveDeliveries;
  readonly onError: (error: PlatformError) => void;
}

export class QuestionHandler {
  constructor(private readonly parts: QuestionHandlerParts) {}

  /** Returns the turn that answers a message, or the words that do. Never throws. */
  async handle(id: string, delivery: Delivery): Promise<Turn | string> {
    const words = wordsIn(delivery.language);
    try {
      return await this.#handle(id, delivery, words);
    } catch (thrown) {
      if (thrown instanceof PlatformError) {
        this.parts.onError(thrown);
        return words.notChecked;
      }
      const error = asNexusError(thrown);
      if (error.code === "internal") {
        this.parts.observer.tell({ type: "fault", where: "im: ask", error: thrown });
      }
      return words.failed(error.code, error.retryAfter);
    }
  }

  async #handle(id: string, delivery: Delivery, words: Words): Promise<Turn | string> {
    const { access, linking, active } = this.parts;
    const { incoming } = delivery;
    const linked = await linking.answer(incoming, words);
    if (linked !== undefined) return linked;
    const person = await access.who(incoming);
    if (person === "refused") return words.notAllowed;
    if (person === "unpaired") return await linking.start(incoming, words);
    await this.#learnLanguage(incoming);
    const command = commandOf(incoming.text);
    if (command) return await this.#run(command, incoming, person, words);
    if (active.isStopped(id)) return words.cancelled;
    const turn = await this.#knownTurn(delivery) ?? await this.#ask(id, delivery, person, words);
    if (typeof turn !== "string") active.asked(id, turn);
    return turn;
  }

  /**
   * Returns the turn that an earlier process began. It may have gone on elsewhere, or be in the
   * archive.
   */
  async #knownTurn({ turn }: Delivery): Promise<Turn | undefined> {
    const known = turn && await this.parts.gateway.turn(turn.id, turn.personId);
    // One that broke off before its first word is asked again.
    const isEmpty = known?.reply.ending?.status === "incomplete" && known.reply.length === 0;
    return isEmpty ? undefined : known;
  }

  async #ask(
    id: string,
    delivery: Delivery,
    person: Person,
    words: Words,
  ): Promise<Turn | string> {
    const { gateway, channel, app, platform, selector, active, conversations, onError } =
      this.parts;
    const { target, text: addressed } = await selector.of(delivery.incoming, person);
    const incoming = { ...delivery.incoming, text: addressed };
    const question = await readQuestion(incoming, { platform, words, onError });
    if ("refusal" in question) return question.refusal;
    if (active.isStopped(id)) return words.cancelled;
    const { text, images, notes } = question;
    if (notes.length > 0) delivery.notes = notes;
    const ask = (conversationId: string) =>
      gateway.ask({
        person,
        text,
        images,
        target,
        conversationId,
        channel,
        chatType: incoming.chat.type,
        idempotencyKey: `${channel}:${app}:${id}`,
      });
    const conversationId = await conversations.currentOrNew(incoming, person);
    try {
      return await ask(conversationId);
    } catch (error) {
      // The conversation was deleted on the page.
      if (!(error instanceof NexusError) || error.code !== "not_found") throw error;
      return await ask(await conversations.begin(incoming, person));
    }
  }

  /** Stores the language of a message as its account's. */
  async #learnLanguage({ sender, text }: Incoming): Promise<void> {
    const { languages, access } = this.parts;
    const language = languageShown(text);
    const account = languages && language && await access.account(sender);
    if (account) await languages.set(account.id, language);
  }

  /** Runs a command and returns its answer. */
  async #run(command: Command, incoming: Incoming, person: Person, words: Words): Promise<string> {
    const { gateway, conversations, active, selector, linking } = this.parts;
    switch (command.name) {
      case "help":
        return words.help;
      case "stop":
        return words.stop[await active.stopFrom(incoming)];
      case "new":
        await conversations.begin(incoming, person);
        return words.newBegun;
      case "bots": {
        if (gateway.bots(person).length === 0) return words.noBots;
        const conversationId = await conversations.current(incoming, person);
        return words.bots(await selector.list(incoming, person, conversationId));
      }
      case "use":
        return await this.#choose(command.bot, incoming, person, words);
      case "pair":
        return await linking.command(incoming, words);
    }
  }

  async #choose(
    bot: string | undefined,
    incoming: Incoming,
    person: Person,
    words: Words,
  ): Promise<string> {
    const { selector } = this.parts;
    if (bot === undefined) {
      await selector.chooseNone(incoming);
      return words.usingAny;
    }
    const chosen = await selector.choose(incoming, person, bot);
    return chosen === undefined ? words.unknownBot(bot) : words.using(chosen);
  }
}
