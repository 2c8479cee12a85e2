import assert from "node:assert/strict";
import { fetchImage, isPrivate } from "../../../src/channels/http/image_fetch.ts";

const PNG = Uint8Array.of(137, 80, 78, 71);

/** A server of images on this machine, at 127.0.0.1; what it answers stands in the path. */
function imageHost() {
  const seen: string[] = [];
  const stalled: (() => void)[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname, searchParams } = new URL(request.url);
    seen.push(pathname);
    const png = { headers: { "content-type": "image/png" } };
    switch (pathname) {
      case "/image":
        return new Response(PNG, png);
      case "/to":
        return new Response(null, {
          status: 302,
          headers: { location: searchParams.get("place")! },
        });
      case "/page":
        return new Response("<html>", { headers: { "content-type": "text/html" } });
      case "/large":
        return new Response(new Uint8Array(Number(searchParams.get("bytes"))), png);
      case "/endless":
        return new Response(
          new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(65_536)) }),
          png,
        );
      case "/stall":
        return new Response(
          new ReadableStream({
            start(controller) {
              controller.enqueue(PNG);
              stalled.push(() => controller.close());
            },
          }),
          png,
        );
      default:
        return new Response(null, { status: 404 });
    }
  });
  const port = server.addr.port;
  return {
    seen,
    port,
    url: (path: string, host = "127.0.0.1") => `http://${host}:${port}${path}`,
    async [Symbol.asyncDispose]() {
      for (const end of stalled) {
        try {
          end();
        } catch {
          // The other side has left.
        }
      }
      await server.shutdown();
    },
  };
}

const anywhere = () => false;

Deno.test("an address of the public internet is public, in both families, and every other one is private", () => {
  for (
    const address of [
      "8.8.8.8",
      "1.1.1.1",
      "93.184.216.34",
      "172.32.0.1",
      "192.169.0.1",
      "11.0.0.1",
      "223.255.255.254",
    ]
  ) assert.equal(isPrivate(address), false, address);
  for (const address of ["2606:4700::1111", "2001:4860:4860::8888", "2a00:1450::1"]) {
    assert.equal(isPrivate(address), false, address);
  }
  const shut =
    "0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.9.9.9 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1 198.18.0.1 " +
    "224.0.0.1 255.255.255.255 :: ::1 ::ffff:8.8.8.8 ::ffff:10.0.0.1 fc00::1 fd12::1 fe80::1 fe80::1%eth0 ff02::1 " +
    "64:ff9b::808:808 2002:808:808::1 2001:db8::1 localhost 1.2.3 300.1.1.1";
  for (const address of shut.split(" ")) assert.equal(isPrivate(address), true, address);
  assert.equal(isPrivate(""), true);
});

Deno.test("an image is fetched, by name, by address and over redirects", async () => {
  await using host = imageHost();
  const image = "data:image/png;base64,iVBORw==";
  assert.equal(await fetchImage(host.url("/image"), { refuses: anywhere }), image);
  assert.equal(await fetchImage(host.url("/image", "localhost"), { refuses: anywhere }), image);
  const twice = host.url(`/to?place=${encodeURIComponent("/to?place=/image")}`);
  assert.equal(await fetchImage(twice, { refuses: anywhere }), image);
  assert.deepEqual(host.seen, ["/image", "/image", "/to", "/to", "/image"]);
});

Deno.test("a private address is refused before anything is asked: by number, by name, and behind a redirect", async () => {
  await using host = imageHost();
  const refused = { code: "invalid", message: /private address/ };
  await assert.rejects(fetchImage(host.url("/image")), refused);
  await assert.rejects(fetchImage(host.url("/image", "[::1]")), refused);
  await assert.rejects(fetchImage(host.url("/image", "localhost")), refused);
  assert.deepEqual(host.seen, []);
  // Every address of 127.0.0.0/8 is this machine; for this test only the first of them may be
  // asked.
  const refuses = (address: string) => address !== "127.0.0.1";
  const to = (place: string) =>
    fetchImage(host.url(`/to?place=${encodeURIComponent(place)}`), { refuses });
  await assert.rejects(to(host.url("/image", "127.0.0.2")), refused);
  await assert.rejects(to(host.url("/image", "2130706434")), refused);
  await assert.rejects(to(host.url("/image", "0x7f.2")), refused);
  assert.deepEqual(host.seen, ["/to", "/to", "/to"]);
});

Deno.test("a redirect to no address, to another kind of address or without end is an error at once", async () => {
  await using host = imageHost();
  const to = (place: string) =>
    fetchImage(host.url(`/to?place=${encodeURIComponent(place)}`), { refuses: anywhere });
  const begun = performance.now();
  await assert.rejects(to("http://"), /moved to no proper address/);
  await assert.rejects(to("http://[::"), /moved to no proper address/);
  await assert.rejects(to("file:///etc/passwd"), /not at an http address/);
  await assert.rejects(to("ftp://example.com/a.png"), /not at an http address/);
  await assert.rejects(to("?place="), /redirects|no image|not given out/);
  assert.ok(performance.now() - begun < 5_000);
});

Deno.test("what is no image, too large, endless or silent is refused, and none of it is kept", async () => {
  await using host = imageHost();
  const from = (path: string, timeout?: number) =>
    fetchImage(host.url(path), { refuses: anywhere, maxBytes: 1 << 20, timeout });
  await assert.rejects(from("/page"), /is no image/);
  await assert.rejects(from("/missing"), /was not given out/);
  await assert.rejects(from(`/large?bytes=${(1 << 20) + 1}`), /more than 1 MiB/);
  assert.ok((await from(`/large?bytes=${1 << 20}`)).length > 1 << 20);
  await assert.rejects(from("/endless"), /more than 1 MiB/);
  await assert.rejects(from("/stall", 100), /did not come within 0.1 s/);
  await assert.rejects(
    fetchImage("http://127.0.0.1:1/", { refuses: anywhere }),
    /could not be fetched/,
  );
  await assert.rejects(fetchImage("http:// /", { refuses: anywhere }), /no proper address/);
});
