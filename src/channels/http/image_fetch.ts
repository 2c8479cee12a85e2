/**
 * This is how an image that a client only names (`https://…`) is fetched, without letting the
 * client reach what only this machine can reach.
 *
 * The attack it stops: a request that names `http://169.254.169.254/…` or a host that resolves to a
 * private address makes the gateway fetch it (server-side request forgery). The address is checked
 * where the socket is opened, after the name was resolved, so a name that resolves differently the
 * second time gains nothing; each redirect is checked again.
 */
import { lookup as resolve } from "node:dns";
import http from "node:http";
import https from "node:https";
import { BlockList, isIP } from "node:net";
import { ByteCollector } from "../../core/byte_collector.ts";
import { NexusError } from "../../core/error.ts";
import type { MessageImage } from "../../core/message.ts";

export interface ImageFetchOptions {
  /** Whether nothing may be fetched from an address; default {@linkcode isPrivate}. */
  readonly refuses?: (address: string) => boolean;
  /** Bytes; default 10 MiB. */
  readonly maxBytes?: number;
  /** Milliseconds for all of it; default 10 s. */
  readonly timeout?: number;
}

const TYPES = /^image\/(png|jpeg|gif|webp|bmp|avif)\b/i;

export const MAX_REDIRECTS = 3;

/**
 * An image from elsewhere as a data URL. Throws `invalid` with the reason, which never tells what
 * an address held.
 */
export async function fetchImage(
  url: string,
  options: ImageFetchOptions = {},
): Promise<MessageImage> {
  const { maxBytes = 10 << 20, timeout = 10_000, refuses = isPrivate } = options;
  const leave = new AbortController();
  const late = setTimeout(() => leave.abort(), timeout);
  try {
    let at = url;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const answer = await get(parse(at), refuses, maxBytes, leave.signal);
      if ("image" in answer) return answer.image;
      at = answer.elsewhere;
    }
    throw refused(`is behind more than ${MAX_REDIRECTS} redirects`);
  } catch (cause) {
    if (cause instanceof NexusError) throw cause;
    throw refused(
      leave.signal.aborted ? `did not come within ${timeout / 1000} s` : "could not be fetched",
      cause,
    );
  } finally {
    clearTimeout(late);
  }
}

function get(
  target: URL,
  refuses: (address: string) => boolean,
  maxBytes: number,
  signal: AbortSignal,
): Promise<{ image: MessageImage } | { elsewhere: string }> {
  const host = target.hostname.replace(/^\[(.*)\]$/, "$1");
  if (isIP(host) && refuses(host)) throw forbidden();
  return new Promise((done, fail) => {
    // Whatever the runtime is busy with (a name, a connection, a body), the time ends it.
    signal.addEventListener("abort", () => fail(signal.reason), { once: true });
    const request = (target.protocol === "https:" ? https : http).get(
      target,
      {
        signal,
        // A socket that served another request was checked for that one.
        agent: false,
        headers: { accept: "image/*" },
        // The type of the option is wider than what is asked of it here.
        // deno-lint-ignore no-explicit-any
        lookup: guarded(refuses, forbidden) as any,
      },
      (answer) =>
        receive(answer, target, maxBytes).then(done, fail).finally(() => answer.destroy()),
    );
    request.on("error", fail);
  });
}

/** Reads an answer: an image within the bound, or where else it is. */
async function receive(
  answer: http.IncomingMessage,
  target: URL,
  maxBytes: number,
): Promise<{ image: MessageImage } | { elsewhere: string }> {
  const status = answer.statusCode ?? 0;
  const { location } = answer.headers;
  if (status >= 300 && status < 400 && location !== undefined) {
    if (!URL.canParse(location, target.href)) throw refused("is moved to no proper address");
    return { elsewhere: new URL(location, target).href };
  }
  if (status !== 200) throw refused("was not given out");
  const type = TYPES.exec(answer.headers["content-type"] ?? "")?.[0];
  if (!type) throw refused("is no image");
  const promised = Number(answer.headers["content-length"] ?? 0);
  const bytes = new ByteCollector(maxBytes, promised);
  if (promised > maxBytes) throw refused(tooLarge(maxBytes));
  for await (const part of answer) if (!bytes.add(part)) throw refused(tooLarge(maxBytes));
  return { image: `data:${type.toLowerCase()};base64,${bytes.bytes.toBase64()}` };
}

function parse(url: string): URL {
  let target: URL;
  try {
    target = new URL(url);
  } catch {
    throw refused("has no proper address");
  }
  if (target.protocol !== "http:" && target.protocol !== "https:") {
    throw refused("is not at an http address");
  }
  return target;
}

type Resolved = (error: Error | null, addresses?: { address: string; family: number }[]) => void;

/**
 * The system's answer, refused where any address of it is. Asked by the runtime right before it
 * connects.
 */
export function guarded(refuses: (address: string) => boolean, forbidden: () => Error) {
  return (hostname: string, _options: unknown, tell: Resolved): void => {
    resolve(hostname, { all: true }, (error, addresses) => {
      if (error) return tell(error);
      if (addresses.some(({ address }) => refuses(address))) return tell(forbidden());
      tell(null, addresses);
    });
  };
}

/** IANA's special-purpose registries: everything that is not the public internet. */
const PRIVATE = {
  ipv4: listOf(
    "ipv4",
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 " +
      "192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4",
  ),
  // The ranges that carry an IPv4 address inside (mapped, NAT64, 6to4, Teredo) are refused whole:
  // no image host needs them.
  ipv6: listOf(
    "ipv6",
    "::/128 ::1/128 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/32 2001:db8::/32 2002::/16 fc00::/7 " +
      "fe80::/10 ff00::/8",
  ),
};

/** A list for each family: one that holds the mapped range finds every IPv4 address in it. */
function listOf(family: "ipv4" | "ipv6", ranges: string): BlockList {
  const list = new BlockList();
  for (const range of ranges.split(" ")) {
    const [address, bits] = range.split("/");
    list.addSubnet(address!, Number(bits), family);
  }
  return list;
}

/** Whether an address belongs to this machine, its network, or to nobody. */
export function isPrivate(address: string): boolean {
  // A zone (`fe80::1%eth0`) names an interface of this machine.
  const family = isIP(address);
  if (family === 4) return PRIVATE.ipv4.check(address, "ipv4");
  return family === 0 || address.includes("%") || PRIVATE.ipv6.check(address, "ipv6");
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
