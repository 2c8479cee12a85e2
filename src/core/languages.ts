/** The language of each account, set by the page or by the last message of its person in a chat. */
import { languageKey } from "./keys.ts";
import type { Store } from "./store.ts";

export type Language = "zh" | "en";

export class Languages {
  constructor(private readonly store: Store) {}

  /** `undefined`: not known. */
  async of(id: string): Promise<Language | undefined> {
    return await this.store.get(languageKey(id));
  }

  async set(id: string, language: Language): Promise<void> {
    if (await this.of(id) !== language) await this.store.set(languageKey(id), language);
  }

  async forget(id: string): Promise<void> {
    await this.store.delete(languageKey(id));
  }
}
