/**
 * An emulated platform on a port, with its long connection. For `nexus emulate` and for tests with
 * the vendors' own clients.
 */

/** A part of a platform that may answer a request; the first that does, does. */
export type RequestHandler = (
  request: Request,
) => Promise<Response | undefined> | Response | undefined;

export interface RunningServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves on a port of 127.0.0.1; 0 is any free one. */
export function serveOn(port: number, ...parts: RequestHandler[]): RunningServer {
  const server = Deno.serve({ port, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    for (const part of parts) {
      const response = await part(request);
      if (response) return response;
    }
    return new Response("nothing here", { status: 404 });
  });
  return { url: `http://127.0.0.1:${server.addr.port}`, close: () => server.shutdown() };
}
