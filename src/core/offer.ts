/**
 * What an app on a chat platform offers of the bots, and to whom. An app never offers anybody more
 * than their account may use; to people without an account of the operator's making it offers what
 * the operator listed, else only what nobody is barred from.
 */

/** What of a bot a list of names is compared with. */
interface Named {
  readonly id: string;
  readonly pool?: string;
}

/** The bots that somebody gets in an app, beside what their account may use. */
export interface Offer {
  /** A bot must stand in each of these lists, by its id or by its pool. */
  readonly within: readonly (readonly string[])[];
  /** Ids and pools of bots that they do not get. */
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
 * What bounds the bots that no person is barred from: a bot is one of them where each of the
 * returned lists names it. None are returned where nobody is barred from any.
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
    // What a shorter list lets through, this one lets through as well.
    if (!within.some((kept) => kept.every((name) => own.has(name)))) within.push(names);
  }
  return within;
}
