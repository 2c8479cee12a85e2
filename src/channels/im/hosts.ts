/**
 * The addresses of a platform that the gateway may call. Messages and answers contain addresses
 * (for a reply, of an image); a forged one must not make the gateway call another machine in the
 * company's network.
 */

export interface HostParts {
  /** Addresses in the configuration. Their origins are trusted, also those of private clouds. */
  readonly base: readonly string[];
  /** Hosts of the platform: `api.example.com`, or `.example.com` for all its subdomains. */
  readonly platform: readonly string[];
  /** Further hosts in the configuration, or origins such as `http://10.0.0.7:8080`. */
  readonly further: readonly string[];
}

export class Hosts {
  readonly #origins = new Set<string>();
  readonly #names: string[] = [];

  constructor({ base, platform, further }: HostParts) {
    for (const entry of [...base, ...further]) {
      if (entry.includes("://")) this.#origins.add(originOf(new URL(entry)));
      else this.#names.push(entry.toLowerCase());
    }
    this.#names.push(...platform);
  }

  /**
   * Whether an address is the platform's own: over TLS at one of its hosts, or at an origin of the
   * configuration.
   */
  has(address: unknown): address is string {
    if (typeof address !== "string" || !URL.canParse(address)) return false;
    const url = new URL(address);
    if (url.username !== "" || url.password !== "") return false;
    if (this.#origins.has(originOf(url))) return true;
    if (url.protocol !== "https:" && url.protocol !== "wss:") return false;
    return url.port === "" && this.#names.some((name) => isAt(url.hostname, name));
  }
}

function isAt(host: string, name: string): boolean {
  if (!name.startsWith(".")) return host === name;
  // Clouds use such names for hosts that only their own machines can reach.
  const isInside = host.split(/[.-]/).some((part) =>
    part === "internal" || /^vpc\d{0,9}$/.test(part)
  );
  return host.endsWith(name) && !isInside;
}

/** Returns the origin; that of a WebSocket is the origin of its HTTP upgrade. */
function originOf(url: URL): string {
  const isSecure = url.protocol === "https:" || url.protocol === "wss:";
  return `${isSecure ? "https" : "http"}://${url.host}`;
}
