/**
 * The process's own sockets as the operating system sees them. The runtime's server says nothing of
 * a connection before its first request and has no way to close one, so a stranger who sends
 * nothing, or one byte a minute, would hold a connection for ever. Here each can be seen and
 * closed, by four calls of the system's C library; where that is not to be had (on Windows, without
 * the permission `ffi`) there is nothing, and connections are not bounded.
 *
 * The server under `node:http` has such bounds, but costs 40 µs of CPU for the smallest request
 * where this one costs 15.
 */

export interface SocketPeer {
  readonly address: string;
  readonly port: number;
}

/** A process's sockets, by their file numbers. */
export interface ProcessSockets {
  /** How many files the process may have open. */
  readonly limit: number;
  /** All file numbers are below this one. */
  top(): number;
  /**
   * Who is at the other end of a connection that was made to `port`; nothing for any other file.
   */
  peer(file: number, port: number): SocketPeer | undefined;
  /** Milliseconds since something was sent; nothing where the system does not say. */
  sentAgo(file: number): number | undefined;
  /** Ends a connection; the server then sees that it is over. */
  close(file: number): void;
  /** Lets the library go; nothing may be called afterwards. */
  release(): void;
}

const CALLS = {
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
} as const;

/** Where the C library is, with what differs between systems. */
const SYSTEMS: Partial<
  Record<typeof Deno.build.os, { libraries: string[]; nofile: number; ipv6: number }>
> = {
  linux: { libraries: ["libc.so.6", "libc.so"], nofile: 7, ipv6: 10 },
  darwin: { libraries: ["libSystem.B.dylib"], nofile: 8, ipv6: 30 },
};

const IPV4 = 2, TCP = 6, TCP_INFO = 11, BOTH_WAYS = 2;

/** Where `tcpi_last_data_sent` stands in Linux' `struct tcp_info`. */
const LAST_DATA_SENT = 44;

/** This process's sockets, or why they cannot be seen. */
export function openProcessSockets(): ProcessSockets | { why: string } {
  const system = SYSTEMS[Deno.build.os];
  if (!system) return { why: `not on ${Deno.build.os}` };
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") {
    return { why: "without the permission ffi" };
  }
  for (const library of system.libraries) {
    try {
      return new LibcSockets(Deno.dlopen(library, CALLS), system);
    } catch {
      // The next name: glibc and musl differ.
    }
  }
  return { why: `without ${system.libraries.join(" or ")}` };
}

class LibcSockets implements ProcessSockets {
  readonly limit: number;
  readonly #library: Deno.DynamicLibrary<typeof CALLS>;
  readonly #calls: Deno.DynamicLibrary<typeof CALLS>["symbols"];
  readonly #ipv6: number;
  /** A `sockaddr_in6`; a `sockaddr_in` is shorter. */
  readonly #address = new Uint8Array(28);
  readonly #info = new Uint8Array(256);
  readonly #length = new Uint32Array(1);
  readonly #lengthBytes = new Uint8Array(this.#length.buffer);

  constructor(
    library: Deno.DynamicLibrary<typeof CALLS>,
    { nofile, ipv6 }: { nofile: number; ipv6: number },
  ) {
    this.#library = library;
    this.#calls = library.symbols;
    this.#ipv6 = ipv6;
    const limits = new BigUint64Array(2);
    const got = this.#calls.getrlimit(nofile, new Uint8Array(limits.buffer)) === 0;
    this.limit = got && limits[0]! > 0n
      ? Number(limits[0]! < 1n << 31n ? limits[0]! : 1n << 31n)
      : 1024;
  }

  top(): number {
    // How many file numbers the process's table has room for: the kernel doubles it.
    if (Deno.build.os === "linux") {
      return Number(/^FDSize:\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1]);
    }
    return Math.max(...Array.from(Deno.readDirSync("/dev/fd"), ({ name }) => Number(name))) + 1;
  }

  peer(file: number, port: number): SocketPeer | undefined {
    // Most files are no sockets: one call says so.
    const peer = this.#name("getpeername", file);
    if (!peer) return undefined;
    const address = this.#text();
    return this.#name("getsockname", file) && this.#port() === port
      ? { address, port: peer }
      : undefined;
  }

  /** The port of one end; the address is left for {@linkcode #text}. */
  #name(call: "getpeername" | "getsockname", file: number): number | undefined {
    this.#length[0] = this.#address.length;
    if (this.#calls[call](file, this.#address, this.#lengthBytes) !== 0) return undefined;
    const family = this.#family();
    return family === IPV4 || family === this.#ipv6 ? this.#port() : undefined;
  }

  #family(): number {
    // On macOS the first byte is the length.
    return Deno.build.os === "linux"
      ? this.#address[0]! | this.#address[1]! << 8
      : this.#address[1]!;
  }

  #port(): number {
    return this.#address[2]! << 8 | this.#address[3]!;
  }

  #text(): string {
    const bytes = this.#address;
    if (this.#family() === IPV4) return bytes.subarray(4, 8).join(".");
    const groups: string[] = [];
    for (let at = 8; at < 24; at += 2) groups.push((bytes[at]! << 8 | bytes[at + 1]!).toString(16));
    const isMapped = groups.slice(0, 5).every((group) => group === "0") && groups[5] === "ffff";
    // As others write it: the longest run of zeros left out.
    return isMapped
      ? bytes.subarray(20, 24).join(".")
      : new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
  }

  sentAgo(file: number): number | undefined {
    if (Deno.build.os !== "linux") return undefined;
    this.#length[0] = this.#info.length;
    if (this.#calls.getsockopt(file, TCP, TCP_INFO, this.#info, this.#lengthBytes) !== 0) {
      return undefined;
    }
    return new DataView(this.#info.buffer).getUint32(LAST_DATA_SENT, true);
  }

  close(file: number): void {
    this.#calls.shutdown(file, BOTH_WAYS);
  }

  release(): void {
    this.#library.close();
  }
}
