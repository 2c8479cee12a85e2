/**
 * What a start does with what an earlier process left unfinished: its turns end `incomplete` with
 * what they had, and what it had not yet written is derived again.
 */
import type { Drafts } from "./draft.ts";
import { ARCHIVE_OPEN, TURNS } from "./keys.ts";
import type { Chunk } from "./reply.ts";
import { type Store, UNINDEXED } from "./store.ts";
import type { TurnRecord } from "./turn_record.ts";

/**
 * Before the last turn of a crashed process, in milliseconds: later turns may lack their place or
 * their words in the index.
 */
const LAST_MOMENTS_MS = 10_000;

/** Turns that are read at once. */
const PAGE = 100;

export interface RecoveryParts {
  readonly store: Store;
  readonly drafts: Drafts;
  readonly now: () => number;
  readonly turn: (id: string) => Promise<TurnRecord | undefined>;
  /** Stores a turn; `durable`: before this resolves. */
  readonly put: (record: TurnRecord, durable?: boolean) => Promise<void>;
  /** Stores a turn's place in its conversation. */
  readonly place: (record: TurnRecord) => Promise<void>;
  /** Stores in its conversation who answered a turn. */
  readonly trace: (record: TurnRecord) => Promise<void>;
  /** Passes a failed write on to the observer. */
  readonly write: (written: Promise<void>) => Promise<void>;
}

/** Returns how many turns ended by this. */
export async function recover(parts: RecoveryParts): Promise<number> {
  const { store, drafts, turn, write } = parts;
  const left = await drafts.unfinished();
  let ended = 0;
  const hasCrashed = await store.get(ARCHIVE_OPEN) !== undefined;
  if (!hasCrashed && !store.volatile) void write(store.set(ARCHIVE_OPEN, 1));
  for (const [id, chunks] of left) {
    const record = await turn(id);
    if (record?.status !== "running") continue;
    await interrupt(parts, record, chunks);
    await parts.place(record);
    await parts.trace(record);
    ended++;
  }
  await drafts.deleteUnfinished();
  if (hasCrashed) await mend(parts);
  if (await store.get(UNINDEXED) !== undefined) await indexAgain(parts);
  return ended;
}

/** Ends a turn whose process is gone. */
function interrupt(
  { put, now }: RecoveryParts,
  record: TurnRecord,
  chunks: readonly Chunk[],
): Promise<void> {
  return put({ ...record, chunks, status: "incomplete", code: "shutting_down", endedAt: now() });
}

/** Writes what may be missing of the turns of the last moments before a crash. */
async function mend(parts: RecoveryParts): Promise<void> {
  let after: string | undefined, last: number | undefined;
  while (true) {
    // The newest first: their ids begin with the time.
    const page = await parts.store.list(TURNS, { reverse: true, after, limit: PAGE });
    for (const [key, value] of page) {
      const record = value as TurnRecord;
      last ??= record.at;
      if (record.at < last - LAST_MOMENTS_MS) return;
      // A turn that crashed before its first draft, though a reader had been told of it.
      if (record.status === "running") await interrupt(parts, record, record.chunks);
      else await parts.put(record);
      await parts.place(record);
      await parts.trace(record);
      after = key;
    }
    if (page.length < PAGE) return;
  }
}

/** Gives every turn to a search index that was lost. */
async function indexAgain({ store, put, write }: RecoveryParts): Promise<void> {
  let after: string | undefined;
  while (true) {
    const page = await store.list(TURNS, { after, limit: PAGE });
    for (const [key, value] of page) {
      const record = value as TurnRecord;
      if (record.status !== "running") void write(put(record, false));
      after = key;
    }
    if (page.length < PAGE) break;
  }
  await store.delete(UNINDEXED);
}
