/**
 * The queue of a session, which runs one turn at a time. OpenClaw would hand a second message of
 * the same session to the running turn: the first asker would get both answers, and the second
 * none.
 */

/** Turns that may wait in one lane; a person who sends more than this while one runs is told so. */
export const LANE_BOUND = 20;

export class Lanes {
  readonly #lanes = new Map<string, (() => void)[]>();

  /** How many run or wait, over all lanes. */
  get size(): number {
    let size = 0;
    for (const waiting of this.#lanes.values()) size += 1 + waiting.length;
    return size;
  }

  /**
   * Waits for a place in the lane and returns the way to leave it; `full` when too many wait;
   * `gone` when the signal aborted before it was this one's turn.
   */
  async enter(lane: string, signal: AbortSignal): Promise<(() => void) | "full" | "gone"> {
    if (signal.aborted) return "gone";
    const waiting = this.#lanes.get(lane);
    if (!waiting) {
      this.#lanes.set(lane, []);
      return this.#leaving(lane);
    }
    if (waiting.length >= LANE_BOUND) return "full";
    const came = await new Promise<boolean>((resolve) => {
      const go = () => {
        signal.removeEventListener("abort", giveUp);
        resolve(true);
      };
      const giveUp = () => {
        waiting.splice(waiting.indexOf(go), 1);
        resolve(false);
      };
      waiting.push(go);
      signal.addEventListener("abort", giveUp, { once: true });
    });
    return came ? this.#leaving(lane) : "gone";
  }

  #leaving(lane: string): () => void {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const next = this.#lanes.get(lane)?.shift();
      if (next) next();
      else this.#lanes.delete(lane);
    };
  }
}
