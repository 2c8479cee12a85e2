/**
 * The edge: what happens to every request before it finds its route, and to every answer after it,
 * whatever the route is.
 */
import { Hono } from "hono";
import { cors } from "hono/cors";
import { secureHeaders } from "hono/secure-headers";
import type { ConnectionInfo } from "./response.ts";

/** Answers a request. */
export type Fetch = (request: Request, connection: ConnectionInfo) => Response | Promise<Response>;

export interface EdgeSettings {
  /** Origins besides our own whose pages may read answers. */
  readonly allowedOrigins: readonly string[];
  /** Seconds for which browsers that came by TLS use nothing else. 0: nothing is said. */
  readonly hsts: number;
}

/** The path of a request's address, without the cost of parsing all of it. */
export function pathOf(url: string): string {
  const from = url.indexOf("/", url.indexOf("//") + 2);
  const query = url.indexOf("?", from);
  return from < 0 ? "/" : url.slice(from, query < 0 ? undefined : query);
}

/**
 * The answer to a HEAD: that to a GET, whose body is let go of, because a stream that nobody reads
 * would stay open.
 */
export async function headOf(answer: Response | Promise<Response>): Promise<Response> {
  const response = await answer;
  await response.body?.cancel();
  return new Response(null, response);
}

/**
 * Lets pages of listed origins read answers (CORS), and tells browsers to stay with TLS. Only a
 * request that is concerned goes that way; the others pay nothing for it.
 */
export function edge({ allowedOrigins, hsts }: EdgeSettings, inner: Fetch): Fetch {
  const answer = (c: { req: { raw: Request }; env: ConnectionInfo }) => inner(c.req.raw, c.env);
  const open = new Hono<{ Bindings: ConnectionInfo }>().use(cors({
    origin: [...allowedOrigins],
    // A page of a listed origin may send the headers it likes: official clients send some of their
    // own (`x-stainless-…`).
    allowMethods: ["GET", "POST", "PUT", "PATCH", "DELETE"],
    exposeHeaders: EXPOSED,
    maxAge: 600,
  })).all("*", answer);
  const reached: Fetch = (request, connection) => {
    const origin = allowedOrigins.length > 0 ? request.headers.get("origin") : null;
    return origin !== null && allowedOrigins.includes(origin)
      ? open.fetch(request, connection)
      : inner(request, connection);
  };
  if (hsts === 0) return reached;
  const tls = new Hono<{ Bindings: ConnectionInfo }>().use(
    secureHeaders({ ...NO_HEADERS, strictTransportSecurity: `max-age=${hsts}` }),
  )
    .all("*", (c) => reached(c.req.raw, c.env));
  return (request, connection) =>
    connection.secure ? tls.fetch(request, connection) : reached(request, connection);
}

/** What a page of a listed origin may read of an answer's headers. */
const EXPOSED = [
  "retry-after",
  "x-request-id",
  "x-conversation-id",
  "x-nexus-ignored",
  "x-ratelimit-limit-requests",
  "x-ratelimit-remaining-requests",
  "x-ratelimit-reset-requests",
];

/** The page has headers of its own, which say more; an answer of the API has no use for them. */
const NO_HEADERS = {
  crossOriginResourcePolicy: false,
  crossOriginOpenerPolicy: false,
  originAgentCluster: false,
  referrerPolicy: false,
  xContentTypeOptions: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xFrameOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
} as const;
