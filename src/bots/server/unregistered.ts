/** The count of sockets that have not registered, per network and in all. */
import { networkOf } from "../../core/rate_limiter.ts";

export class UnregisteredSockets {
  readonly #byNetwork = new Map<string, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  /** Those of the address's network. */
  of(address: string): number {
    return this.#byNetwork.get(networkOf(address)) ?? 0;
  }

  add(address: string): void {
    this.#total++;
    this.#byNetwork.set(networkOf(address), this.of(address) + 1);
  }

  remove(address: string): void {
    this.#total--;
    const left = this.of(address) - 1;
    if (left > 0) this.#byNetwork.set(networkOf(address), left);
    else this.#byNetwork.delete(networkOf(address));
  }
}
