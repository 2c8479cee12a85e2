/**
 * What operators and their machines ask: is it alive, is it ready, how is it doing, what can it do.
 */
import { z } from "zod";
import type { Gateway } from "../core/gateway.ts";
import { NexusError } from "../core/error.ts";
import { sameText } from "../core/secret.ts";
import { openapi } from "./openapi.ts";
import { anyone, declare } from "./route.ts";
import type { Routes } from "./routes.ts";

export interface OpsParts {
  readonly gateway: Gateway;
  readonly version: string;
  readonly metrics: () => Promise<string>;
  readonly metricsToken: () => string | undefined;
  readonly configSchema: () => Record<string, unknown>;
  /** What keeps the gateway from being well, in words; empty when nothing does. */
  readonly troubles: () => readonly string[];
}

export const opsRoutes = {
  health: declare({
    method: "get",
    path: "/health",
    summary: "The original's health check: which bots are there.",
    tag: "operation",
    ...anyone,
    ok: z.object({ status: z.literal("ok"), bots: z.number(), botIds: z.array(z.string()) }),
  }),
  livez: declare({
    method: "get",
    path: "/livez",
    summary: "The process answers.",
    tag: "operation",
    ...anyone,
    ok: z.object({ status: z.literal("ok"), version: z.string() }),
  }),
  readyz: declare({
    method: "get",
    path: "/readyz",
    summary: "New work is taken. 503 while draining.",
    tag: "operation",
    ...anyone,
    ok: z.object({ status: z.enum(["ok", "degraded"]), troubles: z.array(z.string()) }),
    errors: ["shutting_down"],
  }),
  metrics: declare({
    method: "get",
    path: "/metrics",
    summary: "Prometheus text.",
    tag: "operation",
    ...anyone,
    ok: "text/plain",
  }),
  openapi: declare({
    method: "get",
    path: "/openapi.json",
    summary: "This description.",
    tag: "operation",
    ...anyone,
    ok: z.looseObject({}),
  }),
  configSchema: declare({
    method: "get",
    path: "/config.schema.json",
    summary: "The JSON Schema of the configuration file, for `$schema`.",
    tag: "operation",
    ...anyone,
    ok: z.looseObject({}),
  }),
} as const;

export function ops(routes: Routes, parts: OpsParts): void {
  const { gateway } = parts;

  routes.on(opsRoutes.health, () => {
    const seats = gateway.roster.list();
    return { status: "ok" as const, bots: seats.length, botIds: seats.map(({ id }) => id) };
  });

  routes.on(opsRoutes.livez, () => ({ status: "ok" as const, version: parts.version }));

  routes.on(opsRoutes.readyz, () => {
    if (gateway.draining) throw new NexusError("shutting_down", undefined, { retryAfter: 5 });
    const troubles = parts.troubles();
    return { status: troubles.length > 0 ? "degraded" as const : "ok" as const, troubles };
  });

  routes.on(opsRoutes.metrics, async (call) => {
    const token = parts.metricsToken();
    if (token !== undefined && !sameText(call.header("authorization") ?? "", `Bearer ${token}`)) {
      throw new NexusError("unauthenticated");
    }
    return new Response(await parts.metrics(), {
      headers: [["content-type", "text/plain; version=0.0.4; charset=utf-8"], ["cache-control", "no-store"]],
    });
  });

  // Made once: anybody may ask.
  let described: Record<string, unknown> | undefined, schema: Record<string, unknown> | undefined;
  routes.on(opsRoutes.openapi, () => described ??= openapi(routes.table, parts.version));
  routes.on(opsRoutes.configSchema, () => schema ??= parts.configSchema());
}
