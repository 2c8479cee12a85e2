/** What observers learn about turns. */
import type { GatewayEvent } from "./observer.ts";
import type { Ending } from "./reply.ts";
import type { Turn } from "./turn.ts";

/** The event of a turn that has ended. */
export function turnEnded(turn: Turn, ending: Ending): GatewayEvent {
  const { at, firstAt, endedAt = at, reply, meta } = turn;
  const { person, channel, requestId: request } = turn.message;
  return {
    type: "turn_ended",
    turn: turn.id,
    request,
    conversation: turn.conversationId,
    person: person.id,
    channel,
    bot: turn.bot?.id,
    status: ending.status,
    code: ending.code,
    detail: (ending.logged ?? ending.detail) || undefined,
    took: endedAt - at,
    first: firstAt === undefined ? undefined : firstAt - at,
    units: reply.length,
    inputTokens: meta?.usage?.inputTokens,
    outputTokens: meta?.usage?.outputTokens,
  };
}
