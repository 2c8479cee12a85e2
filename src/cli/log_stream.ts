/**
 * The stream that the log goes to. A terminal that is paused, or a pipe that nobody reads, takes no
 * more bytes after about 64 KiB, and a write that waits for it would stop the whole gateway. So
 * lines wait here in a bounded buffer; what finds no room is counted and dropped, and the count is
 * logged once somebody reads again.
 */

/** Bytes that may wait: about a thousand lines. */
export const MAX_BUFFERED_BYTES = 256 << 10;

/** Bytes of one write, so that a reader that is slow makes room again after each. */
const WRITE_SIZE = 16 << 10;

/** Milliseconds before a stream that is full and does not wait is tried again. */
const RETRY_DELAY_MS = 50;

export interface LogStreamOptions {
  /**
   * Writes some of the bytes and resolves to how many, as `Deno.stderr.write` does; may take for
   * ever.
   */
  readonly write: (bytes: Uint8Array) => Promise<number>;
  /** Called when there is room again after lines were dropped. */
  readonly onDropped: (lines: number) => void;
}

export class LogStream {
  readonly #options: LogStreamOptions;
  readonly #encoder = new TextEncoder();
  #waiting: Uint8Array[] = [];
  #size = 0;
  #dropped = 0;
  #writing: Promise<void> | undefined;
  /** Nobody will ever read again. */
  #closed = false;

  constructor(options: LogStreamOptions) {
    this.#options = options;
  }

  /** Takes whole lines and returns at once. */
  write(text: string): void {
    if (this.#closed) return;
    const bytes = this.#encoder.encode(text);
    if (this.#size + bytes.length > MAX_BUFFERED_BYTES) {
      this.#dropped += countLines(text);
      return;
    }
    this.#waiting.push(bytes);
    this.#size += bytes.length;
    this.#writing ??= this.#drain().finally(() => this.#writing = undefined);
  }

  /**
   * Resolves when everything is written, or after `ms` milliseconds: call before the process ends.
   */
  async settled(ms: number): Promise<void> {
    if (!this.#writing) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      this.#writing,
      new Promise<void>((resolve) => timer = setTimeout(resolve, ms)),
    ]);
    clearTimeout(timer);
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#closed) {
      const part = this.#waiting[0]!;
      const written = await this.#put(part.subarray(0, WRITE_SIZE));
      this.#size -= written;
      if (written < part.length) this.#waiting[0] = part.subarray(written);
      else this.#waiting.shift();
      if (this.#dropped > 0 && this.#size < MAX_BUFFERED_BYTES / 2) {
        const dropped = this.#dropped;
        this.#dropped = 0;
        this.#options.onDropped(dropped);
      }
    }
  }

  async #put(bytes: Uint8Array): Promise<number> {
    try {
      return await this.#options.write(bytes);
    } catch (error) {
      if (error instanceof Deno.errors.WouldBlock) {
        await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS));
        return 0;
      }
      // A pipe whose reader is gone stays closed. Anything else, such as a full disk, may pass:
      // these bytes are lost.
      if (error instanceof Deno.errors.BrokenPipe) this.#close();
      return bytes.length;
    }
  }

  #close(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#size = 0;
  }
}

function countLines(text: string): number {
  let lines = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines++;
  return lines;
}
