/** A cache with a bound. */

/** People and conversations that are cached beside the store. */
const MAX_CACHED = 10_000;

/** Puts an entry into a map that is a cache; the oldest entry makes room. */
export function cache<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.size >= MAX_CACHED) map.delete(map.keys().next().value!);
  map.set(key, value);
}
