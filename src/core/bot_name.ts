/**
 * The names that people address: a bot's id and a pool's name. A name is the one or the other and
 * never both, because a message for the bot `x` would else reach everybody in a pool called `x`.
 */

/** The id of the bot that is built in. */
export const DEMO = "demo";

/** Reserved names, each with who reserved it, in words for an error. */
export interface ReservedNames {
  /** Bot ids of the program, the configuration and tokens. */
  readonly ids: ReadonlyMap<string, string>;
  /** Pools of the configuration and of tokens. */
  readonly pools: ReadonlyMap<string, string>;
  /** All of these names by how they look, see {@linkcode foldName}. */
  readonly looks: ReadonlyMap<string, string>;
}

/**
 * Whether a text can be a bot's id or a pool's name: 1 to 128 units without white space, `@`,
 * control, zero-width or bidirectional characters. The wire checks the same (`bots/wire/frame.ts`).
 */
export function isBotName(text: string): boolean {
  return NAME.test(text);
}

const NAME =
  // deno-lint-ignore no-control-regex -- control characters are what it refuses
  /^[^\s@\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]{1,128}$/;

/**
 * The name as a hurried reader sees it: without case, with full-width letters as plain ones, and
 * without characters that show nothing. Letters of different scripts stay different, such as Latin
 * `a` and Cyrillic `а`.
 */
export function foldName(name: string): string {
  return name.normalize("NFKC").replace(INVISIBLE, "").toLowerCase();
}

const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu;

/** A reserved name that differs from this one and looks the same. */
export function lookAlike(name: string, { ids, pools, looks }: ReservedNames): string | undefined {
  if (ids.has(name) || pools.has(name)) return undefined;
  return looks.get(foldName(name));
}

/**
 * Collects the reserved names. A name that is a bot's id is never a pool, so that the bot's
 * messages reach no other bot.
 *
 * @param bots each bot with its pools and with who reserved them
 */
export function reserveNames(
  bots: Iterable<{ readonly id: string; readonly pools: readonly string[]; readonly by: string }>,
): ReservedNames {
  const ids = new Map([[DEMO, "the program"]]),
    pools = new Map<string, string>(),
    looks = new Map<string, string>();
  for (const { id, pools: own, by } of bots) {
    ids.set(id, by);
    for (const pool of own) pools.set(pool, by);
  }
  for (const id of ids.keys()) pools.delete(id);
  for (const name of [...ids.keys(), ...pools.keys()]) looks.set(foldName(name), name);
  return { ids, pools, looks };
}

/**
 * Why a bot may not be given this id and these pools, in words, or nothing where it may.
 *
 * @param reserved the names that are reserved; the id's own earlier reservation does not count
 */
export function nameProblem(
  { botId, pools }: { readonly botId: string; readonly pools: readonly string[] },
  reserved: ReservedNames,
): string | undefined {
  for (const name of [botId, ...pools]) {
    if (!isBotName(name)) return `${show(name)}: must have 1 to 128 characters without spaces or @`;
  }
  if (botId === DEMO) return `${show(botId)} is the id of the built-in bot`;
  const owner = reserved.pools.get(botId);
  if (owner !== undefined) return `${show(botId)} is a pool of ${owner}`;
  for (const pool of pools) {
    if (pool === botId || reserved.ids.has(pool)) {
      return `${show(pool)} is the id of a bot and cannot be a pool`;
    }
    if (foldName(pool) === foldName(botId)) return `${show(pool)} looks like ${show(botId)}`;
  }
  for (const name of [botId, ...pools]) {
    const other = lookAlike(name, reserved);
    if (other !== undefined) return `${show(name)} looks like ${show(other)}`;
  }
  return undefined;
}

/** A name in quotes. */
function show(name: string): string {
  return JSON.stringify(name);
}
