/**
 * These are the clients of the OpenAI benchmark: they ask over real sockets, read to the end, and
 * check that every delta came, in order.
 *
 * ```sh
 * deno run -A bench/openai_load.ts '{"port":17392,"bearers":["…"],"model":"bench","connections":128,"turns":512,"stream":true}'
 * ```
 */
import { Connection } from "./connection.ts";

export const DELTAS = 64;

/** Milliseconds between two deltas. */
export const PACE = 20;

/** 16 bytes that say which delta this is. */
export function textOf(index: number): string {
  return `delta ${String(index).padStart(3, "0")} 16bytes`.slice(0, 16);
}

export interface OpenAiOrder {
  readonly port: number;
  readonly bearers: readonly string[];
  readonly model: string;
  readonly connections: number;
  /** In all, over all connections. */
  readonly turns: number;
  readonly stream: boolean;
  /** More header lines, each with its line end. */
  readonly headers?: string;
}

export interface OpenAiOutcome {
  readonly turns: number;
  readonly wrong: number;
  readonly firstWrong?: string;
  readonly seconds: number;
  /** Milliseconds from the question to the first delta. */
  readonly first?: Quantiles;
  /** Milliseconds between two deltas at the reader. */
  readonly gap?: Quantiles;
}

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

if (import.meta.main) {
  console.log(JSON.stringify(await ask(JSON.parse(Deno.args[0]!))));
  Deno.exit(0);
}

async function ask(
  { port, bearers, model, connections, turns, stream, headers }: OpenAiOrder,
): Promise<OpenAiOutcome> {
  const body = JSON.stringify({ model, stream, messages: [{ role: "user", content: "hello" }] });
  const firsts: number[] = [], gaps: number[] = [];
  let left = turns, done = 0, wrong = 0;
  let firstWrong: string | undefined;
  const began = performance.now();
  await Promise.all(Array.from({ length: connections }, async (_, index) => {
    // Streams that all began in the same moment would all speak in the same moment.
    if (stream) {
      await new Promise((resolve) => setTimeout(resolve, DELTAS * PACE * index / connections));
    }
    const connection = await Connection.open(port);
    const order = {
      path: "/v1/chat/completions",
      bearer: bearers[index % bearers.length],
      body,
      headers,
    };
    while (left-- > 0) {
      const problem = stream
        ? await readStream(connection, order, firsts, gaps)
        : await readWhole(connection, order);
      done++;
      if (problem === undefined) continue;
      wrong++;
      firstWrong ??= problem;
    }
    connection.close();
  }));
  const seconds = (performance.now() - began) / 1000;
  return {
    turns: done,
    wrong,
    firstWrong,
    seconds,
    first: quantiles(firsts),
    gap: quantiles(gaps),
  };
}

type Order = { path: string; body: string; bearer?: string; headers?: string };

async function readWhole(connection: Connection, order: Order): Promise<string | undefined> {
  let text = "";
  const status = await connection.ask(order, (part) => void (text += part));
  if (status !== 200) return `${status} ${text.slice(0, 300)}`;
  return text.includes(`"content":"${textOf(0)}"`) ? undefined : text.slice(0, 300);
}

async function readStream(
  connection: Connection,
  order: Order,
  firsts: number[],
  gaps: number[],
): Promise<string | undefined> {
  const asked = performance.now();
  let expected = 0, last = 0, tail = "";
  const status = await connection.ask(order, (part) => {
    const now = performance.now();
    tail += part;
    let from = 0;
    for (
      let at = tail.indexOf("delta ");
      at >= 0 && at + 16 <= tail.length;
      at = tail.indexOf("delta ", from)
    ) {
      if (tail.slice(at, at + 16) === textOf(expected)) expected++;
      from = at + 16;
      if (last === 0) firsts.push(now - asked);
      else gaps.push(now - last);
      last = now;
    }
    tail = tail.slice(Math.max(from, tail.length - 400));
  });
  if (status !== 200) return `${status} ${tail.slice(0, 300)}`;
  if (expected !== DELTAS) return `${expected} of ${DELTAS} deltas`;
  return tail.includes("data: [DONE]") ? undefined : `ended with ${tail.slice(-100)}`;
}

function quantiles(values: number[]): Quantiles | undefined {
  if (values.length === 0) return undefined;
  values.sort((a, b) => a - b);
  const at = (share: number) =>
    values[Math.min(values.length - 1, Math.floor(values.length * share))]!;
  return { p50: at(0.5), p99: at(0.99), max: values[values.length - 1]! };
}
