/**
 * What stays of somebody who was removed: that their name and id were used. A name may be given
 * again; an id never comes again, so that nothing that still names the old one reaches the new one.
 *
 * The first holder of a name has the name as their id. The next one's id is fixed when the one
 * before is removed: `alice~2`.
 */
import { keyPart, type Store } from "../store.ts";

export interface Tombstone {
  readonly username: string;
  /** The ids that holders of this name had. They are nobody's for ever. */
  readonly ids: readonly string[];
  /** The id of the next account of this name. */
  readonly next: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Whose data may not all be gone yet, and what platforms called them (`lark:ou_1`). */
  readonly pending?: readonly PendingRemoval[];
  /** Set where a platform knew them: it cannot vouch for them again until an admin allows it. */
  readonly barred?: boolean;
}

interface PendingRemoval {
  readonly id: string;
  readonly senders: readonly string[];
}

const PREFIX = "gone:";

export class Tombstones {
  readonly #store: Store;
  #byName = new Map<string, Tombstone>();
  #retired = new Set<string>();
  /** How often something was changed here. */
  #changes = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Reads them all. Returns the ids that have been retired since the last time. */
  async load(): Promise<string[]> {
    let rows: [string, Tombstone][], changes: number;
    do {
      changes = this.#changes;
      rows = await this.#store.list(PREFIX);
      // One that was made here meanwhile must not be lost.
    } while (changes !== this.#changes);
    const found = rows.map(([, tombstone]) => tombstone);
    const before = this.#retired;
    this.#byName = new Map(found.map((tombstone) => [tombstone.username, tombstone]));
    this.#retired = new Set(found.flatMap(({ ids }) => ids));
    return [...this.#retired].filter((id) => !before.has(id));
  }

  get(username: string): Tombstone | undefined {
    return this.#byName.get(username);
  }

  list(): Tombstone[] {
    return [...this.#byName.values()];
  }

  /** The id that an account of this name has or would have. */
  idOf(username: string): string {
    return this.#byName.get(username)?.next ?? username;
  }

  /** Whether an account had this id and was removed. */
  isRetired(id: string): boolean {
    return this.#retired.has(id);
  }

  /** Ids that were removed and whose data may not all be gone. */
  pending(): string[] {
    return this.list().flatMap(({ pending = [] }) => pending.map(({ id }) => id));
  }

  /** What platforms called somebody whose data is not all gone. */
  sendersOf(id: string): readonly string[] {
    return this.list().flatMap(({ pending = [] }) => pending).find((one) => one.id === id)
      ?.senders ?? [];
  }

  /**
   * Retires an id. It is on the disk when this resolves: what is deleted afterwards is deleted for
   * good.
   *
   * @param who.senders what platforms called them, as `lark:ou_1`
   * @param isTaken whether some account has this id or name, so that the next one's id is free
   */
  async bury(
    who: { username: string; id: string; senders: readonly string[]; barred: boolean },
    at: number,
    isTaken: (id: string) => boolean,
  ): Promise<void> {
    const { username, id, senders, barred } = who;
    const before = this.#byName.get(username);
    const ids = [...new Set([...before?.ids ?? [], id])];
    let n = ids.length + 1;
    while (
      isTaken(`${username}~${n}`) || this.#byName.has(`${username}~${n}`) ||
      ids.includes(`${username}~${n}`)
    ) n++;
    const pending = [...before?.pending ?? [], { id, senders }];
    await this.#put({
      username,
      ids,
      next: `${username}~${n}`,
      at,
      pending,
      ...(barred ? { barred } : {}),
    });
  }

  /** Nothing of this id is left. */
  async settle(id: string): Promise<void> {
    for (const tombstone of this.list()) {
      const { pending = [], ...rest } = tombstone;
      const left = pending.filter((one) => one.id !== id);
      if (left.length === pending.length) continue;
      await this.#put(left.length > 0 ? { ...rest, pending: left } : rest);
    }
  }

  /**
   * Whoever had this name may be vouched for again, as somebody new. Returns whether they might not
   * before.
   */
  async allow(username: string): Promise<boolean> {
    const { barred, ...rest } = this.#byName.get(username) ?? {};
    if (!barred) return false;
    await this.#put(rest as Tombstone);
    return true;
  }

  async #put(tombstone: Tombstone): Promise<void> {
    this.#changes++;
    this.#byName.set(tombstone.username, tombstone);
    for (const id of tombstone.ids) this.#retired.add(id);
    await this.#store.set(`${PREFIX}${keyPart(tombstone.username)}`, tombstone, { durable: true });
  }
}
