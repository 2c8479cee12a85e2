/**
 * The edge: what happens to every request before it finds its route, and to every answer after it, whatever the route is.
 */

/** The path of a request's address, without the cost of parsing all of it. */
export function pathOf(url: string): string {
  const from = url.indexOf("/", url.indexOf("//") + 2);
  const query = url.indexOf("?", from);
  return from < 0 ? "/" : url.slice(from, query < 0 ? undefined : query);
}

/** The answer to a HEAD: that to a GET, whose body is let go of, because a stream that nobody reads would stay open. */
export async function headOf(answer: Response | Promise<Response>): Promise<Response> {
  const response = await answer;
  await response.body?.cancel();
  return new Response(null, response);
}

/** Tells browsers to use TLS only, for so many seconds. */
export async function withHsts(seconds: number, answer: Response | Promise<Response>): Promise<Response> {
  const response = await answer;
  // The answer to an upgrade is not for changing, and browsers do not look there.
  if (response.status !== 101) response.headers.set("strict-transport-security", `max-age=${seconds}`);
  return response;
}

/** Lets a listed origin's page read the answer (the Fetch standard's CORS protocol). */
export async function withCors(
  request: Request,
  origin: string,
  answer: () => Response | Promise<Response>,
): Promise<Response> {
  const headers: [string, string][] = [["access-control-allow-origin", origin], ["vary", "origin"]];
  if (request.method === "OPTIONS" && request.headers.has("access-control-request-method")) {
    headers.push(
      ["access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE"],
      // Official clients send headers of their own (`x-stainless-…`); a page of a listed origin may send what it likes.
      ["access-control-allow-headers", request.headers.get("access-control-request-headers") ?? "authorization"],
      ["access-control-max-age", "600"],
    );
    return new Response(null, { status: 204, headers });
  }
  const response = await answer();
  const open = new Response(response.body, response);
  for (const [name, value] of headers) open.headers.append(name, value);
  open.headers.set("access-control-expose-headers", "retry-after, x-request-id, x-conversation-id, x-nexus-ignored");
  return open;
}
