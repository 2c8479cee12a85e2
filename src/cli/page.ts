/**
 * The page as files: built at the first start where it is not built yet.
 */
import type { Observer } from "../core/observer.ts";

/** What answers requests for the page, or nothing where there is none. */
export function openPage(
  _observer: Observer,
): Promise<((request: Request) => Response | Promise<Response>) | undefined> {
  return Promise.resolve(undefined);
}
