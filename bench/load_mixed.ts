/**
 * This is the mixed load of the soak: people who ask, read, hang up, cancel and come back, at a
 * given rate, for a given time.
 */
import { CHUNK_BYTES, faultOf } from "./chunk.ts";
import { Connection } from "./connection.ts";
import { chunksOf, Events } from "./load_people.ts";

export interface MixedOrder {
  readonly port: number;
  readonly bearers: readonly string[];
  readonly seconds: number;
  /** Turns begun per second; absent: as many as `connections` can, each one at a time. */
  readonly rate?: number;
  /** At most so many at once; what would be more is left out and counted. */
  readonly connections: number;
}

export interface MixedOutcome {
  readonly begun: number;
  readonly leftOut: number;
  readonly whole: number;
  /**
   * Ended otherwise because a bot was cut off, as it should: `incomplete`, `bot_gone`, `no_bot`.
   */
  readonly broken: number;
  readonly hungUp: number;
  readonly cancelled: number;
  /** An answer said to be whole that was not, or an unexpected status. Must be 0. */
  readonly wrong: number;
  readonly firstWrong?: string;
}

type Way = "chat" | "read" | "hang up" | "cancel";

/** Of twenty turns: eight plain requests, nine read to the end, two hung up on, one cancelled. */
const WAYS: readonly Way[] = [
  ...Array<Way>(8).fill("chat"),
  ...Array<Way>(9).fill("read"),
  "hang up",
  "hang up",
  "cancel",
];

export async function askMixed(order: MixedOrder): Promise<MixedOutcome> {
  const counts = { begun: 0, leftOut: 0, whole: 0, broken: 0, hungUp: 0, cancelled: 0, wrong: 0 };
  let firstWrong: string | undefined;
  const until = performance.now() + order.seconds * 1000;
  let running = 0;
  const one = async () => {
    counts.begun++;
    running++;
    const bearer = order.bearers[counts.begun % order.bearers.length]!;
    const way = WAYS[Math.floor(Math.random() * WAYS.length)]!;
    try {
      counts[await turn(order.port, bearer, way)]++;
    } catch (error) {
      counts.wrong++;
      firstWrong ??= `${way}: ${error instanceof Error ? error.message : error}`;
    } finally {
      running--;
    }
  };
  if (order.rate === undefined) {
    await Promise.all(Array.from({ length: order.connections }, async () => {
      while (performance.now() < until) await one();
    }));
    return { ...counts, firstWrong };
  }
  const start = performance.now();
  const turns = new Set<Promise<void>>();
  while (performance.now() < until) {
    const due = (performance.now() - start) / 1000 * order.rate;
    while (counts.begun + counts.leftOut < due) {
      if (running >= order.connections) {
        counts.leftOut++;
        continue;
      }
      const running_ = one();
      turns.add(running_);
      running_.finally(() => turns.delete(running_));
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await Promise.all(turns);
  return { ...counts, firstWrong };
}

type Result = "whole" | "broken" | "hungUp" | "cancelled";

/**
 * One turn on a connection of its own. Throws where something is wrong that no bot's drop explains.
 */
async function turn(port: number, bearer: string, way: Way): Promise<Result> {
  const connection = await Connection.open(port);
  try {
    return way === "chat"
      ? await chat(connection, bearer)
      : await stream(port, connection, bearer, way);
  } finally {
    connection.close();
  }
}

async function chat(connection: Connection, bearer: string): Promise<Result> {
  let text = "";
  const status = await connection.ask(
    { path: "/api/chat", bearer, body: `{"message":"say"}` },
    (part) => {
      text += part;
    },
  );
  if (status === 200) return "whole";
  if (/"code":"(bot_gone|no_bot|bot_offline)"/.test(text)) return "broken";
  throw new Error(`${status} ${text}`);
}

async function stream(
  port: number,
  connection: Connection,
  bearer: string,
  way: Way,
): Promise<Result> {
  const ask = Math.random() < 0.5 ? `burst ${20 + Math.floor(Math.random() * 180)}` : "paced 50 20";
  let text = "", stopped = false;
  let cancelling: Promise<unknown> | undefined;
  const events = new Events((event) => {
    if (event.type === "replace") text = "";
    if (event.type !== "chunk") return;
    text += event.content;
    if (text.length < 5 * CHUNK_BYTES || stopped) return;
    if (way === "hang up") stopped = true;
    if (way === "cancel" && turnId) {
      stopped = true;
      cancelling = cancel(port, bearer, turnId);
    }
  });
  let turnId: string | undefined;
  const status = await connection.ask(
    { path: "/api/chat/stream", bearer, body: JSON.stringify({ message: ask }) },
    (part) => {
      events.add(part);
      turnId ??= /"turnId":"([^"]+)"/.exec(part)?.[1];
      return !(stopped && way === "hang up");
    },
  );
  await cancelling;
  if (way === "hang up" && stopped) return "hungUp";
  if (/"code":"(bot_gone|no_bot|bot_offline)"/.test(events.rest)) return "broken";
  if (status !== 200) throw new Error(`${status} ${events.rest}`);
  const last = events.last;
  if (way === "cancel" && stopped) return "cancelled";
  if (last?.type === "end" && (last.status ?? "done") === "done") {
    const fault = faultOf(text, chunksOf(ask));
    if (fault) throw new Error(`said to be done, but ${fault}`);
    return "whole";
  }
  if (last?.type === "end" || last?.type === "error") return "broken";
  throw new Error(`ended with ${JSON.stringify(last)}`);
}

async function cancel(port: number, bearer: string, turnId: string): Promise<void> {
  const connection = await Connection.open(port);
  try {
    let text = "";
    const status = await connection.ask(
      { path: `/api/turns/${turnId}/cancel`, bearer, body: "{}" },
      (part) => {
        text += part;
      },
    );
    // It may have ended just before: that is no fault.
    if (status !== 200 && status !== 409) throw new Error(`cancel: ${status} ${text}`);
  } finally {
    connection.close();
  }
}
