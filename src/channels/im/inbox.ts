/**
 * The inbox is where an app's messages arrive: dropped when seen before, stored, and only then
 * acknowledged; answered later, by whoever the rules name, in words the person understands. One
 * inbox per app; what differs between platforms stands behind {@linkcode Platform}.
 */
import type { SendBudget } from "./send_budget.ts";
import type { Clock } from "../../core/clock.ts";
import { asNexusError, NexusError } from "../../core/error.ts";
import { Identities } from "../../core/people/identity.ts";
import type { Languages } from "../../core/languages.ts";
import type { ChannelName, Person } from "../../core/message.ts";
import type { Observer } from "../../core/observer.ts";
import { Outbox } from "./outbox.ts";
import type { Store } from "../../core/store.ts";
import type { Turn } from "../../core/turn.ts";
import { Access, type ChatAccounts } from "./access.ts";
import { BotSelector } from "./bot_selector.ts";
import type { GatewayPort } from "./gateway_port.ts";
import { ActiveDeliveries } from "./active_deliveries.ts";
import { Departments } from "./departments.ts";
import { CODE_LIFETIME, Pairing } from "./pairing.ts";
import { readQuestion } from "./question.ts";
import type { ChatAppSettings } from "./settings.ts";
import { type Incoming, type Platform, PlatformError } from "./platform.ts";
import {
  type Command,
  commandOf,
  type Language,
  languageIn,
  languageOf,
  type Stopped,
  type Words,
  wordsIn,
  yesOrNo,
} from "./words.ts";
import type { Delivery, DeliveryStep } from "./delivery.ts";
import { DeliveryWriter } from "./delivery_writer.ts";

export interface InboxParts extends ChatAccounts {
  readonly channel: ChannelName;
  /** The app's name in the configuration. */
  readonly app: string;
  readonly platform: Platform;
  readonly gateway: GatewayPort;
  /** Whose identities on platforms are. */
  readonly identities?: Identities;
  /** The languages of accounts. */
  readonly languages?: Languages;
  readonly store: Store;
  readonly budget: SendBudget;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly settings: ChatAppSettings;
  /** Gets what went wrong at the platform, by its code. */
  readonly reportFailure: (code: string, said: string) => void;
  /** Told of each step of each delivery: nothing, or a test's crash. */
  readonly onStep?: (step: DeliveryStep) => void;
}

/**
 * Deliveries at work at once; past it a message is still accepted and waits its turn in the outbox.
 */
const MAX_WORKING = 2000;

/** Milliseconds until a delivery that no way led to is tried again. */
const TRY_AGAIN = 5 * 60_000;

/**
 * Milliseconds for which a push with the same key is a repeat: as long as the gateway drops it, and
 * longer than a restart takes.
 */
const PUSH_SEEN = 10 * 60_000;

/** Somebody who can be written to without having asked, and where. */
export interface Contact extends Pick<Incoming, "chat" | "sender" | "address"> {
  readonly language: Language;
}

export class Inbox {
  readonly pairing: Pairing;
  readonly #p: InboxParts;
  readonly #outbox: Outbox;
  readonly #access: Access;
  readonly #addressee: BotSelector;
  readonly #atWork: ActiveDeliveries;
  readonly #working = new Set<Promise<void>>();
  readonly #waiting: [id: string, delivery: Delivery][] = [];
  readonly #retries = new Set<() => void>();
  /** Conversations that are just being begun, by the key they will stand under. */
  readonly #beginning = new Map<string, Promise<string>>();
  #closed = false;
  /**
   * What answers have cost, for metrics: number of answers and of calls; and how many pushes went
   * out.
   */
  readonly cost = { answers: 0, calls: 0, pushes: 0 };
  /** What the ids of this app's people begin with: `lark:main:`. */
  readonly prefix: string;

  constructor(parts: InboxParts) {
    this.#p = parts;
    this.prefix = `${parts.channel}:${parts.app}:`;
    this.#outbox = new Outbox(parts.store, `${parts.channel}:${parts.app}`);
    const identities = parts.identities ?? new Identities(parts),
      departments = new Departments(parts);
    this.pairing = new Pairing({ ...parts, identities });
    this.#access = new Access({ ...parts, identities, departments });
    const key = (incoming: Incoming) => this.#key("use", incoming, incoming.sender.id);
    this.#addressee = new BotSelector({ ...parts, departments, key });
    this.#atWork = new ActiveDeliveries({
      // The turn ends at once; whether the bot confirms is nobody's concern here.
      cancel: (turn) =>
        void parts.gateway.cancel(turn).catch((error) =>
          parts.observer.tell({ type: "fault", where: `${this.prefix} stop`, error })
        ),
      isAdmin: async (id) => (await this.#access.account({ id }))?.role === "admin",
    });
  }

  /**
   * Takes a message. When this resolves it is stored, or known from before, and may be
   * acknowledged; a rejection must not be acknowledged, so that the platform sends it again.
   */
  async receive(incoming: Incoming): Promise<"accepted" | "repeat"> {
    if (this.#closed) throw new NexusError("shutting_down");
    const { settings, clock, onStep } = this.#p;
    const delivery = newDelivery(
      incoming,
      clock.now(),
      languageOf(incoming.text, settings.language),
    );
    if (!await this.#outbox.accept(incoming.id, delivery)) return "repeat";
    onStep?.("accepted");
    this.#begin(incoming.id, delivery);
    return "accepted";
  }

  /**
   * Where somebody can be written to: the private chat in which they last wrote, or, by
   * `chat:<id>`, a group that shares a conversation.
   */
  async contact(who: string): Promise<Contact | undefined> {
    return await this.#p.store.get(this.#reachKey(who));
  }

  /** Who can be reached so: the account, where their identity is bound to one. */
  async person(who: string): Promise<Person | undefined> {
    const reach = await this.contact(who);
    const person = reach && await this.#access.present(unasked("", reach, this.#p.clock.now()));
    return person && reach.chat.type === "group" ? { ...person, id: this.prefix + who } : person;
  }

  /** The chat that a conversation was begun in. */
  async contactOfConversation(conversationId: string): Promise<Contact | undefined> {
    return await this.#p.store.get(this.#homeKey(conversationId));
  }

  /**
   * Takes what a bot says by itself. When this resolves with `accepted` it is stored and will be
   * shown, once; a rejection means that it could not be stored. `refused`: the person may not use
   * this app or get this bot here (any more), or the app cannot speak first.
   *
   * @param bot the bot's id; absent: the gateway itself speaks
   */
  async push(
    key: string,
    said: Required<Delivery>["push"],
    to: Contact,
    bot?: string,
  ): Promise<"accepted" | "repeat" | "refused"> {
    if (this.#closed) throw new NexusError("shutting_down");
    const id = `push-${key}`;
    const { language } = to;
    const now = this.#p.clock.now();
    const incoming = unasked(id, to, now);
    if (
      bot === undefined ? await this.#access.isOut(to.sender) : !await this.#gets(bot, incoming)
    ) return "refused";
    if ((await this.#p.platform.pushMethods(incoming)).length === 0) return "refused";
    const delivery: Delivery = { ...newDelivery(incoming, now, language), push: said };
    if (!await this.#outbox.accept(id, delivery, PUSH_SEEN)) return "repeat";
    this.#p.onStep?.("accepted");
    this.#begin(id, delivery);
    return "accepted";
  }

  /** Whether somebody may be written to by a bot here. */
  async #gets(bot: string, to: Incoming): Promise<boolean> {
    try {
      const person = await this.#access.present(to);
      return person !== undefined && this.#p.gateway.bots(person).some(({ id }) => id === bot);
    } catch (error) {
      // Who cannot be asked about is not written to.
      if (!(error instanceof PlatformError)) throw error;
      this.#troubled(error);
      return false;
    }
  }

  /**
   * Asks in somebody's private chat whether it is to be linked to an account. `false`: the app
   * cannot ask.
   */
  async askToLink(who: string, account: Person): Promise<boolean> {
    const reach = await this.contact(who);
    if (reach?.chat.type !== "direct") return false;
    const text = wordsIn(reach.language).pairAsk(nameOf(account));
    return await this.push(`pair-${crypto.randomUUID()}`, { text, images: [] }, reach) ===
      "accepted";
  }

  /**
   * Whether an event was seen before; marks it as seen. For what is not a message: cards pressed,
   * people entering.
   */
  async seen(eventId: string): Promise<boolean> {
    return await this.#outbox.seen(`event:${eventId}`);
  }

  /** A message was taken back: its answer stops. */
  async recall(messageId: string): Promise<void> {
    if (this.#atWork.turn(messageId) || await this.#outbox.read(messageId)) {
      this.#atWork.recall(messageId);
    }
  }

  /** The stop button of an answer was pressed. `sender`: by whom, where the platform tells. */
  async stop(messageId: string, sender: string | undefined): Promise<Stopped> {
    return await this.#atWork.stop(messageId, sender);
  }

  /**
   * Goes on with what an earlier process left behind. Call it once, before anything is received.
   */
  async resume(): Promise<number> {
    const pending = await this.#outbox.pending();
    for (const { id, entry } of pending) {
      const delivery: Delivery = entry;
      delivery.tries++;
      await this.#outbox.write(id, delivery);
      this.#begin(id, delivery);
    }
    return pending.length;
  }

  /** Whether a message's answer is not done yet. */
  async isOpen(messageId: string): Promise<boolean> {
    return await this.#outbox.read(messageId) !== undefined;
  }

  /** Deliveries that are not done. */
  get open(): number {
    return this.#working.size + this.#waiting.length;
  }

  /** Resolves when nothing is being delivered any more. */
  async idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  /** Takes nothing more; what is not done stays in the outbox for the next process. */
  close(): void {
    this.#closed = true;
    for (const stop of this.#retries) stop();
    this.#retries.clear();
    this.#waiting.length = 0;
  }

  #begin(id: string, delivery: Delivery) {
    if (this.#closed) return;
    if (this.#working.size >= MAX_WORKING) {
      this.#waiting.push([id, delivery]);
      return;
    }
    const work = this.#deliver(id, delivery).catch((error) => this.#failed(id, delivery, error))
      .finally(
        () => {
          this.#working.delete(work);
          const next = this.#waiting.shift();
          if (next) this.#begin(...next);
        },
      );
    this.#working.add(work);
  }

  async #failed(id: string, delivery: Delivery, error: unknown): Promise<void> {
    const { observer, clock, channel, app } = this.#p;
    observer.tell({ type: "fault", where: `${channel}:${app}: delivery`, error });
    if (this.#closed) return;
    // Refused on every rung, or there is no place any more: nothing will make it go. Anything else
    // gets another try.
    if (
      error instanceof PlatformError && (error.kind === "refused" || error.kind === "gone")
    ) {
      await this.#apologise(delivery);
      return await this.#done(id, delivery);
    }
    if (clock.now() - delivery.at > 24 * 3_600_000) {
      observer.tell({ type: "warning", what: `${channel}:${app}: given up after a day: ${id}` });
      return await this.#done(id, delivery);
    }
    delivery.tries++;
    const stop = clock.after(TRY_AGAIN, () => {
      this.#retries.delete(stop);
      this.#begin(id, delivery);
    });
    this.#retries.add(stop);
  }

  /** The platform does not show the answer, whatever the way: its person hears at least that. */
  async #apologise(delivery: Delivery): Promise<void> {
    if (delivery.push) return;
    const { incoming, at, language, tries } = delivery;
    const words = wordsIn(language);
    const apology: Delivery = {
      ...newDelivery(incoming, at, language),
      tries,
      opened: delivery.opened + 1,
      notice: true,
    };
    try {
      await this.#writer(apology, () => Promise.resolve()).say(words.notShown);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      this.#troubled(error);
    }
  }

  async #done(id: string, delivery: Delivery): Promise<void> {
    if (delivery.push) this.cost.pushes++;
    else {
      this.cost.answers++;
      this.cost.calls += delivery.calls;
    }
    this.#atWork.end(id);
    await this.#outbox.done(id);
    this.#p.onStep?.("done");
  }

  async #deliver(id: string, delivery: Delivery): Promise<void> {
    const { clock, observer, channel, app } = this.#p;
    if (await this.#isForgotten(id, delivery)) return await this.#outbox.done(id);
    if (!delivery.push && delivery.turnId === undefined) await this.#speakAs(delivery);
    const writer = this.#writer(delivery, () => this.#outbox.write(id, delivery));
    const began = clock.now();
    if (delivery.final) await writer.resume();
    else if (delivery.push) await writer.say(delivery.push.text, delivery.push.images);
    else {
      const said = await this.#answer(id, delivery, writer);
      if (said !== undefined) await writer.say(said);
    }
    const turn = this.#atWork.turn(id);
    observer.tell({
      type: "delivered",
      channel,
      app,
      turn: turn?.id,
      calls: delivery.calls,
      took: clock.now() - began,
    });
    await this.#done(id, delivery);
  }

  /** A command shows no language: it is answered in the one that the account has. */
  async #speakAs(delivery: Delivery): Promise<void> {
    const { languages } = this.#p;
    if (!languages || shown(delivery.incoming.text) !== undefined) return;
    const account = await this.#access.account(delivery.incoming.sender);
    if (account) delivery.language = await languages.of(account.id) ?? delivery.language;
  }

  #writer(delivery: Delivery, save: () => Promise<void>): DeliveryWriter {
    const { clock, budget, platform, onStep } = this.#p;
    const words = wordsIn(delivery.language);
    return new DeliveryWriter({
      clock,
      budget,
      platform,
      words,
      delivery,
      save,
      onStep,
      onError: (error) => this.#troubled(error),
    });
  }

  /** What went wrong at the platform and was answered by another way, or with words. */
  #troubled(error: PlatformError): void {
    this.#p.reportFailure(error.code, error.message);
  }

  /**
   * Whether there is nobody left to write to: they were forgotten, or may not come in any more and
   * did not ask.
   */
  async #isForgotten(id: string, delivery: Delivery): Promise<boolean> {
    if (await this.#outbox.read(id) === undefined) return true;
    return delivery.push !== undefined && delivery.incoming.chat.type === "direct" &&
      await this.#access.isOut(delivery.incoming.sender);
  }

  /** Sees to the message; returns words where they are all that is to be said. */
  async #answer(
    id: string,
    delivery: Delivery,
    writer: DeliveryWriter,
  ): Promise<string | undefined> {
    const { clock, settings, onStep } = this.#p;
    const { incoming } = delivery;
    await this.#remember(delivery);
    if (clock.now() - incoming.at > settings.staleAfter * 1000 && delivery.turnId === undefined) {
      return wordsIn(delivery.language).late;
    }
    this.#atWork.begin(id, incoming);
    const turn = await writer.meanwhile(this.#prepared(id, delivery));
    if (typeof turn === "string") return turn;
    delivery.turnId = turn.id;
    delivery.personId = turn.message.person.id;
    await this.#outbox.write(id, delivery);
    onStep?.("asked");
    await writer.run(turn);
    return undefined;
  }

  /** The turn that answers a message, or the words that do. */
  async #prepared(id: string, delivery: Delivery): Promise<Turn | string> {
    const { incoming } = delivery;
    const words = wordsIn(delivery.language);
    try {
      const answered = await this.#answered(incoming, words);
      if (answered !== undefined) return answered;
      const who = await this.#access.who(incoming);
      if (who === "refused") return words.notAllowed;
      if (who === "unpaired") return await this.#pair(incoming, words);
      await this.#learn(incoming);
      const command = commandOf(incoming.text);
      if (command) return await this.#obey(command, incoming, who, words);
      if (this.#atWork.isStopped(id)) return words.cancelled;
      const turn = await this.#turn(id, delivery, who);
      if (typeof turn !== "string") this.#atWork.asked(id, turn);
      return turn;
    } catch (thrown) {
      if (thrown instanceof PlatformError) {
        this.#troubled(thrown);
        return words.notChecked;
      }
      const error = asNexusError(thrown);
      if (error.code === "internal") {
        this.#p.observer.tell({ type: "fault", where: "im: ask", error: thrown });
      }
      return words.failed(error.code, error.retryAfter);
    }
  }

  async #turn(id: string, delivery: Delivery, person: Person): Promise<Turn | string> {
    const { gateway, channel, app, platform } = this.#p;
    // After a restart the turn may have gone on elsewhere, or be in the archive; else it is asked
    // again.
    if (delivery.turnId && delivery.personId) {
      const known = await gateway.turn(delivery.turnId, delivery.personId);
      if (known && (known.reply.ending?.status !== "incomplete" || known.reply.length > 0)) {
        return known;
      }
    }
    const words = wordsIn(delivery.language);
    const { target, text: said } = await this.#addressee.of(delivery.incoming, person);
    const incoming = { ...delivery.incoming, text: said };
    const question = await readQuestion(incoming, {
      platform,
      words,
      onError: (error) => this.#troubled(error),
    });
    if ("refusal" in question) return question.refusal;
    if (this.#atWork.isStopped(id)) return words.cancelled;
    const { text, images, notes } = question;
    if (notes.length > 0) delivery.notes = notes;
    const conversationId = await this.#conversation(incoming, person);
    const ask = (conversation: string | undefined) =>
      gateway.ask({
        person,
        text,
        images,
        target,
        conversationId: conversation,
        channel,
        chatType: incoming.chat.type,
        idempotencyKey: `${channel}:${app}:${id}`,
      });
    try {
      return await ask(conversationId);
    } catch (error) {
      // The conversation was deleted on the page meanwhile.
      if (!(error instanceof NexusError) || error.code !== "not_found") throw error;
      return await ask(await this.#newConversation(incoming, person));
    }
  }

  #identity({ sender }: Pick<Incoming, "sender">) {
    const { channel, app } = this.#p;
    return { channel, app, id: sender.id, name: sender.name };
  }

  /** Keeps the language that somebody's account is spoken to in. */
  async #learn({ sender, text }: Incoming): Promise<void> {
    const { languages } = this.#p;
    const language = shown(text);
    const account = languages && language && await this.#access.account(sender);
    if (account) await languages.set(account.id, language);
  }

  /**
   * What is said to whoever has answered whether their chat is to be linked; `undefined`: they were
   * not asked, or said something else.
   */
  async #answered(incoming: Incoming, words: Words): Promise<string | undefined> {
    const yes = incoming.chat.type === "direct" ? yesOrNo(incoming.text) : undefined;
    if (yes === undefined) return undefined;
    const { channel, app, account: accountOf, observer } = this.#p;
    const who = this.#identity(incoming);
    const asked = await this.pairing.asked(who);
    if (asked === undefined || await this.#access.isOut(incoming.sender)) return undefined;
    const account = accountOf(asked.account);
    await this.pairing.answer(asked, account !== undefined && yes);
    if (!account) return words.notAllowed;
    const act = {
      who: account.id,
      did: yes ? "identity_linked" : "identity_refused",
      whom: account.id,
    };
    observer.tell({ type: "acted", act: { ...act, detail: `${channel}:${app}:${who.id}` } });
    return yes ? words.bound(nameOf(account)) : words.pairRefused;
  }

  /**
   * What is said to somebody who is to link an account: their code, or the question that is open.
   */
  async #pair(incoming: Incoming, words: Words): Promise<string> {
    if (incoming.chat.type !== "direct") return words.pairPrivately;
    const who = this.#identity(incoming);
    const asked = await this.pairing.asked(who);
    const account = asked && this.#p.account(asked.account);
    if (account) return words.pairAsk(nameOf(account));
    const known = (await this.#access.voucher(incoming))?.identities;
    const code = await this.pairing.code({ ...who, known });
    return code === undefined ? words.tooManyCodes : words.pairing(code, CODE_LIFETIME / 60_000);
  }

  /** Notes where this person, or this group, can be written to later. */
  async #remember({ incoming, language }: Delivery): Promise<void> {
    const { store, settings } = this.#p;
    const { chat, sender } = incoming;
    const who = chat.type === "direct"
      ? sender.id
      : settings.group === "shared"
      ? `chat:${chat.id}`
      : undefined;
    if (who === undefined) return;
    const reach = this.#reachOf(incoming, language);
    // It changes with the language at most, and every message comes through here.
    if (JSON.stringify(await this.contact(who)) !== JSON.stringify(reach)) {
      await store.set(this.#reachKey(who), reach);
    }
  }

  #reachOf(incoming: Incoming, language: Language): Contact {
    const { id, name } = incoming.sender;
    const address = this.#p.platform.lastingAddress?.(incoming) ?? {};
    return { chat: incoming.chat, sender: { id, name }, address, language };
  }

  #reachKey(who: string): string {
    return `im:reach:${this.prefix}${who}`;
  }

  #homeKey(conversationId: string): string {
    return `im:home:${this.prefix}${conversationId}`;
  }

  async #obey(command: Command, incoming: Incoming, person: Person, words: Words): Promise<string> {
    const { gateway } = this.#p;
    switch (command.name) {
      case "help":
        return words.help;
      case "stop":
        return words.stop[await this.#atWork.stopFrom(incoming)];
      case "new":
        await this.#newConversation(incoming, person);
        return words.newBegun;
      case "bots": {
        if (gateway.bots(person).length === 0) return words.noBots;
        const known = await this.#p.store.get(this.#key("conv", incoming, person.id));
        return words.bots(await this.#addressee.list(incoming, person, known?.id));
      }
      case "use": {
        if (command.bot === undefined) {
          await this.#addressee.chooseNone(incoming);
          return words.usingAny;
        }
        const chosen = await this.#addressee.choose(incoming, person, command.bot);
        return chosen === undefined ? words.unknownBot(command.bot) : words.using(chosen);
      }
      case "pair": {
        const linked = await this.pairing.linkedTo(this.#identity(incoming));
        const account = linked === undefined ? undefined : this.#p.account(linked);
        return account ? words.bound(nameOf(account)) : await this.#pair(incoming, words);
      }
    }
  }

  async #conversation(incoming: Incoming, person: Person): Promise<string> {
    const key = this.#key("conv", incoming, person.id);
    const known = await this.#p.store.get(key);
    if (known) return known.id;
    // Two first questions at once belong to one conversation.
    const beginning = this.#beginning.get(key) ??
      this.#newConversation(incoming, person).finally(() => this.#beginning.delete(key));
    this.#beginning.set(key, beginning);
    return await beginning;
  }

  async #newConversation(incoming: Incoming, person: Person): Promise<string> {
    const { gateway, store, settings } = this.#p;
    const id = await gateway.beginConversation(person, incoming.text.slice(0, 60));
    await store.set(
      this.#homeKey(id),
      this.#reachOf(incoming, languageOf(incoming.text, settings.language)),
    );
    await store.set(this.#key("conv", incoming, person.id), { id });
    return id;
  }

  #key(what: string, incoming: Incoming, who: string): string {
    const { channel, app } = this.#p;
    return `im:${what}:${channel}:${app}:${incoming.chat.id}:${who}`;
  }
}

function newDelivery(incoming: Incoming, at: number, language: Language): Delivery {
  return { incoming, at, tries: 0, language, opened: 0, shown: "", prefix: "", calls: 0 };
}

/** What is said by itself, as if it were the answer to something that was said there. */
function unasked(id: string, { chat, sender, address }: Contact, at: number): Incoming {
  return { id, chat, sender, address, text: "", images: [], files: [], at };
}

/** The language that somebody's words show, where they show one. */
function shown(text: string): Language | undefined {
  return commandOf(text) || yesOrNo(text) !== undefined ? undefined : languageIn(text);
}

/** What an account is called by whoever signs in with it. */
function nameOf({ id, username = id }: Person): string {
  return username;
}
