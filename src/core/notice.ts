/**
 * What a person's open pages are told outside of a reply: turns begun elsewhere, messages that a
 * bot sends by itself.
 *
 * A push is kept until a page has taken it, within bounds of number and weight; everything else is
 * of use only to a page that is open.
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

/** What a bot says by itself. */
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
 * A notice and its number, which grows over a restart too, so that a page can say which one it saw
 * last.
 */
export interface NumberedNotice {
  readonly number: number;
  readonly notice: Notice;
  /** The turns that it is about: who may read one of them may hear it. */
  readonly about: readonly Trace[];
}

/** Notices kept for one person; past it the oldest go, and the conversation still has them. */
const PER_PERSON = 200;

/**
 * UTF-16 units of what is kept for one person, and for all; past it the oldest go. The latest of a
 * person stays whatever it weighs, because a single push may hold 20 MiB of images.
 */
const PERSON_UNITS = 8 << 20, ALL_UNITS = 64 << 20;

/** People for whom something is kept; past it the one with the oldest goes. */
const PEOPLE = 10_000;

interface Box {
  readonly kept: NumberedNotice[];
  /** What is kept weighs, in UTF-16 units. */
  units: number;
  /** Everything to this number was taken by some page. */
  taken: number;
  readonly pages: Set<Page>;
}

/** Whoever listens. */
interface Page {
  receive(notice: NumberedNotice): void;
  /** What it hears need not wait for another. */
  readonly takes: boolean;
}

export class Notices {
  readonly #boxes = new Map<string, Box>();
  #number: number;
  #units = 0;

  constructor(now: number) {
    this.#number = now * 1000;
  }

  /** How many pages are open. */
  get pages(): number {
    let pages = 0;
    for (const box of this.#boxes.values()) pages += box.pages.size;
    return pages;
  }

  /**
   * The number of the latest notice of all: whoever hears from now on has missed nothing to here.
   */
  get last(): number {
    return this.#number;
  }

  /** UTF-16 units of all that is kept. */
  get units(): number {
    return this.#units;
  }

  /** Whether a page of this person is open. */
  isHeard(personId: string): boolean {
    return (this.#boxes.get(personId)?.pages.size ?? 0) > 0;
  }

  /** Tells a person's open pages; with none open, a push waits for one. */
  tell(personId: string, notice: Notice, about: readonly Trace[]): void {
    let box = this.#boxes.get(personId);
    if (!box) {
      if (notice.type !== "push") return;
      box = this.#open(personId);
    }
    const numbered = { number: ++this.#number, notice, about };
    this.#keep(box, numbered);
    for (const page of box.pages) {
      if (page.takes) box.taken = numbered.number;
      page.receive(numbered);
    }
  }

  /**
   * Opens a page: gives it what it missed behind `after` (a number it was given), or, with no
   * number, the pushes that no page has taken; then everything new. Returns the way to close it;
   * what comes while no page is open is kept for one that comes back with its number.
   *
   * @param takes whether what it is given need not wait for another page: not for a listener who
   *   does not hear everything
   */
  subscribe(
    personId: string,
    after: number | undefined,
    receive: (notice: NumberedNotice) => void,
    takes = true,
  ): () => void {
    const box = this.#boxes.get(personId) ?? this.#open(personId);
    for (const numbered of box.kept) {
      const missed = after === undefined
        ? numbered.number > box.taken && numbered.notice.type === "push"
        : numbered.number > after;
      if (missed) receive(numbered);
    }
    if (takes) box.taken = this.#number;
    const page = { receive, takes };
    box.pages.add(page);
    // The box stays, though it may be empty: one tab of a browser closes its page before the next
    // one opens its own. #open bounds them.
    return () => void box.pages.delete(page);
  }

  /** Drops what waits for somebody who was removed. Their pages are others' to end. */
  forget(personId: string): void {
    const box = this.#boxes.get(personId);
    if (!box) return;
    this.#units -= box.units;
    box.units = 0;
    box.kept.length = 0;
    if (box.pages.size === 0) this.#boxes.delete(personId);
  }

  #keep(box: Box, numbered: NumberedNotice): void {
    box.kept.push(numbered);
    const units = unitsOf(numbered.notice);
    box.units += units;
    this.#units += units;
    while (box.kept.length > PER_PERSON || (box.units > PERSON_UNITS && box.kept.length > 1)) {
      this.#dropOldest(box);
    }
    if (this.#units <= ALL_UNITS) return;
    for (const other of this.#boxes.values()) {
      while (this.#units > ALL_UNITS && other.kept.length > (other === box ? 1 : 0)) {
        this.#dropOldest(other);
      }
    }
  }

  #dropOldest(box: Box): void {
    const units = unitsOf(box.kept.shift()!.notice);
    box.units -= units;
    this.#units -= units;
  }

  #open(personId: string): Box {
    if (this.#boxes.size >= PEOPLE) {
      for (const [id, box] of this.#boxes) {
        if (box.pages.size > 0) continue;
        this.#boxes.delete(id);
        this.#units -= box.units;
        break;
      }
    }
    const box: Box = { kept: [], units: 0, taken: 0, pages: new Set() };
    this.#boxes.set(personId, box);
    return box;
  }
}

function unitsOf(notice: Notice): number {
  if (notice.type !== "push") return 0;
  let units = notice.content.length;
  for (const image of notice.images) units += image.length;
  return units;
}
