/**
 * The outbox is every delivery that must reach a platform even if this process dies: an accepted
 * message stays in it until its answer has been seen there. Each step is written down before it is
 * done and again after it, so a restart knows what was done, what was not, and what may have been
 * done; for the last the platform's idempotency id makes the repeat harmless.
 *
 * ```ts
 * const outbox = new Outbox(store, "lark:main");
 * if (await outbox.accept(id, { text: "hello" })) {
 *   // acknowledge, answer, `write` what was done, then
 *   await outbox.done(id);
 * }
 * for (const { id, entry } of await outbox.pending()) resume(id, entry);
 * ```
 */
import type { Json, Store } from "../../core/store.ts";

/**
 * How long a message that was seen is known: platforms repeat for up to 7 h 10 min (Feishu); a day
 * leaves room for late ones.
 */
export const SEEN_FOR = 24 * 3_600_000;

/**
 * On the disk, not only on its way there: what is acknowledged or sent after it must not be
 * forgotten with the process.
 */
const SURE = { durable: true };

export class Outbox {
  readonly #store: Store;
  readonly #prefix: string;

  /** `prefix` keeps one channel's entries apart from another's. */
  constructor(store: Store, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  /**
   * Writes an entry down, unless this id was seen before. `false`: a repeat, drop it.
   *
   * The entry is written before the id is marked as seen: dying in between leaves an entry that
   * {@linkcode pending} finds, never a marked id without one. The mark is an atomic count, so of
   * two that come at once, also on two nodes, one goes on. `seenFor`: milliseconds for which a
   * repeat is known.
   */
  async accept(id: string, entry: Json, seenFor = SEEN_FOR): Promise<boolean> {
    const seen = this.#seen(id);
    if (await this.#store.get(seen) !== undefined) return false;
    await this.#store.set(this.#key(id), entry, SURE);
    return await this.#store.count(seen, 1, seenFor) === 1;
  }

  /**
   * Replaces an entry: the next step, or what became of the last. One that is no longer there was
   * forgotten, and stays so.
   */
  async write(id: string, entry: Json): Promise<void> {
    if (await this.#store.get(this.#key(id)) === undefined) return;
    await this.#store.set(this.#key(id), entry, SURE);
  }

  async read(id: string): Promise<Json | undefined> {
    return await this.#store.get(this.#key(id));
  }

  /** The answer is where it belongs; the id stays known. */
  async done(id: string): Promise<void> {
    await this.#store.delete(this.#key(id));
  }

  /**
   * Marks an id as seen without an entry: whatever else came with it is done. `false`: it was seen
   * before.
   */
  async seen(id: string): Promise<boolean> {
    return await this.#store.count(this.#seen(id), 1, SEEN_FOR) !== 1;
  }

  /**
   * What a process that died left behind; each is marked as seen, since it may have died before
   * that. Entries come in the order of their ids; call it before anything new is accepted.
   */
  async pending(): Promise<{ id: string; entry: Json }[]> {
    const prefix = this.#key("");
    const found: { id: string; entry: Json }[] = [];
    for (const [key, entry] of await this.#store.list(prefix)) {
      const id = key.slice(prefix.length);
      if (await this.#store.get(this.#seen(id)) === undefined) {
        await this.#store.count(this.#seen(id), 1, SEEN_FOR);
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
