/**
 * What operators and their machines ask: is it alive, is it ready, how is it doing, what can it do.
 */
import { z } from "zod";
import type { BotReport } from "../../core/bot_monitor.ts";
import type { Gateway } from "../../core/gateway.ts";
import { NexusError } from "../../core/error.ts";
import { timingSafeEqual } from "../../core/people/secret.ts";
import { type ConnectionView, connectionView } from "./connections.ts";
import { openapi } from "../http/openapi.ts";
import { anyone, defineRoute } from "../http/route.ts";
import type { RouteCall, Router } from "../http/router.ts";

export interface OperationsParts {
  readonly gateway: Gateway;
  readonly version: string;
  /** `names`: with what names a bot or an app. */
  readonly metrics: (names: boolean) => string;
  readonly metricsToken: () => string | undefined;
  /** Whether anybody may know which bots there are. */
  readonly publicBots: () => boolean;
  readonly configSchema: () => Record<string, unknown>;
  /** What keeps the gateway from being well, in words; empty when nothing does. */
  readonly troubles: () => readonly string[];
  /** How each bot hangs on the gateway. */
  readonly bots: () => readonly BotReport[];
  /**
   * The same with the apps, the model APIs and the ways to sign in, and what their last check
   * found.
   */
  readonly connections: () => ConnectionView[];
}

const time = z.number().meta({ description: "Milliseconds since the epoch" }).optional();

const botReport = z.object({
  id: z.string(),
  wire: z.enum(["socket", "model", "built-in"]).optional(),
  protocol: z.number().optional(),
  pool: z.string().optional(),
  state: z.enum(["online", "busy", "resting", "draining", "offline"]),
  since: time,
  why: z.string().optional().meta({ description: "Why it went, while it is offline" }),
  busy: z.number(),
  succeededAt: time,
  failedAt: time,
  failure: z.string().optional().meta({ description: "The code of its last failure" }),
  note: z.string().optional().meta({ description: "Why it does badly at the moment" }),
}).meta({ id: "BotReport" });

const readyQuery = z.object({
  verbose: z.string().optional().meta({
    description: "For admins and the token of the metrics: each bot and connection",
  }),
});

export const operationRoutes = {
  health: defineRoute({
    method: "get",
    path: "/health",
    summary:
      "The health check of Nexus 1.x: how many bots there are, and, for whoever may know them, which. Strangers are " +
      "told their ids only with `publicBots`.",
    tag: "operation",
    ...anyone,
    ok: z.object({
      status: z.literal("ok"),
      bots: z.number(),
      botIds: z.array(z.string()).optional(),
    }),
  }),
  livez: defineRoute({
    method: "get",
    path: "/livez",
    summary: "The process answers.",
    tag: "operation",
    ...anyone,
    ok: z.object({ status: z.literal("ok"), version: z.string() }),
  }),
  readyz: defineRoute({
    method: "get",
    path: "/readyz",
    summary:
      "New work is taken. 503 while draining. Admins and the token of the metrics are told what is wrong.",
    tag: "operation",
    ...anyone,
    query: readyQuery,
    ok: z.object({
      status: z.enum(["ok", "degraded"]),
      troubles: z.array(z.string()).optional(),
      bots: z.array(botReport).optional(),
      connections: z.array(connectionView).optional(),
    }),
    errors: ["shutting_down"],
  }),
  metrics: defineRoute({
    method: "get",
    path: "/metrics",
    summary:
      "Prometheus text. What names a bot or an app is for admins, `metricsToken` and `publicBots`.",
    tag: "operation",
    ...anyone,
    ok: "text/plain",
  }),
  openapi: defineRoute({
    method: "get",
    path: "/openapi.json",
    summary: "This description.",
    tag: "operation",
    ...anyone,
    ok: z.looseObject({}),
  }),
  configSchema: defineRoute({
    method: "get",
    path: "/config.schema.json",
    summary: "The JSON Schema of the configuration file, for `$schema`.",
    tag: "operation",
    ...anyone,
    ok: z.looseObject({}),
  }),
} as const;

export function mountOperations(routes: Router, parts: OperationsParts): void {
  const { gateway } = parts;

  /** Whoever may know everything that is counted: by the token of the metrics, or as an admin. */
  async function isOperator(call: RouteCall): Promise<boolean> {
    const token = parts.metricsToken();
    if (
      token !== undefined && timingSafeEqual(call.header("authorization") ?? "", `Bearer ${token}`)
    ) {
      return true;
    }
    const visitor = await call.visitor();
    return visitor !== undefined && visitor.person.role === "admin" && !visitor.key?.bots;
  }

  routes.on(operationRoutes.health, async (call) => {
    const { roster } = gateway;
    const visitor = await call.visitor();
    const seats = parts.publicBots() || await isOperator(call)
      ? roster.list()
      : visitor && roster.visibleTo(visitor.person);
    const status = "ok" as const;
    return seats
      ? { status, bots: seats.length, botIds: seats.map(({ id }) => id) }
      : { status, bots: roster.size };
  });

  routes.on(operationRoutes.livez, () => ({ status: "ok" as const, version: parts.version }));

  routes.on(operationRoutes.readyz, async (call) => {
    if (gateway.draining) throw new NexusError("shutting_down", undefined, { retryAfter: 5 });
    const troubles = parts.troubles();
    const status = troubles.length > 0 ? "degraded" as const : "ok" as const;
    // Words about files and addresses are not for strangers.
    if (!await isOperator(call)) return { status };
    const { verbose } = call.query();
    if (verbose === undefined || verbose === "0") return { status, troubles };
    return { status, troubles, bots: [...parts.bots()], connections: parts.connections() };
  });

  routes.on(operationRoutes.metrics, async (call) => {
    const isKnown = await isOperator(call);
    if (!isKnown && parts.metricsToken() !== undefined) throw new NexusError("unauthenticated");
    return new Response(parts.metrics(isKnown || parts.publicBots()), {
      headers: [["content-type", "text/plain; version=0.0.4; charset=utf-8"], [
        "cache-control",
        "no-store",
      ]],
    });
  });

  // Made once: anybody may ask.
  let described: Record<string, unknown> | undefined, schema: Record<string, unknown> | undefined;
  routes.on(operationRoutes.openapi, () => described ??= openapi(routes.table, parts.version));
  routes.on(operationRoutes.configSchema, () => schema ??= parts.configSchema());
}
