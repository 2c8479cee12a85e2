/**
 * This is one keep-alive HTTP/1.1 connection, by hand: it costs a third of `fetch`, and the machine
 * that measures is the machine that serves. It reads bodies with a length or chunked.
 */

export interface Ask {
  readonly method?: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
  readonly bearer?: string;
  /** More header lines, each with its line end. */
  readonly headers?: string;
}

export class Connection {
  readonly #conn: Deno.TcpConn;
  readonly #buffer = new Uint8Array(64 * 1024);
  // One character per byte, because HTTP counts bytes; what is compared is ASCII.
  readonly #decoder = new TextDecoder("latin1");
  readonly #encoder = new TextEncoder();
  #rest = "";

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  static async open(port: number): Promise<Connection> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    return new Connection(conn);
  }

  /** Hangs up. A read that waits then rejects with `BadResource` or `Interrupted`. */
  close(): void {
    this.#conn.close();
  }

  /**
   * Sends a request, calls `onPart` for every piece of the body as it comes, and resolves with the
   * status once the body is whole, or as soon as `onPart` returns `false`: the connection is then
   * good for nothing but {@linkcode close}.
   */
  async ask(ask: Ask, onPart: (text: string) => boolean | void): Promise<number> {
    await this.#send(ask);
    while (!this.#rest.includes("\r\n\r\n")) await this.#more();
    const end = this.#rest.indexOf("\r\n\r\n");
    const head = this.#rest.slice(0, end).toLowerCase();
    this.#rest = this.#rest.slice(end + 4);
    const status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: (\d+)/.exec(head)?.[1];
    if (length === undefined) return await this.#chunked(status, onPart);
    while (this.#rest.length < Number(length)) await this.#more();
    onPart(this.#rest.slice(0, Number(length)));
    this.#rest = this.#rest.slice(Number(length));
    return status;
  }

  async #chunked(status: number, onPart: (text: string) => boolean | void): Promise<number> {
    for (;;) {
      let parts = "", from = 0, over = false;
      for (
        let line = this.#rest.indexOf("\r\n");
        line >= 0 && !over;
        line = this.#rest.indexOf("\r\n", from)
      ) {
        const size = parseInt(this.#rest.slice(from, line), 16);
        const next = line + 2 + size + 2;
        if (this.#rest.length < next) break;
        parts += this.#rest.slice(line + 2, line + 2 + size);
        from = next;
        over = size === 0;
      }
      this.#rest = this.#rest.slice(from);
      if (parts.length > 0 && onPart(parts) === false) return status;
      if (over) return status;
      await this.#more();
    }
  }

  async #send({ method = "POST", path, body = "", bearer, headers = "" }: Ask): Promise<void> {
    await this.#conn.write(this.#encoder.encode(
      `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n` +
        (method === "POST"
          ? `content-type: application/json\r\ncontent-length: ${body.length}\r\n`
          : "") +
        (bearer ? `authorization: Bearer ${bearer}\r\n` : "") + `${headers}\r\n${body}`,
    ));
  }

  async #more(): Promise<void> {
    const count = await this.#conn.read(this.#buffer);
    if (count === null) throw new Error("the server closed the connection");
    this.#rest += this.#decoder.decode(this.#buffer.subarray(0, count));
  }
}
