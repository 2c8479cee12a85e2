/**
 * This is what the browser remembers for the page: a few strings in `localStorage`, which may be
 * full, forbidden or shared with another tab. A failure to keep something is not worth an error;
 * everything works without, it is only forgotten sooner.
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
      // Forbidden by the browser's settings: as if nothing had been kept.
      return undefined;
    }
  }

  /** `undefined` and the empty string forget it. `false`: it could not be kept. */
  set(name: string, value: string | undefined): boolean {
    try {
      if (value) this.#storage?.setItem(`nexus.${name}`, value);
      else this.#storage?.removeItem(`nexus.${name}`);
      return true;
    } catch {
      return false;
    }
  }

  /** A kept JSON value, or `otherwise` when there is none or it cannot be read. */
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

/** The browser's storage, where it may be used at all. */
export function browserSettings(): LocalSettings {
  try {
    return new LocalSettings(localStorage);
  } catch {
    return new LocalSettings(undefined);
  }
}
