/**
 * The scope of an API key: the one rule that decides which turns, conversations and notices exist
 * for its user.
 *
 * A key that is bound to bots reads what those bots answered. A key without the scope `read` reads
 * what was asked with it. A session, and a key with the scope `read` that is bound to no bot, reads
 * everything of its person and has no {@linkcode KeyScope}.
 */

/** What a key may read. */
export interface KeyScope {
  /** The id of the key. */
  readonly key: string;
  /** The bots and pools whose answers it may read. Absent: all. */
  readonly bots?: readonly string[];
  /** Whether it may read only what was asked with it. */
  readonly own: boolean;
}

/** A person with the scope of the key that they use. */
export interface Reader {
  readonly id: string;
  /** Absent: they may read everything that is theirs. */
  readonly keyScope?: KeyScope;
}

/** A bot as it was when it answered. */
export interface BotRef {
  readonly id: string;
  readonly pool?: string;
}

/** Who answered a turn, and with which limited key it was asked. */
export interface Trace {
  /** Every bot that wrote a part of the answer. Empty: no bot had the turn. */
  readonly bots: readonly BotRef[];
  readonly key?: string;
}

/** How much of a conversation a reader may read. */
export type Share = "whole" | "part" | "nothing";

/** Traces that are stored with one conversation; past it one unknown trace stands for the rest. */
const MAX_TRACES = 200;

/** A trace that no limited key may read: it is unknown who answered. */
export const UNKNOWN_TRACE: Trace = { bots: [{ id: "" }] };

/** Whether a reader may read a turn with this trace. */
export function mayRead(reach: KeyScope | undefined, { bots, key }: Trace): boolean {
  if (!reach) return true;
  if (reach.own && key !== reach.key) return false;
  const { bots: open } = reach;
  if (!open) return true;
  // No bot answered: only the key that asked may read it.
  if (bots.length === 0) return key === reach.key;
  return bots.every(({ id, pool }) =>
    open.includes(id) || (pool !== undefined && open.includes(pool))
  );
}

/**
 * How much a reader may read of a conversation whose turns have these traces, running turns
 * included.
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
