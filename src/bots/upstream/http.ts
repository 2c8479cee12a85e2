/**
 * This is how Nexus calls a model API: HTTP/1.1 over a plain or TLS socket, answers read piece by
 * piece.
 *
 * Why not `fetch`: a bare relay of 16-byte deltas takes 87 µs of CPU each where it reads through
 * `fetch` on Deno 2.9, 61 with a BYOB reader, and 48 where it reads the socket; reading deltas is
 * most of what a gateway in front of a model does. {@linkcode fetchHttp} is there for what this
 * client does not know: proxies, HTTP/2, other runtimes.
 *
 * Message framing after RFC 9112: sections 6 (length), 7.1 (chunked) and 9.3 (keep-alive).
 */
import { NexusError } from "../../core/error.ts";
import type { CancelToken } from "./halt.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  /** Names in lower case; `host`, `content-length` and `connection` are set here. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Halting closes the socket at once, which is the only word for "stop" that model APIs know. */
  readonly halt: CancelToken;
}

export interface HttpResponse {
  readonly status: number;
  header(name: string): string | undefined;
  /**
   * The next piece of the body as text, cut anywhere but inside a character; `undefined` at its
   * proper end. Throws {@linkcode ConnectionError}.
   */
  read(): Promise<string | undefined>;
  /** Whether the proper end of the body was seen. */
  readonly ended: boolean;
  /** Lets go of an answer that is not read to its end. */
  close(): void;
}

/** Calls model APIs. */
export interface HttpClient {
  /** Resolves when the head of the answer is there. Throws {@linkcode ConnectionError}. */
  request(request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

/** The line broke: no connection, reset, or an end in the middle of a body. */
export class ConnectionError extends Error {
  override readonly name = "Broken";

  constructor(
    message: string,
    /**
     * The socket had served another request before and may simply have been closed in between:
     * another one may be tried at once.
     */
    readonly stale = false,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

/** What is needed of a socket. */
export interface ByteSocket {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

export type Dial = (to: { tls: boolean; hostname: string; port: number }) => Promise<ByteSocket>;

/** Idle sockets kept per address: as many as one busy bot may have had streams. */
const MAX_IDLE = 512;

/**
 * Milliseconds an idle socket is kept: below the five seconds after which Node's and many other
 * servers close theirs.
 */
const KEEP_IDLE = 4_000;

/** A delta is about 200 bytes; a burst or an image comes in several reads. */
const BUFFER = 16 << 10;

const MAX_HEAD = 64 << 10;

/** {@linkcode HttpClient} on sockets of its own. */
export class SocketHttpClient implements HttpClient {
  readonly #dial: Dial;
  readonly #idle = new Map<string, { line: HttpConnection; since: number }[]>();
  #sweeper: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  constructor(dial: Dial = dialDeno) {
    this.#dial = dial;
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    const { url, halt } = request;
    if (this.#closed || halt.halted) throw new ConnectionError("called off");
    const target = new URL(url);
    const tls = target.protocol === "https:";
    const key = `${target.protocol}${target.host}`;
    const used = this.#idle.get(key)?.pop()?.line;
    const line = used ?? await this.#open(tls, target, halt);
    const over = halt.on(() => line.close());
    try {
      await line.send(head(request, target));
      const answer = await line.receive((reusable) => {
        over();
        if (reusable && !halt.halted) this.#keep(key, line);
        else line.close();
      });
      return answer;
    } catch (error) {
      over();
      line.close();
      if (halt.halted) throw new ConnectionError("called off", false, error);
      throw new ConnectionError(reason(error), used !== undefined && !line.heard, error);
    }
  }

  async #open(tls: boolean, target: URL, halt: CancelToken): Promise<HttpConnection> {
    let socket: ByteSocket;
    try {
      const hostname = target.hostname.replace(/^\[(.*)\]$/, "$1");
      const dialled = this.#dial({ tls, hostname, port: Number(target.port) || (tls ? 443 : 80) });
      socket = await orCalledOff(dialled, halt);
    } catch (error) {
      throw new ConnectionError(reason(error), false, error);
    }
    if (this.#closed) {
      socket.close();
      throw new ConnectionError("called off");
    }
    return new HttpConnection(socket);
  }

  #keep(key: string, line: HttpConnection): void {
    if (this.#closed) return line.close();
    let idle = this.#idle.get(key);
    if (!idle) this.#idle.set(key, idle = []);
    if (idle.length >= MAX_IDLE) idle.shift()!.line.close();
    idle.push({ line, since: performance.now() });
    this.#sweeper ??= setInterval(() => this.#sweep(), KEEP_IDLE / 4);
  }

  #sweep(): void {
    const old = performance.now() - KEEP_IDLE;
    for (const [key, idle] of this.#idle) {
      while (idle.length > 0 && idle[0]!.since < old) idle.shift()!.line.close();
      if (idle.length === 0) this.#idle.delete(key);
    }
    if (this.#idle.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  close(): void {
    this.#closed = true;
    for (const idle of this.#idle.values()) for (const { line } of idle) line.close();
    this.#idle.clear();
    clearInterval(this.#sweeper);
  }
}

/**
 * The socket, unless the halt comes first: a connection to a silent address takes minutes to fail,
 * and then closes itself here.
 */
function orCalledOff(dialled: Promise<ByteSocket>, halt: CancelToken): Promise<ByteSocket> {
  return new Promise((resolve, reject) => {
    const over = halt.on(() => reject(new ConnectionError("called off")));
    dialled.then((socket) => {
      over();
      if (halt.halted) socket.close();
      resolve(socket);
    }, (error) => {
      over();
      reject(error);
    });
  });
}

function head({ method, headers, body }: HttpRequest, target: URL): Uint8Array {
  let text =
    `${method} ${target.pathname}${target.search} HTTP/1.1\r\nhost: ${target.host}\r\naccept-encoding: identity\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    // A key read from a file may end in a newline; a header that holds one would be two headers.
    const clean = value.trim();
    // deno-lint-ignore no-control-regex -- control characters are what it refuses
    if (/[\u0000-\u001f\u007f]/.test(clean)) {
      throw new NexusError("invalid", `header ${name} holds control characters`);
    }
    text += `${name}: ${clean}\r\n`;
  }
  if (body === undefined) return ENCODER.encode(`${text}\r\n`);
  const bytes = ENCODER.encode(body);
  const first = ENCODER.encode(`${text}content-length: ${bytes.length}\r\n\r\n`);
  const whole = new Uint8Array(first.length + bytes.length);
  whole.set(first);
  whole.set(bytes, first.length);
  return whole;
}

const ENCODER = new TextEncoder();

/** How much of the body is still to come: bytes, to the closing of the line, or chunk by chunk. */
type Framing = "length" | "close" | "chunked";

/** One socket and what was read from it. Serves one request at a time. */
class HttpConnection {
  /** Whether anything came in answer to the current request. */
  heard = false;
  readonly #socket: ByteSocket;
  readonly #buffer = new Uint8Array(BUFFER);
  #from = 0;
  #to = 0;
  #closed = false;

  constructor(socket: ByteSocket) {
    this.#socket = socket;
  }

  async send(bytes: Uint8Array): Promise<void> {
    this.heard = false;
    for (let sent = 0; sent < bytes.length;) sent += await this.#socket.write(bytes.subarray(sent));
  }

  async receive(end: (reusable: boolean) => void): Promise<HttpResponse> {
    while (true) {
      const { status, headers, old } = parseHead(await this.#head());
      if (status >= 100 && status < 200) continue;
      return new ConnectionResponse(this, status, headers, old, end);
    }
  }

  /** Reads to the empty line. Nearly always it is in the first read, and then nothing is copied. */
  async #head(): Promise<string> {
    let head = "";
    while (true) {
      const { bytes } = this;
      // Bytes, not characters: an empty line that falls into two reads is found in what they make
      // together.
      const text = head + LATIN.decode(bytes);
      const end = text.indexOf("\r\n\r\n");
      if (end >= 0) {
        this.take(end + 4 - head.length);
        return text.slice(0, end);
      }
      head = text;
      this.take(bytes.length);
      if (head.length > MAX_HEAD) throw new ConnectionError("the answer's head is too large");
      if (await this.fill() === 0) throw new ConnectionError("closed before an answer");
    }
  }

  /** What was read and not yet taken. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(this.#from, this.#to);
  }

  take(count: number): void {
    this.#from += count;
  }

  /** Reads more once everything was taken; returns how many bytes, 0 at the end. */
  async fill(): Promise<number> {
    const count = await this.#socket.read(this.#buffer);
    this.#from = 0;
    this.#to = count ?? 0;
    if (this.#to > 0) this.heard = true;
    return this.#to;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }
}

/**
 * A decoder that is not in the middle of anything: a fifth of the cost of one that keeps a state.
 */
const WHOLE = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Bytes to text, cut anywhere: what ends in a whole character is decoded at once, and events always
 * do.
 */
class Characters {
  #decoder: TextDecoder | undefined;
  #inside = false;

  decode(bytes: Uint8Array): string {
    const whole = bytes[bytes.length - 1]! < 0x80;
    if (whole && !this.#inside) return WHOLE.decode(bytes);
    this.#inside = !whole;
    return (this.#decoder ??= new TextDecoder("utf-8", { ignoreBOM: true })).decode(
      bytes,
      STREAMING,
    );
  }
}

class ConnectionResponse implements HttpResponse {
  readonly #characters = new Characters();
  readonly #framing: Framing;
  readonly #reusable: boolean;
  #end: ((reusable: boolean) => void) | undefined;
  /** Bytes left of the body, or of the current chunk. */
  #left = 0;
  /** What of a chunk's size line has come; `undefined` inside a chunk. */
  #size: string | undefined = "";
  /** After the last chunk: the trailers, which nobody asked for. */
  #trailer = false;

  constructor(
    readonly line: HttpConnection,
    readonly status: number,
    readonly headers: ReadonlyMap<string, string>,
    old: boolean,
    end: (reusable: boolean) => void,
  ) {
    this.#end = end;
    const length = headers.get("content-length");
    const coding = headers.get("transfer-encoding")?.toLowerCase();
    if (status === 204 || status === 304) this.#framing = "length";
    else if (coding?.endsWith("chunked")) this.#framing = "chunked";
    else if (length !== undefined && /^\d{1,15}$/.test(length)) {
      this.#framing = "length";
      this.#left = Number(length);
    } else this.#framing = "close";
    const connection = headers.get("connection")?.toLowerCase() ?? "";
    this.#reusable = this.#framing !== "close" && !connection.includes("close") &&
      (!old || connection.includes("keep-alive"));
  }

  header(name: string): string | undefined {
    return this.headers.get(name);
  }

  get ended(): boolean {
    return this.#end === undefined;
  }

  async read(): Promise<string | undefined> {
    while (this.#end) {
      const text = this.#decode();
      if (text !== "") return text;
      if (this.#end === undefined) break;
      let count: number;
      try {
        count = await this.line.fill();
      } catch (error) {
        this.close();
        throw new ConnectionError(reason(error), false, error);
      }
      if (count > 0) continue;
      if (this.#framing !== "close") {
        this.close();
        throw new ConnectionError("the connection was cut in the middle of the answer");
      }
      this.#finish(false);
    }
    return undefined;
  }

  /** The text of everything that is in the buffer. */
  #decode(): string {
    if (this.#framing === "chunked") return this.#decodeChunks();
    const { bytes } = this.line;
    const count = this.#framing === "length" ? Math.min(bytes.length, this.#left) : bytes.length;
    const text = count > 0 ? this.#characters.decode(bytes.subarray(0, count)) : "";
    this.line.take(count);
    if (this.#framing === "length" && (this.#left -= count) === 0) {
      this.#finish(bytes.length === count);
    }
    return text;
  }

  #decodeChunks(): string {
    let text = "";
    const { bytes } = this.line;
    let at = 0;
    while (at < bytes.length && this.#end) {
      if (this.#size === undefined) {
        // Inside a chunk, or at the line end behind it.
        if (this.#left > 0) {
          const count = Math.min(this.#left, bytes.length - at);
          text += this.#characters.decode(bytes.subarray(at, at + count));
          at += count;
          this.#left -= count;
          continue;
        }
        if (bytes[at++] === LF) this.#size = "";
        continue;
      }
      const byte = bytes[at++]!;
      if (byte !== LF) {
        if (byte !== CR) this.#size += String.fromCharCode(byte);
        if (this.#size.length > 1024) this.#malformed("a chunk's size line is too long");
        continue;
      }
      if (this.#trailer) {
        if (this.#size === "") this.#finish(at === bytes.length);
        this.#size = "";
        continue;
      }
      const size = /^[0-9a-fA-F]{1,12}(?=\s*(;|$))/.exec(this.#size)?.[0];
      if (size === undefined) this.#malformed("a chunk has no size");
      this.#left = Number.parseInt(size!, 16);
      this.#trailer = this.#left === 0;
      this.#size = this.#trailer ? "" : undefined;
    }
    this.line.take(at);
    return text;
  }

  #malformed(what: string): never {
    this.close();
    throw new ConnectionError(what);
  }

  #finish(reusable: boolean): void {
    const end = this.#end;
    this.#end = undefined;
    end?.(reusable && this.#reusable);
  }

  close(): void {
    this.#finish(false);
  }
}

/** A character for every byte, so that what is counted in characters is counted in bytes. */
const LATIN = new TextDecoder("latin1");

const CR = 13, LF = 10, STREAMING = { stream: true };

function parseHead(head: string): { status: number; headers: Map<string, string>; old: boolean } {
  const [first, ...rest] = head.split("\r\n");
  const match = /^HTTP\/1\.([01]) (\d{3})/.exec(first!);
  if (!match) throw new ConnectionError("not an HTTP answer");
  const headers = new Map<string, string>();
  for (const row of rest) {
    const colon = row.indexOf(":");
    if (colon > 0) headers.set(row.slice(0, colon).toLowerCase(), row.slice(colon + 1).trim());
  }
  return { status: Number(match[2]), headers, old: match[1] === "0" };
}

async function dialDeno(
  { tls, hostname, port }: { tls: boolean; hostname: string; port: number },
): Promise<ByteSocket> {
  if (tls) return await Deno.connectTls({ hostname, port, alpnProtocols: ["http/1.1"] });
  const socket = await Deno.connect({ hostname, port });
  socket.setNoDelay(true);
  return socket;
}

/** {@linkcode HttpClient} on `fetch`, for proxies and for runtimes without `Deno.connect`. */
export function fetchHttp(fetch: typeof globalThis.fetch): HttpClient {
  return {
    async request({ method, url, headers, body, halt }) {
      const leaving = new AbortController();
      const { signal } = leaving;
      halt.on(() => leaving.abort());
      if (halt.halted) throw new ConnectionError("called off");
      let response: Response;
      try {
        response = await fetch(url, { method, headers, body, signal, redirect: "manual" });
      } catch (error) {
        throw new ConnectionError(signal.aborted ? "called off" : reason(error), false, error);
      }
      const reader = response.body?.getReader();
      const decoder = new TextDecoder();
      let ended = reader === undefined;
      return {
        get ended() {
          return ended;
        },
        status: response.status,
        header: (name) => response.headers.get(name) ?? undefined,
        async read() {
          while (reader) {
            let piece: ReadableStreamReadResult<Uint8Array>;
            try {
              piece = await reader.read();
            } catch (error) {
              throw new ConnectionError(reason(error), false, error);
            }
            if (piece.done) {
              ended = true;
              return undefined;
            }
            const text = decoder.decode(piece.value, STREAMING);
            if (text !== "") return text;
          }
        },
        close: () =>
          void reader?.cancel().catch(
            () => {/* it was broken already, and nobody reads it any more */},
          ),
      };
    },
    close() {},
  };
}

/**
 * What a network error says, without the addresses of a private network that some runtimes put
 * behind it.
 */
function reason(error: unknown): string {
  if (error instanceof ConnectionError) return error.message;
  if (!(error instanceof Error)) return "the connection broke";
  const { name, message } = error;
  if (name === "ConnectionRefused" || /refused/i.test(message)) return "connection refused";
  if (name === "ConnectionReset" || /reset by peer/i.test(message)) return "connection reset";
  if (/dns|lookup|resolve/i.test(message)) return "the host's name is not known";
  if (/certificate|tls|handshake/i.test(message)) return "the TLS handshake failed";
  if (name === "TimedOut" || /timed out/i.test(message)) return "connecting timed out";
  return "the connection broke";
}
