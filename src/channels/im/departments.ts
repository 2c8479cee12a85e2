/**
 * The departments of people, as a platform tells them, remembered for a while: some platforms bill
 * each question.
 */
import type { Clock } from "../../core/clock.ts";
import type { Incoming, Platform } from "./platform.ts";

/**
 * Milliseconds for which an answer counts: somebody who changes departments is known there after
 * that.
 */
const HOLDS = 10 * 60_000;

/** People who are remembered. */
const MOST = 5000;

export class Departments {
  readonly #known = new Map<string, { readonly ids: readonly string[]; readonly until: number }>();

  constructor(private readonly parts: { readonly platform: Platform; readonly clock: Clock }) {}

  /**
   * The ids of the sender's departments; none where the platform does not tell. Throws a
   * `PlatformError`.
   */
  async of(incoming: Incoming): Promise<readonly string[]> {
    const { platform, clock } = this.parts;
    const { id, departments = [] } = incoming.sender;
    if (departments.length > 0 || !platform.departments) return departments;
    const known = this.#known.get(id);
    if (known && known.until > clock.now()) return known.ids;
    const ids = await platform.departments(incoming);
    this.#known.delete(id);
    this.#known.set(id, { ids, until: clock.now() + HOLDS });
    if (this.#known.size > MOST) this.#known.delete(this.#known.keys().next().value!);
    return ids;
  }
}
