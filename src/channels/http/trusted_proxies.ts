/**
 * Where a request comes from when reverse proxies stand in between. What they say
 * (`X-Forwarded-For`, `X-Forwarded-Proto`) is believed only of listed addresses: anybody else could
 * write there what they like, and so slip past every limit per address.
 */
import type { BlockList } from "node:net";
import type { ConnectionInfo } from "./response.ts";

/** Peers remembered as trusted or not. */
const REMEMBERED = 1000;

export class TrustedProxies {
  /** `127.0.0.0/8`, which is in nearly every list, needs no more than a look at the text. */
  #loopback = false;
  readonly #single = new Set<string>();
  #list: BlockList | undefined;
  readonly #known = new Map<string, boolean>();

  /** @param ranges addresses and CIDR ranges; throws `RangeError` where one is neither */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) {
      if (range === "127.0.0.0/8") {
        this.#loopback = true;
        continue;
      }
      if (range === "::1") {
        this.#single.add(range);
        continue;
      }
      const { BlockList, isIPv4, isIPv6 } = net();
      const list = this.#list ??= new BlockList();
      const [address = "", bits] = range.split("/");
      const family = isIPv4(address) ? "ipv4" : isIPv6(address) ? "ipv6" : undefined;
      if (!family) throw new RangeError(`${range} is neither an address nor a range`);
      const most = family === "ipv4" ? 32 : 128;
      if (bits === undefined) list.addAddress(address, family);
      else if (/^\d{1,3}$/.test(bits) && Number(bits) <= most) {
        list.addSubnet(address, Number(bits), family);
      } else throw new RangeError(`${range}: the number behind / goes from 0 to ${most}`);
    }
  }

  /** Whether this address is on the list. */
  trusts(address: string): boolean {
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    const plain = plainAddress(address);
    const trusted = (this.#loopback && LOOPBACK.test(plain)) || this.#single.has(plain) ||
      this.#isListed(plain);
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    this.#known.set(address, trusted);
    return trusted;
  }

  #isListed(plain: string): boolean {
    if (!this.#list) return false;
    const { isIPv4, isIPv6 } = net();
    return isIPv4(plain)
      ? this.#list.check(plain, "ipv4")
      : isIPv6(plain) && this.#list.check(plain, "ipv6");
  }

  /**
   * Who is at the other end: from the right of `X-Forwarded-For`, the first address that is not a
   * trusted proxy. What stands further left was written by whoever asked.
   *
   * @param peer the address of the socket's other end
   */
  connection(request: Request, peer: string): ConnectionInfo {
    const direct = request.url.startsWith("https:");
    if (!this.trusts(peer)) return { address: peer, peer, secure: direct };
    const secure = direct ||
      request.headers.get("x-forwarded-proto")?.split(",").at(-1)?.trim() === "https";
    const forwarded = request.headers.get("x-forwarded-for");
    if (!forwarded) return { address: peer, peer, secure };
    const { isIPv4, isIPv6 } = net();
    const hops = forwarded.split(",").map((hop) => plainAddress(hop.trim()));
    for (let i = hops.length - 1; i >= 0; i--) {
      const hop = hops[i]!;
      if (!isIPv4(hop) && !isIPv6(hop)) break;
      if (!this.trusts(hop)) return { address: hop, peer, secure };
    }
    return { address: peer, peer, secure };
  }
}

const LOOPBACK = /^127(?:\.\d{1,3}){3}$/;

/** Loaded where it is needed: it would cost every start 6 ms. */
function net() {
  return globalThis.process.getBuiltinModule("node:net");
}

/** Without brackets, port and the IPv6 dress of an IPv4 address. */
function plainAddress(address: string): string {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(address)?.[1] ??
    /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(address)?.[1] ??
    address;
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare;
}
