/**
 * Ended turns that are still in memory, so that readers who come back at once do not cost a read of
 * the store. Bounded by age and by weight; the oldest are dropped first, and the archive still has
 * them.
 */
import type { Turn } from "./turn.ts";

/** What an ended turn costs in memory besides its words, in bytes by estimate. */
const TURN_OVERHEAD_BYTES = 2048;

export interface RecentTurnsBounds {
  /** How long an ended turn stays in memory, in milliseconds. */
  readonly keepEnded: number;
  /** Bytes that ended turns may take in memory together, by estimate. */
  readonly keepEndedBytes: number;
}

export class RecentTurns {
  /** The oldest first. */
  readonly #turns = new Map<string, { readonly turn: Turn; readonly bytes: number }>();
  #bytes = 0;

  /** @param bounds read at every use, so that they may change while running */
  constructor(private readonly bounds: RecentTurnsBounds) {}

  get(id: string): Turn | undefined {
    return this.#turns.get(id)?.turn;
  }

  /** How many there are, and their weight in bytes by estimate. */
  get usage(): { turns: number; bytes: number } {
    return { turns: this.#turns.size, bytes: this.#bytes };
  }

  add(turn: Turn): void {
    const bytes = weightOf(turn);
    this.#turns.set(turn.id, { turn, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#turns.keys()) {
      if (this.#bytes <= this.bounds.keepEndedBytes) break;
      this.#drop(oldest);
    }
  }

  /** Drops the turns that a condition holds for. */
  dropWhere(condition: (turn: Turn) => boolean): void {
    for (const [id, { turn }] of this.#turns) if (condition(turn)) this.#drop(id);
  }

  /** Drops turns that ended too long before `now`. */
  expire(now: number): void {
    for (const [id, { turn }] of this.#turns) {
      if (now - turn.endedAt! < this.bounds.keepEnded) return;
      this.#drop(id);
    }
  }

  #drop(id: string): void {
    this.#bytes -= this.#turns.get(id)?.bytes ?? 0;
    this.#turns.delete(id);
  }
}

function weightOf({ reply, message }: Turn): number {
  let bytes = TURN_OVERHEAD_BYTES + 2 * (reply.size + message.text.length);
  for (const image of message.images) bytes += image.length;
  // The transcript of an OpenAI client stays in memory as long as its turn.
  for (const { text, images } of message.transcript ?? []) {
    bytes += 2 * text.length;
    for (const image of images) bytes += image.length;
  }
  return bytes;
}
