/**
 * How far somebody reaches who came in by a key: the one rule that says which turns, conversations
 * and notices exist for them.
 *
 * A key that is bound to bots reads what those bots answered. A key that may ask and not read reads
 * what was asked with it. A session, and a key with the scope `read` that is bound to no bot, reads
 * everything of its person: it has no {@linkcode KeyScope}.
 */

/** How far a key reaches. */
export interface KeyScope {
  /** The id of the key. */
  readonly key: string;
  /** The bots and pools whose answers it reads. Absent: all. */
  readonly bots?: readonly string[];
  /** It reads only what was asked with it. */
  readonly own: boolean;
}

/** A person as they came in. */
export interface Reader {
  readonly id: string;
  /** Absent: they read everything that is theirs. */
  readonly keyScope?: KeyScope;
}

/** A bot as it stood when it answered. */
export interface BotRef {
  readonly id: string;
  readonly pool?: string;
}

/** Who answered a turn, and with which limited key it was asked. */
export interface Trace {
  /** Every bot that said something of the answer. None: no bot had it. */
  readonly bots: readonly BotRef[];
  readonly key?: string;
}

/** How much of a conversation somebody may read. */
export type Share = "whole" | "part" | "nothing";

/** Traces that one conversation keeps; past it the rest of it is unknown. */
const MAX_TRACES = 200;

/** A trace that no limited key reads: nobody knows who answered. */
export const UNKNOWN_TRACE: Trace = { bots: [{ id: "" }] };

/** Whether somebody may read a turn with this trace. */
export function mayRead(reach: KeyScope | undefined, { bots, key }: Trace): boolean {
  if (!reach) return true;
  if (reach.own && key !== reach.key) return false;
  const { bots: open } = reach;
  if (!open) return true;
  // Nobody answered: then it is only for whoever asked.
  if (bots.length === 0) return key === reach.key;
  return bots.every(({ id, pool }) =>
    open.includes(id) || (pool !== undefined && open.includes(pool))
  );
}

/**
 * How much somebody may read of what has these traces: the turns of a conversation, and those that
 * run in it.
 */
export function shareOf(reach: KeyScope | undefined, traces: readonly Trace[]): Share {
  if (!reach) return "whole";
  let read = 0;
  for (const trace of traces) if (mayRead(reach, trace)) read++;
  if (read === 0) return "nothing";
  return read === traces.length ? "whole" : "part";
}

/** Adds a trace to those of a conversation, each once. Returns whether it was new. */
export function addTrace(traces: Trace[], trace: Trace): boolean {
  if (traces.length > MAX_TRACES || traces.some((known) => isSame(known, trace))) return false;
  traces.push(traces.length === MAX_TRACES ? UNKNOWN_TRACE : trace);
  return true;
}

function isSame(one: Trace, other: Trace): boolean {
  return one.key === other.key && one.bots.length === other.bots.length &&
    one.bots.every(({ id, pool }, index) =>
      id === other.bots[index]!.id && pool === other.bots[index]!.pool
    );
}
