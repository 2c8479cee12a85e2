/**
 * Which addresses that a platform names are called. A message or an answer names some (where to
 * reply, where a picture is), and whoever forges one must not make the gateway call another machine
 * of the company's network.
 */

export interface HostParts {
  /**
   * The addresses of the configuration: their origins are trusted as they stand, private clouds and
   * tests too.
   */
  readonly base: readonly string[];
  /** Hosts of the platform: `api.example.com`, or `.example.com` for all below it. */
  readonly platform: readonly string[];
  /** Further ones from the configuration, also as origins: `http://10.0.0.7:8080`. */
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
  // What a cloud calls so is reached from inside it only.
  const isInside = host.split(/[.-]/).some((part) =>
    part === "internal" || /^vpc\d{0,9}$/.test(part)
  );
  return host.endsWith(name) && !isInside;
}

/** Sockets belong to the origin of the HTTP that they begin with. */
function originOf(url: URL): string {
  const isSecure = url.protocol === "https:" || url.protocol === "wss:";
  return `${isSecure ? "https" : "http"}://${url.host}`;
}
