/**
 * What is left of a person's messages, as OpenAI's clients read it: `x-ratelimit-limit-requests`,
 * `x-ratelimit-remaining-requests` and `x-ratelimit-reset-requests`.
 *
 * Source: https://platform.openai.com/docs/guides/rate-limits. Durations are written as Go does.
 */
import type { RemainingMessages } from "../../core/people/allowance.ts";

/** The headers; none where no limit is set. */
export function rateLimitHeaders(
  left: RemainingMessages | undefined,
  now: number,
): [string, string][] {
  if (!left) return [];
  return [
    ["x-ratelimit-limit-requests", String(left.limit)],
    ["x-ratelimit-remaining-requests", String(left.remaining)],
    ["x-ratelimit-reset-requests", duration(left.until - now)],
  ];
}

/** `1s`, `6m0s`, `1h2m3s`, in whole seconds. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) return `${h}h${m}m${s}s`;
  return m > 0 ? `${m}m${s}s` : `${s}s`;
}
