/** Converts limits of the configuration to limits of a budget. */
import type { RateLimit } from "./send_budget.ts";

/** Returns the configured limits, or the platform's default for each that is not configured. */
export function rates(
  written: { second?: number; minute?: number; hour?: number } | undefined,
  otherwise: { second?: number; minute?: number; hour?: number },
): RateLimit[] {
  const figures = { ...otherwise, ...written };
  const all: RateLimit[] = [];
  if (figures.second) all.push({ limit: figures.second, per: 1000 });
  if (figures.minute) all.push({ limit: figures.minute, per: 60_000 });
  if (figures.hour) all.push({ limit: figures.hour, per: 3_600_000 });
  return all;
}
