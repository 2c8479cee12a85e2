/**
 * Bytes that come in pieces, collected within a bound.
 *
 * A client may send a body byte by byte. One array a piece would take 100 times the bytes, so
 * pieces are copied into one buffer that doubles.
 */
export class ByteCollector {
  readonly #most: number;
  #buffer: Uint8Array<ArrayBuffer>;
  #length = 0;

  /**
   * @param most bytes that are taken at most
   * @param expected bytes that are likely to come, such as a Content-Length
   */
  constructor(most: number, expected = 0) {
    this.#most = most;
    // What a client promises is not yet there: a buffer of megabytes is made when the first 64 KiB
    // have come.
    this.#buffer = new Uint8Array(Math.max(0, Math.min(most, expected, FIRST)));
  }

  /** How many bytes there are. */
  get length(): number {
    return this.#length;
  }

  /** Adds a piece. `false`: with it there would be more than the bound, and it is not taken. */
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

/** Bytes that a promised length makes room for at once. */
const FIRST = 64 << 10;

/**
 * All of a stream, or `undefined` where it holds more than `most` bytes; the rest of it is not read
 * then.
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
