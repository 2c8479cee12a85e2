/** Waiting until a condition holds, with a time-out. */
import { Failed } from "./case.ts";

/** Several that wait for something to become true, with a time-out each. */
export class ConditionWaiter {
  #waiting = new Set<() => void>();

  /** Whatever is waited for may have become true. */
  wake(): void {
    for (const look of [...this.#waiting]) look();
  }

  /**
   * Resolves with the first value of `look` that is not `undefined` or `false`; throws {@linkcode
   * Failed} with `what` past `ms`.
   */
  until<T>(look: () => T | undefined | false, ms: number, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        this.#waiting.delete(again);
      };
      const again = () => {
        let found: T | undefined | false;
        try {
          found = look();
        } catch (error) {
          end();
          return reject(error);
        }
        if (found === undefined || found === false) return;
        end();
        resolve(found);
      };
      const timer = setTimeout(() => {
        end();
        reject(new Failed(`${what} did not come within ${ms} ms`));
      }, ms);
      this.#waiting.add(again);
      again();
    });
  }
}
