/** What the calls of every app need, from what the app was given. */
import type { CallerParts } from "./caller.ts";
import type { ChannelParts } from "./channel.ts";
import type { Health } from "./health.ts";
import type { ChatAppSettings } from "./settings.ts";

/** Everything but the token. */
export function callerParts(
  parts: Pick<ChannelParts, "fetch" | "clock" | "budget" | "random" | "observer">,
  { timeouts }: Pick<ChatAppSettings, "timeouts">,
  health: Health,
): Omit<CallerParts, "token"> {
  return {
    fetch: parts.fetch ?? fetch,
    clock: parts.clock,
    budget: parts.budget,
    random: parts.random ?? Math.random,
    timeouts,
    onThrottled: (scope, ms, code) => parts.observer.tell({ type: "throttled", scope, ms, code }),
    reportFailure: (code, said) => health.recordFailure(code, said),
  };
}

/** A `fetch` for addresses that are not the platform's own. Loaded when the first of them comes. */
export function foreignFetch({ fetchPublic }: Pick<ChannelParts, "fetchPublic">): typeof fetch {
  return fetchPublic ?? (async (input, init) => {
    const { publicFetch } = await import("../http/public_fetch.ts");
    return await publicFetch(input, init);
  });
}
