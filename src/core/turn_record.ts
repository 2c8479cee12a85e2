/** A turn in the form in which it is stored, and the way there and back. */
import type { ErrorCode } from "./error.ts";
import type { BotRef, Trace } from "./key_scope.ts";
import type { ChannelName, MessageImage } from "./message.ts";
import { type Chunk, type Ending, Reply } from "./reply.ts";
import { Turn } from "./turn.ts";

export interface TurnRecord {
  readonly id: string;
  readonly conversationId: string;
  readonly personId: string;
  readonly parentTurnId?: string;
  /** By it the page that sent the message knows its own turn after a reload. */
  readonly idempotencyKey?: string;
  readonly channel: ChannelName;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Sorts turns that began in the same millisecond. */
  readonly order: string;
  readonly text: string;
  readonly images: readonly MessageImage[];
  readonly botId?: string;
  readonly botName?: string;
  /** The pool that the bot was in. */
  readonly pool?: string;
  /** Bots that had begun to answer when the turn moved on. */
  readonly earlier?: readonly BotRef[];
  /** The limited key that it was asked with. */
  readonly key?: string;
  readonly status: Ending["status"] | "running";
  readonly code?: ErrorCode;
  readonly detail?: string;
  readonly firstAt?: number;
  readonly endedAt?: number;
  readonly chunks: readonly Chunk[];
}

/** The turn as it would be stored now. */
export function recordOf(turn: Turn, order: string): TurnRecord {
  const { message, bot, ending } = turn;
  return {
    id: turn.id,
    conversationId: turn.conversationId,
    personId: message.person.id,
    parentTurnId: message.parentTurnId,
    idempotencyKey: message.idempotencyKey,
    channel: message.channel,
    at: turn.at,
    order,
    text: message.text,
    images: message.images,
    botId: bot?.id,
    botName: bot?.name,
    pool: bot?.pool,
    earlier: turn.earlier,
    key: turn.key,
    status: ending?.status ?? "running",
    code: ending?.code,
    detail: ending?.detail,
    firstAt: turn.firstAt,
    endedAt: turn.endedAt,
    chunks: turn.reply.joined(),
  };
}

/**
 * A stored turn as a {@linkcode Turn} whose reply can be read from any offset. A turn that was
 * stored as running is `incomplete`.
 */
export function restoreTurn(record: TurnRecord): Turn {
  const ending: Ending = record.status === "running"
    ? { status: "incomplete", code: "shutting_down" }
    : { status: record.status, code: record.code, detail: record.detail };
  const { personId, text, images, channel, conversationId, parentTurnId } = record;
  const turn = new Turn(
    record.id,
    { kind: "named", id: conversationId },
    {
      person: { id: personId, name: personId, role: "member" },
      text,
      images,
      channel,
      conversationId,
      parentTurnId,
    },
    Reply.restore(record.chunks, ending),
    record.at,
    record.key,
  );
  if (record.botId) {
    turn.bot = { id: record.botId, name: record.botName ?? record.botId, pool: record.pool };
  }
  turn.earlier = record.earlier;
  turn.firstAt = record.firstAt;
  turn.endedAt = record.endedAt;
  turn.order = record.order;
  return turn;
}

/** The text of a stored answer, after the last `replace`. */
export function textOf(record: TurnRecord, kind: Chunk["kind"] = "text"): string {
  let text = "";
  for (const chunk of record.chunks) {
    if (chunk.kind === kind) text += chunk.content;
    else if (chunk.kind === "replace") text = "";
  }
  return text;
}

/** Question and answer as one text to search in. */
export function searchTextOf(record: TurnRecord): string {
  return `${record.text}\n${textOf(record)}`;
}

/** Who answered a stored turn. */
export function traceOf({ botId, pool, earlier = [], key }: TurnRecord): Trace {
  return { bots: botId === undefined ? earlier : [...earlier, { id: botId, pool }], key };
}

/** The approximate size of a record in bytes. */
export function weightOf(record: TurnRecord): number {
  let weight = 600 + 2 * record.text.length;
  for (const image of record.images) weight += image.length;
  for (const { content } of record.chunks) weight += 100 + 2 * content.length;
  return weight;
}
