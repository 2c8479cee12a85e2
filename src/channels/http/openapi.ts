/**
 * `/openapi.json`: every route as it is declared, with the schemas that check what comes in, and
 * who may take it.
 */
import { z } from "zod";
import type { ErrorCode } from "../../core/error.ts";
import { statusOf } from "./response.ts";
import type { Route } from "./route.ts";

type Json = Record<string, unknown>;

/** What every failure before the first byte answers. */
const errorBody = z.object({
  error: z.string().meta({ description: "Text for people, in the language of Accept-Language" }),
  code: z.string().meta({ description: "Stable code" }),
}).meta({ id: "Error" });

/** The document of OpenAPI 3.1. */
export function openapi(routes: readonly Route[], version: string): Json {
  const schemas: Json = {};
  const paths: Record<string, Json> = {};
  refTo(errorBody, schemas);
  for (const route of routes) (paths[route.path] ??= {})[route.method] = operation(route, schemas);
  return {
    openapi: "3.1.0",
    info: {
      title: "Nexus",
      version,
      description:
        "The gateway between people and AI bots. Failures before the first byte are a status with `error` and `code`; " +
        "after it they are an event in the stream. `x-nexus-access` says who may take a route: `who` (to others an admin's " +
        "route does not exist), the scopes of `keys` that open it besides a session, and what it does for a key that is " +
        "bound to some `bots` (`bound`: it sees and changes only what those answered; `closed`: it is refused; `free`: " +
        "nothing here is about bots). `guarded`: upon an admin's account no key does it, only a session.",
      license: { name: "MIT" },
    },
    paths,
    components: { schemas, securitySchemes: SCHEMES },
  };
}

const SCHEMES = {
  session: { type: "http", scheme: "bearer", description: "The token of POST /api/login" },
  cookie: {
    type: "apiKey",
    in: "cookie",
    name: "nexus_session",
    description: "The same in a browser",
  },
  key: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "nxk_…",
    description: "A key of POST /api/keys, by its scopes",
  },
  bot: {
    type: "http",
    scheme: "bearer",
    description: "A bot's token; the first frame may show it instead",
  },
};

/**
 * Whoever may take a route, as OpenAPI says it: one of these is enough. For a key, one of its
 * scopes is.
 */
function security(route: Route): Json[] | undefined {
  if (route.who === "bot") return [{ bot: [] }, {}];
  if (route.who !== "member" && route.who !== "admin") return undefined;
  return [{ session: [] }, { cookie: [] }, ...route.keys.map((scope) => ({ key: [scope] }))];
}

function operation(route: Route, schemas: Json): Json {
  const { who, method, path, summary, tag } = route;
  const access = who === "member" || who === "admin"
    ? {
      who,
      keys: route.keys,
      ...("bots" in route ? { bots: route.bots, guarded: route.guarded } : {}),
    }
    : { who };
  const parameters = parametersOf(route, schemas);
  const required = security(route);
  return {
    summary,
    tags: [tag],
    operationId: `${method}_${path.replace(/^\//, "").replace(/[^\w]+/g, "_").replace(/_$/, "")}`,
    ...(required ? { security: required } : {}),
    "x-nexus-access": access,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.body
      ? {
        requestBody: {
          required: true,
          content: { "application/json": { schema: refTo(route.body, schemas) } },
        },
      }
      : {}),
    responses: responsesOf(route, schemas),
  };
}

function parametersOf({ path, query }: Route, schemas: Json): Json[] {
  // linear: only our own paths are read.
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const inQuery = Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: "query",
    required: !schema.safeParse(undefined).success,
    schema: refTo(schema as z.ZodType, schemas),
  }));
  return [...inPath, ...inQuery];
}

function responsesOf(route: Route, schemas: Json): Json {
  const { ok, status = 200 } = route;
  const content = typeof ok === "string"
    ? { [ok]: { schema: { type: "string" } } }
    : { "application/json": { schema: refTo(ok, schemas) } };
  const responses: Record<string, { description: string; content?: Json }> = {
    // Switching protocols and sending a browser elsewhere have no body.
    [status]: status < 200 || status >= 300
      ? { description: "OK" }
      : { description: "OK", content },
  };
  for (const code of new Set([...route.errors ?? [], ...accessErrors(route)])) {
    const known = responses[statusOf(code)];
    responses[statusOf(code)] = {
      description: known ? `${known.description}, ${code}` : code,
      content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
    };
  }
  return responses;
}

/** How a caller without access is rejected. */
function accessErrors({ who }: Route): ErrorCode[] {
  if (who === "bot") return ["unauthenticated"];
  if (who !== "member" && who !== "admin") return [];
  return [
    "unauthenticated",
    "session_expired",
    "forbidden",
    ...(who === "admin" ? ["not_found"] as const : []),
  ];
}

/** A schema where it stands; one with a name stands among `schemas`, once, and is pointed at. */
function refTo(schema: z.ZodType, schemas: Json): Json {
  const { $schema: _, $defs = {}, id, ...rest } = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
  }) as Json;
  for (const [name, { id: _, ...definition }] of Object.entries($defs as Record<string, Json>)) {
    schemas[name] ??= pointed(definition);
  }
  if (typeof id !== "string") return pointed(rest);
  schemas[id] ??= pointed(rest);
  return { $ref: `#/components/schemas/${id}` };
}

/** Points at the definitions where OpenAPI has them. */
function pointed(schema: Json): Json {
  return JSON.parse(
    JSON.stringify(schema),
    (key, value) =>
      key === "$ref" && typeof value === "string"
        ? value.replace("#/$defs/", "#/components/schemas/")
        : value,
  );
}
