/** Steps and texts that several of the bot cases share. */
import { type ConformCase, expect, preview } from "../case.ts";
import type { BotConnection } from "../bot_connection.ts";
import type { GatewayStage } from "../gateway_stage.ts";
import type { RawFrame } from "../raw.ts";
import type { RecordedTurn } from "../recorded_turn.ts";

export type BotCase = ConformCase<GatewayStage>;

export const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const ODD =
  'naïve “quotes” \\ / \u0000-free\n\ttab, 日本語, עברית, 👩‍👩‍👧‍👦, </script>, %00, {"a":1}';

export function words(count: number): string {
  return Array.from({ length: count }, (_, n) => `w${n + 1} `).join("");
}

/** A slow answer of which `frames` frames have come. */
export async function beginAnswer(
  connection: BotConnection,
  question: string,
  frames: number,
): Promise<RecordedTurn> {
  const turn = connection.ask(question);
  await connection.until(() => turn.replies.length >= frames, `frame ${frames} of the answer`);
  return turn;
}

/** Lets `turn` go on at the bot's next socket, from what has arrived or from `seq`. */
export async function resumeTurn(
  stage: GatewayStage,
  turn: RecordedTurn,
  seq = turn.last,
): Promise<{ connection: BotConnection; asked: readonly RawFrame[] }> {
  let asked: readonly RawFrame[] = [];
  const connection = await stage.connection({
    resume: (list) => {
      asked = list;
      return list.some((one) => one?.replyTo === turn.id) ? [{ replyTo: turn.id, seq }] : [];
    },
    fresh: true,
  });
  turn.last = seq;
  connection.turns.set(turn.id, turn);
  stage.useFreshConnection();
  return { connection, asked };
}

export function expectClean(turn: RecordedTurn): void {
  expect(turn.violations.length === 0, turn.violations[0]!);
}

export async function expectEcho(connection: BotConnection, text: string): Promise<void> {
  const turn = await connection.end(connection.ask(`/conform echo ${text}`));
  expect(turn.text === text, `${preview(text)} came back as ${preview(turn.text)}`);
  expectClean(turn);
}

/** Asks anything at all, and wants an end. */
export async function expectAnswer(connection: BotConnection): Promise<RecordedTurn> {
  const turn = await connection.end(connection.ask("Say hello."));
  expectClean(turn);
  return turn;
}

export async function staysAway(
  stage: GatewayStage,
  refuse: (connection: BotConnection) => Promise<void>,
): Promise<void> {
  if (!stage.lacks("start")) await stage.restart();
  else await (await stage.connection()).drop();
  const connection = await stage.nextConnection();
  await connection.next("register");
  await refuse(connection);
  await noDials(stage);
}

export async function noDials(stage: GatewayStage): Promise<void> {
  const dials = await stage.dialsWithin(stage.stayAway);
  if (dials > 0) expect(false, `it dialled ${dials} times within ${stage.stayAway} ms`);
  stage.giveUp();
}

export function isObject(text: unknown): boolean {
  if (typeof text !== "string") return false;
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
