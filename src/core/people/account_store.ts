/**
 * The people of the store as they are read and written, and the marks by which processes that share
 * a store tell each other that something changed: reading the whole list every few seconds would
 * cost more than everything else together.
 */
import type { AccountDirectory, AccountRecord } from "./account_directory.ts";
import { randomToken } from "./secret.ts";
import { entries, keyPart, type Store } from "../store.ts";

/** For how long other processes can see that something changed, in milliseconds. */
const MARK_TTL = 3_600_000;

const MARK = "changed:people:";

export class AccountStore {
  readonly #store: Store;
  readonly #directory: AccountDirectory;
  readonly #onFault: (error: unknown) => void;
  readonly #process = randomToken(4);
  /** The marks of other processes at the last look. */
  #seen: string | undefined;
  /** Ids whose records were changed here since the last reading began. */
  readonly #written = new Set<string>();

  constructor(
    parts: { store: Store; directory: AccountDirectory; onFault: (error: unknown) => void },
  ) {
    this.#store = parts.store;
    this.#directory = parts.directory;
    this.#onFault = parts.onFault;
  }

  /** Tells other processes that something changed. */
  async mark(): Promise<void> {
    await this.#store.set(MARK + this.#process, randomToken(4), { ttl: MARK_TTL }).catch(
      this.#onFault,
    );
  }

  /**
   * Whether another process has changed something since the last time, or nobody has asked before.
   */
  async hasChanged(): Promise<boolean> {
    const own = MARK + this.#process;
    const rows = (await this.#store.list(MARK)).filter(([key]) => key !== own);
    const marks = rows.map(([key, mark]) => `${key}=${mark}`).join();
    const hasChanged = marks !== this.#seen;
    this.#seen = marks;
    return hasChanged;
  }

  /** All records, and the ids of those who stood in the configuration, by name. */
  async read(): Promise<{ records: Map<string, AccountRecord>; former: Map<string, string> }> {
    this.#written.clear();
    const records = new Map<string, AccountRecord>(), former = new Map<string, string>();
    for await (const [, { username, id }] of entries(this.#store, "configured:")) {
      former.set(username, id);
    }
    for await (const [, record] of entries(this.#store, "person:")) records.set(record.id, record);
    for (const id of this.#written) {
      // Changed here while it was read.
      const record = this.#directory.record(id);
      if (record) records.set(id, record);
      else records.delete(id);
    }
    return { records, former };
  }

  /**
   * Stores a record that the list has already. Sure: a password that was confirmed must not be the
   * old one after a crash.
   */
  async put(record: AccountRecord): Promise<void> {
    this.#written.add(record.id);
    const stored = this.#store.set(`person:${keyPart(record.id)}`, record, { durable: true });
    await this.mark();
    await stored;
  }

  /** Deletes what stands under an id and a name. */
  async remove(id: string, username: string): Promise<void> {
    this.#written.add(id);
    await this.#store.delete(`person:${keyPart(id)}`);
    await this.#store.delete(`configured:${keyPart(username)}`);
    await this.mark();
  }

  /** Writes down that somebody stands in the configuration. */
  async note(username: string, id: string): Promise<void> {
    await this.#store.set(`configured:${keyPart(username)}`, { username, id });
  }
}
