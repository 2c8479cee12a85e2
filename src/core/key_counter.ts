/** A counter for each key that takes no memory for keys that count nothing. */
export class KeyCounter {
  readonly #counts = new Map<string, number>();

  get(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** Counts one more. Returns the new count. */
  increment(key: string): number {
    const count = this.get(key) + 1;
    this.#counts.set(key, count);
    return count;
  }

  /** Counts one less, down to 0. */
  decrement(key: string): void {
    const count = this.get(key) - 1;
    if (count > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
  }
}
