/**
 * This is a model API that can do everything wrong: a bare socket server that plays one answer per
 * request, in order, the last one again and again. Bare, because a reset, a cut in the middle of a
 * chunk and a clean end without an end marker cannot be had from an HTTP server.
 */

/** One answer. */
export interface Play {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The body of an answer that is not a stream. */
  readonly body?: string;
  /** Sends the body whatever was asked for, under this content type; empty: without one. */
  readonly as?: string;
  /** The status of the list of models. */
  readonly models?: number;
  /** The only key that is taken; the list of models is for everybody where it is public. */
  readonly key?: string;
  readonly isPublicList?: boolean;
  /** The only models that answer. */
  readonly knows?: readonly string[];
  /** What a stream says; by default eight words. */
  readonly deltas?: readonly string[];
  /** Deltas of reasoning, before the others. */
  readonly reasoning?: readonly string[];
  /** Milliseconds between deltas. */
  readonly pace?: number;
  /** How a stream ends; `marker` is the only good one. Default: `marker`. */
  readonly end?: "marker" | "clean" | "cut" | "stall" | "bad_json" | "error_event" | "no_done";
  /** All bytes in one write per delta, or one byte each. */
  readonly bytewise?: boolean;
  /** Closes the socket before a word: with a reset where the system grants it. */
  readonly reset?: boolean;
  /** Reads the request and says nothing at all. */
  readonly mute?: boolean;
  readonly usage?: { readonly input: number; readonly output: number };
  /** Further counts in the API's own words. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly finish?: string;
}

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: ReadonlyMap<string, string>;
  // deno-lint-ignore no-explicit-any -- whatever the request's JSON was
  readonly body: any;
  /** Resolves when the other side hung up. */
  readonly hungUp: Promise<void>;
}

export const WORDS = ["one ", "two ", "three ", "four ", "five ", "six ", "seven ", "eight"];

export class FakeUpstream {
  readonly seen: Seen[] = [];
  /** How many sockets were opened. */
  sockets = 0;
  readonly #listener: Deno.Listener;
  readonly #open = new Set<Deno.Conn>();
  readonly #running = new Set<Promise<void>>();
  readonly #waiting = new Set<() => void>();
  readonly #style: "openai" | "anthropic";
  #plays: Play[];
  #closed = false;

  constructor(style: "openai" | "anthropic", ...plays: Play[]) {
    this.#style = style;
    this.#plays = plays.length > 0 ? plays : [{}];
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#running.add(this.#accept());
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}/v1`;
  }

  play(...plays: Play[]): void {
    this.#plays = plays;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listener.close();
    for (const conn of this.#open) quietly(() => conn.close());
    for (const wake of this.#waiting) wake();
    await Promise.all(this.#running);
  }

  async #accept(): Promise<void> {
    try {
      for await (const conn of this.#listener) {
        this.sockets++;
        this.#open.add(conn);
        const served = this.#serve(conn).catch(
          () => {/* the other side hung up, as some tests want */},
        ).finally(() => {
          quietly(() => conn.close());
          this.#open.delete(conn);
          this.#running.delete(served);
        });
        this.#running.add(served);
      }
    } catch (error) {
      if (!this.#closed) throw error;
    }
  }

  async #serve(conn: Deno.Conn): Promise<void> {
    const reader = new RequestReader(conn);
    while (true) {
      const request = await reader.next();
      if (!request) return;
      this.seen.push(request);
      if (/\/models(\?|$)/.test(request.path)) {
        const list = JSON.stringify({ data: [{ id: "first-model" }, { id: "second" }] });
        if (!this.#plays[0]!.isPublicList && !isLetIn(request, this.#plays[0]!)) {
          await write(conn, plain(401, refusal("invalid_api_key")));
          continue;
        }
        await write(conn, plain(this.#plays[0]!.models ?? 200, list));
        continue;
      }
      const play = this.#plays.length > 1 ? this.#plays.shift()! : this.#plays[0]!;
      if (!await this.#answer(conn, request, play, reader)) return;
    }
  }

  /** Returns whether the socket may serve again. */
  async #answer(
    conn: Deno.Conn,
    request: Seen,
    play: Play,
    reader: RequestReader,
  ): Promise<boolean> {
    const { body } = request;
    const isKnown = play.knows?.includes(body?.model) ?? true;
    if (!isKnown || !isLetIn(request, play)) {
      const answer = isKnown
        ? plain(401, refusal("invalid_api_key"))
        : plain(404, refusal("model_not_found"));
      await write(conn, answer);
      return true;
    }
    if (play.mute) return await this.#until(reader.gone);
    if (play.reset) return false;
    if (play.status !== undefined && play.status !== 200) {
      await write(
        conn,
        plain(play.status, play.body ?? '{"error":{"message":"no"}}', play.headers),
      );
      return true;
    }
    if (play.as !== undefined) {
      await write(conn, plain(200, play.body ?? "", play.headers, play.as));
      return true;
    }
    const deltas = play.deltas ?? WORDS;
    if (body?.stream !== true) {
      await write(conn, plain(200, play.body ?? this.#whole(deltas.join(""), play), play.headers));
      return true;
    }
    await write(
      conn,
      "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    const send = async (text: string) => {
      const bytes = encoder.encode(text);
      const head = encoder.encode(`${bytes.length.toString(16)}\r\n`);
      const all = new Uint8Array([...head, ...bytes, 13, 10]);
      if (!play.bytewise) return await write(conn, all);
      for (let i = 0; i < all.length; i++) await write(conn, all.subarray(i, i + 1));
    };
    for (const event of this.#events(deltas, play)) {
      await send(event);
      if (play.pace) await this.#until(new Promise((resolve) => setTimeout(resolve, play.pace)));
    }
    switch (play.end ?? "marker") {
      case "marker":
        await send(this.#lastWords(play));
        break;
      case "no_done":
        await send(this.#lastWords(play).replace("data: [DONE]\n\n", ""));
        break;
      case "bad_json":
        await send('data: {"choices":[{"delta":{"content":\n\n');
        break;
      case "error_event":
        await send(
          this.#style === "openai"
            ? 'data: {"error":{"type":"server_error","message":"overloaded, key sk-abcdefgh1234"}}\n\n'
            : 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
        );
        break;
      case "stall":
        return await this.#until(reader.gone);
      case "cut":
        await write(conn, "40\r\ndata: {");
        return false;
    }
    await write(conn, "0\r\n\r\n");
    return true;
  }

  /** Waits, but not past the closing of the server. */
  async #until(happens: Promise<unknown>): Promise<false> {
    let wake = () => {};
    await Promise.race([
      happens,
      new Promise<void>((resolve) => this.#waiting.add(wake = resolve)),
    ]);
    this.#waiting.delete(wake);
    return false;
  }

  *#events(deltas: readonly string[], { reasoning = [], usage }: Play): Iterable<string> {
    if (this.#style === "openai") {
      yield `data: ${
        JSON.stringify({ choices: [{ index: 0, delta: { role: "assistant", content: "" } }] })
      }\n\n`;
      for (const text of reasoning) {
        yield `data: ${JSON.stringify({ choices: [{ delta: { reasoning_content: text } }] })}\n\n`;
      }
      for (const text of deltas) {
        yield `data: ${
          JSON.stringify({
            id: "chatcmpl-1",
            object: "chat.completion.chunk",
            created: 1,
            model: "m",
            choices: [{ index: 0, delta: { content: text }, finish_reason: null }],
          })
        }\n\n`;
      }
      return;
    }
    const start = {
      type: "message_start",
      message: { usage: { input_tokens: usage?.input ?? 7, output_tokens: 1 } },
    };
    yield `event: message_start\ndata: ${JSON.stringify(start)}\n\n`;
    yield `event: ping\ndata: {"type":"ping"}\n\n`;
    for (const thinking of reasoning) {
      const event = {
        type: "content_block_delta",
        index: 0,
        delta: { type: "thinking_delta", thinking },
      };
      yield `event: content_block_delta\ndata: ${JSON.stringify(event)}\n\n`;
    }
    for (const text of deltas) {
      const event = { type: "content_block_delta", index: 1, delta: { type: "text_delta", text } };
      yield `event: content_block_delta\ndata: ${JSON.stringify(event)}\n\n`;
    }
  }

  #lastWords({ finish, usage, details }: Play): string {
    if (this.#style === "openai") {
      const last = { choices: [{ index: 0, delta: {}, finish_reason: finish ?? "stop" }] };
      const counts = {
        choices: [],
        usage: {
          prompt_tokens: usage?.input ?? 7,
          completion_tokens: usage?.output ?? 8,
          ...details,
        },
      };
      return `data: ${JSON.stringify(last)}\n\ndata: ${JSON.stringify(counts)}\n\ndata: [DONE]\n\n`;
    }
    const delta = {
      type: "message_delta",
      delta: { stop_reason: finish ?? "end_turn" },
      usage: { output_tokens: usage?.output ?? 8 },
    };
    return `event: message_delta\ndata: ${
      JSON.stringify(delta)
    }\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n`;
  }

  #whole(text: string, { finish, usage, details }: Play): string {
    if (this.#style === "anthropic") {
      return JSON.stringify({
        type: "message",
        content: [{ type: "text", text }],
        stop_reason: finish ?? "end_turn",
        usage: { input_tokens: usage?.input ?? 7, output_tokens: usage?.output ?? 8, ...details },
      });
    }
    return JSON.stringify({
      choices: [{
        index: 0,
        message: { role: "assistant", content: text },
        finish_reason: finish ?? "stop",
      }],
      usage: {
        prompt_tokens: usage?.input ?? 7,
        completion_tokens: usage?.output ?? 8,
        ...details,
      },
    });
  }
}

/** Whether a request has the key that a play wants. */
function isLetIn({ headers }: Seen, { key }: Play): boolean {
  return key === undefined || headers.get("authorization") === `Bearer ${key}` ||
    headers.get("x-api-key") === key;
}

function refusal(code: string): string {
  return JSON.stringify({ error: { message: "no", type: "invalid_request_error", code } });
}

const encoder = new TextEncoder();

async function write(conn: Deno.Conn, text: string | Uint8Array): Promise<void> {
  const bytes = typeof text === "string" ? encoder.encode(text) : text;
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}

function plain(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
  type = "application/json",
): string {
  const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const length = encoder.encode(body).length;
  const kind = type === "" ? "" : `content-type: ${type}\r\n`;
  return `HTTP/1.1 ${status} Status\r\n${kind}content-length: ${length}\r\n${more}\r\n${body}`;
}

/** Reads requests off one socket, and knows when the other side hung up. */
class RequestReader {
  readonly gone: Promise<void>;
  #text = "";
  #wake: (() => void) | undefined;
  #over = false;

  constructor(conn: Deno.Conn) {
    this.gone = this.#pump(conn);
  }

  async #pump(conn: Deno.Conn): Promise<void> {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(65536);
    try {
      while (true) {
        const count = await conn.read(buffer);
        if (count === null) break;
        this.#text += decoder.decode(buffer.subarray(0, count), { stream: true });
        this.#wake?.();
      }
    } catch { /* closed under us: that is an end as well */ }
    this.#over = true;
    this.#wake?.();
  }

  async next(): Promise<Seen | undefined> {
    while (true) {
      const end = this.#text.indexOf("\r\n\r\n");
      if (end >= 0) {
        const [first, ...rows] = this.#text.slice(0, end).split("\r\n");
        const headers = new Map(
          rows.map((
            row,
          ) => [row.slice(0, row.indexOf(":")), row.slice(row.indexOf(":") + 1).trim()]),
        );
        const length = Number(headers.get("content-length") ?? 0);
        const rest = encoder.encode(this.#text.slice(end + 4));
        if (rest.length >= length) {
          const body = new TextDecoder().decode(rest.subarray(0, length));
          this.#text = new TextDecoder().decode(rest.subarray(length));
          const [method, path] = first!.split(" ");
          return {
            method: method!,
            path: path!,
            headers,
            body: body ? JSON.parse(body) : undefined,
            hungUp: this.gone,
          };
        }
      }
      if (this.#over) return undefined;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}

/** Closing what is closed already is no news. */
function quietly(call: () => void): void {
  try {
    call();
  } catch { /* closed by the other side first */ }
}
