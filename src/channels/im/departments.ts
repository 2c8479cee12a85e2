/** A cache of people's departments: some platforms bill each request for them. */
import type { Clock } from "../../core/clock.ts";
import type { Incoming, Platform } from "./platform.ts";

/** Milliseconds for which an entry is valid, and until which a change may go unnoticed. */
const CACHE_TTL_MS = 10 * 60_000;

/** Entries of the cache. */
const MAX_ENTRIES = 5000;

export class Departments {
  readonly #known = new Map<string, { readonly ids: readonly string[]; readonly until: number }>();

  constructor(private readonly parts: { readonly platform: Platform; readonly clock: Clock }) {}

  /** Returns the ids of the sender's departments, as far as known. Throws a `PlatformError`. */
  async of(incoming: Incoming): Promise<readonly string[]> {
    const { platform, clock } = this.parts;
    const { id, departments = [] } = incoming.sender;
    if (departments.length > 0 || !platform.departments) return departments;
    const known = this.#known.get(id);
    if (known && known.until > clock.now()) return known.ids;
    const ids = await platform.departments(incoming);
    this.#known.delete(id);
    this.#known.set(id, { ids, until: clock.now() + CACHE_TTL_MS });
    if (this.#known.size > MAX_ENTRIES) this.#known.delete(this.#known.keys().next().value!);
    return ids;
  }
}
