/**
 * This is the word for "stop" between a call and its socket. An `AbortSignal` says the same at ten
 * times the cost, and a call makes two of them.
 */
export class CancelToken {
  #halted = false;
  #calls: (() => void)[] = [];

  get halted(): boolean {
    return this.#halted;
  }

  halt(): void {
    if (this.#halted) return;
    this.#halted = true;
    const calls = this.#calls;
    this.#calls = [];
    for (const call of calls) call();
  }

  /**
   * Calls once when it is halted; not where it has been already. Returns the way to take it back.
   */
  on(call: () => void): () => void {
    this.#calls.push(call);
    return () => {
      const at = this.#calls.indexOf(call);
      if (at >= 0) this.#calls.splice(at, 1);
    };
  }
}
