/** The parts of every app's callers, made from the parts of the app. */
import type { ChannelParts } from "./channel.ts";
import type { Health } from "./health.ts";
import type { HttpParts } from "./http_call.ts";
import type { PacedCall, PacedCallerParts } from "./paced_caller.ts";
import type { ChatAppSettings } from "./settings.ts";

/** What every caller of an app shares: everything but the sender and the token. */
export type SharedCallerParts = Omit<PacedCallerParts<PacedCall>, "send" | "token"> & HttpParts;

export function callerParts(
  parts: Pick<ChannelParts, "fetch" | "clock" | "budget" | "random" | "observer">,
  { timeouts }: Pick<ChatAppSettings, "timeouts">,
  health: Health,
): SharedCallerParts {
  return {
    fetch: parts.fetch ?? fetch,
    clock: parts.clock,
    budget: parts.budget,
    random: parts.random ?? Math.random,
    timeouts,
    onThrottled: (scope, ms, code) => parts.observer.tell({ type: "throttled", scope, ms, code }),
    reportFailure: (code, text) => health.recordFailure(code, text),
  };
}

/**
 * Returns a `fetch` for addresses that are not the platform's own. The module that refuses private
 * addresses is loaded with the first request.
 */
export function foreignFetch({ fetchPublic }: Pick<ChannelParts, "fetchPublic">): typeof fetch {
  return fetchPublic ?? (async (input, init) => {
    const { publicFetch } = await import("../http/public_fetch.ts");
    return await publicFetch(input, init);
  });
}
