/**
 * Notices for a person's open pages: turns that began elsewhere, changed conversations, messages
 * that a bot sends by itself.
 *
 * A push is stored in memory until a page has received it, within bounds of number and size. Other
 * notices matter only to open pages.
 */
import type { MessageImage } from "./message.ts";
import type { Trace } from "./key_scope.ts";
import type { Ending } from "./reply.ts";

export type Notice =
  | {
    readonly type: "turn";
    readonly turnId: string;
    readonly conversationId: string;
    readonly botId?: string;
    /** By it the page that sent the message knows its own turn. */
    readonly idempotencyKey?: string;
  }
  | {
    readonly type: "turn_end";
    readonly turnId: string;
    readonly conversationId: string;
    readonly status: Ending["status"];
  }
  | PushNotice
  | {
    readonly type: "conversation";
    readonly conversationId: string;
    readonly change: "created" | "renamed" | "pinned" | "deleted";
  };

/** A message that a bot sends by itself. */
export interface PushNotice {
  readonly type: "push";
  readonly turnId: string;
  readonly conversationId: string;
  readonly botId: string;
  readonly botName: string;
  readonly content: string;
  readonly images: readonly MessageImage[];
}

/**
 * A notice with its number. Numbers grow across restarts, so that a page can name the last one that
 * it received.
 */
export interface NumberedNotice {
  readonly number: number;
  readonly notice: Notice;
  /** The turns that it is about: a reader of any of them receives it. */
  readonly about: readonly Trace[];
}

/**
 * Notices stored for one person; past it the oldest are dropped, and the conversation still has
 * them.
 */
const MAX_PER_PERSON = 200;

/**
 * UTF-16 units stored for one person, and for all; past it the oldest are dropped. The latest
 * notice of a person stays whatever its size, because a single push may hold 20 MiB of images.
 */
const MAX_PERSON_UNITS = 8 << 20, MAX_ALL_UNITS = 64 << 20;

/** People with stored notices; past it the one with the oldest is dropped. */
const MAX_PEOPLE = 10_000;

interface Mailbox {
  readonly notices: NumberedNotice[];
  /** The size of the stored notices in UTF-16 units. */
  units: number;
  /** Everything up to this number was received by some page. */
  receivedUpTo: number;
  readonly subscribers: Set<Subscriber>;
}

/** A page, or a program that listens like one. */
interface Subscriber {
  receive(notice: NumberedNotice): void;
  /** Whether a push that it receives need not wait for another page. */
  readonly receivesAll: boolean;
}

export class Notices {
  readonly #mailboxes = new Map<string, Mailbox>();
  #number: number;
  #units = 0;

  constructor(now: number) {
    this.#number = now * 1000;
  }

  /** How many pages are open. */
  get pages(): number {
    let pages = 0;
    for (const mailbox of this.#mailboxes.values()) pages += mailbox.subscribers.size;
    return pages;
  }

  /**
   * The number of the latest notice of all: a subscriber from now on has missed nothing up to it.
   */
  get last(): number {
    return this.#number;
  }

  /** UTF-16 units of all stored notices. */
  get units(): number {
    return this.#units;
  }

  /** Whether a page of this person is open. */
  hasPage(personId: string): boolean {
    return (this.#mailboxes.get(personId)?.subscribers.size ?? 0) > 0;
  }

  /** Sends a notice to a person's open pages; with none open, a push waits for one. */
  tell(personId: string, notice: Notice, about: readonly Trace[]): void {
    let mailbox = this.#mailboxes.get(personId);
    if (!mailbox) {
      if (notice.type !== "push") return;
      mailbox = this.#open(personId);
    }
    const numbered = { number: ++this.#number, notice, about };
    this.#store(mailbox, numbered);
    for (const subscriber of mailbox.subscribers) {
      if (subscriber.receivesAll) mailbox.receivedUpTo = numbered.number;
      subscriber.receive(numbered);
    }
  }

  /**
   * Subscribes a page. It first receives what it missed after `after` (the number of a notice) or,
   * without a number, the pushes that no page has received; then everything new. Returns the way to
   * unsubscribe. Later notices are stored for a page that comes back with its number.
   *
   * @param takes whether a push that it receives need not wait for another page; `false` for a key
   *   that does not receive everything
   */
  subscribe(
    personId: string,
    after: number | undefined,
    receive: (notice: NumberedNotice) => void,
    takes = true,
  ): () => void {
    const mailbox = this.#mailboxes.get(personId) ?? this.#open(personId);
    for (const numbered of mailbox.notices) {
      const missed = after === undefined
        ? numbered.number > mailbox.receivedUpTo && numbered.notice.type === "push"
        : numbered.number > after;
      if (missed) receive(numbered);
    }
    if (takes) mailbox.receivedUpTo = this.#number;
    const subscriber: Subscriber = { receive, receivesAll: takes };
    mailbox.subscribers.add(subscriber);
    // The empty mailbox stays: one tab of a browser closes its page before the next one opens its
    // own. #open bounds their number.
    return () => void mailbox.subscribers.delete(subscriber);
  }

  /** Drops the notices of a person who was removed. Their pages are closed elsewhere. */
  forget(personId: string): void {
    const mailbox = this.#mailboxes.get(personId);
    if (!mailbox) return;
    this.#units -= mailbox.units;
    mailbox.units = 0;
    mailbox.notices.length = 0;
    if (mailbox.subscribers.size === 0) this.#mailboxes.delete(personId);
  }

  #store(mailbox: Mailbox, numbered: NumberedNotice): void {
    mailbox.notices.push(numbered);
    const units = unitsOf(numbered.notice);
    mailbox.units += units;
    this.#units += units;
    while (
      mailbox.notices.length > MAX_PER_PERSON ||
      (mailbox.units > MAX_PERSON_UNITS && mailbox.notices.length > 1)
    ) {
      this.#dropOldest(mailbox);
    }
    if (this.#units <= MAX_ALL_UNITS) return;
    for (const other of this.#mailboxes.values()) {
      while (this.#units > MAX_ALL_UNITS && other.notices.length > (other === mailbox ? 1 : 0)) {
        this.#dropOldest(other);
      }
    }
  }

  #dropOldest(mailbox: Mailbox): void {
    const units = unitsOf(mailbox.notices.shift()!.notice);
    mailbox.units -= units;
    this.#units -= units;
  }

  #open(personId: string): Mailbox {
    if (this.#mailboxes.size >= MAX_PEOPLE) {
      for (const [id, mailbox] of this.#mailboxes) {
        if (mailbox.subscribers.size > 0) continue;
        this.#mailboxes.delete(id);
        this.#units -= mailbox.units;
        break;
      }
    }
    const mailbox: Mailbox = { notices: [], units: 0, receivedUpTo: 0, subscribers: new Set() };
    this.#mailboxes.set(personId, mailbox);
    return mailbox;
  }
}

function unitsOf(notice: Notice): number {
  if (notice.type !== "push") return 0;
  let units = notice.content.length;
  for (const image of notice.images) units += image.length;
  return units;
}
