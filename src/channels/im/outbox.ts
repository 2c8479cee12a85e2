/**
 * The outbox of deliveries that must reach a platform even if this process dies: an accepted
 * message stays in it until its answer is shown. Each step is stored before and after it is made,
 * so that a restart knows which steps were made, and which may have been made; the platform's
 * idempotency id makes a repeat of the latter harmless.
 *
 * ```ts
 * const outbox = new Outbox(store, "lark:main");
 * if (await outbox.accept(id, { text: "hello" })) {
 *   // acknowledge, answer, `write` each step, then
 *   await outbox.done(id);
 * }
 * for (const { id, entry } of await outbox.pending()) resume(id, entry);
 * ```
 */
import type { Json, Store } from "../../core/store.ts";

/**
 * Milliseconds for which the id of a message is stored. Platforms repeat a message for up to 7 h 10
 * min (Feishu); a day leaves room for late repeats.
 */
export const SEEN_FOR_MS = 24 * 3_600_000;

/** On the disk before it is acknowledged or sent, so that it survives a crash of the process. */
const DURABLE = { durable: true };

export class Outbox {
  readonly #store: Store;
  readonly #prefix: string;

  /** @param prefix separates the entries of one app from those of another */
  constructor(store: Store, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  /**
   * Stores an entry unless its id was seen before. Returns `false` for a repeat.
   *
   * The entry is stored before the id is marked as seen: a crash in between leaves an entry that
   * {@linkcode pending} finds, never a marked id without an entry. The mark is an atomic count, so
   * that one of two simultaneous repeats is accepted.
   *
   * @param seenFor milliseconds for which repeats are recognised
   */
  async accept(id: string, entry: Json, seenFor = SEEN_FOR_MS): Promise<boolean> {
    const seen = this.#seen(id);
    if (await this.#store.get(seen) !== undefined) return false;
    await this.#store.set(this.#key(id), entry, DURABLE);
    return await this.#store.count(seen, 1, seenFor) === 1;
  }

  /** Replaces an entry. One that was removed, with its person, is not stored again. */
  async write(id: string, entry: Json): Promise<void> {
    if (await this.#store.get(this.#key(id)) === undefined) return;
    await this.#store.set(this.#key(id), entry, DURABLE);
  }

  async read(id: string): Promise<Json | undefined> {
    return await this.#store.get(this.#key(id));
  }

  /** Removes an entry whose answer is shown. Its id stays marked as seen. */
  async done(id: string): Promise<void> {
    await this.#store.delete(this.#key(id));
  }

  /** Marks an id as seen, without an entry, and returns whether it was seen before. */
  async seen(id: string): Promise<boolean> {
    return await this.#store.count(this.#seen(id), 1, SEEN_FOR_MS) !== 1;
  }

  /**
   * Returns the entries of an earlier process, in the order of their ids, and marks them as seen:
   * the process may have died before it did so. Call it before the first message is accepted.
   */
  async pending(): Promise<{ id: string; entry: Json }[]> {
    const prefix = this.#key("");
    const found: { id: string; entry: Json }[] = [];
    for (const [key, entry] of await this.#store.list(prefix)) {
      const id = key.slice(prefix.length);
      if (await this.#store.get(this.#seen(id)) === undefined) {
        await this.#store.count(this.#seen(id), 1, SEEN_FOR_MS);
      }
      found.push({ id, entry });
    }
    return found;
  }

  #key(id: string): string {
    return `outbox:${this.#prefix}:${id}`;
  }

  #seen(id: string): string {
    return `seen:${this.#prefix}:${id}`;
  }
}
