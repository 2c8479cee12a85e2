/**
 * What the benchmark is measured against. docs/performance.md has the same targets, and says which
 * were missed (`tests/docs/performance_test.ts`).
 */

/** Times as much as the floor, at most. */
export const RATIOS = {
  "chat": 1.3,
  "bursts, version 1": 1.1,
  "bursts, version 2": 0.5,
  "paced": 1.1,
  "open stream": 1.1,
} as const;

/** Milliseconds, at most. */
export const ADDED_P99 = 5, START = 150;
