/**
 * A collector of bytes that arrive in pieces, with a bound.
 *
 * A client may send a body byte by byte. One array for each piece would take 100 times the memory,
 * so pieces are copied into one buffer that doubles.
 */
export class ByteCollector {
  readonly #most: number;
  #buffer: Uint8Array<ArrayBuffer>;
  #length = 0;

  /**
   * @param most the most bytes that are accepted
   * @param expected the bytes that will probably arrive, such as a Content-Length
   */
  constructor(most: number, expected = 0) {
    this.#most = most;
    // A client may announce more than it sends: a buffer of megabytes is allocated only after the
    // first 64 KiB.
    this.#buffer = new Uint8Array(Math.max(0, Math.min(most, expected, FIRST_BYTES)));
  }

  /** How many bytes have been collected. */
  get length(): number {
    return this.#length;
  }

  /** Adds a piece. Returns `false` where it would exceed the bound; it is then ignored. */
  add(piece: Uint8Array): boolean {
    const length = this.#length + piece.length;
    if (length > this.#most) return false;
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(
        Math.min(this.#most, Math.max(length, 2 * this.#buffer.length)),
      );
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = length;
    return true;
  }

  /** Everything so far, not copied. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length);
  }
}

/** Bytes that are allocated at once for an announced length. */
const FIRST_BYTES = 64 << 10;

/**
 * The content of a stream, or `undefined` where it exceeds `most` bytes; the rest is then not read.
 */
export async function readBytes(
  stream: ReadableStream<Uint8Array> | null,
  most: number,
  expected?: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = new ByteCollector(most, expected);
  for await (const piece of stream ?? []) if (!bytes.add(piece)) return undefined;
  return bytes.bytes;
}
