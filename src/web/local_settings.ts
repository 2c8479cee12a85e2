/**
 * The page's settings in `localStorage`, which may be full, forbidden or shared with another tab.
 * A failure to store a setting is not an error: the page works without it.
 */

export class LocalSettings {
  readonly #storage: Pick<Storage, "getItem" | "setItem" | "removeItem"> | undefined;

  constructor(storage: Pick<Storage, "getItem" | "setItem" | "removeItem"> | undefined) {
    this.#storage = storage;
  }

  get(name: string): string | undefined {
    try {
      return this.#storage?.getItem(`nexus.${name}`) ?? undefined;
    } catch {
      // Forbidden by the browser's settings: as if nothing were stored.
      return undefined;
    }
  }

  /** Stores a value; `undefined` and the empty string remove it. Returns whether it worked. */
  set(name: string, value: string | undefined): boolean {
    try {
      if (value) this.#storage?.setItem(`nexus.${name}`, value);
      else this.#storage?.removeItem(`nexus.${name}`);
      return true;
    } catch {
      return false;
    }
  }

  /** A stored JSON value, or `otherwise` where there is none or it is invalid. */
  read<T>(name: string, otherwise: T): T {
    const text = this.get(name);
    if (text === undefined) return otherwise;
    try {
      return JSON.parse(text) as T;
    } catch {
      return otherwise;
    }
  }

  write(name: string, value: unknown): boolean {
    return this.set(name, JSON.stringify(value));
  }
}

/** The settings in the browser's storage, where the browser allows it. */
export function browserSettings(): LocalSettings {
  try {
    return new LocalSettings(localStorage);
  } catch {
    return new LocalSettings(undefined);
  }
}
