/**
 * What operators and their machines ask: is it alive, is it ready, how is it doing, what can it do.
 */
import { Hono } from "hono";
import { z } from "zod";
import type { Gateway } from "../core/gateway.ts";
import { NexusError } from "../core/error.ts";
import { sameText } from "../core/secret.ts";
import { json } from "./http.ts";
import { openapi, type RouteDoc } from "./openapi.ts";
import type { Env } from "./web.ts";

export interface OpsParts {
  readonly gateway: Gateway;
  readonly version: string;
  readonly metrics: () => Promise<string>;
  readonly metricsToken: () => string | undefined;
  readonly configSchema: () => Record<string, unknown>;
  /** What keeps the gateway from being well, in words; empty when nothing does. */
  readonly troubles: () => readonly string[];
  readonly routes: () => readonly RouteDoc[];
}

export const opsRoutes: RouteDoc[] = [
  {
    method: "get",
    path: "/health",
    summary: "The original's health check: which bots are there.",
    tag: "operation",
    auth: "none",
    ok: z.object({ status: z.literal("ok"), bots: z.number(), botIds: z.array(z.string()) }),
  },
  {
    method: "get",
    path: "/livez",
    summary: "The process answers.",
    tag: "operation",
    auth: "none",
    ok: z.object({ status: z.literal("ok"), version: z.string() }),
  },
  {
    method: "get",
    path: "/readyz",
    summary: "New work is taken. 503 while draining.",
    tag: "operation",
    auth: "none",
    ok: z.object({ status: z.enum(["ok", "degraded"]), troubles: z.array(z.string()) }),
    errors: ["shutting_down"],
  },
  { method: "get", path: "/metrics", summary: "Prometheus text.", tag: "operation", auth: "metrics", ok: "text/plain" },
  {
    method: "get",
    path: "/openapi.json",
    summary: "This description.",
    tag: "operation",
    auth: "none",
    ok: z.looseObject({}),
  },
  {
    method: "get",
    path: "/config.schema.json",
    summary: "The JSON Schema of the configuration file, for `$schema`.",
    tag: "operation",
    auth: "none",
    ok: z.looseObject({}),
  },
];

export function ops(parts: OpsParts): Hono<Env> {
  const { gateway } = parts;
  const app = new Hono<Env>();

  app.get("/health", () => {
    const seats = gateway.roster.list();
    return json({ status: "ok", bots: seats.length, botIds: seats.map(({ id }) => id) });
  });

  app.get("/livez", () => json({ status: "ok", version: parts.version }));

  app.get("/readyz", () => {
    if (gateway.draining) throw new NexusError("shutting_down", undefined, { retryAfter: 5 });
    const troubles = parts.troubles();
    return json({ status: troubles.length > 0 ? "degraded" : "ok", troubles });
  });

  app.get("/metrics", async (c) => {
    const token = parts.metricsToken();
    if (token !== undefined && !sameText(c.req.header("authorization") ?? "", `Bearer ${token}`)) {
      throw new NexusError("unauthenticated");
    }
    return new Response(await parts.metrics(), {
      headers: [["content-type", "text/plain; version=0.0.4; charset=utf-8"], ["cache-control", "no-store"]],
    });
  });

  // Made once: anybody may ask.
  let described: Record<string, unknown> | undefined, schema: Record<string, unknown> | undefined;
  app.get("/openapi.json", () => json(described ??= openapi(parts.routes(), parts.version)));
  app.get("/config.schema.json", () => json(schema ??= parts.configSchema()));

  return app;
}
