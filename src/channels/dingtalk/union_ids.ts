/**
 * The union ids of a company's people by their userids, looked up rarely: each look is an API call
 * of the month.
 */
import type { Clock } from "../../core/clock.ts";
import type { Store } from "../../core/store.ts";
import { PlatformError } from "../im/platform.ts";

/** Milliseconds for which an id counts: a company may give a userid to somebody else. */
export const HOLDS = 7 * 86_400_000;

/**
 * Milliseconds for which nobody's is asked for after DingTalk has refused to tell one, or the month
 * is used up.
 */
const REFUSED = 3_600_000;

export class UnionIds {
  #refusedUntil = 0;

  constructor(
    private readonly parts: { readonly store: Store; readonly clock: Clock; readonly app: string },
  ) {}

  /**
   * `undefined`: DingTalk does not tell. Throws a `PlatformError` where a later try may go better.
   */
  async of(staffId: string, look: () => Promise<string | undefined>): Promise<string | undefined> {
    const { store, clock, app } = this.parts;
    const key = `im:union:dingtalk:${app}:${staffId}`;
    const known = await store.get(key);
    if (known) return known.union;
    if (this.#refusedUntil > clock.now()) return undefined;
    try {
      const union = await look();
      if (union !== undefined) await store.set(key, { union }, { ttl: HOLDS });
      return union;
    } catch (error) {
      if (
        !(error instanceof PlatformError) ||
        (error.kind !== "refused" && error.kind !== "exhausted")
      ) {
        throw error;
      }
      this.#refusedUntil = clock.now() + REFUSED;
      return undefined;
    }
  }
}
