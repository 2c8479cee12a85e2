/**
 * `/openapi.json`: every route, described by the same schemas that check what comes in.
 */
import { z } from "zod";
import type { Code } from "../core/error.ts";
import { statusOf } from "./http.ts";

/** One route as people read it. */
export interface RouteDoc {
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  /** With parameters in braces: `/api/turns/{id}`. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  /** `person`: a session (Bearer token or cookie). */
  readonly auth: "none" | "person" | "admin" | "bot" | "metrics" | "platform";
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** What a success answers: a schema, or a media type. */
  readonly ok: z.ZodType | "text/event-stream" | "text/plain" | "text/markdown" | "text/html";
  readonly status?: number;
  readonly errors?: readonly Code[];
}

/** What every failure before the first byte answers. */
export const errorBody = z.object({
  error: z.string().meta({ description: "Text for people, in the language of Accept-Language" }),
  code: z.string().meta({ description: "Stable code" }),
}).meta({ id: "Error" });

/** The document of OpenAPI 3.1. */
export function openapi(routes: readonly RouteDoc[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method] = operation(route);
  return {
    openapi: "3.1.0",
    info: {
      title: "Nexus",
      version,
      description:
        "The gateway between people and AI bots. Failures before the first byte are a status with `error` and `code`; " +
        "after it they are an event in the stream.",
      license: { name: "MIT" },
    },
    paths,
    components: {
      schemas: { Error: schemaOf(errorBody) },
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "The token of POST /api/login" },
        cookie: { type: "apiKey", in: "cookie", name: "nexus_session" },
      },
    },
  };
}

function operation(route: RouteDoc): Record<string, unknown> {
  const parameters: unknown[] = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  for (const [name, schema] of Object.entries(route.query?.shape ?? {})) {
    parameters.push({
      name,
      in: "query",
      required: !schema.safeParse(undefined).success,
      schema: schemaOf(schema as z.ZodType),
    });
  }
  const responses: Record<string, unknown> = {
    [String(route.status ?? 200)]: {
      description: "OK",
      content: typeof route.ok === "string"
        ? { [route.ok]: { schema: { type: "string" } } }
        : { "application/json": { schema: schemaOf(route.ok) } },
    },
  };
  const secured = route.auth === "person" || route.auth === "admin";
  const codes: Code[] = [...(route.errors ?? []), ...(secured ? ["unauthenticated", "session_expired"] as const : [])];
  for (const code of codes) {
    const status = String(statusOf(code));
    const known = responses[status] as { description: string } | undefined;
    responses[status] = {
      description: known ? `${known.description}, ${code}` : code,
      content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
    };
  }
  return {
    summary: route.summary,
    tags: [route.tag],
    operationId: `${route.method}_${route.path.replace(/^\//, "").replace(/[^\w]+/g, "_").replace(/_$/, "")}`,
    ...(secured ? { security: [{ bearer: [] }, { cookie: [] }] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.body
      ? { requestBody: { required: true, content: { "application/json": { schema: schemaOf(route.body) } } } }
      : {}),
    responses,
  };
}

function schemaOf(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return rest;
}
