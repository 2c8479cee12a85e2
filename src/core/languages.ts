/**
 * The language that each account is spoken to in, set by the page or by what its person last wrote
 * in a chat.
 */
import { keyPart, type Store } from "./store.ts";

export type Language = "zh" | "en";

export class Languages {
  constructor(private readonly store: Store) {}

  /** `undefined`: nothing is known. */
  async of(id: string): Promise<Language | undefined> {
    return await this.store.get(keyOf(id));
  }

  async set(id: string, language: Language): Promise<void> {
    if (await this.of(id) !== language) await this.store.set(keyOf(id), language);
  }

  async forget(id: string): Promise<void> {
    await this.store.delete(keyOf(id));
  }
}

function keyOf(id: string): string {
  return `language:${keyPart(id)}`;
}
