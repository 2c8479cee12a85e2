/** Addresses of services, as people write them into a configuration. */

/** The address without the slashes at its end, so that a path can follow. */
export function withoutTrailingSlashes(address: string): string {
  let end = address.length;
  while (address[end - 1] === "/") end--;
  return address.slice(0, end);
}
