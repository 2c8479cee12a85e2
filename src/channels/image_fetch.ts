/**
 * This is how an image that a client only names (`https://…`) is fetched, without letting the client reach what only this machine can reach.
 *
 * The attack it stops: a request that names `http://169.254.169.254/…` or a host that resolves to a private address makes the gateway fetch it
 * (server-side request forgery). The address is checked where the socket is opened, after the name was resolved, so a name that resolves
 * differently the second time gains nothing; each redirect is checked again.
 */
import { lookup as resolve } from "node:dns";
import http from "node:http";
import https from "node:https";
import { BlockList, isIP } from "node:net";
import { NexusError } from "../core/error.ts";
import type { Image } from "../core/message.ts";

export interface ImageFetchOptions {
  /** Lets private addresses in, for image hosts inside one's own network. */
  readonly allowPrivate: boolean;
  /** Bytes; default 10 MiB. */
  readonly maxBytes?: number;
  /** Milliseconds for all of it; default 10 s. */
  readonly timeout?: number;
}

const TYPES = /^image\/(png|jpeg|gif|webp|bmp|avif)\b/i;

const MAX_REDIRECTS = 3;

/** An image from elsewhere as a data URL. Throws `invalid` with the reason, which never tells what an address held. */
export async function fetchImage(url: string, options: ImageFetchOptions): Promise<Image> {
  const { maxBytes = 10 << 20, timeout = 10_000 } = options;
  const signal = AbortSignal.timeout(timeout);
  let at = url;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const answer = await get(at, options.allowPrivate, maxBytes, signal).catch((cause) => {
      if (cause instanceof NexusError) throw cause;
      throw refused(signal.aborted ? `did not come within ${timeout / 1000} s` : "could not be fetched", cause);
    });
    if ("image" in answer) return answer.image;
    at = answer.elsewhere;
  }
  throw refused(`is behind more than ${MAX_REDIRECTS} redirects`);
}

function get(
  url: string,
  allowPrivate: boolean,
  maxBytes: number,
  signal: AbortSignal,
): Promise<{ image: Image } | { elsewhere: string }> {
  const target = parse(url);
  const host = target.hostname.replace(/^\[(.*)\]$/, "$1");
  if (!allowPrivate && isIP(host) && isPrivate(host)) throw forbidden();
  return new Promise((done, fail) => {
    const request = (target.protocol === "https:" ? https : http).get(target, {
      signal,
      headers: { accept: "image/*" },
      // The type of the option is wider than what is asked of it here.
      // deno-lint-ignore no-explicit-any
      lookup: allowPrivate ? undefined : guardedLookup as any,
    }, (answer) => {
      const status = answer.statusCode ?? 0;
      const { location } = answer.headers;
      if (status >= 300 && status < 400 && location) {
        answer.destroy();
        return done({ elsewhere: new URL(location, target).href });
      }
      const type = TYPES.exec(answer.headers["content-type"] ?? "")?.[0];
      if (status !== 200 || !type || Number(answer.headers["content-length"] ?? 0) > maxBytes) {
        answer.destroy();
        return fail(refused(status !== 200 ? "was not given out" : type ? tooLarge(maxBytes) : "is no image"));
      }
      const parts: Uint8Array[] = [];
      let total = 0;
      answer.on("data", (part: Uint8Array) => {
        total += part.length;
        parts.push(part);
        if (total <= maxBytes) return;
        answer.destroy();
        fail(refused(tooLarge(maxBytes)));
      });
      answer.on("error", fail);
      answer.on("end", () => done({ image: `data:${type.toLowerCase()};base64,${joined(parts, total).toBase64()}` }));
    });
    request.on("error", fail);
  });
}

function parse(url: string): URL {
  let target: URL;
  try {
    target = new URL(url);
  } catch {
    throw refused("has no proper address");
  }
  if (target.protocol !== "http:" && target.protocol !== "https:") throw refused("is not at an http address");
  return target;
}

type Resolved = (error: Error | null, addresses?: { address: string; family: number }[]) => void;

/** The system's answer, refused where any address of it is private. Asked by the runtime right before it connects. */
function guardedLookup(hostname: string, _options: unknown, tell: Resolved): void {
  resolve(hostname, { all: true }, (error, addresses) => {
    if (error) return tell(error);
    if (addresses.some(({ address }) => isPrivate(address))) return tell(forbidden());
    tell(null, addresses);
  });
}

/** IANA's special-purpose registries: everything that is not the public internet. */
const PRIVATE = (() => {
  const list = new BlockList();
  const v4 =
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 " +
    "192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4";
  // The ranges that carry an IPv4 address inside (mapped, NAT64, 6to4, Teredo) are refused whole: no image host needs them.
  const v6 =
    "::/128 ::1/128 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/32 2001:db8::/32 2002::/16 fc00::/7 fe80::/10 ff00::/8";
  for (const [family, all] of [["ipv4", v4], ["ipv6", v6]] as const) {
    for (const subnet of all.split(" ")) {
      const [address, bits] = subnet.split("/");
      list.addSubnet(address!, Number(bits), family);
    }
  }
  return list;
})();

/** Whether an address belongs to this machine, its network, or to nobody. */
export function isPrivate(address: string): boolean {
  const family = isIP(address);
  return family === 0 || PRIVATE.check(address, family === 6 ? "ipv6" : "ipv4");
}

function joined(parts: readonly Uint8Array[], total: number): Uint8Array & { toBase64(): string } {
  const whole = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole as Uint8Array & { toBase64(): string };
}

function tooLarge(maxBytes: number): string {
  return `has more than ${maxBytes >> 20} MiB`;
}

function forbidden(): NexusError {
  return refused("is at a private address");
}

function refused(what: string, cause?: unknown): NexusError {
  return new NexusError("invalid", `image_url: the image ${what}`, { cause });
}
