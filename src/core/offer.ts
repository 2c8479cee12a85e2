/**
 * The bots that an app on a chat platform offers, and to whom. An app never offers more than an
 * account may use. To people without an account that the operator made it offers the bots that the
 * operator listed, else only those that every account may use.
 */

/** The names of a bot that lists refer to. */
interface Named {
  readonly id: string;
  readonly pool?: string;
}

/** What an app offers somebody, besides the bots that their account may use. */
export interface Offer {
  /** A bot must stand in each of these lists, by its id or by its pool. */
  readonly within: readonly (readonly string[])[];
  /** Ids and pools of bots that it does not offer them. */
  readonly except?: readonly string[];
}

/** Whether a list names a bot, by its id or by its pool. */
export function lists(names: readonly string[], bot: Named): boolean {
  return names.includes(bot.id) || (bot.pool !== undefined && names.includes(bot.pool));
}

export function offers({ within, except = [] }: Offer, bot: Named): boolean {
  return within.every((names) => lists(names, bot)) && !lists(except, bot);
}

/**
 * The lists that a bot must be in for every account to be allowed to use it. Empty where every
 * account may use every bot.
 */
export function openToAll(
  people: Iterable<{ readonly bots?: readonly string[] }>,
): Offer["within"] {
  const different = new Map<string, readonly string[]>();
  for (const { bots } of people) {
    if (!bots) continue;
    const names = [...new Set(bots)].sort();
    different.set(JSON.stringify(names), names);
  }
  const shortest = [...different.values()].sort((a, b) => a.length - b.length);
  const within: (readonly string[])[] = [];
  for (const names of shortest) {
    const own = new Set(names);
    // Every bot of the shorter list is also in this one.
    if (!within.some((kept) => kept.every((name) => own.has(name)))) within.push(names);
  }
  return within;
}
