/** The routes for callbacks of chat platforms. Each app verifies its signatures. */
import { NexusError } from "../../core/error.ts";
import type { Observer } from "../../core/observer.ts";
import { pathOf } from "../http/edge.ts";
import { statusOf } from "../http/response.ts";
import { defineRoute } from "../http/route.ts";
import type { Router } from "../http/router.ts";
import type { Apps } from "./apps.ts";

export interface CallbackParts {
  readonly apps: Pick<Apps, "fetch">;
  readonly observer: Observer;
  readonly draining: () => boolean;
}

const common = {
  path: "/channels/{platform}/{name}",
  who: "platform",
  tag: "platforms",
  ok: "text/plain",
} as const;

export const callbackRoutes = {
  event: defineRoute({
    ...common,
    method: "post",
    summary:
      "A chat platform's callback for one app. What could not be stored is not acknowledged, so that it comes again.",
    errors: ["not_found", "shutting_down"],
  }),
  verify: defineRoute({
    ...common,
    method: "get",
    summary: "A chat platform checks the address of its callbacks.",
    errors: ["not_found", "shutting_down"],
  }),
} as const;

export function callbacks(routes: Router, { apps, observer, draining }: CallbackParts): void {
  routes.raw([callbackRoutes.event, callbackRoutes.verify], async (request, { address }) => {
    if (draining()) return new Response(null, { status: 503 });
    const path = pathOf(request.url);
    try {
      return await apps.fetch(path, request, address) ?? new Response(null, { status: 404 });
    } catch (error) {
      // A body that was incomplete or late is not a fault of the gateway.
      if (error instanceof NexusError && error.code !== "internal") {
        return new Response(null, { status: statusOf(error.code) });
      }
      observer.tell({ type: "fault", where: `POST ${path}`, error });
      return new Response(null, { status: 503 });
    }
  });
}
