/**
 * The balancer: a pure choice among the bots that may answer.
 *
 * It chooses the conversation's own bot if it is free, else the less busy of two drawn by weight.
 * Two draws keep the busiest bot close to the average without a look at every bot, and they do not
 * all rush to the one that was idle a moment ago (Mitzenmacher, "The Power of Two Choices in
 * Randomized Load Balancing", 2001).
 */

/** A bot as far as the choice needs it. */
export interface Candidate {
  readonly id: string;
  readonly busy: number;
  readonly maxConcurrent: number;
  readonly weight: number;
}

/**
 * Chooses among candidates that may answer; those at their cap are left out.
 *
 * @param own the id of the conversation's own bot
 * @param random a number from 0 up to 1, asked for twice at most
 * @returns nothing where all are full
 */
export function pick<T extends Candidate>(
  candidates: readonly T[],
  own: string | undefined,
  random: () => number,
): T | undefined {
  const free = candidates.filter((candidate) => candidate.busy < candidate.maxConcurrent);
  if (free.length < 2) return free[0];
  const kept = own === undefined ? undefined : free.find((candidate) => candidate.id === own);
  if (kept) return kept;
  const first = draw(free, random);
  const second = draw(free.filter((candidate) => candidate !== first), random);
  return second.busy / second.weight < first.busy / first.weight ? second : first;
}

/** Draws one candidate, each with a probability in proportion to its weight. */
function draw<T extends Candidate>(candidates: readonly T[], random: () => number): T {
  let total = 0;
  for (const candidate of candidates) total += candidate.weight;
  let rest = random() * total;
  for (const candidate of candidates) {
    rest -= candidate.weight;
    if (rest < 0) return candidate;
  }
  return candidates[candidates.length - 1]!;
}
