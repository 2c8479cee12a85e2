/**
 * These are the people of the load: they ask over real sockets, read to the end, and check that
 * nothing is missing.
 */
import { ageOf, CHUNK_BYTES, faultOf, now } from "./chunk.ts";
import { Connection } from "./connection.ts";
import { HELLO } from "./load_bots.ts";

export interface PeopleOrder {
  readonly port: number;
  /** Tokens, used in turn by the connections. None for the floor, which asks for none. */
  readonly bearers: readonly string[];
  readonly connections: number;
  /** Turns in all, over all connections. */
  readonly turns: number;
  /** What the bot is told. */
  readonly ask: string;
  /**
   * Milliseconds over which the connections begin, so that paced bots do not all speak in the same
   * moment. Default 0.
   */
  readonly spread?: number;
}

export interface Outcome {
  readonly turns: number;
  readonly chunks: number;
  /** Answers that were not whole, or statuses other than 200. */
  readonly wrong: number;
  readonly firstWrong?: string;
  readonly seconds: number;
  /** Milliseconds from the bot's hand to the reader's, over all chunks. */
  readonly latency?: { readonly p50: number; readonly p99: number; readonly max: number };
}

/** Asks `turns` times, each connection one at a time. */
export async function askAll(
  order: PeopleOrder,
  path: "/api/chat" | "/api/chat/stream",
): Promise<Outcome> {
  const expected = chunksOf(order.ask);
  const latencies: number[] = [];
  let left = order.turns, turns = 0, wrong = 0;
  let firstWrong: string | undefined;
  const body = JSON.stringify({ message: order.ask });
  const start = now();
  await Promise.all(Array.from({ length: order.connections }, async (_, index) => {
    const bearer = order.bearers[index % order.bearers.length];
    if (order.spread) {
      await new Promise((resolve) =>
        setTimeout(resolve, order.spread! * index / order.connections)
      );
    }
    const connection = await Connection.open(order.port);
    while (left-- > 0) {
      const problem = path === "/api/chat"
        ? await readChat(connection, bearer, body)
        : await readStream(connection, bearer, body, expected, latencies);
      turns++;
      if (problem === undefined) continue;
      wrong++;
      firstWrong ??= problem;
    }
    connection.close();
  }));
  const seconds = (now() - start) / 1e6;
  return {
    turns,
    chunks: turns * expected,
    wrong,
    firstWrong,
    seconds,
    latency: quantiles(latencies),
  };
}

/** Opens streams that say nothing, and holds them. Returns how many answered with a beginning. */
export async function openSilent({ port, bearers, connections }: PeopleOrder): Promise<number> {
  let open = 0;
  for (let index = 0; index < connections; index++) {
    const connection = await Connection.open(port);
    const bearer = bearers[index % bearers.length];
    let begun!: () => void;
    const begins = new Promise<void>((resolve) => begun = resolve);
    const status = connection.ask({
      path: "/api/chat/stream",
      bearer,
      body: `{"message":"silence"}`,
    }, () => {
      open++;
      begun();
    });
    // Ends only when this process or the server goes.
    await Promise.race([
      begins,
      status.then((status) => Promise.reject(new Error(`a stream ended with ${status}`))),
    ]);
  }
  return open;
}

export function chunksOf(ask: string): number {
  return /^(burst|paced) /.test(ask) ? Number(ask.split(" ")[1]) : 0;
}

async function readChat(
  connection: Connection,
  bearer: string | undefined,
  body: string,
): Promise<string | undefined> {
  let text = "";
  const status = await connection.ask({ path: "/api/chat", bearer, body }, (part) => {
    text += part;
  });
  if (status !== 200) return `${status} ${text}`;
  return JSON.parse(text).content === HELLO ? undefined : text;
}

async function readStream(
  connection: Connection,
  bearer: string | undefined,
  body: string,
  expected: number,
  latencies: number[],
): Promise<string | undefined> {
  let text = "", read = 0;
  const events = new Events((event) => {
    if (event.type === "chunk") text += event.content;
  });
  const status = await connection.ask({ path: "/api/chat/stream", bearer, body }, (part) => {
    const at = now();
    events.add(part);
    for (; read + CHUNK_BYTES <= text.length; read += CHUNK_BYTES) {
      latencies.push(ageOf(text, read, at));
    }
  });
  if (status !== 200) return `${status} ${events.rest}`;
  if (events.last?.type !== "end") return `ended with ${JSON.stringify(events.last)}`;
  return faultOf(text, expected);
}

export interface Event {
  readonly type: string;
  readonly content?: string;
  readonly turnId?: string;
  readonly status?: string;
  readonly error?: string;
}

/** Server-sent events out of pieces of text. */
export class Events {
  rest = "";
  last: Event | undefined;
  readonly #onEvent: (event: Event) => void;

  constructor(onEvent: (event: Event) => void) {
    this.#onEvent = onEvent;
  }

  add(part: string): void {
    this.rest += part;
    let from = 0;
    for (let cut = this.rest.indexOf("\n\n"); cut >= 0; cut = this.rest.indexOf("\n\n", from)) {
      const data = this.rest.indexOf("data: ", from);
      if (data >= 0 && data < cut) {
        // Fields may follow in any order: the data ends where its line does.
        const end = this.rest.indexOf("\n", data);
        this.last = JSON.parse(this.rest.slice(data + 6, end)) as Event;
        this.#onEvent(this.last);
      }
      from = cut + 2;
    }
    this.rest = this.rest.slice(from);
  }
}

function quantiles(microseconds: number[]): Outcome["latency"] {
  if (microseconds.length === 0) return undefined;
  microseconds.sort((a, b) => a - b);
  const at = (share: number) =>
    microseconds[Math.min(microseconds.length - 1, Math.floor(microseconds.length * share))]! /
    1000;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
