/** Bots and pools as OpenAI's clients list models. */
import type { Gateway } from "../../core/gateway.ts";
import type { Person } from "../../core/message.ts";
import { seconds } from "./chat_completions.ts";
import { AUTO_MODEL } from "./request.ts";

/** The bots and pools that a person may use, and `auto`. */
export function listModels(person: Person, gateway: Gateway) {
  const seats = gateway.roster.visibleTo(person);
  const view = (
    id: string,
    created: number,
    about: { name?: string; description?: string } = {},
  ) => ({
    id,
    object: "model" as const,
    created: seconds(created),
    owned_by: "nexus",
    ...about,
  });
  const pools = new Map<string, number>();
  for (const { bot } of seats) {
    if (bot.pool !== undefined && !pools.has(bot.pool)) pools.set(bot.pool, bot.connectedAt);
  }
  const bots = seats.map(({ bot: { id, name, description, connectedAt } }) =>
    view(id, connectedAt, { name, description })
  );
  const named = new Set(bots.map(({ id }) => id));
  return [
    ...bots,
    ...[...pools].filter(([pool]) => !named.has(pool)).map(([pool, since]) => view(pool, since)),
    ...(seats.length > 0 && !named.has(AUTO_MODEL)
      ? [view(AUTO_MODEL, seats[0]!.bot.connectedAt)]
      : []),
  ];
}
