import assert from "node:assert/strict";
import { isPrivate } from "../../../src/channels/http/image_fetch.ts";
import { fetchWithout, publicFetch } from "../../../src/channels/http/public_fetch.ts";
import { NexusError } from "../../../src/core/error.ts";

const isForbidden = (error: unknown) => error instanceof NexusError && error.code === "forbidden";

Deno.test("private addresses are refused, by number and after a name was resolved, and nothing is sent to them", async () => {
  let asked = 0;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
    asked++;
    return new Response("secret");
  });
  const { port } = server.addr;
  for (
    const host of [
      "127.0.0.1",
      "localhost",
      "[::1]",
      "[::ffff:127.0.0.1]",
      "0.0.0.0",
      "169.254.169.254",
    ]
  ) {
    await assert.rejects(publicFetch(`http://${host}:${port}/`), isForbidden, host);
  }
  await assert.rejects(publicFetch("file:///etc/passwd"), TypeError);
  assert.equal(asked, 0);
  await server.shutdown();
});

Deno.test("what may be reached is answered with its status, headers and bytes; a redirect is not followed", async () => {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ url }) => {
    const { pathname } = new URL(url);
    if (pathname === "/moved") {
      return new Response(null, { status: 302, headers: { location: "http://10.0.0.1/" } });
    }
    if (pathname === "/nothing") return new Response(null, { status: 204 });
    return new Response(new Uint8Array([1, 2, 3]), {
      headers: { "content-disposition": "attachment; filename=a.txt" },
    });
  });
  const reach = fetchWithout((address) => isPrivate(address) && address !== "127.0.0.1");
  const base = `http://127.0.0.1:${server.addr.port}`;
  const file = await reach(`${base}/file`);
  assert.deepEqual([file.status, [...new Uint8Array(await file.arrayBuffer())]], [200, [1, 2, 3]]);
  assert.equal(file.headers.get("content-disposition"), "attachment; filename=a.txt");
  const moved = await reach(`${base}/moved`);
  await moved.body?.cancel();
  assert.equal(moved.status, 302);
  assert.equal((await reach(`${base}/nothing`)).status, 204);
  await server.shutdown();
});

Deno.test("a server that says nothing is left when the time is over", async () => {
  const hold = Promise.withResolvers<Response>();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => hold.promise);
  const reach = fetchWithout(() => false);
  const stop = new AbortController();
  const asked = reach(`http://127.0.0.1:${server.addr.port}/`, { signal: stop.signal });
  stop.abort();
  await assert.rejects(asked);
  hold.resolve(new Response());
  await server.shutdown();
});
