/** Texts that sort turns in the order in which they began. */

/** The first text of a time, milliseconds since the epoch. */
export function orderAt(at: number): string {
  return at.toString(36).padStart(9, "0");
}

/** Gives every turn its text, also those that begin in the same millisecond. */
export class TurnOrder {
  #last = "";

  next(at: number): string {
    const plain = orderAt(at);
    const number = this.#last.startsWith(plain) ? Number.parseInt(this.#last.slice(9), 36) + 1 : 0;
    return this.#last = plain + number.toString(36).padStart(4, "0");
  }
}
