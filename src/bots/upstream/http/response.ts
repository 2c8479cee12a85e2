/** A response whose body is read from its connection piece by piece. */
import { ConnectionError, type HttpResponse, reasonOf } from "./client.ts";
import type { HttpConnection, ResponseHead } from "./connection.ts";

/** What ends the body: a length, the end of the connection, or the last chunk; RFC 9112, 6. */
type Framing = "length" | "close" | "chunked";

const CR = 13, LF = 10, STREAMING = { stream: true };

/** A decoder without state; it costs a fifth of one that keeps a state. */
const WHOLE = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A decoder for UTF-8 that arrives in pieces. Events end in a whole character, and such pieces are
 * decoded without state.
 */
class PiecewiseDecoder {
  #decoder: TextDecoder | undefined;
  #isInside = false;

  decode(bytes: Uint8Array): string {
    const whole = bytes[bytes.length - 1]! < 0x80;
    if (whole && !this.#isInside) return WHOLE.decode(bytes);
    this.#isInside = !whole;
    return (this.#decoder ??= new TextDecoder("utf-8", { ignoreBOM: true })).decode(
      bytes,
      STREAMING,
    );
  }
}

export class ConnectionResponse implements HttpResponse {
  readonly #text = new PiecewiseDecoder();
  readonly #framing: Framing;
  readonly #isReusable: boolean;
  readonly #connection: HttpConnection;
  readonly #headers: ReadonlyMap<string, string>;
  #onEnd: ((isReusable: boolean) => void) | undefined;
  /** Bytes left of the body, or of the current chunk. */
  #left = 0;
  /** The part of a chunk's size line that has arrived; `undefined` inside a chunk. */
  #sizeLine: string | undefined = "";
  /** After the last chunk: trailers are skipped. */
  #isInTrailers = false;
  readonly status: number;

  /** @param onEnd is called once, with whether the connection can serve another request */
  constructor(
    connection: HttpConnection,
    { status, headers, minorVersion }: ResponseHead,
    onEnd: (isReusable: boolean) => void,
  ) {
    this.#connection = connection;
    this.status = status;
    this.#headers = headers;
    this.#onEnd = onEnd;
    const length = headers.get("content-length");
    const coding = headers.get("transfer-encoding")?.toLowerCase();
    if (status === 204 || status === 304) this.#framing = "length";
    else if (coding?.endsWith("chunked")) this.#framing = "chunked";
    else if (length !== undefined && /^\d{1,15}$/.test(length)) {
      this.#framing = "length";
      this.#left = Number(length);
    } else this.#framing = "close";
    const keepAlive = headers.get("connection")?.toLowerCase() ?? "";
    this.#isReusable = this.#framing !== "close" && !keepAlive.includes("close") &&
      (minorVersion >= 1 || keepAlive.includes("keep-alive"));
  }

  header(name: string): string | undefined {
    return this.#headers.get(name);
  }

  get ended(): boolean {
    return this.#onEnd === undefined;
  }

  async read(): Promise<string | undefined> {
    while (this.#onEnd) {
      const text = this.#decode();
      if (text !== "") return text;
      if (this.#onEnd === undefined) break;
      let count: number;
      try {
        count = await this.#connection.fill();
      } catch (error) {
        this.close();
        throw new ConnectionError(reasonOf(error), false, error);
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
    const { bytes } = this.#connection;
    const count = this.#framing === "length" ? Math.min(bytes.length, this.#left) : bytes.length;
    const text = count > 0 ? this.#text.decode(bytes.subarray(0, count)) : "";
    this.#connection.consume(count);
    if (this.#framing === "length" && (this.#left -= count) === 0) {
      this.#finish(bytes.length === count);
    }
    return text;
  }

  #decodeChunks(): string {
    let text = "";
    const { bytes } = this.#connection;
    let at = 0;
    while (at < bytes.length && this.#onEnd) {
      if (this.#sizeLine === undefined) {
        // Inside a chunk, or at the line end after it.
        if (this.#left > 0) {
          const count = Math.min(this.#left, bytes.length - at);
          text += this.#text.decode(bytes.subarray(at, at + count));
          at += count;
          this.#left -= count;
          continue;
        }
        if (bytes[at++] === LF) this.#sizeLine = "";
        continue;
      }
      const byte = bytes[at++]!;
      if (byte !== LF) {
        if (byte !== CR) this.#sizeLine += String.fromCharCode(byte);
        if (this.#sizeLine.length > 1024) this.#malformed("a chunk's size line is too long");
        continue;
      }
      if (this.#isInTrailers) {
        if (this.#sizeLine === "") this.#finish(at === bytes.length);
        this.#sizeLine = "";
        continue;
      }
      const size = /^[0-9a-fA-F]{1,12}(?=\s*(;|$))/.exec(this.#sizeLine)?.[0];
      if (size === undefined) this.#malformed("a chunk has no size");
      this.#left = Number.parseInt(size!, 16);
      this.#isInTrailers = this.#left === 0;
      this.#sizeLine = this.#isInTrailers ? "" : undefined;
    }
    this.#connection.consume(at);
    return text;
  }

  #malformed(what: string): never {
    this.close();
    throw new ConnectionError(what);
  }

  #finish(isReusable: boolean): void {
    const onEnd = this.#onEnd;
    this.#onEnd = undefined;
    onEnd?.(isReusable && this.#isReusable);
  }

  close(): void {
    this.#finish(false);
  }
}
