/**
 * The inbox of an app: messages arrive here, are dropped where they were seen before, stored, and
 * only then acknowledged. They are answered later, by the bot that the rules name, in the sender's
 * language. One inbox per app; the differences between platforms are behind {@linkcode Platform}.
 */
import type { SendBudget } from "./send_budget.ts";
import type { Clock } from "../../core/clock.ts";
import { NexusError } from "../../core/error.ts";
import { Identities } from "../../core/people/identity.ts";
import type { Languages } from "../../core/languages.ts";
import type { ChannelName, Person } from "../../core/message.ts";
import type { Observer } from "../../core/observer.ts";
import type { Store } from "../../core/store.ts";
import { Access, type ChatAccounts } from "./access.ts";
import { AccountLinking, usernameOf } from "./account_linking.ts";
import { ActiveDeliveries } from "./active_deliveries.ts";
import { BotSelector } from "./bot_selector.ts";
import { ChatConversations } from "./chat_conversations.ts";
import { type Contact, Contacts, unprompted } from "./contacts.ts";
import { type Delivery, type DeliveryStep, newDelivery } from "./delivery.ts";
import { DeliveryQueue } from "./delivery_queue.ts";
import { DeliveryWriter } from "./delivery_writer.ts";
import { Departments } from "./departments.ts";
import type { GatewayPort } from "./gateway_port.ts";
import { Outbox } from "./outbox.ts";
import { Pairing } from "./pairing.ts";
import { type Incoming, type Platform, PlatformError } from "./platform.ts";
import { QuestionHandler } from "./question_handler.ts";
import type { ChatAppSettings } from "./settings.ts";
import { readDelivery } from "./stored_delivery.ts";
import { languageOf, languageShown, type StopOutcome, wordsIn } from "./words.ts";

export type { Contact } from "./contacts.ts";

export interface InboxParts extends ChatAccounts {
  readonly channel: ChannelName;
  /** The app's name in the configuration. */
  readonly app: string;
  readonly platform: Platform;
  readonly gateway: GatewayPort;
  /** The owners of identities on platforms. */
  readonly identities?: Identities;
  /** The languages of accounts. */
  readonly languages?: Languages;
  readonly store: Store;
  readonly budget: SendBudget;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly settings: ChatAppSettings;
  /** Receives the platform's failures, by its code. */
  readonly reportFailure: (code: string, text: string) => void;
  /** Called after each step of each delivery; a test may kill the process there. */
  readonly onStep?: (step: DeliveryStep) => void;
}

/**
 * Milliseconds for which a push with the same key is a repeat: as long as the gateway drops it, and
 * longer than a restart takes.
 */
const PUSH_SEEN_MS = 10 * 60_000;

export class Inbox {
  readonly pairing: Pairing;
  readonly #parts: InboxParts;
  readonly #outbox: Outbox;
  readonly #access: Access;
  readonly #contacts: Contacts;
  readonly #active: ActiveDeliveries;
  readonly #questions: QuestionHandler;
  readonly #queue: DeliveryQueue;
  /** Totals for metrics: answers, their calls to the platform, and pushes. */
  readonly cost = { answers: 0, calls: 0, pushes: 0 };
  /** What the ids of this app's people begin with: `lark:main:`. */
  readonly prefix: string;

  constructor(parts: InboxParts) {
    this.#parts = parts;
    const { channel, app, settings, clock } = parts;
    this.prefix = `${channel}:${app}:`;
    this.#outbox = new Outbox(parts.store, `${channel}:${app}`);
    const identities = parts.identities ?? new Identities(parts);
    const departments = new Departments(parts);
    this.pairing = new Pairing({ ...parts, identities });
    const access = new Access({ ...parts, identities, departments });
    const sharesGroups = settings.group === "shared";
    const contacts = new Contacts({ ...parts, prefix: this.prefix, sharesGroups });
    const key = (what: string, { chat }: Incoming, personId: string) =>
      `im:${what}:${this.prefix}${chat.id}:${personId}`;
    this.#access = access;
    this.#contacts = contacts;
    this.#active = this.#activeDeliveries();
    this.#questions = new QuestionHandler({
      ...parts,
      access,
      active: this.#active,
      linking: new AccountLinking({ ...parts, pairing: this.pairing, access }),
      selector: new BotSelector({
        ...parts,
        departments,
        key: (incoming) => key("use", incoming, incoming.sender.id),
      }),
      conversations: new ChatConversations({
        ...parts,
        contacts,
        language: settings.language,
        key,
      }),
      onError: (error) => this.#report(error),
    });
    this.#queue = new DeliveryQueue({
      clock,
      observer: parts.observer,
      name: `${channel}:${app}`,
      deliver: (id, delivery) => this.#deliver(id, delivery),
      giveUp: (id, delivery, isRefused) => this.#giveUp(id, delivery, isRefused),
    });
  }

  /**
   * Accepts a message. After this resolves the message is stored, or was known before, and may be
   * acknowledged. After a rejection it must not be acknowledged, so that the platform repeats it.
   */
  async receive(incoming: Incoming): Promise<"accepted" | "repeat"> {
    if (this.#queue.isClosed) throw new NexusError("shutting_down");
    const { settings, clock, onStep } = this.#parts;
    const language = languageOf(incoming.text, settings.language);
    const delivery = newDelivery(incoming, clock.now(), language);
    if (!await this.#outbox.accept(incoming.id, delivery)) return "repeat";
    onStep?.("accepted");
    this.#queue.add(incoming.id, delivery);
    return "accepted";
  }

  /**
   * Returns where a person can be written to: the private chat in which they last wrote, or, for
   * `chat:<id>`, a group that shares a conversation.
   */
  async contact(who: string): Promise<Contact | undefined> {
    return await this.#contacts.of(who);
  }

  /** Returns the person behind a contact: the account, where the identity is linked to one. */
  async person(who: string): Promise<Person | undefined> {
    const contact = await this.contact(who);
    if (!contact) return undefined;
    const person = await this.#access.present(unprompted("", contact, this.#parts.clock.now()));
    const isGroup = person !== undefined && contact.chat.type === "group";
    return isGroup ? { ...person, id: this.prefix + who } : person;
  }

  /** Returns the chat in which a conversation was begun. */
  async contactOfConversation(conversationId: string): Promise<Contact | undefined> {
    return await this.#contacts.ofConversation(conversationId);
  }

  /**
   * Accepts a text that nobody asked for. After `accepted` it is stored and will be shown once; a
   * rejection means that it could not be stored. `refused`: the person may not use this app, or not
   * this bot, or the app cannot write first.
   *
   * @param bot the bot's id; absent: the gateway itself writes
   */
  async push(
    key: string,
    content: { readonly text: string; readonly images: readonly string[] },
    to: Contact,
    bot?: string,
  ): Promise<"accepted" | "repeat" | "refused"> {
    if (this.#queue.isClosed) throw new NexusError("shutting_down");
    const { clock, platform, onStep } = this.#parts;
    const id = `push-${key}`;
    const now = clock.now();
    const incoming = unprompted(id, to, now);
    const mayReceive = bot === undefined
      ? !await this.#access.isOut(to.sender)
      : await this.#mayHearFrom(bot, incoming);
    if (!mayReceive || (await platform.pushMethods(incoming)).length === 0) return "refused";
    const delivery = newDelivery(incoming, now, to.language, { kind: "push", ...content });
    if (!await this.#outbox.accept(id, delivery, PUSH_SEEN_MS)) return "repeat";
    onStep?.("accepted");
    this.#queue.add(id, delivery);
    return "accepted";
  }

  /**
   * Asks in a private chat whether it may be linked to an account. Returns `false` where the app
   * cannot ask.
   */
  async askToLink(who: string, account: Person): Promise<boolean> {
    const contact = await this.contact(who);
    if (contact?.chat.type !== "direct") return false;
    const text = wordsIn(contact.language).pairAsk(usernameOf(account));
    const outcome = await this.push(`pair-${crypto.randomUUID()}`, { text, images: [] }, contact);
    return outcome === "accepted";
  }

  /**
   * Returns whether an event was seen before, and marks it as seen. For events that are not
   * messages, such as a pressed button.
   */
  async seen(eventId: string): Promise<boolean> {
    return await this.#outbox.seen(`event:${eventId}`);
  }

  /** Stops the answer to a message that was recalled. */
  async recall(messageId: string): Promise<void> {
    if (this.#active.turn(messageId) || await this.#outbox.read(messageId)) {
      this.#active.recall(messageId);
    }
  }

  /** Handles the stop button of an answer. @param sender who pressed it, where the platform says */
  async stop(messageId: string, sender: string | undefined): Promise<StopOutcome> {
    return await this.#active.stop(messageId, sender);
  }

  /**
   * Resumes the deliveries that an earlier process did not finish, and returns their number. Call
   * it once, before the first message is received.
   */
  async resume(): Promise<number> {
    const pending = await this.#outbox.pending();
    for (const { id, entry } of pending) {
      const delivery = readDelivery(entry);
      delivery.tries++;
      await this.#outbox.write(id, delivery);
      this.#queue.add(id, delivery);
    }
    return pending.length;
  }

  /** Whether the answer to a message is not complete yet. */
  async isOpen(messageId: string): Promise<boolean> {
    return await this.#outbox.read(messageId) !== undefined;
  }

  /** Deliveries that are running or waiting. */
  get open(): number {
    return this.#queue.size;
  }

  /** Resolves when no delivery is running. */
  async idle(): Promise<void> {
    await this.#queue.idle();
  }

  /** Accepts nothing more. Unfinished deliveries stay in the outbox for the next process. */
  close(): void {
    this.#queue.close();
  }

  #activeDeliveries(): ActiveDeliveries {
    const { gateway, observer } = this.#parts;
    return new ActiveDeliveries({
      // The turn ends at once; nobody waits for the bot to confirm.
      cancel: (turn) =>
        void gateway.cancel(turn).catch((error) =>
          observer.tell({ type: "fault", where: `${this.prefix} stop`, error })
        ),
      isAdmin: async (id) => (await this.#access.account({ id }))?.role === "admin",
    });
  }

  /** Whether a person may receive messages of this bot here. */
  async #mayHearFrom(bot: string, to: Incoming): Promise<boolean> {
    try {
      const person = await this.#access.present(to);
      return person !== undefined &&
        this.#parts.gateway.bots(person).some(({ id }) => id === bot);
    } catch (error) {
      // A person whom the platform cannot tell us about receives nothing.
      if (!(error instanceof PlatformError)) throw error;
      this.#report(error);
      return false;
    }
  }

  async #deliver(id: string, delivery: Delivery): Promise<void> {
    const { clock, observer, channel, app } = this.#parts;
    if (await this.#isObsolete(id, delivery)) return await this.#outbox.done(id);
    const { purpose, progress } = delivery;
    if (purpose.kind !== "push" && delivery.turn === undefined) {
      await this.#chooseLanguage(delivery);
    }
    const writer = this.#writer(delivery, () => this.#outbox.write(id, delivery));
    const began = clock.now();
    if (progress.phase === "final") await writer.resume();
    else if (purpose.kind === "push") await writer.say(purpose.text, purpose.images);
    else await this.#answer(id, delivery, writer);
    observer.tell({
      type: "delivered",
      channel,
      app,
      turn: this.#active.turn(id)?.id,
      calls: delivery.calls,
      took: clock.now() - began,
    });
    await this.#done(id, delivery);
  }

  async #answer(id: string, delivery: Delivery, writer: DeliveryWriter): Promise<void> {
    const { clock, settings, onStep } = this.#parts;
    const { incoming, language } = delivery;
    await this.#contacts.remember(incoming, language);
    const age = clock.now() - incoming.at;
    if (age > settings.staleAfter * 1000 && delivery.turn === undefined) {
      return await writer.say(wordsIn(language).late);
    }
    this.#active.begin(id, incoming);
    const turn = await writer.meanwhile(this.#questions.handle(id, delivery));
    if (typeof turn === "string") return await writer.say(turn);
    delivery.turn = { id: turn.id, personId: turn.message.person.id };
    await this.#outbox.write(id, delivery);
    onStep?.("asked");
    await writer.run(turn);
  }

  async #done(id: string, delivery: Delivery): Promise<void> {
    if (delivery.purpose.kind === "push") this.cost.pushes++;
    else {
      this.cost.answers++;
      this.cost.calls += delivery.calls;
    }
    this.#active.end(id);
    await this.#outbox.done(id);
    this.#parts.onStep?.("done");
  }

  /**
   * Ends a delivery that failed for good, with an apology where the platform refused the answer.
   */
  async #giveUp(id: string, delivery: Delivery, isRefused: boolean): Promise<void> {
    if (isRefused && delivery.purpose.kind !== "push") await this.#apologise(delivery);
    await this.#done(id, delivery);
  }

  /** Tells the person at least that the platform shows the answer by no method. */
  async #apologise({ incoming, at, language, tries, opened }: Delivery): Promise<void> {
    const apology = newDelivery(incoming, at, language, { kind: "notice" });
    Object.assign(apology, { tries, opened: opened + 1 });
    try {
      await this.#writer(apology, () => Promise.resolve()).say(wordsIn(language).notShown);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      this.#report(error);
    }
  }

  /** A command shows no language, so it is answered in the language of the account. */
  async #chooseLanguage(delivery: Delivery): Promise<void> {
    const { languages } = this.#parts;
    if (!languages || languageShown(delivery.incoming.text) !== undefined) return;
    const account = await this.#access.account(delivery.incoming.sender);
    if (account) delivery.language = await languages.of(account.id) ?? delivery.language;
  }

  #writer(delivery: Delivery, save: () => Promise<void>): DeliveryWriter {
    return new DeliveryWriter({
      ...this.#parts,
      words: wordsIn(delivery.language),
      delivery,
      save,
      onError: (error) => this.#report(error),
    });
  }

  /** Reports a failure of the platform that another method, or words, made good. */
  #report(error: PlatformError): void {
    this.#parts.reportFailure(error.code, error.message);
  }

  /**
   * Whether nobody is left to write to: the person was removed, or is no longer let in and did not
   * ask.
   */
  async #isObsolete(id: string, { purpose, incoming }: Delivery): Promise<boolean> {
    if (await this.#outbox.read(id) === undefined) return true;
    return purpose.kind === "push" && incoming.chat.type === "direct" &&
      await this.#access.isOut(incoming.sender);
  }
}
