/** One socket to a model API and the bytes that were read from it; RFC 9112. */
import { ConnectionError } from "./client.ts";

/** The part of a socket that the client uses. */
export interface ByteSocket {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** A delta is about 200 bytes; a burst or an image comes in several reads. */
const BUFFER_BYTES = 16 << 10;

const MAX_HEAD_BYTES = 64 << 10;

/** The head of a response. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** 0 or 1, of HTTP/1.x. */
  readonly minorVersion: number;
}

/** Serves one request at a time. */
export class HttpConnection {
  /** Whether any byte has answered the current request. */
  hasAnswered = false;
  readonly #socket: ByteSocket;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #from = 0;
  #to = 0;
  #isClosed = false;

  constructor(socket: ByteSocket) {
    this.#socket = socket;
  }

  async send(bytes: Uint8Array): Promise<void> {
    this.hasAnswered = false;
    for (let sent = 0; sent < bytes.length;) sent += await this.#socket.write(bytes.subarray(sent));
  }

  /** The head of the final response; informational ones are skipped. */
  async receiveHead(): Promise<ResponseHead> {
    while (true) {
      const head = parseHead(await this.#readHead());
      if (head.status < 100 || head.status > 199) return head;
    }
  }

  /** Reads to the empty line. Nearly always it is in the first read, and then nothing is copied. */
  async #readHead(): Promise<string> {
    let head = "";
    while (true) {
      const { bytes } = this;
      // Each byte is one character, so an empty line that two reads share is found in their sum.
      const text = head + LATIN.decode(bytes);
      const end = text.indexOf("\r\n\r\n");
      if (end >= 0) {
        this.consume(end + 4 - head.length);
        return text.slice(0, end);
      }
      head = text;
      this.consume(bytes.length);
      if (head.length > MAX_HEAD_BYTES) {
        throw new ConnectionError("the head of the response is too large");
      }
      if (await this.fill() === 0) throw new ConnectionError("closed before a response");
    }
  }

  /** The bytes that were read and not yet consumed. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(this.#from, this.#to);
  }

  consume(count: number): void {
    this.#from += count;
  }

  /** Reads more, once everything was consumed. Returns how many bytes; 0 at the end. */
  async fill(): Promise<number> {
    const count = await this.#socket.read(this.#buffer);
    this.#from = 0;
    this.#to = count ?? 0;
    if (this.#to > 0) this.hasAnswered = true;
    return this.#to;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
  }
}

/** Decodes every byte to one character, so that characters count bytes. */
const LATIN = new TextDecoder("latin1");

function parseHead(head: string): ResponseHead {
  const [first, ...rest] = head.split("\r\n");
  const match = /^HTTP\/1\.([01]) (\d{3})/.exec(first!);
  if (!match) throw new ConnectionError("not an HTTP response");
  const headers = new Map<string, string>();
  for (const row of rest) {
    const colon = row.indexOf(":");
    if (colon > 0) headers.set(row.slice(0, colon).toLowerCase(), row.slice(colon + 1).trim());
  }
  return { status: Number(match[2]), headers, minorVersion: Number(match[1]) };
}
